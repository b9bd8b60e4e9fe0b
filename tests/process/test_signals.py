"""Asked once, the proxy stops softly; asked twice, at once; and it always ends."""

import os
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock

from sozutw.process import signals
from sozutw.process.signals import Signals


class FakeReactor(Clock):
    """A clock that can be stopped once, as a reactor can."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0
        self.notes: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def callFromThread(self, called: Callable[..., object], *args: object) -> None:
        self.notes.append((called, args))

    def loop(self) -> None:
        notes, self.notes = self.notes, []
        for called, args in notes:
            called(*args)

    def stop(self) -> None:
        if self.stops:
            raise ReactorNotRunning
        self.stops += 1


class FakeProxy:
    """Connections that end when told to."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.calls: list[str] = []
        self.host = SimpleNamespace(stop_process=None)
        self.stopped: Deferred[None] = Deferred()

    def tell_connections(self) -> str:
        return f"{self.connections} connections left (1 idle)"

    def stop_softly(self) -> Deferred[None]:
        self.calls.append("stop_softly")
        if not self.connections:
            self.stopped.callback(None)
        return self.stopped

    def stop_now(self) -> None:
        self.calls.append("stop_now")
        self.connections = 0
        if not self.stopped.called:
            self.stopped.callback(None)

    def reopen_logs(self) -> None:
        self.calls.append("reopen_logs")

    def reload(self) -> None:
        self.calls.append("reload")

    def report_counters(self) -> None:
        self.calls.append("report_counters")
        raise OSError("stdout is closed")


class Case:
    def __init__(self, connections: int) -> None:
        self.reactor = FakeReactor()
        self.proxy = FakeProxy(connections)
        self.said: list[str] = []
        self.signals = Signals(self.reactor, self.proxy, 30.0, self.said.append)


@pytest.fixture
def own_answers() -> Iterator[None]:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1]
    before = [signal.getsignal(n) for n in numbers]
    yield
    for number, answer in zip(numbers, before, strict=True):
        signal.signal(number, answer)


def test_with_nobody_connected_it_stops_at_once_and_softly() -> None:
    case = Case(0)
    case.signals.stop_asked()
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 1
    assert case.reactor.getDelayedCalls() == []


@pytest.mark.usefixtures("own_answers")
def test_a_signal_that_comes_before_it_can_be_answered_waits() -> None:
    case = Case(1)
    case.signals.hold()
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
        signal.raise_signal(number)  # To this thread: the runner of tests has others.
    assert case.reactor.notes == []
    case.signals.install()
    case.reactor.loop()
    told = ["reload", "reopen_logs", "report_counters", "stop_softly"]
    assert sorted(case.proxy.calls) == told


@pytest.mark.usefixtures("own_answers")
def test_a_signal_that_another_thread_takes_meanwhile_waits_too() -> None:
    case = Case(1)
    case.signals.hold()
    case.signals._come_early(signal.SIGUSR1, None)
    case.signals.install()
    case.reactor.loop()
    assert case.proxy.calls == ["report_counters"]


def test_it_says_who_is_left_and_how_to_hurry() -> None:
    case = Case(2)
    case.signals.stop_asked()
    assert case.said == [
        "stopping: 2 connections left (1 idle), at most 30 s; press Ctrl-C again to stop now"
    ]


def test_it_waits_for_the_last_connection() -> None:
    case = Case(2)
    case.signals.stop_asked()
    case.reactor.advance(29.9)
    assert case.reactor.stops == 0
    case.proxy.stopped.callback(None)
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 1
    assert case.reactor.getDelayedCalls() == []


def test_who_asks_softly_again_hurries_nobody() -> None:
    case = Case(2)
    case.signals.stop(False)
    case.signals.stop(False)
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 0
    # A signal after it is the second that wants an end, and does.
    case.signals.stop_asked()
    case.signals.stop(True)
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1


def test_who_asks_hard_is_not_kept_waiting() -> None:
    case = Case(2)
    case.signals.stop(True)
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    case = Case(2)
    case.signals.stop(False)
    case.signals.stop(True)
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1


def test_grace_is_bounded() -> None:
    case = Case(2)
    case.signals.stop_asked()
    case.reactor.advance(30.0)
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1
    assert "30 s are over" in case.said[-1]


def test_asked_again_it_stops_at_once() -> None:
    case = Case(2)
    case.signals.stop_asked()
    case.signals.stop_asked()
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1
    assert case.reactor.getDelayedCalls() == []


