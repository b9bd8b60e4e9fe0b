"""
Closing: how a client's connection ends, so that the last answer arrives or is seen to be cut.

A socket that is closed with unread bytes resets the connection, and the reset may overtake the
answer. The kinds of an end are told in frontend/LIFECYCLE.md.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import Protocol

from sozutw.frontend.body import READ_AWAY_BYTES_MAX, RequestBody
from sozutw.relay.exchange import Exchange
from sozutw.transport.patience import Patience

LINGER_SECONDS: Final = 2.0
"""How long a client that is still sending is listened to after the last answer."""


def ignore(data: bytes) -> None:
    """Nothing that comes now matters; a function, for a bound method would be a cycle."""


class Closing(Protocol):
    """What a client's connection holds that matters at its end, and the ends it may take."""

    __slots__ = (
        "_body",
        "_buffer",
        "_exchange",
        "_has_said_all",
        "_idle_seconds",
        "_is_over",
        "_is_paused",
        "_read_away_left",
        "connected",
        "dataReceived",
        "is_full",
        "patience",
        "transport",
    )

    transport: Any
    dataReceived: Callable[[bytes], None]  # type: ignore[assignment]
    patience: Patience
    is_full: bool
    _body: RequestBody | None
    _buffer: bytes
    _exchange: Exchange | None
    _has_said_all: bool
    _idle_seconds: float
    _is_over: bool
    _is_paused: bool
    _read_away_left: int

    # At once.

    def abort(self) -> None:
        """Close at once, by a reset if there was more to say."""
        if self._exchange is not None or not self.has_taken_all():
            self.cut()
        else:
            self._is_over = True
            self.dataReceived = ignore
            if self.transport is not None:
                self.transport.abortConnection()

    def cut(self) -> None:
        """Close at once by a reset: the end of what was sent so far must not look like one."""
        self._is_over = True
        self.dataReceived = ignore
        self.patience.cancel()  # It may be due in this very tick.
        transport = self.transport
        if transport is not None:
            getattr(transport, "reset", transport.abortConnection)()

    def has_taken_all(self) -> bool:
        """Return whether nothing waits for the client to read it."""
        return not self.is_full and not getattr(self.transport, "buffered_bytes", 0)

    # When all is written.

    def _close(self) -> None:
        """Close when all is written; a client that does not take it is cut off in time."""
        transport = self.transport
        self._is_over = True
        self.dataReceived = ignore
        if getattr(transport, "buffered_bytes", 1):
            self.patience.allow(self._idle_seconds)
        transport.loseConnection()

    def _linger(self) -> None:
        """
        Half-close and read away what the client still sends, within 64 KiB and 2 s.

        A close with unread bytes would be a reset, which can take the answer from the client.
        """
        transport = self.transport
        self._stop_body()
        self._is_over = True
        self._buffer = b""
        self._read_away_left = READ_AWAY_BYTES_MAX
        self.dataReceived = self._linger_on
        self.patience.allow(self._idle_seconds)
        transport.loseWriteConnection()
        self._resume_reading()
        if self._has_said_all:
            self._close()

    def _linger_on(self, data: bytes) -> None:
        """The client still sends after the last answer; listen for a while, then close."""
        self._read_away_left -= len(data)
        if self._read_away_left < 0:
            self.abort()

    def writeConnectionLost(self) -> None:
        """Our half-close was done: all that we had to say is out."""
        if self._is_over:
            self.patience.allow(min(LINGER_SECONDS, self._idle_seconds))

    # What an end puts an end to.

    def _stop_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.stop()

    def _pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self.transport.pauseProducing()

    def _resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.transport.resumeProducing()
