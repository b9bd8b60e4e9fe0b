"""From requests to live objects: what was asked for holds, and what is under way keeps its own."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from sozutw.balancing.backends import BackendState
from sozutw.config.draft import apply
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
    Position,
    Redirect,
)
from sozutw.config.policies import HealthCheck
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    DeactivateListener,
    ListenerPatch,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHealthCheck,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.security import BackendTls
from sozutw.config.state import ConfigState, RefusedRequestError
from sozutw.control.changes.apply import Applier, Outcome
from sozutw.control.slowly import in_short_turns
from sozutw.listen.certificates import Certificates
from sozutw.metrics.counters import TlsCounters
from sozutw.relay.route import ListenerState, Route
from tests.fakes.certificates import chained, expired, leaf
from tests.fakes.worker import FakeWorld, ok

NOT_FOUND = "HTTP/1.1 404 Not Found\r\n\r\ngone fishing"
HERE = InetAddress("10.0.0.1", 8080)
THERE = InetAddress("10.0.0.2", 8080)


class Reserved:
    """A bound socket that nobody accepts on yet."""

    def __init__(self) -> None:
        self.is_closed = False
        self.is_used = False

    def close(self) -> None:
        self.is_closed = True


class Sockets:
    """Listening sockets, as a list."""

    def __init__(self) -> None:
        self.open: dict[InetAddress, ListenerState] = {}
        self.fault: OSError | None = None
        self.rules_at_activation: list[int] = []
        self.reserved: list[Reserved] = []

    def reserve(self, address: InetAddress) -> Reserved:
        if self.fault is not None:
            raise self.fault
        reserved = Reserved()
        self.reserved.append(reserved)
        return reserved

    def activate(self, listener: ListenerState, reserved: Reserved) -> None:
        assert not reserved.is_closed
        reserved.is_used = True
        assert listener.listener.address not in self.open
        self.rules_at_activation.append(len(listener.router))
        self.open[listener.listener.address] = listener

    def exchange(self, listener: ListenerState) -> None:
        assert listener.listener.address in self.open
        self.open[listener.listener.address] = listener

    def deactivate(self, address: InetAddress) -> None:
        self.open.pop(address, None)


class Retired:
    """A pool that notes who was retired."""

    def __init__(self) -> None:
        self.states: list[BackendState] = []

    def retire(self, state: BackendState) -> None:
        assert state.is_retired, "a connection could come back"
        self.states.append(state)


class Scene:
    def __init__(self, *requests: Request) -> None:
        self.sockets = Sockets()
        self.pool = Retired()
        self.clock = Clock()
        self.state = ConfigState()
        self.certificates = Certificates(time.time)
        self.applier = Applier(self.state, self.sockets, self.pool, self.clock, self.certificates)
        self.apply(*requests)

    def apply(self, *requests: Request) -> None:
        self.applier.apply(*requests)
        self.check()

    def settle(self) -> None:
        """Let all small steps be done."""
        while self.clock.getDelayedCalls():
            self.clock.advance(0)

    def find(
        self, host: bytes = b"a.test", target: bytes = b"/", method: bytes = b"GET", at=HERE
    ) -> Route | None:
        return self.applier.listeners[at].router.find(host, target, method)

    def leads_to(self, host: bytes = b"a.test", target: bytes = b"/", at=HERE) -> str | None:
        found = self.find(host, target, at=at)
        return None if found is None else found.cluster_id

    def order(self, position: Position, at: InetAddress = HERE) -> list[str]:
        router = self.applier.listeners[at].router
        return [rule.hostname for rule, _ in router if rule.position is position]

    def check(self) -> None:
        """The live objects are what the configuration says, in its order."""
        state, applier = self.state, self.applier
        state.check_invariants()
        assert all(one.is_closed != one.is_used for one in self.sockets.reserved)
        assert set(self.sockets.open) == {
            one.address for one in state.listeners if state.is_active(one.address)
        }
        assert list(applier.listeners) == [listener.address for listener in state.listeners]
        assert set(applier.clusters) == {cluster.cluster_id for cluster in state.clusters}
        for cluster in state.clusters:
            live = applier.clusters[cluster.cluster_id]
            live.check_invariants()
            assert live.cluster is cluster
            expected = state.backends(cluster.cluster_id)
            assert tuple(one.backend for one in live.backends) == expected
        for address, listener in applier.listeners.items():
            assert (listener.https or listener.listener) is state.listener(address)
            configured = state.frontends(address)
            routed = list(listener.router)
            for position in Position:
                assert [rule for rule, _ in routed if rule.position is position] == [
                    rule for rule in configured if rule.position is position
                ]
            for rule_, route in routed:
                assert route.rule == rule_
                assert route.cluster is applier.clusters.get(rule_.cluster_id or "")
                cluster = state.cluster(rule_.cluster_id or "")
                sticky = cluster is not None and cluster.sticky_session
                assert (route.sticky_name is not None) == sticky


def listener(address: InetAddress = HERE, **options) -> HttpListener:
    return HttpListener(address, **options)


def frontend(host: str = "a.test", cluster_id: str | None = "app", **options) -> FrontendRule:
    return FrontendRule(options.pop("address", HERE), host, cluster_id=cluster_id, **options)


def backend(name: str = "A", cluster_id: str = "app", **options) -> Backend:
    address = InetAddress("10.1.0.1", 8000 + ord(name[0]))
    return Backend(cluster_id, name, address, **options)


def running() -> Scene:
    return Scene(
        AddHttpListener(listener()),
        AddCluster(Cluster("app")),
        AddHttpFrontend(frontend()),
        AddBackend(backend("A")),
        AddBackend(backend("B")),
        ActivateListener(HERE),
    )


# Listeners.


def test_a_batch_makes_a_running_proxy():
    scene = running()
    assert scene.leads_to() == "app"
    assert list(scene.sockets.open) == [HERE]
    route = scene.find()
    assert route is not None
    assert route.cluster is scene.applier.clusters["app"]
    assert [state.backend_id for state in route.cluster.backends] == ["A", "B"]


def test_a_listener_accepts_only_when_its_rules_are_there():
    assert running().sockets.rules_at_activation == [1]


def test_to_activate_or_deactivate_twice_is_no_harm():
    scene = running()
    scene.apply(ActivateListener(HERE), ActivateListener(HERE))
    assert list(scene.sockets.open) == [HERE]
    scene.apply(DeactivateListener(HERE), DeactivateListener(HERE))
    assert scene.sockets.open == {}
    assert scene.leads_to() == "app"  # those who are connected are still served
    scene.apply(ActivateListener(HERE))
    assert scene.sockets.open[HERE] is scene.applier.listeners[HERE]


def test_a_removed_listener_listens_no_more_and_its_rules_come_back_with_it():
    scene = running()
    scene.apply(AddHttpFrontend(frontend("b.test")))
    before = scene.applier.listeners[HERE]
    scene.apply(RemoveListener(HERE))
    assert scene.sockets.open == {}
    assert HERE not in scene.applier.listeners
    # Who is connected goes on with what he has.
    assert before.router.find(b"a.test", b"/", b"GET") is not None
    scene.apply(AddHttpListener(listener(sticky_name="OTHER")))
    assert scene.leads_to() == "app"
    assert scene.leads_to(b"b.test") == "app"
    assert scene.applier.listeners[HERE] is not before


def test_a_listener_may_be_removed_and_added_in_one_batch():
    scene = running()
    scene.apply(
        AddHttpFrontend(frontend("b.test")),
        RemoveListener(HERE),
        AddHttpListener(listener()),
        AddHttpFrontend(frontend("c.test")),
        ActivateListener(HERE),
    )
    for host in (b"a.test", b"b.test", b"c.test"):
        assert scene.leads_to(host) == "app"


def test_rules_can_go_while_their_listener_is_away():
    scene = running()
    scene.apply(RemoveListener(HERE))
    scene.apply(RemoveHttpFrontend(frontend()))
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    scene.apply(AddHttpListener(listener()))
    assert scene.find() is None


def test_listeners_have_rules_of_their_own():
    scene = running()
    scene.apply(AddHttpListener(listener(THERE)), AddHttpFrontend(frontend(address=THERE)))
    scene.apply(RemoveHttpFrontend(frontend()))
    assert scene.find() is None
    assert scene.leads_to(at=THERE) == "app"


def test_an_address_that_cannot_be_bound_is_told():
    scene = running()
    scene.apply(AddHttpListener(listener(THERE)))
    scene.sockets.fault = OSError("in use")
    with pytest.raises(OSError, match="in use"):
        scene.applier.apply(ActivateListener(THERE))
    assert list(scene.sockets.open) == [HERE]
    scene.sockets.fault = None
    scene.apply(ActivateListener(THERE))
    assert list(scene.sockets.open) == [HERE, THERE]


# Clusters and backends.


def test_a_cluster_s_state_survives_a_change_of_its_options():
    scene = running()
    live = scene.applier.clusters["app"]
    live.counters.requests = 7
    states = live.backends
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    assert scene.applier.clusters["app"] is live
    assert live.counters.requests == 7
    assert live.backends == states
    route = scene.find()
    assert route is not None
    assert route.sticky_name == b"SOZUBALANCEID"


def test_what_is_under_way_keeps_the_route_that_it_started_with():
    scene = running()
    before = scene.find()
    assert before is not None
    scene.apply(AddCluster(Cluster("app", sticky_session=True, back_timeout=1.0)))
    after = scene.find()
    assert after is not before
    assert before.sticky_name is None
    assert before.back_seconds == 30.0
    assert after is not None
    assert after.back_seconds == 1.0


def test_rules_keep_their_order_when_their_cluster_s_options_change():
    scene = running()
    for position in (Position.PRE, Position.POST):
        for number in range(4):
            cluster_id = "app" if number % 2 else "api"
            rule_ = frontend(f"*.{number}.test", cluster_id, position=position)
            scene.apply(AddHttpFrontend(rule_))
    expected = [f"*.{number}.test" for number in range(4)]
    for change in (
        AddCluster(Cluster("app", https_redirect=True)),
        AddCluster(Cluster("api")),
        RemoveCluster("app"),
        AddCluster(Cluster("app")),
        RemoveCluster("api"),
    ):
        scene.apply(change)
        assert scene.order(Position.PRE) == expected
        assert scene.order(Position.POST) == expected


def test_the_first_rule_of_a_list_still_wins_after_a_change_of_its_cluster():
    scene = running()
    scene.apply(
        AddCluster(Cluster("api")),
        AddHttpFrontend(frontend("*", "app", position=Position.PRE)),
        AddHttpFrontend(frontend("*", "api", position=Position.PRE, path="/")),
    )
    assert scene.leads_to() == "app"
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    assert scene.leads_to() == "app"


@pytest.mark.parametrize("position", Position)
def test_a_rule_that_is_taken_away_and_put_back_is_the_last(position: Position):
    scene = running()
    hosts = ["*.x.test", "*.y.test", "*.z.test"]
    rules = [frontend(host, position=position) for host in hosts]
    scene.apply(*[AddHttpFrontend(rule_) for rule_ in rules])
    extra = frontend("*.w.test", position=position)
    scene.apply(RemoveHttpFrontend(rules[0]), AddHttpFrontend(extra), AddHttpFrontend(rules[0]))
    order = [host for host in scene.order(position) if host.startswith("*")]
    assert order == ["*.y.test", "*.z.test", "*.w.test", "*.x.test"]


def test_a_removed_cluster_is_answered_for_and_may_come_back():
    scene = running()
    before = scene.applier.clusters["app"]
    scene.apply(RemoveCluster("app"))
    route = scene.find()
    assert route is not None
    assert route.cluster is None
    assert route.answer_status == 0  # and so a 503, not a denial
    assert {state.backend_id for state in scene.pool.states} == {"A", "B"}
    scene.apply(AddCluster(Cluster("app")))
    after = scene.applier.clusters["app"]
    assert after is not before
    assert [state.backend_id for state in after.backends] == ["A", "B"]
    assert not any(state.is_retired for state in after.backends)


def test_rules_and_backends_may_come_before_their_cluster():
    scene = Scene(
        AddHttpListener(listener()), AddHttpFrontend(frontend()), AddBackend(backend("A"))
    )
    assert scene.applier.clusters == {}
    scene.apply(AddBackend(backend("B")), RemoveBackend("app", "B", backend("B").address))
    scene.apply(AddCluster(Cluster("app")))
    route = scene.find()
    assert route is not None
    assert route.cluster is not None
    assert [state.backend_id for state in route.cluster.backends] == ["A"]


def test_a_removed_backend_is_retired_and_the_others_stay():
    scene = running()
    a, b = scene.applier.clusters["app"].backends
    scene.apply(RemoveBackend("app", "A", a.address))
    assert scene.pool.states == [a]
    assert scene.applier.clusters["app"].backends == (b,)


def test_a_backend_s_state_survives_a_change_of_its_options():
    scene = running()
    a, _ = scene.applier.clusters["app"].backends
    scene.apply(AddBackend(backend("A", weight=5, sticky_id="x")))
    again, _ = scene.applier.clusters["app"].backends
    assert again is a
    assert (a.weight, a.sticky_value) == (5, b"x")
    assert scene.pool.states == []


def test_a_cluster_s_own_answers_are_used_and_given_up():
    scene = running()
    text = "HTTP/1.1 503 Service Unavailable\r\n\r\nback soon"
    scene.apply(AddCluster(Cluster("app", answers={"503": text})))
    route = scene.find()
    assert route is not None
    assert route.answers.compose(503, False, False, 1, b"").data.endswith(b"back soon")
    scene.apply(AddCluster(Cluster("app")))
    route = scene.find()
    assert route is not None
    assert route.answers is scene.applier.listeners[HERE].answers


def test_maglev_s_table_is_built_aside():
    scene = running()
    scene.apply(AddCluster(Cluster("app", LoadBalancing.MAGLEV)))
    live = scene.applier.clusters["app"]
    assert live.needs_rebuild
    for _ in range(1000):
        if not scene.clock.getDelayedCalls():
            break
        scene.clock.advance(0.01)
    assert not live.needs_rebuild
    assert not scene.clock.getDelayedCalls()
    assert live.choose(0.0, b"key", lambda: 0.5) is not None


# Rules.


def test_a_rule_may_deny_or_redirect_without_a_cluster():
    scene = running()
    scene.apply(
        AddHttpFrontend(frontend("b.test", None)),
        AddHttpFrontend(frontend("c.test", None, redirect=Redirect.FOUND)),
    )
    denied, redirected = scene.find(b"b.test"), scene.find(b"c.test")
    assert denied is not None
    assert denied.answer_status == 401
    assert redirected is not None
    assert redirected.answer_status == 302
    scene.apply(RemoveHttpFrontend(frontend("b.test", None)))
    assert scene.find(b"b.test") is None


def test_a_rule_is_removed_by_what_makes_it_the_same():
    scene = running()
    scene.apply(RemoveHttpFrontend(frontend(cluster_id="another", tags={"a": "b"})))
    assert scene.find() is None
    # Its cluster knows it no more.
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    assert scene.find() is None


def test_a_rule_may_change_its_cluster_in_one_batch_without_a_gap():
    scene = running()
    scene.apply(AddCluster(Cluster("api")))
    router = scene.applier.listeners[HERE].router
    scene.apply(RemoveHttpFrontend(frontend()), AddHttpFrontend(frontend(cluster_id="api")))
    assert scene.leads_to() == "api"
    assert router.find(b"a.test", b"/", b"GET").cluster_id == "app"
    # The old cluster has nothing to do with it now, and the new one has.
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    assert scene.find().sticky_name is None
    scene.apply(AddCluster(Cluster("api", sticky_session=True)))
    assert scene.find().sticky_name is not None


def test_a_rule_and_the_cluster_that_it_moves_to_may_change_in_one_batch():
    scene = running()
    scene.apply(
        RemoveHttpFrontend(frontend()),
        AddHttpFrontend(frontend(cluster_id="api")),
        AddCluster(Cluster("api", sticky_session=True)),
    )
    assert scene.leads_to() == "api"
    assert scene.find().sticky_name is not None


def test_a_batch_changes_each_router_once(monkeypatch: pytest.MonkeyPatch):
    scene = running()
    routers = []
    swapped = ListenerState.router.__set__
    monkeypatch.setattr(
        ListenerState,
        "router",
        property(
            ListenerState.router.__get__,
            lambda self, router: routers.append(router) or swapped(self, router),
        ),
    )
    scene.apply(*[AddHttpFrontend(frontend(f"{n}.test")) for n in range(500)])
    assert len(routers) == 1


def test_what_concerns_no_rule_changes_no_router():
    scene = running()
    before = scene.applier.listeners[HERE].router
    scene.apply(AddBackend(backend("C")), AddCluster(Cluster("other")), ActivateListener(HERE))
    assert scene.applier.listeners[HERE].router is before


def test_a_batch_with_a_refused_request_changes_nothing():
    scene = running()
    router = scene.applier.listeners[HERE].router
    with pytest.raises(RefusedRequestError, match="already"):
        scene.applier.apply(
            AddHttpListener(listener(THERE)),
            ActivateListener(THERE),
            AddHttpFrontend(frontend("b.test")),
            RemoveBackend("app", "A", backend().address),
            AddCluster(Cluster("new")),
            AddHttpFrontend(frontend()),
        )
    scene.check()
    assert scene.applier.listeners[HERE].router is router
    assert scene.find(b"b.test") is None
    assert list(scene.sockets.open) == [HERE]
    assert scene.pool.states == []
    assert len(scene.applier.clusters["app"].backends) == 2


def test_an_address_that_cannot_be_bound_undoes_its_batch():
    scene = running()
    scene.sockets.fault = OSError("in use")
    with pytest.raises(OSError, match="in use"):
        scene.applier.apply(
            RemoveHttpFrontend(frontend()),
            AddHttpListener(listener(THERE)),
            ActivateListener(THERE),
        )
    scene.check()
    assert scene.leads_to() == "app"
    assert THERE not in scene.applier.listeners


@pytest.mark.parametrize(
    "request_",
    [
        AddHttpListener(listener()),
        RemoveListener(THERE),
        ActivateListener(THERE),
        DeactivateListener(THERE),
        RemoveCluster("nobody"),
        AddHttpFrontend(frontend()),
        AddHttpFrontend(frontend(address=THERE)),
        RemoveHttpFrontend(frontend("nobody.test")),
        RemoveBackend("app", "Z", HERE),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(request_: Request):
    scene = running()
    router = scene.applier.listeners[HERE].router
    with pytest.raises(RefusedRequestError):
        scene.applier.apply(request_)
    scene.check()
    assert scene.applier.listeners[HERE].router is router
    assert list(scene.sockets.open) == [HERE]
    assert scene.pool.states == []


# Slowly.


def success_of(done: Deferred[Outcome]) -> Outcome:
    results: list[Outcome] = []
    done.addCallback(results.append)
    (result,) = results
    return result


def test_a_slow_change_is_seen_by_nobody_until_it_is_seen_whole():
    scene = running()
    old = scene.applier.listeners[HERE].router
    many = [AddHttpFrontend(frontend(f"h{n}.test", "new")) for n in range(300)]
    added = [AddBackend(backend(name, "app")) for name in "QR"]
    requests = [AddCluster(Cluster("new")), *added, *many]
    asked = 0

    def watched() -> Iterator[Request]:
        nonlocal asked
        for request in requests:
            asked += 1
            yield request

    steps = scene.applier._steps(watched(), None)
    count = 0
    for _ in steps:
        count += 1
        assert scene.applier.listeners[HERE].router is old
        assert "new" not in scene.applier.clusters
        assert len(scene.applier.clusters["app"].backends) == 2
        assert scene.state.cluster("new") is None
    assert count > 8
    scene.check()
    assert scene.leads_to(b"h299.test") == "new"
    assert len(scene.applier.clusters["app"].backends) == 4


def test_what_is_refused_of_a_slow_change_is_passed_over_and_told():
    scene = running()
    scene.sockets.fault = OSError("in use")
    done = scene.applier.apply_slowly(
        [
            AddHttpFrontend(frontend()),
            AddHttpFrontend(frontend(cluster_id="api")),
            RemoveCluster("nobody"),
            AddHttpListener(listener(THERE)),
            ActivateListener(THERE),
            AddHttpFrontend(frontend("b.test")),
        ],
        skips_refused=True,
    )
    scene.settle()
    outcome = success_of(done)
    assert (outcome.applied, outcome.unchanged) == (2, 1)
    assert [number for number, _ in outcome.refused] == [1, 2, 4]
    assert "already leads to cluster 'app'" in outcome.refused[0][1]
    assert "in use" in outcome.refused[2][1]
    scene.check()
    assert scene.leads_to(b"b.test") == "app"


@pytest.mark.parametrize("fault", [RefusedRequestError("no"), ValueError("torn")])
def test_a_slow_change_that_fails_changes_nothing(fault: Exception):
    scene = running()
    router = scene.applier.listeners[HERE].router

    def torn() -> Iterator[Request]:
        yield AddHttpListener(listener(THERE))
        yield ActivateListener(THERE)
        raise fault

    done = scene.applier.apply_slowly(torn())
    faults: list[Failure] = []
    done.addErrback(faults.append)
    scene.settle()
    assert [failure.value for failure in faults] == [fault]
    scene.check()
    assert scene.applier.listeners[HERE].router is router
    scene.apply(AddCluster(Cluster("next")))


def test_a_quick_change_waits_for_no_slow_one_and_does_not_overtake_it():
    scene = running()
    many = [AddHttpFrontend(frontend(f"h{n}.test")) for n in range(300)]
    done = scene.applier.apply_slowly(many)
    scene.apply(RemoveHttpFrontend(frontend("h7.test")))
    assert scene.leads_to(b"h8.test") == "app"
    assert scene.leads_to(b"h7.test") is None
    scene.settle()
    assert success_of(done).applied == 300


# Followers, and changes of a listener.


class Creeping:
    """A clock on which each look takes half a millisecond, and a loop turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[object] = []

    def seconds(self) -> float:
        self.now += 0.0005
        return self.now

    def callLater(self, _delay: float, call: object) -> object:  # Twisted's
        self.calls.append(call)
        return call


