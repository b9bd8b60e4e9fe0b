"""
The ListenerService: the listening sockets of a worker, and which listener each belongs to.

It must not know what is said on a connection: a factory makes the protocol.
"""

import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import InetAddress
from sozutw.listen.acceptor import Acceptor, Admission, QueueCounts
from sozutw.listen.handed import HandedSockets
from sozutw.listen.shared_acceptor import SharedAcceptor
from sozutw.listen.shares import Share
from sozutw.listen.sockets import CannotListenError, bind
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.route import ListenerState
from sozutw.transport.loop import Loop
from sozutw.transport.stream import MakeTransport, StreamTransport

_log = Logger()
ContextOf = Callable[[InetAddress], Callable[[], Any]]
"""From an address to what returns the TLS context of the next handshake there."""
FactoryOf = Callable[[ListenerState], IProtocolFactory]


class ListenerService(Service):
    """Open and close listening sockets; stopping closes them all."""

    def __init__(
        self,
        reactor: Loop,
        admission: Admission,
        factory_of: FactoryOf,
        *,
        queue_max: int,
        queue_seconds_max: float,
        counters: WorkerCounters | None = None,
        context_of: ContextOf | None = None,
        handed: HandedSockets | None = None,
    ) -> None:
        self._reactor = reactor
        self._admission = admission
        self._factory_of = factory_of
        self._queue_max = queue_max
        self._queue_seconds_max = queue_seconds_max
        self._counters = counters or WorkerCounters()
        self._context_of = context_of
        self._handed = handed or HandedSockets()
        self.acceptors: dict[InetAddress, Acceptor] = {}
        self.inherited: dict[InetAddress, socket.socket] = {}
        """Sockets that listen already: from a process before this one."""
        self.binds = True
        """Whether sockets are opened here that were not inherited."""
        self.is_left_to_others = False
        """Whether other processes go on with the same sockets when these are closed."""
        self._share: Share | None = None
        self._clients: Callable[[], int] = lambda: 0
        self._is_held = False
        self._is_over = False
        """Stopped: whatever is configured from then on, nobody is accepted."""

    def share(self, share: Share, clients: Callable[[], int]) -> None:
        """Look at how many clients other workers have, which accept on the same sockets."""
        assert not self.acceptors
        self._share, self._clients = share, clients

    def reserve(self, address: InetAddress) -> socket.socket:
        """
        Return a socket that listens on this address, for ``activate``.

        One that was handed to us goes before one of our own. Raises OSError if there can be none.
        """
        if self._is_over:
            raise CannotListenError(address, errno.ESHUTDOWN, "this process is stopping")
        inherited = self.inherited.pop(address, None)
        if inherited is None and not self.binds:
            raise CannotListenError(address, errno.EINVAL, "its socket did not come")
        return inherited or self._handed.take(address) or bind(address)

    def close_unused(self) -> None:
        """Close what was inherited and nobody asked for: its clients would wait in vain."""
        while self.inherited:
            self.inherited.popitem()[1].close()

    def descriptors(self) -> dict[InetAddress, int]:
        """Return the descriptor of each listening socket, to be handed over."""
        return {address: acceptor.fileno() for address, acceptor in self.acceptors.items()}

    def activate(self, listener: ListenerState, reserved: socket.socket) -> None:
        """Accept on the listener's address from now on; the socket is ours then."""
        if self._is_over:
            reserved.close()
            return
        address = listener.listener.address
        assert address not in self.acceptors
        self._accept_on(reserved, listener)
        if not self.binds:
            return  # Whoever has bound it has told.
        scheme = listener.scheme.decode()
        _log.info("listening on {scheme}://{address}", scheme=scheme, address=str(address))

    def exchange(self, listener: ListenerState) -> None:
        """Accept for another listener at an address that is accepted on, with the same socket."""
        if self._is_over:
            return
        acceptor = self.acceptors.pop(listener.listener.address)
        self._accept_on(acceptor.release(), listener)

    def _accept_on(self, sock: socket.socket, listener: ListenerState) -> None:
        kind: Callable[..., Acceptor] = Acceptor
        if self._share is not None:
            kind = partial(SharedAcceptor, share=self._share, clients=self._clients)
        acceptor = kind(
            self._reactor,
            sock,
            self._factory_of(listener),
            self._admission,
            queue_max=self._queue_max,
            queue_seconds_max=self._queue_seconds_max,
            counts=QueueCounts(self._counters, listener.counters),
            make_transport=self._transport_of(listener),
        )
        self.acceptors[listener.listener.address] = acceptor
        if not self._is_held:
            acceptor.resume()

    def hold(self) -> None:
        """Let nobody in until ``let_in``; who connects meanwhile waits in the backlog."""
        assert not self.acceptors
        self._is_held = True

    def let_in(self) -> None:
        """Accept who waits, and who comes."""
        self._is_held = False
        for acceptor in self.acceptors.values():
            acceptor.resume()

    def _transport_of(self, listener: ListenerState) -> MakeTransport:
        """Return what makes a transport of an accepted socket."""
        if listener.https is None:
            return StreamTransport
        assert self._context_of is not None, "somebody must hold the certificates"
        from sozutw.transport.tls.accept import tls_transport_of  # noqa: PLC0415  # with OpenSSL

        return tls_transport_of(self._context_of(listener.listener.address))

    def deactivate(self, address: InetAddress) -> None:
        """Accept no more at this address; its connections stay."""
        acceptor = self.acceptors.pop(address, None)
        if acceptor is not None:
            is_kept = self.is_left_to_others or self._handed.is_kept(address)
            acceptor.close(is_last=not is_kept)

    def room_made(self) -> None:
        """Clients may be accepted again: those that wait come first."""
        for acceptor in list(self.acceptors.values()):
            acceptor.room_made()

    def look(self) -> None:
        """Accept those of whom another worker was told that has not come."""
        for acceptor in list(self.acceptors.values()):
            if isinstance(acceptor, SharedAcceptor):
                acceptor.look()

    @override
    def startService(self) -> None:
        super().startService()
        self._is_over = False

    @override
    def stopService(self) -> None:
        super().stopService()
        self._is_over = True
        for address in list(self.acceptors):
            self.deactivate(address)
        if self._share is not None:
            self._share.end()
