"""What an endpoint promises, of both kinds: by pyOpenSSL's methods, and by the binding below."""

import gc
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from OpenSSL import SSL

from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite
from sozutw.transport.tls.direct import DirectEndpoint
from sozutw.transport.tls.endpoint import (
    HAS_MORE,
    RECORD_BYTES,
    WRITE_BYTES_MAX,
    WRITE_WANTS_READ,
    WrappedEndpoint,
)
from tests.fakes.certificates import root
from tests.fakes.tls import Peer, client_context, fault_in, server_context, trusting

Kind = type[WrappedEndpoint]


class Pair:
    """An endpoint, and its other side."""

    def __init__(self, kind: Kind, *, is_server: bool = True, **settings: Any) -> None:
        self.is_closed = False
        self.ours, self.theirs = socket.socketpair()
        for sock in (self.ours, self.theirs):
            sock.setblocking(False)
        ours = settings.pop("ours", None) or (server_context() if is_server else client_context())
        theirs = settings.pop("theirs", None) or (
            client_context() if is_server else server_context()
        )
        self.endpoint = kind(ours, self.ours, is_server=is_server, **settings)
        self.other = Peer(self.theirs, theirs, is_server=not is_server)

    def shake_hands(self) -> "Pair":
        for _ in range(10):
            try:
                self.endpoint.handshake()
            except BlockingIOError:
                pass
            else:
                if self.other.step():
                    break
            self.other.step()
        assert self.other.fault is None
        return self

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.endpoint.close()
            self.ours.close()
            self.theirs.close()


MakePair = Callable[..., Pair]


@pytest.fixture(params=[WrappedEndpoint, DirectEndpoint])
def pair(request: pytest.FixtureRequest) -> Iterator[MakePair]:
    made: list[Pair] = []

    def make(*, shakes_hands: bool = True, **settings: Any) -> Pair:
        made.append(Pair(request.param, **settings))
        return made[-1].shake_hands() if shakes_hands else made[-1]

    yield make
    for each in made:
        each.close()


def read_all(endpoint: WrappedEndpoint, size: int = 1 << 18) -> bytes:
    data = b""
    while True:
        try:
            more = endpoint.read(size)
        except WantRead:
            return data
        if not more:
            return data
        data += more


def test_bytes_come_and_go(pair: MakePair) -> None:
    both = pair()
    both.other.connection.send(b"question")
    assert both.endpoint.read(RECORD_BYTES) == b"question"
    assert both.endpoint.write(b"answer") == len(b"answer")
    assert both.other.read() == b"answer"
    assert both.endpoint.owes == 0


def test_nothing_to_read_is_told_apart_from_no_room(pair: MakePair) -> None:
    both = pair()
    with pytest.raises(WantRead):
        both.endpoint.read(RECORD_BYTES)
    assert type(fault_in(lambda: both.endpoint.write(b"x" * RECORD_BYTES))) is WantWrite
    assert both.endpoint.owes == 0


@pytest.mark.parametrize("as_view", [False, True])
def test_a_write_takes_at_most_so_much_at_once(pair: MakePair, as_view: bool) -> None:
    both = pair()
    data = bytes(range(256)) * 400
    sent = both.endpoint.write(memoryview(data) if as_view else data)
    assert 0 < sent <= WRITE_BYTES_MAX
    while sent < len(data):
        both.other.read()
        sent += both.endpoint.write(memoryview(data)[sent:])
    assert both.other.read() == data


def test_a_write_goes_on_where_it_stopped(pair: MakePair) -> None:
    both = pair()
    data = bytes(range(256)) * 8000
    sent = 0
    while sent < len(data):
        try:
            sent += both.endpoint.write(data[sent:])
        except WantWrite:
            both.other.read()
    assert both.other.read() == data


def test_what_a_small_read_leaves_is_told(pair: MakePair) -> None:
    both = pair()
    both.other.connection.send(b"abcdef")
    assert both.endpoint.read(4) == b"abcd"
    assert both.endpoint.owes == HAS_MORE
    assert both.endpoint.read(4) == b"ef"


def test_an_end_in_order_is_no_bytes(pair: MakePair) -> None:
    both = pair()
    both.other.connection.send(b"last")
    both.other.finish()
    assert both.endpoint.read(RECORD_BYTES) == b"last"
    assert both.endpoint.read(RECORD_BYTES) == b""
    assert both.endpoint.read(RECORD_BYTES) == b""
    assert both.endpoint.write(b"still heard") > 0


def test_an_end_without_a_word_is_a_truncation(pair: MakePair) -> None:
    both = pair()
    both.theirs.shutdown(socket.SHUT_WR)
    for _ in range(2):
        with pytest.raises(TlsError) as caught:
            both.endpoint.read(RECORD_BYTES)
        assert caught.value.cause == "truncated"


def test_a_broken_record_is_told_as_often_as_it_is_asked_for(pair: MakePair) -> None:
    both = pair()
    both.theirs.send(b"\x17\x03\x03\x00\x20" + bytes(32))
    for _ in range(2):
        with pytest.raises(TlsError) as caught:
            both.endpoint.read(RECORD_BYTES)
        assert caught.value.cause == "decrypt_error"
    with pytest.raises(TlsError):
        both.endpoint.write(b"x")


def test_a_peer_that_is_gone_is_no_place_to_write_to(pair: MakePair) -> None:
    both = pair()
    both.theirs.close()
    fault = fault_in(lambda: both.endpoint.write(b"x"), 3)
    assert not isinstance(fault, BlockingIOError)


