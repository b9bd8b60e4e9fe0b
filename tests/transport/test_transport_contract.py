"""What every transport promises: one suite for the fake, for real sockets and for TLS on them."""

from collections.abc import Callable, Iterator

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from zope.interface.verify import verifyObject

from sozutw.transport.tls.endpoint import WrappedEndpoint
from sozutw.transport.tls.library import Endpoint
from tests.fakes.benches import FakeBench, HalfCloseableRecorder, Producer, RealBench, Recorder
from tests.fakes.loops import LOOPS, loop_named
from tests.fakes.tls import TlsBench

Bench = FakeBench | RealBench
MakeBench = Callable[[Recorder], Bench]


TLS = {f"tls on {loop}": loop for loop in LOOPS}


CLIENT = "tls towards a server"
WRAPPED = "tls without the binding"


@pytest.fixture(params=["fake", *LOOPS, *TLS, CLIENT, WRAPPED])
def make_bench(request: pytest.FixtureRequest) -> Iterator[MakeBench]:
    if request.param == "fake":
        yield FakeBench
        return
    is_plain = request.param in LOOPS
    with loop_named(request.param if is_plain else TLS.get(request.param, "direct")) as loop:
        made: list[RealBench] = []

        def make(protocol: Recorder) -> RealBench:
            if is_plain:
                made.append(RealBench(protocol, loop))
            else:
                kind = WrappedEndpoint if request.param == WRAPPED else Endpoint
                made.append(TlsBench(protocol, loop, is_server=request.param != CLIENT, kind=kind))
            return made[-1]

        yield make
        for bench in made:
            bench.close()


def test_it_provides_what_it_says(make_bench: MakeBench) -> None:
    from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport

    transport = make_bench(Recorder()).transport
    for interface in (ITCPTransport, IConsumer, IPushProducer):
        assert verifyObject(interface, transport)


