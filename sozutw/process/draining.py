"""What a soft stop still waits for, told in the log from time to time while it does."""

from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from sozutw.control.slowly import Slowly
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.tally import Tally, count

TELL_SECONDS_MIN: Final = 5.0
TELL_SECONDS_MAX: Final = 60.0
"""A stop that may take hours is told of once a minute."""

_log = Logger()


class DrainReport:
    """
    Tells in the log how many clients a stop waits for: after 5 seconds, then less often.

    ``until`` begins it, and ends it with the Deferred that it is given.
    """

    def __init__(self, clock: IReactorTime, sessions: SessionManager) -> None:
        self._clock = clock
        self._sessions = sessions
        self._slowly = Slowly(clock)
        self._seconds = TELL_SECONDS_MIN
        self._next: IDelayedCall | None = None
        self._is_over = False

    def until(self, ended: "Deferred[None]") -> "Deferred[None]":
        """Tell until this fires; return it."""
        if not ended.called:
            self._wait()
        return ended.addBoth(self._end)

    def _wait(self) -> None:
        self._next = self._clock.callLater(self._seconds, self._count)
        self._seconds = min(2 * self._seconds, TELL_SECONDS_MAX)

    def _count(self) -> None:
        self._next = None
        counted = self._slowly.run(count(self._sessions.sessions(), self._clock.seconds()))
        counted.addCallback(self._tell)

    def _tell(self, tally: Tally) -> None:
        if self._is_over:
            return
        _log.info("stopping: {awaited}", awaited=tally.awaited(self._sessions.seconds_left()))
        self._wait()

    def _end(self, result: None) -> None:
        self._is_over = True
        if self._next is not None:
            self._next.cancel()
            self._next = None
        return result
