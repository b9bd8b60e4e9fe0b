"""Tests of ``sozutw.listen.limits``."""

import resource

import pytest
from twisted.logger import capturedLogs, formatEvent

from sozutw.listen.limits import (
    PIPES,
    PROBES_LEAST,
    PROBES_MOST,
    RESERVE,
    SESSIONS_DEFAULT,
    DescriptorPlan,
    TooFewDescriptorsError,
    plan_descriptors,
    probes_max_of,
    raise_descriptor_limit,
    sessions_possible,
)


class Limits:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = (1024, 4096)
        monkeypatch.setattr(resource, "getrlimit", lambda which: self.now)
        monkeypatch.setattr(resource, "setrlimit", self.set)

    def set(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        assert limits[1] == self.now[1], "the hard limit cannot be raised, and must not be lowered"
        assert self.now[1] == resource.RLIM_INFINITY or limits[0] <= limits[1]
        self.now = limits


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    return Limits(monkeypatch)


def test_the_soft_limit_is_raised_as_far_as_it_goes(limits: Limits) -> None:
    assert raise_descriptor_limit(2000) == 2000
    assert limits.now == (2000, 4096)
    assert raise_descriptor_limit(5000) == 4096
    assert limits.now == (4096, 4096)
    assert raise_descriptor_limit(5000) == 4096


def test_a_limit_that_is_enough_is_left_alone(limits: Limits) -> None:
    assert raise_descriptor_limit(100) == 1024
    limits.now = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert raise_descriptor_limit(5000) == 5000
    assert limits.now[0] == resource.RLIM_INFINITY
    limits.now = (1024, resource.RLIM_INFINITY)
    assert raise_descriptor_limit(1_000_000) == 1_000_000


def test_what_is_asked_for_is_granted_where_it_can_be(limits: Limits) -> None:
    plan = plan_descriptors(500, 2)
    assert plan == DescriptorPlan(500, 4 * 500 + RESERVE + PIPES + 2 * 51)


def test_what_cannot_be_is_refused_with_the_number_that_can(limits: Limits) -> None:
    with pytest.raises(TooFewDescriptorsError) as caught:
        plan_descriptors(10_000, 2)
    assert "22066 file descriptors" in str(caught.value)
    possible = (4096 - RESERVE - 2) * 10 // 22
    assert f"at most {possible} connections" in str(caught.value)
    assert plan_descriptors(possible, 2).sessions_max == possible


def test_unset_it_follows_from_the_limit(limits: Limits) -> None:
    plan = plan_descriptors(None, 2)
    assert plan.sessions_max == (4096 - RESERVE - PIPES - 2) * 10 // 22
    assert plan.descriptors == 4096
    limits.now = (1024, 1_000_000)
    assert plan_descriptors(None, 2).sessions_max == SESSIONS_DEFAULT
    limits.now = (1024, resource.RLIM_INFINITY)
    assert plan_descriptors(None, 2).sessions_max == SESSIONS_DEFAULT
    limits.now = (64, 100)
    with pytest.raises(TooFewDescriptorsError):
        plan_descriptors(None, 40)


def test_room_for_fewer_than_sixteen_is_too_little(limits: Limits) -> None:
    least = 2 * 16 + RESERVE + PIPES + 1 + 16
    limits.now = (64, least)
    assert sessions_possible(None, 1) == 16
    limits.now = (64, least - 1)
    with pytest.raises(TooFewDescriptorsError, match="room for 15 connections"):
        sessions_possible(None, 1)


def test_to_ask_changes_nothing(limits: Limits) -> None:
    assert sessions_possible(500, 2) == 500
    assert limits.now == (1024, 4096)


def test_a_number_that_follows_from_a_low_limit_is_warned_of(limits: Limits) -> None:
    with capturedLogs() as events:
        plan = plan_descriptors(None, 1)
    (told,) = map(formatEvent, events)
    assert told.startswith(f"at most {plan.sessions_max} connections at a time, and not 10000: ")
    with capturedLogs() as events:
        plan_descriptors(100, 1)
    assert events == []


def test_probes_have_half_of_what_is_left_over(limits: Limits) -> None:
    assert probes_max_of(plan_descriptors(100, 2), 2) == (1024 - 200 - RESERVE - PIPES - 34) // 2
    assert probes_max_of(plan_descriptors(None, 2), 2) == PROBES_LEAST < RESERVE / 2
    limits.now = (1024, 1_000_000)
    assert probes_max_of(plan_descriptors(None, 2), 2) == PROBES_MOST
