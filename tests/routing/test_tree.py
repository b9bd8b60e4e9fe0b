"""The tree of host names: which node decides, and that a change shares the rest."""

import pytest

from sozutw.config.model import FrontendRule, InetAddress
from sozutw.routing.hosts import parse_host
from sozutw.routing.rules import BadRuleError, Entry, rule_key
from sozutw.routing.tree import ROOT, HostTree

ADDRESS = InetAddress("0.0.0.0", 80)


def planted(*hostnames: str, start: HostTree[str] | None = None) -> HostTree[str]:
    draft = (start or HostTree[str]()).draft()
    for hostname in hostnames:
        rule = FrontendRule(ADDRESS, hostname)
        draft.entries(parse_host(hostname))[rule_key(rule)] = Entry(rule, hostname, 0)
    return draft.freeze()


def cut(start: HostTree[str], *hostnames: str) -> HostTree[str]:
    draft = start.draft()
    for hostname in hostnames:
        del draft.entries(parse_host(hostname))[rule_key(FrontendRule(ADDRESS, hostname))]
    return draft.freeze()


def found(tree: HostTree[str], host: bytes) -> str | None:
    rules = tree.find(host)
    return None if rules is None else rules.find(b"/", b"GET")


def test_an_empty_tree_knows_nobody():
    tree = HostTree[str]()
    assert tree.is_empty()
    assert tree.find(b"a.b") is None
    assert list(tree) == []


@pytest.mark.parametrize(
    ("hostnames", "host", "expected"),
    [
        (["a.b"], b"a.b", "a.b"),
        (["a.b"], b"b", None),
        (["a.b"], b"x.a.b", None),
        (["*.b"], b"a.b", "*.b"),
        (["*.b"], b"b", None),
        (["*.b"], b"x.a.b", None),
        (["*"], b"a", "*"),
        (["*"], b"a.b", None),
        (["*.b", "a.b"], b"a.b", "a.b"),
        # Where there is a plain child nothing falls back.
        (["*.b", "x.a.b"], b"a.b", None),
        (["*.b", "x.a.b"], b"c.b", "*.b"),
        (["/a+/.b"], b"aa.b", "/a+/.b"),
        (["/a+/.b"], b"aab.b", None),
        (["/a+/.b"], b"x.aa.b", None),
        # The wildcard comes before a regex, but for the last label only.
        (["/a/.b", "*.b"], b"a.b", "*.b"),
        (["x./a/.b", "*.b"], b"x.a.b", "x./a/.b"),
        # The first regex that matches decides, even when it leads nowhere.
        (["x./a./.b", "y./.b/.b"], b"x.ab.b", "x./a./.b"),
        (["x./a./.b", "y./.b/.b"], b"y.ab.b", None),
        (["x./a./.b", "y./.b/.b"], b"ab.b", None),
        (["*./a/.b"], b"x.a.b", "*./a/.b"),
        (["/x/./a/.b"], b"x.a.b", "/x/./a/.b"),
        (["/a/", "b"], b"a", "/a/"),
        (["/.*/.b"], b".b", None),
        (["*"], b".b", None),
        (["*.b"], b"b.", None),
        (["/.*/"], b"", None),
        (["/.*/.b"], b"a..b", None),
        (["[::1]"], b"[::1]", "[::1]"),
        (["[::1]", "*"], b"[::2]", None),
        (["[::ffff:1.2.3.4]"], b"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"),
        (["[::ffff:1.2.3.4]"], b"2.3.4]", None),
    ],
)
def test_the_node_that_decides(hostnames, host, expected):
    assert found(planted(*hostnames), host) == expected


def test_a_name_of_many_labels_is_given_up_at_the_deepest_known_one():
    assert found(planted("a.b"), b"x." * 30_000 + b"a.b") is None


NAMES = ["a.b", "c.b", "*.b", "x.y.a.b", "/a/.b", "q./a/.b", "*./a/.b", "/z/", "[::1.2]", "*"]


def test_a_change_leaves_the_tree_it_was_made_from_as_it_was():
    old = planted("a.b", "/r/.b")
    new = planted("c.b", "*.b", "s./r/.b", start=old)
    assert sorted(entry.value for entry in old) == ["/r/.b", "a.b"]
    assert sorted(entry.value for entry in new) == ["*.b", "/r/.b", "a.b", "c.b", "s./r/.b"]
    assert found(old, b"c.b") is None
    assert found(old, b"s.r.b") is None
    assert found(new, b"s.r.b") == "s./r/.b"


def test_names_taken_away_leave_no_node_behind():
    tree = planted(*NAMES)
    for taken in NAMES:
        rest = [name for name in NAMES if name != taken]
        assert dict(cut(tree, taken).nodes).keys() == dict(planted(*rest).nodes).keys()
    assert cut(tree, *NAMES).is_empty()
    # So a wildcard counts again where a plain name stood before it.
    assert found(planted("*.b", "x.a.b"), b"a.b") is None
    assert found(cut(planted("*.b", "x.a.b"), "x.a.b"), b"a.b") == "*.b"


def test_children_are_counted_once_each():
    tree = planted("b", start=planted("a.b", "a.b", "c.b", "d.c.b"))
    for name, node in tree.nodes:
        below = [
            other for other, _ in tree.nodes if other != ROOT and other.partition(b".")[2] == name
        ]
        assert node.children == len(below)


def test_one_rule_of_several_taken_away_leaves_the_others():
    draft = planted("a.b").draft()
    second = FrontendRule(ADDRESS, "a.b", path="/x")
    draft.entries(parse_host("a.b"))[rule_key(second)] = Entry(second, "second", 1)
    both = draft.freeze()
    assert found(cut(both, "a.b"), b"a.b") is None
    rules = cut(both, "a.b").find(b"a.b")
    assert rules is not None
    assert rules.find(b"/x", b"GET") == "second"


def test_a_host_with_a_bad_regex_is_refused():
    with pytest.raises(BadRuleError):
        planted("/(/.b")


def test_added_and_taken_away_in_one_batch_leaves_nothing():
    draft = HostTree[str]().draft()
    for name in NAMES:
        entries = draft.entries(parse_host(name))
        rule = FrontendRule(ADDRESS, name)
        entries[rule_key(rule)] = Entry(rule, name, 0)
        entries.clear()
    # "/z/" has a regex that is never compiled, since nothing is left below it.
    assert draft.freeze().is_empty()
