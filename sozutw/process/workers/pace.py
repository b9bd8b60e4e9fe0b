"""When a worker that died is begun anew: at once, but later and later if it keeps dying."""

from typing import Final

STEADY_SECONDS: Final = 1.0
"""Who could serve, and lived for so long, has not died of how it began."""
FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 30.0


class Pace:
    """The deaths of one worker, and of those that took its place."""

    def __init__(self) -> None:
        self._deaths = 0
        """In a row, each before it could serve or soon after it was begun."""

    def died(self, after_seconds: float) -> float:
        """
        Note that it died so long after it was begun; return how many seconds to wait.

        Of one that never could serve it is 0, however long it took.
        """
        if after_seconds >= STEADY_SECONDS:
            self._deaths = 0
        self._deaths += 1
        if self._deaths == 1:
            return 0.0
        return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._deaths - 2, 30))
