"""Asks each worker every second whether it lives, and ends those that do not answer."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sozutw.process.workers.member import Member
from sozutw.process.workers.policy import LOOK_SECONDS, WAIT_SECONDS, Policy

SILENT: str = "it does not answer"

_log = Logger()


class Watch:
    """
    Looks at all workers.

    Looks are counted, and not seconds: a main process that was stopped for a while itself takes
    nobody for dead when it goes on, before it has read what was said meanwhile.
    """

    def __init__(
        self,
        clock: Any,
        policy: Policy,
        every: Callable[[], Iterable[Member]],
        given_up: Callable[[Member], None],
    ) -> None:
        """``given_up`` hears of each that nobody should wait for."""
        self._clock = clock
        self._policy = policy
        self._every = every
        self._given_up = given_up
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Look from now on."""
        self._next = self._clock.callLater(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def is_hanging(self, member: Member) -> bool:
        """Whether it counts as not answering; where ``worker_timeout`` is 0 none does."""
        timeout = self._policy.timeout
        return timeout > 0 and _silent_seconds(member) >= timeout

    def is_silent(self, member: Member) -> bool:
        """Whether nobody should wait for it."""
        return _silent_seconds(member) >= (self._policy.timeout or WAIT_SECONDS)

    def _look(self) -> None:
        self._next = self._clock.callLater(LOOK_SECONDS, self._look)
        timeout, hang = self._policy.timeout, self._policy.hang_timeout
        for member in list(self._every()):
            was_silent = self.is_silent(member)
            member.look()
            seconds = _silent_seconds(member)
            if hang > 0 and seconds >= max(hang, timeout):
                member.kill(f"it has not answered for {seconds:g} s")
            elif self.is_silent(member) and not was_silent:
                if timeout:
                    _log.error(
                        "{name} (process {pid}) does not answer", name=member.name, pid=member.pid
                    )
                member.give_up(SILENT)
                self._given_up(member)


def _silent_seconds(member: Member) -> float:
    return member.unanswered * LOOK_SECONDS
