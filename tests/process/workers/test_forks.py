"""The zygotes that workers are forked from: the newest, and older ones whose workers live."""

import socket
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sozutw.process.workers import forks as module
from sozutw.process.workers.forks import CannotForkError, ZygoteForks
from sozutw.process.zygote.nursery import NurseryError


class FakeNursery:
    """A zygote of which the test says what becomes."""

    def __init__(self, reactor: Any, ended: Any, lost: Any) -> None:
        self.ended, self.lost = ended, lost
        self.started: Deferred[None] = Deferred()
        self.forks: list[Deferred[int]] = []
        self.survives = False
        self.error: Exception | None = None
        self.stops = 0
        EVERY.append(self)

    def start(self) -> "Deferred[None]":
        if self.error is not None:
            raise self.error
        return self.started

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        channel.close()
        self.forks.append(Deferred())
        return self.forks[-1]

    def survive(self) -> None:
        if self.error is not None:
            raise self.error
        self.survives = True

    def stop(self) -> "Deferred[None]":
        self.stops += 1
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done


EVERY: list[FakeNursery] = []


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.program = "one"
        monkeypatch.setattr(module, "Nursery", FakeNursery)
        monkeypatch.setattr(module, "program_identity", lambda: self.program)
        self.forks = ZygoteForks(None)
        self.ended: list[Any] = []
        self.forks.ended = lambda pid, status: self.ended.append((pid, status))

    def fork(self) -> list[Any]:
        ours, theirs = socket.socketpair()
        with ours:
            heard = outcome(self.forks.fork(theirs))
        self.channel = theirs
        return heard

    def start(self) -> FakeNursery:
        heard = outcome(self.forks.start())
        EVERY[-1].started.callback(None)
        assert heard == [None]
        return EVERY[-1]

    def renew(self) -> FakeNursery:
        self.program += "+"
        self.forks.renew()
        EVERY[-1].started.callback(None)
        return EVERY[-1]


def outcome(deferred: Any) -> list[Any]:
    heard: list[Any] = []
    deferred.addCallbacks(
        heard.append, lambda why: heard.append(str(why.trap(CannotForkError) and why.value))
    )
    return heard


@pytest.fixture
def scene(monkeypatch):
    EVERY.clear()
    return Scene(monkeypatch)


def test_workers_are_forked_from_the_zygote(scene):
    nursery = scene.start()
    heard = scene.fork()
    assert not heard
    nursery.forks[0].callback(7)
    assert heard == [7]
    nursery.ended(7, -9)
    assert scene.ended == [(7, -9)]


def test_who_starts_meanwhile_waits_for_the_same(scene):
    first, second = outcome(scene.forks.start()), outcome(scene.forks.start())
    assert len(EVERY) == 1
    EVERY[0].started.callback(None)
    assert first == second == [None]


@pytest.mark.parametrize("error", [NurseryError("no luck"), OSError(24, "no luck")])
def test_a_zygote_that_does_not_start(scene, error):
    first, second = outcome(scene.forks.start()), outcome(scene.forks.start())
    EVERY[0].started.errback(error)
    assert first == second == [str(error)]
    assert EVERY[0].stops == 1
    scene.start()


def test_a_fork_starts_a_zygote_if_there_is_none(scene):
    heard = scene.fork()
    assert scene.channel.fileno() != -1
    EVERY[0].started.callback(None)
    assert scene.channel.fileno() == -1
    EVERY[0].forks[0].callback(7)
    assert heard == [7]


def test_without_a_zygote_the_channel_is_closed(scene):
    heard = scene.fork()
    EVERY[0].started.errback(NurseryError("no luck"))
    assert heard == ["no luck"]
    assert scene.channel.fileno() == -1


def test_a_fork_that_fails_says_why(scene):
    nursery = scene.start()
    heard = scene.fork()
    nursery.forks[0].errback(NurseryError("no memory"))
    assert heard == ["no memory"]
    assert nursery.stops == 0


def test_workers_may_be_told_to_survive(scene):
    scene.forks = ZygoteForks(None, survive=True)
    assert scene.start().survives


def test_a_zygote_whose_workers_would_not_survive_is_not_used(scene):
    scene.forks = ZygoteForks(None, survive=True)
    heard = outcome(scene.forks.start())
    EVERY[0].error = NurseryError("it cannot be told")
    EVERY[0].started.callback(None)
    assert heard == ["it cannot be told"]
    assert EVERY[0].stops == 1


def test_a_zygote_is_renewed_for_another_program_only(scene):
    scene.start()
    assert outcome(scene.forks.renew()) == [None]
    assert len(EVERY) == 1
    new = scene.renew()
    assert len(EVERY) == 2
    scene.fork()
    assert new.forks


