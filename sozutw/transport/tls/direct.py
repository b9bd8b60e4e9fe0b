"""
One side of TLS on a socket, by the functions of the binding that pyOpenSSL rests on.

A read and a write cost 7.5 µs through pyOpenSSL's methods and 4.9 µs like this, with one buffer for
all that is read. The names are private ones: they are tried out at import, and IS_DIRECT tells
whether they mean what they did.
"""

import os
import socket
from typing import Any, Final

from OpenSSL import SSL
from OpenSSL.crypto import X509
from typing_extensions import override

from sozutw.transport.losses import TRUNCATED
from sozutw.transport.stream import READ_BYTES_MAX
from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite, fault_of
from sozutw.transport.tls.endpoint import (
    CLOSED_IN_ORDER,
    HAS_MORE,
    MODES,
    RECORD_BYTES,
    WRITE_BYTES_MAX,
    WRITE_WANTS_READ,
    WrappedEndpoint,
)

ASIDES_MAX: Final = 64
"""So many messages of the protocol's own, key updates for one, may come without a byte of data."""

_MESSAGE_ENDED: Final = 0x2
_ALERT: Final = 0x4000

_ASIDES: dict[Any, int] = {}
"""Connections that got messages of the protocol's own since their last data, and how many."""

_ffi: Any = None
_lib: Any = None


def _count_aside(ssl: Any, where: int, _: int) -> None:
    if where & (_MESSAGE_ENDED | _ALERT):
        _ASIDES[ssl] = _ASIDES.get(ssl, 0) + 1


def _works(lib: Any, ffi: Any, notice: Any) -> bool:
    """Whether the binding's names mean here what they are used for."""
    ssl = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)._ssl  # noqa: SLF001
    lib.SSL_set_mode(ssl, MODES)
    lib.SSL_clear_mode(ssl, lib.SSL_MODE_AUTO_RETRY)
    lib.SSL_set_info_callback(ssl, notice)
    lib.SSL_set_connect_state(ssl)
    lib.ERR_clear_error()
    buffer = ffi.new("char[]", 8)
    results = [
        lib.SSL_do_handshake(ssl),
        lib.SSL_read(ssl, buffer + 1, 4),
        lib.SSL_peek(ssl, buffer, 4),
        lib.SSL_write(ssl, b"data", 4),
        lib.SSL_write(ssl, ffi.from_buffer(memoryview(b"data")) + 1, 3),
    ]
    return bool(
        max(results) < 0
        and lib.SSL_get_error(ssl, results[-1]) == lib.SSL_ERROR_WANT_READ
        and len({lib.SSL_ERROR_WANT_READ, lib.SSL_ERROR_WANT_WRITE, lib.SSL_ERROR_ZERO_RETURN}) > 2  # noqa: PLR2004
        and lib.SSL_pending(ssl) == 0
        and lib.SSL_session_reused(ssl) == 0
        and not lib.SSL_get_servername(ssl, lib.TLSEXT_NAMETYPE_host_name)
        and ffi.string(lib.SSL_get_version(ssl)).startswith(b"TLSv")
        and callable(lib.SSL_CIPHER_get_name)
        and callable(lib.SSL_get_current_cipher)
        and callable(lib.SSL_get0_alpn_selected)
        and lib.ERR_peek_error() == lib.ERR_get_error() == 0
        and callable(lib.ERR_reason_error_string)
        and callable(lib.SSL_shutdown)
        and callable(lib.SSL_set_shutdown)
        and ffi.buffer(buffer, 4)[:] == bytes(4)
        and isinstance(ffi.errno, int)
    )


try:
    from OpenSSL._util import ffi as _ffi
    from OpenSSL._util import lib as _lib

    _noticed = _ffi.callback("void(SSL *, int, int)", _count_aside)
    IS_DIRECT = _works(_lib, _ffi, _noticed)
except Exception:  # noqa: BLE001  # whatever a future pyOpenSSL changed
    IS_DIRECT = False
"""Whether the binding is used, and not pyOpenSSL's methods."""

_ASIDES.clear()
if IS_DIRECT:
    _do_handshake = _lib.SSL_do_handshake
    _get_error = _lib.SSL_get_error
    _read = _lib.SSL_read
    _write = _lib.SSL_write
    _peek_error = _lib.ERR_peek_error
    _clear_error = _lib.ERR_clear_error
    _view = _ffi.buffer
    _BUFFER = _ffi.new("char[]", READ_BYTES_MAX)
    _ALPN = _ffi.new("unsigned char **")
    _ALPN_LENGTH = _ffi.new("unsigned int *")
    _WANT_READ = _lib.SSL_ERROR_WANT_READ
    _WANT_WRITE = _lib.SSL_ERROR_WANT_WRITE
    _DONE = _lib.SSL_ERROR_ZERO_RETURN
    _SYSCALL = _lib.SSL_ERROR_SYSCALL