def test_what_takes_long_takes_a_little_of_each_turn():
    clock = Creeping()
    done: list[int] = []

    def work() -> Iterator[None]:
        for number in range(10):
            done.append(number)
            yield

    in_short_turns(clock).coiterate(work())
    turns = []
    while clock.calls:
        before = len(done)
        clock.calls.pop()()
        turns.append(len(done) - before)
    assert turns[:2] == [4, 4]
    assert sum(turns) == 10


def test_followers_hear_of_the_clusters_that_changed_and_of_no_others():
    scene = running()
    scene.apply(AddCluster(Cluster("api")))
    heard: list[tuple[str, object]] = []
    scene.applier.cluster_followers.append(lambda name, cluster: heard.append((name, cluster)))
    scene.apply(AddBackend(backend("Q")), AddCluster(Cluster("new")), RemoveCluster("api"))
    clusters = scene.applier.clusters
    assert dict(heard) == {"app": clusters["app"], "new": clusters["new"], "api": None}
    assert len(heard) == 3
    del heard[:]
    scene.apply(AddHttpFrontend(frontend("z.test")))
    assert heard == []


def test_a_follower_that_fails_is_logged_and_the_change_holds():
    scene = running()
    heard: list[object] = []

    def broken(*_what: object) -> None:
        raise ZeroDivisionError

    scene.applier.cluster_followers += [broken, lambda name, _cluster: heard.append(name)]
    scene.applier.listener_followers += [broken, heard.append]
    gone = scene.applier.listeners[HERE]
    with capturedLogs() as events:
        scene.apply(RemoveCluster("app"), RemoveListener(HERE))
    assert heard == ["app", gone]
    told = [formatEvent(event) for event in events if "did not follow" in formatEvent(event)]
    assert len(told) == 2


