"""Dials that end in a handshake, with a backend that the test plays, over real sockets."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from sozutw.config.model import InetAddress, UnixAddress
from sozutw.config.security import BackendTls, CertificateAndKey
from sozutw.transport.dial import Dial, StreamDialler
from sozutw.transport.losses import NotSecuredError
from tests.fakes.benches import Recorder
from tests.fakes.certificates import chained, expired, leaf, root
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named
from tests.transport.test_dial import Owner, dialler

TRUSTED = BackendTls(root().pem)


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


class TlsBackend:
    """A listening socket, and the server's side of each connection's handshake."""

    def __init__(self, folder: Path, held: CertificateAndKey) -> None:
        (folder / "held.pem").write_text("\n".join((held.certificate, *held.chain, held.key)))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "held.pem")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.peers: list[ssl.SSLSocket] = []
        self.names: list[str | None] = []
        self.context.sni_callback = lambda _sock, name, _context: self.names.append(name)

    @property
    def address(self) -> InetAddress:
        return InetAddress("127.0.0.1", self.listening.getsockname()[1])

    def step(self) -> bool:
        """Go on with what can be; returns False, so that it can stand in a condition."""
        with suppress(BlockingIOError):
            sock, _ = self.listening.accept()
            sock.setblocking(False)
            self.peers.append(
                self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            )
        for peer in self.peers:
            with suppress(ssl.SSLError, OSError):
                peer.do_handshake()
        return False

    def close(self) -> None:
        self.listening.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def backend(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TlsBackend]:
    held = getattr(request, "param", None) or chained(leaf("a.example", "127.0.0.1"))
    made = TlsBackend(tmp_path, held)
    yield made
    made.close()


def dialled(
    loop: HandRunLoop, backend: TlsBackend, tls: BackendTls, dials: StreamDialler | None = None
) -> tuple[Dial, Owner]:
    """Dial, and play both sides until the owner hears of it."""
    owner = Owner()
    dial = (dials or dialler(loop)).dial(backend.address, owner, 5, tls)
    assert owner.calls == 0, "called in the caller's frame"
    loop.run_until(lambda: backend.step() or owner.calls)
    assert dial.is_over
    return dial, owner


def protocol_of(owner: Owner) -> Recorder:
    ((_, protocol),) = owner.built
    assert protocol is not None
    return protocol


def reason_of(owner: Owner) -> Any:
    (reason,) = owner.failures
    return reason.value


def test_a_backend_that_is_who_it_should_be_is_handed_over(
    loop: HandRunLoop, backend: TlsBackend
) -> None:
    _, owner = dialled(loop, backend, TRUSTED)
    protocol = protocol_of(owner)
    assert protocol.events == ["made"]
    transport: Any = protocol.transport
    transport.write(b"hello")
    (peer,) = backend.peers
    got = b""

    def arrived() -> bool:
        nonlocal got
        with suppress(ssl.SSLWantReadError):
            got += peer.recv(10)
        return got == b"hello"

    loop.run_until(arrived)
    peer.send(b"there")
    loop.run_until(lambda: protocol.data == b"there")
    assert not loop.reactor.getDelayedCalls()
    transport.abortConnection()
    loop.settle()
    assert protocol.lost is not None


def test_a_name_is_asked_for_and_an_address_is_not(loop: HandRunLoop, backend: TlsBackend) -> None:
    for tls in (BackendTls(root().pem, "a.example"), TRUSTED):
        _, owner = dialled(loop, backend, tls)
        transport: Any = protocol_of(owner).transport
        transport.abortConnection()
        loop.settle()
    assert backend.names == ["a.example", None]  # Once each: the first key share was right.


@pytest.mark.parametrize(
    ("backend", "tls", "told"),
    [
        (chained(leaf("b.example")), TRUSTED, "is for b.example, not for 127.0.0.1"),
        (chained(expired("127.0.0.1")), TRUSTED, "expired"),
        (chained(leaf("127.0.0.1")), BackendTls(root("Other").pem), "issuer"),
    ],
    indirect=["backend"],
)
def test_a_backend_that_is_somebody_else_fails_the_dial_and_says_why(
    loop: HandRunLoop, backend: TlsBackend, tls: BackendTls, told: str
) -> None:
    _, owner = dialled(loop, backend, tls)
    assert owner.built == []
    assert isinstance(reason_of(owner), NotSecuredError)
    assert told in str(reason_of(owner))


def test_whom_one_does_not_care_about_may_be_anybody(
    loop: HandRunLoop, backend: TlsBackend
) -> None:
    _, owner = dialled(loop, backend, BackendTls(root("Other").pem, is_insecure=True))
    transport: Any = protocol_of(owner).transport
    transport.abortConnection()
    loop.settle()


def test_a_backend_that_hangs_up_in_the_handshake_fails_the_dial(loop: HandRunLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = Owner()
        address = InetAddress("127.0.0.1", server.getsockname()[1])
        dialler(loop).dial(address, owner, 5, TRUSTED)
        peer, _ = server.accept()
        loop.settle()
        peer.close()
        loop.run_until(lambda: owner.calls)
    assert isinstance(reason_of(owner), NotSecuredError)


def test_a_backend_that_does_not_speak_tls_fails_the_dial(loop: HandRunLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = Owner()
        address = InetAddress("127.0.0.1", server.getsockname()[1])
        dialler(loop).dial(address, owner, 5, TRUSTED)
        peer, _ = server.accept()
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        loop.run_until(lambda: owner.calls)
        peer.close()
    assert isinstance(reason_of(owner), NotSecuredError)


def test_a_handshake_shares_the_time_of_the_dial(loop: HandRunLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = Owner()
        address = InetAddress("127.0.0.1", server.getsockname()[1])
        dialler(loop).dial(address, owner, 0.05, TRUSTED)
        loop.run_until(lambda: owner.calls)
        assert isinstance(reason_of(owner), NotSecuredError)
        assert "longer" in str(reason_of(owner))
        loop.settle()
        assert not loop.reactor.getDelayedCalls()


def test_a_dial_that_is_cancelled_in_the_handshake_tells_nobody(loop: HandRunLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = Owner()
        address = InetAddress("127.0.0.1", server.getsockname()[1])
        dial = dialler(loop).dial(address, owner, 5, TRUSTED)
        peer, _ = server.accept()
        peer.settimeout(5)
        loop.settle()
        assert peer.recv(1 << 16)  # The handshake has begun.
        dial.cancel()
        loop.settle()
        assert peer.recv(1) == b""
        peer.close()
    assert owner.calls == 0
    assert dial.is_over
    assert not loop.reactor.getDelayedCalls()


def test_an_owner_that_wants_it_no_more_has_it_closed(
    loop: HandRunLoop, backend: TlsBackend
) -> None:
    owner = Owner()
    owner.protocol = None
    dial = dialler(loop).dial(backend.address, owner, 5, TRUSTED)
    loop.run_until(lambda: backend.step() or owner.calls)
    loop.settle()
    assert dial.is_over
    assert not loop.reactor.getDelayedCalls()


def test_what_one_connection_settled_is_resumed_by_the_next(
    loop: HandRunLoop, backend: TlsBackend
) -> None:
    dials = dialler(loop)
    for is_resumed in (False, True):
        _, owner = dialled(loop, backend, TRUSTED, dials)
        protocol = protocol_of(owner)
        transport: Any = protocol.transport
        assert transport.tls.is_resumed is is_resumed
        backend.peers[-1].send(b"x")  # Tickets come with data, or before it.
        loop.run_until(lambda protocol=protocol: protocol.data)
        transport.abortConnection()
        loop.settle()


def test_what_cannot_even_begin_fails_the_dial_from_the_loop(
    loop: HandRunLoop, backend: TlsBackend
) -> None:
    _, owner = dialled(loop, backend, BackendTls("no certificate in here"))
    assert isinstance(reason_of(owner), NotSecuredError)


def test_what_is_prepared_and_cannot_be_is_logged(loop: HandRunLoop) -> None:
    dials = dialler(loop)
    with capturedLogs() as events:
        dials.prepare(TRUSTED)
        dials.prepare(BackendTls("no certificate in here"))
    (event,) = events
    assert formatEvent(event).startswith("no backend can be spoken to like this: ")


def test_a_path_needs_a_name(loop: HandRunLoop, tmp_path: Path) -> None:
    path = str(tmp_path / "backend.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        owner = Owner()
        dialler(loop).dial(UnixAddress(path), owner, 5, TRUSTED)
        loop.run_until(lambda: owner.calls)
    assert "backend_server_name" in str(reason_of(owner))
