"""
The process of a worker as the main process holds it: no child of its own, and it can be killed.

It is forked by another process, so its end is heard of in two ways: its channel closes, and
whoever forked it tells. Neither is certain to come.
"""

import os
import signal
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

END_SECONDS: Final = 5.0
"""How long a process may take for its end when its channel has closed as it should."""


class Handle:
    """A process, from before it is there until it has ended; held by a pidfd."""

    def __init__(self, clock: Any) -> None:
        self.pid = 0
        """Its number; 0 until it is known."""
        self._clock = clock
        self._pidfd = -1
        self._is_unwanted = False
        self._kill_next: IDelayedCall | None = None

    def begun(self, pid: int) -> None:
        """It is there; if nobody wants it any more it ends. OSError if it cannot be held."""
        self.pid = pid
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # It has ended already.
        except OSError:
            # Later its number may be another's.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        if self._is_unwanted:
            self.drop()

    def kill(self) -> None:
        """End it at once; nothing if it has ended."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def drop(self) -> None:
        """End it, or one that is still to come, and let go of it."""
        self._is_unwanted = True
        self.kill()
        self.ended()

    def see_out(self) -> None:
        """Give it a while to end by itself, then drop it."""
        if self._pidfd < 0:
            self._is_unwanted = True
        elif self._kill_next is None:
            self._kill_next = self._clock.callLater(END_SECONDS, self.drop)

    def ended(self) -> None:
        """Let go of it: it has ended."""
        if self._kill_next is not None and self._kill_next.active():
            self._kill_next.cancel()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
