"""Whether a worker lives, by what it was asked and has answered."""

from collections.abc import Callable


class Pulse:
    """The pings and pongs of one worker: each ping has one pong, in their order."""

    def __init__(self, say_ping: Callable[[], None]) -> None:
        self._say_ping = say_ping
        self.unanswered = 0
        """How many looks there were since the one that it has not answered."""
        self.listens = True
        """Whether it may have listening sockets open."""
        self._is_asked = False
        self._pings = 0
        self._pongs = 0
        self._last_pong = 0
        """The one that comes when it has heard that it is to leave; 0: it is not to."""

    def look(self) -> None:
        """A second has gone by: ask, unless that was asked and not answered."""
        if self._is_asked:
            self.unanswered += 1
        else:
            self._ping()

    def leaves(self) -> None:
        """It was told to leave, and to listen no more: ask whether it has come so far."""
        if not self._last_pong:
            self._ping()
            self._last_pong = self._pings

    def _ping(self) -> None:
        self._is_asked = True
        self._pings += 1
        self._say_ping()

    def spoke(self) -> None:
        """It has said something; so it lives."""
        self._is_asked, self.unanswered = False, 0

    def has_read(self) -> None:
        """It has read much since it was asked, and comes to the question in time."""
        self.unanswered = 0

    def ponged(self) -> bool:
        """It has answered a ping; return whether with that it listens no more."""
        self._pongs += 1
        if not self.listens or self._pongs != self._last_pong:
            return False
        self.listens = False
        return True