def test_a_listener_that_goes_is_told_so_that_its_clients_may_go():
    scene = running()
    left: list[ListenerState] = []
    scene.applier.listener_followers.append(left.append)
    here = scene.applier.listeners[HERE]
    scene.apply(DeactivateListener(HERE), ActivateListener(HERE))
    scene.apply(RemoveListener(HERE), AddHttpListener(listener()), ActivateListener(HERE))
    assert left == []
    assert scene.applier.listeners[HERE] is here
    scene.apply(RemoveListener(HERE))
    assert left == [here]


def test_a_changed_listener_keeps_its_socket_and_its_rules_see_the_change():
    scene = running()
    scene.apply(AddHttpFrontend(frontend("b.test")))
    here = scene.applier.listeners[HERE]
    patch = ListenerPatch(back_timeout=7.0, sticky_name="OTHER", answers={"404": NOT_FOUND})
    scene.apply(UpdateListener(HERE, ListenerKind.HTTP, patch))
    assert scene.applier.listeners[HERE] is here
    assert scene.sockets.open == {HERE: here}
    assert len(scene.sockets.reserved) == 1
    for host in (b"a.test", b"b.test"):
        assert scene.find(host).back_seconds == 7.0
    assert here.answers.compose(404, False, False, 1, b"").data.endswith(b"gone fishing")
    assert here.listener.sticky_name == "OTHER"


