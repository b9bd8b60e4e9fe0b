"""
RequestBody: the body of one request, on its way from the client to whoever takes it.

It is made only for a request that has a body. While it stands, its methods are what the
connection's next bytes mean; at the end it gives the connection back with what was left over.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from twisted.python.failure import Failure

from sozutw.relay.ports import BackSide, Sink
from sozutw.transport.patience import Patience
from sozutw.transport.splice import Splice, is_available
from sozutw.wire.errors import WireError
from sozutw.wire.http1.body import ChunkedReader
from sozutw.wire.message import RequestFields

SPLICED_BYTES_MIN: Final = 256 * 1024
"""A body with less than this left is not worth the two descriptors of a pipe."""
READ_AWAY_BYTES_MAX: Final = 64 * 1024
"""What is left of a body is read away up to here; beyond that the connection closes."""

NO_TRAILERS: Final[Sequence[bytes]] = ()


def _forget(data: bytes) -> None:
    """What is left of a body that nobody wants; there is little of it."""


class BodyOwner(Protocol):
    """What a body needs of its connection."""

    transport: Any
    body_bytes: int

    def read_with(self, state: Sink) -> None:
        """Let ``state`` take the next bytes."""

    def pause(self) -> None:
        """Read no more."""

    def body_ended(self, trailers: Sequence[bytes], leftover: bytes) -> None:
        """The body is complete; ``leftover`` came behind it."""

    def body_broken(self, error: WireError) -> None:
        """What came is no body."""


class RequestBody:
    """One request's body: by length or chunked, held, taken or read away."""

    __slots__ = (
        "_chunks",
        "_expects_continue",
        "_front",
        "_held",
        "_left",
        "_now",
        "_patience",
        "_sink",
        "_splice",
        "_touch_back",
    )

    def __init__(
        self,
        front: BodyOwner,
        fields: RequestFields,
        patience: Patience,
        now: Callable[[], float],
    ) -> None:
        self._front = front
        self._chunks = ChunkedReader() if fields.is_chunked else None
        self._left = fields.length or 0
        self._expects_continue = fields.expects_continue
        self._patience = patience
        self._now = now
        self._held = b""
        self._sink: Sink = self.receive_held
        self._splice: Splice | None = None
        self._touch_back: Callable[[], None] | None = None

    def begin(self, data: bytes) -> tuple[bytes, bool, Sequence[bytes], bytes]:
        """
        Take what came with the head; nothing is reported yet.

        Returns the payload, whether that is all of it, the trailers, and what came behind it.
        Raises WireError.
        """
        chunks = self._chunks
        if chunks is not None:
            body = chunks.feed(data) if data else b""
            self._front.body_bytes = len(body)
            return body, chunks.is_done, chunks.trailers, chunks.leftover
        body = data[: self._left] if len(data) > self._left else data
        self._left -= len(body)
        self._front.body_bytes = len(body)
        return body, not self._left, NO_TRAILERS, data[len(body) :]

    # What the next bytes are: the states.

    def receive_held(self, data: bytes) -> None:
        """The body has nowhere to go yet."""
        self._held += data
        self._front.pause()

    def receive_length(self, data: bytes) -> None:
        """Bytes of a body by length. Hot: doRead, this and the backend's write are all frames."""
        self._patience.touched = self._now()
        front = self._front
        size = len(data)
        left = self._left = self._left - size
        if left > 0:
            front.body_bytes += size
            self._sink(data)
            return
        leftover = b""
        if left < 0:
            self._left = 0
            leftover = data[left:]
            data = data[:left]
        front.body_bytes += len(data)
        self._sink(data)
        front.body_ended(NO_TRAILERS, leftover)

    def receive_chunked(self, data: bytes) -> None:
        """Bytes of a chunked body."""
        self._patience.touched = self._now()
        chunks = self._chunks
        assert chunks is not None
        front = self._front
        try:
            body = chunks.feed(data)
        except WireError as error:
            front.body_broken(error)
            return
        if body:
            front.body_bytes += len(body)
            self._sink(body)
        if chunks.is_done:
            front.body_ended(chunks.trailers, chunks.leftover)

    # What is asked.

    def hold(self) -> None:
        """
        Keep what comes until somebody takes it.

        What a splice took and did not deliver is gone, and counted: the request is not whole.
        """
        self._stop_splice()
        self._front.read_with(self.receive_held)

    def take(self, sink: Sink, back: BackSide | None) -> None:
        """Pass the body to ``sink``, what was held first; the bulk of a long one is spliced."""
        held, self._held = self._held, b""
        front = self._front
        self._sink = sink
        state = self.receive_length if self._chunks is None else self.receive_chunked
        front.read_with(state)
        if held:
            state(held)
        if (
            back is not None
            and self._chunks is None
            and self._left >= SPLICED_BYTES_MIN
            and is_available(front.transport, back.transport)
        ):
            self._touch_back = back.touch
            self._splice = Splice(
                front.transport, back.transport, self._left, self._moved, self._splice_ended
            )

    def is_short(self) -> bool:
        """
        Return whether what is left can be read away, so that the framing stays certain.

        A client that waits for a 100 may send its body or not: that is not certain.
        """
        if self._expects_continue and not self._front.body_bytes:
            return False
        return self._chunks is None and self._left <= READ_AWAY_BYTES_MAX

    @property
    def is_spliced(self) -> bool:
        """Whether the kernel moves it; then it pauses by itself."""
        return self._splice is not None

    def is_held_up(self) -> bool:
        """Return whether a splice waits for the backend: the silence is not the client's."""
        return self._splice is not None and self._splice.is_sink_full

    def read_away(self) -> None:
        """Read the rest and forget it; a slow drip does not renew the client's patience."""
        began = self._now()
        self._now = lambda: began
        self.take(_forget, None)

    def stop(self) -> bool:
        """
        Nobody wants the rest; returns whether there is any.

        The bytes stay where they are, but for those that a splice has taken out already.
        """
        self._stop_splice()
        return self._chunks is not None or self._left > 0

    def _stop_splice(self) -> None:
        splice, self._splice = self._splice, None
        if splice is not None:
            gone = splice.stop()
            self._left -= gone
            self._front.body_bytes += gone

    def _moved(self, size: int) -> None:
        self._front.body_bytes += size
        self._left -= size
        self._patience.touched = self._now()
        assert self._touch_back is not None
        self._touch_back()

    def _splice_ended(self, failure: Failure | None) -> None:
        # A failure is the loss of a side, which its own connection reports.
        self._stop_splice()
        if failure is None:
            self._front.body_ended(NO_TRAILERS, b"")
