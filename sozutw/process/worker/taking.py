"""
The changes that the main process has committed, applied in a worker in the same order.

Each comes in parts, with its own sockets and blank contexts; several may wait while one is applied.
"""

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.config.model import InetAddress
from sozutw.config.requests import Request
from sozutw.config.state import RefusedRequestError
from sozutw.control.changes.apply import Applier
from sozutw.control.messages.addresses import address_of
from sozutw.control.messages.translate import request_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.listen.handed import place_of
from sozutw.listen.listeners import ListenerService
from sozutw.listen.sockets import CannotListenError, adopt
from sozutw.process.zygote.blanks import Blanks

Applied = Callable[[int, str | None], None]
"""Hears of each change that was applied, or why it could not be: then nothing of it is."""

OWN_FAULT: Final = "a fault of sozutw's own; the log has more"

_log = Logger()


class _Change:
    """What was committed as one."""

    def __init__(self) -> None:
        self.orders: list[pb.Request] = []
        self.sockets: dict[InetAddress, socket.socket] = {}
        self.blanks: dict[InetAddress, int] = {}
        self.number = 0
        self.fault: str | None = None
        """Why it cannot be applied, whatever is in it."""


class Taking:
    """Takes changes from the channel, whose descriptors it is given to take sockets from."""

    def __init__(
        self,
        applier: Applier,
        listeners: ListenerService,
        blanks: Blanks,
        descriptors: deque[int],
        applied: Applied,
    ) -> None:
        self._applier = applier
        self._listeners = listeners
        self._blanks = blanks
        self._descriptors = descriptors
        self._tell = applied
        self._coming = _Change()
        self._waiting: deque[_Change] = deque()
        self._entries: dict[InetAddress, int] = {}
        """Of the change that is being applied."""
        self._is_applying = False
        self._has_lost = False
        """Whether a socket got lost, so that nobody knows what those behind it belong to."""

    def blank_for(self, address: InetAddress) -> Any:
        """Return the context that the listener at an address begins with; None: one of its own."""
        number = self._entries.pop(address, None)
        return None if number is None else self._blanks.take(number)

    def take(self, told: words.Orders) -> None:
        """A part of a change has come; it fails if its sockets have not."""
        coming = self._coming
        for message in told.sockets:
            address = address_of(message)
            sock = self._next_socket(address)
            if sock is None:
                coming.fault = f"the socket of {address} has not come; too many may be open here"
            else:
                coming.sockets[address] = sock
        for blank in told.blanks:
            coming.blanks[address_of(blank.address)] = blank.number
        coming.orders += told.orders
        if told.is_last:
            coming.number = told.number
            self._coming = _Change()
            self._waiting.append(coming)
            self._apply_next()

    def _next_socket(self, address: InetAddress) -> socket.socket | None:
        """Return the socket of this address; None if it, or one before it, got lost."""
        if self._descriptors and not self._has_lost:
            descriptor = self._descriptors.popleft()
            try:
                sock = adopt(descriptor)
            except CannotListenError:
                os.close(descriptor)
            else:
                if _is_at(sock, address):
                    return sock
                sock.close()
        # The kernel says nothing when it drops some. What is here cannot be told apart any more,
        # and the main process begins another worker in the place of this one.
        self._has_lost = True
        while self._descriptors:
            os.close(self._descriptors.popleft())
        return None

    def _apply_next(self) -> None:
        if self._is_applying or not self._waiting:
            return
        self._is_applying = True
        change = self._waiting.popleft()
        self._listeners.inherited = change.sockets
        self._entries = change.blanks
        if change.fault is not None:
            self._applied(change.fault, change.number)
            return
        applied = self._applier.apply_slowly(_requests(change.orders))
        answered = applied.addCallbacks(lambda _outcome: None, _why_not)
        answered.addCallback(lambda error: self._applied(error, change.number))
        answered.addErrback(self._not_told, change.number)

    def _applied(self, error: str | None, number: int) -> None:
        self._is_applying = False
        # What was activated and taken away again within one change.
        self._listeners.close_unused()
        self._entries = {}
        if error is not None:
            _log.error("a change cannot be applied here: {error}", error=error)
        self._tell(number, error)
        self._apply_next()

    def _not_told(self, fault: Failure, number: int) -> None:
        _log.failure("it could not be told what came of a change", failure=fault)
        # The main process waits for as long as this one lives, unless it hears that it failed.
        self._tell(number, OWN_FAULT)

    def close(self) -> None:
        """Let go of the sockets of what has not been applied."""
        for change in (self._coming, *self._waiting):
            for sock in change.sockets.values():
                sock.close()


def _is_at(sock: socket.socket, address: InetAddress) -> bool:
    """Say whether a socket listens at an address; what is behind % is the interface."""
    place = place_of(sock)
    return isinstance(place, InetAddress) and (
        (ip_address(place.host), place.port)
        == (ip_address(address.host.partition("%")[0]), address.port)
    )


def _requests(orders: list[pb.Request]) -> Iterator[Request | RefusedRequestError]:
    """Read orders one by one, as they are applied."""
    for order in orders:
        yield request_of(order)


def _why_not(fault: Failure) -> str:
    if not fault.check(RefusedRequestError, OSError):
        _log.failure("a change could not be applied", failure=fault)
    return fault.getErrorMessage() or OWN_FAULT