def test_one_connections_error_is_not_told_as_anothers(pair: MakePair) -> None:
    from OpenSSL._util import lib

    both = pair()
    lib.ERR_put_error(6, 0, 100, b"elsewhere", 1)
    assert lib.ERR_peek_error()
    with pytest.raises(WantRead):
        both.endpoint.read(RECORD_BYTES) if type(both.endpoint) is DirectEndpoint else (
            lib.ERR_clear_error(),
            both.endpoint.read(RECORD_BYTES),
        )
    lib.ERR_put_error(6, 0, 100, b"elsewhere", 1)
    assert not both.endpoint.has_said_something() or type(both.endpoint) is WrappedEndpoint
    lib.ERR_clear_error()


def test_silence_is_told_from_a_word(pair: MakePair) -> None:
    both = pair()
    assert not both.endpoint.has_said_something()
    both.other.connection.send(b"word")
    assert both.endpoint.has_said_something()
    assert both.endpoint.owes == HAS_MORE
    assert both.endpoint.read(RECORD_BYTES) == b"word"
    both.theirs.shutdown(socket.SHUT_WR)
    assert both.endpoint.has_said_something()


def test_tickets_are_no_word(pair: MakePair) -> None:
    both = pair(is_server=False)
    assert both.ours.recv(1 << 16, socket.MSG_PEEK)
    for _ in range(4):
        assert not both.endpoint.has_said_something()
    with pytest.raises(BlockingIOError):
        both.ours.recv(1, socket.MSG_PEEK)


def test_we_are_done_is_an_end_in_order_for_the_peer(pair: MakePair) -> None:
    both = pair()
    both.endpoint.say_done()
    assert both.other.read() == b""
    assert both.other.has_ended
    assert both.other.fault is None


def test_we_are_done_waits_for_room(pair: MakePair) -> None:
    both = pair()
    assert type(fault_in(lambda: both.endpoint.write(b"x" * RECORD_BYTES))) is WantWrite
    # The record that is under way goes first; then the socket is filled to the brim.
    both.other.read()
    both.endpoint.write(b"x" * RECORD_BYTES)
    assert isinstance(fault_in(lambda: both.ours.send(bytes(64))), BlockingIOError)
    with pytest.raises(WantWrite):
        both.endpoint.say_done()
    both.theirs.recv(1 << 20)
    both.endpoint.say_done()
    assert both.endpoint.connection.get_shutdown() & SSL.SENT_SHUTDOWN


def test_a_handshake_that_ends_is_told_as_such(pair: MakePair) -> None:
    both = pair(shakes_hands=False)
    with pytest.raises(WantRead):
        both.endpoint.handshake()
    both.theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(TlsError) as caught:
        both.endpoint.handshake()
    assert caught.value.cause == "eof"


@pytest.mark.parametrize(
    ("bytes_sent", "cause"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "plain_http"),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", "plain_http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "invalid_message"),
        (b"\x16\x03\x01\xff\xff" + bytes(100), "oversized_record"),
        (b"\x17\x03\x01\x00\x10" + bytes(16), "inappropriate_handshake_message"),
    ],
)
def test_what_is_no_handshake_is_told_by_its_kind(
    pair: MakePair, bytes_sent: bytes, cause: str
) -> None:
    both = pair(shakes_hands=False)
    both.theirs.send(bytes_sent)
    with pytest.raises(TlsError) as caught:
        both.endpoint.handshake()
    assert caught.value.cause == cause


def test_a_certificate_is_refused_with_a_reason(pair: MakePair) -> None:
    both = pair(is_server=False, ours=trusting(root("Somebody else")), shakes_hands=False)
    fault = fault_in(lambda: (both.other.step(), both.endpoint.handshake()), 5)
    assert isinstance(fault, TlsError)
    assert fault.cause == "invalid_certificate"
    assert "unable to get local issuer certificate" in str(fault)


@pytest.mark.parametrize(
    ("name", "sent"),
    [("Shop.Example.", b"Shop.Example"), ("192.0.2.1", None), ("2001:db8::1", None), (None, None)],
)
def test_the_name_is_told_unless_it_is_an_address(
    pair: MakePair, name: str | None, sent: bytes | None
) -> None:
    both = pair(is_server=False, server_name=name)
    assert both.other.connection.get_servername() == sent


def test_a_session_is_resumed_even_after_an_end_without_a_word(pair: MakePair) -> None:
    ours = client_context()
    first = pair(is_server=False, ours=ours)
    read_all(first.endpoint)
    session = first.endpoint.connection.get_session()
    first.close()
    del first.endpoint
    gc.collect()
    second = pair(is_server=False, ours=ours, session=session)
    from sozutw.transport.tls.direct import is_resumed

    assert is_resumed(second.endpoint.connection)


def test_a_connection_can_be_renegotiated_by_nobody(pair: MakePair) -> None:
    both = pair(theirs=client_context(version=SSL.TLS1_2_VERSION))
    assert both.endpoint.connection.get_protocol_version_name() == "TLSv1.2"
    assert both.other.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        both.other.connection.do_handshake()
    with pytest.raises(WantRead):
        both.endpoint.read(RECORD_BYTES)
    with pytest.raises(SSL.Error):
        both.other.connection.do_handshake()


def test_a_write_that_wants_to_read_says_so(
    pair: MakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = pair(shakes_hands=False)
    # Before the handshake a write has to read first: the only case that can be had for real.
    with pytest.raises(WantRead):
        both.endpoint.write(b"early")
    assert both.endpoint.owes == WRITE_WANTS_READ
