"""The handshake of a dial: a backend is who it should be before anybody writes to it."""

import socket
from typing import Any

from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.model import InetAddress
from sozutw.config.security import BackendTls
from sozutw.transport.loop import close_later
from sozutw.transport.losses import OUT_OF_DESCRIPTORS, NotSecuredError, failure
from sozutw.transport.tls.certificates import CertificateError
from sozutw.transport.tls.client import ClientContexts
from sozutw.transport.tls.stream import TlsTransport

_log = Logger()


@implementer(IHandshakeListener)
class Handshake(Protocol):
    """The owner of a transport until its handshake is over; then the dial's owner follows."""

    def __init__(self, dial: Any) -> None:
        self._dial = dial

    def handshakeCompleted(self) -> None:
        """The backend was verified."""
        dial, self._dial = self._dial, None
        if dial is not None:
            dial.secured(self.transport)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        dial, self._dial = self._dial, None
        if dial is not None:
            if getattr(reason.value, "errno", None) in OUT_OF_DESCRIPTORS:
                dial.not_secured(reason)  # Not the backend's fault.
                return
            # An OSError's own text begins with its number.
            told = getattr(reason.value, "strerror", None) or reason.getErrorMessage()
            dial.not_secured(failure(NotSecuredError(told)))

    def give_up(self) -> None:
        """Want it no more: the dial hears nothing."""
        self._dial = None
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class Securing:
    """Begin handshakes with backends; what they settled is kept for the next ones."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._contexts = ClientContexts()

    def prepare(self, tls: BackendTls) -> None:
        """Make what handshakes of this kind share; what is wrong with it is logged."""
        try:
            self._contexts.prepare(tls)
        except CertificateError as error:
            _log.error("no backend can be spoken to like this: {error}", error=error)

    def begin(
        self, dial: Any, tls: BackendTls, sock: socket.socket, host: IAddress, peer: IAddress
    ) -> Handshake:
        """
        Begin on a connected socket; ``secured`` or ``not_secured`` of the dial follows.

        It follows from the loop, never in this frame, unless ``give_up`` comes first.
        """
        handshake = Handshake(dial)
        address = dial.address
        name = address.host if isinstance(address, InetAddress) else ""
        try:
            endpoint, verify = self._contexts.begin(tls, name, sock)
        except Exception as fault:  # noqa: BLE001  # what cannot be set up is told as a failed dial
            close_later(self._reactor, sock)
            self._reactor.callLater(0, handshake.connectionLost, failure(fault))
            return handshake

        def keep() -> None:
            if transport.tls is not None:
                self._contexts.keep_session(tls, name, endpoint)

        transport = TlsTransport(
            self._reactor, sock, handshake, host, peer, endpoint, keep, verify=verify
        )
        transport.resumeProducing()
        owner: IProtocol = handshake
        owner.makeConnection(transport)
        return handshake
