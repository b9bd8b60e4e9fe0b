"""Rules by path and method: one at a time, and the choice among those of one host."""

import itertools
import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.model import FrontendRule, InetAddress, PathType, Position
from sozutw.routing import rules
from sozutw.routing.rules import (
    BadRuleError,
    Entry,
    HostRules,
    check_regex,
    compile_regex,
    in_order,
    rule_key,
)

ADDRESS = InetAddress("0.0.0.0", 80)
PREFIX, REGEX, EQUALS = PathType.PREFIX, PathType.REGEX, PathType.EQUALS


def rule(path="", path_type=PREFIX, method=None, **more) -> FrontendRule:
    more = {"hostname": "a.b", **more}
    return FrontendRule(ADDRESS, path=path, path_type=path_type, method=method, **more)


def host_rules(*given_rules: FrontendRule) -> HostRules[int]:
    entries = {}
    for serial, one in enumerate(given_rules):
        entries[rule_key(one)] = Entry(one, serial + 1, serial)
    return HostRules(entries)


def test_a_regex_that_cannot_be_used_is_refused_with_the_reason(capfd):
    assert check_regex("^/a(b|c)+$") is None
    assert check_regex("a[") == "bad regular expression 'a[': missing ]: ["
    assert "(?=" in (check_regex("(?=a)") or "")
    # The engine itself must not write to our standard error.
    assert capfd.readouterr().err == ""


def test_an_error_of_the_engine_in_another_form_is_told_too(monkeypatch):
    def fail(*_args):
        raise rules.re2.error(*reason)

    monkeypatch.setattr(rules.re2, "compile", fail)
    for reason in (("text",), ()):  # noqa: B007
        assert (check_regex("a") or "").startswith("bad regular expression 'a': ")


def test_without_the_engine_regular_expressions_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(rules, "re2", None)
    assert "google-re2" in (check_regex("a") or "")
    with pytest.raises(BadRuleError):
        Entry(rule("a", REGEX), 1, 0)


