"""Tests of ``sozutw.transport.dial`` on real sockets."""

import errno
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.python.failure import Failure

from sozutw.config.model import InetAddress, UnixAddress
from sozutw.transport import dial as under_test
from sozutw.transport.dial import Dial, StreamDialler
from sozutw.transport.names import Names
from tests.fakes.benches import Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named


class Owner:
    def __init__(self) -> None:
        self.built: list[tuple[Any, Recorder | None]] = []
        self.failures: list[Failure] = []
        self.protocol: Recorder | None = Recorder()

    def buildProtocol(self, addr: Any) -> Recorder | None:
        self.built.append((addr, self.protocol))
        return self.protocol

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.failures.append(reason)

    @property
    def calls(self) -> int:
        return len(self.built) + len(self.failures)


class FewNames(Names):
    """Names that the test knows, answered when it says so."""

    def __init__(self, reactor: Any, known: dict[str, tuple[str, ...]]) -> None:
        super().__init__(reactor)
        self._known = known


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


@pytest.fixture
def direct() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def dialler(loop: HandRunLoop, **known: tuple[str, ...]) -> StreamDialler:
    return StreamDialler(loop.reactor, FewNames(loop.reactor, dict(known)))


def address_of(server: socket.socket, host: str = "127.0.0.1") -> InetAddress:
    return InetAddress(host, server.getsockname()[1])


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert isinstance(port, int)
    return port


def test_a_dial_that_succeeds_gives_a_connected_protocol(
    loop: HandRunLoop, server: socket.socket
) -> None:
    owner = Owner()
    dial = dialler(loop).dial(address_of(server), owner, 5)
    assert owner.calls == 0, "called in the caller's frame"
    assert not dial.is_over
    loop.run_until(lambda: owner.calls)
    assert dial.is_over
    ((address, protocol),) = owner.built
    assert address == IPv4Address("TCP", *server.getsockname())
    assert protocol is not None
    assert protocol.events == ["made"]
    transport: Any = protocol.transport
    peer, name = server.accept()
    assert transport.getHost() == IPv4Address("TCP", *name)
    assert transport.getPeer() == address
    peer.sendall(b"hello")
    loop.run_until(lambda: protocol.data == b"hello")
    transport.write(b"there")
    assert peer.recv(10) == b"there"
    dial.cancel()
    assert transport.connected
    assert not loop.reactor.getDelayedCalls()
    transport.loseConnection()
    loop.settle()
    peer.close()


def test_a_refusal_is_told_from_the_loop(loop: HandRunLoop) -> None:
    owner = Owner()
    dialler(loop).dial(InetAddress("127.0.0.1", refused_port()), owner, 5)
    assert owner.calls == 0
    loop.run_until(lambda: owner.calls)
    assert owner.failures[0].check(error.ConnectionRefusedError)
    assert not loop.reactor.getDelayedCalls()
    assert not loop.reactor.getWriters()


def test_a_silent_backend_is_given_up_in_time(loop: HandRunLoop) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        fillers = []
        for _ in range(4):  # the backlog of 0 holds one or two; then the kernel drops SYNs
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        owner = Owner()
        dialler(loop).dial(address_of(server), owner, 0.05)
        loop.run_until(lambda: owner.calls)
        assert owner.failures[0].check(error.TimeoutError)
        assert owner.failures[0].check(ConnectError)
        for filler in fillers:
            filler.close()


def test_a_cancelled_dial_is_never_heard_of(loop: HandRunLoop, server: socket.socket) -> None:
    owner = Owner()
    dials = [
        dialler(loop).dial(address_of(server), owner, 0.02),
        dialler(loop).dial(InetAddress("127.0.0.1", refused_port()), owner, 0.02),
        dialler(loop).dial(UnixAddress("/nonexistent/socket"), owner, 0.02),
    ]
    for dial in dials:
        dial.cancel()
        dial.cancel()
        assert dial.is_over
        assert dial.fileno() == -1
    loop.settle()
    assert owner.calls == 0
    assert not loop.reactor.getDelayedCalls()
    assert not loop.reactor.getWriters()
    peer, _ = server.accept()
    peer.settimeout(5)
    assert peer.recv(1) == b""
    peer.close()