def test_a_listener_may_become_one_of_tls_on_the_same_socket():
    scene = running()
    left: list[ListenerState] = []
    scene.applier.listener_followers.append(left.append)
    old = scene.applier.listeners[HERE]
    scene.apply(
        RemoveHttpFrontend(frontend()),
        RemoveListener(HERE),
        secure(),
        AddHttpsFrontend(frontend()),
        ActivateListener(HERE),
    )
    fresh = scene.applier.listeners[HERE]
    assert left == [old]
    assert scene.sockets.open == {HERE: fresh}
    assert fresh.https is not None
    assert scene.leads_to() == "app"
    assert len(scene.sockets.reserved) == 1
    scene.apply(RemoveHttpsFrontend(frontend()), RemoveListener(HERE), AddHttpListener(listener()))
    assert scene.sockets.open == {}


def test_a_health_check_is_an_option_of_its_cluster():
    scene = running()
    check = HealthCheck("/up")
    scene.apply(SetHealthCheck("app", check))
    assert scene.applier.clusters["app"].cluster.health_check == check
    scene.apply(RemoveHealthCheck("app"))
    assert scene.applier.clusters["app"].cluster.health_check is None


# Many.


@pytest.mark.timeout(120)
def test_twenty_thousand_frontends_come_and_go_in_one_batch_each():
    count = 20_000
    names = [f"host-{n}.test" for n in range(count)]
    rules = [frontend(name, f"c{n % 2000}") for n, name in enumerate(names)]
    scene = Scene(AddHttpListener(listener()))
    began = time.process_time()
    scene.applier.apply(*[AddCluster(Cluster(f"c{n}")) for n in range(2000)])
    scene.applier.apply(*map(AddHttpFrontend, rules))
    assert len(scene.applier.listeners[HERE].router) == count
    assert scene.leads_to(b"host-19999.test") == "c1999"
    scene.applier.apply(AddCluster(Cluster("c1999", sticky_session=True)))
    route = scene.find(b"host-19999.test")
    assert route is not None
    assert route.sticky_name is not None
    scene.applier.apply(*map(RemoveHttpFrontend, rules))
    assert len(scene.applier.listeners[HERE].router) == 0
    # Generous: it takes about 2 s. What it must not be is quadratic, which took 60.
    assert time.process_time() - began < 20
    assert scene.state.frontends(HERE) == ()
    assert scene.state.frontends_of("c1999") == ()


