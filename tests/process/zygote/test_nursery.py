"""The main process's side: with real zygotes, with programs in their place, and with a clock."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet._signals import _ChildSignalHandling
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.process.zygote import nursery as module
from sozutw.process.zygote.nursery import Nursery, NurseryError, command_of
from sozutw.process.zygote.packets import encoded, receive
from tests.e2e.harness import DEADLINE_SECONDS, ROOT
from tests.fakes.loops import HandRunLoop, loop_named

PROGRAM = """
import os, socket, sys, time
sys.path[:0] = {path!r}
from sozutw.process.zygote.packets import encoded, receive
sock = socket.socket(fileno=int(sys.argv[1]))
say = lambda **value: sock.send(encoded(value))
{rest}
"""
READY = "say(zygote=1, pid=os.getpid())\n"


class Scene:
    """A nursery, and what it told."""

    def __init__(self, loop: HandRunLoop) -> None:
        self.loop = loop
        self.told: list[Any] = []
        self.nursery = Nursery(
            loop.reactor,
            lambda pid, status: self.told.append((pid, status)),
            self.told.append,
        )
        self.nursery.command = lambda descriptor: [
            *command_of(descriptor),
            "tests.fakes.nursling",
        ]
        self.channels: list[socket.socket] = []
        self._hearing: _ChildSignalHandling | None = None
        self._before: tuple[Any, int] = (signal.SIG_DFL, -1)

    def hear_children(self) -> None:
        """
        Do what a reactor does by itself when it runs.

        Not before the test: pytest-twisted runs a reactor of its own, from the first test on.
        """
        if self._hearing is None:
            self._before = signal.getsignal(signal.SIGCHLD), signal.set_wakeup_fd(-1)
            reactor = self.loop.reactor
            self._hearing = _ChildSignalHandling(
                reactor._addInternalReader, reactor._removeInternalReader
            )
            self._hearing.install()

    def plays(self, rest: str) -> "Scene":
        """Put a program in the zygote's place."""
        program = PROGRAM.format(path=[str(ROOT), *filter(None, sys.path)], rest=rest)
        self.nursery.command = lambda descriptor: [sys.executable, "-c", program, str(descriptor)]
        return self

    def outcome(self, deferred: Any) -> Any:
        """Return what a Deferred fires with; of a NurseryError the text."""
        self.hear_children()
        over: list[Any] = []
        deferred.addBoth(over.append)
        self.loop.run_until(lambda: over)
        if isinstance(over[0], Failure):
            assert over[0].check(NurseryError), over[0]
            return str(over[0].value)
        return over[0]

    def started(self) -> "Scene":
        assert self.outcome(self.nursery.start()) is None
        return self

    def channel(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_SECONDS)
        self.channels.append(ours)
        return theirs

    def fork(self) -> Any:
        """Begin to fork."""
        channel = self.channel()
        forked = self.nursery.fork(channel)
        assert channel.fileno() == -1, "the caller's copy is closed"
        return forked

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        if self.nursery._process is not None:
            with suppress(ProcessExitedAlready):
                self.nursery._process.signalProcess("KILL")
            self.loop.run_until(lambda: self.nursery._sock is None)
        if self._hearing is not None:
            self._hearing.uninstall()
            answer, descriptor = self._before
            signal.signal(signal.SIGCHLD, answer)
            signal.set_wakeup_fd(descriptor)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    with loop_named("direct") as loop:
        scene = Scene(loop)
        try:
            yield scene
        finally:
            scene.close()


def said_by(channel: socket.socket, code: str) -> str:
    channel.send(f"channel.send(str(({code})).encode())".encode())
    return channel.recv(65536).decode()


# A real zygote.


def test_workers_are_forked_and_their_ends_are_told(scene: Scene) -> None:
    scene.hear_children()
    before = len(os.listdir("/proc/self/fd"))
    scene.started()
    assert scene.nursery.logPrefix() == "nursery"
    assert scene.nursery.fileno() > 0
    pids = [scene.outcome(scene.fork()) for _ in "12"]
    assert [said_by(channel, "os.getpid()") for channel in scene.channels] == list(map(str, pids))
    assert said_by(scene.channels[0], "os.getppid()") == str(scene.nursery.pid)
    scene.channels[0].send(b"status = 5")
    scene.channels[0].close()
    scene.loop.run_until(lambda: scene.told)
    os.kill(pids[1], signal.SIGKILL)
    scene.loop.run_until(lambda: len(scene.told) == 2)
    assert scene.told == [(pids[0], 5), (pids[1], -9)]
    assert scene.outcome(scene.nursery.stop()) is None
    assert scene.nursery.fileno() == -1
    scene.channels[1].close()
    assert len(scene.told) == 2, "to be stopped is not to be lost"
    assert len(os.listdir("/proc/self/fd")) == before
    assert scene.loop.reactor.getDelayedCalls() == []


