"""The time until the first workers could serve."""

from twisted.internet.task import Clock

from sozutw.process.workers.beginning import Beginning


def test_whoever_asks_waits_until_it_is_over() -> None:
    clock = Clock()
    beginning = Beginning(clock, 10.0)
    fired: list[int] = []
    beginning.wait().addCallback(lambda _: fired.append(1))
    beginning.wait().addCallback(lambda _: fired.append(2))
    clock.advance(9)
    assert fired == []
    beginning.over()
    assert fired == [1, 2]
    assert clock.getDelayedCalls() == []
    beginning.wait().addCallback(lambda _: fired.append(3))
    assert fired == [1, 2, 3]


def test_nobody_waits_for_ever() -> None:
    clock = Clock()
    beginning = Beginning(clock, 10.0)
    fired: list[int] = []
    beginning.wait().addCallback(lambda _: fired.append(1))
    clock.advance(1)
    beginning.wait().addCallback(lambda _: fired.append(2))
    clock.advance(9)
    assert fired == [1]
    clock.advance(1)
    assert fired == [1, 2]
    beginning.over()
    assert clock.getDelayedCalls() == []