def _reasons() -> list[str]:
    """Take what stands in OpenSSL's queue."""
    reasons = []
    while number := _lib.ERR_get_error():
        text = _lib.ERR_reason_error_string(number)
        if text == _ffi.NULL:
            reasons.append(f"reason {number:x}")
        else:
            reasons.append(_ffi.string(text).decode("ascii", "replace"))
    return reasons


class DirectEndpoint(WrappedEndpoint):
    """The same by the binding's own functions."""

    __slots__ = ("_context", "_ssl")

    def __init__(
        self,
        context: SSL.Context,
        sock: socket.socket,
        *,
        is_server: bool,
        server_name: str | None = None,
        session: object | None = None,
    ) -> None:
        super().__init__(
            context, sock, is_server=is_server, server_name=server_name, session=session
        )
        ssl = self._ssl = self.connection._ssl  # noqa: SLF001
        _lib.SSL_set_mode(ssl, MODES)
        # With it a read would go on for as long as key updates come, and hold up everybody.
        _lib.SSL_clear_mode(ssl, _lib.SSL_MODE_AUTO_RETRY)

    @override
    def handshake(self) -> None:
        """
        Go on with the handshake; see WrappedEndpoint.

        Hot: pyOpenSSL's own method takes 10 µs more to say that something is to be waited for.
        """
        ssl = self._ssl
        if _peek_error():
            _clear_error()
        result = _do_handshake(ssl)
        if result > 0:
            _lib.SSL_set_info_callback(ssl, _noticed)
            self._drain()
            return
        code = _get_error(ssl, result)
        if code == _WANT_READ:
            self._drain()
            raise WantRead
        if code == _WANT_WRITE:
            self._drain()
            raise WantWrite
        try:
            self.connection._raise_ssl_error(ssl, result)  # noqa: SLF001
        except SSL.Error as error:
            raise self._handshake_fault(error) from None
        finally:
            self._drain()
        raise AssertionError(f"OpenSSL ended a handshake with {result} and gave no reason")

    @override
    def read(self, size: int) -> bytes:
        """
        Return what has come; see WrappedEndpoint.

        Hot: one call into OpenSSL for all that is shorter than a full record.
        """
        assert size <= READ_BYTES_MAX, "OpenSSL would write past the end of the buffer"
        if _peek_error():
            _clear_error()
        got = _read(self._ssl, _BUFFER, size)
        if got <= 0:
            return self._ended(got)
        if _ASIDES:
            _ASIDES.pop(self._ssl, None)
        if got >= RECORD_BYTES:
            got = self._read_on(size, got)
        elif got == size and _lib.SSL_pending(self._ssl):
            self.owes |= HAS_MORE
        data: bytes = _view(_BUFFER, got)[:]
        return data

    def _ended(self, result: int) -> bytes:
        """Return b"" if the other side is done, or raise why nothing was read."""
        fault = self._fault(result)
        if fault is None:
            return b""
        try:
            raise fault
        finally:
            del fault  # It holds this frame.

    def _read_on(self, size: int, got: int) -> int:
        """Read more full records while there is room for one; return how much there is then."""
        while size - got >= RECORD_BYTES:
            self._drain()
            more = _read(self._ssl, _BUFFER + got, size - got)
            if more <= 0:
                # An end or a break is told after what came before it.
                if type(self._fault(more)) is not WantRead:
                    self.owes |= HAS_MORE
                break
            got += more
            if more < RECORD_BYTES:
                break
        return got

    @override
    def write(self, data: bytes | memoryview) -> int:
        """
        Send the beginning of ``data``; see WrappedEndpoint.

        Hot: one call into OpenSSL for all that fits in a record.
        """
        size = len(data)
        if size > RECORD_BYTES or type(data) is not bytes:
            return self._write_on(data, min(size, WRITE_BYTES_MAX))
        if _peek_error():
            _clear_error()
        sent: int = _write(self._ssl, data, size)
        if sent <= 0:
            raise self._write_fault(sent)
        return sent

    def _write_on(self, data: bytes | memoryview, size: int) -> int:
        sent = 0
        # Released here, and not by the collector: it may clear the memoryview first, and crash.
        with _ffi.from_buffer(data) as source:
            while sent < size:
                self._drain()
                more = _write(self._ssl, source + sent, size - sent)
                if more <= 0:
                    if not sent:
                        raise self._write_fault(more)
                    self._write_fault(more)  # A break is told by the next call.
                    break
                sent += more
        return sent

    def _write_fault(self, result: int) -> OSError:
        fault = self._fault(result) or TlsError(TRUNCATED, "closed while writing")
        if type(fault) is WantRead:
            self.owes |= WRITE_WANTS_READ
        return fault

    @override
    def has_said_something(self) -> bool:
        self._drain()
        got = _lib.SSL_peek(self._ssl, _BUFFER, 1)
        if got <= 0 and isinstance(self._fault(got), BlockingIOError):
            return False
        self.owes |= HAS_MORE
        return True

    @override
    def say_done(self) -> None:
        self._drain()
        result = _lib.SSL_shutdown(self._ssl)
        if result >= 0:
            return
        fault = self._fault(result)
        if fault is None or type(fault) is WantRead:
            return
        try:
            raise fault
        finally:
            del fault  # It holds this frame.

    @override
    def trim(self) -> None:
        """
        Let go of pyOpenSSL's object, a third of a KiB, where nothing will be asked of it again.

        Its callbacks belong to handshakes, and there is no second one. A client's is asked for its
        session, and one that wanted a certificate for that.
        """
        connection = self.connection
        if self.is_server and connection.get_verify_mode() == SSL.VERIFY_NONE:
            # OpenSSL's context holds addresses of what pyOpenSSL's owns.
            self._context = connection.get_context()
            del self.connection

    @override
    def peer_certificate(self) -> X509 | None:
        return super().peer_certificate() if hasattr(self, "connection") else None

    @override
    def _end_in_order(self) -> None:
        _lib.SSL_set_shutdown(self._ssl, CLOSED_IN_ORDER)

    @override
    def close(self) -> None:
        if self._ssl is None:
            return
        super().close()
        _ASIDES.pop(self._ssl, None)
        self._ssl = None

    def _fault(self, result: int) -> OSError | None:  # noqa: PLR0911  # one for each outcome
        """Return why a call gave ``result``; None: the other side is done."""
        if self._broken is not None:
            return self._broken
        code = _lib.SSL_get_error(self._ssl, result)
        if code == _WANT_READ:
            if _ASIDES and _ASIDES.get(self._ssl, 0) > ASIDES_MAX:
                return self._judged(TlsError("peer_misbehaved", "nothing but messages of TLS"))
            return WantRead()
        if code == _WANT_WRITE:
            return WantWrite()
        if code == _DONE:
            return None
        number = _ffi.errno
        reasons = _reasons()
        if reasons and not (code == _SYSCALL and number):
            return self._judged(fault_of(reasons))
        if number:
            return self._judged(OSError(number, os.strerror(number)))
        return self._judged(TlsError(TRUNCATED, "no close_notify came before the end"))

    @override
    def _drain(self) -> None:
        if _peek_error():
            _clear_error()