# With a real pool.


def world_with_idle() -> FakeWorld:
    world = FakeWorld("A", "B")
    for name in "AB":
        client = world.client()
        world.let_be_next(name)
        client.get(b"/" + name.encode())
        world.connect(name).receive(ok(b"1"))
    assert world.worker.connector.pool.idle_total == 2
    return world


def test_removal_of_a_backend_closes_its_idle_connections_and_no_others():
    world = world_with_idle()
    a, b = (dial.transport for dial in world.dialler.dials)
    world.remove_backend("A")
    assert a.disconnecting
    assert not b.disconnecting
    assert world.worker.connector.pool.idle_total == 1
    world.assert_baseline()


def test_removal_of_a_cluster_closes_all_its_idle_connections():
    world = world_with_idle()
    world.apply(RemoveCluster("app"))
    assert all(dial.transport.disconnecting for dial in world.dialler.dials)
    assert len(world.worker.connector.pool) == 0
    assert not any(client.is_closed for client in world.clients)
    world.clients[0].received()
    world.clients[0].get()
    assert world.clients[0].answer()[0] == 503
    world.assert_baseline()


def test_what_is_under_way_on_a_removed_backend_is_finished_and_then_closed():
    world = FakeWorld("A")
    client = world.client()
    client.get()
    transport = world.connect("A")
    world.remove_backend("A")
    assert not transport.disconnecting
    transport.receive(ok(b"last"))
    assert client.answer() == (200, b"last")
    assert transport.disconnecting
    world.assert_baseline()


