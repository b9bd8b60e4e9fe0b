"""The health checks of a worker, over fake dials and a clock that the test moves."""

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sozutw.backend.health import SLEEP_SECONDS_MAX, HealthChecks
from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.balancing.probes import BEGUN_AT_ONCE_MAX, jitter_of
from sozutw.config.model import Backend, BackendAddress, Cluster, InetAddress, UnixAddress
from sozutw.config.policies import HealthCheck
from sozutw.config.security import BackendTls
from sozutw.transport.losses import NotSecuredError
from tests.fakes.transport import FakeDialler, FakeTransport

CHECK = HealthCheck("/up", interval=10, timeout=5, healthy_threshold=1, unhealthy_threshold=1)
JITTER = 10 * jitter_of("app")
ROUND = 10 + JITTER
GOOD = b"HTTP/1.1 204 No Content\r\n\r\n"
BAD = b"HTTP/1.1 500 No\r\n\r\n"


class Observer:
    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []

    def backend_turned_healthy(self, state: BackendState) -> None:
        assert state.is_healthy
        self.heard.append((state.backend_id, True))

    def backend_turned_unhealthy(self, state: BackendState) -> None:
        assert not state.is_healthy
        self.heard.append((state.backend_id, False))


class TlsDialler(FakeDialler):
    """A dialler that remembers how each dial was to be secured."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.secured: list[Any] = []

    def dial(self, address: Any, factory: Any, seconds_max: float, tls: Any = None) -> Any:
        self.secured.append(tls)
        return super().dial(address, factory, seconds_max, tls)


class Scene:
    def __init__(
        self,
        backends: int = 1,
        check: HealthCheck | None = CHECK,
        *,
        under_way_max: int = 100,
        tls: BackendTls | None = None,
    ) -> None:
        self.clock = Clock()
        self.dialler = TlsDialler(self.clock)
        self.forgotten: list[str] = []
        self.checks = HealthChecks(
            self.clock, self.dialler, under_way_max, forget_name=self.forgotten.append
        )
        self.observer = self.checks.observer = Observer()
        self.cluster = ClusterState(Cluster("app", health_check=check, backend_tls=tls))
        for number in range(backends):
            self.add(number)
        self.follow()

    def add(self, number: int, address: BackendAddress | None = None) -> None:
        address = address or InetAddress("10.1.0.1", number + 1)
        self.cluster.upsert(Backend("app", f"b{number}", address))

    def follow(self) -> None:
        self.checks.follow("app", self.cluster)
        self.checks.check_invariants()

    def recheck(self, check: HealthCheck | None) -> None:
        self.cluster.reconfigure(replace(self.cluster.cluster, health_check=check))
        self.follow()

    def start(self) -> "Scene":
        """Let them start, and the first round begin."""
        self.checks.startService()
        self.advance(JITTER)
        return self

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.clock.advance(0)
        self.checks.check_invariants()

    def answer(self, answer: bytes | None) -> FakeTransport | None:
        """Let the dial that was begun first succeed, and answer; None: let it be refused."""
        index = self.dialler.dials.index(self.dialler.pending[0])
        if answer is None:
            self.dialler.fail(index)
            transport = None
        else:
            transport = self.dialler.complete(index)
            assert transport is not None
            transport.receive(answer)
        self.checks.check_invariants()
        self.clock.advance(0)
        return transport

    def rounds(self, *answers: bytes | None) -> list[bool]:
        """Answer in a round each; return what the only backend counts as after it."""
        told = []
        for answer in answers:
            if not self.dialler.pending:
                self.advance(ROUND)
            self.answer(answer)
            told.append(self.cluster.backends[0].is_healthy)
        return told


def timers(scene: Scene) -> list[float]:
    return [call.getTime() for call in scene.clock.getDelayedCalls()]


def test_nothing_is_dialled_before_the_service_starts() -> None:
    scene = Scene()
    scene.advance(100.0)
    assert scene.dialler.dials == []
    assert timers(scene) == []
    scene.start()
    assert len(scene.dialler.dials) == 1


def test_a_backend_is_dialled_within_the_timeout_and_as_its_cluster_is_spoken_to() -> None:
    tls = BackendTls()
    scene = Scene(tls=tls).start()
    (dial,) = scene.dialler.dials
    assert dial.address == InetAddress("10.1.0.1", 1)
    assert dial.seconds_max == 5
    assert scene.dialler.secured == [tls]


def test_it_turns_as_the_answers_say_and_whoever_wants_hears_of_it() -> None:
    scene = Scene(check=replace(CHECK, healthy_threshold=2, unhealthy_threshold=2)).start()
    answers = [GOOD, BAD, None, GOOD, BAD, GOOD, GOOD]
    assert scene.rounds(*answers) == [True, True, False, False, False, False, True]
    assert scene.observer.heard == [("b0", False), ("b0", True)]
    counters = scene.cluster.backends[0].counters
    assert (counters.health_successes, counters.health_failures) == (4, 3)


def test_a_probe_is_none_of_the_things_that_policies_and_pool_look_at() -> None:
    scene = Scene().start()
    (state,) = scene.cluster.backends
    scene.dialler.complete()
    assert (state.connections, state.active_requests, len(state.idle)) == (0, 0, 0)
    assert state.counters.connections == state.counters.requests == 0
    scene.advance(5.0)
    assert not state.is_healthy
    assert state.counters.connect_errors == 0
    assert state.backoff.failures == 0
    assert state.connect_seconds.at(scene.clock.seconds()) == 0.0


def test_one_timer_is_set_whatever_goes_on() -> None:
    scene = Scene(5).start()
    dials = len(scene.dialler.pending)
    assert dials == 5
    assert len(timers(scene)) == dials + 1  # each fake dial has one of its own
    for _ in range(5):
        scene.dialler.complete(scene.dialler.dials.index(scene.dialler.pending[0]))
    assert timers(scene) == [pytest.approx(JITTER + 5)]
    scene.advance(5.0)
    assert timers(scene) == [pytest.approx(JITTER + ROUND)]


def test_an_answer_that_does_not_come_is_a_failure_and_its_connection_is_closed() -> None:
    scene = Scene().start()
    transport = scene.answer(GOOD[:-1])
    assert transport is not None
    scene.advance(4.9)
    assert scene.cluster.backends[0].is_healthy
    with capturedLogs() as logs:
        scene.advance(0.2)
    assert not scene.cluster.backends[0].is_healthy
    assert transport.disconnected
    assert len(scene.checks) == 0
    assert formatEvent(logs[0]) == (
        "b0 of app at 10.1.0.1:1 is unhealthy: there is no answer within 5 s"
    )
    assert scene.forgotten == []


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_name_behind_which_nobody_is_reached_is_asked_for_again(way: str) -> None:
    scene = Scene().start()
    if way == "refused":
        scene.answer(None)
    else:
        scene.advance(5.0)
    assert not scene.cluster.backends[0].is_healthy
    assert scene.forgotten == ["10.1.0.1"]


def test_a_path_and_a_worker_without_names_have_none_to_forget() -> None:
    scene = Scene(0)
    scene.add(0, UnixAddress("/run/app.sock"))
    scene.start().answer(None)
    assert not scene.cluster.backends[0].is_healthy
    assert scene.forgotten == []
    other = Scene()
    other.checks._forget_name = None
    other.start().answer(None)
    assert not other.cluster.backends[0].is_healthy


def test_an_end_of_descriptors_is_nobody_s_failure() -> None:
    scene = Scene().start()
    scene.dialler.fail(reason=OSError(24, "too many open files"))
    scene.checks.check_invariants()
    (state,) = scene.cluster.backends
    assert state.is_healthy
    assert state.counters.health_failures == 0
    assert scene.rounds(BAD) == [False]


def test_each_turn_is_told_and_a_warning_where_at_most_half_are_left() -> None:
    scene = Scene(3).start()
    with capturedLogs() as logs:
        scene.answer(BAD)
        scene.answer(BAD)
        scene.dialler.fail(reason=NotSecuredError("no"))
        scene.advance(ROUND)
        scene.answer(GOOD)
    assert [(event["log_level"], formatEvent(event)) for event in logs] == [
        (LogLevel.warn, "b0 of app at 10.1.0.1:1 is unhealthy: it answers 500"),
        (LogLevel.warn, "b1 of app at 10.1.0.1:2 is unhealthy: it answers 500"),
        (LogLevel.warn, "of 3 backends of app only 1 are healthy"),
        (LogLevel.warn, "b2 of app at 10.1.0.1:3 is unhealthy: it cannot be reached: no"),
        (LogLevel.warn, "of 3 backends of app none is healthy: all are used"),
        (LogLevel.info, "b0 of app at 10.1.0.1:1 is healthy again"),
    ]


def test_no_more_are_dialled_at_a_time_than_may_be() -> None:
    scene = Scene(5, under_way_max=2).start()
    for dialled in (2, 3, 4, 5, 5, 5):
        assert len(scene.dialler.dials) == dialled
        assert len(scene.checks) == len(scene.dialler.pending) <= 2
        if scene.dialler.pending:
            scene.answer(GOOD)
    assert [state.counters.health_successes for state in scene.cluster.backends] == [1] * 5


def test_many_begin_in_turns_of_the_loop() -> None:
    scene = Scene(2 * BEGUN_AT_ONCE_MAX + 1)
    turns: list[int] = []
    call_later = scene.clock.callLater

    def note(seconds: float, call: Any, *rest: Any) -> Any:
        if call == scene.checks._turn:
            assert seconds >= 0.0
            turns.append(len(scene.dialler.dials))
        return call_later(seconds, call, *rest)

    scene.clock.callLater = note  # type: ignore[method-assign]
    scene.start()
    assert turns == [0, BEGUN_AT_ONCE_MAX, 2 * BEGUN_AT_ONCE_MAX, 2 * BEGUN_AT_ONCE_MAX + 1]


def test_another_check_gives_up_what_is_under_way() -> None:
    scene = Scene(2).start()
    transport = scene.answer(GOOD[:-1])
    assert transport is not None
    scene.recheck(replace(CHECK, uri="/other"))
    assert transport.is_aborted
    assert scene.dialler.dials[1].is_cancelled
    assert len(scene.checks) == 0
    scene.advance(JITTER)
    assert len(scene.dialler.pending) == 2
    assert scene.observer.heard == []


def test_without_a_check_all_are_healthy_again_and_no_timer_is_left() -> None:
    scene = Scene(3).start()
    scene.answer(BAD)
    scene.answer(BAD)
    with capturedLogs() as logs:
        scene.recheck(None)
    assert all(state.is_healthy for state in scene.cluster.backends)
    assert scene.observer.heard == [("b0", False), ("b1", False), ("b0", True), ("b1", True)]
    assert [formatEvent(event) for event in logs] == [
        "app is not checked any more: 2 unhealthy backends count as healthy"
    ]
    assert scene.dialler.pending == []
    assert timers(scene) == []
    scene.recheck(CHECK)
    assert len(timers(scene)) == 1


def test_a_backend_that_was_removed_is_not_heard_of_again() -> None:
    scene = Scene(2).start()
    scene.cluster.remove("b0", InetAddress("10.1.0.1", 1))
    scene.answer(BAD)
    assert scene.observer.heard == []
    scene.answer(BAD)
    assert scene.observer.heard == [("b1", False)]


def test_a_cluster_that_goes_takes_its_probes_with_it() -> None:
    scene = Scene(2).start()
    scene.checks.follow("app", None)
    scene.checks.follow("app", None)
    scene.checks.check_invariants()
    assert all(dial.is_cancelled for dial in scene.dialler.dials)
    assert timers(scene) == []


def test_what_stops_leaves_nothing_behind_and_the_verdicts_as_they_are() -> None:
    scene = Scene(3, under_way_max=2).start()
    scene.answer(BAD)
    transport = scene.answer(GOOD[:-1])
    assert transport is not None
    scene.checks.stopService()
    scene.clock.advance(0)
    assert transport.disconnected
    assert scene.dialler.pending == []
    assert timers(scene) == []
    assert len(scene.checks) == 0
    assert [state.is_healthy for state in scene.cluster.backends] == [False, True, True]
    scene.follow()
    scene.advance(100.0)
    assert len(scene.dialler.dials) == 3


def test_the_timer_is_never_set_for_longer_than_a_poll_can_wait() -> None:
    scene = Scene(check=replace(CHECK, interval=2**32 - 1))
    scene.checks.startService()
    assert timers(scene) == [SLEEP_SECONDS_MAX]
    scene.clock.advance(SLEEP_SECONDS_MAX)
    assert timers(scene) == [2 * SLEEP_SECONDS_MAX]
    assert scene.dialler.dials == []


def test_an_earlier_round_of_another_cluster_sets_the_timer_anew() -> None:
    scene = Scene(check=replace(CHECK, interval=100))
    scene.checks.startService()
    before = timers(scene)
    other = ClusterState(Cluster("other", health_check=replace(CHECK, interval=1)))
    other.upsert(Backend("other", "o", InetAddress("10.2.0.1", 1)))
    scene.checks.follow("other", other)
    assert timers(scene) == [jitter_of("other")] < before
    scene.advance(jitter_of("other"))
    assert [dial.address for dial in scene.dialler.dials] == [InetAddress("10.2.0.1", 1)]


def test_a_defect_of_who_hears_of_it_is_not_the_end_of_all_checks() -> None:
    scene = Scene().start()

    def fail(state: BackendState) -> None:
        raise RuntimeError("a defect")

    scene.observer.backend_turned_unhealthy = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        scene.clock.advance(5.0)
    scene.checks.check_invariants()
    assert scene.rounds(GOOD) == [True]


def test_a_change_from_within_what_is_heard_finds_no_probe_of_before() -> None:
    scene = Scene(3).start()
    for _ in range(3):
        scene.dialler.complete(scene.dialler.dials.index(scene.dialler.pending[0]))

    def forget(state: BackendState) -> None:
        scene.checks.follow("app", None)

    scene.observer.backend_turned_unhealthy = forget  # type: ignore[method-assign]
    scene.advance(5.0)
    assert [state.is_healthy for state in scene.cluster.backends] == [False, True, True]
    assert len(scene.checks) == 0


def test_nobody_needs_to_hear_of_anything() -> None:
    scene = Scene()
    scene.checks = HealthChecks(scene.clock, scene.dialler, 1)
    scene.follow()
    scene.start()
    assert scene.rounds(BAD, GOOD) == [False, True]
