"""
The writing half of StreamTransport: what was written, and who is paused because of it.

``write`` sends at once, and the reactor is asked to watch for room only for what the kernel did
not take. It must not know how a connection ends: that is ``transport.stream``.
"""

import errno
import socket
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IProducer
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.transport.loans import Lendable
from sozutw.transport.loop import call_soon
from sozutw.transport.losses import lost_by

WRITE_BYTES_MAX = 64 * 1024
WRITE_BYTES_LOW = 16 * 1024
GATHER_MAX = 64
"""Pieces for one ``sendmsg``; the kernel takes 1024, but a socket buffer is full long before."""

HELD_BACK = getattr(socket, "MSG_MORE", 0)
"""Tells the kernel that something follows at once: more bytes, or the end."""

FULL_FOR_NOW = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR))


class Outflow(Lendable):
    """Bytes on their way to the peer; ``transport.stream.StreamTransport`` begins what is here."""

    __slots__ = (
        "_buffer",
        "_holds_back",
        "_offset",
        "_producer_paused",
        "_send",
        "_write_closing",
        "_write_error",
        "buffered_bytes",
        "has_failed_writing",
        "producer",
    )

    _buffer: deque[bytes] | None
    _holds_back: bool
    _offset: int
    _producer_paused: bool
    _send: Callable[..., int]
    _write_closing: bool
    _write_error: Failure | None
    has_failed_writing: bool
    producer: Any

    def _flushed(self) -> None:
        """All was sent."""
        raise NotImplementedError

    def _tell_write_error(self) -> None:
        """A send failed a moment ago."""
        raise NotImplementedError

    def doWrite(self) -> None:
        """Send what waits, as much as the kernel takes at once."""
        buffer = self._buffer
        if buffer is None:
            if self._write_borrower is not None:
                self._write_borrower.sink_writable()
            else:
                self.reactor.removeWriter(self)
            return
        try:
            sent = self._send_some(buffer)
        except OSError as fault:
            if fault.errno not in FULL_FOR_NOW:
                self._fail_writing(fault)
            return
        self.buffered_bytes -= sent
        assert self.buffered_bytes >= 0
        if self.buffered_bytes == 0:
            self._buffer = None
            self._offset = 0
            self.reactor.removeWriter(self)
            self._flushed()
            return
        sent += self._offset
        while sent >= len(buffer[0]):
            sent -= len(buffer.popleft())
        self._offset = sent
        if self.buffered_bytes < WRITE_BYTES_LOW and not self.disconnecting:
            self._resume_producer()

    def write(self, data: bytes) -> None:
        """
        Send at once; keep what the kernel does not take.

        Hot: one frame, one call of the kernel, and none to epoll.
        """
        if not self._takes or not data:
            assert self._write_borrower is None or self.disconnecting, "lent to a splice"
            return
        if self._buffer is None:
            try:
                sent = self._send(data)
            except OSError as fault:
                if fault.errno not in FULL_FOR_NOW:
                    self._fail_writing(fault)
                    return
                sent = 0
            if sent == len(data):
                return
            rest = data[sent:]
            self._buffer = deque((rest,))
            self.buffered_bytes = len(rest)
            self._wait_for_room()
        else:
            self._buffer.append(data)
            self.buffered_bytes += len(data)
        if (
            self.buffered_bytes > WRITE_BYTES_MAX
            and self.producer is not None
            and not self._producer_paused
        ):
            self._producer_paused = True
            self.producer.pauseProducing()

    def write_last(self, data: bytes) -> None:
        """
        Write what nothing will follow: it leaves together with the end, in one segment.

        Whoever calls it closes, or half-closes, before the next poll. Hot: a segment less is 6 µs
        of the kernel's for a connection that serves one request.
        """
        if self._takes and self._buffer is None:
            try:
                data = data[self._send(data, HELD_BACK) :]
            except OSError:
                pass  # ``write`` meets the same, and knows what it means.
            else:
                self._holds_back = True
        self.write(data)

    def writeSequence(self, iovec: Any) -> None:
        """Send all of them as one."""
        self.write(b"".join(iovec))

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Pause ``producer`` above WRITE_BYTES_MAX, resume it below WRITE_BYTES_LOW.

        It may stay registered for the connection's whole life. Only push producers are served.
        """
        if self.producer is not None:
            raise RuntimeError("a producer is already registered")
        if not streaming:
            raise RuntimeError("only streaming producers are served")
        if self.disconnected:
            producer.stopProducing()
            return
        self.producer = producer
        self._producer_paused = self.buffered_bytes > WRITE_BYTES_MAX
        if self._producer_paused:
            self.producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer; it stays paused if it was."""
        self.producer = None
        self._producer_paused = False

    @property
    @override
    def has_finished_writing(self) -> bool:
        """Whether nothing more can be written: we said so, or a send failed."""
        return self._write_closing or self._write_error is not None

    def _send_some(self, buffer: deque[bytes]) -> int:
        first = memoryview(buffer[0])[self._offset :]
        if len(buffer) == 1:
            return self._send(first)
        return self._socket.sendmsg([first, *islice(buffer, 1, GATHER_MAX)])

    def _wait_for_room(self) -> None:
        """Something waits to be sent, and nothing did before."""
        self.reactor.addWriter(self)

    def _resume_producer(self) -> None:
        if self._producer_paused and self.producer is not None:
            self._producer_paused = False
            self.producer.resumeProducing()

    def _drop_buffer(self) -> None:
        if self._buffer is not None:
            self._buffer = None
            self._offset = 0
            self.buffered_bytes = 0
            self.reactor.removeWriter(self)

    @override
    def broke(self, fault: OSError) -> None:
        """The borrower learned from the kernel that the connection broke; told from the loop."""
        self._fail_writing(fault)

    def _fail_writing(self, fault: OSError) -> None:
        """Nothing more can be sent; the caller's frame hears nothing of it."""
        self._give_up_writing(lost_by(fault))
        call_soon(self.reactor, self._tell_write_error)

    def _give_up_writing(self, reason: Failure) -> None:
        if self._write_error is None:
            self._write_error = reason
            self.has_failed_writing = True
        self._takes = False
        self._drop_buffer()
