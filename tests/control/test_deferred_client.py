"""Tests of ``sozutw.control.deferred_client``, on loops that are run by hand."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sozutw.control.client import (
    BrokenChannelError,
    RefusedError,
    TimedOutError,
    UnreachableError,
)
from sozutw.control.deferred_client import DeferredClient
from sozutw.control.orders import written
from sozutw.control.proto import command_pb2 as pb
from tests.control.peers import RealService, Served, framed, ok, progress, refusal
from tests.fakes.loops import HandRunLoop, loop_named

STATUS = pb.Request(status=pb.Status())
T = TypeVar("T")


class Peer:
    """The other end in the test's own hands; whenever it waits, the loop runs."""

    def __init__(self, loop: HandRunLoop, path: Path) -> None:
        self._loop = loop
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        self.listening.setblocking(False)
        self.served: list[Served] = []

    def accepted(self) -> Served:
        def is_there() -> bool:
            try:
                sock, _ = self.listening.accept()
            except BlockingIOError:
                return False
            self.served.append(Served(sock))
            return True

        self._loop.run_until(is_there)
        self._loop.settle()
        return self.served[-1]

    def close(self) -> None:
        for served in self.served:
            served.sock.close()
        self.listening.close()


class Stage:
    def __init__(self, loop: HandRunLoop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.client = DeferredClient(loop.reactor, path)

    def result(self, deferred: "Deferred[T]") -> T:
        """Wait for what comes; raise what fails."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.loop.run_until(lambda: results)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with loop_named("direct") as loop:
        stage = Stage(loop, tmp_path / "s")
        yield stage
        stage.client.close()
        loop.settle()


@pytest.fixture
def peer(stage: Stage) -> Iterator[Peer]:
    peer = Peer(stage.loop, stage.path)
    yield peer
    peer.close()


def test_a_backend_is_added_and_the_workers_waited_for(stage: Stage) -> None:
    real = RealService(stage.loop, stage.path)
    stage.result(stage.client.add_backend("shop", "shop-2", "10.0.0.7:8080"))
    stage.result(stage.client.wait_for_workers())
    assert real.desk.backends == {"shop-2": "shop"}
    assert real.desk.is_behind_for == 0
    assert [worker.pid for worker in stage.result(stage.client.status())] == [42]
    explanation = stage.result(stage.client.explain("http://a/", source="127.0.0.1"))
    assert explanation.steps[0].because == "http://a/"
    with pytest.raises(RefusedError, match="no remove_cluster here"):
        stage.result(stage.client.remove_cluster("a"))
    real.desk.is_behind_for = 1_000_000
    with pytest.raises(TimedOutError):
        stage.result(stage.client.wait_for_workers(0.01))
    real.stop()


def test_events_come_over_a_connection_of_their_own(stage: Stage) -> None:
    real = RealService(stage.loop, stage.path)
    told: list[tuple[str, int]] = []
    subscription = stage.client.events(lambda who, event: told.append((who, event.kind)))
    stage.loop.run_until(lambda: real.desk.tells)
    real.desk.tells[0](progress("no event"))
    real.desk.tell_event()
    assert stage.result(stage.client.status())
    stage.loop.run_until(lambda: told)
    assert told == [("main", pb.BACKEND_UP)]
    assert len(real.service) == 2
    subscription.cancel()
    stage.loop.run_until(lambda: real.desk.cancelled)
    with pytest.raises(CancelledError):
        stage.result(subscription)
    assert len(real.service) == 1
    subscription = stage.client.events(lambda who, event: None)
    stage.loop.run_until(lambda: len(real.desk.tells) == 2)
    real.stop()
    with pytest.raises(BrokenChannelError, match="sozutw closed it"):
        stage.result(subscription)


def test_requests_are_carried_out_one_after_the_other(stage: Stage, peer: Peer) -> None:
    told: list[str] = []
    answers = [
        stage.client.request(STATUS, lambda response: told.append(response.message)),
        stage.client.remove_cluster("a"),
    ]
    served = peer.accepted()
    assert served.asked() == STATUS
    stage.loop.settle()
    served.expect_nothing()
    served.say(progress("a"))
    stage.loop.settle()
    served.say(progress("b"), ok("1"))
    assert stage.result(answers[0]).message == "1"
    assert told == ["a", "b"]
    stage.loop.settle()
    assert served.asked() == written.remove_cluster("a")
    served.say(ok("2"))
    assert stage.result(answers[1]).message == "2"


def test_bytes_may_come_one_at_a_time(stage: Stage, peer: Peer) -> None:
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    for byte in framed(ok("slowly")):
        served.sock.sendall(bytes([byte]))
        stage.loop.settle(1)
    assert stage.result(answer).message == "slowly"


def test_silence_is_a_result_that_is_not_known(stage: Stage, peer: Peer) -> None:
    stage.client.timeout = 0.05
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    with pytest.raises(TimedOutError, match=r"no answer on .* for 0.05 s"):
        stage.result(answer)
    # The next one's answer is another connection's.
    stage.client.timeout = None
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    served.say(ok("fine"))
    assert stage.result(answer).message == "fine"


def test_progress_restarts_the_wait(stage: Stage, peer: Peer) -> None:
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    (before,) = (call.getTime() for call in stage.loop.reactor.getDelayedCalls())
    served.say(progress("a"))
    stage.loop.settle()
    (after,) = (call.getTime() for call in stage.loop.reactor.getDelayedCalls())
    assert after > before
    served.say(ok())
    stage.result(answer)
    assert stage.loop.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "sozutw closed it"),
        (framed(ok())[:5], "sozutw closed it"),
        (bytes(8), "this is no answer: the length"),
        (b"\x0a" + bytes(7) + b"\xff\xff", "this is no answer: "),
        (b"\x08" + bytes(7), "this is no answer: its status"),
    ],
)
def test_what_is_no_answer_breaks_the_conversation(
    stage: Stage, peer: Peer, data: bytes, why: str
) -> None:
    first, second = stage.client.request(STATUS), stage.client.request(STATUS)
    served = peer.accepted()
    served.asked()
    served.sock.sendall(data)
    served.sock.close()
    with pytest.raises(BrokenChannelError, match=f"broke off: {why}"):
        stage.result(first)
    # The one behind it was never sent: it is, over a new connection.
    served = peer.accepted()
    served.asked()
    served.say(ok("fine"))
    assert stage.result(second).message == "fine"


def test_answers_that_nobody_asked_for_end_the_connection(stage: Stage, peer: Peer) -> None:
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    served.asked()
    with capturedLogs() as logged:
        served.say(ok("fine"), ok("too much"), ok("far too much"))
        assert stage.result(answer).message == "fine"
        stage.loop.settle()
    assert [event for event in logged if event["log_level"] >= LogLevel.error] == []
    served.expect_end()
    answer = stage.client.request(STATUS)
    served = peer.accepted()
    served.say(refusal("no"))
    with pytest.raises(RefusedError, match="no"):
        stage.result(answer)


def test_a_cancelled_request_takes_no_other_one_s_answer(stage: Stage, peer: Peer) -> None:
    first, second, third = (stage.client.request(STATUS) for _ in range(3))
    peer.accepted().asked()
    for cancelled in (second, first):
        cancelled.cancel()
        with pytest.raises(CancelledError):
            stage.result(cancelled)
    peer.served[0].sock.close()
    served = peer.accepted()
    served.asked()
    served.say(ok("third"))
    assert stage.result(third).message == "third"


def test_cancelled_before_there_is_a_connection_nothing_is_sent(stage: Stage, peer: Peer) -> None:
    answer = stage.client.request(STATUS)
    answer.cancel()
    with pytest.raises(CancelledError):
        stage.result(answer)
    stage.loop.settle()
    assert stage.loop.reactor.getDelayedCalls() == []


def test_closed_it_forgets_what_was_asked(stage: Stage, peer: Peer) -> None:
    answers = [stage.client.request(STATUS) for _ in range(2)]
    peer.accepted()
    stage.client.close()
    for answer in answers:
        with pytest.raises(BrokenChannelError, match="the client was closed"):
            stage.result(answer)
    stage.loop.settle()
    assert stage.loop.reactor.getDelayedCalls() == []


def test_closed_while_it_connects_nothing_is_left(stage: Stage, peer: Peer) -> None:
    answer = stage.client.request(STATUS)
    stage.client.close()
    with pytest.raises((BrokenChannelError, UnreachableError)):
        stage.result(answer)
    stage.loop.settle()
    assert stage.loop.reactor.getDelayedCalls() == []


def test_nobody_there_is_told_with_what_to_do(stage: Stage) -> None:
    answers = [stage.client.request(STATUS) for _ in range(2)]
    for answer in answers:
        with pytest.raises(UnreachableError, match="there is no command socket"):
            stage.result(answer)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stage.path))
    with pytest.raises(UnreachableError, match="sozutw is not running; start it"):
        stage.result(stage.client.status())
    stage.client.path = "x" * 300
    with pytest.raises(UnreachableError, match="too long for a socket"):
        stage.result(stage.client.status())


class TestProgress(SynchronousTestCase):
    def test_what_fails_in_being_told_of_progress_is_logged(self) -> None:
        with loop_named("direct") as loop:
            path = Path(tempfile.mkdtemp()) / "s"
            stage = Stage(loop, path)
            peer = Peer(loop, path)
            fail: Callable[[pb.Response], object] = lambda _: 1 // 0  # noqa: E731
            answer = stage.client.request(STATUS, fail)
            peer.accepted().say(progress("a"), ok("fine"))
            assert stage.result(answer).message == "fine"
            stage.client.close()
            peer.close()
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1
