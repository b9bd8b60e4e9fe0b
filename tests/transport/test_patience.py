"""One wheel for many connections: each is woken when its peer was silent for too long."""

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.task import Clock

from sozutw.transport.patience import TICKS_PER_SECOND, Patience, Wheel

TICK = 1 / TICKS_PER_SECOND


class Peer:
    """Who is waited for, and when the patience with him ended."""

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.expired_at: list[float] = []
        self.patience = Patience(wheel, self.expire)

    def expire(self) -> None:
        self.expired_at.append(self.wheel.now())

    def shows_life(self) -> None:
        self.patience.touched = self.wheel.now()


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(1000.0)
    return clock


@pytest.fixture
def wheel(clock: Clock) -> Wheel:
    return Wheel(clock)


@pytest.fixture
def peer(wheel: Wheel) -> Peer:
    return Peer(wheel)


def pass_time(clock: Clock, seconds: float, step: float = TICK / 2) -> None:
    end = clock.seconds() + seconds
    while clock.seconds() + step <= end + 1e-9:
        clock.advance(step)


def test_nothing_is_waited_for_before_it_is_asked(clock: Clock, wheel: Wheel, peer: Peer):
    assert peer.patience.seconds == inf
    assert len(wheel) == 0
    assert not clock.getDelayedCalls()
    pass_time(clock, 100)
    assert peer.expired_at == []


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.25, 0.3, 2.0, 10.0, 60.1])
def test_silence_ends_the_patience_once_and_never_too_early(
    clock: Clock, wheel: Wheel, peer: Peer, seconds: float
):
    peer.patience.allow(seconds)
    pass_time(clock, seconds + 2)
    (at,) = peer.expired_at
    assert seconds - 1e-6 <= at - 1000.0 <= seconds + TICK + TICK / 2
    assert len(wheel) == 0
    assert not clock.getDelayedCalls()


def test_a_sign_of_life_begins_it_anew(clock: Clock, peer: Peer):
    peer.patience.allow(2.0)
    for _ in range(5):
        pass_time(clock, 1.5)
        peer.shows_life()
    assert peer.expired_at == []
    pass_time(clock, 2.5)
    assert len(peer.expired_at) == 1
    assert 9.5 <= peer.expired_at[0] - 1000.0 <= 9.75 + TICK


def test_a_longer_wait_takes_the_place_of_a_shorter_one(clock: Clock, peer: Peer):
    peer.patience.allow(1.0)
    peer.patience.allow(5.0)
    pass_time(clock, 4.5)
    assert peer.expired_at == []
    pass_time(clock, 1.0)
    assert len(peer.expired_at) == 1


def test_a_shorter_wait_takes_the_place_of_a_longer_one(clock: Clock, wheel: Wheel, peer: Peer):
    peer.patience.allow(60.0)
    peer.patience.allow(1.0)
    assert len(wheel) == 1
    pass_time(clock, 1.5)
    assert len(peer.expired_at) == 1
    assert len(wheel) == 0


def test_what_waits_for_ever_does_not_expire(clock: Clock, wheel: Wheel, peer: Peer):
    peer.patience.allow(1.0)
    peer.patience.allow(inf)
    pass_time(clock, 5)
    assert peer.expired_at == []
    assert len(wheel) == 0
    peer.patience.allow(1.0)
    pass_time(clock, 1.5)
    assert len(peer.expired_at) == 1


def test_a_wait_that_is_put_off_by_its_owner_goes_on_when_he_says_so(clock: Clock, peer: Peer):
    peer.patience.allow(1.0)
    peer.patience.seconds = inf  # as a paused side does, without a call
    pass_time(clock, 10)
    assert peer.expired_at == []
    peer.patience.allow(2.0)
    pass_time(clock, 1.5)
    assert peer.expired_at == []
    pass_time(clock, 1.0)
    assert len(peer.expired_at) == 1


def test_who_expires_may_wait_once_more(clock: Clock, wheel: Wheel, peer: Peer):
    def again() -> None:
        peer.expire()
        if len(peer.expired_at) < 3:
            peer.patience.allow(1.0)

    peer.patience = Patience(wheel, again)
    peer.patience.allow(1.0)
    pass_time(clock, 10)
    assert len(peer.expired_at) == 3
    assert peer.expired_at[2] - peer.expired_at[0] >= 2.0
    assert not clock.getDelayedCalls()


def test_what_is_cancelled_lets_go_of_its_owner(clock: Clock, wheel: Wheel, peer: Peer):
    peer.patience.allow(1.0)
    peer.patience.cancel()
    assert len(wheel) == 0
    assert not clock.getDelayedCalls()
    assert peer.patience._expired is None
    pass_time(clock, 5)
    assert peer.expired_at == []
    peer.patience.cancel()  # again is no harm


