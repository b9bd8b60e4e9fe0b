"""Who waits until all have applied a change."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from sozutw.process.workers.member import Member
from sozutw.process.workers.settling import Settlings


def member(worker_id: int = 0, confirmed: int = 0) -> Member:
    made = Member(worker_id, 0, None, Clock())  # type: ignore[arg-type]
    made.confirmed = confirmed
    return made


class Scene:
    def __init__(self):
        self.settlings = Settlings()
        self.a, self.b = member(0), member(1)

    def wait(self, number: int, *late: Member, faults: Any = ()) -> list[Any]:
        heard: list[Any] = []
        self.settlings.wait(number, late, faults).addCallback(heard.append)
        return heard


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.settlings.check_invariants()


def test_nobody_is_late(scene):
    assert scene.wait(3, faults=["x"]) == [["x"]]


def test_all_have_to_confirm(scene):
    heard = scene.wait(2, scene.a, scene.b)
    scene.settlings.confirmed(scene.a, 1, None)
    scene.settlings.confirmed(scene.a, 2, None)
    assert scene.settlings.members() == {scene.b}
    assert not heard
    scene.settlings.confirmed(scene.b, 2, None)
    assert heard == [[]]
    assert scene.settlings.members() == set()


def test_a_failure_is_told_and_the_change_that_was_meant_still_waited_for(scene):
    heard = scene.wait(2, scene.a, faults=["before"])
    scene.settlings.confirmed(scene.a, 1, "no luck")
    assert not heard
    scene.settlings.confirmed(scene.a, 2, None)
    assert heard == [["before", "worker 0: no luck"]]


def test_nobody_waits_for_one_that_is_given_up(scene):
    heard = scene.wait(2, scene.a)
    scene.settlings.given_up(scene.b, "gone")
    assert not heard
    scene.settlings.given_up(scene.a, "gone")
    assert heard == [["worker 0: gone"]]


@pytest.mark.parametrize("confirmed", [2, 3])
def test_one_that_has_it_already_ends_the_wait_for_the_one_before(scene, confirmed):
    heard = scene.wait(2, scene.a)
    scene.settlings.passed_on(scene.a, member(0, confirmed))
    assert heard == [[]]


def test_one_that_has_it_not_yet_is_waited_for_in_its_stead(scene):
    heard, other = scene.wait(2, scene.a), scene.wait(2, scene.b)
    fresh = member(0, confirmed=1)
    scene.settlings.passed_on(scene.a, fresh)
    assert not heard
    assert scene.settlings.members() == {fresh, scene.b}
    scene.settlings.confirmed(fresh, 2, None)
    assert heard == [[]]
    assert not other


def test_who_is_told_may_wait_again(scene):
    again = []
    scene.settlings.wait(1, [scene.a], []).addCallback(
        lambda _: again.append(scene.wait(2, scene.a))
    )
    also = scene.wait(1, scene.a)
    scene.settlings.confirmed(scene.a, 1, None)
    assert also == [[]]
    assert again == [[]]
    scene.settlings.confirmed(scene.a, 2, None)
    assert again == [[[]]]
