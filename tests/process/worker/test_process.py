"""A worker from its fork to its end, with a test in the place of its main process."""

import os
import signal
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from sozutw.config.model import Cluster, InetAddress, ListenerKind, Settings
from sozutw.config.requests import AddCluster, RemoveListener
from sozutw.config.settings_text import settings_text
from sozutw.control.messages.translate import message_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.process.worker import process as module
from sozutw.process.worker.process import EX_CONFIGURATION, LAST_SECONDS, WorkerProcess, serve
from sozutw.process.worker.taking import OWN_FAULT
from sozutw.process.workers.member import CHANNEL_VERSION
from sozutw.process.zygote.blanks import Blanks
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.fleet import FakeObserver, ProcessReactor, TurnClock, pair

SETTINGS = Settings(access_logs_target="file:///dev/null", max_connections=10)
A = AddCluster(Cluster("a"))
WRONG = RemoveListener(InetAddress("127.0.0.1", 1), ListenerKind.HTTP)


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.titles: list[str] = []
        self.affinity: list[Any] = []
        monkeypatch.setattr(module, "set_title", self.titles.append)
        monkeypatch.setattr(module, "calm_collector", lambda: None)
        self.clock = TurnClock()
        self.is_over = False
        self.reactor = ProcessReactor(self.clock, self.ended)
        self.worker: Any = WorkerProcess(self.reactor, Blanks(0))
        self.observer = FakeObserver()
        self.worker.begin_log = lambda _reactor, _settings, _tag: self.observer
        _, self.line = pair(self.reactor)
        self.line.connect(self.worker.channel)
        self.reader = FrameReader(1 << 30)

    def ended(self) -> None:
        assert not self.is_over, "ended twice"
        self.is_over = True
        self.reactor.die()

    def hear(self, **word: Any) -> None:
        message = words.ToWorker(**word).SerializeToString()
        self.worker.channel.dataReceived(frame(message))

    def begin(self, **more: Any) -> None:
        beginning = {"version": CHANNEL_VERSION, "id": 3, "generation": 0, "survives_main": False}
        beginning |= {"settings": settings_text(SETTINGS), "listeners": 0, **more}
        self.hear(beginning=words.Beginning(**beginning))

    def orders(self, number: int, *orders: Any, is_last: bool = True) -> None:
        told = words.Orders(number=number, orders=map(message_of, orders), is_last=is_last)
        self.hear(orders=told)
        self.turn()

    def load(self, **more: Any) -> None:
        self.begin(**more)
        self.orders(0, A)
        assert self.said()[1].applied.number == 0

    def turn(self) -> None:
        for _ in range(20):
            self.clock.turn()

    def said(self) -> list[words.FromWorker]:
        told = []
        while self.line.outbox:
            self.reader.feed(self.line.outbox.popleft())
            message = self.reader.take()
            assert message is not None
            told.append(words.FromWorker.FromString(message))
        return told

    def hold_clients(self) -> None:
        """Let there be a client that stays."""
        self.calls: list[Any] = []
        traffic = self.worker._traffic
        self.drained: Deferred[None] = Deferred()
        self.real_stop = traffic.stop

        def stop() -> "Deferred[None]":
            self.calls.append(("stop", traffic.worker.sessions.grace_seconds))
            return self.drained

        traffic.stop = stop
        traffic.stop_now = lambda: self.calls.append("now")
        traffic.worker.sessions.drain_within = self.calls.append

    def close(self) -> None:
        traffic = self.worker._traffic
        self.reactor.die()
        if traffic is not None:
            log = traffic.access_log
            writer, log._writer = log._writer, None
            if writer is not None:
                writer.close()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    scene = Scene(monkeypatch)
    yield scene
    scene.close()


# It begins.


def test_it_says_that_it_can_talk_and_takes_the_configuration(scene):
    scene.begin()
    (begun,) = scene.said()
    assert (begun.begun.version, begun.begun.pid) == (CHANNEL_VERSION, os.getpid())
    assert scene.titles == ["sozutw worker 3"]
    scene.orders(7, A)
    (applied,) = scene.said()
    assert applied.applied.number == 7
    assert not applied.applied.HasField("error")
    assert list(scene.worker._traffic.applier.clusters) == ["a"]


def test_nobody_is_let_in_before_it_is_told_to(scene):
    scene.load()
    assert scene.worker._traffic.listeners._is_held
    scene.hear(serve=True)
    assert not scene.worker._traffic.listeners._is_held


