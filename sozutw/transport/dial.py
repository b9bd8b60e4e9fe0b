"""Connect to a backend without blocking, and hand over a StreamTransport."""

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IReadWriteDescriptor,
)
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.model import BackendAddress, UnixAddress
from sozutw.config.security import BackendTls
from sozutw.transport.hand_over import hand_over
from sozutw.transport.loop import Loop, close_later
from sozutw.transport.losses import OUT_OF_DESCRIPTORS, NotSecuredError, failure
from sozutw.transport.names import Names
from sozutw.transport.stream import StreamTransport

_UNDER_WAY = frozenset((0, errno.EINPROGRESS, errno.EALREADY))


class DialOwner(Protocol):
    """Who wants a connection: the part of Twisted's ClientFactory that a dial uses."""

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """Return the owner of the fresh connection, or None to have it closed."""

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """There will be no connection: a ConnectError, or an OSError of our own system."""


class StreamDialler:
    """Dial backends. Names are asked of ``names``, which keeps the answers."""

    def __init__(self, reactor: Loop, names: Names) -> None:
        self.reactor = reactor
        self.names = names
        self.dials_total = 0
        self.no_descriptor_total = 0
        """Dials that failed because this process may open no more descriptors."""
        self._securing: Any = None

    def dial(
        self,
        address: BackendAddress,
        factory: DialOwner,
        seconds_max: float,
        tls: BackendTls | None = None,
    ) -> "Dial":
        """
        Connect within ``seconds_max``, the time to resolve the name included.

        With ``tls`` the handshake is a part of it: what fails there fails the dial.

        Exactly one of the factory's two methods is called, from the loop and never in this
        frame, unless the dial is cancelled before.
        """
        self.dials_total += 1
        return Dial(self, address, factory, seconds_max, tls)

    def prepare(self, tls: BackendTls) -> None:
        """Read what handshakes of this kind need, such as the system's authorities, beforehand."""
        self._securing_now().prepare(tls)

    def secure(self, dial: "Dial", tls: BackendTls, *connected: Any) -> Any:
        """Begin a handshake on what was connected; returns what can ``give_up``."""
        return self._securing_now().begin(dial, tls, *connected)

    def _securing_now(self) -> Any:
        if self._securing is None:
            from sozutw.transport.tls.dialling import Securing  # noqa: PLC0415  # with OpenSSL

            self._securing = Securing(self.reactor)
        return self._securing


