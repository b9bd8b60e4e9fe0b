"""The character classes and small rules of RFC 9110 and 9112 that both heads and bodies need."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from sozutw.wire.errors import WireError

CRLF: Final = b"\r\n"
OWS: Final = b" \t"
"""Optional white space; ``bytes.strip()`` without it would eat vertical tabs and form feeds too."""

HEAD_BYTES_MAX: Final = 16_393
"""Sōzu's buffer, which a head must fit into."""
LINE_BYTES_MAX: Final = 8_192
METHOD_BYTES_MAX: Final = 32
HOST_BYTES_MAX: Final = 255
LENGTH_DIGITS_MAX: Final = 19
"""No more can be a number of bytes; and ``int()`` of thousands of digits is slow."""

_TOKEN_BYTES: Final = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

TOKEN_LOWER: Final = bytes(
    ord(chr(byte).lower()) if byte in _TOKEN_BYTES else 0 for byte in range(256)
)
"""For ``bytes.translate``: a token's bytes to lower case, all others to NUL."""

CONTROLS: Final = bytes(set(range(0x20)) - {0x09} | {0x7F})
"""For ``bytes.translate``: what no field line may hold, CR and LF (of line ends) included."""

_HOST_NAME: Final = re.compile(rb"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+\.?")
_IPV6_BYTES: Final = b"0123456789abcdefABCDEF:."
_PORT: Final = re.compile(rb"[1-9][0-9]{0,4}")
_PORT_MAX: Final = 65_535


def is_token(value: bytes) -> bool:
    """Whether ``value`` is a token (RFC 9110, 5.6.2)."""
    return value != b"" and b"\0" not in value.translate(TOKEN_LOWER)


def check_ends(text: bytes) -> None:
    """Refuse a CR or LF by itself; a CR at the end may still become a line end."""
    pairs = text.count(CRLF)
    if text.count(b"\n") != pairs or text.count(b"\r") - text.endswith(b"\r") != pairs:
        raise WireError("a CR or LF by itself")


def read_number(value: bytes) -> int | None:
    """
    Return the number that ``value`` writes, or None if it is not ``1*19DIGIT``.

    ``int()`` alone would take signs, underscores and white space.
    """
    if not value.isdigit() or len(value) > LENGTH_DIGITS_MAX:
        return None
    number = int(value)
    assert number >= 0
    return number


@lru_cache(maxsize=1024)  # Hot: 0.1 µs in place of 1.5; what is kept is short, and valid
def read_authority(value: bytes) -> tuple[bytes, bytes]:
    """
    Return ``host[:port]`` without white space around it, and the host alone in lower case.

    Raises WireError if it is not a host that this proxy routes by.
    """
    authority = value.strip(OWS)
    if authority.startswith(b"["):
        literal, bracket, rest = authority.partition(b"]")
        host = literal + bracket
        has_port = rest != b""
        port = rest[1:]
        if not _is_ipv6(literal[1:]) or not bracket or (has_port and not rest.startswith(b":")):
            raise WireError("Host is not an address in brackets")
    else:
        host, colon, port = authority.partition(b":")
        has_port = colon != b""
        if len(host) > HOST_BYTES_MAX or _HOST_NAME.fullmatch(host) is None:
            raise WireError("Host is not a host")
    if has_port and (_PORT.fullmatch(port) is None or int(port) > _PORT_MAX):
        raise WireError("the port of Host is not one of 1 to 65535")
    assert host
    assert b"@" not in authority
    return authority, host.lower()


def _is_ipv6(text: bytes) -> bool:
    """Whether ``text`` is an IPv6 address, without a zone: that has a meaning on one host only."""
    if text.strip(_IPV6_BYTES):
        return False
    try:
        IPv6Address(text.decode("ascii"))
    except AddressValueError:
        return False
    return True
