"""Answers that take long to make: some in each turn of the loop, while others are served."""

from collections.abc import Callable, Generator, Iterator
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Pauses now and then, and returns what it made. What it reads may change in every pause."""

SLICE: Final = 64
"""So many small things are done between two pauses, about a millisecond's work."""


class Slowly:
    """Runs steps: up to the first pause at once, then one in each turn of the loop."""

    def __init__(self, clock: IReactorTime) -> None:
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: _at_once,
            scheduler=lambda call: clock.callLater(0, call),
        )

    def run(self, steps: Steps[T]) -> "Deferred[T]":
        """Return what the steps return, or fail with what they raise."""
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return succeed(made)
        except Exception:  # noqa: BLE001  # whoever waits for the Deferred hears of it
            return fail()
        results: list[T] = []
        done = self._cooperator.coiterate(_kept(steps, results.append))
        return done.addCallback(lambda _: results[0])


def _at_once() -> bool:
    """Whether one step is enough for this turn."""
    return True


def _kept(steps: Steps[T], keep: Callable[[T], None]) -> Iterator[None]:
    keep((yield from steps))
