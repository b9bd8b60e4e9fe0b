"""What flows through a connection with TLS; what every transport promises is in the contract."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sozutw.transport.losses import DONE
from sozutw.transport.splice import is_available
from sozutw.transport.stream import READ_BYTES
from sozutw.transport.tls import binding, direct
from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite
from sozutw.transport.tls.direct import ASIDES_MAX
from sozutw.transport.tls.endpoint import HAS_MORE, WRITE_BYTES_MAX
from tests.fakes.benches import HalfCloseableRecorder, Producer, RealBench, Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named
from tests.fakes.tls import (
    ScriptedBench,
    TlsBench,
    client_context,
    fresh_server_context,
    unruly_client,
)

MakeBench = Callable[..., TlsBench]
MakeScripted = Callable[..., ScriptedBench]


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as each:
        yield each


@pytest.fixture
def make(loop: HandRunLoop) -> Iterator[MakeBench]:
    made: list[TlsBench] = []

    def make(protocol: Recorder | None = None, **settings: Any) -> TlsBench:
        made.append(TlsBench(protocol or Recorder(), loop, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def scripted() -> Iterator[MakeScripted]:
    made: list[ScriptedBench] = []

    def make(protocol: Recorder | None = None, **settings: Any) -> ScriptedBench:
        made.append(ScriptedBench(protocol or Recorder(), **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


class Pausing(Recorder):
    """It takes one piece at a time."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.pauseProducing()  # type: ignore[union-attr]


# What it is.


def test_it_is_a_transport_with_tls(make: MakeBench) -> None:
    choosy = fresh_server_context()
    binding.alpn_choice([b"http/1.1"])(choosy)
    theirs = client_context()
    theirs.set_alpn_protos([b"http/1.1"])
    bench = make(ours=choosy, theirs=theirs, shakes_hands=False)
    assert bench.transport.negotiatedProtocol is None
    bench.shake_hands()
    assert bench.transport.negotiatedProtocol == b"http/1.1"
    assert bench.transport.getPeerCertificate() is None
    assert verifyObject(ISSLTransport, bench.transport)
    client = make(is_server=False)
    assert client.transport.negotiatedProtocol is None
    assert client.transport.getPeerCertificate() is not None


