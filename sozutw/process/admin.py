"""
The admin address: health and counters over HTTP, for probes and for Prometheus.

It is for a few friends of the operator, and knows neither passwords nor TLS. Whoever comes has one
request, little time, and a place among few; what is left over waits in a bounded queue. The
path of requests to backends has nothing to do with it.
"""

import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.model import InetAddress
from sozutw.listen.acceptor import Acceptor
from sozutw.listen.handed import HandedSockets
from sozutw.listen.sockets import bind
from sozutw.metrics.prometheus import CONTENT_TYPE

CONNECTIONS_MAX: Final = 16
WAITING_MAX: Final = 8
"""Accepted beyond these, and served when one of them is gone."""
REQUEST_SECONDS_MAX: Final = 10.0
"""For the whole of a request to come; no byte that drips in makes it longer."""
ANSWER_SECONDS_MAX: Final = 30.0
"""From then on, for the answer to be taken: who reads nothing must not hold a place for ever."""
BODY_BYTES_MAX: Final = 64 * 1024
"""No request needs a body; a short one is read and dropped."""

_TEXT: Final = b"text/plain; charset=utf-8"
_OVERVIEW: Final = b"""\
/healthz  200 as long as the process lives
/readyz   200 when it serves, 503 with the reason when it does not
/metrics  all counters, as Prometheus reads them
"""

_log = Logger()

WhyNotReady = Callable[[], str | None]
"""Says in a few words why no client should be sent here; None if one may be."""
Metrics = Callable[[], "Deferred[Iterator[bytes]]"]
"""
Gathers all counters, and begins a text of them, which is then made in pieces.

The Deferred is cancelled if whoever asked does not wait for it.
"""


class AdminService(Service):
    """
    Answers at the admin address.

    ``privilegedStartService`` binds, and raises OSError if that cannot be; ``startService`` lets
    clients in. Stopping cuts what is under way; the Deferred fires when all connections are gone.
    """

    name = "admin address"

    def __init__(
        self,
        reactor: Any,
        address: InetAddress,
        why_not_ready: WhyNotReady,
        metrics: Metrics,
        handed: HandedSockets | None = None,
    ) -> None:
        self._reactor = reactor
        self.address = address
        self.why_not_ready = why_not_ready
        self.metrics = metrics
        self.inherited: socket.socket | None = None
        """One that listens already: from a process before this one."""
        self._handed = handed or HandedSockets()
        self._acceptor: Acceptor | None = None
        self._channels: set[_Channel] = set()
        self._all_gone: Deferred[None] | None = None

    @override
    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        if self._acceptor is not None:
            return
        self._acceptor = Acceptor(
            self._reactor,
            self.inherited or self._handed.take(self.address) or bind(self.address),
            _Factory(self, self._reactor),
            self,
            queue_seconds_max=REQUEST_SECONDS_MAX,
            queue_max=WAITING_MAX,
        )
        _log.info("health and counters are told at http://{address}", address=str(self.address))

    @override
    def startService(self) -> None:
        super().startService()
        if self._acceptor is not None:
            self._acceptor.resume()

    @override
    def stopService(self) -> "Deferred[None]":
        super().stopService()
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None
        if not self._channels:
            return succeed(None)
        if self._all_gone is None:
            self._all_gone = Deferred()
        for channel in self._channels:
            channel.abort()
        return self._all_gone

    @property
    def descriptor(self) -> int:
        """The listening socket, to be handed over; -1 if there is none."""
        return -1 if self._acceptor is None else self._acceptor.fileno()

    def hand_over(self) -> None:
        """Another process answers at the address now: take nobody new."""
        if self._acceptor is not None:
            self._acceptor.pause()

    def has_room(self) -> bool:
        """Whether one more connection may be served now."""
        return len(self._channels) < CONNECTIONS_MAX

    def opened(self, channel: "_Channel") -> None:
        """A connection begins."""
        self._channels.add(channel)

    def lost(self, channel: "_Channel") -> None:
        """A connection is gone."""
        self._channels.discard(channel)
        if self._acceptor is not None:
            self._acceptor.room_made()
        if not self._channels and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)


class _Factory(Factory):
    """Makes the connections of a service."""

    noisy = False

    def __init__(self, service: AdminService, reactor: Any) -> None:
        self._service = service
        self._reactor = reactor

    @override
    def buildProtocol(self, addr: IAddress | None) -> "_Channel":
        return _Channel(self._service, self._reactor)


