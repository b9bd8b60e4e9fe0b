"""How long a backend that refused a connection is left alone."""

from typing import Final

FAILURES_MAX: Final = 6
"""So many failures in a row make a backend *down*; more make the wait no longer."""


class Backoff:
    """
    The waits after failed dials to one backend.

    A failed dial starts a wait, of 1 s the first time, then between 1 s and 2^n - 1 s after n
    earlier failures. Failures inside a wait count for nothing: a burst of dials that fail
    together is one failure. A success forgets all.
    """

    __slots__ = ("failures", "until")

    def __init__(self) -> None:
        self.failures = 0
        """Waits begun since the last success, never above FAILURES_MAX."""
        self.until = 0.0
        """When the present or latest wait ends; 0.0 without one."""

    def is_over(self, now: float) -> bool:
        """Whether a dial may be made."""
        return now >= self.until

    def is_down(self) -> bool:
        """Whether so many dials failed in a row that the operator is told."""
        return self.failures >= FAILURES_MAX

    def failed(self, now: float, random: float) -> bool:
        """Take note of a failed dial; ``random`` is in [0, 1). True if it is down from now on."""
        assert 0.0 <= random < 1.0
        if now < self.until:
            return False
        earlier = self.failures
        # The range is empty for n = 0 and a single point for n = 1.
        span = max(0, 2**earlier - 2)
        self.until = now + 1.0 + random * span
        self.failures = min(earlier + 1, FAILURES_MAX)
        return earlier + 1 == FAILURES_MAX

    def succeeded(self) -> bool:
        """Forget every failure; True if it was down until now."""
        was_down = self.failures >= FAILURES_MAX
        self.failures = 0
        self.until = 0.0
        return was_down