def test_an_idle_connection_of_a_server_holds_no_object_of_the_wrappers(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    assert hasattr(bench.endpoint, "connection")
    bench.shake_hands()
    assert not hasattr(bench.endpoint, "connection")
    # A client's session may be asked for until the end.
    assert hasattr(make(is_server=False).endpoint, "connection")


def test_no_splice_is_made_of_it(make: MakeBench, loop: HandRunLoop) -> None:
    bench = make()
    plain = RealBench(Recorder(), loop)
    assert plain.transport.can_lend_reading
    assert plain.transport.can_lend_writing
    assert not is_available(bench.transport, plain.transport)
    assert not is_available(plain.transport, bench.transport)
    plain.close()


# What it costs.


def test_a_request_costs_one_read_and_one_write(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answering(Recorder):
        def dataReceived(self, data: bytes) -> None:
            self.transport.write(b"answer")  # type: ignore[union-attr]

    bench = make(Answering())
    calls: list[str] = []
    for name in ("_read", "_write"):
        original = getattr(direct, name)
        monkeypatch.setattr(
            direct,
            name,
            lambda *args, name=name, original=original: (calls.append(name), original(*args))[1],
        )
    for _ in range(3):
        bench.sends(b"request")
    assert calls == ["_read", "_write"] * 3
    assert bench.received() == b"answer" * 3


@pytest.mark.parametrize("is_server", [True, False])
def test_bulk_goes_both_ways_whole_and_in_order(make: MakeBench, is_server: bool) -> None:
    bench = make(is_server=is_server)
    data = b"".join(b"%07d\n" % number for number in range(100_000))
    bench.transport.write(data)
    sent = 0

    def step() -> bool:
        nonlocal sent
        if sent < len(data):
            sent += bench.other.try_to_send(data[sent : sent + (1 << 17)])
        return len(bench.received()) >= len(data) and len(bench.protocol.data) >= len(data)

    bench.loop.run_until(step)
    assert bench.protocol.data == data
    assert bench.received() == data


def test_a_read_grows_while_a_body_is_bulk_and_shrinks_again(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", *[b"x" * READ_BYTES] * 2, b"x" * (2 * READ_BYTES), b"x")
    for _ in range(4):
        bench.readable()
    asked = [call[1] for call in bench.endpoint.calls]
    assert asked == [READ_BYTES, READ_BYTES, 2 * READ_BYTES, 4 * READ_BYTES]
    assert bench.transport.read_bytes == READ_BYTES
    assert len(bench.protocol.data) == 4 * READ_BYTES + 1


# Bytes that OpenSSL holds are told of by no socket.


@pytest.mark.parametrize("piece", [1, 1000, 5000])
def test_what_a_small_read_leaves_is_delivered_all_the_same(make: MakeBench, piece: int) -> None:
    bench = make()
    bench.transport.read_bytes = piece
    bench.sends(bytes(range(50)) * 20)
    bench.loop.run_until(lambda: len(bench.protocol.data) == 1000)
    assert bench.protocol.data == bytes(range(50)) * 20


def test_what_a_small_read_leaves_waits_while_the_protocol_is_paused(make: MakeBench) -> None:
    bench = make(Pausing())
    bench.transport.read_bytes = 400
    bench.sends(b"x" * 1000)
    for so_far in (400, 800, 1000):
        assert len(bench.protocol.data) == so_far
        bench.transport.resumeProducing()
        assert len(bench.protocol.data) == so_far, "delivered in the caller's frame"
        bench.settle()


def test_an_end_behind_bulk_is_heard_without_the_socket(make: MakeBench) -> None:
    bench = make(HalfCloseableRecorder())
    bench.transport.pauseProducing()
    bench.transport.read_bytes = 1 << 16
    bench.other.connection.send(b"x" * READ_BYTES)
    bench.other.connection.shutdown()  # and no end of TCP behind it
    bench.transport.resumeProducing()
    bench.loop.run_until(lambda: bench.protocol.events[-1] == "read lost")
    assert len(bench.protocol.data) == READ_BYTES


def test_a_look_at_an_idle_connection_loses_nothing(make: MakeBench) -> None:
    bench = make()
    bench.other.connection.send(b"word")
    while bench.transport.is_still_open():
        pass
    bench.settle()
    assert bench.protocol.data == b"word"


def test_a_protocol_that_fails_on_such_bytes_is_lost(make: MakeBench) -> None:
    class Failing(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if len(self.data) > 400:
                raise ZeroDivisionError

    bench = make(Failing())
    bench.transport.read_bytes = 400
    bench.sends(b"x" * 1000)
    bench.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ZeroDivisionError)


def test_nothing_of_it_is_delivered_after_an_abort(make: MakeBench) -> None:
    class Aborting(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.abortConnection()  # type: ignore[union-attr]

    bench = make(Aborting())
    bench.transport.read_bytes = 400
    bench.sends(b"x" * 1000)
    bench.settle()
    assert len(bench.protocol.data) == 400


def test_nothing_of_it_is_delivered_to_who_paused_meanwhile(make: MakeBench) -> None:
    bench = make(Pausing())
    bench.transport.read_bytes = 400
    bench.sends(b"x" * 1000)
    bench.transport.resumeProducing()
    bench.transport.pauseProducing()
    bench.settle()
    assert len(bench.protocol.data) == 400


# Idle connections.


def test_tickets_are_no_sign_of_death(make: MakeBench) -> None:
    bench = make(is_server=False, shakes_hands=False)
    bench.transport.pauseProducing()
    bench.shake_hands()
    assert bench.ours.recv(1 << 16, socket.MSG_PEEK), "the tickets are there"
    assert bench.transport.is_still_open()
    with pytest.raises(BlockingIOError):
        bench.ours.recv(1 << 16, socket.MSG_PEEK)
    bench.sends(b"word")
    assert not bench.transport.is_still_open()
    assert not bench.transport.is_still_open()


@pytest.mark.parametrize("end", ["finishes", "resets"])
def test_an_end_is_a_sign_of_death(make: MakeBench, end: str) -> None:
    bench = make(is_server=False)
    bench.transport.pauseProducing()
    getattr(bench, end)()
    assert not bench.transport.is_still_open()


# Who waits for whom.


def test_a_read_that_wants_to_write_waits_for_room_only(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", WantWrite(), WantWrite(), b"data")
    bench.readable()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "r"
    assert bench.protocol.data == b"data"


def test_a_pause_puts_off_a_read_that_wants_to_write(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", WantWrite(), WantWrite(), b"data")
    bench.readable()
    bench.transport.pauseProducing()
    bench.writable()
    assert bench.wants() == ""
    bench.transport.resumeProducing()
    assert bench.wants() == "r"
    bench.readable()
    bench.writable()
    assert bench.protocol.data == b"data"


def test_a_read_that_wants_to_write_may_end_it(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", WantWrite(), b"")
    bench.endpoint.will("say_done", None)
    bench.readable()
    bench.writable()
    assert bench.protocol.events == ["made", ("lost", ConnectionDone)]


def test_what_is_written_while_a_read_wants_to_write_is_sent(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", WantWrite(), WantWrite(), WantRead())
    bench.endpoint.will("write", WantWrite(), None)
    bench.readable()
    bench.transport.write(b"answer")
    assert bench.wants() == "w"
    bench.writable()
    assert bench.endpoint.calls[-1] == ("write", b"answer")
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "r"
    assert bench.transport.buffered_bytes == 0


def test_a_write_that_wants_to_read_waits_for_bytes_only(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", WantRead(), WantRead(), 2, None)
    bench.endpoint.will("read", WantRead(), b"data", WantRead())
    bench.transport.write(b"answer")
    assert bench.wants() == "r"
    bench.readable()
    assert bench.wants() == "r"
    bench.readable()
    assert bench.protocol.data == b"data"
    assert bench.wants() == "rw"
    bench.writable()
    assert bench.wants() == "r"
    assert bench.endpoint.calls[-1] == ("write", b"swer")
    bench.readable()


def test_a_write_that_wants_to_read_does_so_while_paused(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", WantRead(), WantWrite(), WantRead(), None)
    bench.transport.write(b"answer")
    bench.transport.pauseProducing()
    assert bench.wants() == "r"
    bench.readable()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "r"
    bench.readable()
    assert bench.wants() == ""
    assert bench.transport.buffered_bytes == 0
    assert "read" not in [call[0] for call in bench.endpoint.calls]


def test_a_write_that_was_dropped_wants_nothing(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", WantRead())
    bench.endpoint.will("read", WantRead())
    bench.transport.write(b"answer")
    bench.transport.broke(OSError(32, "broken"))
    bench.readable()
    assert bench.wants() == "r"


def test_a_full_socket_is_waited_for_without_a_spin(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", 3, WantWrite(), None)
    bench.transport.write(b"answer")
    assert bench.wants() == "rw"
    bench.writable()
    bench.writable()
    assert bench.wants() == "r"
    assert [call[1] for call in bench.endpoint.calls] == [b"answer", b"wer", b"wer"]


# What is sent.


def test_pieces_that_wait_are_sent_as_one(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", WantWrite(), 4, None)
    for piece in (b"one ", b"two ", b"three"):
        bench.transport.write(piece)
    bench.writable()
    bench.writable()
    assert [call[1] for call in bench.endpoint.calls] == [b"one ", b"one two three", b"two three"]


def test_a_write_that_is_tried_again_begins_with_all_that_was_tried(
    scripted: MakeScripted,
) -> None:
    bench = scripted()
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    sizes = [1, 40_000, 10, 30_000, 70_000, 5]
    bench.endpoint.will("write", WantWrite())
    for number, size in enumerate(sizes):
        bench.transport.write(bytes([number]) * size)
    whole = b"".join(bytes([number]) * size for number, size in enumerate(sizes))
    sent = 0
    tried = b""
    takes = [WantWrite(), 1, WantWrite(), 20_000, WantWrite(), WantWrite(), 16_384]
    while bench.transport.buffered_bytes:
        step = takes.pop(0) if takes else None
        bench.endpoint.will("write", step)
        bench.writable()
        offered = bench.endpoint.calls[-1][1]
        assert whole.startswith(offered[:WRITE_BYTES_MAX], sent)
        assert offered[:WRITE_BYTES_MAX].startswith(tried[:WRITE_BYTES_MAX])
        if isinstance(step, int) or step is None:
            sent += len(offered) if step is None else step
            tried = b""
        else:
            tried = offered
        assert bench.transport.buffered_bytes == len(whole) - sent
    assert producer.calls == ["pause", "resume"]


def test_small_writes_to_a_slow_peer_arrive_whole(make: MakeBench) -> None:
    bench = make()
    bench.fill()
    for number in range(2000):
        bench.transport.write(b"%d," % number)
    bench.drain()
    assert bench.received().endswith(b"".join(b"%d," % number for number in range(2000)))


def test_a_failed_write_is_told_after_what_came_before(make: MakeBench) -> None:
    bench = make()
    bench.transport.pauseProducing()
    bench.other.connection.send(b"refused")
    bench.loop.settle()
    bench.resets()
    bench.transport.write(b"dropped")
    bench.transport.write(b"dropped")
    bench.loop.settle()
    bench.transport.resumeProducing()
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)


def test_a_write_error_waits_for_what_openssl_holds(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.owes |= HAS_MORE
    bench.endpoint.will("write", OSError(32, "broken"))
    bench.endpoint.will("read", b"last", TlsError("truncated", "no"))
    bench.transport.pauseProducing()
    bench.transport.write(b"x")
    bench.turn()
    assert bench.protocol.lost is None
    bench.transport.resumeProducing()
    bench.turn()
    assert bench.protocol.data == b"last"
    bench.readable()
    assert bench.protocol.lost is not None
    assert "broken" in str(bench.protocol.lost)


def test_the_last_bytes_leave_with_the_end_in_one_segment(make: MakeBench) -> None:
    bench = make()
    assert bench.received() == b""  # the tickets are out of the way
    bench.transport.write_last(b"last")
    with pytest.raises(BlockingIOError):
        bench.peer.recv(1, socket.MSG_PEEK)
    bench.transport.loseConnection()
    bench.settle()
    assert bench.received() == b"last"
    assert bench.other.fault is None


def test_a_unix_socket_has_no_segments(scripted: MakeScripted) -> None:
    bench = scripted()
    ours, theirs = socket.socketpair()
    bench.transport._socket = ours
    bench.endpoint.will("write", None)
    bench.transport.write_last(b"last")
    assert bench.endpoint.calls == [("write", b"last")]
    bench.transport._socket = bench.ours
    ours.close()
    theirs.close()


# Peers that do as they like.


def test_a_flood_of_key_updates_ends_the_connection(make: MakeBench) -> None:
    theirs, records_of = unruly_client()
    bench = make(theirs=theirs)
    records = records_of()
    bench.peer.send(b"".join(records.key_update() for _ in range(ASIDES_MAX + 5)))
    reads = 0
    original = bench.transport._recv

    def counted(size: int) -> bytes:
        nonlocal reads
        reads += 1
        return original(size)

    bench.transport._recv = counted
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert reads == ASIDES_MAX + 1, "each of them was a wake-up of its own"
    assert "nothing but messages of TLS" in str(bench.protocol.lost)


def test_key_updates_that_want_an_answer_get_one(make: MakeBench) -> None:
    theirs, records_of = unruly_client()
    bench = make(theirs=theirs)
    records = records_of()
    bench.peer.send(records.key_update(is_answer_wanted=True) + records.record(23, b"data"))
    bench.loop.run_until(lambda: bench.protocol.data == b"data")
    bench.transport.write(b"under the new key")
    bench.settle()
    assert bench.received() == b"under the new key"


def test_empty_records_end_the_connection(make: MakeBench) -> None:
    theirs, records_of = unruly_client()
    bench = make(theirs=theirs)
    records = records_of()
    bench.peer.send(b"".join(records.record(23, b"", 10) for _ in range(100)))
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)


@pytest.mark.parametrize(
    "record", [b"\x14\x03\x03\x00\x01\x01", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00", b"GET / HTTP"]
)
def test_unprotected_bytes_end_the_connection(make: MakeBench, record: bytes) -> None:
    bench = make()
    bench.peer.send(record)
    bench.loop.run_until(lambda: bench.protocol.lost)
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)


def test_a_renegotiation_is_refused_and_nothing_hangs(make: MakeBench) -> None:
    bench = make(theirs=client_context(version=SSL.TLS1_2_VERSION))
    bench.sends(b"before")
    bench.other.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        bench.other.connection.do_handshake()
    bench.loop.settle()
    with pytest.raises(SSL.Error):
        bench.other.connection.do_handshake()
    assert bench.protocol.lost is None
    bench.transport.write(b"after")
    bench.transport.loseConnection()
    bench.other.close()
    bench.loop.run_until(lambda: bench.protocol.lost)


def test_a_hang_up_that_the_loop_tells_is_read_for_its_reason(make: MakeBench) -> None:
    bench = make(HalfCloseableRecorder())
    bench.transport.pauseProducing()
    bench.other.connection.shutdown()
    bench.loop.settle()
    bench.transport.readConnectionLost(DONE)
    bench.transport.resumeProducing()
    bench.loop.settle()
    assert bench.protocol.events == ["made", "read lost"]


def test_a_hang_up_without_a_reason_is_a_truncation(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("read", WantRead())
    bench.transport.readConnectionLost(DONE)
    assert bench.protocol.events == ["made", ("lost", ConnectionLost)]


def test_a_hang_up_after_the_end_is_nothing_new(scripted: MakeScripted) -> None:
    bench = scripted(HalfCloseableRecorder())
    bench.endpoint.will("read", b"")
    bench.readable()
    bench.transport.readConnectionLost(DONE)
    assert bench.protocol.events == ["made", "read lost"]


def test_a_late_event_finds_nothing_to_do(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.transport.doWrite()
    bench.transport.pauseProducing()
    bench.transport.doRead()
    bench.transport.abortConnection()
    bench.transport.doRead()
    bench.transport.doWrite()
    bench.turn()
    bench.transport.abortConnection()
    bench.transport.loseConnection()
    assert bench.endpoint.calls == ["close"]
    assert bench.wants() == ""


def test_an_abort_while_a_read_waits_for_room_is_the_end(scripted: MakeScripted) -> None:
    class Aborting(Recorder):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.abortConnection()  # type: ignore[union-attr]

    bench = scripted(Aborting())
    bench.endpoint.will("read", WantWrite(), b"data")
    bench.readable()
    bench.transport.doWrite()
    bench.turn()
    assert bench.protocol.data == b"data"
    assert bench.protocol.lost is not None


def test_the_endpoint_is_closed_before_its_number_is_given_again(make: MakeBench) -> None:
    bench = make()
    number = bench.ours.fileno()
    bench.transport.abortConnection()
    bench.loop.settle()
    assert bench.ours.fileno() == -1
    again = [socket.socketpair() for _ in range(4)]
    assert any(number in (ours.fileno(), theirs.fileno()) for ours, theirs in again)
    with pytest.raises(TypeError):
        bench.endpoint.write(b"to a stranger")
    for pair in again:
        for sock in pair:
            sock.close()


def test_a_protocol_that_is_handed_the_connection_is_told_nothing_of_the_handshake(
    make: MakeBench,
) -> None:
    @implementer(IHandshakeListener)
    class HandingOver(Recorder):
        def handshakeCompleted(self) -> None:
            self.transport.protocol = successor  # type: ignore[union-attr]
            successor.makeConnection(self.transport)

    successor = Recorder()
    bench = make(HandingOver())
    bench.sends(b"data")
    assert successor.events == ["made", ("data", b"data")]
    assert bench.protocol.events == ["made"]
    bench.finishes()
    assert successor.lost is not None
