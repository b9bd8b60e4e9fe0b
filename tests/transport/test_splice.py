"""Tests of ``sozutw.transport.splice``: bytes that pass through the kernel only."""

import hashlib
import os
import random
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from sozutw.transport import splice as under_test
from sozutw.transport.pipes import PipePool
from sozutw.transport.splice import Splice, is_available
from sozutw.transport.stream import StreamTransport
from tests.fakes.benches import HalfCloseableRecorder, Recorder, tcp_pair
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named
from tests.fakes.transport import FakeTransport

ADDRESS = IPv4Address("TCP", "127.0.0.1", 1)


class Side:
    """One of our two connections, and the peer at its other end."""

    def __init__(self, loop: HandRunLoop, protocol: Recorder | None = None) -> None:
        self.loop = loop
        ours, self.peer = tcp_pair()
        self.protocol = protocol or Recorder()
        self.transport = StreamTransport(loop.reactor, ours, self.protocol, ADDRESS, ADDRESS)
        self.transport.resumeProducing()
        self.protocol.makeConnection(self.transport)
        self.received = bytearray()

    def read(self) -> bytes:
        while True:
            try:
                data = self.peer.recv(1 << 20)
            except BlockingIOError:
                break
            if not data:
                break
            self.received += data
        return bytes(self.received)

    def reset(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.peer.close()

    def close(self) -> None:
        self.transport.abortConnection()
        self.loop.settle(2)
        self.peer.close()


class Two:
    """A source, a sink, and what a splice between them told."""

    def __init__(self, loop: HandRunLoop, protocol: type[Recorder] = Recorder) -> None:
        self.loop = loop
        self.source = Side(loop, protocol())
        self.sink = Side(loop, protocol())
        self.pipes = PipePool()
        self.moved: list[int] = []
        self.outcomes: list[Failure | None] = []
        self.log: list[str] = []

    def splice(self, length: int | None) -> Splice:
        assert is_available(self.source.transport, self.sink.transport, self.pipes)
        return Splice(
            self.source.transport,
            self.sink.transport,
            length,
            self.moved.append,
            self.outcomes.append,
            self.pipes,
        )

    def run_until_ended(self) -> None:
        self.loop.run_until(lambda: (self.sink.read(), self.outcomes)[1])

    def close(self) -> None:
        self.source.close()
        self.sink.close()
        self.pipes.close_idle()
        assert self.pipes.descriptors == 0, "a pipe is lost"


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


@pytest.fixture
def two(loop: HandRunLoop) -> Iterator[Two]:
    two = Two(loop)
    yield two
    two.close()


@pytest.fixture
def direct_two() -> Iterator[Two]:
    with loop_named("direct") as loop:
        two = Two(loop)
        yield two
        two.close()


def test_exactly_the_length_is_moved_and_the_rest_is_delivered(two: Two) -> None:
    two.splice(5)
    two.source.peer.send(b"12345NEXT")
    two.run_until_ended()
    two.loop.run_until(lambda: two.source.protocol.data)
    assert two.outcomes == [None]
    assert sum(two.moved) == 5
    two.loop.run_until(lambda: two.sink.read() == b"12345")
    assert two.source.protocol.data == b"NEXT"
    two.sink.transport.write(b"after")
    two.loop.run_until(lambda: two.sink.read() == b"12345after")
    assert two.sink.protocol.data == b""


def test_a_hundred_megabytes_in_odd_pieces_arrive_whole(direct_two: Two) -> None:
    two = direct_two
    total = 100_000_001
    draw = random.Random(1)
    block = draw.randbytes(1 << 20)
    sent = hashlib.sha256()
    got = hashlib.sha256()

    def send() -> None:
        left = total
        with two.source.peer.dup() as peer:
            peer.settimeout(60)
            while left:
                piece = block[: min(left, draw.randrange(1, len(block)))]
                peer.sendall(piece)
                sent.update(piece)
                left -= len(piece)

    def receive() -> None:
        left = total
        with two.sink.peer.dup() as peer:
            peer.settimeout(60)
            while left:
                piece = peer.recv(draw.randrange(1, 300_000))
                assert piece
                got.update(piece)
                left -= len(piece)

    # Threads share the blocking flag of a dup; a timeout is the module's own business.
    threads = [threading.Thread(target=target) for target in (send, receive)]
    two.splice(total)
    for thread in threads:
        thread.start()
    two.loop.run_until(lambda: two.outcomes, 60)
    for thread in threads:
        thread.join(60)
    assert two.outcomes == [None]
    assert sum(two.moved) == total
    assert sent.hexdigest() == got.hexdigest()


def test_without_a_length_all_is_moved_until_the_end(loop: HandRunLoop) -> None:
    two = Two(loop, HalfCloseableRecorder)
    two.splice(None)
    two.source.peer.send(b"all of it")
    two.source.peer.shutdown(socket.SHUT_WR)
    two.run_until_ended()
    assert two.outcomes == [None]
    two.loop.run_until(lambda: two.sink.read() == b"all of it")
    two.loop.run_until(lambda: "read lost" in two.source.protocol.events)
    assert two.source.protocol.data == b""
    two.close()


def test_both_directions_at_once(loop: HandRunLoop) -> None:
    two = Two(loop, HalfCloseableRecorder)
    two.splice(None)
    assert not is_available(two.source.transport, two.sink.transport, two.pipes)
    back: list[Failure | None] = []
    assert is_available(two.sink.transport, two.source.transport, two.pipes)
    Splice(two.sink.transport, two.source.transport, None, two.moved.append, back.append, two.pipes)
    two.source.peer.send(b"there")
    two.sink.peer.send(b"back")
    two.loop.run_until(lambda: two.sink.read() == b"there" and two.source.read() == b"back")
    two.source.peer.shutdown(socket.SHUT_WR)
    two.run_until_ended()
    two.sink.transport.loseWriteConnection()
    two.sink.peer.send(b" again")
    two.loop.run_until(lambda: two.source.read() == b"back again")
    two.sink.peer.shutdown(socket.SHUT_WR)
    two.loop.run_until(lambda: back)
    assert two.outcomes == back == [None]
    two.close()


def test_an_early_end_is_a_failure_after_what_came(two: Two) -> None:
    two.splice(100)
    two.source.peer.send(b"only this")
    two.source.peer.shutdown(socket.SHUT_WR)
    two.run_until_ended()
    (outcome,) = two.outcomes
    assert outcome is not None
    assert outcome.check(ConnectionDone)
    two.loop.run_until(lambda: two.sink.read() == b"only this")
    two.loop.run_until(lambda: two.source.protocol.lost)
    assert two.sink.protocol.lost is None
    assert two.pipes.idle == 1


def test_bytes_written_before_go_out_first(two: Two) -> None:
    head = b"h" * 8_000_000
    two.sink.transport.write(head)
    assert two.sink.transport.buffered_bytes
    two.splice(4)
    two.source.peer.send(b"bodyNEXT")
    two.loop.settle()
    assert two.moved == []
    two.run_until_ended()
    two.loop.run_until(lambda: len(two.sink.read()) >= len(head) + 4)
    assert two.sink.read() == head + b"body"
    two.loop.run_until(lambda: two.source.protocol.data == b"NEXT")


def test_room_in_the_kernel_does_not_let_the_body_overtake_the_head(two: Two) -> None:
    head = b"h" * 8_000_000
    two.sink.transport.write(head)
    two.splice(4)
    two.source.peer.send(b"body")
    two.sink.read()
    two.source.transport.doRead()
    assert two.moved == []
    two.run_until_ended()
    two.loop.run_until(lambda: len(two.sink.read()) >= len(head) + 4)
    assert two.sink.read() == head + b"body"


def test_a_reset_is_not_mistaken_for_an_end_in_order(two: Two) -> None:
    """The splice learns of it in the transport's stead, and the kernel tells it only once."""
    two.splice(100)
    two.source.peer.send(b"part")
    two.loop.run_until(lambda: two.moved)
    two.source.reset()
    two.loop.run_until(lambda: two.source.protocol.lost)
    assert two.source.protocol.lost is not None
    assert two.source.protocol.lost.check(ConnectionLost)
    (outcome,) = two.outcomes
    assert outcome is not None
    assert outcome.check(ConnectionLost)


def test_a_producer_paused_before_is_resumed(two: Two) -> None:
    from tests.fakes.benches import Producer

    producer = Producer()
    two.sink.transport.registerProducer(producer, True)
    two.sink.transport.write(b"h" * 8_000_000)
    two.splice(4)
    two.source.peer.send(b"body")
    two.run_until_ended()
    assert producer.calls == ["pause", "resume"]


def test_a_sink_that_does_not_read_stops_the_source(two: Two) -> None:
    two.splice(None)
    sent = 0
    quiet = 0
    while quiet < 20:
        try:
            sent += two.source.peer.send(b"x" * 262144)
            quiet = 0
        except BlockingIOError:
            quiet += 1
        two.loop.turn(0.001)
    assert sum(two.moved) < sent
    assert sent < 32 << 20, "nothing held the source back"
    before = sum(two.moved)
    two.loop.settle()
    assert sum(two.moved) == before
    two.loop.run_until(lambda: len(two.sink.read()) == sent)
    two.source.peer.shutdown(socket.SHUT_WR)
    two.run_until_ended()
    assert sum(two.moved) == sent


def fill(two: Two) -> None:
    """Let the pipe hold bytes that the sink does not take."""
    quiet = 0
    while quiet < 20:
        try:
            two.source.peer.send(b"x" * 262144)
            quiet = 0
        except BlockingIOError:
            quiet += 1
        two.loop.turn(0.001)


def test_a_stopped_splice_tells_nothing_and_what_it_dropped(two: Two) -> None:
    splice = two.splice(1 << 30)
    fill(two)
    dropped = splice.stop()
    assert dropped > 0
    assert splice.is_over
    splice.stop()
    assert two.outcomes == []
    assert two.pipes.idle == 0, "a pipe with a stranger's bytes was kept"
    moved = sum(two.moved)
    # Both are as before: what the source sends is delivered, what we write is sent.
    two.loop.run_until(lambda: two.source.protocol.data)
    two.sink.transport.write(b"end")
    two.loop.run_until(lambda: len(two.sink.read()) == moved + 3)


def test_a_splice_stopped_between_pieces_keeps_its_pipe(two: Two) -> None:
    splice = two.splice(100)
    two.source.peer.send(b"part")
    two.loop.run_until(lambda: sum(two.moved) == 4)
    assert splice.stop() == 0
    assert two.pipes.idle == 1


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_reset_ends_the_splice_and_then_the_connection(two: Two, side: str) -> None:
    two.splice(1 << 30)
    fill(two)
    lost: Side = getattr(two, side)
    order: list[str] = []
    two.outcomes.clear()
    lost.protocol.connectionLost = lambda reason: order.append(f"lost {len(two.outcomes)}")  # type: ignore[method-assign]
    lost.reset()
    if side == "sink":
        two.loop.run_until(lambda: order)
    else:
        two.loop.run_until(lambda: (two.sink.read(), order)[1])
    (outcome,) = two.outcomes
    assert outcome is not None
    assert outcome.check(ConnectionLost, ConnectionDone)
    assert order == ["lost 1"]
    other = two.sink if side == "source" else two.source
    assert other.protocol.lost is None
    assert other.transport.can_lend_reading
    assert other.transport.can_lend_writing


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_side_that_we_abort_ends_the_splice(two: Two, side: str) -> None:
    two.splice(100)
    getattr(two, side).transport.abortConnection()
    assert two.outcomes == []
    two.loop.settle(2)
    assert len(two.outcomes) == 1
    other = two.sink if side == "source" else two.source
    assert other.protocol.lost is None


def test_a_paused_source_is_paused_afterwards(two: Two) -> None:
    two.source.transport.pauseProducing()
    two.splice(4)
    two.source.peer.send(b"bodyNEXT")
    two.run_until_ended()
    two.loop.settle()
    assert two.source.protocol.data == b""
    two.source.transport.resumeProducing()
    two.loop.run_until(lambda: two.source.protocol.data == b"NEXT")


def test_a_source_resumed_meanwhile_reads_afterwards(two: Two) -> None:
    two.source.transport.pauseProducing()
    two.splice(4)
    two.source.transport.resumeProducing()
    two.source.peer.send(b"bodyNEXT")
    two.run_until_ended()
    two.loop.run_until(lambda: two.source.protocol.data == b"NEXT")


def test_an_owner_may_stop_it_while_it_is_told(two: Two) -> None:
    splice: Any = None

    def moved(count: int) -> None:
        two.moved.append(count)
        splice.stop()

    assert is_available(two.source.transport, two.sink.transport, two.pipes)
    splice = Splice(
        two.source.transport, two.sink.transport, 4, moved, two.outcomes.append, two.pipes
    )
    two.source.peer.send(b"body")
    two.loop.run_until(lambda: two.moved)
    two.loop.settle(2)
    assert two.outcomes == []


def test_one_splice_after_another_uses_the_same_pipe(two: Two) -> None:
    for _ in range(3):
        two.splice(4)
        two.source.peer.send(b"body")
        two.loop.run_until(lambda: (two.sink.read(), two.outcomes)[1])
        two.outcomes.clear()
    assert two.pipes.open == 1


def test_it_is_not_available_for_others(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink, pipes = two.source.transport, two.sink.transport, two.pipes
    assert not is_available(FakeTransport(), sink, pipes)
    assert not is_available(source, FakeTransport(), pipes)
    assert not is_available(source, sink, PipePool(pipes_max=0))
    monkeypatch.setattr(under_test, "_splice", None)
    assert not is_available(source, sink, pipes)
    monkeypatch.undo()
    sink.loseConnection()
    assert not is_available(source, sink, pipes)


def test_no_byte_of_a_body_becomes_a_python_object(direct_two: Two) -> None:
    two = direct_two
    reads: list[int] = []
    two.source.transport._recv = reads.append  # type: ignore[assignment]
    two.splice(1 << 16)
    two.source.peer.send(os.urandom(1 << 16))
    two.run_until_ended()
    assert reads == []
