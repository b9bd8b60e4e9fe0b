"""A send that fails says so at once: nothing of what was written went out."""

import socket
from collections.abc import Iterator

import pytest

from tests.fakes.benches import HalfCloseableRecorder, RealBench
from tests.fakes.loops import HandRunLoop


@pytest.fixture
def bench() -> Iterator[RealBench]:
    bench = RealBench(HalfCloseableRecorder(), HandRunLoop("epoll"))
    yield bench
    bench.close()


def test_a_send_that_fails_says_so_in_the_same_frame(bench: RealBench) -> None:
    transport = bench.transport
    transport.write(b"taken")
    assert not transport.has_failed_writing
    transport.pauseProducing()  # Nobody reads of the reset.
    bench.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    bench.peer.close()
    transport.write(b"not taken")
    assert transport.has_failed_writing
    bench.settle()
    assert transport.disconnected
