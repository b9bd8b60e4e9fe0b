"""Why a rule of a listener leads a request, and why each of the others does not."""

from collections.abc import Iterator
from typing import Final

from sozutw.config.model import FrontendRule, PathType, Position
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.passed_over import listed
from sozutw.relay.route import Route
from sozutw.routing.hosts import compile_host
from sozutw.routing.router import Router
from sozutw.routing.rules import Entry, rule_key
from sozutw.wire.message import RequestHead

SEARCHED_MAX: Final = 2000
"""Among so many rules those of other hosts are named too; of more they are only counted."""

_BEFORE: Final = {
    Position.PRE: "it is the first rule of PRE that fits",
    Position.TREE: "of the rules for this host it fits best",
    Position.POST: "none of PRE and for this host fits, and it is the first of POST that does",
}


def spelt(rule: FrontendRule) -> str:
    """Return a rule as a person would read it."""
    method = "" if rule.method is None else f"{rule.method} "
    path = f" {rule.path_type.value} {rule.path!r}" if rule.path else ""
    leads = "deny" if rule.cluster_id is None else rule.cluster_id
    return f"{method}{rule.hostname}{path} ({rule.position.value}) -> {leads}"


def frontend_step(router: Router[Route], head: RequestHead) -> pb.ExplanationStep:
    """Return which rule leads this request, if any, and what the others lack."""
    route = router.find(head.host, head.target, head.method)
    total = len(router) - (route is not None)
    passed_over = listed(_passed_over(router, head, route), total)
    if route is None:
        because = "no rule of this listener fits: the answer is 404"
        return pb.ExplanationStep(kind="frontend", because=because, passed_over=passed_over)
    return pb.ExplanationStep(
        kind="frontend",
        chosen=spelt(route.rule),
        because=_BEFORE[route.rule.position],
        passed_over=passed_over,
    )


def _passed_over(
    router: Router[Route], head: RequestHead, route: Route | None
) -> Iterator[tuple[str, str]]:
    named = set()
    for entry in router.entries_for(head.host):
        named.add(rule_key(entry.rule))
        if entry.value is not route:
            yield spelt(entry.rule), _why_not(entry, head, route)
    if len(router) > SEARCHED_MAX:
        return
    for rule, _ in router:
        if rule_key(rule) not in named:
            yield spelt(rule), _why_not_its_host(rule, head.host)


def _why_not_its_host(rule: FrontendRule, host: bytes) -> str:
    fits = compile_host(rule.hostname)
    told = host.decode("latin-1")
    if fits is None or fits(host):
        return f"a rule that names {told} more plainly stands beside its host"
    return f"its host is not {told}"


def _why_not(entry: Entry[Route], head: RequestHead, route: Route | None) -> str:
    """Return the first thing that does not fit of a rule whose host does."""
    method = entry.method
    # With its own method nothing but its path is in question.
    if not entry.matches(head.target, method or b""):
        return f"its path does not fit {head.target.decode('latin-1')}"
    if method is not None and method != head.method:
        return f"it is for {method.decode()} only"
    assert route is not None, "a rule that fits would have been found"
    return _why_behind(entry.rule, route.rule, head.target)


def _why_behind(rule: FrontendRule, winner: FrontendRule, target: bytes) -> str:
    """Return why one of two rules that fit is asked after the other."""
    if rule.position is not winner.position:
        return f"{winner.position.value} is asked before {rule.position.value}"
    if rule.position is not Position.TREE:
        return f"of the rules of {rule.position.value} the earlier one wins"
    if winner.path_type is not PathType.PREFIX and winner.method is not None:
        if rule.path_type is PathType.PREFIX or rule.method is None:
            return "one for the whole path that names the method wins"
        return "of those for the whole path that name the method the earlier one wins"
    if _fitting_bytes(rule, target) < _fitting_bytes(winner, target):
        return "one that fits more of the path wins"
    return "of those that fit as much of the path the later one wins"


def _fitting_bytes(rule: FrontendRule, target: bytes) -> int:
    return len(rule.path.encode()) if rule.path_type is PathType.PREFIX else len(target)
