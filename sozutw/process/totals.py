"""
The counters of all workers, however many there are, for whoever wants the whole.

``OnlyWorker`` is for a process that serves by itself: it has one worker, and is that.
"""

from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sozutw.control.slowly import Slowly
from sozutw.metrics.merge import merged
from sozutw.metrics.render import Reports
from sozutw.process.counts import Counts, as_json, as_prometheus

ONLY_ID: Final = "0"
"""As ``control.events`` has it, which needs protobuf, and so waits for a command socket."""
Gather = Callable[[], "Deferred[dict[str, Reports]]"]
"""Asks every worker for its counters, and tells those of each that answered by its id."""


class OnlyWorker:
    """The counters of this process, behind what is asked of many."""

    def __init__(self, counts: Counts, clock: IReactorTime) -> None:
        self._counts = counts
        self._slowly = Slowly(clock)

    def worker_ids(self) -> list[str]:
        """Return the ids of all workers."""
        return [ONLY_ID]

    def gather(self) -> "Deferred[dict[str, Reports]]":
        """Return what each of them has counted, by its id."""
        gathered = self._slowly.run(self._counts.gather())
        return gathered.addCallback(lambda reports: {ONLY_ID: reports})

    def clear_all(self) -> "Deferred[None]":
        """Begin anew at zero in each of them."""
        return self._slowly.run(self._counts.clear())


class Totals:
    """
    What the workers come to together.

    They are asked once at a time: who wants the totals meanwhile is told the same. Each Deferred
    may be cancelled, which is no matter to the others.
    """

    def __init__(self, gather: Gather, clock: IReactorTime) -> None:
        self._gather = gather
        self._slowly = Slowly(clock)
        self._waiting: dict[Deferred[Reports], None] = {}
        self._is_gathering = False

    def gather(self) -> "Deferred[Reports]":
        """Return all counters as those of one worker, or fail as asking the workers fails."""
        waiting: Deferred[Reports] = Deferred(self._give_up)
        self._waiting[waiting] = None
        if not self._is_gathering:
            self._is_gathering = True
            gathered = maybeDeferred(self._gather)
            merging = gathered.addCallback(lambda told: self._slowly.run(merged([*told.values()])))
            merging.addBoth(self._tell)
        return waiting

    def as_prometheus(self) -> "Deferred[Iterator[bytes]]":
        """Begin a text as Prometheus reads it."""
        return self.gather().addCallback(as_prometheus)

    def as_json(self) -> "Deferred[str]":
        """Return one line of JSON."""
        return self.gather().addCallback(as_json)

    def _tell(self, outcome: "Reports | Failure") -> None:
        # Whoever is told may ask again at once, and hears of another gathering.
        self._is_gathering = False
        waiting, self._waiting = self._waiting, {}
        for one in waiting:
            # Another who was told may have made it give up.
            if not one.called:
                one.callback(outcome)

    def _give_up(self, waiting: "Deferred[Reports]") -> None:
        self._waiting.pop(waiting, None)