def test_where_the_engine_cannot_be_imported_the_module_still_can_be(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    spec = spec_from_file_location("rules_without_re2", rules.__file__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "google-re2" in (module.check_regex("a") or "")


def test_a_regex_takes_time_in_proportion_to_the_text():
    search = compile_regex("(a+)+$")
    began = perf_counter()
    assert search(b"a" * 20_000 + b"b") is None
    assert perf_counter() - began < 1.0


def test_a_stray_byte_does_not_slip_past_a_dot():
    assert compile_regex("^/admin.*secret$")(b"/admin/\xff/secret")
    assert compile_regex("^/é.$")("/éà".encode())
    assert compile_regex("a|b", is_whole=True)(b"ab") is None


@pytest.mark.parametrize(
    ("one", "target", "method", "holds"),
    [
        (rule("/a"), b"/ab?c", b"GET", True),
        (rule("/a"), b"/b", b"GET", False),
        (rule("/a", method="POST"), b"/a", b"GET", False),
        (rule("/a", method="GET"), b"/a", b"GET", True),
        (rule("b+", REGEX), b"/abb", b"GET", True),
        (rule("^b", REGEX), b"/abb", b"GET", False),
        (rule("/a?b", EQUALS), b"/a?b", b"GET", True),
        (rule("/a", EQUALS), b"/a?b", b"GET", False),
    ],
)
def test_a_rule_looks_at_path_and_query_and_method(one, target, method, holds):
    assert Entry(one, 1, 0).matches(target, method) is holds


def test_what_a_rule_leads_to_does_not_make_it_another():
    same = rule_key(rule("/a", EQUALS, "GET", hostname="A.b", cluster_id="x", tags={"a": "b"}))
    assert same == rule_key(rule("/a", EQUALS, "GET"))
    others = [
        rule("/b", EQUALS, "GET"),
        rule("/a", PREFIX, "GET"),
        rule("/a", EQUALS),
        rule("/a", EQUALS, "GET", hostname="b"),
        rule("/a", EQUALS, "GET", position=Position.PRE),
    ]
    assert len({same, *map(rule_key, others)}) == 6
    assert rule_key(rule(hostname=r"/\d/.B")) != rule_key(rule(hostname=r"/\D/.B"))


def test_a_value_of_none_cannot_be_told_from_nothing_found():
    with pytest.raises(AssertionError):
        Entry(rule(), None, 0)


def test_the_only_rule_for_everything_needs_no_search():
    assert host_rules(rule()).sole == 1
    assert host_rules(rule()).find(b"/", b"GET") == 1
    assert host_rules(rule(method="GET")).sole is None
    assert host_rules(rule("/")).sole is None
    assert host_rules(rule(path_type=EQUALS)).sole is None
    assert host_rules(rule(), rule("/a")).sole is None


def test_the_longest_prefix_wins_and_of_equal_ones_the_later_rule():
    found = host_rules(rule("/a"), rule("/a/b"), rule(""), rule("/a", method="GET"))
    assert found.find(b"/a/b/c", b"GET") == 2
    assert found.find(b"/a/x", b"GET") == 4
    assert found.find(b"/a/x", b"PUT") == 1
    assert found.find(b"/x", b"PUT") == 3


def test_a_whole_match_that_names_the_method_wins_at_once():
    found = host_rules(rule("/a"), rule("a$", REGEX, "GET"), rule("/a", EQUALS, "GET"))
    assert found.find(b"/a", b"GET") == 2
    assert found.find(b"/a", b"PUT") == 1
    assert host_rules(rule("/a", EQUALS, "GET"), rule("a", REGEX, "GET")).find(b"/a", b"GET") == 1


def test_a_whole_match_for_any_method_is_as_long_as_the_target():
    found = host_rules(rule("/ab"), rule("b", REGEX), rule("/a"))
    assert found.find(b"/abc", b"GET") == 2
    assert found.find(b"/ab", b"GET") == 2
    assert host_rules(rule("b", REGEX), rule("/ab")).find(b"/ab", b"GET") == 2
    assert host_rules(rule("b", REGEX), rule("/ab")).find(b"/abc", b"GET") == 1
    assert host_rules(rule("b", REGEX), rule("/ab", EQUALS)).find(b"/ab", b"GET") == 2
    assert host_rules(rule("/ab", EQUALS), rule("b", REGEX)).find(b"/ab", b"GET") == 2
    assert host_rules(rule("b", REGEX)).find(b"/ab", b"GET") == 1
    assert host_rules(rule("b", REGEX)).find(b"/a", b"GET") is None


def test_where_no_rule_holds_nothing_is_found():
    assert host_rules(rule("/a"), rule("/b", EQUALS)).find(b"/c", b"GET") is None
    assert host_rules(rule("/a", method="GET")).find(b"/a", b"PUT") is None


def test_entries_are_told_as_they_were_added():
    entries = [Entry(rule(), 1, serial) for serial in (3, 1, 2)]
    assert [entry.serial for entry in in_order(entries)] == [1, 2, 3]


def scan(given_rules, target, method):
    """The choice as sozu-like scanning makes it: one rule after another, no index."""
    best, length = None, 0
    for value, one in enumerate(given_rules, 1):
        if one.method not in (None, method.decode()):
            continue
        path = one.path.encode()
        if one.path_type is PREFIX:
            if target.startswith(path) and len(path) >= length:
                best, length = value, len(path)
        elif re.search(path, target) if one.path_type is REGEX else path == target:
            if one.method is not None:
                return value
            best, length = value, len(target)
    return best


PATHS = ["", "/", "/a", "/a/", "/a/b", "/b", "a"]
SOME_RULES = st.lists(
    st.builds(
        rule, st.sampled_from(PATHS), st.sampled_from(PathType), st.sampled_from([None, "GET"])
    ),
    min_size=1,
    max_size=8,
    unique_by=rule_key,
)


@given(SOME_RULES)
def test_the_index_chooses_as_a_scan_over_the_rules_would(given_rules):
    found = host_rules(*given_rules)
    targets = [b"/", b"/a", b"/a/b", b"/a/bc", b"/b", b"/c", b"a"]
    for target, method in itertools.product(targets, [b"GET", b"PUT"]):
        assert found.find(target, method) == scan(given_rules, target, method)
