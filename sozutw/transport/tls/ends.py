"""
How a connection with TLS begins and ends: the handshake, and the ends that both sides tell.

What flows in between is in ``transport.tls.stream``. The whole life is told in
transport/LIFECYCLE.md.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocol
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.transport.loop import Loop
from sozutw.transport.losses import DONE, failure
from sozutw.transport.outflow import FULL_FOR_NOW
from sozutw.transport.stream import READ_BYTES, StreamTransport
from sozutw.transport.tls.causes import EOF, PLAIN_HTTP, TlsError, WantRead, WantWrite
from sozutw.transport.tls.library import HAS_MORE, WRITE_WANTS_READ, Endpoint, facts
from sozutw.transport.tls.lingering import lingerers_of
from sozutw.wire.tls import TlsFacts

READ_AWAY_BYTES_MAX: Final = 64 * 1024
"""What the peer may still send meanwhile."""

# What _phase is. Hot: the one in which bytes flow is false.
OPEN: Final = 0
HANDSHAKE: Final = 1
LINGERING: Final = 2
OVER: Final = 3

_WRONG_PORT: Final = b"The plain HTTP request was sent to HTTPS port\n"
PLAIN_HTTP_ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_WRONG_PORT), _WRONG_PORT)
)


class TlsEnds(StreamTransport):
    """What ``transport.tls.stream.TlsTransport`` is before and after its bytes flow."""

    __slots__ = (
        "_endpoint",
        "_has_begun",
        "_phase",
        "_read_away_left",
        "_reason",
        "_verify",
        "_waits_for_room",
        "_wants_to_say_done",
        "tls",
    )

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
        super().__init__(reactor, sock, protocol, host, peer, on_lost)
        self.tls: TlsFacts | None = None
        """What the handshake settled; None until it is over."""
        self._endpoint = endpoint
        self._recv = endpoint.read
        self._send = _not_yet
        self._verify = verify
        self._phase: int = HANDSHAKE
        self._has_begun = False
        self._reason = DONE
        self._read_away_left = READ_AWAY_BYTES_MAX
        self._waits_for_room = False
        """In the handshake: for room instead of bytes."""
        self._wants_to_say_done = False
        """The socket was too full for a close_notify."""

    # The handshake.

    def _shake_hands(self) -> None:
        try:
            self._endpoint.handshake()
        except WantRead:
            if self._waits_for_room:
                self._waits_for_room = False
                self.reactor.removeWriter(self)
                self.reactor.addReader(self)
        except WantWrite:
            if not self._waits_for_room:
                self._waits_for_room = True
                self.reactor.removeReader(self)
                self.reactor.addWriter(self)
        except OSError as fault:
            self._refuse(fault)
        else:
            self._greeted()

    def _greeted(self) -> None:
        """The handshake is over, as far as TLS is concerned."""
        endpoint = self._endpoint
        if not self._is_accepted(endpoint.connection):
            return
        endpoint.trim()
        self._phase = OPEN
        self._send = endpoint.write
        if self._waits_for_room:
            self._waits_for_room = False
            self.reactor.removeWriter(self)
            if self.is_reading:
                self.reactor.addReader(self)
        elif not self.is_reading:
            self.reactor.removeReader(self)
        protocol = self.protocol
        if not self.disconnecting and IHandshakeListener.providedBy(protocol):
            protocol.handshakeCompleted()
        # What was put off until now.
        if self._phase:
            return
        if self._buffer is not None:
            self.reactor.addWriter(self)
            self.doWrite()
        elif self.disconnecting or self._write_closing:
            self._flushed()

    def _is_accepted(self, connection: SSL.Connection) -> bool:
        verify, self._verify = self._verify, None
        try:
            if verify is not None:
                verify(connection)
            self.tls = facts(connection, is_server=self._endpoint.is_server)
        except AssertionError:
            raise
        except TlsError as fault:
            self._refuse(fault)
            return False
        except Exception as fault:  # noqa: BLE001  # whatever it raises is a refusal
            self._refuse(TlsError("invalid_certificate", str(fault) or type(fault).__name__))
            return False
        return True

    def _refuse(self, fault: OSError) -> None:
        """There will be no connection; the peer may still read why."""
        cause = fault.cause if isinstance(fault, TlsError) else EOF
        # The frames that it came through hold us.
        fault.__traceback__ = fault.__context__ = None
        reason = failure(fault)
        self._give_up_writing(reason)
        self.disconnecting = True
        self.is_reading = False
        if cause == PLAIN_HTTP:
            with suppress(OSError):
                self._socket.send(PLAIN_HTTP_ANSWER)
        if self._endpoint.is_server and cause not in (EOF, "alert_received"):
            # OpenSSL has sent an alert. A close with unread bytes would take it away.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._linger(reason)
        else:
            self._lose(reason)

    @override
    def _stop_reading(self) -> None:
        self.is_reading = False
        if self._phase == HANDSHAKE or (
            self._phase == OPEN and self._endpoint.owes & WRITE_WANTS_READ
        ):
            return
        self.reactor.removeReader(self)

    # How it ends.

    @override
    def _flushed(self) -> None:
        if self.disconnected or self._phase == LINGERING:
            return
        if self._phase == HANDSHAKE:
            if self.disconnecting:
                self._lose(DONE)
        elif not self.disconnecting:
            super()._flushed()
        elif self._write_error is not None:
            self._lose(self._write_error)
        else:
            self._end_writing()

    @override
    def _end_writing(self) -> None:
        """Say that we are done, as TLS has it and as TCP has it."""
        if not self._write_closed:
            try:
                self._endpoint.say_done()
            except BlockingIOError:
                self._wants_to_say_done = True
                self.reactor.addWriter(self)
                if self.disconnecting:
                    self._stop_reading()
                return
            except OSError as fault:
                self._fail_writing(fault)
                return
            if self._wants_to_say_done:
                self._wants_to_say_done = False
                self.reactor.removeWriter(self)
        if not self.disconnecting:
            super()._end_writing()
            return
        self._write_closed = True
        self._holds_back = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        if self._read_ended:
            self._lose(DONE)
        else:
            self._linger(DONE)

    def _linger(self, reason: Failure) -> None:
        """Wait for the peer's end, and tell ``reason`` then."""
        self._phase = LINGERING
        self._reason = reason
        lingerers_of(self.reactor).add(self)
        self.reactor.addReader(self)

    def linger_is_over(self) -> None:
        """The peer has not ended in time."""
        self._lose(self._reason)

    def _read_away(self) -> None:
        """What comes after our end is looked at by nobody."""
        try:
            data = self._socket.recv(READ_BYTES)
        except OSError as fault:
            if fault.errno in FULL_FOR_NOW:
                return
            data = b""
        self._read_away_left -= len(data)
        if not data or self._read_away_left < 0:
            self._lose(self._reason)

    @override
    def _tell_write_error(self) -> None:
        may_read = self._phase in (OPEN, HANDSHAKE) and not self.disconnecting
        if may_read and self._endpoint.owes & HAS_MORE:
            return  # What came before is read first; its end is the same loss.
        super()._tell_write_error()

    @override
    def _lose(self, reason: Failure) -> None:
        if self.disconnected:
            return
        if self._phase == HANDSHAKE:
            if not (self.disconnecting or isinstance(reason.value, TlsError)):
                reason = failure(TlsError(EOF, reason.getErrorMessage()))
        elif (
            self._phase == OPEN
            and reason is DONE
            and self._buffer is None
            and not self._write_closed
        ):
            # The peer said that it is done, and nobody here has more to say.
            with suppress(OSError):
                self._endpoint.say_done()
        self._phase = OVER
        lingerers_of(self.reactor).remove(self)
        self._endpoint.close()
        super()._lose(reason)


def _not_yet(*_: object) -> int:
    """Nothing can be sent before the handshake is over."""
    raise WantRead
