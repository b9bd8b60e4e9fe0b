"""Orders that were committed as one, as the messages that tell workers of them."""

import socket
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sozutw.config.model import InetAddress
from sozutw.config.requests import Request
from sozutw.control.messages.translate import address_message, message_of
from sozutw.control.proto import worker_pb2 as words

ORDERS_MAX: Final = 64
"""In one message: about a millisecond's work at either end."""
BYTES_MAX: Final = 256 * 1024
"""Of orders in one message, and one order more."""
SOCKETS_MAX: Final = 64
"""In one message."""

Blanks = Mapping[InetAddress, int]
"""Which blank context the listener at an address begins with; see ``process.zygote.blanks``."""


class Piece(NamedTuple):
    """A message, and what goes with it."""

    message: bytes
    sockets: list[socket.socket]
    """They go before it."""
    is_last: bool


class Batch:
    """
    Some orders, with the sockets of the listeners among them; made into messages once, for all.

    The sockets are its own, and are closed when nobody holds it any more.
    """

    def __init__(
        self,
        number: int,
        orders: Iterable[Request],
        sockets: Mapping[InetAddress, socket.socket],
        blanks: Blanks,
    ) -> None:
        """Raise OSError if there are no descriptors left for the sockets."""
        self.number = number
        """The change that it is, or (the whole configuration) the last that is in it."""
        self._orders = iter(orders)
        self._sockets: dict[InetAddress, socket.socket] = {}
        try:
            for address, sock in sockets.items():
                self._sockets[address] = sock.dup()
        except OSError:
            self._close()
            raise
        self._unnamed = list(self._sockets)
        self._blanks = blanks
        self._pieces: list[Piece] = []
        self._holders = 0
        self._is_over = False

    @property
    def is_held(self) -> bool:
        """Whether its sockets are open."""
        return self._holders > 0

    def hold(self) -> None:
        """Somebody is going to send it."""
        assert not self._is_over
        self._holders += 1

    def let_go(self) -> None:
        """Somebody has sent it, and heard that it was taken; or will not."""
        self._holders -= 1
        assert self._holders >= 0
        if self._holders == 0:
            self._is_over = True
            self._pieces.clear()
            self._close()

    def _close(self) -> None:
        for sock in self._sockets.values():
            sock.close()

    def piece(self, index: int) -> Piece:
        """Return a piece; those before it were asked for, and none of them was the last."""
        assert self.is_held
        if index == len(self._pieces):
            self._pieces.append(self._next())
        return self._pieces[index]

    def _next(self) -> Piece:
        assert not self._pieces or not self._pieces[-1].is_last
        orders = words.Orders(number=self.number, is_last=False)
        if not self._pieces:
            for address, number in self._blanks.items():
                orders.blanks.add(address=address_message(address), number=number)
        named, self._unnamed = self._unnamed[:SOCKETS_MAX], self._unnamed[SOCKETS_MAX:]
        orders.sockets.extend(map(address_message, named))
        size = 0
        for order in self._orders:
            message = message_of(order)
            orders.orders.append(message)
            size += message.ByteSize()
            if len(orders.orders) == ORDERS_MAX or size >= BYTES_MAX:
                break
        else:
            orders.is_last = not self._unnamed
        sockets = [self._sockets[address] for address in named]
        message_bytes = words.ToWorker(orders=orders).SerializeToString()
        return Piece(message_bytes, sockets, orders.is_last)
