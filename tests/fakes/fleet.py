"""
A main process and its workers in one test: real links, members and worker processes, no kernel.

Nothing happens by itself. The test says which process is forked, which bytes arrive, who dies and
when the clock goes on; so every interleaving can be had.
"""

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure

from sozutw.config.dump import dump
from sozutw.config.model import Settings
from sozutw.config.requests import Request
from sozutw.config.state import ConfigState, RefusedRequestError
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.process.worker.process import WorkerProcess
from sozutw.process.workers import handle as handle_module
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.fleet import Fleet
from sozutw.process.workers.forks import CannotForkError
from sozutw.process.workers.policy import Policy
from sozutw.process.workers.sockets import MainSockets
from sozutw.process.zygote.blanks import Blanks

FULL_BYTES = 64 * 1024


class TurnClock(Clock):
    """A clock whose turns can be told apart: what is asked for in one turn is done in the next."""

    def __init__(self, drift: float = 0.0) -> None:
        super().__init__()
        self.drift = drift
        """So much time goes by each time that somebody looks."""

    def seconds(self) -> float:
        self.rightNow += self.drift
        return self.rightNow

    def turn(self) -> None:
        """Do what is due."""
        for call in [one for one in self.calls if one.getTime() <= self.rightNow + 0.001]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def go_on(self, seconds: float) -> None:
        """Let time pass, in small steps."""
        for _ in range(round(seconds * 4)):
            self.rightNow += 0.25
            self.turn()


