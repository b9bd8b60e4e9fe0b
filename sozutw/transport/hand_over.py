"""Give a connection to the next protocol of its chain."""

from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.protocols.policies import ProtocolWrapper


def hand_over(transport: Any, successor: IProtocol, leftover: bytes = b"") -> None:
    """
    Give the transport to ``successor``, with the bytes already read past the preface.

    Unlike a wrapper, the predecessor is gone afterwards: it costs nothing per byte. Works with our
    transports and with Twisted's. The successor may close while it is made; it is then not given
    the bytes left over.
    """
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = successor
    else:
        transport.protocol = successor
    successor.makeConnection(transport)
    if leftover and not transport.disconnecting:
        successor.dataReceived(leftover)