class _Channel(HTTPChannel):
    """
    A connection for one request, and a deadline for it.

    Twisted's own deadline begins anew with each byte, and is not set here.
    """

    transport: Any
    """``transport.stream.StreamTransport``, since it comes from an ``Acceptor``."""

    def __init__(self, service: AdminService, reactor: Any) -> None:
        super().__init__()
        self.service = service
        self.reactor = reactor
        self.requestFactory = _Request
        self._deadline: IDelayedCall | None = None

    @override
    def connectionMade(self) -> None:
        self.service.opened(self)
        self._deadline = self.reactor.callLater(REQUEST_SECONDS_MAX, self.abort)
        super().connectionMade()

    @override
    def checkPersistence(self, request: Request, version: bytes) -> bool:
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    @override
    def allContentReceived(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.reset(ANSWER_SECONDS_MAX)
        super().allContentReceived()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        super().connectionLost(reason)
        self.service.lost(self)

    def abort(self) -> None:
        """Close without another word."""
        self.transport.abortConnection()


class _Request(Request):
    """A question, and its answer."""

    channel: _Channel
    _gathering: "Deferred[Iterator[bytes]] | None" = None
    _is_gone = False

    @override
    def connectionLost(self, reason: Failure) -> None:
        super().connectionLost(reason)
        self._is_gone = True
        if self._gathering is not None:
            self._gathering.cancel()

    @override
    def gotLength(self, length: int | None) -> None:
        # Twisted would put a long body into a file.
        self.content = BytesIO()
        self._body_bytes = 0

    @override
    def handleContentChunk(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > BODY_BYTES_MAX:
            self.channel.abort()

    @override
    def process(self) -> None:
        service = self.channel.service
        self.setHeader(b"Cache-Control", b"no-store")
        if self.path not in {b"/", b"/healthz", b"/readyz", b"/metrics"}:
            self._answer(404, b"there is nothing here\n")
        elif self.method not in {b"GET", b"HEAD"}:
            self.setHeader(b"Allow", b"GET, HEAD")
            self._answer(405, b"only GET and HEAD are answered\n")
        elif self.path == b"/metrics":
            self._tell_metrics(service)
        elif self.path == b"/readyz":
            reason = service.why_not_ready()
            self._answer(200, b"ready\n") if reason is None else self._answer(
                503, f"{reason}\n".encode()
            )
        else:
            self._answer(200, b"ok\n" if self.path == b"/healthz" else _OVERVIEW)

    def _answer(self, status: int, body: bytes) -> None:
        self.setResponseCode(status)
        self.setHeader(b"Content-Type", _TEXT)
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body)
        self.finish()

    def _tell_metrics(self, service: AdminService) -> None:
        if self.method == b"HEAD":
            self.setHeader(b"Content-Type", CONTENT_TYPE)
            self.finish()
            return
        self._gathering = maybeDeferred(service.metrics)
        self._gathering.addCallbacks(self._write_metrics, self._regret)

    def _write_metrics(self, pieces: Iterator[bytes]) -> None:
        if not self._is_gone:
            self.setHeader(b"Content-Type", CONTENT_TYPE)
            _Slices(self, pieces, self.channel.reactor).begin()

    def _regret(self, fault: Failure) -> None:
        if not self._is_gone:
            _log.failure("the counters could not be gathered", failure=fault)
            self._answer(503, b"the counters could not be gathered; the log has more\n")


@implementer(IPushProducer)
class _Slices:
    """Writes a long text a piece for each turn of the loop, while its reader takes it."""

    def __init__(self, request: _Request, pieces: Iterator[bytes], reactor: Any) -> None:
        self._request = request
        self._pieces = pieces
        self._reactor = reactor
        self._next: IDelayedCall | None = None

    def begin(self) -> None:
        """Write the first piece soon."""
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        """There is room."""
        if self._next is None:
            self._next = self._reactor.callLater(0, self._write)

    def pauseProducing(self) -> None:
        """There is no room now, or nobody left who would read."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    stopProducing = pauseProducing

    def _write(self) -> None:
        self._next = None
        try:
            piece = next(self._pieces, None)
        except Exception:  # noqa: BLE001  # the reader is to see that this is not the whole
            _log.failure("the counters could not be told")
            self._request.channel.abort()
            return
        if piece is None:
            self._request.unregisterProducer()
            self._request.finish()
            return
        # Room is taken for granted until the transport says otherwise, in the course of this.
        self.resumeProducing()
        self._request.write(piece)
