"""
Close a connection on which the client may still be sending.

A socket that is closed with unread bytes resets the connection, and the reset may overtake the
answer that explains why. So: say that we are done, read away what comes for a little while, close.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

BYTES_MAX = 64 * 1024
SECONDS_MAX = 2.0


def close_lingering(
    transport: Any,
    reactor: IReactorTime,
    bytes_max: int = BYTES_MAX,
    seconds_max: float = SECONDS_MAX,
) -> None:
    """
    Send what was written, half-close, and close when the peer did, or after either limit.

    The protocol that owned the transport hears no more of it, not even of its loss: it has done
    its own bookkeeping before it asks for this.
    """
    if transport.disconnected or transport.disconnecting:
        return
    lingering = _Lingering(bytes_max)
    transport.protocol = lingering
    lingering.makeConnection(transport)  # type: ignore[no-untyped-call]
    lingering.give_up_later(reactor, seconds_max)
    transport.loseWriteConnection()
    transport.resumeProducing()


@implementer(IHalfCloseableProtocol)
class _Lingering(Protocol):
    """Read away what the client had under way."""

    transport: Any

    def __init__(self, bytes_max: int) -> None:
        self._bytes_left = bytes_max
        self._call: IDelayedCall | None = None

    def give_up_later(self, reactor: IReactorTime, seconds: float) -> None:
        self._call = reactor.callLater(seconds, self._give_up)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        """The client has seen our end, and closed: nothing is lost any more."""
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our end is on its way."""

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _give_up(self) -> None:
        self._call = None
        self.transport.abortConnection()
