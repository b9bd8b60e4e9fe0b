"""Listening sockets: bound by ourselves, or adopted from whoever started us."""

import errno
import ipaddress
import os
import socket
import struct
import sys
from array import array
from contextlib import suppress

from typing_extensions import override

from sozutw.config.model import InetAddress

BACKLOG = 1024
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)

_HINTS = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
    errno.EAFNOSUPPORT: "this machine has no such address family",
}


class CannotListenError(OSError):
    """An address on which this process cannot listen; its text can be shown to an operator."""

    def __init__(self, address: object, number: int, text: str) -> None:
        super().__init__(number, text)
        self.address = address

    @override
    def __str__(self) -> str:
        hint = _HINTS.get(self.errno or 0)
        why = f"{self.strerror} ({hint})" if hint else f"{self.strerror}"
        return f"cannot listen on {self.address}: {why}"


def bind(address: InetAddress) -> socket.socket:
    """
    Return a non-blocking socket that listens on ``address``.

    Its port can be taken again right after a restart, and never while another socket listens on
    it: two proxies would each get some of the clients. An IPv6 socket takes IPv6 only, so that
    ``::`` and ``0.0.0.0`` can stand side by side.
    Raises CannotListenError.
    """
    try:
        version = ipaddress.ip_address(address.host).version
    except ValueError:
        text = "an IP address is needed, not a name"
        raise CannotListenError(address, errno.EINVAL, text) from None
    family = socket.AF_INET if version == 4 else socket.AF_INET6  # noqa: PLR2004
    sock: socket.socket | None = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # What is accepted inherits it: one call of the kernel less for each connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as fault:
        if sock is not None:
            sock.close()
        if isinstance(fault, OverflowError):
            raise CannotListenError(address, errno.EINVAL, "not a port") from None
        number = fault.errno or 0
        raise CannotListenError(address, number, os.strerror(number)) from fault
    return sock


def adopt(descriptor: int) -> socket.socket:
    """
    Return a listening socket that somebody else has made, as ours.

    The descriptor then belongs to the socket returned. Raises CannotListenError, and leaves the
    descriptor alone, when it is no listening stream socket.
    """
    name = f"descriptor {descriptor}"
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as fault:
        number = fault.errno or 0
        raise CannotListenError(name, number, os.strerror(number)) from fault
    try:
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listens = 0
    if not listens or sock.type != socket.SOCK_STREAM or sock.family not in _FAMILIES:
        sock.detach()
        raise CannotListenError(name, errno.EINVAL, "not a listening stream socket")
    sock.setblocking(False)
    sock.set_inheritable(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as bind does
    return sock


_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_IS_ACK = 0x10
# Filters of linux/filter.h, each line an operation, where to go on if true or not, and a value.
# What comes to a listening socket begins with the header of TCP; its flags are in byte 13.
_ONLY_WHO_IS_CONNECTING = (
    (0x30, 0, 0, 13),  # load that byte
    (0x45, 1, 0, _IS_ACK),  # all but the first packet of a client have this flag
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF_FFFF),  # keep
)


def shut_out(sock: socket.socket) -> None:
    """
    Let nobody begin to connect to a listening socket any more, in whichever process it is open.

    Whoever connects between the last accept and the close would take himself for connected, and
    be reset. So the door is shut first; who knocks hears nothing, tries again, and is refused once
    the socket is closed. Where the system cannot do that, it is as if it was not asked for.
    """
    if sys.platform != "linux" or sock.family == socket.AF_UNIX:
        return
    code = array("B", b"".join(struct.pack("HBBI", *line) for line in _ONLY_WHO_IS_CONNECTING))
    program = struct.pack("HP", len(_ONLY_WHO_IS_CONNECTING), code.buffer_info()[0])
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def let_in(sock: socket.socket) -> None:
    """Let clients connect again where they were ``shut_out``."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
