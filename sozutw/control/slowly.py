"""What takes long is done in small steps, while others are served between them."""

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


TURN_SECONDS: Final = 0.002
"""For so long, and a small step more, clients wait for what is done between their requests."""


def in_short_turns(clock: IReactorTime) -> Cooperator:
    """Return what drives small steps, some of them in each turn of the loop."""

    def begin() -> Callable[[], bool]:
        # Twisted's own would go on for 10 ms.
        end = clock.seconds() + TURN_SECONDS
        return lambda: clock.seconds() >= end

    return Cooperator(begin, lambda call: clock.callLater(0, call))


class Slowly:
    """Makes an answer: up to the first pause at once, then some steps in each turn of the loop."""

    def __init__(self, clock: IReactorTime) -> None:
        self._cooperator = in_short_turns(clock)

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


def _kept(steps: Steps[T], keep: Callable[[T], None]) -> Iterator[None]:
    keep((yield from steps))
