"""One timer that is set anew for every request, at the price of storing a float."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """
    Call ``expired`` once when the time set last is over.

    At most one delayed call exists. Setting the deadline further into the future only stores
    when it is due; the delayed call finds that out when it fires, and goes to sleep again. A
    suspended deadline keeps its delayed call for the next ``reset``; ``cancel`` gives it up.
    """

    __slots__ = ("_call", "_call_due", "_clock", "_due", "_expired", "_now")

    def __init__(self, clock: IReactorTime, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._now = clock.seconds
        self._expired = expired
        self._call: IDelayedCall | None = None
        self._call_due = 0.0
        self._due: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether ``expired`` will be called if nothing is done."""
        return self._due is not None

    def reset(self, seconds: float) -> None:
        """
        Be due in ``seconds`` from now, whatever was set before.

        Hot: once for every request; one frame where the time only moves on.
        """
        self._due = due = self._now() + seconds
        if self._call is None:
            self._arm(due, seconds)
        elif due < self._call_due:
            self._call.cancel()
            self._arm(due, seconds)

    def suspend(self) -> None:
        """Expire no more until the next ``reset``, which is then as cheap as any."""
        self._due = None

    def cancel(self) -> None:
        """Expire no more, and hold nothing that the clock would keep alive."""
        self._due = None
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _arm(self, due: float, seconds: float) -> None:
        self._call_due = due
        self._call = self._clock.callLater(max(0.0, seconds), self._woken)

    def _woken(self) -> None:
        self._call = None
        due = self._due
        if due is None:
            return
        # What callLater was promised counts as passed, whatever rounding makes of the clock.
        if due <= self._call_due:
            self._due = None
            self._expired()
            return
        self._arm(due, due - self._now())