def test_a_late_wait_of_who_is_gone_tells_nobody(clock: Clock, wheel: Wheel, peer: Peer):
    peer.patience.cancel()
    peer.patience.allow(1.0)
    pass_time(clock, 5)
    assert peer.expired_at == []
    assert len(wheel) == 0


def test_thousands_wait_with_one_timer(clock: Clock, wheel: Wheel):
    peers = [Peer(wheel) for _ in range(2000)]
    for number, one in enumerate(peers):
        one.patience.allow(1.0 + number % 7)
    assert len(wheel) == 2000
    assert len(clock.getDelayedCalls()) == 1
    pass_time(clock, 20)
    assert all(len(one.expired_at) == 1 for one in peers)
    assert len(wheel) == 0
    assert not clock.getDelayedCalls()


def test_one_that_expires_may_cancel_its_neighbours(clock: Clock, wheel: Wheel):
    peers = [Peer(wheel) for _ in range(4)]

    def cancel_all() -> None:
        for one in peers[1:]:
            one.patience.cancel()

    peers[0].patience = Patience(wheel, cancel_all)
    for one in peers:
        one.patience.allow(1.0)
    pass_time(clock, 3)
    assert [one.expired_at for one in peers] == [[]] * 4
    assert len(wheel) == 0
    assert not clock.getDelayedCalls()


def test_one_that_expires_may_let_others_begin(clock: Clock, wheel: Wheel):
    late = Peer(wheel)
    first = Patience(wheel, lambda: late.patience.allow(0.5))
    first.allow(1.0)
    pass_time(clock, 3)
    assert len(late.expired_at) == 1
    assert not clock.getDelayedCalls()


def test_an_owner_that_fails_does_not_stop_the_others(clock: Clock, wheel: Wheel):
    """Otherwise one defect would leave a whole worker without timeouts."""

    def fail() -> None:
        raise RuntimeError("a defect")

    broken = Patience(wheel, fail)
    same_tick, later = Peer(wheel), Peer(wheel)
    broken.allow(1.0)
    same_tick.patience.allow(1.0)
    later.patience.allow(2.0)
    with pytest.raises(RuntimeError):
        pass_time(clock, 1.5)
    pass_time(clock, 3.0)
    assert len(same_tick.expired_at) == 1
    assert len(later.expired_at) == 1
    assert not clock.getDelayedCalls()


def test_a_loop_that_was_held_up_wakes_everybody_at_once(clock: Clock, wheel: Wheel):
    peers = [Peer(wheel) for _ in range(5)]
    for number, one in enumerate(peers):
        one.patience.allow(float(number + 1))
    clock.advance(30.0)
    assert all(len(one.expired_at) == 1 for one in peers)


class Waiting(RuleBasedStateMachine):
    """Against the simplest model: when each was last touched, and how long he may be silent."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.advance(5000.0)
        self.wheel = Wheel(self.clock)
        self.peers = [Peer(self.wheel) for _ in range(3)]
        self.due: list[float | None] = [None] * 3
        self.silent: list[float] = [inf] * 3

    @rule(index=st.integers(0, 2), seconds=st.sampled_from([0.1, 0.25, 1.0, 1.3, 4.0, inf]))
    def allow(self, index, seconds):
        self.peers[index].patience.allow(seconds)
        self.silent[index] = seconds
        self.due[index] = None if seconds == inf else self.clock.seconds() + seconds

    @rule(index=st.integers(0, 2))
    def show_life(self, index):
        self.peers[index].shows_life()
        if self.due[index] is not None:
            self.due[index] = self.clock.seconds() + self.silent[index]

    @rule(seconds=st.sampled_from([0.05, 0.25, 0.4, 1.0]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def each_is_told_in_time_and_once(self):
        now = self.clock.seconds()
        for index, peer in enumerate(self.peers):
            due = self.due[index]
            if peer.expired_at:
                (at,) = peer.expired_at
                assert due is not None, "nobody was waited for"
                assert at >= due - 1e-5, "too early"
                peer.expired_at.clear()
                self.due[index] = None
                # Nothing is allowed until the owner says so.
            elif due is not None:
                assert now < due + TICK + 1e-5, "too late"

    @invariant()
    def one_timer_is_enough(self):
        assert len(self.clock.getDelayedCalls()) <= 1
        assert len(self.wheel) <= 3
        if len(self.wheel):
            assert len(self.clock.getDelayedCalls()) == 1


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