def test_bytes_come_and_go(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.sends(b"hello")
    assert bench.protocol.data == b"hello"
    bench.transport.write(b"wor")
    bench.transport.writeSequence([b"l", b"d"])
    bench.settle()
    assert bench.received() == b"world"


def test_lose_connection_closes_later_and_once(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.write(b"last words")
    bench.transport.loseConnection()
    bench.transport.loseConnection()
    assert bench.protocol.lost is None
    assert bench.transport.disconnecting
    bench.transport.write(b"too late")
    bench.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionDone)
    assert bench.transport.disconnected
    assert bench.received() == b"last words"
    assert bench.has_seen_the_end()


def test_lose_connection_waits_for_what_was_written(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    bench.fill()
    bench.transport.loseConnection()
    bench.settle()
    assert bench.protocol.lost is None
    bench.drain()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionDone)


def test_the_last_bytes_arrive_with_the_end(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.write(b"first ")
    bench.transport.write_last(b"last")
    bench.transport.loseConnection()
    bench.settle()
    assert bench.received() == b"first last"
    assert bench.has_seen_the_end()


def test_the_last_bytes_arrive_with_a_half_close(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.transport.write_last(b"last")
    bench.transport.loseWriteConnection()
    bench.settle()
    assert bench.received() == b"last"
    assert bench.has_seen_the_end()
    bench.transport.abortConnection()


def test_the_last_bytes_wait_behind_those_that_wait(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.fill()
    bench.transport.write_last(b"last")
    bench.transport.loseConnection()
    bench.drain()
    assert bench.received().endswith(b"xlast")
    assert bench.has_seen_the_end()


def test_nothing_is_read_after_lose_connection(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.fill()
    bench.transport.loseConnection()
    bench.sends(b"late")
    assert bench.protocol.data == b""


def test_abort_drops_what_was_written_and_tells_later(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.fill()
    bench.transport.abortConnection()
    assert bench.protocol.lost is None
    bench.transport.abortConnection()
    bench.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionAborted)
    assert bench.has_seen_the_end()


def test_nothing_is_delivered_after_an_abort(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.pauseProducing()
    bench.sends(b"late")
    bench.transport.abortConnection()
    bench.transport.resumeProducing()
    bench.settle()
    assert bench.protocol.data == b""
    assert bench.protocol.events == ["made", ("lost", ConnectionAborted)]


def test_a_reset_is_an_abort(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.reset()
    bench.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionAborted)


def test_a_peer_that_hangs_up_ends_a_plain_protocol(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.sends(b"bye")
    bench.finishes()
    assert bench.protocol.events == ["made", ("data", b"bye"), ("lost", ConnectionDone)]


def test_a_half_closeable_protocol_may_still_answer(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.finishes()
    assert bench.protocol.events == ["made", "read lost"]
    bench.transport.resumeProducing()
    bench.settle()
    bench.transport.write(b"answer")
    bench.settle()
    assert bench.received() == b"answer"
    bench.transport.loseConnection()
    bench.settle()
    assert bench.protocol.events == ["made", "read lost", ("lost", ConnectionDone)]


def test_both_halves_closed_is_the_end(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.transport.loseWriteConnection()
    bench.transport.write(b"dropped")
    bench.settle()
    assert bench.has_seen_the_end()
    assert bench.received() == b""
    bench.sends(b"still heard")
    bench.finishes()
    assert bench.protocol.events == [
        "made",
        "write lost",
        ("data", b"still heard"),
        "read lost",
        ("lost", ConnectionDone),
    ]


def test_both_halves_closed_the_other_way_round(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.finishes()
    bench.transport.loseWriteConnection()
    assert bench.protocol.events == ["made", "read lost"]
    bench.settle()
    assert bench.protocol.events == ["made", "read lost", "write lost", ("lost", ConnectionDone)]


def test_lose_write_connection_waits_for_what_was_written(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.fill()
    bench.transport.loseWriteConnection()
    bench.settle()
    assert bench.protocol.events == ["made"]
    bench.drain()
    assert bench.protocol.events == ["made", "write lost"]
    bench.settle()
    assert bench.has_seen_the_end()


def test_a_reset_by_the_peer_is_a_loss(make_bench: MakeBench) -> None:
    bench = make_bench(HalfCloseableRecorder())
    bench.resets()
    assert bench.protocol.events == ["made", ("lost", ConnectionLost)]
    bench.transport.write(b"dropped")
    bench.transport.loseConnection()
    bench.transport.abortConnection()
    bench.transport.pauseProducing()
    bench.transport.resumeProducing()
    bench.settle()


def test_a_paused_transport_keeps_bytes_until_resumed(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.pauseProducing()
    bench.sends(b"kept")
    bench.finishes()
    assert bench.protocol.events == ["made"]
    bench.transport.resumeProducing()
    assert bench.protocol.events == ["made"], "delivered in the caller's frame"
    bench.settle()
    assert bench.protocol.events == ["made", ("data", b"kept"), ("lost", ConnectionDone)]


def test_a_producer_is_paused_once_and_resumed_once(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    with pytest.raises(RuntimeError):
        bench.transport.registerProducer(Producer(), True)
    assert producer.calls == []
    bench.fill()
    bench.transport.write(b"more")
    assert producer.calls == ["pause"]
    bench.drain()
    assert producer.calls == ["pause", "resume"]
    assert bench.transport.buffered_bytes == 0
    bench.fill()
    assert producer.calls == ["pause", "resume", "pause"]


def test_a_producer_registered_with_a_full_transport_is_paused(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.fill()
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    assert producer.calls == ["pause"]
    bench.transport.unregisterProducer()
    bench.drain()
    assert producer.calls == ["pause"]


def test_a_producer_is_stopped_when_the_connection_is_lost(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    bench.resets()
    assert producer.calls == ["stop"]
    late = Producer()
    bench.transport.registerProducer(late, True)
    assert late.calls == ["stop"]


def test_only_streaming_producers_are_served(make_bench: MakeBench) -> None:
    with pytest.raises(RuntimeError):
        make_bench(Recorder()).transport.registerProducer(Producer(), False)


def test_stop_producing_closes(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.stopProducing()
    bench.settle()
    assert bench.protocol.lost is not None


def test_silence_is_what_keeps_an_idle_connection_open(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    assert bench.transport.is_still_open()
    bench.transport.pauseProducing()
    bench.sends(b"?")
    assert not bench.transport.is_still_open()
    bench.transport.resumeProducing()
    bench.settle()
    assert bench.protocol.data == b"?"
    assert bench.transport.is_still_open()
    bench.transport.pauseProducing()
    bench.finishes()
    assert not bench.transport.is_still_open()


def test_a_lost_or_closing_transport_is_not_open(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())
    bench.transport.abortConnection()
    assert not bench.transport.is_still_open()
    bench.settle()
    assert not bench.transport.is_still_open()


def test_options_are_kept(make_bench: MakeBench) -> None:
    transport = make_bench(Recorder()).transport
    assert transport.getTcpNoDelay()
    transport.setTcpNoDelay(False)
    assert not transport.getTcpNoDelay()
    assert not transport.getTcpKeepAlive()
    transport.setTcpKeepAlive(True)
    assert transport.getTcpKeepAlive()
    assert transport.getHost().port
    assert transport.getPeer().port
    assert transport.round_trip_us() >= 0


def test_a_protocol_may_close_while_it_is_told_of_bytes(make_bench: MakeBench) -> None:
    class Closing(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.loseConnection()  # type: ignore[union-attr]

    bench = make_bench(Closing())
    bench.sends(b"1")
    bench.settle()
    assert bench.protocol.events == ["made", ("data", b"1"), ("lost", ConnectionDone)]


def test_a_producer_that_writes_when_resumed_is_paused_again(make_bench: MakeBench) -> None:
    bench = make_bench(Recorder())

    class Filling(Producer):
        def resumeProducing(self) -> None:
            super().resumeProducing()
            bench.fill()

    producer = Filling()
    bench.transport.registerProducer(producer, True)
    bench.fill()
    if isinstance(bench, FakeBench):
        bench.drain()
    else:
        bench.loop.run_until(lambda: (bench.received(), "resume" in producer.calls)[1])
    assert producer.calls == ["pause", "resume", "pause"]