def test_the_newest_stays_if_another_does_not_start(scene):
    old = scene.start()
    scene.program = "two"
    heard = outcome(scene.forks.renew())
    EVERY[1].started.errback(NurseryError("bad program"))
    assert heard == ["bad program"]
    scene.fork()
    assert old.forks


def test_one_whose_worker_took_no_place_is_given_up_for_the_one_before(scene):
    old = scene.start()
    scene.fork()
    old.forks[0].callback(7)
    new = scene.renew()
    scene.fork()
    new.forks[0].callback(8)
    scene.forks.go_back()
    assert new.stops == 0
    scene.fork()
    assert len(old.forks) == 2
    new.ended(8, -9)
    assert new.stops == 1
    # The next replacement tries the program on disk again.
    scene.forks.renew()
    assert len(EVERY) == 3


def test_one_that_has_proved_stays_the_newest(scene):
    old = scene.start()
    scene.fork()
    old.forks[0].callback(7)
    new = scene.renew()
    scene.forks.prove()
    scene.forks.go_back()
    scene.fork()
    assert new.forks


def test_another_zygote_of_a_program_that_has_proved_stays_too(scene):
    old = scene.start()
    scene.fork()
    old.forks[0].callback(7)
    scene.renew()
    scene.forks.prove()
    EVERY[-1].lost("it died")
    scene.fork()
    again = EVERY[-1]
    again.started.callback(None)
    scene.forks.go_back()
    scene.fork()
    assert len(again.forks) == 2


def test_where_there_is_no_other_the_newest_stays(scene):
    scene.forks.prove()
    scene.forks.go_back()
    only = scene.start()
    scene.forks.go_back()
    scene.fork()
    assert only.forks
    assert only.stops == 0


def test_an_older_one_ends_with_its_last_worker(scene):
    old = scene.start()
    for pid in (7, 8):
        scene.fork()
        old.forks[-1].callback(pid)
    new = scene.renew()
    assert old.stops == 0
    old.ended(7, 0)
    assert old.stops == 0
    old.ended(8, 0)
    assert old.stops == 1
    assert new.stops == 0
    old.ended(9, 0)
    assert scene.ended == [(7, 0), (8, 0), (9, 0)]


def test_an_older_one_without_workers_ends_at_once(scene):
    old = scene.start()
    scene.renew()
    assert old.stops == 1


def test_an_older_one_ends_not_before_it_has_answered(scene):
    old = scene.start()
    first, second = scene.fork(), scene.fork()
    scene.renew()
    assert old.stops == 0
    old.forks[0].errback(NurseryError("no memory"))
    assert old.stops == 0
    old.forks[1].callback(7)
    assert (first, second) == (["no memory"], [7])
    assert old.stops == 0
    old.ended(7, 0)
    assert old.stops == 1


def test_an_older_one_that_could_not_fork_after_all_ends(scene):
    old = scene.start()
    scene.fork()
    scene.renew()
    old.forks[0].errback(NurseryError("no memory"))
    assert old.stops == 1


def test_after_the_newest_is_lost_the_next_worker_has_another(scene):
    old = scene.start()
    scene.renew()
    new = EVERY[-1]
    new.lost("killed")
    heard = scene.fork()
    assert len(EVERY) == 3
    EVERY[2].started.callback(None)
    EVERY[2].forks[0].callback(7)
    assert heard == [7]
    assert not old.forks


def test_an_older_one_may_be_lost(scene):
    old = scene.start()
    scene.fork()
    old.forks[0].callback(7)
    new = scene.renew()
    old.lost("killed")
    scene.fork()
    assert new.forks


def test_one_that_ended_because_it_was_told_to_may_be_lost_too(scene):
    old = scene.start()
    scene.renew()
    old.lost("killed")
    assert old.stops == 1


def test_all_end_and_there_are_none_any_more(scene):
    old = scene.start()
    scene.fork()
    old.forks[0].callback(7)
    new = scene.renew()
    assert outcome(scene.forks.stop()) == [None]
    assert (old.stops, new.stops) == (1, 1)
    assert outcome(scene.forks.start()) == ["the process is stopping"]
    assert scene.fork() == ["the process is stopping"]
    assert scene.channel.fileno() == -1


def test_one_that_is_ready_after_the_end_is_not_used(scene):
    heard = outcome(scene.forks.start())
    scene.forks.stop()
    assert EVERY[0].stops == 1
    EVERY[0].started.callback(None)
    assert heard == ["the process is stopping"]
