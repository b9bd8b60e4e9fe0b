"""The waits after failed dials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.balancing.retry import FAILURES_MAX, Backoff


def test_a_new_backend_may_be_dialled():
    backoff = Backoff()
    assert backoff.is_over(0.0)
    assert not backoff.is_down()
    assert not backoff.succeeded()


@pytest.mark.parametrize(
    ("earlier", "random", "wait"),
    [
        (0, 0.9, 1),
        (1, 0.9, 1),
        (2, 0.0, 1),
        (2, 0.5, 2),
        (3, 0.5, 4),
        (5, 0.5, 16),
        (6, 0.5, 32),
        (9, 0.5, 32),
    ],
)
def test_the_wait_is_drawn_from_a_range_that_doubles(earlier, random, wait):
    backoff = Backoff()
    now = 0.0
    for _ in range(earlier):
        backoff.failed(now, 0.0)
        now = backoff.until
    backoff.failed(now, random)
    assert backoff.until - now == wait
    assert not backoff.is_over(now + wait - 0.001)
    assert backoff.is_over(now + wait)


def test_a_failure_inside_the_wait_counts_for_nothing():
    backoff = Backoff()
    backoff.failed(10.0, 0.5)
    assert not backoff.failed(10.9, 0.5)
    assert (backoff.failures, backoff.until) == (1, 11.0)


def test_the_sixth_failure_takes_it_down_once_and_a_success_brings_it_up_once():
    backoff = Backoff()
    told = [backoff.failed(backoff.until, 0.0) for _ in range(8)]
    assert told == [False] * 5 + [True] + [False] * 2
    assert backoff.is_down()
    assert backoff.succeeded()
    assert not backoff.is_down()
    assert not backoff.succeeded()
    assert backoff.is_over(0.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1, exclude_max=True))))
def test_a_wait_is_never_shorter_than_a_second_nor_longer_than_63(steps):
    backoff = Backoff()
    now = 0.0
    for later, random in steps:
        now += later
        was_over = backoff.is_over(now)
        backoff.failed(now, random)
        if was_over:
            # Adding to a large float rounds.
            assert 1 - 1e-9 <= backoff.until - now <= 63
        assert 0 <= backoff.failures <= FAILURES_MAX
