"""The SessionManager: admission, names, eviction, draining and zombies."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.task import Clock

from sozutw.metrics.counters import WorkerCounters
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.session import NOTHING, Doing, Session
from sozutw.sessions.tokens import Token, Tokens


class FakeClient:
    """A connection that does what it is told, at once or when the test lets it."""

    def __init__(self, manager: SessionManager, active: float = 0.0, *, idle: bool = True) -> None:
        self.manager = manager
        self.active = active
        self.patience = 0.0
        self.idle = idle
        self.is_stubborn = False
        self.listener: object = None
        self.calls: list[str] = []
        self.session = Session(self, "192.0.2.1", "192.0.2.1:1", active, b"")

    def is_idle(self) -> bool:
        return self.idle

    def came_in_at(self, listener: object) -> bool:
        return listener == self.listener

    def doing(self) -> Doing:
        return NOTHING

    def active_at(self) -> float:
        return self.active

    def patience_seconds(self) -> float:
        return self.patience

    def drain(self) -> None:
        self.calls.append("drain")

    def abort(self) -> None:
        self.calls.append("abort")
        if not self.is_stubborn:
            self.leave()

    def leave(self) -> None:
        if self.session.token is not None:
            for token in tuple(self.session.leases):
                self.manager.forget(token)
            self.manager.dismiss(self.session)


def make(sessions_max: int = 10, **options) -> tuple[SessionManager, Clock]:
    clock = Clock()
    return SessionManager(clock, Tokens(), WorkerCounters(), sessions_max, **options), clock


def admitted(manager: SessionManager, active: float = 0.0, *, idle: bool = True) -> FakeClient:
    client = FakeClient(manager, active, idle=idle)
    assert manager.admit(client.session) is not None
    manager.check_invariants()
    return client


def fired(manager_drain: Callable[[], object]) -> list[object]:
    outcome: list[object] = []
    manager_drain().addBoth(outcome.append)  # type: ignore[attr-defined]
    return outcome


# Names.


def test_an_admitted_session_is_found_by_its_token_until_it_ends():
    manager, _ = make()
    client = admitted(manager)
    token = client.session.token
    assert token is not None
    assert manager.find(token) is client.session
    assert list(manager.sessions()) == [client.session]
    assert len(manager) == 1
    manager.dismiss(client.session)
    assert manager.find(token) is None
    assert client.session.token is None
    assert len(manager) == 0
    manager.check_invariants()


def test_a_token_is_never_given_to_two_sessions():
    manager, _ = make()
    seen = set()
    for _ in range(20):
        client = admitted(manager)
        assert client.session.token not in seen
        seen.add(client.session.token)
        manager.dismiss(client.session)


def test_a_lease_names_its_session_until_it_is_forgotten():
    manager, _ = make()
    client = admitted(manager)
    token = manager.tokens.issue()
    manager.register(token, client.session)
    manager.check_invariants()
    assert manager.find(token) is client.session
    assert client.session.leases == {token}
    manager.forget(token)
    assert manager.find(token) is None
    assert client.session.leases == set()
    manager.check_invariants()


def test_a_lease_is_forgotten_once():
    manager, _ = make()
    client = admitted(manager)
    token = manager.tokens.issue()
    manager.register(token, client.session)
    manager.forget(token)
    with pytest.raises(KeyError):
        manager.forget(token)


def test_sessions_are_listed_oldest_first():
    manager, _ = make()
    clients = [admitted(manager) for _ in range(4)]
    clients[1].leave()
    assert list(manager.sessions()) == [c.session for c in (clients[0], *clients[2:])]


def test_who_holds_a_lease_cannot_be_dismissed():
    manager, _ = make()
    client = admitted(manager)
    manager.register(manager.tokens.issue(), client.session)
    with pytest.raises(AssertionError):
        manager.dismiss(client.session)


def test_nobody_is_admitted_twice_nor_leases_without_admission():
    manager, _ = make()
    client = admitted(manager)
    with pytest.raises(AssertionError):
        manager.admit(client.session)
    with pytest.raises(AssertionError):
        manager.register(manager.tokens.issue(), FakeClient(manager).session)
    with pytest.raises(AssertionError):
        manager.register(client.session.token, client.session)


@pytest.mark.parametrize("spoil", ["token kept", "lease lost", "session lost"])
def test_a_token_that_names_nobody_is_noticed(spoil: str):
    manager, _ = make()
    client = admitted(manager)
    token = manager.tokens.issue()
    manager.register(token, client.session)
    manager.check_invariants()
    match spoil:
        case "token kept":
            client.session.leases.clear()
        case "lease lost":
            del manager._by_token[token]
        case "session lost":
            manager._admitted.clear()
    with pytest.raises((AssertionError, KeyError)):
        manager.check_invariants()


# Places.


def test_a_full_worker_refuses_by_a_value():
    manager, _ = make(2)
    admitted(manager)
    admitted(manager)
    assert not manager.has_room()
    late = FakeClient(manager)
    assert manager.admit(late.session) is None
    assert late.session.token is None
    assert len(manager) == 2


def test_a_full_worker_takes_clients_again_below_nine_places_in_ten():
    manager, _ = make(20)
    calls: list[int] = []
    manager.on_room = lambda: calls.append(len(manager))
    clients = [admitted(manager) for _ in range(20)]
    assert not manager.has_room()
    clients.pop().leave()
    clients.pop().leave()
    assert not manager.has_room()
    assert calls == []
    clients.pop().leave()
    assert calls == [17]
    assert manager.has_room()
    # Told once, and then again only after it was full again.
    clients.pop().leave()
    assert calls == [17]


def test_a_worker_that_was_never_full_tells_nobody_of_room():
    manager, _ = make(2)
    manager.on_room = lambda: pytest.fail("there was room all the time")
    admitted(manager).leave()
    assert manager.has_room()


def test_room_for_one_is_room_again_when_it_is_empty():
    manager, _ = make(1)
    calls: list[None] = []
    manager.on_room = lambda: calls.append(None)
    client = admitted(manager)
    assert not manager.has_room()
    client.leave()
    assert calls == [None]
    assert manager.has_room()


def test_who_is_told_of_room_may_admit_at_once():
    manager, _ = make(1)
    client = admitted(manager)
    assert not manager.has_room()
    waiting = FakeClient(manager)
    manager.on_room = lambda: manager.admit(waiting.session)
    client.leave()
    assert waiting.session.token is not None
    manager.check_invariants()


def test_the_longest_idle_give_way_if_the_operator_wants_that():
    manager, _ = make(200, evicts=True)
    clients = [admitted(manager, float(1000 - n)) for n in range(200)]
    assert manager.has_room()
    assert [n for n, c in enumerate(clients) if c.calls] == [198, 199]
    assert clients[199].calls == ["abort"]
    assert manager._counters.sessions_evicted == 2
    assert len(manager) == 198


def test_nobody_gives_way_in_the_middle_of_an_exchange():
    manager, _ = make(2, evicts=True)
    busy = [admitted(manager, idle=False) for _ in range(2)]
    assert not manager.has_room()
    assert [c.calls for c in busy] == [[], []]
    assert manager._counters.sessions_evicted == 0


def test_nobody_gives_way_while_there_is_room():
    manager, _ = make(2, evicts=True)
    client = admitted(manager)
    assert manager.has_room()
    assert client.calls == []


def test_one_who_is_slow_to_give_way_makes_room_when_he_has_gone():
    """As in life: the loss of an aborted connection is told a turn later."""
    manager, _ = make(100, evicts=True)
    calls: list[bool] = []
    manager.on_room = lambda: calls.append(manager.has_room())
    clients = [admitted(manager, float(n)) for n in range(100)]
    for client in clients:
        client.is_stubborn = True
    assert not manager.has_room()
    assert not manager.has_room()  # nobody else has to go for that
    manager.check_invariants()
    assert [c.calls for c in clients] == [["abort"]] + [[]] * 99
    assert manager._counters.sessions_evicted == 1
    clients[0].leave()
    assert calls == [True]
    admitted(manager, 100.0)
    # The next one evicts again: it is no wait for nine places in ten.
    assert not manager.has_room()
    assert clients[1].calls == ["abort"]
    clients[1].leave()
    assert calls == [True, True]
    manager.check_invariants()


def test_a_full_and_busy_worker_evicts_as_soon_as_somebody_is_idle():
    manager, _ = make(2, evicts=True)
    clients = [admitted(manager, idle=False) for _ in range(2)]
    assert not manager.has_room()
    clients[1].idle = True
    assert manager.has_room()
    assert clients[1].calls == ["abort"]


def test_room_is_told_of_once_for_those_who_give_way():
    manager, _ = make(200, evicts=True)
    calls: list[None] = []
    manager.on_room = lambda: calls.append(None)
    clients = [admitted(manager, float(n)) for n in range(200)]
    for client in clients:
        client.is_stubborn = True
    assert not manager.has_room()
    clients[0].leave()
    clients[1].leave()
    assert len(calls) == 1


def test_places_at_clusters_are_given_back_with_the_session():
    manager, _ = make()
    client = admitted(manager)
    assert manager.address_counts.enter("app", client.session.source, 1)
    client.session.clusters |= {"app"}
    client.leave()
    assert manager.address_counts.total() == 0
    assert client.session.clusters == set()


# The end.


def test_draining_an_empty_worker_is_done_at_once():
    manager, clock = make()
    assert fired(manager.drain) == [None]
    assert not clock.getDelayedCalls()


def test_draining_a_worker_of_idle_clients_is_done_when_they_have_gone():
    manager, clock = make()
    idle = [admitted(manager) for _ in range(2)]
    outcome = fired(manager.drain)
    assert [c.calls for c in idle] == [["drain"]] * 2
    assert outcome == []
    for client in idle:
        client.leave()
    assert outcome == [None]
    assert not clock.getDelayedCalls()


def test_draining_waits_for_the_last_session():
    manager, clock = make()
    idle, busy = admitted(manager), admitted(manager, idle=False)
    outcome = fired(manager.drain)
    assert idle.calls == busy.calls == ["drain"]
    assert outcome == []
    assert not manager.has_room()
    assert manager.admit(FakeClient(manager).session) is None
    busy.leave()
    assert outcome == []
    idle.leave()
    assert outcome == [None]
    assert not clock.getDelayedCalls()


def test_a_drain_may_take_as_long_as_it_takes():
    manager, clock = make(grace_seconds=30.0)
    busy = admitted(manager, idle=False)
    manager.grace_seconds = None
    assert manager.seconds_left() == 0.0
    outcome = fired(manager.drain)
    assert manager.seconds_left() is None
    assert not clock.getDelayedCalls()
    busy.leave()
    assert outcome == [None]


def test_the_grace_period_ends_in_an_abort():
    manager, clock = make(grace_seconds=30.0)
    busy = admitted(manager, idle=False)
    assert manager.seconds_left() == 0.0
    outcome = fired(manager.drain)
    assert manager.seconds_left() == 30.0
    clock.advance(29.5)
    assert busy.calls == ["drain"]
    assert manager.seconds_left() == 0.5
    clock.advance(0.6)
    assert busy.calls == ["drain", "abort"]
    assert outcome == [None]
    assert manager.seconds_left() == 0.0
    assert not clock.getDelayedCalls()


def test_a_drain_may_be_given_less_time():
    manager, clock = make(grace_seconds=30.0)
    busy = admitted(manager, idle=False)
    manager.drain_within(1.0)
    assert not clock.getDelayedCalls(), "none is under way"
    outcome = fired(manager.drain)
    manager.drain_within(40.0)
    assert manager.seconds_left() == 30.0
    manager.drain_within(5.0)
    assert manager.seconds_left() == 5.0
    clock.advance(5.0)
    assert busy.calls == ["drain", "abort"]
    assert outcome == [None]
    manager.drain_within(5.0)
    assert not clock.getDelayedCalls()


def test_a_drain_without_an_end_may_be_given_one():
    manager, clock = make(grace_seconds=30.0)
    manager.grace_seconds = None
    busy = admitted(manager, idle=False)
    manager.drain()
    clock.advance(100)
    manager.drain_within(5.0)
    clock.advance(5.0)
    assert busy.calls == ["drain", "abort"]
    assert not clock.getDelayedCalls()


def test_draining_twice_waits_for_the_same_end():
    manager, _ = make()
    busy = admitted(manager, idle=False)
    first, second = fired(manager.drain), fired(manager.drain)
    assert busy.calls == ["drain"]
    busy.leave()
    assert first == second == [None]
    assert fired(manager.drain) == [None]


def test_one_who_waits_for_the_end_cannot_spoil_it_for_another():
    manager, _ = make()
    busy = admitted(manager, idle=False)
    first = manager.drain()
    first.addCallback(lambda _: 1 / 0)
    first.addErrback(lambda failure: failure.trap(ZeroDivisionError) and None)
    second = fired(manager.drain)
    busy.leave()
    assert second == [None]


def test_all_can_be_closed_at_once():
    manager, _ = make()
    clients = [admitted(manager, idle=bool(n)) for n in range(3)]
    manager.abort_all()
    assert [c.calls for c in clients] == [["abort"]] * 3
    assert len(manager) == 0


def test_the_service_sweeps_zombies_while_it_runs_and_drains_when_it_stops():
    manager, clock = make(zombie_seconds=100.0)
    manager.startService()
    dead, alive = admitted(manager, 0.0), admitted(manager, 0.0)
    clock.advance(60)
    alive.active = 60.0
    clock.advance(40)
    assert dead.calls == []  # it was silent exactly as long as it may be
    alive.active = 150.0
    clock.advance(100)
    assert (dead.calls, alive.calls) == (["abort"], [])
    assert manager._counters.zombies == 1
    alive.leave()
    outcome: list[object] = []
    manager.stopService().addBoth(outcome.append)
    assert outcome == [None]
    assert not manager.running
    assert not clock.getDelayedCalls()


def test_a_sweep_closes_those_alone_who_were_silent_for_too_long():
    manager, clock = make(zombie_seconds=10.0)
    clock.advance(100)
    old, young = admitted(manager, 89.0), admitted(manager, 91.0)
    manager.sweep_zombies()
    assert (old.calls, young.calls) == (["abort"], [])
    assert manager._counters.zombies == 1


def test_who_may_be_silent_for_longer_is_no_zombie_before_that_and_an_interval_are_over():
    manager, clock = make(zombie_seconds=10.0)
    tunnel = admitted(manager, 0.0)
    tunnel.patience = 60.0
    clock.advance(70)
    manager.sweep_zombies()
    assert tunnel.calls == []
    clock.advance(1)
    manager.sweep_zombies()
    assert tunnel.calls == ["abort"]


def test_a_service_that_sweeps_nothing_arms_no_timer():
    manager, clock = make(zombie_seconds=0.0)
    manager.startService()
    assert not clock.getDelayedCalls()
    assert fired(manager.stopService) == [None]


class Sessions(RuleBasedStateMachine):
    """Against the simplest model: who is here, and which token names whom."""

    def __init__(self) -> None:
        super().__init__()
        self.manager, _ = make(4)
        self.here: list[FakeClient] = []
        self.names: dict[Token, Session] = {}
        self.retired: set[Token] = set()
        self.is_draining = False

    @rule()
    def arrive(self):
        client = FakeClient(self.manager)
        token = self.manager.admit(client.session)
        has_room = len(self.here) < 4 and not self.is_draining
        assert (token is not None) == has_room
        if token is not None:
            assert token not in self.names
            assert token not in self.retired
            self.names[token] = client.session
            self.here.append(client)

    @precondition(lambda self: self.here)
    @rule(index=st.integers(0, 9))
    def lease(self, index):
        client = self.here[index % len(self.here)]
        token = self.manager.tokens.issue()
        self.manager.register(token, client.session)
        assert token not in self.names
        assert token not in self.retired
        self.names[token] = client.session

    @precondition(lambda self: any(c.session.leases for c in self.here))
    @rule(index=st.integers(0, 9))
    def give_back(self, index):
        leases = sorted(token for c in self.here for token in c.session.leases)
        token = leases[index % len(leases)]
        self.manager.forget(token)
        del self.names[token]
        self.retired.add(token)

    @precondition(lambda self: self.here)
    @rule(index=st.integers(0, 9))
    def leave(self, index):
        client = self.here.pop(index % len(self.here))
        gone = [token for token, session in self.names.items() if session is client.session]
        client.leave()
        for token in gone:
            del self.names[token]
            self.retired.add(token)

    @precondition(lambda self: not self.is_draining and len(self.here) > 2)
    @rule()
    def drain(self):
        for client in self.here:
            client.idle = False
        self.is_draining = True
        self.manager.drain()

    @invariant()
    def the_tables_agree(self):
        self.manager.check_invariants()
        assert list(self.manager.sessions()) == [c.session for c in self.here]
        for token, session in self.names.items():
            assert self.manager.find(token) is session
        for token in self.retired:
            assert self.manager.find(token) is None


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_only_the_clients_of_a_listener_that_went_are_drained():
    manager, _ = make()
    clients = [admitted(manager) for _ in range(3)]
    clients[1].listener = "gone"
    manager.drain_of("gone")
    assert [client.calls for client in clients] == [[], ["drain"], []]
    assert len(manager) == 3
