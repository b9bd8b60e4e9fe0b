"""What of a request its backend depends on, and the cookies that say so."""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from sozutw.wire.message import RequestHead

Affinity = Callable[[RequestHead, bytes], bytes | None]
"""From a request's head and its client's IP address to a key."""

_PATH_START: Final = "path["

_TAKEN_OUT: Final = {
    b"cookie": "cookies",
    b"forwarded": "forwarded",
    b"x-forwarded-for": "x_forwarded_for",
    b"x-forwarded-host": "x_forwarded_host",
    b"x-forwarded-port": "x_forwarded_port",
    b"x-forwarded-proto": "x_forwarded_proto",
    b"x-real-ip": "x_real_ip",
}
"""Fields that a head keeps under names of their own and not in its lines."""


def compile_affinity(spec: str | None) -> Affinity:
    """
    The function for ``source``, ``header:NAME``, ``cookie:NAME`` or ``path[N]``; or ValueError.

    None means ``source``. A request without that field, cookie or segment goes by its
    client's address. Segments count from 0: of ``/a/b?c``, 0 is ``a``.
    """
    if spec is None or spec == "source":
        return _by_source
    kind, colon, name = spec.partition(":")
    if colon and name and kind == "header":
        return _by_header(name)
    if colon and name and kind == "cookie":
        return _by_cookie(name)
    number = spec[len(_PATH_START) : -1]
    # isdecimal alone would take digits of other scripts.
    is_path = spec.startswith(_PATH_START) and spec.endswith("]")
    if is_path and number.isascii() and number.isdecimal():
        return _by_path(int(number))
    known = "source, header:NAME, cookie:NAME or path[N]"
    raise ValueError(f"unknown affinity {spec!r}: it is {known}")


def cookie_value(cookies: tuple[bytes, ...], name: bytes) -> bytes | None:
    """The value of the first cookie of that name among the values of Cookie fields."""
    for field in cookies:
        if name not in field:  # Hot: most clients bring none or other cookies.
            continue
        for pair in field.split(b";"):
            key, equals, value = pair.partition(b"=")
            if equals and key.strip(b" \t") == name:
                return value.strip(b" \t")
    return None


def without_cookie(cookies: tuple[bytes, ...], name: bytes) -> list[bytes]:
    """The values of Cookie fields without any cookie of that name; empty ones are left out."""
    kept_fields: list[bytes] = []
    for field in cookies:
        if name not in field:
            kept_fields.append(field)
            continue
        pairs = field.split(b";")
        kept = [pair for pair in pairs if pair.partition(b"=")[0].strip(b" \t") != name]
        if len(kept) == len(pairs):
            kept_fields.append(field)
            continue
        rest = b";".join(kept).strip(b" \t")
        if rest:
            kept_fields.append(rest)
    return kept_fields


def _by_source(head: RequestHead, peer: bytes) -> bytes | None:  # noqa: ARG001
    return peer


def _by_header(name: str) -> Affinity:
    wanted = name.lower().encode()
    if wanted == b"host":
        return lambda head, peer: head.host or peer
    if wanted == b"x-request-id":
        return lambda head, peer: head.fields.x_request_id or peer
    if wanted in _TAKEN_OUT:
        values = attrgetter(_TAKEN_OUT[wanted])
        return lambda head, peer: b", ".join(values(head.fields)) or peer
    size = len(wanted)

    def by_header(head: RequestHead, peer: bytes) -> bytes | None:
        for line in head.fields.lines:
            if line[size : size + 1] == b":" and line[:size].lower() == wanted:
                return line[size + 1 :].strip(b" \t") or peer
        return peer

    return by_header


def _by_cookie(name: str) -> Affinity:
    wanted = name.encode()
    return lambda head, peer: cookie_value(head.fields.cookies, wanted) or peer


def _by_path(number: int) -> Affinity:
    def by_path(head: RequestHead, peer: bytes) -> bytes | None:
        # The part before the first slash is empty.
        segments = head.target.partition(b"?")[0].split(b"/", number + 2)
        return segments[number + 1] or peer if len(segments) > number + 1 else peer

    return by_path
