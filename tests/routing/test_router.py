"""The router against a model that keeps a list and scans it, and its errors."""

import itertools
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.model import FrontendRule, InetAddress, PathType, Position
from sozutw.routing.router import DuplicateRuleError, Router, UnknownRuleError
from sozutw.routing.rules import BadRuleError, rule_key

ADDRESS = InetAddress("0.0.0.0", 80)
PRE, TREE, POST = Position.PRE, Position.TREE, Position.POST


def rule(hostname="a.b", path="", **more) -> FrontendRule:
    return FrontendRule(ADDRESS, hostname, path, **more)


def test_the_empty_router_finds_nothing():
    router: Router[int] = Router()
    assert router.find(b"a.b", b"/", b"GET") is None
    assert len(router) == 0
    assert list(router) == []


def test_pre_is_asked_before_the_tree_and_post_after_it():
    router = (
        Router[str]()
        .with_rule(rule("*", "/", position=POST), "last")
        .with_rule(rule("a.b", "/t"), "tree")
        .with_rule(rule("*.b", "/t/pre", position=PRE), "first")
    )
    assert router.find(b"a.b", b"/t/pre", b"GET") == "first"
    assert router.find(b"a.b", b"/t", b"GET") == "tree"
    assert router.find(b"a.b", b"/x", b"GET") == "last"
    assert router.find(b"z", b"/x", b"GET") == "last"
    assert router.find(b"a.b", b"x", b"GET") is None
    assert [value for _, value in router] == ["first", "tree", "last"]


def test_in_a_list_the_first_match_wins_and_not_the_longest():
    listed = [(rule("*", "/", position=PRE), 1), (rule("*", "/a", position=PRE), 2)]
    assert Router[int]().changed(added=listed).find(b"h", b"/a", b"GET") == 1


def test_names_are_compared_in_lower_case():
    router = Router[int]().with_rule(rule("WWW.Example.COM"), 1)
    assert router.find(b"www.example.com", b"/", b"GET") == 1
    assert len(router.without_rule(rule("www.example.com"))) == 0


@pytest.mark.parametrize("position", Position)
@pytest.mark.parametrize("path_type", PathType)
def test_a_rule_may_be_there_once_and_be_taken_away_once(position, path_type):
    one = rule("a.b", "/a", path_type=path_type, position=position, cluster_id="one")
    again = rule("A.b", "/a", path_type=path_type, position=position, cluster_id="two")
    router = Router[int]().with_rule(one, 1)
    with pytest.raises(DuplicateRuleError, match=r"A\.b, .* '/a', any method"):
        router.with_rule(again, 2)
    assert router.find(b"a.b", b"/a", b"GET") == 1
    without = router.without_rule(again)
    assert without.find(b"a.b", b"/a", b"GET") is None
    with pytest.raises(UnknownRuleError, match=r"^there is no such rule: a\.b, "):
        without.without_rule(one)


def test_a_batch_is_all_or_nothing():
    router = Router[int]().with_rule(rule("a.b"), 1)
    with pytest.raises(BadRuleError):
        router.changed([rule("a.b")], [(rule("c.b"), 2), (rule("/(/.b"), 3)])
    with pytest.raises(DuplicateRuleError):
        router.changed((), [(rule("c.b"), 2), (rule("c.b"), 3)])
    assert dict(router) == {rule("a.b"): 1}
    moved = router.changed([rule("a.b")], [(rule("a.b"), 9)])
    assert moved.find(b"a.b", b"/", b"GET") == 9
    assert len(moved) == 1


@pytest.mark.parametrize("position", Position)
def test_a_rule_keeps_its_place_when_it_gets_another_value(position):
    # In PRE and POST the first of these wins, in the TREE the last.
    rules = [
        rule("a.b", "^/", path_type=PathType.REGEX, position=position),
        rule("a.b", "/$", path_type=PathType.REGEX, position=position),
    ]
    router = Router[int]().changed(added=[(rules[0], 1), (rules[1], 2)])
    again = router.changed(revalued=[(rules[0], 3), (rules[1], 4)])
    assert list(again) == [(rules[0], 3), (rules[1], 4)]
    assert len(again) == 2
    assert again.find(b"a.b", b"/", b"GET") == (4 if position is TREE else 3)
    assert router.find(b"a.b", b"/", b"GET") == (2 if position is TREE else 1)
    both = router.changed(revalued=[(rules[0], 5)])
    assert both.find(b"a.b", b"/", b"GET") == (2 if position is TREE else 5)
    with pytest.raises(UnknownRuleError):
        router.changed(revalued=[(rule("c.b", position=position), 3)])


