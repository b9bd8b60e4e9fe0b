"""The place of one worker: each event in each state."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.member import Stage
from sozutw.process.workers.pace import STEADY_SECONDS
from sozutw.process.workers.policy import CannotReplaceError
from sozutw.process.workers.slot import AGAIN_SECONDS, STOPPING, Slot


class FakeMember:
    def __init__(self, worker_id: int, generation: int, overseer: Any, clock: Clock) -> None:
        self.id = worker_id
        self.generation = generation
        self.overseer = overseer
        self.begun_at = clock.seconds()
        self.has_loaded = False
        self.stage = Stage.LOADING
        self.pid = 100 + generation
        self.name = "worker 4"
        self.diverged: str | None = None
        self.heard: list[Any] = []

    @property
    def is_serving(self) -> bool:
        return self.stage is Stage.SERVING

    # What it is told.

    def serve(self) -> None:
        assert self.stage is Stage.LOADED
        self.stage = Stage.SERVING

    def leave(self, *, is_hard: bool, seconds: float | None) -> None:
        self.stage = Stage.LEAVING
        self.heard.append(("leave", is_hard, seconds))

    def kill(self, why: str) -> None:
        self.heard.append(("kill", why))

    def ends_because(self, why: str) -> None:
        self.stage = Stage.LEAVING
        self.heard.append(("ends", why))

    # What it does.

    def load(self) -> None:
        self.stage, self.has_loaded = Stage.LOADED, True
        self.overseer.loaded(self)
        self.overseer.applied(self, 1, None)

    def fail(self) -> None:
        if self.stage is not Stage.LOADING:
            self.diverged = "no luck"
        self.overseer.applied(self, 2, "no luck")

    def go(self, why: str = "it died") -> None:
        self.stage = Stage.GONE
        self.overseer.lost(self, why)


class Scene:
    """A slot, and its neighbours."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.may_serve = True
        self.begins_anew = True
        self.told: list[Any] = []
        self.slot: Any = Slot(4, self.make, self.clock, self)
        self.made: list[FakeMember] = []

    def make(self, worker_id: int, generation: int, overseer: Any) -> Any:
        self.made.append(FakeMember(worker_id, generation, overseer, self.clock))
        return self.made[-1]

    # Neighbours.

    def loaded(self, member: Any) -> None:
        self.told.append(("loaded", member.generation))

    def passed_on(self, old: Any, new: Any) -> None:
        self.told.append(("passed on", old.generation, new.generation))

    def applied(self, member: Any, number: int, error: str | None) -> None:
        self.told.append(("applied", number, error))

    def happened(self, event: pb.Event, worker: str) -> None:
        self.told.append(("event", worker))

    def died(self, member: Any) -> None:
        self.told.append(("died", member.generation))

    def closed(self, member: Any) -> None:
        self.told.append(("closed", member.generation))

    def gone(self, member: Any, why: str) -> None:
        self.told.append(("gone", member.generation, why))

    # The test.

    @property
    def last(self) -> FakeMember:
        return self.made[-1]

    def serve(self) -> FakeMember:
        self.slot.begin()
        self.last.load()
        self.told.clear()
        return self.last

    def replace(self) -> list[str]:
        heard: list[str] = []
        replaced = self.slot.replace()
        replaced.addCallbacks(
            lambda _: heard.append("done"),
            lambda why: heard.append(f"{why.trap(CannotReplaceError).__name__}: {why.value}"),
        )
        return heard

    def now(self) -> tuple[int | None, int | None, list[int]]:
        """Return the generations of the member, of who comes, and of those that leave."""
        slot = self.slot
        return (
            slot.member and slot.member.generation,
            slot.coming and slot.coming.generation,
            [one.generation for one in slot.leaving],
        )


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.slot.check_invariants()


# It begins.


def test_a_worker_is_begun_and_serves_when_it_may(scene):
    scene.slot.begin()
    assert scene.now() == (0, None, [])
    scene.last.load()
    assert scene.last.is_serving
    assert scene.told == [("loaded", 0), ("applied", 1, None)]


def test_one_that_could_serve_waits_until_it_may(scene):
    scene.may_serve = False
    scene.slot.serve()
    scene.slot.begin()
    scene.slot.serve()
    scene.last.load()
    assert scene.last.stage is Stage.LOADED
    scene.slot.serve()
    scene.slot.serve()
    assert scene.last.is_serving


def test_what_happens_there_is_told(scene):
    member = scene.serve()
    scene.slot.happened_in(member, pb.Event())
    assert scene.told == [("event", "4")]


