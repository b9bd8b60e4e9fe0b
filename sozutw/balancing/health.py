"""How long connects to a backend take, as one number that remembers peaks and forgets them."""

from math import exp
from typing import Final

DECAY_SECONDS: Final = 10.0


class PeakEwma:
    """
    A moving average that jumps to each peak at once and sinks slowly.

    A backend that turned slow is thus avoided after one sample, and tried again when the
    sample is old, although nothing new was measured meanwhile.
    """

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at = 0.0

    def observed(self, now: float, seconds: float) -> None:
        """Add a sample."""
        assert seconds >= 0.0
        kept = self._kept(now)
        aged = self._seconds * kept
        # Mixed against the aged value's complement, so that equal samples keep the average.
        self._seconds = max(seconds, aged + seconds * (1.0 - kept))
        self._at = now

    def at(self, now: float) -> float:
        """The average as it has sunk until now, in seconds."""
        return self._seconds * self._kept(now)

    def _kept(self, now: float) -> float:
        # A clock that steps back must not make the average grow.
        return exp(-max(0.0, now - self._at) / DECAY_SECONDS)
