"""The workers as the verbs see them."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.crew import FleetCrew
from sozutw.process.workers.forks import CannotForkError
from sozutw.process.workers.policy import CannotReplaceError


class Fake:
    """A fleet, what forks for it, and a host."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.is_fresh = False
        self.roster = self
        self.renewed: Deferred[None] = succeed(None)
        self.replaced: Deferred[None] = succeed(None)

    def renew(self) -> "Deferred[None]":
        self.calls.append("renew")
        return self.renewed

    def replace(self, worker_id: int) -> "Deferred[None]":
        self.calls.append(("replace", worker_id))
        return self.replaced

    def is_first(self, worker_id: int) -> bool:
        return worker_id == 0

    def prove(self) -> None:
        self.calls.append("prove")

    def go_back(self) -> None:
        self.calls.append("go back")

    def roll(self) -> Any:
        return ["roll"]

    def look(self) -> Any:
        return succeed(["look"])

    def ask(self, question: Any, only: Any) -> Any:
        return succeed({"0": (question, only)})

    def settled(self) -> Any:
        return succeed(["fault"])

    def take_settings(self, settings: Any) -> None:
        self.calls.append(settings)

    def generation_of(self, worker_id: int) -> int:
        return worker_id + 5


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def crew(fake: Any) -> FleetCrew:
    return FleetCrew(fake, fake, fake, lambda: succeed(None))


def outcome(deferred: Any) -> Any:
    heard: list[Any] = []
    deferred.addCallback(heard.append)
    deferred.addErrback(lambda why: heard.append(f"refused: {why.trap(RefusedRequestError)}"))
    return heard[0]


def test_the_fleet_is_asked(fake, crew):
    question = pb.Request()
    assert crew.roll() == ["roll"]
    assert outcome(crew.look()) == ["look"]
    assert outcome(crew.ask(question, 3)) == {"0": (question, 3)}
    assert outcome(crew.settled()) == ["fault"]
    assert crew.generation_of(1) == 6
    crew.take_settings(settings := Settings())
    assert fake.calls == [settings]


def test_a_worker_is_replaced_by_one_of_the_program_as_it_is(fake, crew):
    assert outcome(crew.replace(1)) == "worker 1 has another process"
    assert fake.calls == ["renew", ("replace", 1), "prove"]


def test_one_that_came_with_a_fresh_main_process_is_not_replaced(fake, crew):
    fake.is_fresh = True
    assert outcome(crew.replace(0)) == "worker 0 came with the new main process"
    assert fake.calls == []
    assert outcome(crew.replace(1)) == "worker 1 has another process"


def test_none_is_replaced_before_there_are_any(fake):
    begun: Deferred[None] = Deferred()
    replaced = FleetCrew(fake, fake, fake, lambda: begun).replace(1)
    assert fake.calls == []
    begun.callback(None)
    assert outcome(replaced) == "worker 1 has another process"


@pytest.mark.parametrize("step", ["renewed", "replaced"])
def test_a_refusal_says_that_the_old_one_serves_on(fake, crew, step):
    error = CannotForkError("no") if step == "renewed" else CannotReplaceError("no")
    setattr(fake, step, fail(error))
    failure: list[Any] = []
    crew.replace(1).addErrback(failure.append)
    assert failure[0].check(RefusedRequestError)
    assert failure[0].getErrorMessage() == "no; the old one serves on"
    assert fake.calls[-1] == "go back", "the next that dies is begun from what served before"