def is_resumed(connection: SSL.Connection) -> bool:
    """Whether a session was resumed; not known where the binding is not."""
    if not IS_DIRECT:
        return False
    return bool(_lib.SSL_session_reused(connection._ssl))  # noqa: SLF001


def settled(connection: SSL.Connection) -> tuple[bytes, bytes, bytes, bytes]:
    """
    Return version, cipher, SNI and ALPN of a handshake that is over, as OpenSSL spells them.

    Hot: pyOpenSSL's four methods take 8 µs for each connection, these 2.
    """
    if not IS_DIRECT:
        return (
            connection.get_protocol_version_name().encode("ascii"),
            (connection.get_cipher_name() or "").encode("ascii"),
            connection.get_servername() or b"",
            connection.get_alpn_proto_negotiated(),
        )
    ssl = connection._ssl  # noqa: SLF001
    text = _ffi.string
    name = _lib.SSL_get_servername(ssl, _lib.TLSEXT_NAMETYPE_host_name)
    _lib.SSL_get0_alpn_selected(ssl, _ALPN, _ALPN_LENGTH)
    length = _ALPN_LENGTH[0]
    return (
        text(_lib.SSL_get_version(ssl)),
        text(_lib.SSL_CIPHER_get_name(_lib.SSL_get_current_cipher(ssl))),
        text(name) if name else b"",
        _view(_ALPN[0], length)[:] if length else b"",
    )
