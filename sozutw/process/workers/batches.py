"""What workers are to have: each change as it was committed, and the whole for those that begin."""

from collections.abc import Collection, Iterator, Sequence

from sozutw.config.dump import dump_all
from sozutw.config.model import InetAddress
from sozutw.config.requests import ActivateListener, Request
from sozutw.config.state import ConfigView
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.sockets import MainSockets


class Batches:
    """Numbers the changes, and makes batches of them."""

    def __init__(self, state: ConfigView, sockets: MainSockets, entries: Entries) -> None:
        self._state = state
        self._sockets = sockets
        self._entries = entries
        self.number = 0
        """Of the last change."""
        self._whole: Batch | None = None

    def begin(self) -> None:
        """What came before is part of the whole, and of no change."""
        self._sockets.take_fresh()
        self._entries.take_fresh()
        self._sockets.parted(self.number)
        self._sockets.let_go(self.number)

    def change(self, orders: Sequence[Request]) -> Batch:
        """
        Return what was committed now, and is in force.

        Raises OSError if there are no descriptors left for its sockets; it counts all the same.
        """
        self.number += 1
        self._sockets.parted(self.number)
        sockets, blanks = self._sockets.take_fresh(), self._entries.take_fresh()
        lasting = _lasting(orders, frozenset(self._sockets.every()))
        return Batch(self.number, lasting, sockets, blanks)

    def whole(self) -> Batch:
        """
        Return all that is configured; the same batch for those that begin together.

        Raises OSError if there are no descriptors left for its sockets.
        """
        if self._whole is None or self._whole.number != self.number or not self._whole.is_held:
            every = list(dump_all(self._state))
            self._whole = Batch(self.number, every, self._sockets.every(), self._entries.every())
        return self._whole

    def applied(self, number: int) -> None:
        """All workers have all changes up to this one."""
        self._sockets.let_go(number)

    @property
    def listeners(self) -> int:
        """How many listening sockets there are."""
        return len(self._sockets.every())


def _lasting(orders: Sequence[Request], active: Collection[InetAddress]) -> Iterator[Request]:
    """Leave out activations that the same change takes back: there is no socket for them."""
    for order in orders:
        if not isinstance(order, ActivateListener) or order.address in active:
            yield order