def test_an_owner_that_wants_it_no_more_has_it_closed(
    loop: HandRunLoop, server: socket.socket
) -> None:
    owner = Owner()
    owner.protocol = None
    dial = dialler(loop).dial(address_of(server), owner, 5)
    loop.run_until(lambda: owner.calls)
    loop.settle(1)
    peer, _ = server.accept()
    peer.settimeout(5)
    assert peer.recv(1) == b""
    assert dial.is_over
    assert owner.calls == 1
    peer.close()


def test_an_owner_that_cancels_while_it_is_asked_has_it_closed(
    loop: HandRunLoop, server: socket.socket
) -> None:
    class Cancelling(Owner):
        def buildProtocol(self, addr: Any) -> Recorder | None:
            dial.cancel()
            return super().buildProtocol(addr)

    owner = Cancelling()
    dial = dialler(loop).dial(address_of(server), owner, 5)
    loop.run_until(lambda: owner.calls)
    loop.settle(1)
    assert owner.protocol is not None
    assert owner.protocol.events == []
    peer, _ = server.accept()
    peer.settimeout(5)
    assert peer.recv(1) == b""
    peer.close()


def test_the_next_address_of_a_name_is_tried(loop: HandRunLoop, server: socket.socket) -> None:
    owner = Owner()
    known = dialler(loop, backend=("127.0.0.2", "::1", "127.0.0.1"))
    known.dial(address_of(server, "backend"), owner, 5)
    loop.run_until(lambda: owner.calls)
    ((address, protocol),) = owner.built
    assert address.host == "127.0.0.1"
    assert protocol is not None
    protocol.transport.abortConnection()  # type: ignore[union-attr]
    loop.settle(2)


