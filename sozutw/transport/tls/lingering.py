"""
How long an end that was said is waited for: one delayed call for all connections of a loop.

Each waits for the same time, so that who came first is due first. A delayed call of its own would
cost every connection 8 µs.
"""

from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IDelayedCall

LINGER_SECONDS: Final = 2.0
"""How long the peer's end is waited for after ours."""


class Lingering(Protocol):
    """A connection that waits for its peer's end."""

    reactor: Any

    def linger_is_over(self) -> None:
        """It did not come in time."""


class Lingerers:
    """Those of one loop that wait, in the order in which they began."""

    __slots__ = ("__weakref__", "_call", "_due")

    def __init__(self) -> None:
        self._due: dict[Lingering, float] = {}
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._due)

    def add(self, connection: Lingering) -> None:
        """Call ``linger_is_over`` of it when LINGER_SECONDS are over."""
        assert connection not in self._due
        reactor = connection.reactor
        self._due[connection] = reactor.seconds() + LINGER_SECONDS
        if self._call is None:
            self._call = reactor.callLater(LINGER_SECONDS, self._look, reactor)

    def remove(self, connection: Lingering) -> None:
        """Do not call it; nothing happens if it does not wait."""
        self._due.pop(connection, None)
        if not self._due and self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self, reactor: Any) -> None:
        # No reactor is kept here: what is kept by a loop in _LINGERERS may not hold it.
        self._call = None
        try:
            now = reactor.seconds()
            while self._due:
                connection, due = next(iter(self._due.items()))
                if due > now + 1e-6:  # a clock that adds floats may be short by a rounding
                    break
                del self._due[connection]
                connection.linger_is_over()
        finally:
            if self._due and self._call is None:
                due = next(iter(self._due.values()))
                seconds = max(0.0, due - reactor.seconds())
                self._call = reactor.callLater(seconds, self._look, reactor)


_LINGERERS: "WeakKeyDictionary[Any, Lingerers]" = WeakKeyDictionary()


def lingerers_of(reactor: Any) -> Lingerers:
    """Return those of a loop; a process has one."""
    found = _LINGERERS.get(reactor)
    if found is None:
        found = _LINGERERS[reactor] = Lingerers()
    return found