# It dies.


def test_another_is_begun_in_the_same_turn(scene):
    member = scene.serve()
    member.go()
    assert scene.now() == (1, None, [])
    assert scene.told == [("died", 0), ("gone", 0, "it died")]


def test_those_that_keep_dying_are_begun_later_and_later(scene):
    scene.slot.begin()
    scene.last.go()
    scene.last.go()
    assert scene.now() == (None, None, [])
    scene.clock.advance(0.4)
    assert len(scene.made) == 2
    scene.clock.advance(0.2)
    assert scene.now() == (2, None, [])


def test_those_that_load_for_long_and_die_of_it_are_begun_later_and_later_too(scene):
    scene.slot.begin()
    scene.clock.advance(10 * STEADY_SECONDS)
    scene.last.go()
    scene.clock.advance(10 * STEADY_SECONDS)
    scene.last.fail()
    assert scene.now()[0] is None
    scene.clock.advance(0.4)
    assert len(scene.made) == 2
    scene.clock.advance(0.2)
    assert scene.now()[0] == 2


def test_one_that_could_serve_for_a_while_has_proved_good(scene):
    scene.slot.begin()
    scene.last.go()
    scene.last.load()
    scene.clock.advance(STEADY_SECONDS)
    scene.last.go()
    assert scene.now() == (2, None, [])


def test_none_is_begun_anew_where_that_is_not_wished(scene):
    scene.serve()
    scene.begins_anew = False
    scene.last.go()
    assert scene.now() == (None, None, [])
    assert not scene.clock.getDelayedCalls()


def test_an_empty_place_is_filled_when_somebody_asks(scene):
    scene.serve()
    scene.begins_anew = False
    scene.last.go()
    heard = scene.replace()
    assert scene.now() == (1, None, [])
    scene.last.load()
    assert heard == ["done"]
    assert scene.last.is_serving


def test_one_that_is_begun_later_is_begun_at_once_when_somebody_asks(scene):
    scene.slot.begin()
    scene.last.go()
    scene.last.go()
    heard = scene.replace()
    assert scene.now() == (2, None, [])
    assert not scene.clock.getDelayedCalls()
    scene.last.go("again")
    assert heard == ["CannotReplaceError: again"]


def test_one_that_cannot_take_the_configuration_has_time_to_end_and_another_is_begun(scene):
    scene.slot.begin()
    first = scene.last
    first.fail()
    why = "it could not take the configuration: no luck"
    assert first.heard == [("ends", why)]
    assert scene.now() == (1, None, [0])
    assert scene.told == [("died", 0), ("applied", 2, "no luck")]
    first.go(why)
    assert scene.now() == (1, None, [])
    assert scene.told[2:] == [("gone", 0, why)]


# It is replaced.


def test_the_old_one_leaves_when_the_new_one_serves(scene):
    old = scene.serve()
    heard = scene.replace()
    assert scene.now() == (0, 1, [])
    assert old.is_serving
    assert not heard
    scene.last.load()
    assert scene.now() == (1, None, [0])
    assert scene.last.is_serving
    assert old.heard == [("leave", False, None)]
    assert scene.told[:2] == [("passed on", 0, 1), ("loaded", 1)]
    assert heard == ["done"]
    scene.slot.closed(old)
    old.go("it left")
    assert scene.now() == (1, None, [])
    assert scene.told[3:] == [("closed", 0), ("gone", 0, "it left")]


def test_two_who_ask_at_the_same_time_have_one_replacement(scene):
    scene.serve()
    first, second = scene.replace(), scene.replace()
    assert len(scene.made) == 2
    scene.last.load()
    assert first == second == ["done"]


def test_the_old_one_serves_on_if_the_new_one_dies(scene):
    old = scene.serve()
    heard = scene.replace()
    scene.last.go("it could not")
    assert scene.now() == (0, None, [])
    assert old.is_serving
    assert heard == ["CannotReplaceError: it could not"]
    assert not scene.clock.getDelayedCalls()
    assert ("died", 1) not in scene.told


def test_the_old_one_serves_on_if_the_new_one_cannot_take_the_configuration(scene):
    scene.serve()
    heard = scene.replace()
    scene.last.fail()
    assert scene.now() == (0, None, [1])
    assert heard == ["CannotReplaceError: it could not take the configuration: no luck"]
    scene.made[1].go()
    assert scene.now() == (0, None, [])


