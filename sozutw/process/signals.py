"""
The signals that a running process answers to.

Twisted's own answers do not suit a proxy: SIGTERM cuts every connection and ends the process
with status 143, and a second one leaves a traceback. These are installed after the reactor
has installed its own, when it runs.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class Stoppable(Protocol):
    """What a signal may ask of the proxy."""

    def tell_connections(self) -> str:
        """Tell how many clients are connected, and what they do."""

    def stop_softly(self) -> Deferred[None]:
        """Take nothing new; fire when what is under way has ended."""

    def stop_now(self) -> None:
        """Cut what is under way."""

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""

    def reload(self) -> None:
        """Make the file of the start true again, unless the end has begun."""

    def report_counters(self) -> None:
        """Write all counters to descriptor 1."""


class Loop(Protocol):
    """What the signals need of the reactor."""

    # Twisted's names and signatures.
    def callLater(  # noqa: D102
        self, delay: float, called: Callable[[], object], /
    ) -> IDelayedCall: ...

    def callFromThread(  # noqa: D102
        self, called: Callable[..., object], /, *args: object
    ) -> None: ...

    def stop(self) -> None: ...  # noqa: D102


def say_on_stderr(line: str) -> None:
    """Write a line for the operator past ``sys.stderr``, which twistd turns into log events."""
    try:
        os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        # The terminal is gone, which is no reason to stop in any other way.
        return


class Signals:
    """
    Turn signals into requests to the proxy, made from the reactor's loop.

    SIGINT and SIGTERM ask twice: softly, bounded by ``grace_seconds_max``, then at once. Either
    way the reactor stops by itself and the process ends with status 0. SIGHUP reopens the
    logs, the proxy's and the one that ``reopen_log`` reopens, and has the configuration read
    again. SIGUSR1 reports the counters.
    """

    def __init__(
        self,
        reactor: Loop,
        proxy: Stoppable,
        grace_seconds_max: float,
        say: Callable[[str], None] = say_on_stderr,
        reopen_log: Callable[[], None] = lambda: None,
    ) -> None:
        self._reactor = reactor
        self._proxy = proxy
        self._grace_seconds_max = grace_seconds_max
        self._say = say
        self._stop_asked = self._stop_softly
        self._grace: IDelayedCall | None = None
        self._reopen_log = reopen_log
        self._early: list[int] = []
        """Signals that came while nobody could answer them."""
        self._answers: dict[int, Callable[[], None]] = {
            signal.SIGINT: self.stop_asked,
            signal.SIGTERM: self.stop_asked,
            signal.SIGHUP: self._hung_up,
            signal.SIGUSR1: proxy.report_counters,
        }

    def hold(self) -> None:
        """
        Let signals wait until ``install``.

        Unanswered they end a process, which by then may hold a port or have a pid file, and
        whose clients may have been told that it is there.
        """
        for number in self._answers:
            signal.signal(number, self._come_early)
        # Twisted puts in its own answers as it starts. With the signals blocked none of these is
        # ever called; where there are other threads, the kernel chooses one of them instead.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._answers)

    def install(self) -> None:
        """Answer from now on, and what has waited; to be called when the reactor runs."""
        for number in self._answers:
            signal.signal(number, self._signalled)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._answers)
        early, self._early = self._early, []
        for number in early:
            self._signalled(number, None)

    def stop_asked(self) -> None:
        """Somebody wants the process to end, and may have said so before."""
        self._stop_asked()

    def stop(self, is_hard: bool) -> None:
        """
        Somebody who is no signal wants the process to end.

        Who asks softly cuts nobody, however often it is asked.
        """
        if self._stop_asked == self._stop_softly:
            self._stop_softly()
        if is_hard and self._stop_asked == self._stop_now:
            self._stop_now()

    def leave(self) -> None:
        """
        Another process serves in our place: end when the last client has, with no deadline.

        Who asks for an end after that sets one.
        """
        if self._stop_asked == self._stop_softly:
            self._proxy.stop_softly().addCallbacks(self._softly_stopped, self._soft_stop_failed)

    def _come_early(self, number: int, _frame: FrameType | None) -> None:
        self._early.append(number)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        # Python calls this between any two instructions: all it may do is leave a note.
        self._reactor.callFromThread(self._answer, number)

    def _answer(self, number: int) -> None:
        try:
            self._answers[number]()
        except Exception:  # noqa: BLE001  # what cannot be written must not hurt the loop
            _log.failure("signal {number} could not be answered", number=number)

    def _hung_up(self) -> None:
        # The process's own log first: it can then tell what becomes of the others.
        for do in (self._reopen_log, self._proxy.reopen_logs, self._proxy.reload):
            try:
                do()
            except Exception:  # noqa: BLE001  # each is worth to be tried
                _log.failure("SIGHUP could not be answered in full")

    def _stop_softly(self) -> None:
        self._stop_asked = self._stop_now
        self._say(
            f"stopping: {self._proxy.tell_connections()}, at most {self._grace_seconds_max:g} s; "
            "press Ctrl-C again to stop now"
        )
        self._grace = self._reactor.callLater(self._grace_seconds_max, self._grace_over)
        self._proxy.stop_softly().addCallbacks(self._softly_stopped, self._soft_stop_failed)

    def _softly_stopped(self, _result: None) -> None:
        self._finish()

    def _soft_stop_failed(self, failure: Failure) -> None:
        _log.failure("the soft stop failed; stopping now", failure=failure)
        self._stop_now()

    def _grace_over(self) -> None:
        self._grace = None
        self._say(f"{self._grace_seconds_max:g} s are over; stopping now")
        self._stop_now()

    def _stop_now(self) -> None:
        self._stop_asked = self._ignore
        self._proxy.stop_now()
        self._finish()

    def _ignore(self) -> None:
        """The reactor is stopping already."""

    def _finish(self) -> None:
        self._stop_asked = self._ignore
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            # stop_now ended the last session, and with it the soft stop, which was here before.
            return
