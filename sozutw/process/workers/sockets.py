"""
The listening sockets of a main process: bound here, and given to the workers, which accept on them.

All workers share a socket. So one that hangs or dies takes nobody's turn away, and what the
kernel has queued is served by the others.

A socket that is deactivated stays until the last worker has closed it, and meanwhile nobody can
bind another one to its address. So it is kept here for as long, for a listener that comes back.
"""

import errno
import socket
from collections.abc import Mapping

from twisted.logger import Logger

from sozutw.config.model import InetAddress
from sozutw.listen.handed import HandedSockets
from sozutw.listen.sockets import CannotListenError, bind, let_in, shut_out
from sozutw.relay.route import ListenerState

_log = Logger()


class _Parting:
    """A socket that is deactivated, and that workers may still listen on."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.number: int | None = None
        """Of the change by which it was, once there is one."""


class MainSockets:
    """Opens and closes listening sockets; a ``control.changes.live.Sockets``."""

    def __init__(self, handed: HandedSockets | None = None) -> None:
        self._handed = handed or HandedSockets()
        self.inherited: dict[InetAddress, socket.socket] = {}
        """Sockets that listen already: from a process before this one."""
        self._sockets: dict[InetAddress, socket.socket] = {}
        self._fresh: dict[InetAddress, socket.socket] = {}
        self._parting: dict[InetAddress, _Parting] = {}
        self.is_left_to_others = False
        """Whether other processes go on with the same sockets when these are closed."""
        self._is_over = False

    def reserve(self, address: InetAddress) -> socket.socket:
        """
        Return a socket that listens on this address, for ``activate``.

        One that was inherited or handed to us goes before one of our own. Raises OSError if there
        can be none.
        """
        if self._is_over:
            raise CannotListenError(address, errno.ESHUTDOWN, "this process is stopping")
        inherited = self.inherited.pop(address, None)
        if inherited is None and address in self._parting:
            return self._parting[address].sock.dup()
        return inherited or self._handed.take(address) or bind(address)

    def activate(self, listener: ListenerState, reserved: socket.socket) -> None:
        """Let workers accept on the listener's address; the socket is ours then."""
        if self._is_over:
            reserved.close()
            return
        address = listener.listener.address
        assert address not in self._sockets
        self._sockets[address] = self._fresh[address] = reserved
        # It may be of one that parted, which was let go perhaps since this was reserved.
        let_in(reserved)
        if address in self._parting:
            self._parting.pop(address).sock.close()
        scheme = listener.scheme.decode()
        _log.info("listening on {scheme}://{address}", scheme=scheme, address=str(address))

    def exchange(self, listener: ListenerState) -> None:
        """Go on with the same socket: each worker does so by itself."""

    def deactivate(self, address: InetAddress) -> None:
        """Let nobody accept here; the workers hear of it by themselves."""
        self._fresh.pop(address, None)
        sock = self._sockets.pop(address, None)
        if sock is not None:
            if not (self.is_left_to_others or self._handed.is_kept(address)):
                # The last worker that closes it resets whoever it has not seen.
                shut_out(sock)
            self._parting[address] = _Parting(sock)

    def parted(self, number: int) -> None:
        """What was deactivated until now is closed by those that apply the change so numbered."""
        for parting in self._parting.values():
            if parting.number is None:
                parting.number = number

    def let_go(self, number: int) -> None:
        """All workers have applied the change so numbered: close what they have closed."""
        for address, parting in list(self._parting.items()):
            if parting.number is not None and parting.number <= number:
                self._parting.pop(address).sock.close()

    def every(self) -> Mapping[InetAddress, socket.socket]:
        """Return all that are open."""
        return self._sockets

    def take_fresh(self) -> Mapping[InetAddress, socket.socket]:
        """Return those that were activated since it was asked last."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def close_unused(self) -> None:
        """Close what was inherited and nobody asked for: its clients would wait in vain."""
        while self.inherited:
            self.inherited.popitem()[1].close()

    def close(self) -> None:
        """Close them all, for good."""
        self._is_over = True
        for address in list(self._sockets):
            self.deactivate(address)
        while self._parting:
            self._parting.popitem()[1].sock.close()
