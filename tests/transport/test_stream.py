"""Tests of ``sozutw.transport.stream`` beyond the contract that it shares with the fake."""

import gc
import socket
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReadWriteDescriptor
from zope.interface.verify import verifyObject

from sozutw.transport.outflow import WRITE_BYTES_LOW, WRITE_BYTES_MAX
from sozutw.transport.stream import READ_BYTES, READ_BYTES_MAX, StreamTransport
from tests.fakes.benches import HalfCloseableRecorder, Producer, RealBench, Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


@pytest.fixture
def direct() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


MakeBench = Callable[..., RealBench]


@pytest.fixture
def make_bench(loop: HandRunLoop) -> Iterator[MakeBench]:
    made: list[RealBench] = []

    def make(protocol: Recorder | None = None) -> RealBench:
        made.append(RealBench(protocol or Recorder(), loop))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def frames_of(call: Callable[[], object]) -> list[str]:
    frames: list[str] = []

    def profiled(frame: FrameType, event: str, arg: object) -> None:
        if event == "call":
            frames.append(frame.f_code.co_name)

    sys.setprofile(profiled)
    call()
    sys.setprofile(None)
    return frames


class WatchedReactor:
    """Count what is asked of a reactor."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in {"addReader", "removeReader", "addWriter", "removeWriter", "callLater"}:
            self.calls.append(name)
        return getattr(self.reactor, name)


def test_it_is_a_descriptor(make_bench: MakeBench) -> None:
    transport = make_bench().transport
    assert verifyObject(IReadWriteDescriptor, transport)
    assert verifyObject(IHalfCloseableDescriptor, transport)
    assert transport.logPrefix() == "Recorder"
    assert transport.fileno() == transport.getHandle().fileno()
    transport.abortConnection()


def test_a_write_that_the_kernel_takes_asks_nothing_of_the_reactor(
    direct: HandRunLoop,
) -> None:
    bench = RealBench(Recorder(), direct)
    watched = WatchedReactor(direct.reactor)
    bench.transport.reactor = watched
    assert frames_of(lambda: bench.transport.write(b"x" * 1000))[1:] == ["write"]
    assert watched.calls == []
    bench.peer.send(b"answer")
    direct.settle()
    assert bench.protocol.data == b"answer"
    assert watched.calls == []
    bench.close()


def test_reading_is_one_frame(direct: HandRunLoop) -> None:
    bench = RealBench(Recorder(), direct)
    bench.peer.send(b"!")
    assert frames_of(bench.transport.doRead) == ["doRead", "dataReceived"]
    bench.close()


def test_all_that_was_written_arrives_in_order(make_bench: MakeBench) -> None:
    bench = make_bench()
    expected = bytearray()
    for number in range(300):
        chunk = number.to_bytes(2, "big") * (1 + number * 37 % 5000)
        bench.transport.write(chunk)
        expected += chunk
    assert bench.transport.buffered_bytes > 0
    bench.loop.run_until(lambda: len(bench.received()) >= len(expected))
    assert bench.received() == expected
    assert bench.transport.buffered_bytes == 0


def test_the_kernel_counts_what_we_count(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.transport.write(b"x" * 1_000_000)
    before = bench.transport.buffered_bytes
    while bench.transport.buffered_bytes:
        bench.received()
        bench.loop.turn(0.01)
        assert bench.transport.buffered_bytes <= before
        before = bench.transport.buffered_bytes
    bench.loop.run_until(lambda: len(bench.received()) == 1_000_000)


def test_a_producer_is_resumed_before_the_buffer_is_empty(make_bench: MakeBench) -> None:
    bench = make_bench()
    levels: list[tuple[str, int]] = []

    class Watching(Producer):
        def pauseProducing(self) -> None:
            levels.append(("pause", bench.transport.buffered_bytes))

        def resumeProducing(self) -> None:
            levels.append(("resume", bench.transport.buffered_bytes))

    bench.transport.registerProducer(Watching(), True)
    while not levels:
        bench.transport.write(b"x" * 1000)
    for _ in range(100):
        bench.transport.write(b"x" * 1000)
    assert levels == [("pause", levels[0][1])]
    assert WRITE_BYTES_MAX < levels[0][1] <= WRITE_BYTES_MAX + 1000
    bench.drain()
    (verb, level) = levels[1]
    assert verb == "resume"
    assert level < WRITE_BYTES_LOW
    assert len(levels) == 2


def test_reads_grow_while_bulk_and_shrink_after(direct: HandRunLoop) -> None:
    bench = RealBench(Recorder(), direct)
    transport = bench.transport
    arrived: list[int] = []
    one = READ_BYTES
    waiting = [one, one, 2 * one, 4 * one, 8 * one, READ_BYTES_MAX, 10]

    def recv(size: int) -> bytes:
        arrived.append(size)
        return b"x" * min(size, waiting.pop(0))

    transport._recv = recv  # type: ignore[assignment]
    while waiting:
        transport.doRead()
    assert arrived == [one, one, 2 * one, 4 * one, 8 * one, READ_BYTES_MAX, READ_BYTES_MAX]
    assert transport.read_bytes == READ_BYTES
    assert max(arrived) == READ_BYTES_MAX
    bench.close()


def test_a_lone_full_read_does_not_grow(direct: HandRunLoop) -> None:
    bench = RealBench(Recorder(), direct)
    waiting = [READ_BYTES, 1, READ_BYTES, 1]
    bench.transport._recv = lambda size: b"x" * waiting.pop(0)  # type: ignore[assignment,misc]
    while waiting:
        bench.transport.doRead()
    assert bench.transport.read_bytes == READ_BYTES
    bench.close()


def test_a_failed_send_is_told_from_the_loop(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    bench.peer.close()
    bench.transport.write(b"into the void")
    bench.transport.write(b"dropped")
    assert bench.protocol.events == ["made"]
    assert bench.transport.buffered_bytes == 0
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)
    assert "reset" in str(bench.protocol.lost.value)
    assert bench.lost_calls == 1


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_answer_that_came_before_the_reset_is_read_first(
    make_bench: MakeBench, is_paused: bool
) -> None:
    """A backend that refuses an upload answers, and closes with bytes of ours unread."""
    bench = make_bench()
    bench.fill()
    if is_paused:
        bench.transport.pauseProducing()
    bench.peer.send(b"413")
    bench.peer.close()  # unread bytes: the kernel sends a reset
    bench.transport.write(b"more")
    if is_paused:
        bench.settle()
        assert bench.protocol.events == ["made"]
        bench.transport.resumeProducing()
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.events == ["made", ("data", b"413"), ("lost", ConnectionLost)]


def test_a_paused_transport_without_bytes_is_told_of_the_reset(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fill()
    bench.transport.pauseProducing()
    bench.resets()
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.events == ["made", ("lost", ConnectionLost)]


def test_a_hang_up_that_the_reactor_sees_first_loses_no_bytes(make_bench: MakeBench) -> None:
    from twisted.python.failure import Failure

    bench = make_bench()
    bench.peer.send(b"still there")
    bench.peer.close()
    bench.transport.reactor.removeReader(bench.transport)
    bench.transport.readConnectionLost(Failure(ConnectionDone()))
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.events == ["made", ("data", b"still there"), ("lost", ConnectionDone)]


def test_a_closing_transport_whose_peer_resets_is_lost(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fill()
    bench.transport.loseConnection()
    bench.resets()
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.lost_calls == 1


def test_a_failure_of_the_protocol_closes_its_connection(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twisted.logger import Logger

    monkeypatch.setattr(Logger, "failure", lambda *arguments, **named: None)
    monkeypatch.setattr("twisted.python.log.err", lambda *arguments, **named: None)

    class Broken(Recorder):
        def dataReceived(self, data: bytes) -> None:
            raise ZeroDivisionError

    bench = make_bench(Broken())
    bench.sends(b"!")
    assert bench.protocol.events == ["made", ("lost", ZeroDivisionError)]
    assert bench.has_seen_the_end()


def test_whoever_counts_hears_of_the_loss_even_if_the_protocol_fails(direct: HandRunLoop) -> None:
    class Broken(Recorder):
        def connectionLost(self, reason: Any) -> None:
            raise ZeroDivisionError

    bench = RealBench(Broken(), direct)
    bench.transport.loseConnection()
    with pytest.raises(ZeroDivisionError):
        bench.transport._lose(bench.transport._write_error or _done())
    assert bench.lost_calls == 1
    bench.close()


def _done() -> Any:
    from sozutw.transport.losses import DONE

    return DONE


def test_a_lost_transport_lets_go_of_everything(direct: HandRunLoop) -> None:
    bench = RealBench(Recorder(), direct)
    protocol = weakref.ref(bench.protocol)
    bench.transport.registerProducer(Producer(), True)
    number = bench.transport.fileno()
    bench.transport.abortConnection()
    direct.settle()
    assert bench.transport.protocol is None
    assert bench.transport.producer is None
    assert bench.transport.fileno() == -1
    assert number not in direct.reactor._selectables
    assert bench.transport.getPeer() is not None
    assert bench.transport.round_trip_us() == 0
    gc.disable()
    bench.protocol = None  # type: ignore[assignment]
    assert protocol() is None, "a cycle keeps the protocol alive"
    gc.enable()
    bench.peer.close()


def test_a_stock_loop_closes_the_descriptor_only_after_its_batch() -> None:
    with loop_named("epoll") as loop:
        bench = RealBench(Recorder(), loop)
        bench.peer.close()
        handle = bench.transport.getHandle()
        bench.transport.doRead()
        assert bench.protocol.lost is not None
        assert handle.fileno() >= 0
        loop.settle(1)
        assert handle.fileno() == -1


def test_the_address_family_does_not_matter(direct: HandRunLoop) -> None:
    ours, peer = socket.socketpair()
    protocol = HalfCloseableRecorder()
    transport = StreamTransport(
        direct.reactor, ours, protocol, UNIXAddress("/a"), UNIXAddress("/b")
    )
    transport.resumeProducing()
    protocol.makeConnection(transport)
    peer.send(b"!")
    direct.settle()
    assert protocol.data == b"!"
    assert transport.round_trip_us() == 0
    assert transport.getPeer() == UNIXAddress("/b")
    peer.close()
    direct.settle()
    transport.loseConnection()
    direct.settle()
    assert protocol.events[-2:] == ["read lost", ("lost", ConnectionDone)]


def test_a_reset_is_seen_as_a_reset(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.transport.write(b"half an ans")
    bench.settle()
    bench.transport.reset()
    bench.settle()
    assert bench.peer.recv(100) == b"half an ans"
    with pytest.raises(ConnectionResetError):
        bench.peer.recv(100)


def test_an_abort_is_no_reset(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.transport.write(b"an answer")
    bench.transport.abortConnection()
    bench.settle()
    assert bench.peer.recv(100) == b"an answer"
    assert bench.peer.recv(100) == b""


def test_a_round_trip_takes_time(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.transport.write(b"ping")
    bench.settle()
    assert 0 < bench.transport.round_trip_us() < 10_000_000


def test_it_is_small(direct: HandRunLoop) -> None:
    pairs = [socket.socketpair() for _ in range(200)]
    address = UNIXAddress("/a")
    protocol = Recorder()
    gc.collect()
    tracemalloc.start()
    transports = [
        StreamTransport(direct.reactor, ours, protocol, address, address) for ours, _ in pairs
    ]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(transports) < 700
    for ours, peer in pairs:
        ours.close()
        peer.close()
