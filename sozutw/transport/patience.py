"""How long a peer may stay silent: one timer a connection, at the price of storing a float."""

from collections.abc import Callable
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Patience:
    """
    Call ``expired`` when the peer gave no sign of life for ``seconds``.

    Whoever sees a sign of life writes ``patience.touched = now()``. Hot: no call of ours is
    made for it; the timer that fires too early finds out, and goes to sleep again.
    ``expired`` may call ``allow`` to wait once more.
    """

    __slots__ = ("_armed", "_call", "_clock", "_expired", "_now", "seconds", "touched")

    def __init__(self, clock: IReactorTime, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._now = clock.seconds
        self._expired = expired
        self._call: IDelayedCall | None = None
        self._armed = inf
        """The timer fires in so many seconds at the latest."""
        self.seconds = inf
        self.touched = 0.0
        """When the peer last gave a sign of life; written by the owner."""

    def allow(self, seconds: float) -> None:
        """Wait for ``seconds`` from now; ``inf`` waits for ever."""
        self.seconds = seconds
        self.touched = self._now()
        if seconds < self._armed:
            call = self._call
            if call is not None:
                call.cancel()
            self._arm(seconds)

    def cancel(self) -> None:
        """Expire no more, and hold nothing that the clock would keep alive."""
        self.seconds = self._armed = inf
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _arm(self, seconds: float) -> None:
        self._armed = seconds
        self._call = self._clock.callLater(max(0.0, seconds), self._woken)

    def _woken(self) -> None:
        self._call = None
        self._armed = inf
        left = self.touched + self.seconds - self._now()
        if left > 1e-6:  # noqa: PLR2004 - a clock that adds floats may be short by a rounding
            if left < inf:
                self._arm(left)
            return
        self._expired()
