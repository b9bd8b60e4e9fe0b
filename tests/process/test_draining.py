"""A stop that waits tells for whom, first soon and then seldom."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from sozutw.config.model import Settings
from sozutw.process.draining import DrainReport
from sozutw.sessions.session import Session
from tests.fakes.worker import FakeWorld


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    with capturedLogs() as events:
        yield events


def test_it_is_told_for_whom_a_stop_waits_and_for_how_long(logged: list[LogEvent]) -> None:
    world = FakeWorld("A", settings=Settings(graceful_shutdown_timeout=400.0))
    client, other = world.client(), world.client()
    client.get()
    world.connect("A")
    other.get()
    world.connect("A")
    sessions = world.worker.sessions
    over: list[object] = []
    report = DrainReport(world.clock, sessions)
    report.until(sessions.stopService()).addBoth(over.append)
    world.advance(4.75)
    assert logged == []
    world.advance(0.5)
    (event,) = logged
    assert formatEvent(event) == (
        "stopping: 2 connections left (2 in an exchange), the oldest for 5 s, at most 395 s more"
    )
    other.reset()
    world.advance(8)
    assert len(logged) == 1
    world.advance(2)
    assert "1 connection left" in str(formatEvent(logged[1]))
    client.reset()
    world.advance(1)
    assert over == [None]
    world.advance(300)
    assert len(logged) == 2
    world.assert_baseline()


def test_a_stop_that_takes_long_is_told_of_once_a_minute(logged: list[LogEvent]) -> None:
    world = FakeWorld("A")
    clock = Clock()
    ended: Deferred[None] = Deferred()
    DrainReport(clock, world.worker.sessions).until(ended)
    at: list[float] = []
    for _ in range(240):
        before = len(logged)
        clock.advance(1)
        clock.advance(0)
        if len(logged) > before:
            at.append(clock.seconds())
    assert at == [5.0, 15.0, 35.0, 75.0, 135.0, 195.0]
    ended.callback(None)
    assert not clock.getDelayedCalls()


def test_a_stop_that_is_over_at_once_is_not_told_of(logged: list[LogEvent]) -> None:
    world = FakeWorld("A")
    clock = Clock()
    DrainReport(clock, world.worker.sessions).until(succeed(None))
    assert not clock.getDelayedCalls()
    assert logged == []


def test_a_stop_that_ends_while_it_counts_is_told_of_no_more(logged: list[LogEvent]) -> None:
    world = FakeWorld("A")
    world.client()
    clock = Clock()
    ended: Deferred[None] = Deferred()

    def sessions() -> Iterator[Session]:
        yield from world.worker.sessions.sessions()
        ended.callback(None)

    DrainReport(clock, SimpleNamespace(sessions=sessions)).until(ended)  # type: ignore[arg-type]
    clock.advance(5)
    assert logged == []
    assert not clock.getDelayedCalls()
    world.assert_baseline()
