"""Why a rule wins and the others do not: each reason holds when it is tried out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.model import FrontendRule, HttpListener, InetAddress, PathType, Position
from sozutw.control.questions import explain_rules
from sozutw.control.questions.explain_rules import frontend_step, spelt
from sozutw.control.questions.passed_over import LISTED_MAX
from sozutw.relay.answers import Answers
from sozutw.relay.route import Route
from sozutw.routing.router import Router
from sozutw.routing.rules import rule_key
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.message import RequestHead

HERE = InetAddress("127.0.0.1", 8080)
LISTENER = HttpListener(HERE)
ANSWERS = Answers({})


def head(target: str = "/", host: str = "a.b", method: str = "GET") -> RequestHead:
    made = parse_request_head(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert made is not None
    return made


def rule(hostname: str = "a.b", path: str = "", **more: Any) -> FrontendRule:
    return FrontendRule(HERE, hostname, path, **{"cluster_id": "app", **more})


def routed(*rules: FrontendRule) -> Router[Route]:
    made = [(one, Route(one, LISTENER, None, ANSWERS)) for one in rules]
    return Router[Route]().changed(added=made)


def test_a_rule_is_told_with_all_that_it_asks_for() -> None:
    assert spelt(rule()) == "a.b (TREE) -> app"
    assert (
        spelt(rule("*", "/x", method="PUT", position=Position.PRE, cluster_id=None))
        == "PUT * PREFIX '/x' (PRE) -> deny"
    )


def test_the_first_thing_that_does_not_fit_is_told() -> None:
    rules = [
        rule("c.b", "/y", method="PUT"),
        rule("a.b", "/y", method="PUT"),
        rule("a.b", "/x", method="PUT"),
        rule("*.b"),
        rule("a.b"),
        rule("a.b", "/x"),
        rule("*", position=Position.POST),
        rule("c.b", position=Position.POST),
    ]
    step = frontend_step(routed(*rules), head("/x/y"))
    assert step.kind == "frontend"
    assert step.chosen == "a.b PREFIX '/x' (TREE) -> app"
    assert step.because == "of the rules for this host it fits best"
    assert [(one.what, one.because) for one in step.passed_over] == [
        ("PUT a.b PREFIX '/y' (TREE) -> app", "its path does not fit /x/y"),
        ("PUT a.b PREFIX '/x' (TREE) -> app", "it is for PUT only"),
        ("a.b (TREE) -> app", "one that fits more of the path wins"),
        ("* (POST) -> app", "TREE is asked before POST"),
        ("PUT c.b PREFIX '/y' (TREE) -> app", "its host is not a.b"),
        (
            "*.b (TREE) -> app",
            "a rule that names a.b more plainly stands beside its host",
        ),
        ("c.b (POST) -> app", "its host is not a.b"),
    ]


@pytest.mark.parametrize(
    ("winner", "loser", "reason"),
    [
        (rule(position=Position.PRE), rule(), "PRE is asked before TREE"),
        (
            rule("*", position=Position.POST),
            rule("a.b", position=Position.POST),
            "of the rules of POST the earlier one wins",
        ),
        (
            rule(path="/x", path_type=PathType.EQUALS, method="GET"),
            rule(path="/x", method="GET"),
            "one for the whole path that names the method wins",
        ),
        (
            rule(path="/x", path_type=PathType.EQUALS, method="GET"),
            rule(path="/.", path_type=PathType.REGEX),
            "one for the whole path that names the method wins",
        ),
        (
            rule(path="/x", path_type=PathType.EQUALS, method="GET"),
            rule(path="/.", path_type=PathType.REGEX, method="GET"),
            "of those for the whole path that name the method the earlier one wins",
        ),
        (
            rule(path="/.", path_type=PathType.REGEX),
            rule(path="/"),
            "one that fits more of the path wins",
        ),
    ],
)
def test_why_one_rule_that_fits_is_behind_another(
    winner: FrontendRule, loser: FrontendRule, reason: str
) -> None:
    step = frontend_step(routed(winner, loser), head("/x"))
    assert step.chosen == spelt(winner)
    assert [(one.what, one.because) for one in step.passed_over] == [(spelt(loser), reason)]


def test_of_two_that_fit_as_much_the_later_one_wins() -> None:
    first, second = rule(path="/x", method="GET"), rule(path="/x")
    step = frontend_step(routed(first, second), head("/x"))
    assert step.chosen == spelt(second)
    (other,) = step.passed_over
    assert other.because == "of those that fit as much of the path the later one wins"


def test_without_a_rule_that_fits_the_answer_is_404() -> None:
    step = frontend_step(routed(rule(path="/y")), head("/x"))
    assert not step.HasField("chosen")
    assert step.because == "no rule of this listener fits: the answer is 404"
    assert len(step.passed_over) == 1
    assert not frontend_step(Router[Route](), head()).passed_over


@pytest.mark.parametrize("position", [Position.PRE, Position.POST])
def test_why_a_listed_rule_wins(position: Position) -> None:
    because = frontend_step(routed(rule(position=position)), head()).because
    assert position.value in because


def test_a_long_list_is_cut_and_what_is_left_counted() -> None:
    others = [rule(f"h{n}.b") for n in range(LISTED_MAX + 10)]
    step = frontend_step(routed(*others, rule()), head())
    assert len(step.passed_over) == LISTED_MAX + 1
    assert step.passed_over[-1].what == "and 10 more"


def test_of_very_many_rules_only_those_for_the_host_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explain_rules, "SEARCHED_MAX", 3)
    router = routed(*(rule(f"h{n}.b") for n in range(3)), rule(), rule(path="/y"))
    assert [one.what for one in frontend_step(router, head()).passed_over] == [
        "a.b PREFIX '/y' (TREE) -> app",
        "and 3 more",
    ]


hosts = st.sampled_from(["a.b", "*.b", "c.b", "*", "/[ax]/.b"])
paths = st.sampled_from(["", "/", "/x", "/x/y"])
rules_st = st.builds(
    rule,
    hosts,
    paths,
    path_type=st.sampled_from(PathType),
    method=st.sampled_from([None, "GET", "PUT"]),
    position=st.sampled_from(Position),
)


@given(
    st.lists(rules_st, max_size=8, unique_by=rule_key),
    st.sampled_from(["/", "/x", "/x/y", "/z"]),
    st.sampled_from(["GET", "PUT", "POST"]),
)
def test_each_reason_holds_when_it_is_tried_out(
    rules: list[FrontendRule], target: str, method: str
) -> None:
    rules = [replace(one, cluster_id=f"c{n}") for n, one in enumerate(rules)]
    router, asked = routed(*rules), head(target, method=method)

    def wins(*some: FrontendRule, by: RequestHead = asked) -> FrontendRule | None:
        route = routed(*some).find(by.host, by.target, by.method)
        return None if route is None else route.rule

    winner = wins(*rules)
    step = frontend_step(router, asked)
    assert step.chosen == ("" if winner is None else spelt(winner))
    reasons = {one.what: one.because for one in step.passed_over}
    assert len(reasons) == len(rules) - (winner is not None)
    for one in rules:
        if one is winner:
            continue
        because = reasons[spelt(one)]
        if because.startswith("its path"):
            assert wins(one, by=head(target, method=one.method or method)) is None
        elif because.startswith("it is for"):
            assert wins(one) is None
            assert one.method is not None
            assert wins(one, by=head(target, method=one.method)) is one
        elif because.startswith("its host"):
            assert wins(replace(one, path="", path_type=PathType.PREFIX, method=None)) is None
        elif because.startswith("a rule that names"):
            assert one.position is Position.TREE
        else:
            assert winner is not None
            assert wins(one) is one
            assert wins(*(other for other in rules if other in (one, winner))) is winner