@pytest.mark.parametrize("error", [None, OSError(22, "Invalid argument")])
def test_it_stays_on_its_processor_if_there_is_one(scene, monkeypatch, error):
    def stay(pid: int, processors: set[int]) -> None:
        scene.affinity.append((pid, processors))
        if error is not None:
            raise error

    monkeypatch.setattr(module.os, "sched_setaffinity", stay)
    with capturedLogs() as events:
        scene.load(processor=5)
    assert scene.affinity == [(0, {5})]
    told = [one for one in events if "runs on any processor" in one["log_format"]]
    assert len(told) == (error is not None)


def test_one_of_another_version_says_only_which_it_is(scene):
    scene.begin(version=CHANNEL_VERSION + 1)
    scene.orders(0, A, is_last=False)
    assert scene.said()[0].begun.version == CHANNEL_VERSION
    scene.orders(0, A)
    (applied,) = scene.said()
    assert applied.applied.error == (
        f"it speaks version {CHANNEL_VERSION}, and was told of {CHANNEL_VERSION + 1}"
    )


def test_one_that_cannot_begin_says_why_and_ends_when_that_is_out(scene):
    def begin_log(*_: Any) -> Any:
        raise OSError(13, "Permission denied", "/var/log/x")

    scene.worker.begin_log = begin_log
    with capturedLogs():
        scene.begin()
        scene.orders(4, A)
    scene.turn()
    assert not scene.is_over
    assert scene.said()[1].applied.error == (
        "it cannot begin: [Errno 13] Permission denied: '/var/log/x'"
    )
    scene.line.lose()
    scene.turn()
    assert scene.is_over
    assert scene.worker.status == EX_CONFIGURATION


def test_settings_that_cannot_be_meant_are_told(scene):
    with capturedLogs():
        scene.begin(settings="{")
        scene.orders(4, A)
    assert scene.said()[1].applied.error.startswith("it cannot begin: ")


def test_orders_before_the_beginning(scene):
    scene.hear(serve=True)
    scene.hear(reopen_logs=True)
    scene.orders(4, A)
    (applied,) = scene.said()
    assert applied.applied.error == "it was told to do something before it was told who it is"


def test_one_that_cannot_take_the_configuration_ends_with_its_status(scene):
    scene.begin(survives_main=True)
    with capturedLogs():
        scene.orders(0, A, WRONG)
    assert scene.said()[1].applied.error
    scene.line.lose()
    scene.turn()
    assert scene.is_over
    assert scene.worker.status == EX_CONFIGURATION


def test_one_without_an_access_log_does_not_serve(scene):
    settings = Settings(access_logs_target="file:///nowhere/at/all.log", max_connections=10)
    scene.begin(settings=settings_text(settings))
    scene.orders(0, A)
    error = scene.said()[1].applied.error
    assert error.startswith("the access log cannot be opened: ")
    assert scene.worker.status == EX_CONFIGURATION


def test_one_that_fails_to_start_by_a_fault_of_its_own_says_so(scene):
    scene.begin()
    scene.worker._traffic.worker.health.startService = lambda: 1 / 0
    with capturedLogs():
        scene.orders(0, A)
    assert scene.said()[1].applied.error == OWN_FAULT
    assert scene.worker.status == EX_CONFIGURATION


def test_a_change_that_cannot_be_applied_ends_nothing(scene):
    scene.load()
    with capturedLogs():
        scene.orders(1, WRONG)
    assert scene.said()[0].applied.error
    scene.orders(2, AddCluster(Cluster("b")))
    assert not scene.said()[0].applied.HasField("error")
    assert not scene.line.is_closing
    assert scene.worker.status == 0


# What it is told and asked.


def test_it_shows_that_it_lives_from_the_beginning_on(scene):
    scene.hear(ping=True)
    assert scene.said()[0].pong.sessions == 0
    scene.load()
    looks: list[bool] = []
    scene.worker._traffic.listeners.look = lambda: looks.append(True)
    scene.worker._traffic.count_connections = lambda: 4
    scene.hear(ping=True)
    assert scene.said()[0].pong.sessions == 4
    assert looks == [True], "for who was woken up and died of it"


def test_questions_and_counters(scene):
    scene.load()
    scene.hear(question=words.Question(id=9, content=pb.Request(status=pb.Status())))
    scene.hear(counters=8)
    scene.turn()
    told = scene.said()
    assert told[0].answer.id == 9
    assert told[0].answer.response.status == pb.OK
    assert {one.counters.id for one in told[1:]} == {8}
    assert told[-1].counters.piece == b""


def test_counters_begin_anew(scene):
    scene.load()
    scene.worker._traffic.worker.counters.requests = 5
    scene.hear(clear=True)
    scene.turn()
    assert scene.worker._traffic.worker.counters.requests == 0


def test_events_are_told(scene):
    scene.load()
    traffic = scene.worker._traffic
    assert traffic.worker.health.observer is traffic.applier.witness
    traffic.applier.witness.backends_run_out(traffic.applier.clusters["a"])
    (told,) = scene.said()
    assert (told.event.kind, told.event.cluster_id) == (pb.NO_AVAILABLE_BACKENDS, "a")


