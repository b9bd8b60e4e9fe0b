"""
How long a peer may stay silent, for thousands of peers at the price of one timer.

A delayed call of Twisted's costs 8 µs from beginning to end, which each connection would pay.
Here all of a worker's connections stand in one wheel, by the quarter of a second in which their
patience may end.
"""

from collections.abc import Callable
from math import ceil, inf
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TICKS_PER_SECOND: Final = 4
"""What is due is found out up to a tick later, never earlier."""


class Wheel:
    """Wake each Patience at the tick in which it is due; one delayed call for the earliest."""

    __slots__ = ("_armed", "_call", "_clock", "_due", "now")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.now = clock.seconds
        self._due: dict[int, dict[Patience, None]] = {}
        self._armed = inf
        """The tick for which the delayed call is set."""
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return sum(len(patiences) for patiences in self._due.values())

    def put(self, patience: "Patience", due: float) -> int:
        """Wake ``patience`` when ``due`` is over; returns the tick, for ``take``."""
        tick = ceil(due * TICKS_PER_SECOND)
        patiences = self._due.get(tick)
        if patiences is None:
            self._due[tick] = {patience: None}
            if tick < self._armed:
                self._arm(tick)
        else:
            patiences[patience] = None
        return tick

    def take(self, patience: "Patience", tick: int) -> None:
        """Do not wake it; the wheel holds nothing of it afterwards."""
        patiences = self._due[tick]
        del patiences[patience]
        if not patiences:
            del self._due[tick]
            if not self._due:
                self._arm(inf)

    def _arm(self, tick: float) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._armed = tick
        if tick < inf:
            seconds = tick / TICKS_PER_SECOND - self.now()
            self._call = self._clock.callLater(max(0.0, seconds), self._turn)

    def _turn(self) -> None:
        self._call = None
        # Floats: what callLater was promised counts as passed.
        reached = max(self._armed, int(self.now() * TICKS_PER_SECOND))
        self._armed = inf
        try:
            for tick in sorted(tick for tick in self._due if tick <= reached):
                patiences = self._due.get(tick, {})
                while patiences:
                    patience = next(iter(patiences))
                    self.take(patience, tick)
                    patience.woken()
        finally:  # A defect of one owner must not leave all the others without timeouts.
            if self._due and min(self._due) < self._armed:
                self._arm(min(self._due))


class Patience:
    """
    Call ``expired`` when the peer gave no sign of life for ``seconds``, or up to a tick later.

    Whoever sees a sign of life writes ``patience.touched = wheel.now()``. Hot: no call of ours
    is made for it; a patience that is woken too early finds out, and goes to sleep again.
    ``expired`` may call ``allow`` to wait once more.
    """

    __slots__ = ("_expired", "_tick", "_wheel", "seconds", "touched")

    def __init__(self, wheel: Wheel, expired: Callable[[], None]) -> None:
        self._wheel = wheel
        self._expired: Callable[[], None] | None = expired
        self._tick = 0
        """Where it stands in the wheel; 0: nowhere."""
        self.seconds = inf
        self.touched = 0.0
        """When the peer last gave a sign of life; written by the owner."""

    def allow(self, seconds: float) -> None:
        """Wait for ``seconds`` from now; ``inf`` waits for ever."""
        wheel = self._wheel
        self.seconds = seconds
        self.touched = now = wheel.now()
        tick = self._tick
        if tick:
            if now + seconds >= tick / TICKS_PER_SECOND:
                return  # It is woken before that, and will see.
            wheel.take(self, tick)
            self._tick = 0
        if seconds < inf:
            self._tick = wheel.put(self, now + seconds)

    def cancel(self) -> None:
        """Expire no more, and let go of the owner."""
        self.seconds = inf
        self._expired = None
        tick, self._tick = self._tick, 0
        if tick:
            self._wheel.take(self, tick)

    def woken(self) -> None:
        """The wheel has come to this patience's tick, and holds it no more."""
        self._tick = 0
        due = self.touched + self.seconds
        wheel = self._wheel
        if due > wheel.now() + 1e-6:  # a clock that adds floats may be short by a rounding
            if due < inf:
                self._tick = wheel.put(self, due)
        elif self._expired is not None:
            self._expired()
