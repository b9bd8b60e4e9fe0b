"""Each worker is asked every second whether it lives."""

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sozutw.config.model import Settings
from sozutw.process.workers.policy import WAIT_SECONDS, Policy
from sozutw.process.workers.watch import Watch


class FakeMember:
    name, pid = "worker 0", 7

    def __init__(self) -> None:
        self.looks = 0
        self.unanswered = 0
        self.is_silent = True
        self.heard: list[Any] = []

    def look(self) -> None:
        self.looks += 1
        self.unanswered = self.unanswered + 1 if self.is_silent and self.looks > 1 else 0

    def kill(self, why: str) -> None:
        self.heard.append(why)

    def give_up(self, why: str) -> None:
        self.heard.append(f"given up: {why}")


class Scene:
    def __init__(self, **policy: float) -> None:
        self.clock = Clock()
        self.member: Any = FakeMember()
        self.told: list[Any] = []
        self.watch = Watch(
            self.clock,
            Policy(1, Settings, **policy),
            lambda: [self.member],
            self.told.append,
        )
        self.watch.start()

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)


def test_who_answers_is_well():
    scene = Scene(timeout=2.0, hang_timeout=3.0)
    scene.member.is_silent = False
    scene.wait(30)
    assert scene.member.looks == 30
    assert scene.member.heard == scene.told == []
    assert not scene.watch.is_hanging(scene.member)
    scene.watch.stop()
    scene.watch.stop()
    assert not scene.clock.getDelayedCalls()


def test_who_is_silent_is_told_of_once_and_then_killed():
    scene = Scene(timeout=3.0, hang_timeout=6.0)
    with capturedLogs() as events:
        scene.wait(3)
        assert not scene.watch.is_hanging(scene.member)
        assert not scene.watch.is_silent(scene.member)
        scene.wait(1)
        assert scene.watch.is_hanging(scene.member)
        assert scene.watch.is_silent(scene.member)
        scene.wait(2)
    assert scene.told == [scene.member]
    assert scene.member.heard == ["given up: it does not answer"]
    assert [event["log_format"] for event in events] == ["{name} (process {pid}) does not answer"]
    scene.wait(1)
    assert scene.member.heard[1:] == ["it has not answered for 6 s"]


def test_who_comes_back_is_well_and_may_be_silent_again():
    scene = Scene(timeout=2.0, hang_timeout=0.0)
    scene.wait(3)
    scene.member.is_silent = False
    scene.wait(1)
    assert not scene.watch.is_hanging(scene.member)
    scene.member.is_silent = True
    scene.wait(2)
    assert scene.told == [scene.member] * 2


@pytest.mark.parametrize(("timeout", "hang", "kills_at"), [(5.0, 2.0, 5), (0.0, 2.0, 2)])
def test_nobody_is_killed_before_it_counts_as_not_answering(timeout, hang, kills_at):
    scene = Scene(timeout=timeout, hang_timeout=hang)
    scene.wait(kills_at)
    assert not scene.member.heard
    scene.wait(1)
    assert scene.member.heard == [f"it has not answered for {kills_at} s"]


def test_with_zero_nobody_counts_as_not_answering_but_nobody_waits_for_ever_either():
    scene = Scene(timeout=0.0, hang_timeout=0.0)
    with capturedLogs() as events:
        scene.wait(int(WAIT_SECONDS))
        assert not scene.watch.is_silent(scene.member)
        scene.wait(1000)
    assert scene.watch.is_silent(scene.member)
    assert not scene.watch.is_hanging(scene.member)
    assert scene.member.heard == ["given up: it does not answer"]
    assert scene.told == [scene.member]
    assert not events


def test_a_main_process_that_was_stopped_itself_takes_nobody_for_dead():
    scene = Scene(timeout=3.0, hang_timeout=6.0)
    scene.wait(2)
    scene.clock.rightNow += 600
    scene.wait(1)
    assert scene.member.unanswered == 2
    assert scene.member.heard == []