def test_settings_hold_from_then_on(scene):
    scene.load()
    scene.hear(settings=settings_text(Settings(retry_after=77)))
    assert scene.worker._traffic.knobs.retry_after == 77


def test_settings_that_cannot_be_meant_here_harm_nobody(scene):
    scene.load()
    with capturedLogs() as events:
        scene.hear(settings='{"retry_after": "soon"}')
    assert [one["log_format"] for one in events] == ["settings are not taken: {error}"]
    assert not scene.line.disconnecting


@pytest.mark.parametrize("error", [None, OSError(13, "Permission denied")])
def test_logs_are_reopened(scene, error):
    scene.load()
    reopened: list[str] = []

    def reopen() -> None:
        reopened.append("log")
        if error is not None:
            raise error

    scene.observer.reopen = reopen
    scene.worker._traffic.access_log.reopen = lambda: reopened.append("access log")
    with capturedLogs() as events:
        scene.hear(reopen_logs=True)
    assert reopened == ["log", "access log"]
    assert len(events) == (error is not None)


def test_a_word_that_is_not_known_is_passed_over(scene):
    with capturedLogs() as events:
        scene.worker.channel.dataReceived(frame(b""))
    assert events[0]["log_format"] == "a word of the main process is not known here"


def test_counters_are_written_once_there_are_any(scene, monkeypatch):
    scene.worker.report_counters()
    scene.load()
    written: list[str] = []
    monkeypatch.setattr(scene.worker._answers, "write_counters", lambda: written.append("line"))
    scene.worker.report_counters()
    assert written == ["line"]


# It ends.


def stop(scene: Scene, *, is_hard: bool = False, seconds: float | None = None) -> None:
    scene.hear(stop=words.Stopping(is_hard=is_hard, seconds=seconds))
    scene.turn()


def test_without_clients_a_stop_ends_it(scene):
    scene.load()
    stop(scene)
    assert scene.is_over
    assert scene.worker.status == 0


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_soft_stop_waits_for_clients(scene, seconds):
    scene.load()
    scene.hold_clients()
    stop(scene, seconds=seconds)
    assert scene.calls == [("stop", seconds)]
    assert not scene.is_over
    scene.drained.callback(None)
    scene.turn()
    assert scene.is_over


def test_a_deadline_may_come_later_and_a_hard_stop(scene):
    scene.load()
    scene.hold_clients()
    stop(scene)
    stop(scene)
    stop(scene, seconds=4.0)
    stop(scene, is_hard=True)
    assert scene.calls == [("stop", None), 4.0, 0.0, "now"]


def test_a_stop_before_it_serves(scene):
    scene.begin()
    stop(scene)
    assert scene.is_over


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_stop_before_the_beginning(scene, is_hard):
    stop(scene, is_hard=is_hard)
    assert scene.is_over
    stop(scene, is_hard=is_hard, seconds=1.0)


def test_what_is_loaded_when_it_stops_is_not_begun(scene):
    scene.begin()
    applied: Deferred[Any] = Deferred()
    scene.worker._traffic.applier.apply_slowly = lambda _requests: applied
    scene.orders(0, A)
    scene.worker._is_stopping = True
    applied.callback(None)
    assert scene.said()[1].applied.error == "it is stopping"


def test_signals_ask_twice(scene):
    scene.load()
    scene.hold_clients()
    scene.worker.stop_asked()
    scene.clock.go_on(0.25)
    assert scene.calls == [("stop", SETTINGS.graceful_shutdown_timeout)]
    scene.worker.stop_asked()
    assert scene.calls[1:] == [0.0, "now"]


def test_the_second_signal_does_not_wait(scene):
    scene.load()
    scene.hold_clients()
    scene.worker.stop_asked()
    scene.worker.stop_asked()
    assert scene.calls == [("stop", 0.0), "now"]


def test_a_signal_waits_for_the_main_process_which_shuts_clients_out_first(scene):
    scene.load()
    scene.hold_clients()
    scene.worker.stop_asked()
    assert scene.calls == []
    stop(scene)
    assert scene.calls[0][0] == "stop"
    told = list(scene.calls)
    scene.clock.go_on(5)
    assert "now" not in told
    assert scene.calls[: len(told)] == told


def test_a_stop_of_the_main_process_is_no_first_signal(scene):
    scene.load()
    scene.hold_clients()
    stop(scene)
    scene.worker.stop_asked()
    assert "now" not in scene.calls
    scene.worker.stop_asked()
    assert scene.calls[-1] == "now"


