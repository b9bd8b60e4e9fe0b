"""
Our own stream transport: what a proxied byte costs is decided here.

``write`` sends at once, and the reactor is asked to watch for room only for what the kernel did
not take; a wake-up is one ``recv``. Stock transports spend 15 µs more on a request. The life of a
transport is told in LIFECYCLE.md.
"""

import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    IReadWriteDescriptor,
    ITCPTransport,
)
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.transport.loans import Lendable
from sozutw.transport.loop import Loop, call_soon, leave
from sozutw.transport.losses import ABORTED, DONE, lost_by
from sozutw.transport.socket_facts import has_bytes_to_read, is_silent

READ_BYTES = 16 * 1024
READ_BYTES_MAX = 256 * 1024
"""A larger read saves calls while a body is bulk, and costs memory while it is not."""
WRITE_BYTES_MAX = 64 * 1024
WRITE_BYTES_LOW = 16 * 1024
GATHER_MAX = 64
"""Pieces for one ``sendmsg``; the kernel takes 1024, but a socket buffer is full long before."""

_FULL_FOR_NOW = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR))


@implementer(
    ITCPTransport, IReadWriteDescriptor, IConsumer, IPushProducer, IHalfCloseableDescriptor
)
class StreamTransport(Lendable):
    """
    A connected, non-blocking stream socket, and the protocol that owns it.

    ``protocol`` may be replaced at any time (see ``hand_over``). Nothing is delivered in the
    frame of a call made on the transport: neither bytes nor a loss. ``connectionLost`` comes
    exactly once, and before it every byte that the peer sent and the protocol was willing to read.
    After ``loseConnection``, ``loseWriteConnection``, an abort or a failed send, what is written is
    dropped. When both halves are closed the connection is over.
    """

    __slots__ = (
        "_buffer",
        "_fd",
        "_full_reads",
        "_offset",
        "_on_lost",
        "_producer_paused",
        "_read_ended",
        "_recv",
        "_send",
        "_write_closed",
        "_write_closing",
        "_write_error",
        "buffered_bytes",
        "connected",
        "disconnected",
        "disconnecting",
        "has_failed_writing",
        "producer",
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
        # Hot: what the two classes below begin with, without their frames.
        self._socket = sock
        self._host = host
        self._peer = peer
        self._read_borrower = None
        self._write_borrower = None
        self._reads_after_loan = False
        self._fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._on_lost = on_lost
        self._buffer: deque[bytes] | None = None
        self._offset = 0
        self._full_reads = 0
        self._producer_paused = False
        self._takes = True
        self._write_closing = False
        self._write_closed = False
        self._read_ended = False
        self._write_error: Failure | None = None
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
            if fault.errno not in _FULL_FOR_NOW:
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
            if fault.errno not in _FULL_FOR_NOW:
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
                if fault.errno not in _FULL_FOR_NOW:
                    self._fail_writing(fault)
                    return
                sent = 0
            if sent == len(data):
                return
            rest = data[sent:]
            self._buffer = deque((rest,))
            self.buffered_bytes = len(rest)
            self.reactor.addWriter(self)
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

    def writeSequence(self, iovec: Any) -> None:
        """Send all of them as one."""
        self.write(b"".join(iovec))

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

    @property
    @override
    def has_finished_writing(self) -> bool:
        """Whether nothing more can be written: we said so, or a send failed."""
        return self._write_closing or self._write_error is not None

    # How it goes on.

    def _send_some(self, buffer: deque[bytes]) -> int:
        first = memoryview(buffer[0])[self._offset :]
        if len(buffer) == 1:
            return self._send(first)
        return self._socket.sendmsg([first, *islice(buffer, 1, GATHER_MAX)])

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

    def _resume_producer(self) -> None:
        if self._producer_paused and self.producer is not None:
            self._producer_paused = False
            self.producer.resumeProducing()

    def _stop_reading(self) -> None:
        self.is_reading = False
        if self._read_borrower is None:
            self.reactor.removeReader(self)

    def _drop_buffer(self) -> None:
        if self._buffer is not None:
            self._buffer = None
            self._offset = 0
            self.buffered_bytes = 0
            self.reactor.removeWriter(self)

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
