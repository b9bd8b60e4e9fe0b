"""A tally: how many clients are connected, by what they do, and since when the oldest is."""

from collections.abc import Generator, Iterable
from typing import Final, NamedTuple

from sozutw.sessions.session import GONE, Session

_SLICE: Final = 64
"""So many sessions are looked at between two pauses."""
_WORDS: Final = {"exchange": "in an exchange"}


class Tally(NamedTuple):
    """Clients by what they do; one that drains is counted with those that do the same."""

    idle: int = 0
    """Between two requests, or before the first."""
    exchange: int = 0
    tunnel: int = 0
    closing: int = 0
    oldest_seconds: float = 0.0
    """How long the oldest has been connected; 0 if there is none."""

    @property
    def total(self) -> int:
        """How many there are."""
        return self.idle + self.exchange + self.tunnel + self.closing

    @property
    def words(self) -> str:
        """Tell how many are left, and what they do: ``2 connections left (1 idle, 1 tunnel)``."""
        total = self.total
        text = "1 connection left" if total == 1 else f"{total} connections left"
        parts = [
            f"{count} {_WORDS.get(name, name)}"
            for name, count in zip(self._fields[:4], self[:4], strict=True)
            if count
        ]
        return f"{text} ({', '.join(parts)})" if parts else text

    def awaited(self, seconds_left: float | None) -> str:
        """Tell whom a stop waits for, and how long it may still take; None: for ever."""
        oldest = f", the oldest for {self.oldest_seconds:.0f} s" if self.total else ""
        end = "no deadline" if seconds_left is None else f"at most {seconds_left:.0f} s more"
        return f"{self.words}{oldest}, {end}"


def count(sessions: Iterable[Session], now: float) -> Generator[None, None, Tally]:
    """Return the tally of these sessions, in steps; who leaves meanwhile is left out."""
    counts = {"idle": 0, "exchange": 0, "tunnel": 0, "closing": 0}
    since = now
    for number, session in enumerate(sessions, 1):
        connection = session.connection
        if connection is not GONE:
            state = connection.doing().state
            counts["exchange" if state == "draining" else state] += 1
            since = min(since, session.since)
        if number % _SLICE == 0:
            yield
    return Tally(**counts, oldest_seconds=now - since)


def count_now(sessions: Iterable[Session], now: float) -> Tally:
    """Return the tally of these sessions at once."""
    steps = count(sessions, now)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            tally: Tally = end.value
            return tally