def test_of_20_000_names_one_more_copies_one_bucket_and_is_found():
    many = Router[int]().changed(added=[(rule(f"h{n}.b"), n + 1) for n in range(20_000)])
    more = many.with_rule(rule("new.b"), 7)
    assert more.find(b"new.b", b"/", b"GET") == 7
    assert more.find(b"h19999.b", b"/", b"GET") == 20_000
    assert many.find(b"new.b", b"/", b"GET") is None
    old, new = many._tree.nodes.buckets, more._tree.nodes.buckets
    # That of the name, that of "b", which counts its children, and no other.
    assert sum(a is not b for a, b in zip(old, new, strict=True)) <= 2


def test_an_exact_host_with_a_rule_for_everything_costs_one_frame():
    router = Router[int]().changed(added=[(rule("a.b"), 1), (rule("*.b"), 2)])
    frames = []
    sys.setprofile(lambda _frame, event, _arg: frames.append(event) if event == "call" else None)
    try:
        router.find(b"a.b", b"/", b"GET")
    finally:
        sys.setprofile(None)
    assert len(frames) == 1


# The model: rules in a list, and for each regex of a host the tick at which it came.


class Model:
    def __init__(self):
        self.rules = []
        self.ticks = {}
        self.tick = 0

    def change(self, removed, added):
        keys = {rule_key(one) for one in removed}
        self.rules = [(r, v) for r, v in self.rules if rule_key(r) not in keys] + added
        used = {}
        for one, _ in self.rules:
            if one.position is TREE:
                parts = split(one.hostname)
                for index, part in enumerate(parts):
                    if part.startswith("/"):
                        used[parts[: index + 1]] = None
        self.ticks = {place: tick for place, tick in self.ticks.items() if place in used}
        for place in used:
            self.tick += 1
            self.ticks.setdefault(place, self.tick)

    def find(self, host, target, method):
        for wanted in (PRE, TREE, POST):
            listed = [(r, v) for r, v in self.rules if r.position is wanted]
            if wanted is TREE:
                labels = tuple(reversed(host.split(".")))
                items = [(split(r.hostname), r, v) for r, v in listed]
                found = self.best(self.descend(items, labels, ()), target, method)
            else:
                found = next(
                    (v for r, v in listed if covers(r, host) and holds(r, target, method)), None
                )
            if found is not None:
                return found
        return None

    def descend(self, items, labels, at):
        if not labels:
            return [(r, v) for parts, r, v in items if parts == at]
        label, rest = labels[0], labels[1:]
        depth = len(at)
        here = [item for item in items if item[0][:depth] == at and len(item[0]) > depth]
        if any(parts[depth] == label for parts, _, _ in here):
            return self.descend(here, rest, (*at, label))
        if not rest:
            wild = [(r, v) for parts, r, v in here if parts == (*at, "*")]
            if wild:
                return wild
        texts = {parts[depth] for parts, _, _ in here if parts[depth].startswith("/")}
        for text in sorted(texts, key=lambda text: self.ticks[*at, text]):
            if re.fullmatch(text[1:-1], label):
                return self.descend(here, rest, (*at, text))
        return []

    def best(self, listed, target, method):
        best, length = None, 0
        for one, value in listed:
            if not holds(one, target, method):
                continue
            if one.path_type is PathType.PREFIX:
                if len(one.path) >= length:
                    best, length = value, len(one.path)
            elif one.method is not None:
                return value
            else:
                best, length = value, len(target)
        return best


def split(hostname):
    return tuple(reversed(hostname.split(".")))


