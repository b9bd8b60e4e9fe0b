"""What the transports ask of a reactor: descriptors, and calls for later."""

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReadDescriptor, IWriteDescriptor


class Loop(Protocol):
    """IReactorFDSet and IReactorTime in one type: any POSIX reactor of Twisted is one."""

    def addReader(self, reader: IReadDescriptor) -> None:  # noqa: N802
        """Call ``doRead`` whenever there is something to read."""

    def removeReader(self, reader: IReadDescriptor) -> None:  # noqa: N802
        """Call ``doRead`` no more."""

    def addWriter(self, writer: IWriteDescriptor) -> None:  # noqa: N802
        """Call ``doWrite`` whenever there is room to write."""

    def removeWriter(self, writer: IWriteDescriptor) -> None:  # noqa: N802
        """Call ``doWrite`` no more."""

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object) -> IDelayedCall:  # noqa: A002
        """Call once, from the loop."""
        ...

    def seconds(self) -> float:
        """Return the time by this loop's clock."""
        ...


def call_soon(reactor: Loop, call: Callable[..., object], *args: object) -> bool:
    """
    Call from the loop, not in this frame; returns whether that will be before the next poll.

    Our reactor keeps a list for it. A delayed call, as with others, costs 8 µs.
    """
    soon = getattr(reactor, "soon", None)
    if soon is None:
        reactor.callLater(0, call, *args)
        return False
    soon.append((call, args))
    return True


def watch_in_turns(reactor: Loop, reader: IReadDescriptor) -> None:
    """
    Call ``doRead``, where other processes watch the same socket, when it is this one's turn.

    Our reactor has the kernel wake up only one of those that sleep, the one that has watched it
    longest. With others all wake up, and all but one in vain.
    """
    getattr(reactor, "add_reader_in_turns", reactor.addReader)(reader)


def leave(reactor: Loop, descriptor: Any, sock: socket.socket) -> None:
    """
    Close a registered socket and let the reactor forget it.

    Where the reactor tells descriptors apart that is done now, and closing is all that the
    kernel needs to be told. A stock reactor would deliver an event of the closed socket to
    whoever has its number next: there it is closed after the batch of events at hand.
    """
    forget = getattr(reactor, "forget", None)
    if forget is None:
        reactor.removeReader(descriptor)
        reactor.removeWriter(descriptor)
        close_later(reactor, sock)
    else:
        forget(sock.fileno())
        sock.close()


def close_later(reactor: Loop, sock: socket.socket) -> None:
    """
    Close now where the reactor tells descriptors apart, else after the batch of events at hand.

    A stock reactor would deliver an event of the closed socket to whoever has its number next.
    """
    if getattr(reactor, "delivers_by_identity", False):
        sock.close()
    else:
        reactor.callLater(0, sock.close)