class Line:
    """One of the two ends of a channel; what is written waits until the test delivers it."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.other: Line
        self.protocol: Any = None
        self.outbox: deque[bytes | int] = deque()
        self.producer: Any = None
        self.is_paused = False
        self.is_closing = False
        self.is_lost = False
        self.disconnecting = False

    # What the protocol does.

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        if not self.is_lost and not self.is_closing and not self.disconnecting:
            self.outbox.append(data)
            self._pause_if_full()

    def sendFileDescriptor(self, descriptor: int) -> None:
        if not self.is_lost and not self.is_closing and not self.disconnecting:
            os.fstat(descriptor)
            self.outbox.append(descriptor)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def abortConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self.outbox.clear()
            self.clock.callLater(0, self.lose)

    def loseConnection(self) -> None:
        self.is_closing = True
        if not self.outbox:
            self.clock.callLater(0, self.lose)

    # What the test does.

    def connect(self, protocol: Protocol) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def deliver(self, count: int = 1000) -> bool:
        """Let so many of the things that were written arrive; return whether anything did."""
        is_any = False
        while self.outbox and count and not self.other.is_lost and self.other.protocol:
            if self.other.disconnecting or self.other.is_closing:
                self.outbox.clear()
                break
            is_any, count = True, count - 1
            thing = self.outbox.popleft()
            if isinstance(thing, int):
                # Still open, or it would not arrive.
                self.other.protocol.fileDescriptorReceived(os.dup(thing))
            else:
                self.other.protocol.dataReceived(thing)
        if not self.outbox and not self.is_lost:
            if self.is_closing:
                self.lose()
            elif self.is_paused:
                self.is_paused = False
                self.producer.resumeProducing()
        return is_any

    def lose(self) -> None:
        """It is over at this end; the other hears it when what was on its way has arrived."""
        if self.is_lost:
            return
        self.is_lost = True
        if self.protocol is not None:
            self.protocol.connectionLost(Failure(error.ConnectionDone()))

    def hear_the_end(self) -> bool:
        """Let this end notice that the other one is lost."""
        if self.other.is_lost and not self.other.outbox and not self.is_lost and self.protocol:
            self.outbox.clear()
            self.lose()
            return True
        return False

    def _pause_if_full(self) -> None:
        size = sum(len(one) for one in self.outbox if isinstance(one, bytes))
        if size > FULL_BYTES and self.producer is not None and not self.is_paused:
            self.is_paused = True
            self.producer.pauseProducing()


def pair(clock: Any) -> tuple[Line, Line]:
    """Return the ends of a channel: of the main process, and of the worker."""
    ours, theirs = Line(clock), Line(clock)
    ours.other, theirs.other = theirs, ours
    return ours, theirs


class ProcessReactor(MemoryReactor):
    """The reactor of one worker: on the clock of all, until its process ends."""

    delivers_by_identity = True

    def __init__(self, clock: TurnClock, ended: Callable[[], None]) -> None:
        super().__init__()
        self._clock = clock
        self._ended = ended
        self._calls: list[DelayedCall] = []
        self.is_dead = False

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(self, delay: float, call: Any, *args: Any, **kw: Any) -> Any:
        self._calls = [one for one in self._calls if one.active()]
        later = self._clock.callLater(delay, call, *args, **kw)
        self._calls.append(later)
        return later

    def getDelayedCalls(self) -> Any:
        return [one for one in self._calls if one.active()]

    def stop(self) -> None:
        self.callLater(0, self._ended)

    def die(self) -> None:
        self.is_dead = True
        for call in self._calls:
            if call.active():
                call.cancel()


class FakeProcess:
    """A process that was forked."""

    def __init__(self, world: "FleetWorld", pid: int, line: Line) -> None:
        self.world = world
        self.pid = pid
        self.line = line
        self.is_frozen = False
        self.is_alive = True
        self.status = 0
        self.is_told = False
        self.reactor = ProcessReactor(world.clock, self.exit)
        line.clock = self.reactor
        self.worker = WorkerProcess(self.reactor, Blanks(0))
        self.worker.begin_log = lambda _reactor, _settings, _tag: FakeObserver()
        line.connect(self.worker.channel)

    @property
    def traffic(self) -> Any:
        return self.worker._traffic

    @property
    def state(self) -> ConfigState:
        state: ConfigState = self.traffic.applier.state
        return state

    def exit(self) -> None:
        """It has come to its end."""
        self._end(self.worker.status)

    def kill(self) -> None:
        self._end(-signal.SIGKILL)

    def _end(self, status: int) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self.status = status
        self.reactor.die()
        # What the kernel does with the descriptors of a process that has ended.
        self.line.is_lost = True
        self.line.other.outbox.clear()
        worker = self.worker
        if worker._traffic is not None:
            if (under_way := worker._traffic.applier._under_way) is not None:
                under_way.close()
            worker._traffic.listeners.stopService()
            worker._traffic.listeners.close_unused()
            log = worker._traffic.access_log
            writer, log._writer = log._writer, None
            if writer is not None:
                writer.close()
        if worker._taking is not None:
            worker._taking.close()
        while worker.channel.descriptors:
            os.close(worker.channel.descriptors.popleft())

    def fail_next_change(self, text: str = "no luck") -> None:
        """Let it be unable to apply the next change."""
        applier = self.traffic.applier

        def refuse(*_args: Any, **_more: Any) -> "Deferred[Any]":
            del applier.apply_slowly
            return fail(RefusedRequestError(text))

        applier.apply_slowly = refuse


class FakeObserver:
    """The log of a worker, which nobody reads."""

    def __init__(self) -> None:
        self.writer = self
        self.reopened = 0

    def reopen(self) -> None:
        self.reopened += 1


class FakeKernel:
    """In the place of ``os`` and ``signal`` in ``workers.handle``."""

    SIGKILL = signal.SIGKILL

    def __init__(self, world: "FleetWorld") -> None:
        self.world = world
        self.pidfds: dict[int, int] = {}
        self.next = 1_000_000
        self.error: OSError | None = None

    def pidfd_open(self, pid: int) -> int:
        if self.error is not None:
            raise self.error
        process = self.world.processes[pid]
        if process.is_told:
            raise ProcessLookupError
        self.next += 1
        self.pidfds[self.next] = pid
        return self.next

    def pidfd_send_signal(self, pidfd: int, number: int) -> None:
        self.kill(self.pidfds[pidfd], number)

    def kill(self, pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        process = self.world.processes[pid]
        if process.is_told:
            raise ProcessLookupError
        process.kill()

    def close(self, pidfd: int) -> None:
        del self.pidfds[pidfd]


class FakeForks:
    """Forks when the test says so; a ``policy.Forks``."""

    def __init__(self, world: "FleetWorld") -> None:
        self.world = world
        self.asked: deque[tuple[Line, Deferred[int]]] = deque()
        self.pid = 100

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        channel.close()
        forked: Deferred[int] = Deferred()
        line = self.world.unforked
        assert line is not None
        self.world.unforked = None
        self.asked.append((line, forked))
        return forked

    def answer(self, *, tells: bool = True) -> FakeProcess:
        """Fork the one that was asked for first."""
        line, forked = self.asked.popleft()
        self.pid += 1
        process = FakeProcess(self.world, self.pid, line)
        self.world.processes[self.pid] = process
        forked.callback(self.pid)
        return process

    def refuse(self) -> None:
        """Fail to fork the one that was asked for first."""
        line, forked = self.asked.popleft()
        line.is_lost = True
        forked.errback(CannotForkError("no memory"))


class NoPool:
    def retire(self, state: object) -> None:
        """There is none."""


class FleetWorld:
    """A main process without a loop, its fleet, and the processes of its workers."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        workers: int = 2,
        drift: float = 0.0,
        settings: Settings | None = None,
        **policy: Any,
    ) -> None:
        self.clock = TurnClock(drift)
        self.settings = settings or Settings(
            access_logs_target="file:///dev/null", max_connections=10
        )
        self.processes: dict[int, FakeProcess] = {}
        self.unforked: Line | None = None
        self.adopt_error: OSError | None = None
        self.kernel = FakeKernel(self)
        monkeypatch.setattr(handle_module, "os", self.kernel)
        monkeypatch.setattr(handle_module, "signal", self.kernel)
        monkeypatch.setattr("sozutw.process.worker.process.set_title", lambda _title: None)
        monkeypatch.setattr("sozutw.process.worker.process.calm_collector", lambda: None)
        self.state = ConfigState()
        self.sockets = MainSockets()
        self.entries = Entries()
        self.applier = Applier(
            self.state, self.sockets, NoPool(), self.clock, Certificates(lambda: 0.0)
        )
        self.forks = FakeForks(self)
        self.fleet = Fleet(
            self.clock,
            self.forks,
            self.state,
            self.sockets,
            self.entries,
            Policy(workers=workers, settings=lambda: self.settings, **policy),
            self._adopt,
        )
        self.log: list[tuple[str, int]] = []
        self.fleet.died = lambda member: self.log.append(("died", member.id))
        self.fleet.came = lambda member: self.log.append(("came", member.id))
        self.applier.committed = self.fleet.committed

    def _adopt(self, sock: socket.socket, protocol: Protocol) -> None:
        sock.close()
        if self.adopt_error is not None:
            raise self.adopt_error
        ours, self.unforked = pair(self.clock)
        ours.connect(protocol)

    # What the test does.

    def apply(self, *orders: Request) -> None:
        """Let the main process put orders in force; the workers are told."""
        self.applier.apply(*orders)

    def begin(self) -> None:
        """Start all, and let them serve."""
        self.fleet.start()
        self.settle()
        self.fleet.serve()
        self.settle()

    def fork_all(self) -> None:
        while self.forks.asked:
            self.forks.answer()

    def step(self) -> bool:
        """Let everything that can happen happen once, but for time; return whether any did."""
        is_any = False
        while self.forks.asked:
            self.forks.answer()
            is_any = True
        for process in list(self.processes.values()):
            is_any |= process.line.deliver()
            is_any |= process.line.other.hear_the_end()
            if process.is_alive and not process.is_frozen:
                is_any |= process.line.other.deliver()
                is_any |= process.line.hear_the_end()
            if not process.is_alive and not process.is_told:
                is_any = True
                self.tell_end(process)
        due = [one for one in self.clock.calls if one.getTime() <= self.clock.rightNow + 0.001]
        self.clock.turn()
        self.fleet.check_invariants()
        return is_any or bool(due)

    def tell_end(self, process: FakeProcess) -> None:
        """Whoever forked it tells that it has ended."""
        process.is_told = True
        self.fleet.ended(process.pid, process.status)

    def settle(self, turns: int = 400) -> None:
        """Let everything happen that does not need time."""
        for _ in range(turns):
            if not self.step():
                return

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.rightNow += 0.25
            self.settle()

    # What there is.

    def member(self, worker_id: int = 0) -> Any:
        return self.fleet._slots[worker_id].member

    def slot(self, worker_id: int = 0) -> Any:
        return self.fleet._slots[worker_id]

    def process(self, worker_id: int = 0) -> FakeProcess:
        return self.processes[self.member(worker_id).pid]

    def alive(self) -> list[FakeProcess]:
        return [one for one in self.processes.values() if one.is_alive]

    def assert_all_agree(self) -> None:
        """Every worker serves, with the configuration of the main process."""
        every = list(dump(self.state))
        hashes = hashes_of(self.state)
        for slot in self.fleet._slots:
            assert slot.member is not None
            assert slot.member.is_serving
            state = self.processes[slot.member.pid].state
            assert list(dump(state)) == every
            assert hashes_of(state) == hashes
            accepting = self.processes[slot.member.pid].traffic.accepting
            assert set(accepting) == set(self.sockets.every())

    def end(self) -> None:
        """Let all end, and see that nothing is left."""
        for process in self.alive():
            process.is_frozen = False
        gone = self.fleet.stop(is_hard=True, seconds=None)
        self.settle()
        self.pass_time(5)
        assert gone.called
        assert not self.alive()
        assert not self.kernel.pidfds
        assert not self.forks.asked
        assert not self.clock.getDelayedCalls(), self.clock.getDelayedCalls()
        self.sockets.close()


def hashes_of(state: ConfigState) -> dict[str, int]:
    return {one.cluster_id: state.hash_of(one.cluster_id) for one in state.clusters}


def open_descriptors() -> int:
    """Return how many descriptors this process has open; a reactor has some, be it used or not."""
    from twisted.internet import reactor  # noqa: F401, TID251

    return len(os.listdir("/proc/self/fd"))


def worlds(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Iterator[FleetWorld]:
    """Make a world for a fixture, and end it after the test."""
    before = open_descriptors()
    world = FleetWorld(monkeypatch, **more)
    yield world
    world.end()
    assert open_descriptors() == before
