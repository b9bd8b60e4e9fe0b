"""
Patterns for host names: which there are, and how each position reads them.

In the TREE a name is taken label by label from the right; in the PRE and POST lists as a
whole. Labels may be plain, ``*`` (leftmost only, exactly one label) or ``/regex/``.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sozutw.routing.rules import BadRuleError, compile_regex

HostTest = Callable[[bytes], object | None]
"""Gives something true if a host matches."""


class SegmentKind(Enum):
    """What one segment of a host pattern may stand for."""

    EXACT = "exact"
    WILDCARD = "wildcard"
    REGEX = "regex"


class Segment(NamedTuple):
    """One label of a host pattern; a regex is without its slashes."""

    kind: SegmentKind
    text: str


def parse_host(hostname: str) -> list[Segment]:
    """The segments of a host pattern from right to left, or BadRuleError."""
    if not hostname:
        raise BadRuleError("a host name must not be empty")
    if hostname.startswith("["):
        # An IPv6 literal has no labels, though an embedded IPv4 address has dots.
        return [Segment(SegmentKind.EXACT, hostname.lower())]
    segments: list[Segment] = []
    rest: str | None = hostname
    while rest is not None:
        segment, rest = _split_last(rest, hostname)
        if segment.kind is SegmentKind.WILDCARD and rest is not None:
            raise BadRuleError(f"host {hostname!r}: only the leftmost label may be *")
        segments.append(segment)
    return segments


def compile_host(hostname: str) -> HostTest | None:
    """The test that a rule in the PRE or POST list makes of the host; None if any will do."""
    segments = parse_host(hostname)
    kinds = {segment.kind for segment in segments}
    if hostname == "*":
        return None
    if SegmentKind.REGEX in kinds:
        return compile_regex(r"\.".join(map(_as_regex, reversed(segments))), is_whole=True)
    if SegmentKind.WILDCARD in kinds:
        suffix = hostname.lower()[1:].encode()
        # One label, so that its only dots are those of the suffix.
        dots = suffix.count(b".")
        return lambda host: (
            host.endswith(suffix) and host.count(b".") == dots and len(host) > len(suffix)
        )
    return hostname.lower().encode().__eq__


def _split_last(rest: str, hostname: str) -> tuple[Segment, str | None]:
    if rest.endswith("/"):
        start = rest.rfind("/", 0, -1)
        if start < 0 or (start > 0 and rest[start - 1] != "."):
            raise BadRuleError(f"host {hostname!r}: a /regex/ must stand between dots")
        segment = Segment(SegmentKind.REGEX, rest[start + 1 : -1])
        return segment, rest[: start - 1] if start else None
    before, dot, label = rest.rpartition(".")
    if not label:
        raise BadRuleError(f"host {hostname!r}: a label must not be empty")
    if "/" in label:
        raise BadRuleError(f"host {hostname!r}: a /regex/ must stand between dots")
    if label == "*":
        return Segment(SegmentKind.WILDCARD, "*"), before if dot else None
    if "*" in label:
        raise BadRuleError(f"host {hostname!r}: * stands for a whole label only")
    return Segment(SegmentKind.EXACT, label.lower()), before if dot else None


def _as_regex(segment: Segment) -> str:
    if segment.kind is SegmentKind.REGEX:
        return f"(?:{segment.text})"
    if segment.kind is SegmentKind.WILDCARD:
        return "[^.]+"
    # RE2 takes a backslash before any sign but letters, digits and the underscore.
    return "".join(c if c.isalnum() or c == "_" else f"\\{c}" for c in segment.text)
