"""Where lines are written that go over a connection, made again whenever it is lost."""

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.targets import TcpTarget
from sozutw.process.logs.writers import BACKLOG_BYTES_MAX, LinesLost

RETRY_SECONDS_MIN: Final = 1.0
RETRY_SECONDS_MAX: Final = 30.0
CONNECT_SECONDS_MAX: Final = 5.0
CLOSE_SECONDS_MAX: Final = 2.0
"""How long a close waits until the other side has taken what was written."""


@implementer(IPushProducer)
class LineConnection(Protocol):
    """One connection; it tells the writer when it can take lines and when it cannot."""

    transport: Any  # An ITCPTransport that is an IConsumer too; no interface says both.

    def __init__(self, writer: "TcpWriter") -> None:
        self._writer = writer

    @override
    def connectionMade(self) -> None:
        # As its producer we hear when the buffer is full, and can stop filling it.
        self.transport.registerProducer(self, True)
        self._writer.connected(self)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._writer.disconnected()

    def pauseProducing(self) -> None:
        """The other side is slow."""
        self._writer.is_paused = True

    def resumeProducing(self) -> None:
        """The other side has caught up."""
        self._writer.drained()

    def stopProducing(self) -> None:
        """The transport is going; ``connectionLost`` follows."""


class TcpWriter(ClientFactory):
    """
    Writes lines over TCP; keeps some while there is no connection, and counts the rest.

    It connects with the first line. Between attempts it waits, longer each time.
    """

    noisy = False

    def __init__(self, reactor: Any, target: TcpTarget, lost: LinesLost) -> None:
        self.is_paused = False
        self._reactor = reactor
        self._address = target.address
        self._lost = lost
        self._backlog: list[bytes] = []
        self._backlog_bytes = 0
        self._connection: LineConnection | None = None
        self._connector: Any = None
        """Set from the first attempt on, until the last connection is gone."""
        self._retry: IDelayedCall | None = None
        self._retry_seconds = RETRY_SECONDS_MIN
        self._closed: Deferred[None] | None = None

    def write(self, lines: bytes) -> None:
        """Pass the lines on, or keep them until they can be."""
        if self._connection is not None and not self.is_paused:
            self._connection.transport.write(lines)
            return
        if self._closed is not None or self._backlog_bytes + len(lines) > BACKLOG_BYTES_MAX:
            self._lost(lines.count(b"\n"))
            return
        self._backlog.append(lines)
        self._backlog_bytes += len(lines)
        if self._connector is None:
            self._connect()

    def reopen(self) -> None:
        """A connection has no name that something else could have taken."""

    def close(self) -> "Deferred[None]":
        """Send what there is to a connection that stands, and wait a little until it has."""
        assert self._closed is None, "closed once"
        closed: Deferred[None] = Deferred()
        self._closed = closed
        if self._connection is None:
            closed.callback(None)
            self._give_up()
            return closed
        transport = self._connection.transport
        transport.write(self._taken_backlog())
        transport.unregisterProducer()
        transport.loseConnection()
        self._retry = self._reactor.callLater(CLOSE_SECONDS_MAX, transport.abortConnection)
        return closed

    @override
    def buildProtocol(self, addr: object) -> LineConnection:
        return LineConnection(self)

    @override
    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.disconnected()

    def connected(self, connection: LineConnection) -> None:
        """The connection is made."""
        self._connection = connection
        self._retry_seconds = RETRY_SECONDS_MIN
        self.drained()

    def drained(self) -> None:
        """The connection takes lines."""
        assert self._connection is not None
        self.is_paused = False
        if self._backlog:
            self._connection.transport.write(self._taken_backlog())

    def disconnected(self) -> None:
        """The connection is lost, or could not be made: try again after a while."""
        self._connection = None
        self.is_paused = False
        if self._closed is not None:
            self._cancel_retry()
            if not self._closed.called:
                self._closed.callback(None)
            return
        self._retry = self._reactor.callLater(self._retry_seconds, self._connect)
        self._retry_seconds = min(2 * self._retry_seconds, RETRY_SECONDS_MAX)

    def _connect(self) -> None:
        self._retry = None
        self._connector = self._reactor.connectTCP(
            self._address.host, self._address.port, self, timeout=CONNECT_SECONDS_MAX
        )

    def _give_up(self) -> None:
        self._lost(self._taken_backlog().count(b"\n"))
        self._cancel_retry()
        if self._connector is not None:
            self._connector.disconnect()

    def _taken_backlog(self) -> bytes:
        taken = b"".join(self._backlog)
        self._backlog.clear()
        self._backlog_bytes = 0
        return taken

    def _cancel_retry(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