# Everything, in any order.

HOSTS = ["a.test", "*.b.test", "*"]
CLUSTERS = ["app", "api"]
INDEX = st.integers(0, 11)


class Configuring(RuleBasedStateMachine):
    """Batches of requests, whatever they are: the live objects are what the state says."""

    def __init__(self) -> None:
        super().__init__()
        first = [AddHttpListener(listener()), AddCluster(Cluster("app"))]
        self.scene = Scene(*first)
        self.shadow = ConfigState()
        for request in first:
            apply(self.shadow, request)
        self.batch: list[Request] = []

    def ask(self, *requests: Request) -> None:
        """Put into the batch what will not be refused."""
        for request in requests:
            try:
                apply(self.shadow, request)
            except RefusedRequestError:
                continue
            self.batch.append(request)

    @rule(
        host=st.sampled_from(HOSTS),
        position=st.sampled_from(Position),
        cluster_id=st.sampled_from([*CLUSTERS, None]),
        path=st.sampled_from(["", "/x"]),
        address=st.sampled_from([HERE, HERE, THERE]),
    )
    def add_a_rule(self, host, position, cluster_id, path, address):
        one = frontend(host, cluster_id, position=position, path=path, address=address)
        self.ask(AddHttpFrontend(one))

    @rule(index=INDEX, address=st.sampled_from([HERE, THERE]), comes_back=st.booleans())
    def take_a_rule_away(self, index, address, comes_back):
        rules = self.shadow.frontends(address)
        if rules:
            one = rules[index % len(rules)]
            self.ask(RemoveHttpFrontend(one))
            if comes_back:
                self.ask(AddHttpFrontend(one))

    @rule(cluster_id=st.sampled_from(CLUSTERS), sticky=st.booleans(), adds=st.booleans())
    def change_a_cluster(self, cluster_id, sticky, adds):
        one = Cluster(cluster_id, sticky_session=sticky)
        self.ask(AddCluster(one) if adds else RemoveCluster(cluster_id))

    @rule(name=st.sampled_from("AB"), cluster_id=st.sampled_from(CLUSTERS), adds=st.booleans())
    def change_a_backend(self, name, cluster_id, adds):
        one = backend(name, cluster_id)
        self.ask(AddBackend(one) if adds else RemoveBackend(cluster_id, name, one.address))

    @rule(address=st.sampled_from([HERE, THERE]), verb=st.integers(0, 3))
    def change_a_listener(self, address, verb):
        requests = [
            AddHttpListener(listener(address)),
            ActivateListener(address),
            DeactivateListener(address),
            RemoveListener(address),
        ]
        self.ask(requests[verb])

    @rule()
    def commit(self):
        batch, self.batch = self.batch, []
        self.scene.apply(*batch)
        for address in (HERE, THERE):
            assert (address in self.scene.sockets.open) == self.scene.state.is_active(address)

    @rule()
    def commit_slowly(self):
        batch, self.batch = self.batch, []
        scene = self.scene
        done = scene.applier.apply_slowly(iter(batch))
        scene.settle()
        assert success_of(done) == Outcome(applied=len(batch))
        scene.check()

    def teardown(self):
        self.commit()