def test_many_forks_are_answered_each_by_its_own_pid(scene: Scene) -> None:
    scene.started()
    waiting = [scene.fork() for _ in range(30)]
    pids = [scene.outcome(one) for one in waiting]
    assert [said_by(channel, "os.getpid()") for channel in scene.channels] == list(map(str, pids))


def test_the_ends_of_the_last_are_told_while_it_is_stopped(scene: Scene) -> None:
    scene.started()
    pids = [scene.outcome(scene.fork()) for _ in "12"]
    scene.channels[1].send(b"time.sleep(600)")
    stopped = scene.nursery.stop()
    again = scene.nursery.stop()
    assert "forks no more" in scene.outcome(scene.fork())
    scene.channels[0].send(b"status = 4")
    scene.channels[0].shutdown(socket.SHUT_WR)
    assert scene.outcome(stopped) is None
    assert scene.outcome(again) is None
    assert scene.told == [(pids[0], 4), (pids[1], -9)]
    assert scene.outcome(scene.nursery.stop()) is None


def test_those_that_are_to_survive_do(scene: Scene) -> None:
    scene.started()
    scene.outcome(scene.fork())
    scene.nursery.survive()
    assert scene.outcome(scene.nursery.stop()) is None
    assert said_by(scene.channels[0], "1 + 1") == "2"
    assert scene.told == []
    with pytest.raises(NurseryError, match="the zygote ended"):
        scene.nursery.survive()


def test_one_that_is_killed_is_told_and_its_workers_live(scene: Scene) -> None:
    scene.started()
    scene.outcome(scene.fork())
    os.kill(scene.nursery.pid, signal.SIGKILL)
    scene.loop.run_until(lambda: scene.told)
    assert scene.told == ["the zygote ended (signal 9)"]
    assert scene.outcome(scene.fork()) == "the zygote ended (signal 9)"
    assert said_by(scene.channels[0], "1 + 1") == "2"


def test_forks_that_wait_fail_before_the_loss_is_told(scene: Scene) -> None:
    scene.started()
    os.kill(scene.nursery.pid, signal.SIGSTOP)
    for _ in "12":
        scene.fork().addErrback(lambda failure: scene.told.append(failure.value))
    os.kill(scene.nursery.pid, signal.SIGKILL)
    scene.loop.run_until(lambda: len(scene.told) == 3)
    assert list(map(str, scene.told)) == ["the zygote ended (signal 9)"] * 3
    assert [type(one) for one in scene.told] == [NurseryError, NurseryError, str]
    assert [channel.recv(1) for channel in scene.channels] == [b"", b""]
    assert scene.loop.reactor.getDelayedCalls() == []


# A program in the zygote's place.


