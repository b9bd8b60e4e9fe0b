"""
Http1FrontendConnection: a live socket of a client that speaks HTTP/1.

It reads one request after the other and passes each to an Exchange; it must not know where
the request goes. Its states are told in frontend/LIFECYCLE.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IPushProducer,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.frontend import handshake
from sozutw.frontend.body import NO_TRAILERS, RequestBody
from sozutw.frontend.closing import LINGER_SECONDS, ignore
from sozutw.frontend.presence import Presence
from sozutw.relay.edits import Provenance
from sozutw.relay.exchange import Exchange
from sozutw.relay.ports import BackSide, Means, Sink
from sozutw.relay.route import ListenerState
from sozutw.relay.unreadable import refuse_unreadable
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.session import Session
from sozutw.transport.patience import Patience, Wheel
from sozutw.wire.errors import WireError
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.message import RequestFields
from sozutw.wire.tls import TlsFacts

KEPT_BYTES_MAX: Final = 64 * 1024
"""What a client may send ahead of its turn before it is read no more."""
ROUND_TRIP_SECONDS: Final = 1.0
"""A round trip is measured at most so often on one connection."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What all connections of one listener share."""

    listener: ListenerState
    means: Means
    sessions: SessionManager
    wheel: Wheel


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class Http1FrontendConnection(Presence):
    """
    One client's connection, from accept to close.

    ``dataReceived`` is the state: what the next bytes mean. As a producer it stands for the
    response's body, which must pause while the client does not read.
    """

    # Hot: an idle connection is 1 KiB smaller than with a dictionary.
    __slots__ = (
        "_entrance",
        "_head_began",
        "_is_reading_heads",
        "_known",
        "_means",
        "_measured_at",
        "_now",
        "_provenance",
        "_sent_before",
        "_sink",
        "body_bytes",
        "covered_host",
        "request_seconds",
        "round_trip_us",
        "session",
        "tls",
        "write",
    )

    def __init__(self, entrance: Entrance, source: str, port: int) -> None:
        means = entrance.means
        listener = entrance.listener
        wheel = entrance.wheel
        now = wheel.now()
        timeouts = listener.listener.timeouts
        self._entrance = entrance
        self._means = means
        self._listener = listener
        self._now = wheel.now
        self._idle_seconds = timeouts.front
        self.request_seconds = timeouts.request
        self._provenance = Provenance(listener, source, port)
        self._exchange: Exchange | None = None
        self._known: RequestFields | None = listener.known
        self._buffer = b""
        self._body: RequestBody | None = None
        self._sink: Sink = ignore
        self.is_full = False
        self._is_paused = False
        self._is_over = False
        self._has_said_all = False
        self._is_reading_heads = False
        self._head_began = False
        self._read_away_left = 0
        # The first round trip is measured after a second: most connections do not live so long.
        self._measured_at = now
        self._sent_before = -1
        self.is_draining = False
        self.body_bytes = 0
        self.round_trip_us = 0
        self.patience = Patience(wheel, self._expired)
        peer = f"[{source}]:{port}" if ":" in source else f"{source}:{port}"
        self.session = Session(self, source, peer, now, means.new_id())
        self.tls: TlsFacts | None = None
        self.covered_host = b""
        self.write: Sink = ignore
        self.transport: Any = None
        self.connected = 0
        self.dataReceived = self._receive_head

    @override
    def connectionMade(self) -> None:
        transport = self.transport
        if self._entrance.sessions.admit(self.session) is None:
            self._is_over = True
            self.dataReceived = ignore
            transport.abortConnection()
            return
        self._listener.counters.connections += 1
        if self._listener.https is not None:
            handshake.begun(self._means.counters.tls)
        self.write = transport.write
        transport.registerProducer(self, True)
        self.patience.allow(self.request_seconds)

    def handshakeCompleted(self) -> None:
        """The client's TLS is settled; the time for it and for the first head is one."""
        facts: TlsFacts = self.transport.tls
        self.tls = facts
        session = self.session
        seconds = self._now() - session.since
        handshake.completed(self._means.counters.tls, facts, seconds)
        if facts.client is not None:
            source, port = session.source, int(session.peer.rpartition(":")[2])
            self._provenance = Provenance(self._listener, source, port, facts.client)

    # What the next bytes are: the states.

    def _receive_head(self, data: bytes) -> None:
        """
        Read requests as long as there are whole ones and none is under way.

        Hot: one frame from the bytes to the exchange.
        """
        buffer = self._buffer + data if self._buffer else data
        self._is_reading_heads = True
        while buffer and self._exchange is None and not self.is_full and not self._is_over:
            try:
                head = parse_request_head(buffer, self._known, self._means.head_bytes_max)
            except WireError as error:
                self._buffer = b""
                self._is_reading_heads = False
                self._refuse(error)
                return
            if head is None:
                self._wait_for_head()
                break
            rest = buffer[head.size :] if len(buffer) > head.size else b""
            now = self._now()
            self.patience.touched = now
            if now - self._measured_at >= ROUND_TRIP_SECONDS:
                self._measure_round_trip(now)
            self._head_began = False
            fields = head.fields
            if fields is not self._known:
                # Clients of one kind send the same fields: the next one's need no reading.
                self._known = self._listener.known = fields
            if self._provenance.told_of is not self._listener.listener:
                self._take_over()
            exchange = self._exchange = Exchange(
                self, self.session, self._listener, self._provenance, self._means, head, now
            )
            if fields.length or fields.is_chunked:
                self._buffer = b""
                self._begin_body(exchange, fields, rest)
            else:
                self.body_bytes = 0
                self._buffer = rest
                self.dataReceived = self._keep_for_later
                exchange.start(b"", True, NO_TRAILERS)
            buffer = self._buffer
        self._buffer = buffer
        self._is_reading_heads = False
        if not buffer and self._exchange is None and self._has_said_all:
            self._close()
        elif self.is_full and len(buffer) > KEPT_BYTES_MAX:
            self._pause_reading()

    def _take_over(self) -> None:
        """The listener has other options than at our last request."""
        old, session = self._provenance, self.session
        port = int(session.peer.rpartition(":")[2])
        client = None if self.tls is None else self.tls.client
        self._provenance = Provenance(old.listener, session.source, port, client)
        self._idle_seconds = self._listener.listener.timeouts.front

    def _wait_for_head(self) -> None:
        """A head has begun: the whole of it has a limit, and a slow drip cannot extend it."""
        if not self._head_began:
            self._head_began = True
            self.patience.allow(self.request_seconds)
        if self._has_said_all:
            self._close()

    def _begin_body(self, exchange: Exchange, fields: RequestFields, rest: bytes) -> None:
        body = self._body = RequestBody(self, fields, self.patience, self._now)
        try:
            data, ended, trailers, leftover = body.begin(rest)
        except WireError as error:
            self.body_bytes = 0
            self.dataReceived = ignore
            exchange.start_broken(error.reason, error.status)
            return
        if ended:
            self._body = None
            self._buffer = leftover
            self.dataReceived = self._keep_for_later
        else:
            body.hold()
        exchange.start(data, ended, trailers)

    def _keep_for_later(self, data: bytes) -> None:
        """Requests ahead of their turn wait, and past a limit they are read no more."""
        self._buffer += data
        if len(self._buffer) > KEPT_BYTES_MAX:
            self._pause_reading()

    def read_with(self, state: Sink) -> None:
        """Let ``state`` take the next bytes."""
        self.dataReceived = state

    def body_ended(self, trailers: Sequence[bytes], leftover: bytes) -> None:
        """The request is complete; if it was only read away, the next one may begin."""
        self._body = None
        if self._is_over:
            return
        self._buffer = leftover
        self.dataReceived = self._keep_for_later
        exchange = self._exchange
        if exchange is not None:
            exchange.request_ended(trailers)
        else:
            self.exchange_ended(keeps_alive=True)

    def body_broken(self, error: WireError) -> None:
        """What came is no body: nothing behind it can be trusted."""
        self.dataReceived = ignore
        exchange = self._exchange
        if exchange is None:
            self._linger()
        else:
            exchange.request_broken(error.reason, error.status)

    def _receive_tunnel(self, data: bytes) -> None:
        self.patience.touched = self._now()
        self.body_bytes += len(data)
        self._sink(data)

    # What the exchange asks for.

    def wait(self, seconds: float) -> None:
        """Wait so long for the client from now on."""
        self.patience.allow(seconds)

    def touch(self) -> None:
        """There was a sign of life of the client."""
        self.patience.touched = self._now()

    def write_last(self, data: bytes) -> None:
        """Pass the last bytes to the client; the close follows in this very turn."""
        transport = self.transport
        getattr(transport, "write_last", transport.write)(data)

    def write_chunk(self, data: bytes) -> None:
        """Pass bytes to the client as one chunk."""
        self.write(b"%x\r\n%b\r\n" % (len(data), data))  # Hot: compose_chunk without its frame

    def hold_body(self) -> None:
        """Keep what comes of the body until somebody takes it."""
        if self._body is not None:
            self._body.hold()

    def take_body(self, sink: Sink, back: BackSide) -> None:
        """Pass the body to ``sink``, beginning with what was held."""
        assert self._body is not None
        self._body.take(sink, back)

    def pause(self) -> None:
        """The backend does not take more: unless it is full, the client's silence is our doing."""
        if self._body is None or not self._body.is_spliced:
            if not self.is_full:
                self.patience.seconds = inf
            self._pause_reading()

    def resume(self, seconds: float) -> None:
        """The backend takes more."""
        if not self._is_over and len(self._buffer) <= KEPT_BYTES_MAX:
            self.patience.allow(seconds)
            self._resume_reading()

    def body_is_short(self) -> bool:
        """Return whether what is left of the body can be read away."""
        return self._body is None or self._body.is_short()

    def exchange_ended(self, *, keeps_alive: bool) -> None:
        """The response is out: go on to the next request, or close."""
        exchange = self._exchange
        self._exchange = None
        if keeps_alive and self._body is None:
            # Hot: the next request may come, or is here already.
            self.dataReceived = self._receive_head
            patience = self.patience
            patience.touched = self._now()
            if patience.seconds != self._idle_seconds:
                patience.allow(self._idle_seconds)
            if not self._is_reading_heads and (
                self._buffer or self._is_paused or self._has_said_all
            ):
                self._go_on()
            return
        if not keeps_alive:
            assert exchange is not None
            is_silent = self._has_said_all or not exchange.may_be_followed
            if is_silent and self.dataReceived == self._keep_for_later and not self._buffer:
                self._close()  # Who asked for a close sends no more: no need to listen.
            else:
                self._linger()
            return
        # Read the rest of the body away; there is little of it, and its end is known.
        body = self._body
        assert body is not None
        if not body.stop():
            self.body_ended(NO_TRAILERS, b"")
            return
        self.patience.allow(min(LINGER_SECONDS, self._idle_seconds))
        body.read_away()
        self._resume_reading()

    def tunnel(self, sink: Sink, seconds: float) -> None:
        """Pass every byte to ``sink``, beginning with those that came early."""
        early, self._buffer = self._buffer, b""
        self._sink = sink
        self.dataReceived = self._receive_tunnel
        self.patience.allow(seconds)
        if early:
            self.body_bytes += len(early)
            sink(early)
        self._resume_reading()
        if self._has_said_all and self._exchange is not None:
            self._exchange.front_finished()

    def finish(self) -> None:
        """Half-close: the client gets no more bytes."""
        self.transport.loseWriteConnection()
        # The other half may not stay open for the whole of a tunnel's patience.
        self.patience.allow(min(self._idle_seconds, self.patience.seconds))

    # Between requests, and at the end.

    def _go_on(self) -> None:
        """Read the request that is here already."""
        self._resume_reading()
        self._receive_head(b"")

    def _refuse(self, error: WireError) -> None:
        """What came is not a request: say so, and close."""
        self.dataReceived = ignore
        data = refuse_unreadable(
            error, self.session, self._listener, self._provenance, self._means, self.tls
        )
        self.write(data)
        self._linger()

    def readConnectionLost(self) -> None:
        """The client said all; it may still wait for its response."""
        self._has_said_all = True
        exchange = self._exchange
        if self._is_over:
            self._close()
        elif self.dataReceived == self._receive_tunnel:
            assert exchange is not None
            exchange.front_finished()
        elif exchange is None:
            self._close()
        elif self.dataReceived == self._keep_for_later:
            self.is_draining = self.is_draining or not self._buffer
        else:
            self.abort()  # In the middle of its own request.

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        self.dataReceived = ignore
        self.patience.cancel()
        self._buffer = b""
        self._sink = self.write = ignore
        self._stop_body()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.request_lost()
        if self.session.token is not None:
            self._listener.counters.connections -= 1
            if self._listener.https is not None:
                handshake.lost(self._means.counters.tls, self.tls, reason)
            self._entrance.sessions.dismiss(self.session)
        self._body = None
        self.transport = None

    def _expired(self) -> None:
        """The client was silent, or took nothing, for as long as it may."""
        exchange = self._exchange
        patience = self.patience
        body = self._body
        if self._has_progressed() or (body is not None and body.is_held_up()):
            patience.allow(patience.seconds)
            return
        patience.seconds = inf  # It stands in no wheel now; whoever wants it says so.
        if exchange is not None:
            exchange.request_timed_out()
        elif self._is_over:
            self.abort()
        elif self._head_began:
            self._refuse(WireError("the request's head did not come in time", 408))
        else:
            self._close()

    def _has_progressed(self) -> bool:
        """Return whether the client took bytes since it was last asked, though slowly."""
        transport = self.transport
        waiting: int = getattr(transport, "buffered_bytes", 0)
        before, self._sent_before = self._sent_before, waiting or -1
        return waiting > 0 and (waiting < before or before < 0)

    def _measure_round_trip(self, now: float) -> None:
        self._measured_at = now
        measure = getattr(self.transport, "round_trip_us", None)
        if measure is not None:
            self.round_trip_us = measure()

    # As the producer of what is written here: responses.

    def pauseProducing(self) -> None:
        """The client does not read: the response must pause, and the next request wait."""
        self.is_full = True
        self.patience.touched = self._now()
        self._sent_before = getattr(self.transport, "buffered_bytes", -1)
        if self._exchange is not None:
            self._exchange.front_filled()

    def resumeProducing(self) -> None:
        """The client has taken what was written."""
        self.is_full = False
        self.patience.touched = self._now()
        if self._exchange is not None:
            self._exchange.front_drained()
        elif self.dataReceived == self._receive_head and self._buffer:
            self._resume_reading()
            self._receive_head(b"")

    def stopProducing(self) -> None:
        """The transport is lost; ``connectionLost`` follows."""
