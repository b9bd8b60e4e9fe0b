"""Steps that are all taken at once."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def whole(steps: Generator[None, None, T]) -> T:
    """Return what steps come to."""
    return counted(steps)[1]


def counted(steps: Generator[None, None, T]) -> tuple[int, T]:
    """Return how many pauses there were, and what steps come to."""
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return pauses, made
        pauses += 1