@pytest.mark.parametrize("has_share", [False, True])
def test_a_share_of_the_clients_is_known_to_the_listeners(scene, has_share, monkeypatch):
    shared: list[Any] = []
    monkeypatch.setattr(
        "sozutw.listen.listeners.ListenerService.share",
        lambda _self, share, count: shared.append((share, count())),
    )
    scene.worker._share = share = object() if has_share else None
    scene.load()
    assert shared == ([(share, 0)] if has_share else [])


def test_it_ends_with_its_main_process(scene):
    scene.load()
    scene.hold_clients()
    with capturedLogs() as events:
        scene.line.lose()
    assert scene.calls == [("stop", 0.0), "now"]
    assert events[0]["log_format"] == "the main process is gone"
    scene.clock.go_on(LAST_SECONDS - 0.25)
    assert not scene.is_over
    scene.clock.go_on(0.5)
    assert scene.is_over


def test_it_may_serve_on_without_its_main_process(scene):
    scene.load(survives_main=True)
    scene.hear(serve=True)
    scene.hold_clients()
    with capturedLogs() as events:
        scene.line.lose()
    scene.clock.go_on(5)
    assert not scene.is_over
    assert scene.calls == []
    assert "serving on" in events[0]["log_format"]
    scene.worker.stop_asked()
    scene.turn()
    assert scene.calls == [("stop", SETTINGS.graceful_shutdown_timeout)]


@pytest.mark.parametrize("has_loaded", [False, True])
def test_one_that_does_not_serve_yet_survives_nothing(scene, has_loaded):
    scene.begin(survives_main=True)
    if has_loaded:
        scene.orders(0, A)
    with capturedLogs():
        scene.line.lose()
    scene.clock.go_on(LAST_SECONDS + 0.5)
    assert scene.is_over, "nobody would ever tell it to serve"


def test_a_stop_that_fails_is_told_and_ends_it_all_the_same(scene):
    scene.load()
    scene.hold_clients()
    stop(scene)
    with capturedLogs() as events:
        scene.drained.errback(RuntimeError("a defect"))
        scene.turn()
    assert [one["log_format"] for one in events] == ["the soft stop failed"]
    assert scene.is_over


def test_the_end_of_the_main_process_while_it_stops_is_no_error(scene):
    scene.load(survives_main=True)
    scene.hold_clients()
    stop(scene)
    with capturedLogs() as events:
        scene.line.lose()
    assert not events
    assert scene.calls[1:] == [0.0, "now"]


def test_the_end_of_the_channel_after_its_own_is_nothing(scene):
    scene.load()
    stop(scene)
    scene.line.lose()
    assert scene.worker.status == 0


# The whole.


def test_its_log_is_that_of_the_settings(scene, monkeypatch):
    made: list[Any] = []
    monkeypatch.setattr(
        module, "make_observer", lambda *what, **more: made.append((what, more)) or "observer"
    )
    monkeypatch.setattr(module, "begin_logging", made.append)
    worker = WorkerProcess(scene.reactor, Blanks(0))
    settings = Settings(log_target="stdout", log_level="warn", log_colored=True)
    assert worker.begin_log(scene.reactor, settings, "WRK-03") == "observer"
    more = {"tag": "WRK-03", "is_colored": True}
    assert made == [((scene.reactor, "stdout", "warn"), more), "observer"]


def test_serve_runs_until_the_main_process_is_gone(monkeypatch):
    """With everything of the process played: signals, the reactor and its run."""
    heard: dict[Any, Any] = {}
    scene = SimpleNamespace(worker=None, calls=[])

    class Reactor(ProcessReactor):
        def adoptStreamConnection(self, fileno: int, family: Any, factory: Any) -> None:
            assert os.fstat(fileno)
            scene.calls.append(factory.buildProtocol(None))

        def callFromThread(self, call: Any) -> None:
            scene.calls.append(call)

        def run(self, **more: Any) -> None:
            assert more == {"installSignalHandlers": False}
            scene.calls.append("run")

    reactor = Reactor(TurnClock(), lambda: None)
    monkeypatch.setattr(module, "choose_reactor", lambda: reactor)
    monkeypatch.setattr(module.signal, "signal", heard.__setitem__)
    ours, theirs = socket.socketpair()
    with ours:
        assert serve(theirs, Blanks(0), None) == 0
        assert theirs.fileno() == -1
    channel, run = scene.calls
    assert run == "run"
    assert heard[signal.SIGINT] == heard[signal.SIGHUP] == signal.SIG_IGN
    heard[signal.SIGTERM](15, None)
    heard[signal.SIGUSR1](10, None)
    stop_asked, report = scene.calls[2:]
    assert stop_asked.__self__.channel is channel
    assert stop_asked.__name__ == "stop_asked"
    assert report.__name__ == "report_counters"
