"""The clients of one worker, and of several."""

import pytest

from sozutw.control.messages.session_numbers import SessionName, number_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions import session_queries
from sozutw.control.questions.session_queries import kill_session, list_sessions, listed
from tests.fakes.worker import FakeWorld


def world_with(clients: int) -> FakeWorld:
    world = FakeWorld("A")
    for _ in range(clients):
        world.client()
        world.clock.advance(1)
    return world


def listing(world: FakeWorld) -> pb.Response:
    return list_sessions(world.worker.sessions, world.clock.seconds())


def test_those_of_several_workers_stand_together_oldest_first() -> None:
    few, many = listing(world_with(1)), listing(world_with(3))
    answers = {SessionName(0, 0, 0): few, SessionName(1, 2, 0): many}
    told = listed(answers)
    assert told.message == "4 sessions"
    assert told.content.sessions.total == 4
    ages = [one.age_seconds for one in told.content.sessions.vec]
    assert ages == [3.0, 2.0, 1.0, 1.0]
    oldest = told.content.sessions.vec[0].token
    assert oldest == number_of(SessionName(1, 2, 1))


def test_the_oldest_are_listed_and_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_queries, "SESSIONS_LISTED_MAX", 2)
    world = world_with(3)
    one = listing(world)
    assert (len(one.content.sessions.vec), one.content.sessions.total) == (2, 3)
    told = listed({SessionName(0, 0, 0): one, SessionName(1, 0, 0): listing(world_with(1))})
    assert told.message == "4 sessions; the oldest 2 are listed"
    assert len(told.content.sessions.vec) == 2


def test_nobody_is_connected() -> None:
    assert listed({}).message == "0 sessions"


def test_a_client_is_cut_off_by_its_token() -> None:
    world = world_with(1)
    (told,) = listing(world).content.sessions.vec
    answer = kill_session(world.worker.sessions, told.token)
    assert answer.status == pb.OK
    assert answer.message == told.peer
    world.clock.advance(0)
    assert len(world.worker.sessions) == 0
    answer = kill_session(world.worker.sessions, told.token)
    assert (answer.status, answer.message) == (pb.FAILURE, f"there is no session {told.token}")