def holds(one, target, method):
    if one.method not in (None, method):
        return False
    if one.path_type is PathType.PREFIX:
        return target.startswith(one.path)
    if one.path_type is PathType.EQUALS:
        return target == one.path
    return re.search(one.path, target) is not None


def covers(one, host):
    if one.hostname == "*":
        return True
    parts = [
        f"(?:{p[1:-1]})" if p[0] == "/" else "[^.]+" if p == "*" else p for p in split(one.hostname)
    ]
    return re.fullmatch(r"\.".join(reversed(parts)), host) is not None


HOSTNAMES = [
    "*",
    "a",
    "b",
    "a.b",
    "*.b",
    "x.a.b",
    "/a|c/.b",
    "/[ac]/.b",
    "x./a|c/.b",
    "*./c/.b",
    "/x/",
]
HOSTS = ["a", "b", "x", "a.b", "c.b", "d.b", "x.a.b", "x.c.b", "y.c.b", "y.x.a.b"]
TARGETS = ["/", "/a", "/a/b"]
SOME_RULES = st.builds(
    rule,
    st.sampled_from(HOSTNAMES),
    st.sampled_from(["", "/a", "/a/b"]),
    path_type=st.sampled_from([PathType.PREFIX, PathType.PREFIX, PathType.EQUALS, PathType.REGEX]),
    method=st.sampled_from([None, None, "GET"]),
    position=st.sampled_from([TREE, TREE, TREE, PRE, POST]),
)
QUESTIONS = list(itertools.product(HOSTS, TARGETS, ["GET", "PUT"]))


def answers(router):
    return [router.find(h.encode(), t.encode(), m.encode()) for h, t, m in QUESTIONS]


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 9)), st.lists(SOME_RULES, max_size=6)), max_size=5)
)
def test_it_finds_what_the_model_finds_after_any_changes(batches):
    router, model, values = Router[int](), Model(), itertools.count(1)
    for gone, wanted in batches:
        before, answered = router, answers(router)
        removed = [model.rules[n][0] for n in gone if n < len(model.rules)]
        kept = {rule_key(r) for r, _ in model.rules} - {rule_key(r) for r in removed}
        unique = {rule_key(r): r for r in wanted if rule_key(r) not in kept}
        added = [(one, next(values)) for one in unique.values()]
        router = router.changed(removed, added)
        model.change(removed, added)
        assert answers(router) == [model.find(*question) for question in QUESTIONS]
        assert sorted(v for _, v in router) == sorted(v for _, v in model.rules)
        assert len(router) == len(model.rules)
        assert answers(before) == answered


@pytest.mark.parametrize("position", [Position.PRE, Position.POST])
def test_a_rule_for_everything_is_found_whatever_is_asked(position: Position) -> None:
    for_all = FrontendRule(InetAddress("127.0.0.1", 80), "*", position=position)
    router = Router[str]().with_rule(for_all, "all")
    assert router.find(b"any.example", b"/x", b"GET") == "all"
    one = FrontendRule(InetAddress("127.0.0.1", 80), "one.example", method="GET")
    router = router.with_rule(one, "one")
    expected = "all" if position is Position.PRE else "one"
    assert router.find(b"one.example", b"/x", b"GET") == expected
    assert router.find(b"one.example", b"/x", b"POST") == "all"


def test_the_rules_for_a_host_are_told_in_the_order_in_which_they_are_asked():
    listed = [
        (rule("*", "/", position=POST), "last"),
        (rule("a.b", "/t", method="GET"), "tree"),
        (rule("a.b", "/u"), "tree too"),
        (rule("*.b", "/w"), "behind a plainer one"),
        (rule("*.b", "/t/pre", position=PRE), "first"),
        (rule("x.b", position=PRE), "another host's"),
    ]
    router = Router[str]().changed(added=listed)
    found = [entry.value for entry in router.entries_for(b"a.b")]
    assert found == ["first", "tree", "tree too", "last"]
    assert [entry.value for entry in router.entries_for(b"c.b")] == [
        "first",
        "behind a plainer one",
        "last",
    ]
    assert [entry.value for entry in router.entries_for(b"z")] == ["last"]
    assert not list(Router[str]().entries_for(b"a.b"))
