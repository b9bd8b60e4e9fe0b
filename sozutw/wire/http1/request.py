"""The head of a request: read strictly, whole or not at all."""

import re
from typing import Final

from sozutw.wire.errors import WireError
from sozutw.wire.http1.fields import (
    CLIENT_CLAIMS,
    FRAMING,
    HOP_BY_HOP,
    OTHER_CLAIMS,
    Found,
    check_chunked,
    read_connection,
    read_length,
    sort_fields,
    sort_of_fields,
)
from sozutw.wire.http1.grammar import (
    CRLF,
    HEAD_BYTES_MAX,
    LINE_BYTES_MAX,
    METHOD_BYTES_MAX,
    OWS,
    TOKEN_LOWER,
    check_ends,
    read_authority,
)
from sozutw.wire.message import RequestFields, RequestHead

FIELDS_MAX: Final = 128

_DECIDING: Final = sort_of_fields(
    {b"host", b"expect", b"user-agent"} | FRAMING | HOP_BY_HOP | CLIENT_CLAIMS | {OTHER_CLAIMS}
)
_TARGET: Final = re.compile(rb"[!\"$-~]*+")
# Hot: one match of what nearly every line looks like is three times as fast as its parts.
_read_usual_line: Final = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE) (/[!\"$-~]*+) HTTP/1\.1"
).fullmatch
_ALSO_KEPT: Final = frozenset({b"expect", b"user-agent"})
_USUAL_METHODS: Final = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"}
)
_AS_THEY_COME: Final = {
    b"cookie": "cookies",
    b"forwarded": "forwarded",
    b"x-forwarded-for": "x_forwarded_for",
    b"x-forwarded-host": "x_forwarded_host",
    b"x-forwarded-port": "x_forwarded_port",
    b"x-forwarded-proto": "x_forwarded_proto",
    b"x-real-ip": "x_real_ip",
}
"""Fields of which every value is kept, and the attribute for each."""


_Named = tuple[bytes, bytes]
"""``host[:port]``, and the host alone in lower case."""


def parse_request_head(
    buffer: bytes,
    known: RequestFields | None = None,
    head_bytes_max: int = HEAD_BYTES_MAX,
) -> RequestHead | None:
    """
    Return the head that ``buffer`` starts with, or None until it is whole.

    One empty line before it is allowed (RFC 9112, 2.2) and counted in its size. If the fields
    are those of ``known`` byte for byte, they are not read again: the head shares them.
    Raises WireError as soon as it is certain that no more bytes can make it a head.
    """
    end = buffer.find(b"\r\n\r\n")
    line_end = buffer.find(CRLF)
    start = 0
    if line_end == 0:
        start = 2
        line_end = buffer.find(CRLF, 2)
    if end < 0 or end + 4 > head_bytes_max or line_end - start > LINE_BYTES_MAX:
        _check_unfinished(buffer[: head_bytes_max + 1], head_bytes_max)
        return None
    line = buffer[start:line_end]
    usual = _read_usual_line(line)
    if usual is not None:
        method, target = usual.groups()
        minor, named = 1, None
    else:
        method, target, minor, named = _read_line(line)
    block = buffer[line_end + 2 : end]
    if known is not None and known.block == block and known.minor == minor:
        fields = known
    else:
        fields = _read_fields(block, minor)

    # Hot: storing by hand saves the frame of __init__, 0.3 µs a request.
    head = RequestHead.__new__(RequestHead)
    head.method = method
    head.target = target
    head.minor = minor
    if named is None:
        head.authority = fields.host
        head.host = fields.host_name
    else:
        head.authority, head.host = named
    head.fields = fields
    head.keeps_alive = fields.keeps_alive
    head.size = end + 4
    return head


def _read_line(line: bytes) -> tuple[bytes, bytes, int, _Named | None]:
    """Return method, target in origin form, minor version, and whom an absolute target names."""
    try:
        method, target, version = line.split(b" ")
    except ValueError:
        raise WireError("the request line is not three words") from None
    if method not in _USUAL_METHODS:
        _check_method(method, line)
    minor = 1 if version == b"HTTP/1.1" else _read_minor(version, line)
    if _TARGET.fullmatch(target) is None:
        raise WireError("a byte that no target may hold")
    if target.startswith(b"/"):
        return method, target, minor, None
    target, named = _read_target(method, target)
    return method, target, minor, named


def _read_fields(block: bytes, minor: int) -> RequestFields:
    """Read the fields of a request of HTTP/1.``minor``."""
    fields = RequestFields()
    fields.block = block
    fields.lines = []
    if not block:
        raise WireError("not exactly one Host")
    found = sort_fields(block, _DECIDING, FIELDS_MAX, fields.lines, _ALSO_KEPT)
    try:
        (host,) = found[b"host"]
    except (KeyError, ValueError):
        raise WireError("not exactly one Host") from None
    fields.host, fields.host_name = read_authority(host)
    if minor == 0:
        fields.minor = 0
        fields.keeps_alive = False
    undecided = len(found) - 1
    if b"user-agent" in found:
        fields.user_agent = found[b"user-agent"][0].strip(OWS)
        undecided -= 1
    if undecided:
        _decide(fields, found, minor)
    return fields