TestConfiguring = Configuring.TestCase
TestConfiguring.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# Over TLS.


def secure(at: InetAddress = HERE, **options) -> AddHttpsListener:
    return AddHttpsListener(HttpsListener(HttpListener(at), **options))


def test_a_listener_of_tls_has_rules_of_its_own_kind():
    scene = Scene(secure(), AddCluster(Cluster("app")), ActivateListener(HERE))
    rule = FrontendRule(HERE, "a.test", cluster_id="app")
    with pytest.raises(RefusedRequestError):
        scene.apply(AddHttpFrontend(rule))
    scene.apply(AddHttpsFrontend(rule))
    assert scene.leads_to() == "app"
    assert scene.applier.listeners[HERE].https is not None
    scene.apply(RemoveHttpsFrontend(rule))
    assert scene.leads_to() is None


def test_certificates_are_judged_before_anything_changes():
    scene = Scene(secure())
    good, bad = chained(leaf("a.test")), chained(expired("b.test"))
    fingerprint = leaf("a.test").fingerprint
    scene.apply(AddCertificate(HERE, good))
    for request in (
        AddCertificate(HERE, bad),
        ReplaceCertificate(HERE, bad, fingerprint),
        ReplaceDefaultCertificate(HERE, bad),
        secure(THERE, certificate=bad),
    ):
        with pytest.raises(RefusedRequestError):
            scene.apply(request)
        assert scene.state.certificates(HERE) == (good,)
        assert scene.state.listener(THERE) is None
    scene.apply(ReplaceCertificate(HERE, chained(leaf("c.test")), fingerprint.upper()))
    assert scene.state.certificates(HERE) == (chained(leaf("c.test")),)
    scene.apply(ReplaceDefaultCertificate(HERE, good))
    scene.apply(RemoveCertificate(HERE, leaf("c.test").fingerprint))
    assert scene.state.certificates(HERE) == ()


def test_a_listener_that_comes_back_serves_what_it_served():
    scene = Scene(secure(), AddCertificate(HERE, chained(leaf("a.test"))))
    scene.apply(RemoveListener(HERE))
    counters = TlsCounters()
    scene.certificates.count(counters)
    assert counters.expires_at == 0
    scene.apply(secure())
    scene.certificates.count(counters)
    assert counters.expires_at > 0


def test_backends_that_are_to_be_spoken_to_otherwise_begin_anew():
    scene = Scene(AddHttpListener(listener()), AddCluster(Cluster("app")), AddBackend(backend()))
    before = scene.applier.clusters["app"].backends
    scene.apply(AddCluster(Cluster("app", sticky_session=True)))
    assert scene.applier.clusters["app"].backends == before
    scene.apply(AddCluster(Cluster("app", backend_tls=BackendTls())))
    assert scene.pool.states == list(before)
    assert scene.applier.clusters["app"].backends[0].backend == before[0].backend
