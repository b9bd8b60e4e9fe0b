"""
Http1BackendConnection: a live socket to a backend that speaks HTTP/1, dialled, leased or idle.

It must not know the client's side, nor which backend comes next: it reports to the owner of
its lease and is told what to do. Its states are told in backend/LIFECYCLE.md.
"""

from collections.abc import Callable
from math import inf
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.backend.last_words import LastWords
from sozutw.balancing.backends import BackendState
from sozutw.relay.ports import BackOwner, DialFailure, FrontSide, Sink
from sozutw.sessions.tokens import Token
from sozutw.transport.patience import Patience, Wheel
from sozutw.transport.splice import Splice, is_available
from sozutw.wire.errors import WireError
from sozutw.wire.http1.body import ChunkedReader
from sozutw.wire.http1.response import HEAD_TOO_LARGE, parse_response_head
from sozutw.wire.message import ResponseHead

SPLICED_BYTES_MIN: Final = 256 * 1024
"""A body with less than this left is not worth the two descriptors of a pipe."""

ROUND_TRIP_SECONDS: Final = 1.0
"""A round trip is measured at most so often on one connection."""
KNOWN_BYTES_MAX: Final = 2048
"""A longer head is not kept for comparison with the next one."""

INTERIMS_MAX: Final = 32
"""A server that sends more interim responses to one request is not waited for."""

STATUS_SWITCHING: Final = 101
STATUS_FINAL_MIN: Final = 200


