"""TLS for tests: contexts, a bench whose peer speaks it, an endpoint that follows a script."""

import hmac
import socket
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from typing_extensions import override

from sozutw.transport.tls.binding import as_file
from sozutw.transport.tls.causes import WantRead
from sozutw.transport.tls.endpoint import WRITE_WANTS_READ, WrappedEndpoint
from sozutw.transport.tls.library import Endpoint, prepare
from sozutw.transport.tls.stream import TlsTransport
from tests.fakes.benches import RealBench, Recorder, tcp_pair
from tests.fakes.certificates import Issued, leaf, root
from tests.fakes.loops import HandRunLoop

TLS13_SUITE = b"TLS_AES_128_GCM_SHA256"
"""What TlsRecords writes; a client that is to be played by it must offer nothing else."""


def fresh_server_context(issued: Issued | None = None) -> SSL.Context:
    """Return a server's context with a certificate for localhost."""
    issued = issued or leaf("localhost")
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    prepare(context)
    context.use_certificate(issued.certificate)
    context.use_privatekey(issued.key)
    return context


@cache
def server_context() -> SSL.Context:
    """Return one for all tests that change nothing of it."""
    return fresh_server_context()


def client_context(**versions: int) -> SSL.Context:
    """Return a client's context that takes anybody; ``version`` is the highest it offers."""
    context = SSL.Context(SSL.TLS_METHOD)
    prepare(context)
    if "version" in versions:
        context.set_max_proto_version(versions["version"])
    return context


def trusting(authority: Issued | None = None) -> SSL.Context:
    """Return a client's context that verifies."""
    context = client_context()
    context.set_verify(SSL.VERIFY_PEER)
    with as_file((authority or root()).pem) as path:
        context.load_verify_locations(path)
    return context


class Peer:
    """The other side, by pyOpenSSL's own methods on a non-blocking socket."""

    def __init__(self, sock: socket.socket, context: SSL.Context, *, is_server: bool) -> None:
        self.sock = sock
        self.connection = SSL.Connection(context, sock)
        if is_server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()
        self.fault: Exception | None = None
        self.is_greeted = False
        self.has_ended = False
        self.is_closed = False
        self.data = bytearray()

    def step(self) -> bool:
        """Go on with the handshake; return whether it is over, well or badly."""
        if not self.is_greeted and self.fault is None:
            try:
                self.connection.do_handshake()
            except (SSL.WantReadError, SSL.WantWriteError):
                return False
            except SSL.Error as fault:
                self.fault = fault
            else:
                self.is_greeted = True
        return True

    def read(self) -> bytes:
        """Return all that came so far."""
        while not (self.has_ended or self.is_closed):
            try:
                self.data += self.connection.recv(1 << 16)
            except (SSL.WantReadError, SSL.WantWriteError):
                break
            except SSL.Error as fault:
                self.has_ended = True
                if not isinstance(fault, SSL.ZeroReturnError):
                    self.fault = self.fault or fault
        return bytes(self.data)

    def try_to_send(self, data: bytes) -> int:
        try:
            return self.connection.send(data)
        except (SSL.WantReadError, SSL.WantWriteError):
            return 0

    def finish(self) -> None:
        """Say that it is done, and end."""
        if not self.is_closed:
            self.connection.shutdown()
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.sock.close()


