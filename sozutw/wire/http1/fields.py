"""Field lines: split, checked, and sorted into those passed on and those that decide something."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from sozutw.wire.errors import WireError
from sozutw.wire.http1.grammar import CONTROLS, CRLF, OWS, TOKEN_LOWER, is_token, read_number
from sozutw.wire.message import FieldBlock

Found = dict[bytes, tuple[bytes, ...]]
"""The fields that decide something: lower-case name to the values, white space not yet removed."""

_KEPT: Final = b""

FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
"""Never passed on, whether Connection names them or not (RFC 9110, 7.6.1 and 11.7)."""

CLIENT_CLAIMS: Final = frozenset(
    {
        b"cookie",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-request-id",
    }
)
"""What the proxy itself writes, or reads, in a request."""

OTHER_CLAIMS: Final = b"x-forwarded-*"
"""
Under this name stand whole lines: X-Forwarded fields that are not in CLIENT_CLAIMS, and whatever
is one of those that decide something but for an underscore in the place of a hyphen.
"""

UNREMOVABLE: Final = (
    FRAMING
    | CLIENT_CLAIMS
    | {
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"date",
        b"expect",
        b"host",
        b"set-cookie",
    }
)
"""Fields that a peer cannot make us take away by naming them in Connection."""

_COMMON: Final = (
    b"Accept Accept-CH Accept-Charset Accept-Encoding Accept-Language Accept-Ranges"
    b" Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods"
    b" Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age"
    b" Access-Control-Request-Headers Access-Control-Request-Method Age Allow Alt-Svc"
    b" Authorization Cache-Control Content-Disposition Content-Encoding Content-Language"
    b" Content-Location Content-Range Content-Security-Policy Content-Type DNT Date ETag Expires"
    b" If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since Last-Modified Link"
    b" Location Origin Pragma Priority Range Referer Referrer-Policy Retry-After"
    b" Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site"
    b" Sec-Fetch-User Sec-GPC Sec-WebSocket-Accept Sec-WebSocket-Extensions Sec-WebSocket-Key"
    b" Sec-WebSocket-Protocol Sec-WebSocket-Version Server Set-Cookie Strict-Transport-Security"
    b" Trailer Upgrade-Insecure-Requests Vary Via WWW-Authenticate X-Content-Type-Options"
    b" X-Frame-Options X-Powered-By X-Requested-With X-XSS-Protection"
    b" sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform"
).split()
"""Fields that are only passed on, as they are often spelt: these need no look at their bytes."""


def sort_of_fields(deciding: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """
    Return the table that ``sort_fields`` sorts by.

    It holds names as they are often spelt, and says of each its lower-case name if it is one
    of ``deciding``, else nothing: such a field is only passed on.
    """
    table: dict[bytes, bytes] = {}
    for name in _COMMON:
        table[name] = table[name.lower()] = _KEPT
    for name in deciding:
        assert name == name.lower()
        table[name] = table[name.title()] = name
    return table


_NONE: Final = frozenset[bytes]()


def sort_fields(  # noqa: C901 - Hot: one frame for all fields
    block: bytes,
    table: Mapping[bytes, bytes],
    fields_max: int,
    kept: list[bytes],
    also_kept: frozenset[bytes] = _NONE,
) -> Found:
    """
    Check every field line of ``block``; add to ``kept`` those to pass on, and return the others.

    Those named in ``also_kept`` are both returned and kept.

    Raises WireError for anything that two readers could read in two ways: white space before
    a colon, folded lines, control characters, a CR or LF by itself (RFC 9112, 2.2 and 5).
    """
    lines = block.split(CRLF)
    # One look at memory speed finds a CR or LF by itself too: those of line ends are counted.
    if len(block) - len(block.translate(None, CONTROLS)) != 2 * len(lines) - 2:
        raise WireError("a control character, or a CR or LF by itself, among the fields")
    if len(lines) > fields_max:
        raise WireError("too many fields", 431)
    found: Found = {}
    name_of = table.get
    claims = name_of(OTHER_CLAIMS)
    for line in lines:
        written, colon, value = line.partition(b":")
        name = name_of(written)
        if name is None:
            lower = written.translate(TOKEN_LOWER)
            if not lower or b"\0" in lower:
                raise WireError("a field name that is not a token")
            name = name_of(lower, _KEPT)
            if claims and not name:
                # Many a server behind us cannot tell X_Real_IP from X-Real-IP.
                plain = lower.replace(b"_", b"-")
                if plain.startswith(b"x-forwarded-") or (plain != lower and name_of(plain)):
                    name, value = claims, line
        if not colon:
            raise WireError("a field without a colon")
        if not name:
            kept.append(line)
            continue
        if name in found:
            found[name] += (value,)
        else:
            found[name] = (value,)
        if name in also_kept:
            kept.append(line)
    return found


def read_length(values: tuple[bytes, ...]) -> int:
    """Return the number of a Content-Length; it may come once only, even with the same value."""
    number = read_number(values[0].strip(OWS))
    if number is None or len(values) != 1:
        raise WireError("Content-Length is not one number")
    return number


def check_chunked(values: tuple[bytes, ...], fields: FieldBlock) -> None:
    """Refuse a Transfer-Encoding that is not ``chunked``, once, alone, and in HTTP/1.1."""
    if len(values) != 1 or values[0].strip(OWS).lower() != b"chunked":
        raise WireError("Transfer-Encoding is not chunked, once")
    if fields.length is not None:
        raise WireError("both Content-Length and Transfer-Encoding")
    if fields.minor == 0:
        raise WireError("Transfer-Encoding in HTTP/1.0")


_KEEP_ALIVE: Final = frozenset({b"keep-alive"})
_CLOSE: Final = frozenset({b"close"})
_UPGRADE: Final = frozenset({b"upgrade"})
_USUAL_OPTIONS: Final = {
    b" keep-alive": _KEEP_ALIVE,
    b" Keep-Alive": _KEEP_ALIVE,
    b" close": _CLOSE,
    b" Close": _CLOSE,
    b" Upgrade": _UPGRADE,
    b" upgrade": _UPGRADE,
}


def read_options(values: tuple[bytes, ...], lines: list[bytes]) -> frozenset[bytes]:
    """
    Return the options of Connection, and take the fields that they name out of ``lines``.

    Those that name a field which a peer may not take away are ignored.
    """
    usual = _USUAL_OPTIONS.get(values[0]) if len(values) == 1 else None
    if usual is not None:
        return usual
    options = set()
    for element in b",".join(values).split(b","):
        option = element.strip(OWS).lower()
        if not option:
            continue  # empty elements of a list are allowed (RFC 9110, 5.6.1.2)
        if not is_token(option):
            raise WireError("Connection is not a list of tokens")
        options.add(option)
    options -= UNREMOVABLE
    lines[:] = [line for line in lines if line.partition(b":")[0].lower() not in options]
    return frozenset(options)


_PROTOCOLS: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]++)?+")
_NEVER_UPGRADED_TO: Final = frozenset({b"h2c", b"h2", b"http"})
"""Another HTTP inside the pipe would carry requests past every rule of ours."""


def read_upgrade(values: tuple[bytes, ...]) -> bytes | None:
    """Return the protocols of Upgrade, or None if one of them is HTTP itself."""
    upgrade = b", ".join([value.strip(OWS) for value in values])
    for element in upgrade.split(b","):
        protocol = element.strip(OWS)
        if _PROTOCOLS.fullmatch(protocol) is None:
            raise WireError("Upgrade is not a list of protocols")
        if protocol.partition(b"/")[0].lower() in _NEVER_UPGRADED_TO:
            return None
    return upgrade


def read_connection(fields: FieldBlock, found: Found) -> None:
    """Store what Connection asks for: the end of the connection, or another protocol on it."""
    options = fields.connection = read_options(found[b"connection"], fields.lines)
    if b"close" in options:
        fields.keeps_alive = False
    elif b"keep-alive" in options:
        fields.keeps_alive = True
    if b"upgrade" in options and b"upgrade" in found and fields.minor == 1:
        fields.upgrade = read_upgrade(found[b"upgrade"])
