"""Tests of ``sozutw.transport.epoll``."""

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet
from twisted.logger import globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sozutw.transport import epoll
from tests.fakes.loops import HandRunLoop, loop_named


class Descriptor:
    """A descriptor that does what the test says."""

    def __init__(self, sock: Any, events: list[Any], name: str = "it") -> None:
        self.sock = sock
        self.events = events
        self.name = name
        self.on_read: Callable[[], Any] = lambda: None
        self.on_write: Callable[[], Any] = lambda: None

    def fileno(self) -> int:
        return self.sock if isinstance(self.sock, int) else self.sock.fileno()

    def logPrefix(self) -> str:
        return self.name

    def doRead(self) -> Any:
        self.events.append((self.name, "read"))
        return self.on_read()

    def doWrite(self) -> Any:
        self.events.append((self.name, "write"))
        return self.on_write()

    def connectionLost(self, reason: Any) -> None:
        self.events.append((self.name, reason.type))


@implementer(IHalfCloseableDescriptor)
class HalfCloseableDescriptor(Descriptor):
    def readConnectionLost(self, reason: Any) -> None:
        self.events.append((self.name, "read lost"))

    def writeConnectionLost(self, reason: Any) -> None:
        raise AssertionError


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        loop.settle()
        yield loop


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peer = socket.socketpair()
    yield ours, peer
    ours.close()
    peer.close()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    failures: list[Any] = []

    def observe(event: Any) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(observe)
    yield failures
    globalLogPublisher.removeObserver(observe)


def test_it_is_a_descriptor_reactor(loop: HandRunLoop) -> None:
    assert verifyObject(IReactorFDSet, loop.reactor)


def test_a_number_reused_within_a_batch_gets_no_event_of_its_predecessor(
    loop: HandRunLoop,
) -> None:
    """
    V16: two events are collected; the first closes the second's socket, and a fresh one gets
    its number. The event of the closed one must not reach the fresh one.
    """
    events: list[Any] = []
    sockets = [socket.socketpair() for _ in range(2)]
    descriptors = [Descriptor(ours, events, f"old {i}") for i, (ours, _) in enumerate(sockets)]
    fresh: list[Descriptor] = []

    def close_the_other(first: Descriptor, other: Descriptor) -> None:
        first.on_read = lambda: None
        number = other.fileno()
        loop.reactor.removeReader(other)
        other.sock.close()
        ours, peer = socket.socketpair()
        # Whatever else took the number meanwhile: ask for exactly this one.
        if ours.fileno() != number:
            os.dup2(ours.fileno(), number)
            ours.close()
            ours = socket.socket(fileno=number)
        assert ours.fileno() == number
        sockets.append((ours, peer))
        fresh.append(Descriptor(ours, events, "fresh"))
        loop.reactor.addReader(fresh[0])
        loop.reactor.addWriter(fresh[0])

    a, b = descriptors
    a.on_read = lambda: close_the_other(a, b)
    b.on_read = lambda: close_the_other(b, a)
    for (_, peer), descriptor in zip(sockets, descriptors, strict=True):
        loop.reactor.addReader(descriptor)
        peer.send(b"!")
    loop.reactor.doPoll(0)
    assert len(events) == 1, events
    assert len(fresh) == 1
    loop.reactor.doPoll(0)
    assert ("fresh", "write") in events
    assert ("fresh", "read") not in events
    loop.reactor.removeAll()
    for ours, peer in sockets:
        ours.close()
        peer.close()


def test_a_hang_up_of_a_closed_one_does_not_end_its_successor(loop: HandRunLoop) -> None:
    events: list[Any] = []
    pairs = [socket.socketpair() for _ in range(2)]
    first = Descriptor(pairs[0][0], events, "first")
    gone = Descriptor(pairs[1][0], events, "gone")
    fresh = Descriptor(pairs[1][0], events, "fresh")

    def swap() -> None:
        loop.reactor.removeWriter(gone)
        loop.reactor.addReader(fresh)

    first.on_read = swap
    loop.reactor.addReader(first)
    loop.reactor.addWriter(gone)
    poller = loop.reactor._poller

    class Scripted:
        register, modify, unregister = poller.register, poller.modify, poller.unregister

        def poll(self, timeout: float, events_max: int) -> Any:
            return [(first.fileno(), select.EPOLLIN), (gone.fileno(), select.EPOLLERR)]

    loop.reactor._poller = Scripted()
    loop.reactor.doPoll(0)
    loop.reactor._poller = poller
    assert events == [("first", "read")]
    loop.reactor.removeAll()
    for ours, peer in pairs:
        ours.close()
        peer.close()


