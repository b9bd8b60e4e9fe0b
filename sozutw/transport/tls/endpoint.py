"""
One side of TLS on a socket, by the methods of pyOpenSSL's Connection.

``transport.tls.direct`` does the same at less cost; this is what it falls back to.
"""

import os
import socket
from ipaddress import ip_address
from typing import Final

from OpenSSL import SSL
from OpenSSL.crypto import X509

from sozutw.transport.losses import TRUNCATED
from sozutw.transport.tls.binding import verification_failure
from sozutw.transport.tls.causes import EOF, TlsError, WantRead, WantWrite, fault_of

RECORD_BYTES: Final = 16 * 1024
"""The most that one record holds."""
WRITE_BYTES_MAX: Final = 64 * 1024
"""For one call, so that one connection's bulk does not hold up the others."""
HAS_MORE: Final = 1
READ_WANTS_WRITE: Final = 2
WRITE_WANTS_READ: Final = 4

CLOSED_IN_ORDER: Final = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN
# pyOpenSSL has no names for these two, which are as old as OpenSSL's interface.
_MODE_PARTIAL_WRITE: Final = 1
_MODE_MOVING_BUFFER: Final = 2
MODES: Final = _MODE_PARTIAL_WRITE | _MODE_MOVING_BUFFER | SSL.MODE_RELEASE_BUFFERS


def prepare(context: SSL.Context) -> None:
    """Set the modes that an Endpoint relies on; needed for each context if IS_DIRECT is false."""
    context.set_mode(MODES)


class WrappedEndpoint:
    """
    One side of TLS on a connected, non-blocking socket.

    What cannot be done now raises WantRead or WantWrite, what broke TlsError or another OSError.
    It must be closed before its socket is: the number may be another connection's afterwards.
    """

    __slots__ = ("_broken", "connection", "is_server", "owes")

    def __init__(
        self,
        context: SSL.Context,
        sock: socket.socket,
        *,
        is_server: bool,
        server_name: str | None = None,
        session: object | None = None,
    ) -> None:
        connection = self.connection = SSL.Connection(context, sock)
        self.is_server = is_server
        self.owes = 0
        """HAS_MORE: to be read without waiting for the socket. The others: who waits for whom."""
        self._broken: OSError | None = None
        if is_server:
            connection.set_accept_state()
            return
        connection.set_connect_state()
        if server_name is not None and not is_address(server_name):
            # RFC 6066, 3: neither an address nor a dot at the end.
            connection.set_tlsext_host_name(server_name.removesuffix(".").encode("ascii"))
        if session is not None:
            assert isinstance(session, SSL.Session)
            connection.set_session(session)

    def handshake(self) -> None:
        """Go on with the handshake; returns when it is over. An end of the other side is EOF."""
        self._drain()
        try:
            self.connection.do_handshake()
        except SSL.Error as error:
            # No name here holds what is raised: it would hold this frame, for the collector.
            raise self._handshake_fault(error) from None
        finally:
            # The callbacks of contexts run in there; whatever they left is nobody's fault.
            self._drain()

    def _handshake_fault(self, error: SSL.Error) -> OSError:
        """Return why the handshake does not go on, and keep it if that is for good."""
        fault = _fault(error)
        if isinstance(fault, BlockingIOError):
            return fault
        if fault is None or getattr(fault, "cause", TRUNCATED) == TRUNCATED:
            fault = TlsError(EOF, "the other side ended the connection in the handshake")
        fault = self._broken = self._explained(fault)
        return fault

    def read(self, size: int) -> bytes:
        """
        Return what has come, at most ``size`` bytes; b"" when the other side said that it is done.

        Several full records are read at once; after any other nothing more is asked for.
        """
        try:
            data = self.connection.recv(size)
        except SSL.Error as error:
            fault = self._judged(_fault(error))
            if fault is None:
                return b""
            try:
                raise fault from None
            finally:
                del fault  # It holds this frame.
        if self.connection.pending():
            self.owes |= HAS_MORE
        return data

    def write(self, data: bytes | memoryview) -> int:
        """
        Send the beginning of ``data``, and return how much of it.

        If it was not all, what is tried next must begin with the rest, and with all of it up to
        WRITE_BYTES_MAX: a record may be under way.
        """
        try:
            return self.connection.send(data[:WRITE_BYTES_MAX])
        except SSL.Error as error:
            fault = self._judged(_fault(error)) or TlsError(TRUNCATED, "closed while writing")
            if type(fault) is WantRead:
                self.owes |= WRITE_WANTS_READ
            raise fault from None

    def has_said_something(self) -> bool:
        """
        Whether the other side sent a byte, its end, or something that broke the connection.

        A ticket or a key update does not count, and is taken in. What counts is read as ever.
        """
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except SSL.Error as error:
            if isinstance(self._judged(_fault(error)), BlockingIOError):
                return False
        self.owes |= HAS_MORE
        return True

    def say_done(self) -> None:
        """Send a close_notify: no data comes from us after it."""
        self._drain()
        try:
            self.connection.shutdown()
        except SSL.Error as error:
            fault = self._judged(_fault(error))
            if fault is not None and type(fault) is not WantRead:
                raise fault from None

    def trim(self) -> None:
        """Keep only what an open connection needs; to be called after the handshake."""

    def peer_certificate(self) -> X509 | None:
        """Return the peer's certificate; None without one."""
        return self.connection.get_peer_certificate()

    def close(self) -> None:
        """
        Let go of the socket; a client's session can still be asked for.

        A session that ended without a close_notify would not be resumed, though nothing is
        wrong with it if we chose to end.
        """
        if self._broken is None:
            self._end_in_order()
        self._broken = None  # Its traceback holds frames that hold us.

    def _end_in_order(self) -> None:
        self.connection.set_shutdown(CLOSED_IN_ORDER)

    # Faults.

    def _judged(self, fault: OSError | None) -> OSError | None:
        """Keep what broke the connection: OpenSSL tells it once only."""
        if self._broken is not None:
            return self._broken
        if fault is not None and not isinstance(fault, BlockingIOError):
            self._broken = fault
        return fault

    def _drain(self) -> None:
        """Empty OpenSSL's queue of errors; its methods leave nothing there."""

    def _explained(self, fault: OSError) -> OSError:
        """Say why a certificate was refused in the handshake, if it was."""
        if isinstance(fault, TlsError) and fault.cause == "invalid_certificate":
            why = verification_failure(self.connection)
            if why is not None:
                return TlsError(fault.cause, f"{fault.strerror}: {why}")
        return fault


def is_address(name: str) -> bool:
    """Whether a backend is named by its IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _fault(error: SSL.Error) -> OSError | None:
    """Return what an exception of pyOpenSSL's means; None: the other side is done."""
    if isinstance(error, SSL.WantReadError):
        return WantRead()
    if isinstance(error, SSL.WantWriteError):
        return WantWrite()
    if isinstance(error, SSL.ZeroReturnError):
        return None
    if isinstance(error, SSL.SysCallError):
        number = error.args[0]
        if number > 0:
            return OSError(number, os.strerror(number))
        return TlsError(TRUNCATED, "no close_notify came before the end")
    queue = error.args[0] if error.args else ()
    return fault_of([reason for _, _, reason in queue])
