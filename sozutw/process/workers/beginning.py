"""Who asks before the first workers could serve waits for them, but not for ever."""

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall


class Beginning:
    """The time until all workers could serve once."""

    def __init__(self, clock: Any, seconds_max: float) -> None:
        self._clock = clock
        self._seconds_max = seconds_max
        self._waiting: dict[Deferred[None], IDelayedCall] = {}
        self._is_over = False

    def wait(self) -> "Deferred[None]":
        """Fire when it is over, or has taken too long; at once from then on."""
        if self._is_over:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting[waiting] = self._clock.callLater(self._seconds_max, self._let_go, waiting)
        return waiting

    def over(self) -> None:
        """They could serve, or never will."""
        self._is_over = True
        for waiting in list(self._waiting):
            self._let_go(waiting)

    def _let_go(self, waiting: "Deferred[None]") -> None:
        call = self._waiting.pop(waiting)
        if call.active():
            call.cancel()
        waiting.callback(None)
