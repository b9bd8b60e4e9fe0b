"""
Which blank context each listener of TLS begins its handshakes with; see ``process.zygote.blanks``.

All workers take the same one for the same listener, so that a session ticket of one is good for
the others. A listener that begins to speak TLS in another way takes another one, since a context
cannot be used twice.
"""

from collections.abc import Mapping

from sozutw.config.model import InetAddress


class Entries:
    """Gives numbers to listeners of TLS, each once."""

    def __init__(self) -> None:
        self._numbers: dict[InetAddress, int] = {}
        self._fresh: dict[InetAddress, int] = {}
        self._next = 0

    def opened(self, address: InetAddress) -> None:
        """A listener serves with new contexts."""
        self._numbers[address] = self._fresh[address] = self._next
        self._next += 1

    def closed(self, address: InetAddress) -> None:
        """It serves no more."""
        self._numbers.pop(address, None)
        self._fresh.pop(address, None)

    def every(self) -> Mapping[InetAddress, int]:
        """Return the number of each listener there is."""
        return dict(self._numbers)

    def take_fresh(self) -> Mapping[InetAddress, int]:
        """Return those that were given since it was asked last."""
        fresh, self._fresh = self._fresh, {}
        return fresh
