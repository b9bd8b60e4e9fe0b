from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.metrics.counters import (
    BUCKETS_PER_TIMER,
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)

KINDS = (BackendCounters, ClusterCounters, ListenerCounters, TlsCounters, WorkerCounters)


@pytest.mark.parametrize("kind", KINDS)
def test_all_counters_begin_at_nothing(kind: type) -> None:
    counters = kind()
    for f in fields(counters):
        value = getattr(counters, f.name)
        if isinstance(value, TlsCounters):
            continue  # It has a turn of its own.
        if isinstance(value, Timer):
            assert sum(value.buckets) == value.sum_us == 0
        elif isinstance(value, list):
            assert not any(value)
        else:
            assert not value


@pytest.mark.parametrize("kind", KINDS)
def test_a_misspelt_counter_is_refused(kind: type) -> None:
    with pytest.raises(AttributeError):
        kind().reqeusts = 1


@pytest.mark.parametrize("kind", KINDS)
def test_two_objects_are_two_even_with_equal_numbers(kind: type) -> None:
    one, other = kind(), kind()
    assert len({one, other}) == 2


def test_two_workers_share_no_list() -> None:
    one, other = WorkerCounters(), WorkerCounters()
    one.statuses[200] += 1
    one.accept_wait_time.add(3)
    assert other.statuses[200] == 0
    assert other.accept_wait_time.sum_us == 0


@given(us=st.integers(min_value=0, max_value=2 ** (BUCKETS_PER_TIMER - 1) - 1))
def test_a_sample_falls_below_the_power_of_two_of_its_bucket(us: int) -> None:
    timer = Timer()
    timer.add(us)
    index = timer.buckets.index(1)
    assert us < 2**index
    assert us == 0 or us >= 2 ** (index - 1)
    assert timer.sum_us == us
