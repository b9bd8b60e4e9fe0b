"""Tests of ``sozutw.transport.loans``: who gets the wake-ups, and what comes back."""

from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tests.fakes.benches import RealBench, Recorder
from tests.fakes.loops import loop_named


class Borrower:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def source_readable(self) -> None:
        self.calls.append("readable")

    def sink_writable(self) -> None:
        self.calls.append("writable")

    def side_lost(self, reason: Failure) -> None:
        self.calls.append("lost")


@pytest.fixture
def bench() -> Iterator[RealBench]:
    with loop_named("direct") as loop:
        bench = RealBench(Recorder(), loop)
        yield bench
        bench.close()


def test_the_borrower_gets_the_wake_ups_and_the_protocol_none(bench: RealBench) -> None:
    borrower = Borrower()
    transport = bench.transport
    transport.lend_reading(borrower)
    bench.peer.send(b"kept")
    bench.loop.turn(0.1)
    assert set(borrower.calls) == {"readable"}
    assert bench.protocol.data == b""
    transport.take_reading_back(borrower)
    bench.settle()
    assert bench.protocol.data == b"kept"


def test_what_a_direction_is_lent_for_is_lent_once(bench: RealBench) -> None:
    transport = bench.transport
    assert transport.can_lend_reading
    assert transport.can_lend_writing
    transport.lend_reading(Borrower())
    transport.lend_writing(Borrower())
    assert not transport.can_lend_reading
    assert not transport.can_lend_writing
    with pytest.raises(AssertionError):
        transport.lend_reading(Borrower())
    with pytest.raises(AssertionError):
        transport.lend_writing(Borrower())


def test_only_the_borrower_can_give_back(bench: RealBench) -> None:
    borrower, stranger = Borrower(), Borrower()
    transport = bench.transport
    transport.lend_reading(borrower)
    transport.lend_writing(borrower)
    transport.take_reading_back(stranger)
    transport.take_writing_back(stranger)
    assert not transport.can_lend_reading
    assert not transport.can_lend_writing


def test_nothing_may_be_written_meanwhile(bench: RealBench) -> None:
    borrower = Borrower()
    bench.transport.lend_writing(borrower)
    with pytest.raises(AssertionError, match="lent"):
        bench.transport.write(b"!")
    bench.transport.take_writing_back(borrower)
    bench.transport.write(b"!")
    bench.settle()
    assert bench.received() == b"!"


def test_bytes_that_wait_are_sent_before_the_borrower_may_write(bench: RealBench) -> None:
    borrower = Borrower()
    bench.fill()
    bench.transport.lend_writing(borrower)
    bench.settle()
    assert borrower.calls == []
    bench.drain()
    assert borrower.calls == ["writable"]


def test_given_back_early_they_are_still_sent(bench: RealBench) -> None:
    borrower = Borrower()
    bench.fill()
    bench.transport.lend_writing(borrower)
    bench.transport.take_writing_back(borrower)
    bench.transport.write(b"end")
    bench.drain()
    assert bench.received().endswith(b"end")
    assert borrower.calls == []


def test_paused_while_lent_it_comes_back_paused(bench: RealBench) -> None:
    borrower = Borrower()
    bench.transport.lend_reading(borrower)
    bench.transport.pauseProducing()
    bench.sends(b"?")
    bench.transport.take_reading_back(borrower)
    bench.settle()
    assert bench.protocol.data == b""
    bench.transport.resumeProducing()
    bench.settle()
    assert bench.protocol.data == b"?"


def test_both_borrowers_hear_of_a_loss_before_the_protocol(bench: RealBench) -> None:
    reading, writing = Borrower(), Borrower()
    bench.transport.lend_reading(reading)
    bench.transport.lend_writing(writing)
    bench.transport.loseConnection()
    assert reading.calls == writing.calls == []
    bench.settle()
    assert "lost" in reading.calls
    assert writing.calls == ["lost"]
    bench.transport.take_reading_back(reading)
    bench.transport.take_writing_back(writing)
    assert bench.protocol.lost is not None


def test_a_reset_that_a_borrower_met_is_told_from_the_loop(bench: RealBench) -> None:
    borrower = Borrower()
    bench.transport.lend_reading(borrower)
    bench.transport.broke(OSError(104, "Connection reset by peer"))
    assert bench.protocol.lost is None
    bench.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)
