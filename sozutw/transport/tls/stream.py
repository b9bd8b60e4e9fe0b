"""
Our stream transport with TLS on its socket.

What it adds to ``transport.stream``: a handshake, an end that both sides tell each other, and the
two ways in which TLS may have to write in order to read and to read in order to write. How such a
connection lives is told in transport/LIFECYCLE.md.
"""

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IProtocol, ISSLTransport
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.transport.loop import Loop, call_soon
from sozutw.transport.losses import TRUNCATED, lost_by
from sozutw.transport.socket_facts import has_bytes_to_read, is_silent
from sozutw.transport.stream import READ_BYTES, READ_BYTES_MAX
from sozutw.transport.tls.causes import TlsError, WantWrite
from sozutw.transport.tls.ends import HANDSHAKE, LINGERING, OPEN, OVER, TlsEnds
from sozutw.transport.tls.library import (
    HAS_MORE,
    READ_WANTS_WRITE,
    WRITE_BYTES_MAX,
    WRITE_WANTS_READ,
    Endpoint,
)

LOOKS_MAX: Final = 8
"""So many records of TLS's own are looked behind when it is asked whether a peer is silent."""

_CORK: Final = getattr(socket, "TCP_CORK", None)


@implementer(ISSLTransport)
class TlsTransport(TlsEnds):
    """
    A connected socket with TLS on it, and the protocol that owns it.

    The handshake begins with the first ``resumeProducing``, and goes on whether its protocol reads
    or not. What is written meanwhile is kept. When it is over ``verify`` is called, which raises to
    refuse the peer; then the protocol's ``handshakeCompleted``, if it is an IHandshakeListener.
    A handshake that fails ends in ``connectionLost`` with a TlsError. After it, what TLS takes
    for broken is a ConnectionLost, and so is an end of TCP without a close_notify.

    ``loseConnection`` says that we are done, then waits a little for the peer to say so too.
    """

    __slots__ = ("_is_due",)

    def __init__(
        self,
        reactor: Loop,
        sock: socket.socket,
        protocol: IProtocol | None,
        host: IAddress,
        peer: IAddress,
        endpoint: Endpoint,
        on_lost: Callable[[], None] | None = None,
        verify: Callable[[SSL.Connection], None] | None = None,
    ) -> None:
        super().__init__(reactor, sock, protocol, host, peer, endpoint, on_lost, verify)
        self._is_due = False
        """A read from the loop was arranged."""

    # What the reactor calls.

    @override
    def doRead(self) -> None:  # noqa: C901, PLR0912  # a call saved for each wake-up
        """
        Read once, and deliver.

        Hot: as StreamTransport's, and one frame more, in which OpenSSL is called.
        """
        if self._phase:
            self._step()
            return
        endpoint = self._endpoint
        if not self.is_reading:
            if endpoint.owes & WRITE_WANTS_READ:
                self._write_again()
            return
        read_bytes = self.read_bytes
        try:
            data = self._recv(read_bytes)
        except BlockingIOError as want:
            if isinstance(want, WantWrite):
                self._read_when_there_is_room()
            elif endpoint.owes & WRITE_WANTS_READ:
                self._write_again()
            return
        except OSError as fault:
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
        if endpoint.owes:
            self._settle()

    @override
    def doWrite(self) -> None:
        phase = self._phase
        if phase == HANDSHAKE:
            self._shake_hands()
            return
        if phase != OPEN:
            self.reactor.removeWriter(self)
            return
        endpoint = self._endpoint
        if endpoint.owes & READ_WANTS_WRITE:
            endpoint.owes &= ~READ_WANTS_WRITE
            if self.is_reading:
                self.reactor.addReader(self)
                self.doRead()
            if self._phase != OPEN:
                return
        if self._wants_to_say_done:
            self._end_writing()
            return
        super().doWrite()
        if self._phase != OPEN:
            return
        if endpoint.owes & READ_WANTS_WRITE:
            self.reactor.addWriter(self)
        elif self._buffer is not None and endpoint.owes & WRITE_WANTS_READ:
            self.reactor.removeWriter(self)
            self.reactor.addReader(self)

    @override
    def connectionLost(self, reason: Failure) -> None:
        if self._phase == LINGERING:
            self._lose(self._reason)
        else:
            super().connectionLost(reason)

    @override
    def readConnectionLost(self, reason: Failure) -> None:
        """The reactor saw a hang-up; what came before it is read first, a close_notify too."""
        if self._phase == LINGERING:
            self._lose(self._reason)
        elif has_bytes_to_read(self._socket):
            self.reactor.addReader(self)
        elif not self._read_ended:
            self.doRead()
            if self._phase in (OPEN, HANDSHAKE) and not self._read_ended:
                self._lose(lost_by(TlsError(TRUNCATED, "the connection hung up")))

    # ITransport.

    @override
    def loseConnection(self) -> None:
        """
        Say that we are done once all is sent, and close when the peer has ended too.

        The peer has LINGER_SECONDS for it, and may send READ_AWAY_BYTES_MAX more: a close with
        unread bytes would be a reset, which may take from it what it has not read yet. In the
        handshake the connection is closed at once, if nothing was written.
        """
        if self.disconnected or self.disconnecting:
            return
        self.disconnecting = True
        self._takes = False
        self.is_reading = False
        if self._buffer is None and call_soon(self.reactor, self._flushed):
            return  # Hot: lingers before the next poll, so that it will have to read anyway.
        self._stop_reading()

    @override
    def abortConnection(self) -> None:
        """Close without a word; ``connectionLost`` comes from the loop."""
        if self.disconnected:
            return
        self._phase = OVER
        self.reactor.removeWriter(self)
        super().abortConnection()

    @override
    def is_still_open(self) -> bool:
        """
        Whether the peer has said nothing that was not read yet: no byte, no end, no reset.

        A ticket that lies in the socket is no sign of death: it is taken in.
        """
        if self._read_ended or not self._takes:
            return False
        endpoint = self._endpoint
        if self._phase == HANDSHAKE:
            return True
        for _ in range(LOOKS_MAX):
            if endpoint.owes & HAS_MORE:
                return False
            if is_silent(self._socket):
                return True
            if endpoint.has_said_something() and self.is_reading:
                self._read_soon()
        return False

    @override
    def write_last(self, data: bytes) -> None:
        """
        Write what nothing will follow but a close_notify and the end, all in one segment.

        Whoever calls it closes, or half-closes, before the next poll.
        """
        if self._takes and self._buffer is None and not self._phase and _CORK is not None:
            # What is held back leaves with the end.
            with suppress(OSError):  # a Unix socket has nothing to hold back
                self._socket.setsockopt(socket.IPPROTO_TCP, _CORK, 1)
                self._holds_back = True
        self.write(data)

    # ISSLTransport, INegotiated.

    def getPeerCertificate(self) -> Any:  # noqa: N802  # as Twisted has it
        """Return the peer's certificate, as pyOpenSSL has it; None without one."""
        return self._endpoint.peer_certificate()

    @property
    def negotiatedProtocol(self) -> bytes | None:  # noqa: N802  # as Twisted has it
        """What ALPN settled on; None before the handshake is over, or without it."""
        return (self.tls.alpn.encode("ascii") or None) if self.tls is not None else None

    # IPushProducer.

    @override
    def resumeProducing(self) -> None:
        """Read, now or again; does nothing once reading is over. The handshake begins with it."""
        if self._phase == OPEN:
            super().resumeProducing()
            if self.is_reading and self._endpoint.owes & HAS_MORE:
                self._read_soon()
        elif self._phase == HANDSHAKE and not self.disconnecting:
            self.is_reading = True
            if not self._has_begun:
                self._has_begun = True
                if self._endpoint.is_server:
                    self.reactor.addReader(self)
                else:
                    # The client speaks first.
                    self._waits_for_room = True
                    self.reactor.addWriter(self)

    startReading = resumeProducing

    # No splice can read or write what is encrypted here.

    @property
    @override
    def can_lend_reading(self) -> bool:
        """Never: what moves in the kernel is not what the peer said."""
        return False

    @property
    @override
    def can_lend_writing(self) -> bool:
        """Never."""
        return False

    # How it goes on.

    def _step(self) -> None:
        """Something came, and it is not for the protocol."""
        if self._phase == HANDSHAKE:
            self._shake_hands()
        elif self._phase == LINGERING:
            self._read_away()
        else:
            self.reactor.removeReader(self)

    def _settle(self) -> None:
        """Bytes were delivered, and that was not all."""
        if self._phase:
            return
        owes = self._endpoint.owes
        if owes & WRITE_WANTS_READ:
            self._write_again()
        if owes & HAS_MORE and self.is_reading:
            self._read_soon()

    def _read_soon(self) -> None:
        """Read without waiting for the socket: OpenSSL holds what it would tell of."""
        if not self._is_due:
            self._is_due = True
            call_soon(self.reactor, self._read_more)

    def _read_more(self) -> None:
        self._is_due = False
        if self._phase or not self.is_reading:
            return
        self._endpoint.owes &= ~HAS_MORE
        try:
            self.doRead()
        except BaseException:
            # As a reactor does it; nobody else would end the connection here.
            self._lose(Failure())  # type: ignore[no-untyped-call]
            raise

    def _read_when_there_is_room(self) -> None:
        self._endpoint.owes |= READ_WANTS_WRITE
        self.reactor.removeReader(self)
        self.reactor.addWriter(self)

    def _write_again(self) -> None:
        """What a write waited for has come."""
        self._endpoint.owes &= ~WRITE_WANTS_READ
        if self._buffer is None:
            return
        self.reactor.addWriter(self)
        if not self.is_reading:
            self.reactor.removeReader(self)
        self.doWrite()

    @override
    def _wait_for_room(self) -> None:
        if self._phase:
            return  # The end of the handshake is waited for.
        if self._endpoint.owes & WRITE_WANTS_READ:
            self.reactor.addReader(self)
        else:
            self.reactor.addWriter(self)

    @override
    def _send_some(self, buffer: deque[bytes]) -> int:
        """Join what waits: a record for each piece would be a waste."""
        first = memoryview(buffer[0])[self._offset :]
        if len(buffer) == 1 or len(first) >= WRITE_BYTES_MAX:
            return self._send(first)
        pieces: list[bytes | memoryview] = []
        size = 0
        for piece in buffer:
            pieces.append(piece if pieces else first)
            size += len(pieces[-1])
            if size >= WRITE_BYTES_MAX:
                break
        return self._send(b"".join(pieces))