def test_who_comes_takes_the_place_of_one_that_dies(scene):
    old = scene.serve()
    heard = scene.replace()
    old.go()
    assert scene.now() == (1, None, [])
    assert len(scene.made) == 2
    assert not heard
    scene.last.load()
    assert heard == ["done"]


def test_if_both_die_another_is_begun_and_whoever_asked_is_told(scene):
    old = scene.serve()
    heard = scene.replace()
    old.go()
    scene.last.go("it died too")
    assert heard == ["CannotReplaceError: it died too"]
    scene.clock.advance(1)
    assert scene.now() == (2, None, [])


def test_one_that_still_loads_is_replaced_too(scene):
    scene.slot.begin()
    first = scene.last
    heard = scene.replace()
    assert scene.now() == (0, 1, [])
    scene.last.load()
    assert heard == ["done"]
    assert first.heard == [("kill", "another has taken its place")]
    assert scene.now() == (1, None, [0])


def test_one_that_loads_meanwhile_is_not_the_one_that_was_asked_for(scene):
    scene.slot.begin()
    heard = scene.replace()
    scene.made[0].load()
    assert not heard
    scene.made[1].load()
    assert heard == ["done"]


# It has another configuration than it should.


def test_one_that_could_not_apply_a_change_is_replaced(scene):
    old = scene.serve()
    old.fail()
    assert scene.now() == (0, 1, [])
    assert scene.told == [("applied", 2, "no luck")]
    old.fail()
    assert len(scene.made) == 2
    scene.last.load()
    assert scene.now() == (1, None, [0])
    old.fail()
    assert scene.now() == (1, None, [0])


def test_that_is_tried_until_it_is_done(scene):
    old = scene.serve()
    old.fail()
    scene.last.go()
    assert scene.now() == (0, None, [])
    scene.clock.advance(AGAIN_SECONDS)
    assert scene.now() == (0, 2, [])
    scene.last.go()
    heard = scene.replace()
    assert scene.now() == (0, 3, [])
    assert not scene.clock.getDelayedCalls()
    scene.last.load()
    assert heard == ["done"]


def test_it_is_tried_no_more_when_it_has_died(scene):
    old = scene.serve()
    old.fail()
    scene.last.go()
    old.go()
    scene.clock.advance(60)
    assert scene.now() == (2, None, [])
    scene.last.load()
    scene.clock.advance(60)
    assert len(scene.made) == 3


def test_another_comes_for_one_that_could_not_be_told(scene):
    scene.slot.replace_diverged()
    assert not scene.made
    scene.slot.begin()
    scene.slot.replace_diverged()
    assert len(scene.made) == 1
    scene.last.load()
    scene.last.diverged = "no descriptors"
    scene.slot.replace_diverged()
    assert scene.now() == (0, 1, [])


# It ends.


def test_all_leave_and_those_that_load_are_killed(scene):
    old = scene.serve()
    heard = scene.replace()
    scene.slot.stop(is_hard=False, seconds=3.0)
    assert scene.now() == (None, None, [0, 1])
    assert old.heard == [("leave", False, 3.0)]
    assert scene.last.heard == [("kill", STOPPING)]
    assert heard == [f"CannotReplaceError: {STOPPING}"]
    old.go()
    scene.last.go()
    assert scene.now() == (None, None, [])
    assert ("died", 0) not in scene.told
    assert len(scene.made) == 2


def test_a_harder_stop_is_told_too_and_a_deadline_to_those_that_leave_already(scene):
    old = scene.serve()
    scene.replace()
    scene.last.load()
    new = scene.last
    scene.slot.stop(is_hard=False, seconds=3.0)
    scene.slot.stop(is_hard=True, seconds=None)
    assert old.heard == [("leave", False, None), ("leave", False, 3.0), ("leave", True, None)]
    assert new.heard == [("leave", False, 3.0), ("leave", True, None)]


def test_none_is_begun_after_the_end(scene):
    scene.slot.begin()
    scene.last.go()
    scene.last.go()
    scene.slot.stop(is_hard=False, seconds=None)
    assert not scene.clock.getDelayedCalls()
    scene.slot.begin()
    assert len(scene.made) == 2
    assert scene.replace() == [f"CannotReplaceError: {STOPPING}"]


def test_one_that_could_not_load_may_end_while_all_stop(scene):
    scene.slot.begin()
    scene.last.fail()
    scene.slot.stop(is_hard=False, seconds=None)
    assert scene.now() == (None, None, [0, 1])