def test_one_that_was_paused_within_the_batch_does_not_read(loop: HandRunLoop) -> None:
    events: list[Any] = []
    pairs = [socket.socketpair() for _ in range(2)]
    a, b = (Descriptor(ours, events, name) for name, (ours, _) in zip("ab", pairs, strict=True))
    a.on_read = lambda: loop.reactor.removeReader(b)
    b.on_read = lambda: loop.reactor.removeReader(a)
    for descriptor in (a, b):
        loop.reactor.addReader(descriptor)
    for descriptor in (a, b):  # the number stays registered, for writing
        loop.reactor.addWriter(descriptor)
    for _, peer in pairs:
        peer.send(b"!")
    loop.reactor.doPoll(0)
    assert sum(event == "read" for _, event in events) == 1
    assert sum(event == "write" for _, event in events) == 2
    loop.reactor.removeAll()
    for ours, peer in pairs:
        ours.close()
        peer.close()


def test_one_that_closed_itself_while_reading_does_not_write(
    loop: HandRunLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, peer = pair
    events: list[Any] = []
    descriptor = Descriptor(ours, events)
    successor = Descriptor(peer, events, "successor")

    def replaced() -> None:
        loop.reactor.removeReader(descriptor)
        loop.reactor.removeWriter(descriptor)
        successor.fileno = ours.fileno  # type: ignore[method-assign]
        loop.reactor.addWriter(successor)

    descriptor.on_read = replaced
    loop.reactor.addReader(descriptor)
    loop.reactor.addWriter(descriptor)
    peer.send(b"!")
    loop.reactor.doPoll(0)
    assert events == [("it", "read")]
    loop.reactor.removeAll()


def test_what_do_read_returns_ends_the_descriptor(
    loop: HandRunLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, peer = pair
    events: list[Any] = []
    descriptor = Descriptor(ours, events)
    descriptor.on_read = ConnectionDone
    loop.reactor.addReader(descriptor)
    peer.send(b"!")
    loop.reactor.doPoll(0)
    loop.reactor.doPoll(0)
    assert events == [("it", "read"), ("it", ConnectionDone)]


def test_what_do_write_returns_ends_it_even_if_it_left_the_loop_itself(
    loop: HandRunLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    events: list[Any] = []
    descriptor = HalfCloseableDescriptor(pair[0], events)

    def finish() -> ConnectionDone:
        loop.reactor.removeWriter(descriptor)
        return ConnectionDone()

    descriptor.on_write = finish
    loop.reactor.addWriter(descriptor)
    loop.reactor.doPoll(0)
    assert events == [("it", "write"), ("it", ConnectionDone)]


def test_an_end_while_reading_is_a_half_close(
    loop: HandRunLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, peer = pair
    events: list[Any] = []
    descriptor = HalfCloseableDescriptor(ours, events)
    descriptor.on_read = ConnectionDone
    loop.reactor.addReader(descriptor)
    peer.close()
    loop.reactor.doPoll(0)
    assert events == [("it", "read"), ("it", "read lost")]


def test_a_hang_up_without_bytes_ends_a_reader_in_order_and_a_writer_not(
    loop: HandRunLoop,
) -> None:
    for is_reader, expected in ((True, ConnectionDone), (False, ConnectionLost)):
        events: list[Any] = []
        reading, writing = os.pipe()
        number = reading if is_reader else writing
        descriptor = Descriptor(number, events)
        if is_reader:
            loop.reactor.addReader(descriptor)
            os.close(writing)
        else:
            loop.reactor.addWriter(descriptor)
            os.close(reading)
        loop.reactor.doPoll(0)
        assert events[-1] == ("it", expected)
        os.close(number)


def test_a_fault_ends_its_descriptor_and_no_other(loop: HandRunLoop, logged: list[Any]) -> None:
    events: list[Any] = []
    pairs = [socket.socketpair() for _ in range(3)]
    descriptors = [Descriptor(ours, events, str(i)) for i, (ours, _) in enumerate(pairs)]

    def fail() -> None:
        raise ZeroDivisionError

    def fail_at_the_end(reason: object) -> None:
        raise KeyError

    descriptors[0].on_read = fail
    descriptors[0].connectionLost = fail_at_the_end  # type: ignore[method-assign]
    descriptors[1].on_read = fail
    for (_, peer), descriptor in zip(pairs, descriptors, strict=True):
        loop.reactor.addReader(descriptor)
        peer.send(b"!")
    loop.reactor.doPoll(0)
    assert ("1", ZeroDivisionError) in events
    assert ("2", "read") in events
    assert sorted(failure.type.__name__ for failure in logged) == [
        "KeyError",
        "ZeroDivisionError",
        "ZeroDivisionError",
    ]
    assert loop.reactor.getReaders() == [descriptors[2]] or set(loop.reactor.getReaders()) == {
        descriptors[2],
        loop.reactor.waker,
    }
    loop.reactor.removeAll()
    for ours, peer in pairs:
        ours.close()
        peer.close()


def test_a_signal_does_not_disturb_a_poll(loop: HandRunLoop) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    loop.reactor.doPoll(0.05)
    signal.signal(signal.SIGALRM, before)
    assert seen


def test_an_interrupted_poll_delivers_nothing_and_other_errors_are_loud(
    loop: HandRunLoop,
) -> None:
    poller = loop.reactor._poller

    class Failing:
        close = poller.close

        def __init__(self, number: int) -> None:
            self.number = number

        def poll(self, timeout: float, events_max: int) -> Any:
            raise OSError(self.number, "failed")

    loop.reactor._poller = Failing(4)
    loop.reactor.doPoll(0)
    loop.reactor._poller = Failing(9)
    with pytest.raises(OSError, match="failed"):
        loop.reactor.doPoll(0)
    loop.reactor._poller = poller


def test_an_event_costs_two_frames(
    loop: HandRunLoop, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, peer = pair
    descriptor = Descriptor(ours, [])
    loop.reactor.addReader(descriptor)
    peer.send(b"!")
    frames: list[str] = []

    def profiled(frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            frames.append(frame.f_code.co_name)

    sys.setprofile(profiled)
    loop.reactor.doPoll(0)
    sys.setprofile(None)
    assert [name for name in frames if name not in {"<lambda>", "<listcomp>"}] == [
        "doPoll",
        "doRead",
    ]
    loop.reactor.removeReader(descriptor)


# A socket that other processes watch too.


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def check_that_it_is_watched(loop: HandRunLoop, listening: socket.socket) -> None:
    events: list[Any] = []
    descriptor = Descriptor(listening, events)
    with socket.create_connection(listening.getsockname()):
        for times in (1, 2):
            loop.reactor.add_reader_in_turns(descriptor)
            loop.reactor.add_reader_in_turns(descriptor)
            loop.turn(1.0)
            loop.reactor.removeReader(descriptor)
            loop.turn()
            assert events == times * [("it", "read")]


def test_one_that_is_watched_in_turns_has_its_events_until_it_is_removed(
    loop: HandRunLoop, listening: socket.socket
) -> None:
    check_that_it_is_watched(loop, listening)


def test_the_kernel_knows_that_it_is_watched_in_turns(
    loop: HandRunLoop, listening: socket.socket
) -> None:
    loop.reactor.add_reader_in_turns(Descriptor(listening, []))
    # Only of one that is watched so does it refuse to change anything.
    with pytest.raises(OSError, match="Invalid argument"):
        loop.reactor._poller.modify(listening.fileno(), select.EPOLLIN)
    loop.reactor.removeAll()
    loop.reactor.addReader(Descriptor(listening, []))
    loop.reactor._poller.modify(listening.fileno(), select.EPOLLIN)
    loop.reactor.removeAll()


@pytest.mark.parametrize(
    "flag", [None, select.EPOLLEXCLUSIVE | select.EPOLLONESHOT], ids=["python", "kernel"]
)
def test_where_there_are_no_turns_it_is_watched_all_the_same(
    flag: int | None,
    loop: HandRunLoop,
    listening: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(epoll, "EPOLLEXCLUSIVE", flag)
    check_that_it_is_watched(loop, listening)