class TlsBench(RealBench):
    """RealBench with TLS: the handshake is over when it is made, unless told otherwise."""

    transport: TlsTransport

    def __init__(
        self,
        protocol: Recorder,
        loop: HandRunLoop,
        *,
        is_server: bool = True,
        ours: SSL.Context | None = None,
        theirs: SSL.Context | None = None,
        shakes_hands: bool = True,
        kind: Callable[..., Any] = Endpoint,
        verify: Callable[[SSL.Connection], None] | None = None,
        **settings: Any,
    ) -> None:
        self.protocol = protocol
        self.loop = loop
        self.ours, self.peer = tcp_pair()
        for sock in (self.ours, self.peer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
        # Or what follows a ticket would wait for its acknowledgement.
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lost_calls = 0
        ours = ours or (server_context() if is_server else client_context())
        theirs = theirs or (client_context() if is_server else server_context())
        self.endpoint = kind(ours, self.ours, is_server=is_server, **settings)
        self.other = Peer(self.peer, theirs, is_server=not is_server)
        self.transport = TlsTransport(
            loop.reactor,
            self.ours,
            protocol,
            IPv4Address("TCP", *self.ours.getsockname()),
            IPv4Address("TCP", *self.ours.getpeername()),
            self.endpoint,
            self._on_lost,
            verify,
        )
        self.transport.resumeProducing()
        protocol.makeConnection(self.transport)
        if shakes_hands:
            self.shake_hands()

    def shake_hands(self) -> None:
        """Run until both sides are done with it, or one has given up."""
        self.loop.run_until(lambda: self.other.step() and self.is_settled())
        self.loop.settle()

    def is_settled(self) -> bool:
        return self.transport.tls is not None or self.transport.disconnecting

    @override
    def sends(self, data: bytes) -> None:
        while data:
            data = data[self.other.try_to_send(data) :]
            self.loop.turn(0.002)
        self.settle()

    @override
    def finishes(self) -> None:
        self.other.finish()
        self.settle()

    @override
    def resets(self) -> None:
        self.other.is_closed = True
        super().resets()

    @override
    def received(self) -> bytes:
        return self.other.read()

    @override
    def has_seen_the_end(self) -> bool:
        self.received()
        return self.other.has_ended

    @override
    def settle(self) -> None:
        self.loop.settle()
        if self.transport.disconnecting and not self.transport.disconnected:
            # A peer that has seen the end closes, as clients do.
            self.received()
            if self.other.has_ended:
                self.other.close()
            self.loop.settle()

    @override
    def close(self) -> None:
        super().close()
        self.other.close()


def fault_in(call: Callable[[], object], calls_max: int = 100_000) -> OSError:
    """Call until it fails, were it for want of room; a want of bytes is no failure."""
    for _ in range(calls_max):
        try:
            call()
        except WantRead:
            continue
        except OSError as fault:
            return fault
    raise AssertionError("nothing failed")


class ScriptedEndpoint(WrappedEndpoint):
    """
    An endpoint that does what a test says: each call takes the next step of its script.

    A step is what is returned or, if it is an exception, raised.
    """

    __slots__ = ("calls", "script")

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.script: dict[str, list[Any]] = {}
        self.calls: list[Any] = []

    def will(self, call: str, *steps: Any) -> None:
        self.script.setdefault(call, []).extend(steps)

    def _next(self, call: str, *args: Any) -> Any:
        self.calls.append((call, *args) if args else call)
        steps = self.script.get(call)
        assert steps, f"{call} was not expected"
        step = steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    @override
    def handshake(self) -> None:
        self._next("handshake")

    @override
    def read(self, size: int) -> bytes:
        data: bytes = self._next("read", size)
        return data

    @override
    def write(self, data: bytes | memoryview) -> int:
        try:
            sent = self._next("write", bytes(data))
        except BlockingIOError as want:
            if type(want) is WantRead:
                self.owes |= WRITE_WANTS_READ
            raise
        return len(data) if sent is None else int(sent)

    @override
    def say_done(self) -> None:
        self._next("say_done")

    @override
    def close(self) -> None:
        self.calls.append("close")


class InterestLoop(Clock):
    """A loop with a clock, whose events are a test's: it knows who wants which."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)


class ScriptedBench:
    """A transport on a ScriptedEndpoint, whose loop is the test; the handshake is over."""

    def __init__(self, protocol: Recorder, *, is_open: bool = True, is_server: bool = True) -> None:
        self.loop = InterestLoop()
        self.protocol = protocol
        self.ours, self.peer = tcp_pair()
        context = server_context() if is_server else client_context()
        self.endpoint = ScriptedEndpoint(context, self.ours, is_server=is_server)
        address = IPv4Address("TCP", "127.0.0.1", 1)
        self.transport = TlsTransport(
            self.loop, self.ours, protocol, address, address, self.endpoint
        )
        self.transport.resumeProducing()
        protocol.makeConnection(self.transport)
        if is_open:
            self.endpoint.will("handshake", None)
            self.readable() if is_server else self.writable()
            self.endpoint.calls.clear()
            assert self.wants() == "r"

    def wants(self) -> str:
        """Return what the loop is asked to watch for: r, w, both or neither."""
        return "r" * (self.transport in self.loop.readers) + "w" * (
            self.transport in self.loop.writers
        )

    def readable(self) -> None:
        assert "r" in self.wants()
        self.transport.doRead()

    def writable(self) -> None:
        assert "w" in self.wants()
        self.transport.doWrite()

    def turn(self, seconds: float = 0) -> None:
        self.loop.advance(seconds)

    def close(self) -> None:
        self.transport.abortConnection()
        self.turn()
        self.turn()  # as on a stock loop, the socket is closed a turn later
        assert self.ours.fileno() == -1
        self.peer.close()


class TlsRecords:
    """Records of TLS 1.3 as a client writes them that does as it likes, by its secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._rekey()

    def record(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        """Return one record; kind 22 is a handshake message, 23 data, 21 an alert."""
        inner = data + bytes([kind]) + bytes(padding)
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        nonce = int.from_bytes(self._iv, "big") ^ self._sequence
        self._sequence += 1
        return head + self._aead.encrypt(nonce.to_bytes(12, "big"), inner, head)

    def key_update(self, *, is_answer_wanted: bool = False) -> bytes:
        """Return a record that changes the key of those behind it."""
        record = self.record(22, b"\x18\0\0\1" + bytes([is_answer_wanted]))
        self._secret = _expand(self._secret, b"traffic upd", 32)
        self._rekey()
        return record

    def _rekey(self) -> None:
        self._aead = AESGCM(_expand(self._secret, b"key", 16))
        self._iv = _expand(self._secret, b"iv", 12)
        self._sequence = 0


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, 7.1, with SHA-256."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    return hmac.digest(secret, info + b"\1", "sha256")[:length]


def unruly_client() -> tuple[SSL.Context, Callable[[], TlsRecords]]:
    """Return a client's context, and what gives its records once its handshake is over."""
    secrets: list[bytes] = []

    def noted(_: SSL.Connection, line: bytes) -> None:
        label, _random, secret = line.split()
        if label == b"CLIENT_TRAFFIC_SECRET_0":
            secrets.append(bytes.fromhex(secret.decode()))

    context = client_context()
    context.set_tls13_ciphersuites(TLS13_SUITE)
    context.set_keylog_callback(noted)
    return context, lambda: TlsRecords(secrets[-1])
