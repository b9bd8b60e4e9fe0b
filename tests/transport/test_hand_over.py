"""Tests of ``sozutw.transport.hand_over``."""

from twisted.internet.protocol import Factory
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from sozutw.transport.hand_over import hand_over
from tests.fakes.benches import FakeBench, RealBench, Recorder
from tests.fakes.loops import loop_named
from tests.fakes.transport import FakeTransport


def test_the_successor_gets_what_is_left_over_and_all_that_follows() -> None:
    bench = FakeBench(Recorder())
    successor = Recorder()
    hand_over(bench.transport, successor, b"left")
    bench.sends(b"over")
    assert successor.events == ["made", ("data", b"left"), ("data", b"over")]
    assert successor.transport is bench.transport
    bench.finishes()
    assert successor.lost is not None
    assert bench.protocol.events == ["made"]


def test_nothing_left_over_is_not_delivered() -> None:
    successor = Recorder()
    hand_over(FakeTransport(Recorder()), successor)
    assert successor.events == ["made"]


def test_a_successor_that_closes_at_once_is_given_nothing() -> None:
    class Closing(Recorder):
        def connectionMade(self) -> None:
            super().connectionMade()
            self.transport.loseConnection()  # type: ignore[union-attr]

    successor = Closing()
    hand_over(FakeTransport(Recorder()), successor, b"left")
    assert successor.events == ["made"]


def test_in_the_middle_of_a_read_the_next_bytes_go_to_the_successor() -> None:
    with loop_named("direct") as loop:
        successor = Recorder()

        class Preface(Recorder):
            def dataReceived(self, data: bytes) -> None:
                hand_over(self.transport, successor, data[1:])

        bench = RealBench(Preface(), loop)
        bench.sends(b"1two")
        bench.sends(b"three")
        assert successor.data == b"twothree"
        bench.close()
        assert successor.lost is not None


def test_a_wrapper_of_twisted_is_told_too() -> None:
    factory = WrappingFactory(Factory())
    wrapper = ProtocolWrapper(factory, Recorder())
    wrapper.makeConnection(StringTransport())  # type: ignore[no-untyped-call]
    successor = Recorder()
    hand_over(wrapper, successor, b"left")
    assert successor.data == b"left"
    wrapper.dataReceived(b"over")
    assert successor.data == b"leftover"