@implementer(IReadWriteDescriptor)
class Dial:
    """
    One connection that is being made.

    The addresses of a name are tried in turn; each gets its share of the time that is left.
    """

    def __init__(
        self,
        dialler: StreamDialler,
        address: BackendAddress,
        factory: DialOwner,
        seconds_max: float,
        tls: BackendTls | None = None,
    ) -> None:
        self.address = address
        self._tls = tls
        self._handshake: Any = None
        """The transport of a handshake that is under way."""
        self._dialler = dialler
        self._reactor = dialler.reactor
        self._factory: DialOwner | None = factory
        self._socket: socket.socket | None = None
        self._peers: list[IAddress] = []
        self._peer: IAddress | None = None
        self._reason: Failure | None = None
        self._due = self._reactor.seconds() + seconds_max
        self._take_back: Callable[[], None] | None = None
        self._call: IDelayedCall | None = None
        if isinstance(address, UnixAddress):
            self._start([UNIXAddress(address.path)])
            return
        hosts = dialler.names.known(address.host)
        if hosts is not None:
            self.name_resolved(hosts)
        else:
            self._call = self._reactor.callLater(seconds_max, self._time_is_up)
            self._take_back = dialler.names.resolve(address.host, self)

    @property
    def is_over(self) -> bool:
        """Whether it succeeded, failed or was cancelled."""
        return self._factory is None

    def cancel(self) -> None:
        """Want it no more: the factory is called no more, and the socket is closed."""
        self._end()

    @override
    def __repr__(self) -> str:
        return f"<Dial {self.address} {'over' if self.is_over else 'under way'}>"

    # What Names tells.

    def name_resolved(self, hosts: tuple[str, ...]) -> None:
        """These addresses may be tried."""
        assert not isinstance(self.address, UnixAddress)
        self._take_back = None
        port = self.address.port
        self._start(
            [
                IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)
                for host in hosts
            ]
        )

    def name_not_resolved(self, reason: Failure) -> None:
        """There is nothing to try."""
        self._take_back = None
        self._fail(reason)

    # What the reactor calls.

    def doWrite(self) -> None:
        """The kernel has an outcome."""
        sock = self._socket
        if sock is None:
            return
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._refused(number)
        else:
            self._connected(sock)

    def doRead(self) -> None:
        """Never asked for; some reactors tell a refusal so."""
        self.doWrite()

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """The reactor saw a hang-up: the kernel knows why."""
        if self._socket is not None:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._refused(number or errno.ECONNREFUSED)

    def fileno(self) -> int:
        """Return the descriptor, -1 when there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it in logs."""
        return "Dial"

    # How it goes on.

    def _start(self, peers: list[IAddress]) -> None:
        self._peers = peers
        self._try_next()
        if self._socket is None:
            self._reactor.callLater(0, self._give_up)

    def _try_next(self) -> None:
        """Begin with the next address that the kernel does not refuse at once."""
        assert self._socket is None
        while self._peers and self._socket is None:
            seconds = max(0.0, (self._due - self._reactor.seconds()) / len(self._peers))
            peer = self._peers.pop(0)
            try:
                sock, number = _begin(peer)
            except OSError as fault:
                self._reason = self._local_failure(fault)
                continue
            if number not in _UNDER_WAY:
                sock.close()
                self._reason = _failure_of(number)
                continue
            self._socket = sock
            self._peer = peer
            if self._call is not None:
                self._call.cancel()
            self._call = self._reactor.callLater(seconds, self._time_is_up)
            self._reactor.addWriter(self)

    def _local_failure(self, fault: OSError) -> Failure:
        if fault.errno not in OUT_OF_DESCRIPTORS:
            return failure(error.ConnectError(fault.errno, str(fault)))  # type: ignore[no-untyped-call]
        # Not the backend's fault, and no other address would fare better.
        self._dialler.no_descriptor_total += 1
        self._peers.clear()
        return failure(fault)

    def _refused(self, number: int) -> None:
        self._reason = _failure_of(number)
        self._close_socket()
        self._try_next()
        if self._socket is None:
            self._give_up()

    def _time_is_up(self) -> None:
        self._call = None
        if self._handshake is None:
            self._reason = failure(error.TimeoutError())  # type: ignore[no-untyped-call]
        else:
            self._reason = failure(
                NotSecuredError("its handshake took longer than the connect may")
            )
        if self._socket is not None or self._handshake is not None:
            self._close_socket()
            self._try_next()
        if self._socket is None:
            self._give_up()

    def _connected(self, sock: socket.socket) -> None:
        peer = self._peer
        assert peer is not None
        host = _address_of(sock)
        if host == peer and not isinstance(peer, UNIXAddress):
            # Nobody listens at a port that the kernel hands out, and it has just handed it to us:
            # the socket is connected to itself.
            self._refused(errno.ECONNREFUSED)
            return
        self._reactor.removeWriter(self)
        self._socket = None
        if self._tls is not None:
            self._handshake = self._dialler.secure(self, self._tls, sock, host, peer)
            return
        factory = self._factory
        assert factory is not None
        protocol = None
        try:
            protocol = factory.buildProtocol(peer)
        finally:
            # Also when the owner cancelled while it was asked.
            if protocol is None or self._factory is None:
                close_later(self._reactor, sock)
        if protocol is None or self._factory is None:
            self._end()
            return
        self._end()
        transport = StreamTransport(self._reactor, sock, protocol, host, peer)
        transport.resumeProducing()
        protocol.makeConnection(transport)

    # What the handshake tells, if there is one.

    def secured(self, transport: Any) -> None:
        """The handshake is over, and the backend is who it should be."""
        self._handshake = None
        factory = self._factory
        peer = self._peer
        assert factory is not None
        assert peer is not None
        protocol = None
        try:
            protocol = factory.buildProtocol(peer)
        finally:
            if protocol is None or self._factory is None:
                transport.abortConnection()
        if protocol is not None and self._factory is not None:
            self._end()
            hand_over(transport, protocol)
        else:
            self._end()

    def not_secured(self, reason: Failure) -> None:
        """The handshake failed: no other address of the same backend would fare better."""
        self._handshake = None
        self._fail(reason)

    def _give_up(self) -> None:
        if self._factory is not None:
            assert self._reason is not None
            self._fail(self._reason)

    def _fail(self, reason: Failure) -> None:
        factory = self._factory
        self._end()
        if factory is not None:
            factory.clientConnectionFailed(self, reason)

    def _end(self) -> None:
        self._factory = None
        self._peers = []
        take_back, self._take_back = self._take_back, None
        if take_back is not None:
            take_back()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._close_socket()

    def _close_socket(self) -> None:
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.give_up()
        sock = self._socket
        if sock is not None:
            self._reactor.removeWriter(self)
            self._socket = None
            close_later(self._reactor, sock)


def _begin(peer: IAddress) -> tuple[socket.socket, int]:
    """Return a socket that connects, and what the kernel said at once."""
    target: Any
    if isinstance(peer, UNIXAddress):
        family, target = socket.AF_UNIX, peer.name
    else:
        assert isinstance(peer, (IPv4Address, IPv6Address))
        family = socket.AF_INET if isinstance(peer, IPv4Address) else socket.AF_INET6
        target = (peer.host, peer.port)
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, sock.connect_ex(target)
    except BaseException:
        sock.close()
        raise


def _address_of(sock: socket.socket) -> IAddress:
    name = sock.getsockname()
    if isinstance(name, tuple):
        kind = IPv4Address if sock.family == socket.AF_INET else IPv6Address
        return kind("TCP", *name[:2])
    return UNIXAddress(name or None)


def _failure_of(number: int) -> Failure:
    return failure(error.getConnectError((number, os.strerror(number))))  # type: ignore[no-untyped-call]
