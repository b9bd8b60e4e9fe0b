"""Tests of ``sozutw.transport.linger``."""

import socket
import struct
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from sozutw.transport.linger import close_lingering
from tests.fakes.benches import FakeBench, RealBench, Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named
from tests.fakes.transport import FakeTransport


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


def lingering() -> tuple[FakeTransport, Recorder, Clock]:
    bench, clock = FakeBench(Recorder()), Clock()
    transport = bench.transport
    transport.pauseProducing()
    transport.write(b"413")
    close_lingering(transport, clock, bytes_max=10, seconds_max=2)
    return transport, bench.protocol, clock


def test_it_half_closes_and_waits_for_the_client() -> None:
    transport, owner, clock = lingering()
    transport.turn()
    assert transport.value() == b"413"
    assert transport.is_write_closed
    assert transport.is_reading
    assert not transport.lost
    transport.receive(b"1234567890")
    transport.turn()
    assert not transport.lost
    transport.hang_up()
    transport.turn()
    assert transport.lost
    assert clock.getDelayedCalls() == []
    assert owner.events == ["made"]


def test_it_reads_no_more_than_so_much() -> None:
    transport, _, clock = lingering()
    transport.receive(b"12345678901")
    transport.turn()
    assert transport.is_aborted
    assert clock.getDelayedCalls() == []


def test_it_waits_no_longer_than_so_long() -> None:
    transport, _, clock = lingering()
    clock.advance(1.9)
    transport.turn()
    assert not transport.is_aborted
    clock.advance(0.1)
    transport.turn()
    assert transport.is_aborted
    assert transport.lost


def test_the_time_runs_also_while_the_client_takes_nothing() -> None:
    bench, clock = FakeBench(Recorder()), Clock()
    bench.fill()
    close_lingering(bench.transport, clock)
    clock.advance(2)
    bench.settle()
    assert bench.transport.lost


def test_a_transport_that_is_gone_is_left_alone() -> None:
    bench, clock = FakeBench(Recorder()), Clock()
    bench.transport.loseConnection()
    close_lingering(bench.transport, clock)
    bench.settle()
    close_lingering(bench.transport, clock)
    assert clock.getDelayedCalls() == []
    assert bench.protocol.lost is not None


def test_a_client_that_is_still_sending_sees_the_answer_and_no_reset(loop: HandRunLoop) -> None:
    bench = RealBench(Recorder(), loop)
    bench.transport.pauseProducing()
    bench.peer.send(b"x" * 30_000)
    bench.transport.write(b"413")
    close_lingering(bench.transport, loop.reactor)
    loop.settle()
    bench.peer.send(b"x" * 30_000)
    loop.settle()
    assert bench.received() == b"413"
    assert bench.has_seen_the_end()
    assert bench.peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    info = bench.peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    assert struct.unpack("B", info)[0] == 8  # CLOSE_WAIT: an end, and no reset
    bench.peer.close()
    loop.run_until(lambda: bench.lost_calls == 1)
    assert not loop.reactor.getDelayedCalls() or loop.name != "direct"
