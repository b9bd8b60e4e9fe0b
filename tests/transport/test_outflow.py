"""Tests of ``sozutw.transport.outflow`` beyond the contract that it shares with the fake."""

from collections.abc import Iterator

import pytest

from tests.fakes.benches import RealBench, Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


def test_the_last_bytes_leave_in_the_segment_of_the_end(loop: HandRunLoop) -> None:
    bench = RealBench(Recorder(), loop)
    bench.transport.write_last(b"last")
    assert bench.received() == b""  # Held back: nothing leaves before the end is known.
    bench.transport.loseConnection()
    loop.settle()
    assert bench.received() == b"last"
    assert bench.has_seen_the_end()
    bench.close()


def test_unread_bytes_of_the_peer_do_not_cost_it_the_last_bytes(loop: HandRunLoop) -> None:
    bench = RealBench(Recorder(), loop)
    bench.transport.pauseProducing()
    bench.sends(b"\r\n")
    bench.transport.write_last(b"last")
    bench.transport.loseConnection()
    loop.settle()
    assert bench.received() == b"last"
    bench.close()


def test_the_last_bytes_for_a_peer_that_is_gone_go_nowhere(loop: HandRunLoop) -> None:
    bench = RealBench(Recorder(), loop)
    bench.transport.pauseProducing()
    bench.resets()
    bench.transport.write_last(b"last")
    bench.transport.loseConnection()
    loop.settle()
    assert bench.protocol.lost is not None
    assert bench.transport.disconnected
    bench.close()


def test_what_the_kernel_does_not_take_of_the_last_bytes_follows(loop: HandRunLoop) -> None:
    bench = RealBench(Recorder(), loop)
    last = b"x" * (1 << 23)
    bench.transport.write_last(last)
    assert 0 < bench.transport.buffered_bytes < len(last)
    bench.transport.loseConnection()
    bench.drain()
    assert bench.received() == last
    assert bench.has_seen_the_end()
    bench.close()