def test_one_that_cannot_be_started_is_told(scene: Scene) -> None:
    scene.nursery.command = lambda _: ["/nowhere/python"]
    scene.hear_children()
    before = len(os.listdir("/proc/self/fd"))
    why = "the zygote cannot be started: "
    assert scene.outcome(scene.nursery.start()).startswith(why)
    assert scene.outcome(scene.fork()).startswith(why)
    scene.channels.pop().close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert scene.outcome(scene.nursery.stop()) is None
    assert scene.told == []


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("sys.exit(7)", "the zygote ended (exit status 7)"),
        ("os.kill(os.getpid(), 9)", "the zygote ended (signal 9)"),
        ("say(zygote=2, pid=1); time.sleep(60)", "the zygote is of version 2, and not 1"),
        ("say(zygote='x' * 99)", f"the zygote is of version {'x' * 20}, and not 1"),
        ("say(zygote=1); time.sleep(60)", "said what makes no sense: {'zygote': 1}"),
        ("say(forked=1, pid=1); time.sleep(60)", "makes no sense: {'forked': 1, 'pid': 1}"),
        ("say(failed=1, why='x'); time.sleep(60)", "makes no sense: {'failed': 1"),
        ("sock.send(b'?'); time.sleep(60)", "makes no sense: no JSON: b'?'"),
    ],
)
def test_one_that_does_not_start_well_is_gone_and_told_why(
    scene: Scene, rest: str, why: str
) -> None:
    assert why in scene.plays(rest).outcome(scene.nursery.start())
    assert scene.told == []
    assert scene.nursery._sock is None
    assert scene.loop.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("sock.send(b'[1]'); time.sleep(60)", "the zygote said what makes no sense: [1]"),
        ("say(zygote=1, pid=1); time.sleep(60)", "the zygote said what makes no sense: {'zyg"),
        ("say(ended='x', status=0); time.sleep(60)", "the zygote said what makes no sense: {'end"),
        ("sys.exit(3)", "the zygote ended (exit status 3)"),
    ],
)
def test_one_that_goes_wrong_later_is_lost(scene: Scene, rest: str, why: str) -> None:
    scene.plays(f"{READY}receive(sock)\n{rest}").started()
    assert scene.outcome(scene.fork()).startswith(why)
    assert len(scene.told) == 1
    assert scene.told[0].startswith(why)


def test_a_fork_that_failed_says_why_and_the_next_may_do(scene: Scene) -> None:
    scene.plays(f"""
{READY}
receive(sock)
say(failed=1, why="no memory")
receive(sock)
say(forked=2, pid=1234)
sock.recv(1)
""").started()
    assert scene.outcome(scene.fork()) == "no worker was forked: no memory"
    assert scene.outcome(scene.fork()) == 1234
    assert scene.told == []


def test_what_it_had_said_before_it_died_is_heard_first(scene: Scene) -> None:
    last_words = "say(forked=1, pid=5); say(ended=5, status=0); os.kill(os.getpid(), 9)"
    scene.plays(f"{READY}receive(sock)\n{last_words}").started()
    # So that the end of the process is what is seen first.
    scene.loop.reactor.removeReader(scene.nursery)
    assert scene.outcome(scene.fork()) == 5
    assert scene.told == [(5, 0), "the zygote ended (signal 9)"]


def test_much_that_comes_at_once_is_heard(scene: Scene) -> None:
    count = 3 * module._PACKETS_A_TURN
    scene.plays(f"{READY}\nfor n in range({count}): say(ended=n, status=0)\nsock.recv(1)").started()
    scene.loop.run_until(lambda: len(scene.told) == count)
    assert scene.told == [(n, 0) for n in range(count)]


def test_one_that_closes_its_socket_and_stays_is_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_SECONDS_MAX", 0.1)
    scene.plays(f"{READY}sock.close(); time.sleep(60)").started()
    scene.loop.run_until(lambda: scene.told)
    assert scene.told == ["the zygote did not end in 0.1 s, and was killed"]


def test_one_that_does_not_end_when_it_should_is_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_SECONDS_MAX", 0.1)
    scene.plays(f"{READY}time.sleep(60)").started()
    assert scene.outcome(scene.nursery.stop()) is None
    assert scene.told == []


def test_one_that_is_stopped_before_it_is_ready_never_started(scene: Scene) -> None:
    starting = scene.plays("sock.recv(1)").nursery.start()
    assert "there is no zygote to fork" in scene.outcome(scene.fork())
    stopped = scene.nursery.stop()
    assert scene.outcome(starting) == "the zygote ended (exit status 0)"
    assert scene.outcome(stopped) is None
    assert scene.told == []


def test_what_it_has_no_room_for_is_refused(scene: Scene) -> None:
    scene.plays(f"{READY}\nsock.setsockopt(1, socket.SO_RCVBUF, 1)\ntime.sleep(60)").started()
    assert scene.nursery._sock is not None
    scene.nursery._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    waiting: list[Any] = []
    refused: list[str] = []
    while not refused:
        waiting.append(scene.fork())
        waiting[-1].addErrback(lambda failure: refused.append(str(failure.value)))
    why = "Resource temporarily unavailable"
    assert refused == [f"the zygote cannot be told to fork: {why}"]
    with pytest.raises(NurseryError, match=f"the zygote cannot be told: {why}"):
        scene.nursery.survive()
    assert len(waiting) > 1


