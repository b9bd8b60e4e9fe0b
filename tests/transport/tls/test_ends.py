"""How a connection with TLS begins and ends."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer

from sozutw.transport.losses import DONE, lost_by
from sozutw.transport.tls import binding, ends
from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite
from sozutw.transport.tls.ends import PLAIN_HTTP_ANSWER, READ_AWAY_BYTES_MAX
from sozutw.transport.tls.library import HAS_MORE
from sozutw.transport.tls.lingering import LINGER_SECONDS
from tests.fakes.benches import HalfCloseableRecorder, Producer, Recorder
from tests.fakes.certificates import leaf, root
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named
from tests.fakes.tls import (
    ScriptedBench,
    TlsBench,
    client_context,
    fresh_server_context,
    trusting,
)


@implementer(IHandshakeListener)
class Listener(Recorder):
    """A protocol that wants to know when the handshake is over."""

    def handshakeCompleted(self) -> None:
        self.events.append("greeted")


@implementer(IHandshakeListener)
class HalfCloseableListener(HalfCloseableRecorder):
    def handshakeCompleted(self) -> None:
        self.events.append("greeted")


MakeBench = Callable[..., TlsBench]


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as each:
        yield each


@pytest.fixture
def make(loop: HandRunLoop) -> Iterator[MakeBench]:
    made: list[TlsBench] = []

    def make(protocol: Recorder | None = None, **settings: Any) -> TlsBench:
        made.append(TlsBench(protocol or Listener(), loop, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def fault_of(bench: TlsBench) -> TlsError:
    """Return how the handshake failed."""
    bench.loop.run_until(lambda: (bench.received(), bench.settle(), bench.protocol.lost)[2])
    assert bench.protocol.lost is not None
    fault = bench.protocol.lost.value
    assert isinstance(fault, TlsError), fault
    assert bench.lost_calls == 1
    assert "greeted" not in bench.protocol.events
    return fault


# It begins.


@pytest.mark.parametrize("is_server", [True, False])
def test_the_end_of_the_handshake_is_told(make: MakeBench, is_server: bool) -> None:
    bench = make(is_server=is_server)
    assert bench.protocol.events == ["made", "greeted"]
    assert bench.transport.tls is not None
    assert bench.transport.tls.version == "TLSv1.3"


@pytest.mark.parametrize("is_server", [True, False])
def test_what_is_written_early_is_sent_afterwards(make: MakeBench, is_server: bool) -> None:
    bench = make(is_server=is_server, shakes_hands=False)
    bench.transport.write(b"ear")
    bench.transport.write_last(b"ly")
    assert bench.transport.buffered_bytes == 5
    assert bench.transport.is_still_open()
    bench.shake_hands()
    assert bench.received() == b"early"
    assert bench.transport.buffered_bytes == 0


def test_too_much_written_early_pauses_the_producer(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    producer = Producer()
    bench.transport.registerProducer(producer, True)
    bench.fill()
    assert producer.calls == ["pause"]
    bench.shake_hands()
    bench.drain()
    assert producer.calls == ["pause", "resume"]


def test_a_paused_protocol_does_not_stop_the_handshake(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.transport.pauseProducing()
    bench.shake_hands()
    assert bench.protocol.events == ["made", "greeted"]
    bench.sends(b"kept")
    assert bench.protocol.data == b""
    bench.transport.resumeProducing()
    bench.settle()
    assert bench.protocol.data == b"kept"


def test_reading_that_is_resumed_within_begins_when_it_is_over(make: MakeBench) -> None:
    bench = make(shakes_hands=False, is_server=False)
    bench.transport.pauseProducing()
    bench.loop.settle()
    bench.transport.resumeProducing()
    bench.shake_hands()
    bench.sends(b"heard")
    assert bench.protocol.data == b"heard"


def test_who_closes_within_it_is_closed_at_once(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.transport.loseConnection()
    assert bench.protocol.lost is None
    bench.loop.settle()
    assert bench.protocol.events == ["made", ("lost", ConnectionDone)]


def test_what_was_written_before_a_close_within_it_is_sent_first(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.transport.write(b"last words")
    bench.transport.loseConnection()
    bench.settle()
    bench.loop.run_until(lambda: (bench.other.step(), bench.settle(), bench.protocol.lost)[2])
    assert bench.received() == b"last words"
    assert bench.other.fault is None
    assert bench.protocol.events == ["made", ("lost", ConnectionDone)]


@pytest.mark.parametrize("writes", [True, False])
def test_a_half_close_within_it_waits_for_its_end(make: MakeBench, writes: bool) -> None:
    bench = make(HalfCloseableListener(), shakes_hands=False)
    if writes:
        bench.transport.write(b"all")
    bench.transport.loseWriteConnection()
    bench.settle()
    assert bench.protocol.events == ["made"]
    bench.shake_hands()
    assert bench.has_seen_the_end()
    assert bench.received() == (b"all" if writes else b"")
    assert bench.protocol.events == ["made", "greeted", "write lost"]
    bench.sends(b"heard")
    assert bench.protocol.data == b"heard"


@pytest.mark.parametrize("way", ["abortConnection", "reset"])
def test_an_abort_within_it_tells_nothing_but_the_loss(make: MakeBench, way: str) -> None:
    bench = make(shakes_hands=False)
    bench.transport.write(b"dropped")
    bench.other.step()
    bench.loop.settle()
    bench.other.step()
    getattr(bench.transport, way)()
    bench.loop.settle()
    assert bench.protocol.events == ["made", ("lost", ConnectionAborted)]


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedBench]]:
    made: list[ScriptedBench] = []

    def make(protocol: Recorder | None = None, **settings: Any) -> ScriptedBench:
        made.append(ScriptedBench(protocol or Recorder(), **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


MakeScripted = Callable[..., ScriptedBench]


def test_a_server_waits_for_bytes_and_a_client_begins(scripted: MakeScripted) -> None:
    assert scripted(is_open=False).wants() == "r"
    client = scripted(is_open=False, is_server=False)
    assert client.wants() == "w"
    client.endpoint.will("handshake", WantRead())
    client.writable()
    assert client.wants() == "r"


def test_a_handshake_waits_for_what_it_lacks_and_for_nothing_else(scripted: MakeScripted) -> None:
    bench = scripted(is_open=False)
    bench.endpoint.will("handshake", WantRead(), WantWrite(), WantWrite(), WantRead(), WantWrite())
    bench.readable()
    assert bench.wants() == "r"
    bench.readable()
    assert bench.wants() == "w"
    bench.transport.write(b"early")
    bench.transport.pauseProducing()
    bench.transport.resumeProducing()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "r"
    bench.readable()
    assert bench.wants() == "w"
    bench.endpoint.will("handshake", None)
    bench.endpoint.will("write", None)
    bench.writable()
    assert bench.wants() == "r"
    assert bench.endpoint.calls[-1] == ("write", b"early")


def test_a_handshake_that_waits_for_room_can_be_aborted(scripted: MakeScripted) -> None:
    bench = scripted(is_open=False)
    bench.endpoint.will("handshake", WantWrite())
    bench.readable()
    bench.transport.abortConnection()
    assert bench.wants() == ""
    bench.turn()
    assert bench.protocol.events == ["made", ("lost", ConnectionAborted)]


def test_a_refused_client_stays_for_two_seconds_at_most(scripted: MakeScripted) -> None:
    bench = scripted(is_open=False)
    bench.endpoint.will("handshake", WantWrite(), TlsError("decrypt_error", "no"))
    bench.readable()
    bench.writable()
    assert bench.transport.disconnecting
    bench.turn(LINGER_SECONDS - 0.1)
    assert bench.protocol.lost is None
    bench.transport.doWrite()
    assert bench.wants() == "r"
    bench.turn(0.1)
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(TlsError)


def test_a_backend_is_refused_at_once(scripted: MakeScripted) -> None:
    bench = scripted(is_open=False, is_server=False)
    bench.endpoint.will("handshake", TlsError("decrypt_error", "no"))
    bench.writable()
    assert bench.protocol.lost is not None


def test_a_socket_too_full_for_the_end_is_waited_for(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("say_done", WantWrite(), WantWrite(), None)
    bench.transport.loseConnection()
    bench.turn()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "w"
    bench.writable()
    assert bench.wants() == "r"
    bench.peer.close()
    bench.readable()
    assert bench.protocol.events == ["made", ("lost", ConnectionDone)]


def test_a_half_close_that_waits_for_room_goes_on_reading(scripted: MakeScripted) -> None:
    bench = scripted(HalfCloseableRecorder())
    bench.endpoint.will("say_done", WantWrite(), None)
    bench.endpoint.will("read", b"heard")
    bench.transport.loseWriteConnection()
    bench.turn()
    assert bench.wants() == "rw"
    bench.readable()
    bench.writable()
    assert bench.wants() == "r"
    assert bench.protocol.events == ["made", ("data", b"heard"), "write lost"]


def test_an_end_that_cannot_be_told_is_a_loss(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("say_done", TlsError("other", "no"))
    bench.transport.loseConnection()
    bench.turn()
    bench.turn()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)


def test_the_peers_end_is_waited_for_two_seconds_at_most(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("say_done", None)
    bench.transport.loseConnection()
    bench.turn()
    bench.turn(LINGER_SECONDS - 0.1)
    assert bench.protocol.lost is None
    bench.turn(0.1)
    assert bench.protocol.events == ["made", ("lost", ConnectionDone)]
    assert not bench.loop.getDelayedCalls()


def test_what_failed_before_is_the_reason_of_a_close(scripted: MakeScripted) -> None:
    bench = scripted()
    bench.endpoint.will("write", OSError(32, "broken"))
    bench.transport.pauseProducing()
    bench.peer.send(b"x")
    bench.transport.write(b"x")
    bench.turn()
    assert bench.protocol.lost is None
    bench.transport.loseConnection()
    bench.turn()
    assert bench.protocol.events == ["made", ("lost", ConnectionLost)]


def test_a_protocol_may_close_as_it_is_told(make: MakeBench) -> None:
    @implementer(IHandshakeListener)
    class Closing(Listener):
        def handshakeCompleted(self) -> None:
            super().handshakeCompleted()
            getattr(self.transport, way)()

    for way in ("abortConnection", "loseConnection", "loseWriteConnection"):
        bench = make(Closing(), shakes_hands=False)
        bench.transport.write(b"early")
        bench.loop.run_until(lambda bench=bench: (bench.other.step(), bench.has_seen_the_end())[1])
        assert bench.received() == (b"" if way == "abortConnection" else b"early")
        bench.transport.abortConnection()
        bench.settle()
        assert bench.protocol.events[:2] == ["made", "greeted"]


def test_a_fault_of_ours_in_who_verifies_is_no_refusal(scripted: MakeScripted) -> None:
    def fail(_: SSL.Connection) -> None:
        raise AssertionError("ours")

    bench = scripted(is_open=False)
    bench.transport._verify = fail
    bench.endpoint.will("handshake", None)
    with pytest.raises(AssertionError):
        bench.readable()


# It is refused.


@pytest.mark.parametrize(
    ("fault", "cause", "text"),
    [
        (TlsError("no_alpn", "not my protocol"), "no_alpn", "not my protocol"),
        (ValueError("not my backend"), "invalid_certificate", "not my backend"),
        (ValueError(), "invalid_certificate", "ValueError"),
    ],
)
def test_who_verifies_may_refuse(make: MakeBench, fault: Exception, cause: str, text: str) -> None:
    def refuse(connection: SSL.Connection) -> None:
        assert connection.get_cipher_name()
        raise fault

    bench = make(is_server=False, verify=refuse)
    told = fault_of(bench)
    assert (told.cause, told.strerror) == (cause, text)
    assert bench.transport.tls is None
    assert bench.received() == b""


def test_who_verifies_may_accept(make: MakeBench) -> None:
    seen: list[SSL.Connection] = []
    bench = make(is_server=False, verify=seen.append)
    assert seen == [bench.endpoint.connection]
    assert bench.transport.tls is not None


def test_a_certificate_of_an_unknown_authority_is_refused(make: MakeBench) -> None:
    bench = make(is_server=False, ours=trusting(root("Somebody else")))
    told = fault_of(bench)
    assert told.cause == "invalid_certificate"
    assert "unable to get local issuer certificate" in str(told)


def test_a_clients_refusal_is_an_alert(make: MakeBench) -> None:
    bench = make(theirs=trusting(root("Somebody else")))
    told = bench.protocol.lost or fault_of(bench)
    assert "alert unknown ca" in str(told)


def test_an_old_client_is_told_why(make: MakeBench) -> None:
    modern = fresh_server_context()
    modern.set_min_proto_version(SSL.TLS1_3_VERSION)
    bench = make(ours=modern, theirs=client_context(version=SSL.TLS1_2_VERSION))
    assert fault_of(bench).cause == "peer_incompatible"
    assert "alert protocol version" in str(bench.other.fault)


def test_a_client_without_a_certificate_is_told_why(make: MakeBench) -> None:
    strict = fresh_server_context()
    strict.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    with binding.as_file(root().pem) as path:
        strict.load_verify_locations(path)
    bench = make(ours=strict)
    assert fault_of(bench).cause == "no_certificates_present"
    assert "alert certificate required" in str(bench.other.fault)


def test_a_client_with_another_protocol_is_told_why(make: MakeBench) -> None:
    choosy = fresh_server_context(leaf("localhost"))
    binding.alpn_choice([b"http/1.1"])(choosy)
    other = client_context()
    other.set_alpn_protos([b"h2"])
    bench = make(ours=choosy, theirs=other)
    assert fault_of(bench).cause == "no_alpn"
    assert "alert no application protocol" in str(bench.other.fault)


def test_plain_http_is_answered_in_plain_http(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.peer.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    bench.loop.settle()
    assert bench.peer.recv(1 << 16) == PLAIN_HTTP_ANSWER
    assert bench.peer.recv(1 << 16) == b""
    assert bench.protocol.lost is None
    bench.peer.shutdown(socket.SHUT_WR)
    assert fault_of(bench).cause == "plain_http"
    head, body = PLAIN_HTTP_ANSWER.split(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert head.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x80\x2e\x01\x00\x02" + bytes(40),
        b"\x16\x03\x01\xff\xff" + bytes(80000),
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x14\x03\x03\x00\x01\x01" * 1000,
        b"\x16\x03\x01\x00\x00" * 1000,
        bytes(1000),
    ],
)
def test_garbage_is_refused_and_leaves_nothing_behind(make: MakeBench, garbage: bytes) -> None:
    bench = make(shakes_hands=False)
    bench.peer.send(garbage)
    bench.loop.settle()
    bench.peer.shutdown(socket.SHUT_WR)
    assert fault_of(bench).cause != "other"


def test_a_client_that_goes_away_within_it_is_an_eof(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.other.step()
    bench.loop.settle()
    bench.peer.shutdown(socket.SHUT_WR)
    assert fault_of(bench).cause == "eof"


def test_a_client_that_resets_within_it_is_an_eof(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.other.step()
    bench.loop.settle()
    bench.resets()
    assert fault_of(bench).cause == "eof"


def test_a_hang_up_that_the_loop_tells_is_an_eof(make: MakeBench) -> None:
    bench = make(shakes_hands=False)
    bench.transport.connectionLost(lost_by(OSError(104, "reset")))
    assert fault_of(bench).cause == "eof"
    bench = make(shakes_hands=False)
    bench.peer.shutdown(socket.SHUT_WR)
    bench.transport.readConnectionLost(DONE)
    assert fault_of(bench).cause == "eof"


# It ends.


def test_the_end_is_told_in_tls_and_waited_for(make: MakeBench) -> None:
    bench = make()
    bench.transport.write_last(b"last")
    bench.transport.loseConnection()
    bench.loop.settle()
    assert bench.protocol.lost is None
    assert bench.received() == b"last"
    assert bench.other.has_ended
    assert bench.other.fault is None
    assert bench.peer.recv(1) == b""
    bench.other.close()
    bench.loop.settle()
    assert bench.protocol.events[-1] == ("lost", ConnectionDone)


def test_a_peer_that_goes_on_sending_is_not_listened_to_for_long(make: MakeBench) -> None:
    bench = make()
    bench.transport.loseConnection()
    bench.loop.settle()
    sent = 0
    while bench.protocol.lost is None:
        with suppress(OSError):
            sent += bench.peer.send(bytes(1 << 14))
        bench.loop.turn()
    assert sent < 100 * READ_AWAY_BYTES_MAX
    bench.loop.settle()
    assert bench.protocol.data == b""
    assert bench.protocol.events[-1] == ("lost", ConnectionDone)


def test_a_reset_while_we_wait_for_the_end_is_an_end(make: MakeBench) -> None:
    bench = make()
    bench.transport.loseConnection()
    bench.loop.settle()
    bench.resets()
    assert bench.protocol.events[-1] == ("lost", ConnectionDone)


def test_a_hang_up_while_we_wait_for_the_end_is_an_end(make: MakeBench) -> None:
    for tell in ("connectionLost", "readConnectionLost"):
        bench = make()
        bench.transport.loseConnection()
        bench.loop.settle()
        getattr(bench.transport, tell)(lost_by(OSError(104, "reset")))
        assert bench.protocol.events[-1] == ("lost", ConnectionDone)


def test_an_abort_while_we_wait_for_the_end_is_told_once(make: MakeBench) -> None:
    bench = make()
    bench.transport.loseConnection()
    bench.loop.settle()
    bench.transport.abortConnection()
    bench.loop.settle()
    assert bench.protocol.events[-1] == ("lost", ConnectionAborted)


def test_a_peer_that_has_ended_is_not_waited_for(make: MakeBench) -> None:
    bench = make(HalfCloseableListener())
    bench.finishes()
    bench.transport.write(b"answer")
    bench.transport.loseConnection()
    bench.loop.settle()
    assert bench.protocol.lost is not None
    assert bench.received() == b"answer"
    assert bench.other.has_ended
    assert bench.other.fault is None


def test_a_close_after_a_half_close_waits_for_the_peer(make: MakeBench) -> None:
    bench = make(HalfCloseableListener())
    bench.transport.loseWriteConnection()
    bench.loop.settle()
    bench.transport.loseConnection()
    bench.loop.settle()
    assert bench.protocol.lost is None
    bench.other.close()
    bench.loop.settle()
    assert bench.protocol.events == ["made", "greeted", "write lost", ("lost", ConnectionDone)]


def test_a_large_answer_to_a_peer_that_still_sends_arrives_whole(make: MakeBench) -> None:
    bench = make()
    answer = bytes(range(256)) * 8000
    bench.transport.write(answer)
    bench.transport.loseConnection()
    for _ in range(3):
        bench.other.try_to_send(b"more of the request")
        bench.loop.turn()
    bench.loop.run_until(bench.has_seen_the_end)
    assert bench.received() == answer
    assert bench.other.fault is None


def test_an_end_without_a_word_is_a_loss(make: MakeBench) -> None:
    bench = make(HalfCloseableListener())
    bench.sends(b"half of it")
    bench.peer.shutdown(socket.SHUT_WR)
    bench.loop.settle()
    assert bench.protocol.data == b"half of it"
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)
    assert "no close_notify" in str(bench.protocol.lost) or "eof" in str(bench.protocol.lost)


def test_a_broken_record_is_a_loss(make: MakeBench) -> None:
    bench = make()
    bench.peer.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    bench.loop.settle()
    assert bench.protocol.lost is not None
    assert bench.protocol.lost.check(ConnectionLost)
    assert "decryption failed" in str(bench.protocol.lost)


def test_a_peer_that_is_done_hears_that_we_are_too(make: MakeBench) -> None:
    bench = make()
    bench.finishes()
    assert bench.protocol.events[-1] == ("lost", ConnectionDone)
    bench.received()
    assert bench.other.fault is None


def test_what_cannot_be_told_of_a_peer_refuses_it(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_connection: object, *, is_server: bool) -> None:
        raise ValueError("a subject that nobody can read")

    monkeypatch.setattr(ends, "facts", fails)
    bench = make()
    fault = fault_of(bench)
    assert fault.cause == "invalid_certificate"
    assert "nobody can read" in str(fault)


def test_a_close_that_cannot_be_said_does_not_wait_for_what_nobody_reads(
    scripted: MakeScripted,
) -> None:
    bench = scripted(Listener())
    bench.endpoint.owes |= HAS_MORE
    bench.endpoint.will("say_done", ConnectionResetError(104, "reset"))
    bench.transport.loseConnection()
    bench.turn()
    bench.turn()
    assert bench.protocol.lost is not None
