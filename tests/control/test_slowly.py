"""What takes long takes its steps one by one, while others have their turn."""

from collections.abc import Callable, Generator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sozutw.control.slowly import TURN_SECONDS, Slowly


class Turns:
    """A loop whose turns the test takes; a Clock makes one turn of all that is due at once."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []
        self.looks = 0

    def seconds(self) -> float:
        """Every look at the clock finds it later than a turn may last."""
        self.looks += 1
        return self.looks * 2 * TURN_SECONDS

    def callLater(self, seconds: float, call: Callable[[], object]) -> None:
        assert seconds == 0
        self.due.append(call)

    def turn(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


def slowly(turns: Any) -> Slowly:
    return Slowly(turns)


def steps(
    taken: list[int], count: int, fault: Exception | None = None
) -> Generator[None, None, str]:
    for number in range(count):
        taken.append(number)
        yield
    if fault is not None:
        raise fault
    return "made"


def results_of(done: "Deferred[str]") -> list[object]:
    results: list[object] = []
    done.addBoth(results.append)
    return results


def test_what_needs_no_pause_is_made_at_once() -> None:
    turns = Turns()
    assert results_of(slowly(turns).run(steps([], 0))) == ["made"]
    assert turns.due == []


def test_one_step_is_taken_in_each_turn() -> None:
    turns = Turns()
    taken: list[int] = []
    results = results_of(slowly(turns).run(steps(taken, 3)))
    assert (taken, results) == ([0], [])
    turns.turn()
    assert (taken, results) == ([0, 1], [])
    turns.turn()
    assert (taken, results) == ([0, 1, 2], [])
    turns.turn()
    assert results == ["made"]
    turns.turn()
    assert turns.due == []


def test_two_take_turns() -> None:
    turns = Turns()
    both = slowly(turns)
    first: list[int] = []
    second: list[int] = []
    results = results_of(both.run(steps(first, 3))) + results_of(both.run(steps(second, 3)))
    for _ in range(4):
        turns.turn()
        assert abs(len(first) - len(second)) <= 1
    assert results == []


@pytest.mark.parametrize("count", [0, 2])
def test_what_steps_raise_is_the_failure(count: int) -> None:
    turns = Turns()
    fault = ValueError("no")
    results = results_of(slowly(turns).run(steps([], count, fault)))
    while turns.due:
        turns.turn()
    (failure,) = results
    assert isinstance(failure, Failure)
    assert failure.value is fault