def ignore(data: bytes) -> None:
    """A late callback of a connection that has no owner any more changes nothing."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class Http1BackendConnection(Protocol):
    """
    One connection to a backend, from the dial to the end.

    ``dataReceived`` is the state: what the next bytes mean. As a producer it stands for the
    request's body, which must pause while the backend does not read.
    """

    def __init__(
        self,
        state: BackendState,
        wheel: Wheel,
        head_bytes_max: int,
        dropped: Callable[["Http1BackendConnection"], None],
    ) -> None:
        self.state = state
        self.token: Token | None = None
        self.owner: BackOwner | None = None
        self.is_open = False
        self.is_reused = False
        self.response_bytes = 0
        self.loss_text = ""
        self.round_trip_us = 0
        self._measured_at = -inf
        self.dial: Any = None
        """What can cancel the dial, while there is one."""
        self._dropped = dropped
        self._is_dropped = False
        self._wheel = wheel
        self._now = wheel.now
        self.patience = Patience(wheel, self._expired)
        self._head_bytes_max = head_bytes_max
        self._seconds = 0.0
        self._buffer = b""
        self._known: ResponseHead | None = None
        self._known_raw = b""
        self._known_method = b""
        self._method = b""
        self._left = 0
        self._interims = 0
        self.is_reusable = False  # As far as the last exchange tells.
        self.is_paused = False
        self.is_full = False
        self._sink: Sink = self._receive_unexpected
        self._chunks: ChunkedReader | None = None
        self._splice: Splice | None = None
        self._sent_nothing = False
        self.write: Sink = self._receive_unexpected
        self.dataReceived = self._receive_unexpected  # type: ignore[method-assign]

    # Coming and going.

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        self.dial = None
        self.is_open = True
        self.write = transport.write
        transport.registerProducer(self, True)
        assert self.owner is not None
        self.owner.backend_connected()

    def dial_failed(self, failure: DialFailure, text: str = "") -> None:
        """There will be no connection."""
        self.dial = None
        assert self.owner is not None
        self.owner.backend_failed(failure, text)
        assert self._is_dropped

    def drop(self) -> None:
        """
        Close and forget, in one step that can be repeated (rule I2).

        No callback of this connection reaches its former owner afterwards: ``owner`` is gone,
        the timer is cancelled and the transport is aborted, not closed, so that it cannot wait.
        """
        if self._is_dropped:
            return
        self._is_dropped = True
        self.detach()
        self._dropped(self)

    def close(self, seconds: float) -> None:
        """Forget it as ``drop`` does, but what was written still goes out, within ``seconds``."""
        if self._is_dropped:
            return
        transport: Any = self.transport
        self.transport = None  # It is not to be aborted yet.
        self.drop()
        LastWords(transport, self._wheel, seconds)

    def detach(self) -> None:
        """Let go of owner, timer, dial and transport; the tables are the caller's business."""
        self._is_dropped = True
        self.owner = None
        self.is_open = False
        self.patience.cancel()
        self.dataReceived = ignore  # type: ignore[method-assign]
        self._sink = self.write = ignore
        splice, self._splice = self._splice, None
        if splice is not None:
            splice.stop()
        dial, self.dial = self.dial, None
        if dial is not None:
            dial.cancel()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    # What the exchange asks for.

    def send_request(self, data: bytes, method: bytes, seconds: float) -> None:
        """Write a request, and wait for ``seconds`` at a time for what comes back."""
        transport: Any = self.transport
        self._method = method
        self._seconds = seconds
        self._buffer = b""
        self.response_bytes = 0
        self._interims = 0
        now = self._now()
        patience = self.patience
        patience.touched = now
        if patience.seconds != seconds:
            patience.allow(seconds)
        if now - self._measured_at >= ROUND_TRIP_SECONDS:
            self._measure_round_trip(now)
        self.dataReceived = self._receive_head  # type: ignore[method-assign]
        self.write = transport.write
        transport.write(data)
        # A write that fails at once took nothing; what a later one took is not known.
        self._sent_nothing = getattr(transport, "has_failed_writing", False)

    def _measure_round_trip(self, now: float) -> None:
        self._measured_at = now
        measure = getattr(self.transport, "round_trip_us", None)
        if measure is not None:
            self.round_trip_us = measure()

    def has_sent_nothing(self) -> bool:
        """Return whether the kernel took no byte of the request, as far as the transport tells."""
        return self._sent_nothing

    def write_chunk(self, data: bytes) -> None:
        """Pass body bytes as one chunk."""
        self.patience.touched = self._now()
        self.write(b"%x\r\n%b\r\n" % (len(data), data))  # Hot: compose_chunk without its frame

    def take_body(self, sink: Sink) -> None:
        """Hand the response's body to ``sink``."""
        self._sink = sink

    def wait(self, seconds: float) -> None:
        """Wait so long for the backend from now on."""
        self.patience.allow(seconds)

    def pause(self) -> None:
        """Read no more: the client cannot take it. Unless full, its silence is our doing then."""
        if self._splice is None:
            self.is_paused = True
            transport: Any = self.transport
            transport.pauseProducing()
            if not self.is_full:
                self.patience.seconds = inf

    def resume(self) -> None:
        """Read on."""
        if self.owner is not None:
            self.patience.allow(self._seconds)
            self.read_on()

    def is_held_up(self) -> bool:
        """Return whether a splice waits for the client: its silence is not the backend's."""
        return self._splice is not None and self._splice.is_sink_full

    def read_on(self) -> None:
        """An idle connection must be read too, or nobody sees that it has ended."""
        transport: Any = self.transport
        self.is_paused = False
        transport.resumeProducing()

    def tunnel(self, sink: Sink, seconds: float) -> bytes:
        """Pass every byte to ``sink`` from now on; return those that came with the head."""
        early, self._buffer = self._buffer, b""
        self._sink = sink
        self._seconds = seconds
        self.patience.allow(seconds)
        self.is_reusable = False
        self.dataReceived = self._receive_tunnel  # type: ignore[method-assign]
        return early

    def join(self, front: FrontSide, length: int) -> bool:
        """Splice what is left of the body to the client, if that can be done and is worth it."""
        transport: Any = self.transport
        if length < SPLICED_BYTES_MIN or not is_available(transport, front.transport):
            return False
        self._splice = Splice(transport, front.transport, length, self._moved, self._splice_ended)
        self._touch_front = front.touch
        return True

    def touch(self) -> None:
        """There was a sign of life on the way to this backend."""
        self.patience.touched = self._now()

    def finish(self) -> None:
        """Half-close: the backend gets no more bytes."""
        transport: Any = self.transport
        transport.loseWriteConnection()

    # What the next bytes are: the states.

    def _receive_head(self, data: bytes) -> None:
        self.patience.touched = self._now()
        self.response_bytes += len(data)
        owner = self.owner
        assert owner is not None
        if self._buffer:
            data = self._buffer + data
        raw = self._known_raw
        if raw and data.startswith(raw) and self._method == self._known_method:
            # Hot: the very bytes of the last head, as from a server that is asked for the same
            # thing again within a second. A head is never changed, so the value can be shared.
            head = self._known
        else:
            try:
                head = parse_response_head(data, self._method, self._head_bytes_max)
            except WireError as error:
                is_too_large = error.status == HEAD_TOO_LARGE
                owner.response_broken(error.reason, HEAD_TOO_LARGE if is_too_large else 502)
                return
            if head is not None and head.size <= KNOWN_BYTES_MAX:
                self._known = head
                self._known_raw = data[: head.size]
                self._known_method = self._method
        if head is None:
            self._buffer = data
            return
        if head.status < STATUS_FINAL_MIN:
            self._receive_interim(owner, head, data[head.size :])
            return
        length = head.body_length
        body = data[head.size :] if len(data) > head.size else b""
        self._buffer = b""
        if length >= 0 and len(body) >= length:
            # Hot: the whole response came at once. Bytes behind it belong to nobody.
            self.is_reusable = head.keeps_alive and len(body) == length
            self.dataReceived = self._receive_unexpected  # type: ignore[method-assign]
            if len(body) > length:
                body = body[:length]
            owner.response_started(head, body, ended=True)
            return
        self._start_body(owner, head, body)

    def _receive_interim(self, owner: BackOwner, head: ResponseHead, rest: bytes) -> None:
        """A 1xx: more of them, the final head, or another protocol, follows."""
        while head.status != STATUS_SWITCHING:
            self._interims += 1
            if self._interims > INTERIMS_MAX:
                owner.response_broken("too many interim responses")
                return
            owner.response_interim(head)
            self._buffer = rest
            if not rest or self.owner is not owner:
                return
            try:
                following = parse_response_head(rest, self._method, self._head_bytes_max)
            except WireError as error:
                owner.response_broken(error.reason)
                return
            if following is None:
                return
            if following.status >= STATUS_FINAL_MIN:
                self._buffer = b""
                self.response_bytes -= len(rest)
                self._receive_head(rest)
                return
            head = following
            rest = rest[head.size :]
        self._buffer = rest
        self.dataReceived = self._keep_for_later  # type: ignore[method-assign]
        owner.response_started(head, b"", ended=False)

    def _start_body(self, owner: BackOwner, head: ResponseHead, body: bytes) -> None:
        """More of the body is to come, or is framed."""
        self.is_reusable = head.keeps_alive
        if head.fields.is_chunked:
            chunks = self._chunks = ChunkedReader()
            try:
                body = chunks.feed(body)
            except WireError as error:
                owner.response_broken(error.reason)
                return
            self.dataReceived = self._receive_chunked  # type: ignore[method-assign]
            owner.response_started(head, body, ended=False)
            if chunks.is_done and self.owner is owner:
                self._end_chunked(chunks)
            return
        if head.body_length >= 0:
            self._left = head.body_length - len(body)
            self.dataReceived = self._receive_length  # type: ignore[method-assign]
        else:
            self.dataReceived = self._receive_until_close  # type: ignore[method-assign]
        owner.response_started(head, body, ended=False)

    def _receive_length(self, data: bytes) -> None:
        # Hot: the frames of one body chunk are doRead, this and the other side's write.
        self.patience.touched = self._now()
        size = len(data)
        self.response_bytes += size
        left = self._left = self._left - size
        if left > 0:
            self._sink(data)
            return
        if left < 0:
            self.is_reusable = False
            data = data[:left]
        self.dataReceived = self._receive_unexpected  # type: ignore[method-assign]
        owner = self.owner
        assert owner is not None
        self._sink(data)
        if self.owner is owner:
            owner.response_ended(())

    def _receive_chunked(self, data: bytes) -> None:
        self.patience.touched = self._now()
        self.response_bytes += len(data)
        chunks = self._chunks
        owner = self.owner
        assert chunks is not None
        assert owner is not None
        try:
            body = chunks.feed(data)
        except WireError as error:
            owner.response_broken(error.reason)
            return
        if body:
            self._sink(body)
        if chunks.is_done and self.owner is owner:
            self._end_chunked(chunks)

    def _end_chunked(self, chunks: ChunkedReader) -> None:
        if chunks.leftover:
            self.is_reusable = False
        self._chunks = None
        self.dataReceived = self._receive_unexpected  # type: ignore[method-assign]
        assert self.owner is not None
        self.owner.response_ended(chunks.trailers)

    def _receive_until_close(self, data: bytes) -> None:
        self.patience.touched = self._now()
        self.response_bytes += len(data)
        self._sink(data)

    def _receive_tunnel(self, data: bytes) -> None:
        self.patience.touched = self._now()
        self.response_bytes += len(data)
        self._sink(data)

    def _keep_for_later(self, data: bytes) -> None:
        """Bytes behind a 101, in the moment before the tunnel is set up."""
        self._buffer += data

    def _receive_unexpected(self, data: bytes) -> None:  # noqa: ARG002
        """Bytes that nobody asked for: the next request must not get them (rule R1)."""
        if self.owner is None:
            self.drop()
        else:
            self.is_reusable = False

    # The end, in its kinds.

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._is_dropped:
            if not (self.is_reused or self.response_bytes):
                self.loss_text = getattr(reason.value, "tls_text", "")
            self._ended(cleanly=isinstance(reason.value, ConnectionDone))
        self.dataReceived = ignore  # type: ignore[method-assign]
        self.transport = None

    def readConnectionLost(self) -> None:
        """The backend said all: in a tunnel that is half an end, elsewhere a whole one."""
        if self._is_dropped:
            return
        if self.dataReceived == self._receive_tunnel:
            assert self.owner is not None
            self.owner.back_finished()
            return
        self._ended(cleanly=True)

    def writeConnectionLost(self) -> None:
        """Our half-close was done."""

    def _ended(self, *, cleanly: bool) -> None:
        owner = self.owner
        if owner is None:
            self.drop()
            return
        if self.dataReceived == self._receive_until_close and cleanly:
            self.is_reusable = False
            owner.response_ended(())
            return
        owner.response_lost(cleanly=cleanly)
        assert self._is_dropped

    def _expired(self) -> None:
        owner = self.owner
        if owner is None:
            self.drop()
        elif self.is_held_up():
            self.patience.allow(self._seconds)
        else:
            owner.response_timed_out()

    # Splicing.

    def _moved(self, size: int) -> None:
        self.response_bytes += size
        self.patience.touched = self._now()
        self._touch_front()

    def _splice_ended(self, failure: Failure | None) -> None:
        self._splice = None
        if self._is_dropped:
            return
        owner = self.owner
        assert owner is not None
        if failure is None:
            self.dataReceived = self._receive_unexpected  # type: ignore[method-assign]
            owner.response_ended(())
        else:
            # The loss of a side, which its own connection reports next. Bytes that came
            # before it have lost their place.
            self.dataReceived = ignore  # type: ignore[method-assign]

    # As the producer of what is written here: the client's bytes.

    def pauseProducing(self) -> None:
        """The backend does not read: the client must pause."""
        self.is_full = True
        if self.owner is not None:
            self.owner.back_filled()

    def resumeProducing(self) -> None:
        """The backend has taken what was written."""
        self.is_full = False
        if self.owner is not None:
            self.patience.touched = self._now()
            self.owner.back_drained()

    def stopProducing(self) -> None:
        """The transport is lost; ``connectionLost`` follows."""
