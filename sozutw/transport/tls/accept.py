"""The transports of a listener that speaks TLS: what the acceptor makes of a socket."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress

from sozutw.transport.loop import Loop
from sozutw.transport.stream import MakeTransport, StreamTransport
from sozutw.transport.tls.library import Endpoint
from sozutw.transport.tls.stream import TlsTransport

if TYPE_CHECKING:
    from OpenSSL import SSL


def tls_transport_of(context: "Callable[[], SSL.Context]") -> MakeTransport:
    """
    Return what makes a transport whose handshake begins with ``context()``.

    The context is asked for anew each time: the next handshake sees what was changed.
    """

    def make(
        reactor: Loop, sock: socket.socket, protocol: Any, host: IAddress, peer: IAddress
    ) -> StreamTransport:
        endpoint = Endpoint(context(), sock, is_server=True)
        return TlsTransport(reactor, sock, protocol, host, peer, endpoint)

    return make
