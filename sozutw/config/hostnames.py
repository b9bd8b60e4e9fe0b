"""
Host names and the patterns of frontends, in the one form in which they are compared.

Each function raises ValueError with what is meant, ready to stand after "…; ".
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

NAME_LENGTH_MAX: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 6265, 4.1.1, without the quotes that may stand around.
_COOKIE_VALUE: Final = re.compile(r"[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]+")
_AFFINITY: Final = re.compile(r"source|(?:header|cookie):(?P<name>.*)|path\[[0-9]{1,3}\]")

RegexCheck = Callable[[str], str | None]
"""Return None for a regular expression that can be compiled, else the reason."""


def is_token(text: str) -> bool:
    """Whether this can be the name of a field or a cookie, or a method (RFC 9110, 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether this can name a cluster or a backend: something that can be printed."""
    return bool(text) and text.isprintable()


def is_cookie_value(text: str) -> bool:
    """Whether this can be the value of a cookie as it is."""
    return _COOKIE_VALUE.fullmatch(text) is not None


def is_affinity(text: str) -> bool:
    """Whether this names what HRW and MAGLEV may be keyed by."""
    match = _AFFINITY.fullmatch(text)
    return match is not None and (match["name"] is None or is_token(match["name"]))


def ascii_name(name: str) -> str:
    """Return a host name in lower case, and in punycode where it is not ASCII."""
    labels = [_ascii_label(label) for label in name.split(".")]
    whole = ".".join(labels)
    if len(whole) > NAME_LENGTH_MAX:
        raise ValueError(f"a host name of at most {NAME_LENGTH_MAX} letters is meant")
    return whole


def canonical_pattern(pattern: str, check_regex: RegexCheck) -> str:
    """
    Return the host pattern of a frontend as it is to be compared.

    It is ``*``, an IP address (IPv6 in brackets), or labels joined by dots, of which the
    first may be ``*`` and any may be a regular expression between slashes. What stands
    between slashes is left as it is.
    """
    if pattern == "*":
        return pattern
    if pattern.startswith("["):
        return _canonical_literal(pattern)
    if pattern.count(":") > 1 and _is_address(pattern):
        raise ValueError(f"an IPv6 address stands in brackets, as in [{pattern}]")
    wildcard, rest = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    segments = []
    while True:
        segment, rest, is_last = _first_segment(rest)
        segments.append(_canonical_segment(segment, check_regex))
        if is_last:
            break
    whole = wildcard + ".".join(segments)
    if "/" not in whole and len(whole) > NAME_LENGTH_MAX:
        raise ValueError(f"a host name of at most {NAME_LENGTH_MAX} letters is meant")
    return whole


def _first_segment(rest: str) -> tuple[str, str, bool]:
    if not rest.startswith("/"):
        segment, dot, rest = rest.partition(".")
        return segment, rest, not dot
    end = rest.find("/", 1)
    if end < 0:
        raise ValueError("a regular expression ends with a slash, as in /cdn[0-9]+/.example.com")
    segment, rest = rest[: end + 1], rest[end + 1 :]
    if rest and not rest.startswith("."):
        raise ValueError(f"after {segment} a dot or the end is meant")
    return segment, rest[1:], not rest


def _canonical_segment(segment: str, check_regex: RegexCheck) -> str:
    if not segment.startswith("/"):
        return _ascii_label(segment)
    if len(segment) == len("//"):
        raise ValueError("a regular expression is meant between the slashes")
    reason = check_regex(segment[1:-1])
    if reason is not None:
        raise ValueError(f"{segment} cannot be used: {reason}")
    return segment


def _canonical_literal(pattern: str) -> str:
    try:
        return f"[{ip_address(pattern[1:-1] if pattern.endswith(']') else pattern)}]"
    except ValueError:
        raise ValueError("an IPv6 address is meant between the brackets") from None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _ascii_label(label: str) -> str:
    if not label:
        raise ValueError("a host name has no empty part, nor a dot at its end")
    if label == "*":
        raise ValueError("* is meant to stand alone or as the first part, as in *.example.com")
    if ":" in label:
        raise ValueError("the port is told by address, and not by hostname")
    try:
        plain = label.lower() if label.isascii() else label.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{label!r} cannot be part of a host name") from None
    if not _LABEL.fullmatch(plain):
        raise ValueError(
            f"{label!r} cannot be part of a host name; letters, digits and - are meant"
        )
    return plain
