"""Tests of ``sozutw.transport.deadline``."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sozutw.transport.deadline import Deadline


class Watched:
    def __init__(self) -> None:
        self.clock = Clock()
        self.expired_at: list[float] = []
        self.deadline = Deadline(self.clock, self.expired)

    def expired(self) -> None:
        self.expired_at.append(self.clock.seconds())


def test_it_expires_exactly_when_due_and_once() -> None:
    watched = Watched()
    watched.deadline.reset(5)
    watched.clock.advance(4.5)
    assert watched.expired_at == []
    assert watched.deadline.is_set
    watched.clock.advance(0.5)
    assert watched.expired_at == [5]
    assert not watched.deadline.is_set
    watched.clock.advance(100)
    assert watched.expired_at == [5]


def test_a_later_time_needs_no_new_call_and_is_kept() -> None:
    watched = Watched()
    watched.deadline.reset(5)
    (call,) = watched.clock.getDelayedCalls()
    watched.clock.advance(4)
    watched.deadline.reset(5)
    assert watched.clock.getDelayedCalls() == [call]
    watched.clock.advance(1)
    assert watched.expired_at == []
    watched.clock.advance(3.5)
    assert watched.expired_at == []
    watched.clock.advance(0.5)
    assert watched.expired_at == [9]


def test_an_earlier_time_is_kept_too() -> None:
    watched = Watched()
    watched.deadline.reset(60)
    watched.deadline.reset(1)
    assert len(watched.clock.getDelayedCalls()) == 1
    watched.clock.advance(1)
    assert watched.expired_at == [1]
    watched.clock.advance(100)
    assert watched.expired_at == [1]


def test_a_suspended_deadline_does_not_expire_but_may_be_set_again() -> None:
    watched = Watched()
    watched.deadline.reset(1)
    watched.deadline.suspend()
    assert not watched.deadline.is_set
    watched.clock.advance(0.5)
    watched.deadline.reset(2)
    watched.clock.advance(1.5)
    assert watched.expired_at == []
    watched.clock.advance(0.5)
    assert watched.expired_at == [2.5]


def test_a_suspended_deadline_lets_its_call_run_out() -> None:
    watched = Watched()
    watched.deadline.reset(1)
    watched.deadline.suspend()
    watched.clock.advance(1)
    assert watched.expired_at == []
    assert watched.clock.getDelayedCalls() == []


def test_a_cancelled_deadline_leaves_nothing_behind() -> None:
    watched = Watched()
    watched.deadline.cancel()
    watched.deadline.reset(1)
    watched.deadline.cancel()
    assert watched.clock.getDelayedCalls() == []
    assert not watched.deadline.is_set


def test_it_may_be_set_again_while_it_expires() -> None:
    watched = Watched()
    deadline = Deadline(watched.clock, lambda: (watched.expired(), deadline.reset(1))[0])
    deadline.reset(1)
    watched.clock.pump([1, 1, 0.5])
    assert watched.expired_at == [1, 2]
    deadline.cancel()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("reset"), st.floats(0, 10)),
            st.tuples(st.just("advance"), st.floats(0, 5)),
            st.tuples(st.just("suspend"), st.just(0.0)),
            st.tuples(st.just("cancel"), st.just(0.0)),
        ),
        max_size=30,
    )
)
def test_it_does_what_a_timer_made_anew_each_time_does(steps: list[tuple[str, float]]) -> None:
    watched = Watched()
    due: float | None = None
    count = 0
    for verb, seconds in steps:
        if verb == "reset":
            due = watched.clock.seconds() + seconds
            watched.deadline.reset(seconds)
        elif verb == "advance":
            watched.clock.advance(seconds)
            if due is not None and due <= watched.clock.seconds():
                due = None
                count += 1
        elif verb == "suspend":
            due = None
            watched.deadline.suspend()
        else:
            due = None
            watched.deadline.cancel()
        assert len(watched.clock.getDelayedCalls()) <= 1
        assert len(watched.expired_at) == pytest.approx(count, abs=0)
        assert watched.deadline.is_set == (due is not None)


def test_moving_on_costs_one_frame() -> None:
    watched = Watched()
    clock = watched.clock
    deadline = Deadline(clock, watched.expired)
    deadline.reset(1)
    frames: list[str] = []

    def profiled(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and "sozutw" in frame.f_code.co_filename:
            frames.append(frame.f_code.co_name)

    sys.setprofile(profiled)
    deadline.reset(2)
    sys.setprofile(None)
    assert frames == ["reset"]