def _decide(fields: RequestFields, found: Found, minor: int) -> None:
    """Store the less usual fields where they are looked for."""
    for name, values in found.items():
        attribute = _AS_THEY_COME.get(name)
        if attribute is not None:
            setattr(fields, attribute, tuple([value.strip(OWS) for value in values]))
    if OTHER_CLAIMS in found:
        fields.x_forwarded_others = found[OTHER_CLAIMS]
    if b"x-request-id" in found:
        fields.x_request_id = found[b"x-request-id"][0].strip(OWS) or None
    if b"expect" in found:
        _read_expect(fields, found[b"expect"], minor)
    if b"connection" in found:
        read_connection(fields, found)
    if b"content-length" in found:
        fields.length = read_length(found[b"content-length"])
    if b"transfer-encoding" in found:
        check_chunked(found[b"transfer-encoding"], fields)
        fields.is_chunked = True


def _read_expect(fields: RequestFields, values: tuple[bytes, ...], minor: int) -> None:
    """HTTP/1.0 cannot expect anything (RFC 9110, 10.1.1): there the field is dropped."""
    if minor == 0:
        fields.lines = [
            line for line in fields.lines if line.partition(b":")[0].lower() != b"expect"
        ]
    elif len(values) == 1 and values[0].strip(OWS).lower() == b"100-continue":
        fields.expects_continue = True
    else:
        raise WireError("an expectation that nobody here knows", 417)


def _check_method(method: bytes, line: bytes) -> None:
    """Refuse what is no token, and CONNECT: this is no forward proxy."""
    _check_start(method)
    if not method:
        raise WireError("no method")
    if method.upper() == b"CONNECT":
        check_ends(line + CRLF)
        raise WireError("CONNECT", 405)


def _check_start(start: bytes) -> None:
    """Refuse what cannot begin a request line, such as a TLS handshake."""
    if len(start) > METHOD_BYTES_MAX or b"\0" in start.translate(TOKEN_LOWER):
        raise WireError("the method is not a token of reasonable length")


def _read_minor(version: bytes, line: bytes) -> int:
    """Return 0 or 1: what claims to be newer than 1.1 is served as 1.1 (RFC 9110, 2.5)."""
    if len(version) != len(b"HTTP/1.1") or not version.startswith(b"HTTP/"):
        raise WireError("not an HTTP version")
    major, dot, minor = version[5:6], version[6:7], version[7:8]
    if not major.isdigit() or dot != b"." or not minor.isdigit():
        raise WireError("not an HTTP version")
    if major != b"1":
        check_ends(line + CRLF)
        raise WireError("a major version that is not spoken here", 505)
    return 0 if minor == b"0" else 1


def _read_target(method: bytes, target: bytes) -> tuple[bytes, _Named | None]:
    """Return the origin form of a target that does not begin with a slash, and whom it names."""
    if target == b"*" and method == b"OPTIONS":
        return target, None
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in {b"http", b"https"}:
        raise WireError("the target is neither a path nor a URL")
    path_at = min(at if at >= 0 else len(rest) for at in (rest.find(b"/"), rest.find(b"?")))
    authority, path = rest[:path_at], rest[path_at:]
    if not path:
        path = b"*" if method == b"OPTIONS" else b"/"
    elif path.startswith(b"?"):
        path = b"/" + path
    assert path.startswith((b"/", b"*"))
    return path, read_authority(authority)


def _check_unfinished(buffer: bytes, head_bytes_max: int) -> None:
    """
    Refuse a head that is not whole, or too large, if nothing that may follow can mend it.

    The checks come in the order in which the bytes do, so that a head which comes in pieces
    is refused for the same reason as one that comes at once.
    """
    if buffer == b"\r":
        return
    start = 2 if buffer.startswith(CRLF) else 0
    first = buffer[start : start + METHOD_BYTES_MAX + 1]
    _check_start(first.partition(b" ")[0])
    line_end = buffer.find(CRLF, start, start + LINE_BYTES_MAX + 2)
    if line_end < 0:
        line = buffer[start : start + LINE_BYTES_MAX + 2]
        check_ends(line)
        if len(line) == LINE_BYTES_MAX + 2:
            raise WireError("the request line is too long", 414)
    else:
        _read_line(buffer[start:line_end])
    check_ends(buffer)
    if len(buffer) > head_bytes_max:
        raise WireError("the head is too large", 431)
