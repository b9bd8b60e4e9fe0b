"""
Listening sockets that were handed to this process, until somebody asks for them.

Whoever handed them over may keep them open, and then nobody else can bind there. So a socket
that was asked for once stays here too: a listener that ends and comes again finds it again, and
whoever connects meanwhile waits in its backlog.
"""

import ipaddress
import os
import socket
from collections.abc import Iterable

from sozutw.config.model import InetAddress


class HandedSockets:
    """Listening sockets of TCP by their address, and of Unix by their path."""

    def __init__(self, sockets: Iterable[socket.socket] = ()) -> None:
        self._sockets: dict[InetAddress | str, socket.socket] = {}
        self._asked: set[InetAddress | str] = set()
        self._kept: set[InetAddress | str] = set()
        for sock in sockets:
            self.add(sock)

    def add(self, sock: socket.socket) -> None:
        """Take a socket; of two at one address the second is closed."""
        place = place_of(sock)
        if place in self._sockets:
            sock.close()
            return
        self._sockets[place] = sock
        self._kept.add(place)

    def take(self, place: InetAddress | str) -> socket.socket | None:
        """Return a socket that listens there, for the caller to close; None if there is none."""
        if isinstance(place, str):
            place = os.path.realpath(place)
        sock = self._sockets.get(place)
        if sock is None:
            return None
        self._asked.add(place)
        return sock.dup()

    def is_kept(self, place: InetAddress | str) -> bool:
        """Say whether others go on listening at a place when this process does not."""
        return place in self._kept

    def descriptors(self) -> list[int]:
        """Return the descriptors of all that are here, to be handed on."""
        return [sock.fileno() for sock in self._sockets.values()]

    def close_unasked(self, kept: Iterable[InetAddress | str] = ()) -> list[str]:
        """Close what nobody has asked for, but for what is ``kept``; return what it was."""
        unasked = self._sockets.keys() - self._asked - set(kept)
        for place in unasked:
            self._sockets.pop(place).close()
            self._kept.discard(place)
        return sorted(map(str, unasked))

    def close(self) -> None:
        """Close all that are left here; what was taken is not ours."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()


def place_of(sock: socket.socket) -> InetAddress | str:
    """Return where a socket listens: an address, or the path of its file."""
    name = sock.getsockname()
    if sock.family != socket.AF_UNIX:
        # As the configuration writes addresses; what is behind % is the interface.
        host = str(ipaddress.ip_address(name[0].partition("%")[0]))
        return InetAddress(host, name[1])
    if isinstance(name, bytes):  # an abstract name
        return "@" + os.fsdecode(name[1:])
    return os.path.realpath(name) if name else "(a socket of Unix without a name)"


def takes_ipv4_too(sock: socket.socket) -> bool:
    """Say whether clients of IPv4 come in here under addresses such as ::ffff:192.0.2.1."""
    return (
        sock.family == socket.AF_INET6
        and sock.getsockname()[0] == "::"
        and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )
