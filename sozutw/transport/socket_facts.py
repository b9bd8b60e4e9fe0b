"""What is known of a connected socket, whoever reads and writes it."""

import socket
import struct
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

_PEEK = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_ROUND_TRIP = struct.Struct("=I")
_ROUND_TRIP_OFFSET = 68
"""``tcpi_rtt`` in Linux's struct tcp_info, which only ever grows at its end."""


class SocketFacts:
    """Addresses and options: the part of ITCPTransport that moves no bytes."""

    __slots__ = ("_host", "_peer", "_socket")

    def __init__(self, sock: socket.socket, host: IAddress, peer: IAddress) -> None:
        self._socket = sock
        self._host = host
        self._peer = peer

    def getHost(self) -> Any:
        """Return our address."""
        return self._host

    def getPeer(self) -> Any:
        """Return the peer's address, known also after the loss."""
        return self._peer

    def getHandle(self) -> socket.socket:  # noqa: N802  # as Twisted's own transports have it
        """Return the socket."""
        return self._socket

    # ITCPTransport, and what else is known of the connection.

    def getTcpNoDelay(self) -> bool:
        """Whether small writes go out at once."""
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send small writes at once (as it is from the start), or let the kernel gather them."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, bool(enabled))

    def getTcpKeepAlive(self) -> bool:
        """Whether the kernel probes a silent peer."""
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Let the kernel probe a silent peer, or not."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(enabled))

    def round_trip_us(self) -> int:
        """Return the kernel's smoothed round trip time in microseconds, 0 where it has none."""
        if _TCP_INFO is None or self._socket.fileno() < 0 or type(self._peer) is UNIXAddress:
            return 0
        try:
            raw = self._socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 72)
        except OSError:
            return 0
        if len(raw) < _ROUND_TRIP_OFFSET + _ROUND_TRIP.size:
            return 0
        (round_trip_us,) = _ROUND_TRIP.unpack_from(raw, _ROUND_TRIP_OFFSET)
        assert isinstance(round_trip_us, int)
        return round_trip_us


def is_still_open(transport: Any) -> bool:
    """Ask any transport that has the method, or a socket, whether nothing waits to be read."""
    ask = getattr(transport, "is_still_open", None)
    if ask is not None:
        return bool(ask())
    if getattr(transport, "disconnected", False) or getattr(transport, "disconnecting", False):
        return False
    return is_silent(transport.getHandle())


def is_silent(sock: socket.socket) -> bool:
    """Whether there is nothing to read: no byte, no end, no reset."""
    try:
        sock.recv(1, _PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def has_bytes_to_read(sock: socket.socket) -> bool:
    """Whether at least one byte waits."""
    try:
        return bool(sock.recv(1, _PEEK))
    except OSError:
        return False