def test_asked_a_third_time_it_stays_calm() -> None:
    case = Case(2)
    for _ in range(3):
        case.signals.stop_asked()
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1


def test_a_soft_command_hurries_nobody() -> None:
    case = Case(1)
    case.signals.stop(is_hard=False)
    case.signals.stop(is_hard=False)
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 0


def test_a_hard_command_stops_at_once_whatever_was_asked_before() -> None:
    fresh, stopping = Case(1), Case(1)
    stopping.signals.stop(is_hard=False)
    for case in (fresh, stopping):
        case.signals.stop(is_hard=True)
        case.signals.stop(is_hard=True)
        assert case.proxy.calls == ["stop_softly", "stop_now"]
        assert case.reactor.stops == 1


def test_a_soft_stop_that_fails_becomes_a_hard_one(caplog: pytest.LogCaptureFixture) -> None:
    case = Case(2)
    case.signals.stop_asked()
    case.proxy.stopped.errback(ZeroDivisionError())
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1


def test_logs_are_reopened_before_the_file_is_read_and_though_one_cannot_be() -> None:
    case = Case(0)

    def fail() -> None:
        case.proxy.calls.append("reopen_log")
        raise PermissionError

    answered = Signals(case.reactor, case.proxy, 30.0, case.said.append, fail)
    answered._answer(signal.SIGHUP)
    assert case.proxy.calls == ["reopen_log", "reopen_logs", "reload"]


@pytest.mark.usefixtures("own_answers")
def test_signals_are_answered_from_the_loop_and_never_in_between() -> None:
    case = Case(2)
    case.signals.install()
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
        assert len(case.reactor.notes) == 1, number
        calls = len(case.proxy.calls)
        case.reactor.loop()
        assert len(case.proxy.calls) == calls + (2 if number == signal.SIGHUP else 1)
    told = ["reopen_logs", "reload", "report_counters", "stop_softly", "stop_now"]
    assert case.proxy.calls == told


def test_a_line_goes_to_descriptor_2(capfd: pytest.CaptureFixture[str]) -> None:
    signals.say_on_stderr("stopping: ünicode")
    assert capfd.readouterr().err == "stopping: ünicode\n"


def test_a_lost_terminal_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_fd: int, _data: bytes) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(os, "write", write)
    signals.say_on_stderr("nobody reads this")


@pytest.mark.parametrize(
    ("is_hard", "calls"), [(False, ["stop_softly"]), (True, ["stop_softly", "stop_now"])]
)
def test_a_command_may_ask_for_the_end_as_a_signal_does(is_hard: bool, calls: list[str]) -> None:
    case = Case(2)
    case.signals.stop(is_hard)
    assert case.proxy.calls == calls
    case.signals.stop(True)
    assert case.proxy.calls == ["stop_softly", "stop_now"]
    assert case.reactor.stops == 1


def test_a_command_that_asks_softly_cuts_nobody_even_if_it_is_not_the_first() -> None:
    case = Case(2)
    case.signals.stop_asked()
    case.signals.stop(False)
    case.signals.stop(False)
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 0
    case.signals.stop_asked()
    assert case.proxy.calls == ["stop_softly", "stop_now"]


def test_with_nobody_connected_a_hard_stop_is_over_at_once() -> None:
    case = Case(0)
    case.signals.stop(True)
    assert case.proxy.calls == ["stop_softly"]
    assert case.reactor.stops == 1


def test_who_leaves_to_another_has_no_deadline_until_somebody_sets_one() -> None:
    case = Case(2)
    case.signals.leave()
    case.signals.leave()
    case.reactor.advance(100_000)
    assert case.said == []
    assert case.reactor.stops == 0
    case.signals.stop_asked()
    assert "at most 30 s" in case.said[0]
    case.reactor.advance(29.9)
    assert "stop_now" not in case.proxy.calls
    case.reactor.advance(0.2)
    assert case.proxy.calls[-1] == "stop_now"
    assert case.reactor.stops == 1


def test_who_leaves_to_another_ends_with_the_last_client() -> None:
    case = Case(1)
    case.signals.leave()
    case.proxy.stopped.callback(None)
    assert case.reactor.stops == 1


def test_who_is_stopping_already_leaves_by_its_deadline() -> None:
    case = Case(1)
    case.signals.stop_asked()
    case.signals.leave()
    assert case.proxy.calls == ["stop_softly"]
    case.reactor.advance(30)
    assert case.reactor.stops == 1
