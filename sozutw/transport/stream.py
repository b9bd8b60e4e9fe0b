"""
Our own stream transport: what a proxied byte costs is decided here.

A wake-up is one ``recv``; what is written is sent at once (``transport.outflow``). Stock transports
spend 15 µs more on a request. The life of a transport is told in LIFECYCLE.md.
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    IReadWriteDescriptor,
    ITCPTransport,
)
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.transport.loop import Loop, call_soon, leave
from sozutw.transport.losses import ABORTED, DONE, lost_by
from sozutw.transport.outflow import FULL_FOR_NOW, Outflow
from sozutw.transport.socket_facts import has_bytes_to_read, is_silent

READ_BYTES = 16 * 1024
READ_BYTES_MAX = 256 * 1024
"""A larger read saves calls while a body is bulk, and costs memory while it is not."""


@implementer(
    ITCPTransport, IReadWriteDescriptor, IConsumer, IPushProducer, IHalfCloseableDescriptor
)
class StreamTransport(Outflow):
    """
    A connected, non-blocking stream socket, and the protocol that owns it.

    ``protocol`` may be replaced at any time (see ``hand_over``). Nothing is delivered in the
    frame of a call made on the transport: neither bytes nor a loss. ``connectionLost`` comes
    exactly once, and before it every byte that the peer sent and the protocol was willing to read.
    After ``loseConnection``, ``loseWriteConnection``, an abort or a failed send, what is written is
    dropped. When both halves are closed the connection is over.
    """

    __slots__ = (
        "_fd",
        "_full_reads",
        "_on_lost",
        "_read_ended",
        "_recv",
        "_write_closed",
        "connected",
        "disconnected",
        "disconnecting",
        "protocol",
        "reactor",
        "read_bytes",
    )

    def __init__(
        self,
        reactor: Loop,
        sock: socket.socket,
        protocol: IProtocol | None,
        host: IAddress,
        peer: IAddress,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self.reactor = reactor
        self.protocol: Any = protocol
        self.connected = True
        self.disconnecting = False
        self.disconnected = False
        self.is_reading = False
        self.read_bytes = READ_BYTES
        """How much one wake-up reads at most; it grows and shrinks with what arrives."""
        self.buffered_bytes = 0
        """What was written and the kernel did not take yet."""
        self.producer: Any = None
        # Hot: what the classes below begin with, without their frames.
        self._socket = sock
        self._host = host
        self._peer = peer
        self._read_borrower = None
        self._write_borrower = None
        self._reads_after_loan = False
        self._fd = sock.fileno()
        self._recv: Callable[[int], bytes] = sock.recv
        self._send = sock.send
        self._on_lost = on_lost
        self._buffer = None
        self._offset = 0
        self._full_reads = 0
        self._producer_paused = False
        self._takes = True
        self._write_closing = False
        self._write_closed = False
        self._read_ended = False
        self._write_error: Failure | None = None
        self._holds_back = False
        self.has_failed_writing = False
        """Whether a send failed; what was written since then went nowhere."""
        sock.setblocking(False)

    # What the reactor calls.

    def doRead(self) -> None:
        """
        Read once, and deliver.

        Hot: one frame a wake-up. A second ``recv`` would nearly always find nothing.
        """
        if not self.is_reading:
            if self._read_borrower is not None:
                self._read_borrower.source_readable()
            return
        read_bytes = self.read_bytes
        try:
            data = self._recv(read_bytes)
        except OSError as fault:
            if fault.errno not in FULL_FOR_NOW:
                self._lose(self._write_error or lost_by(fault))
            return
        if not data:
            self._finish_reading()
            return
        size = len(data)
        if size == read_bytes:
            if self._full_reads and read_bytes < READ_BYTES_MAX:
                self.read_bytes = read_bytes * 2
            self._full_reads += 1
        else:
            self._full_reads = 0
            if size < READ_BYTES < read_bytes:
                self.read_bytes = READ_BYTES
        self.protocol.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw that the connection broke; bytes that still wait are kept for later."""
        if self.disconnected:
            return
        # Not reading, but watched for writing, a peer's reset shows as a hang-up. An answer that
        # came before it may still wait: a backend that refuses an upload answers, then closes.
        is_paused = self.connected and not self.is_reading and not self.disconnecting
        if (
            is_paused
            and isinstance(reason.value, error.ConnectionLost)
            and has_bytes_to_read(self._socket)
        ):
            self._give_up_writing(reason)
        else:
            self._lose(reason)

    def readConnectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """The reactor saw a hang-up; what came before it is read first."""
        is_lent = self._read_borrower is not None
        if is_lent or (self.is_reading and has_bytes_to_read(self._socket)):
            self.reactor.addReader(self)
        else:
            self._finish_reading()

    def writeConnectionLost(self, reason: Failure) -> None:
        """Nothing of Twisted calls this; it belongs to the interface."""
        self._lose(reason)

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._fd

    def logPrefix(self) -> str:
        """Name the protocol."""
        return type(self.protocol).__name__ if self.protocol is not None else "StreamTransport"

    # ITransport.

    def loseConnection(self) -> None:
        """
        Close once all is sent, whether a producer is registered or not.

        A peer that reads nothing can put this off for ever: whoever asks sets a deadline.
        """
        if self.disconnected or self.disconnecting:
            return
        self.disconnecting = True
        self._takes = False
        self.is_reading = False
        if self._buffer is None and call_soon(self.reactor, self._lose, self._write_error or DONE):
            return  # Hot: closed before the next poll, which saves a call to epoll.
        self._stop_reading()

    def loseWriteConnection(self) -> None:
        """Tell the peer, once all is sent, that no more will come; reading goes on."""
        if self.disconnected or self.disconnecting or self._write_closing:
            return
        self._write_closing = True
        self._takes = False
        if self._buffer is None:
            call_soon(self.reactor, self._flushed)

    def abortConnection(self) -> None:
        """Close without sending what waits; ``connectionLost`` comes from the loop."""
        if self.disconnected:
            return
        self._stop_reading()
        self._drop_buffer()
        self.disconnecting = True
        self._takes = False
        call_soon(self.reactor, self._lose, ABORTED)

    def reset(self) -> None:
        """Abort, and let the peer see a reset: what it has read so far is not the whole."""
        if not self.disconnected:
            linger_zero = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
            self.abortConnection()

    def is_still_open(self) -> bool:
        """
        Whether the peer has said nothing that was not read yet: no byte, no end, no reset.

        One call of the kernel. An idle connection that has anything to read is a dead one.
        """
        if self._read_ended or not self._takes:
            return False
        return is_silent(self._socket)

    # IConsumer, IPushProducer.

    def pauseProducing(self) -> None:
        """Read no more for now; not even bytes that this very wake-up was for."""
        if self.is_reading:
            self._stop_reading()
        self._reads_after_loan = False

    @override
    def resumeProducing(self) -> None:
        """Read, now or again; does nothing once reading is over."""
        if self._read_borrower is not None:
            self._reads_after_loan = True
        elif not (self.is_reading or self._read_ended or self.disconnecting or self.disconnected):
            self.is_reading = True
            self.reactor.addReader(self)

    startReading = resumeProducing
    stopReading = pauseProducing

    def stopProducing(self) -> None:
        """Close: who consumed our bytes is gone."""
        self.loseConnection()

    # How it goes on.

    @override
    def _flushed(self) -> None:
        """All was sent: do what was put off until then."""
        if self.disconnected:
            return
        if self.disconnecting:
            self._lose(self._write_error or DONE)
        elif not self._write_closing:
            self._resume_producer()
            if self._write_borrower is not None:
                self._write_borrower.sink_writable()
        elif not self._write_closed and self._write_error is None:
            self._end_writing()

    def _end_writing(self) -> None:
        """Tell the peer that it was all."""
        self._write_closed = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as fault:  # the peer has reset it
            self._fail_writing(fault)
            return
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.writeConnectionLost()
        if self._read_ended:
            self._lose(DONE)

    def _stop_reading(self) -> None:
        self.is_reading = False
        if self._read_borrower is None:
            self.reactor.removeReader(self)

    def _finish_reading(self) -> None:
        """The peer will send no more."""
        if self._read_ended or self.disconnected:
            return
        self._read_ended = True
        self._stop_reading()
        if self._write_error is not None:
            self._lose(self._write_error)
        elif IHalfCloseableProtocol.providedBy(self.protocol):
            self.protocol.readConnectionLost()
            if self._write_closed:
                self._lose(DONE)
        else:
            self._lose(DONE)

    @override
    def _tell_write_error(self) -> None:
        if self.disconnected:
            return
        assert self._write_error is not None
        # Bytes that came before the reset are read first: they end in the same loss.
        if self.disconnecting or self._read_ended or not has_bytes_to_read(self._socket):
            self._lose(self._write_error)

    def _lose(self, reason: Failure) -> None:
        """The one way out: after this nothing is delivered, and nothing holds on to us."""
        if self.disconnected:
            return
        self.disconnected = True
        self.connected = False
        self.is_reading = False
        self._takes = False
        self._buffer = None
        self.buffered_bytes = 0
        if self._holds_back:
            # A close with unread bytes would throw away what was held back.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        leave(self.reactor, self, self._socket)
        self._fd = -1
        producer, self.producer = self.producer, None
        protocol, self.protocol = self.protocol, None
        on_lost, self._on_lost = self._on_lost, None
        reading, self._read_borrower = self._read_borrower, None
        writing, self._write_borrower = self._write_borrower, None
        try:
            if reading is not None:
                reading.side_lost(reason)
            if writing is not None:
                writing.side_lost(reason)
            if producer is not None:
                producer.stopProducing()
            if protocol is not None:
                protocol.connectionLost(reason)
        finally:
            if on_lost is not None:
                on_lost()


MakeTransport = Callable[[Loop, socket.socket, Any, IAddress, IAddress], StreamTransport]
"""Makes the transport of an accepted socket: a plain one, or one that speaks TLS."""