def test_the_command_is_our_own_interpreter() -> None:
    assert command_of(3) == [sys.executable, "-P", "-m", "sozutw.process.zygote.zygote", "3"]


def test_without_a_zygote_nothing_is_promised() -> None:
    nursery = Nursery(Clock(), lambda _pid, _status: None, lambda _why: None)
    with pytest.raises(NurseryError, match="there is no zygote"):
        nursery.survive()
    assert nursery.fileno() == -1
    assert nursery.stop().called


# By a clock.


class Told(Clock):
    """A reactor in whose hands nothing really is."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.signals: list[str] = []
        self.sock: socket.socket | None = None
        self.protocol: Any = None

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def spawnProcess(self, protocol: Any, *_: Any, **more: Any) -> "Told":
        self.protocol = protocol
        self.sock = socket.socket(fileno=os.dup(more["childFDs"][3]))
        return self

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)

    def end(self) -> None:
        """The process has ended of what it was told."""
        assert self.sock is not None
        self.sock.close()
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9)))


class ByClock:
    def __init__(self) -> None:
        self.clock = Told()
        self.lost: list[str] = []
        self.nursery = Nursery(self.clock, lambda _pid, _status: None, self.lost.append)
        self.starting = self.nursery.start()
        self.faults: list[str] = []
        self.starting.addErrback(self.fault)

    def fault(self, failure: Failure) -> None:
        self.faults.append(str(failure.value))

    def ready(self) -> "ByClock":
        assert self.clock.sock is not None
        self.clock.sock.send(encoded({"zygote": 1, "pid": 77}))
        self.nursery.doRead()
        assert self.nursery.pid == 77
        assert self.starting.called
        return self


def test_a_start_has_half_a_minute() -> None:
    scene = ByClock()
    scene.clock.advance(29.9)
    assert scene.clock.signals == []
    scene.clock.advance(0.2)
    assert scene.clock.signals == ["KILL"]
    assert scene.faults == []
    scene.clock.end()
    assert scene.faults == ["the zygote did not answer in 30 s, and was killed"]
    assert scene.lost == []
    assert scene.clock.readers == []
    assert scene.clock.getDelayedCalls() == []


def test_a_fork_has_half_a_minute_and_takes_the_zygote_with_it() -> None:
    scene = ByClock().ready()
    scene.clock.advance(60)
    ours, theirs = socket.socketpair()
    with ours:
        scene.nursery.fork(theirs).addErrback(scene.fault)
        scene.clock.advance(29.9)
        assert scene.clock.signals == []
        scene.clock.advance(0.2)
        assert scene.clock.signals == ["KILL"]
        scene.clock.end()
    assert scene.faults == scene.lost == ["the zygote did not answer in 30 s, and was killed"]
    assert scene.clock.getDelayedCalls() == []


def test_an_answer_ends_the_wait() -> None:
    scene = ByClock().ready()
    ours, theirs = socket.socketpair()
    forked: list[int] = []
    with ours:
        scene.nursery.fork(theirs).addCallback(forked.append)
    assert scene.clock.sock is not None
    with receive(scene.clock.sock) as packet:
        assert packet.value == {"fork": 1}
        assert len(packet.descriptors) == 1
    scene.clock.sock.send(encoded({"forked": 1, "pid": 5}))
    scene.nursery.doRead()
    assert forked == [5]
    assert scene.clock.getDelayedCalls() == []
    scene.clock.end()


def test_a_reader_that_the_reactor_gives_up_is_the_end_of_the_zygote() -> None:
    scene = ByClock().ready()
    scene.nursery.connectionLost(None)
    assert scene.clock.readers == []
    scene.clock.advance(5.1)
    assert scene.clock.signals == ["KILL"]
    scene.clock.end()
    assert scene.lost == ["the zygote did not end in 5 s, and was killed"]


def test_one_that_has_ended_already_is_not_killed() -> None:
    class Gone(Told):
        @override
        def signalProcess(self, name: str) -> None:
            raise ProcessExitedAlready

    scene = ByClock()
    scene.clock.end()
    scene.clock = Gone()
    scene.nursery._process = scene.clock
    scene.nursery._give_up("it is too late")
    assert scene.faults == ["the zygote ended (signal 9)"]