def test_the_time_is_shared_among_the_addresses(
    direct: HandRunLoop, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first address that answers nothing must not use up the time of the second."""
    real = under_test._begin
    silent, _ = socket.socketpair()

    def begin(peer: Any) -> tuple[socket.socket, int]:
        if peer.host == "192.0.2.1":
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            sock.bind(("127.0.0.1", 0))
            return sock, errno.EINPROGRESS
        return real(peer)

    monkeypatch.setattr(under_test, "_begin", begin)
    monkeypatch.setattr(Dial, "doWrite", _ignoring_unconnected(Dial.doWrite))
    monkeypatch.setattr(Dial, "connectionLost", lambda self, reason: None)
    owner = Owner()
    known = dialler(direct, backend=("192.0.2.1", "127.0.0.1"))
    known.dial(address_of(server, "backend"), owner, 0.2)
    direct.run_until(lambda: owner.calls)
    ((address, protocol),) = owner.built
    assert address.host == "127.0.0.1"
    assert protocol is not None
    protocol.transport.abortConnection()  # type: ignore[union-attr]
    direct.settle(2)
    silent.close()
    _.close()


def _ignoring_unconnected(real: Any) -> Any:
    def do_write(self: Dial) -> None:
        try:
            assert self._socket is not None
            self._socket.getpeername()
        except OSError:
            return
        real(self)

    return do_write


def test_all_addresses_refusing_is_a_refusal(loop: HandRunLoop) -> None:
    owner = Owner()
    known = dialler(loop, backend=("127.0.0.2", "127.0.0.1"))
    known.dial(InetAddress("backend", refused_port()), owner, 5)
    loop.run_until(lambda: owner.calls)
    assert owner.failures[0].check(error.ConnectionRefusedError)
    assert owner.calls == 1


def test_a_unix_socket_is_dialled_too(loop: HandRunLoop, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        owner = Owner()
        dialler(loop).dial(UnixAddress(path), owner, 5)
        assert owner.calls == 0
        loop.run_until(lambda: owner.calls)
        ((address, protocol),) = owner.built
        assert address == UNIXAddress(path)
        assert protocol is not None
        peer, _ = server.accept()
        peer.send(b"!")
        loop.run_until(lambda: protocol.data)
        peer.close()
        loop.run_until(lambda: protocol.lost)


@pytest.mark.parametrize("name", ["none", "x" * 200])
def test_a_unix_socket_that_is_not_there_is_told_from_the_loop(
    loop: HandRunLoop, tmp_path: Path, name: str
) -> None:
    owner = Owner()
    dialler(loop).dial(UnixAddress(str(tmp_path / name)), owner, 5)
    assert owner.calls == 0
    loop.run_until(lambda: owner.calls)
    assert owner.failures[0].check(ConnectError)


def test_ipv6_is_dialled(loop: HandRunLoop) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        owner = Owner()
        dialler(loop).dial(address_of(server, "::1"), owner, 5)
        loop.run_until(lambda: owner.calls)
        ((address, protocol),) = owner.built
        assert address == IPv6Address("TCP", "::1", server.getsockname()[1])
        assert protocol is not None
        protocol.transport.abortConnection()  # type: ignore[union-attr]
        loop.settle(2)


def test_without_descriptors_a_dial_fails_by_our_own_fault(direct: HandRunLoop) -> None:
    direct.settle(1)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    dialling = dialler(direct, backend=("127.0.0.1", "127.0.0.2"))
    owner = Owner()
    with socket.socket() as probe:
        number = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, limits[1]))
    try:
        dialling.dial(InetAddress("backend", 1), owner, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert owner.calls == 0
    direct.settle(1)
    (reason,) = owner.failures
    assert reason.check(OSError)
    assert not reason.check(ConnectError)
    assert dialling.no_descriptor_total == 1
    assert dialling.dials_total == 1


def test_a_socket_connected_to_itself_is_a_refusal(
    direct: HandRunLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody listens at an ephemeral port, the kernel may join a socket with itself."""
    port = refused_port()

    def begin(peer: Any) -> tuple[socket.socket, int]:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.bind(("127.0.0.1", port))
        return sock, sock.connect_ex(("127.0.0.1", port))

    monkeypatch.setattr(under_test, "_begin", begin)
    owner = Owner()
    dialler(direct).dial(InetAddress("127.0.0.1", port), owner, 5)
    direct.run_until(lambda: owner.calls)
    assert owner.failures[0].check(error.ConnectionRefusedError)


class SlowNames(Names):
    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.asked: list[Any] = []

    def resolve(self, host: str, asker: Any) -> Any:
        self.asked.append(asker)
        return lambda: self.asked.remove(asker)


def test_a_name_is_resolved_first(direct: HandRunLoop, server: socket.socket) -> None:
    names = SlowNames(direct.reactor)
    owner = Owner()
    dial = StreamDialler(direct.reactor, names).dial(address_of(server, "backend"), owner, 5)
    assert names.asked == [dial]
    dial.name_resolved(("127.0.0.1",))
    direct.run_until(lambda: owner.calls)
    assert owner.built
    owner.built[0][1].transport.abortConnection()  # type: ignore[union-attr]
    direct.settle(2)


def test_a_name_that_does_not_exist_is_a_failure(direct: HandRunLoop) -> None:
    names = SlowNames(direct.reactor)
    owner = Owner()
    dial = StreamDialler(direct.reactor, names).dial(InetAddress("backend", 1), owner, 5)
    dial.name_not_resolved(Failure(DNSLookupError("no")))
    assert owner.failures[0].check(DNSLookupError)
    assert not direct.reactor.getDelayedCalls()


def test_a_name_that_takes_too_long_is_a_timeout_and_a_cancel_takes_it_back(
    direct: HandRunLoop,
) -> None:
    names = SlowNames(direct.reactor)
    owner = Owner()
    dialling = StreamDialler(direct.reactor, names)
    dialling.dial(InetAddress("backend", 1), owner, 0.01)
    cancelled = dialling.dial(InetAddress("backend", 1), owner, 0.01)
    cancelled.cancel()
    assert len(names.asked) == 1
    direct.run_until(lambda: owner.calls)
    assert owner.failures[0].check(error.TimeoutError)
    assert names.asked == []
    direct.settle()
    assert owner.calls == 1


def test_it_says_what_it_is(direct: HandRunLoop, server: socket.socket) -> None:
    dial = dialler(direct).dial(address_of(server), Owner(), 5)
    assert "under way" in repr(dial)
    assert dial.logPrefix() == "Dial"
    dial.cancel()
    assert "over" in repr(dial)
    dial.doRead()
    dial.connectionLost(Failure(ConnectError()))
    direct.settle(1)
