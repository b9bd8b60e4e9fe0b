import gc
import weakref

import pytest
from twisted.internet.task import Clock

from sozutw.transport.tls.lingering import LINGER_SECONDS, Lingerers, lingerers_of


class Connection:
    def __init__(self, clock: Clock, log: list[float]) -> None:
        self.reactor = clock
        self.log = log

    def linger_is_over(self) -> None:
        self.log.append(self.reactor.seconds())


def test_each_is_told_when_its_own_time_is_over_by_one_call_at_a_time() -> None:
    clock, log = Clock(), []
    lingerers = Lingerers()
    for _ in range(3):
        lingerers.add(Connection(clock, log))
        clock.advance(0.5)
    assert len(clock.getDelayedCalls()) == 1
    while clock.getDelayedCalls():
        clock.advance(0.25)
    assert log == [LINGER_SECONDS, LINGER_SECONDS + 0.5, LINGER_SECONDS + 1.0]
    assert len(lingerers) == 0


def test_who_has_gone_is_not_told_and_leaves_no_call_behind() -> None:
    clock, log = Clock(), []
    lingerers = Lingerers()
    first, second = (Connection(clock, log) for _ in range(2))
    lingerers.add(first)
    lingerers.add(second)
    lingerers.remove(first)
    lingerers.remove(first)
    assert clock.getDelayedCalls()
    lingerers.remove(second)
    assert clock.getDelayedCalls() == []
    clock.advance(10)
    assert log == []


def test_one_that_fails_keeps_no_other_waiting() -> None:
    clock, log = Clock(), []
    lingerers = Lingerers()

    class Failing(Connection):
        def linger_is_over(self) -> None:
            raise RuntimeError

    lingerers.add(Failing(clock, log))
    lingerers.add(Connection(clock, log))
    with pytest.raises(RuntimeError):
        clock.advance(LINGER_SECONDS)
    clock.advance(0)
    assert log == [LINGER_SECONDS]


def test_one_that_begins_while_others_are_told_waits_for_its_own_time() -> None:
    clock, log = Clock(), []
    lingerers = Lingerers()

    class Followed(Connection):
        def linger_is_over(self) -> None:
            lingerers.add(Connection(clock, log))

    lingerers.add(Followed(clock, log))
    clock.advance(LINGER_SECONDS)
    clock.advance(LINGER_SECONDS)
    assert log == [2 * LINGER_SECONDS]
    assert clock.getDelayedCalls() == []


def test_a_loop_has_its_own_and_takes_them_along() -> None:
    one, other = Clock(), Clock()
    assert lingerers_of(one) is lingerers_of(one)
    assert lingerers_of(one) is not lingerers_of(other)
    gone = weakref.ref(lingerers_of(other))
    del other
    gc.collect()
    assert gone() is None
