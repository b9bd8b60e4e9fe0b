"""Host patterns: how they are taken apart, and what those of the PRE and POST lists match."""

import pytest

from sozutw.routing.hosts import Segment, SegmentKind, compile_host, parse_host
from sozutw.routing.rules import BadRuleError

EXACT, WILDCARD, REGEX = SegmentKind.EXACT, SegmentKind.WILDCARD, SegmentKind.REGEX


@pytest.mark.parametrize(
    ("hostname", "segments"),
    [
        ("localhost", [(EXACT, "localhost")]),
        ("WWW.Example.com", [(EXACT, "com"), (EXACT, "example"), (EXACT, "www")]),
        ("*", [(WILDCARD, "*")]),
        ("*.com", [(EXACT, "com"), (WILDCARD, "*")]),
        ("/a+/", [(REGEX, "a+")]),
        ("/a.b/.com", [(EXACT, "com"), (REGEX, "a.b")]),
        ("*./A|B/.x", [(EXACT, "x"), (REGEX, "A|B"), (WILDCARD, "*")]),
        ("w./v[0-9]/.x", [(EXACT, "x"), (REGEX, "v[0-9]"), (EXACT, "w")]),
        ("[::FFFF:1.2.3.4]", [(EXACT, "[::ffff:1.2.3.4]")]),
    ],
)
def test_a_pattern_is_read_label_by_label_from_the_right(hostname, segments):
    assert parse_host(hostname) == [Segment(*segment) for segment in segments]


@pytest.mark.parametrize(
    ("hostname", "reason"),
    [
        ("", "must not be empty"),
        ("a..b", "a label must not be empty"),
        ("a.", "a label must not be empty"),
        (".a", "a label must not be empty"),
        ("a.*.b", "only the leftmost"),
        ("a*.b", "a whole label only"),
        ("x/a/.b", "between dots"),
        ("a/", "between dots"),
        ("/a/b", "between dots"),
        ("/(/.b", "missing )"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_the_reason(hostname, reason):
    with pytest.raises(BadRuleError) as caught:
        compile_host(hostname)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("hostname", "matching", "other"),
    [
        ("A.b", [b"a.b"], [b"x.a.b", b"a", b"aab"]),
        ("*.b", [b"a.b", b"x.b"], [b"b", b".b", b"x.a.b", b"a.bb", b"axb"]),
        ("/a+/.b", [b"a.b", b"aa.b"], [b"xa.b", b"a.b.c", b"aaxb"]),
        ("/a.*/.b_-c", [b"a.x.b_-c"], [b"a.x.bx-c", b"b_-c"]),
        ("*./a|b/.c", [b"x.a.c", b"x.b.c"], [b"x.y.a.c", b".a.c", b"x.a"]),
        ("[::1]", [b"[::1]"], [b"[::2]"]),
    ],
)
def test_a_listed_pattern_matches_the_whole_host_and_nothing_else(hostname, matching, other):
    is_host = compile_host(hostname)
    assert is_host is not None
    assert all(is_host(host) for host in matching)
    assert not any(is_host(host) for host in other)


def test_a_star_alone_asks_nothing():
    assert compile_host("*") is None


def test_a_bad_pattern_in_a_list_is_refused():
    with pytest.raises(BadRuleError):
        compile_host("/(/.b")
