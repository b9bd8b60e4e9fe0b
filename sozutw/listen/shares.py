"""
How many clients each worker has, in memory that all of them see.

All workers accept on the same sockets. Whoever wakes up first would take all who wait, before the
others got a processor to wake up on; so each looks here whether it is ahead. The figures are
hints: what is stale or lost costs evenness, and never a client.
"""

import mmap
from typing import Final

WORKERS_MAX: Final = 255
"""Workers beyond these do not look at others, and are not looked at."""
_NOBODY: Final = 0xFFFF_FFFF
"""Where no worker is; never the smallest."""
_USED: Final = 0
"""The first number tells how many places behind it have ever been used."""


class Shares:
    """The table: made before the fork of those who share it, and kept by who forks them."""

    def __init__(self) -> None:
        self._table = memoryview(mmap.mmap(-1, 4 * (WORKERS_MAX + 1))).cast("I")
        self._free = list(range(WORKERS_MAX, 0, -1))

    def give(self) -> "Share | None":
        """Return a place for the next worker, which nobody else has; None if there is none."""
        if not self._free:
            return None
        place = self._free.pop()
        self._table[place] = _NOBODY
        self._table[_USED] = max(self._table[_USED], place)
        return Share(self._table, place)

    def take_back(self, share: "Share | None") -> None:
        """Whoever had this place has ended, or never was."""
        if share is not None:
            share.end()
            self._free.append(share.place)


class Share:
    """A worker's own place in the table."""

    def __init__(self, table: "memoryview[int]", place: int) -> None:
        self._table = table
        self.place = place

    def excess(self, clients: int) -> int:
        """
        Tell the others how many clients are here, and return how many more than elsewhere.

        Compared is who has fewest, this worker included: it is never negative.
        """
        table = self._table
        table[self.place] = clients
        return clients - min(table[1 : table[_USED] + 1])

    def end(self) -> None:
        """Be looked at no more: the worker accepts nobody from now on."""
        self._table[self.place] = _NOBODY
