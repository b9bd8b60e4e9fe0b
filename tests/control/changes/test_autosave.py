"""What changed is saved a moment later, once, and again if that failed."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sozutw.control.changes.autosave import AGAIN_SECONDS, QUIET_SECONDS, AutomaticSave
from sozutw.control.replies import failure, ok


class Scene:
    def __init__(self, path: str | None = "/state") -> None:
        self.clock = Clock()
        self.saved: list[str] = []
        self.pending: Deferred | None = None
        self.autosave = AutomaticSave(self.save, self.clock, path)

    def save(self, path: str) -> Deferred:
        self.saved.append(path)
        self.pending = Deferred()
        return self.pending


def test_changes_that_come_together_are_saved_together() -> None:
    scene = Scene()
    for _ in range(3):
        scene.autosave.changed()
        scene.clock.advance(QUIET_SECONDS / 4)
    assert scene.saved == []
    scene.clock.advance(QUIET_SECONDS)
    assert scene.saved == ["/state"]
    scene.pending.callback(ok("saved"))
    assert scene.clock.getDelayedCalls() == []
    scene.autosave.changed()
    scene.clock.advance(QUIET_SECONDS)
    assert scene.saved == ["/state"] * 2


def test_a_save_that_failed_is_tried_again() -> None:
    scene = Scene()
    scene.autosave.changed()
    scene.clock.advance(QUIET_SECONDS)
    scene.pending.callback(failure("disk full"))
    scene.clock.advance(AGAIN_SECONDS)
    assert scene.saved == ["/state"] * 2


def test_without_a_path_nothing_is_saved() -> None:
    scene = Scene(None)
    scene.autosave.changed()
    assert scene.clock.getDelayedCalls() == []
    scene.autosave.path = "/later"
    scene.autosave.changed()
    scene.autosave.path = None
    scene.clock.advance(QUIET_SECONDS)
    assert scene.saved == []


def test_at_the_end_what_is_not_saved_yet_is_waited_for() -> None:
    scene = Scene()
    over: list[object] = []
    scene.autosave.stop().addCallback(over.append)
    assert over == [None]
    scene.autosave.changed()
    scene.autosave.stop().addCallback(over.append)
    assert scene.saved == ["/state"]
    assert over == [None]
    scene.pending.callback(failure("disk full"))
    assert len(over) == 2
    assert scene.clock.getDelayedCalls() == []


def test_at_the_end_a_save_that_is_under_way_is_waited_for() -> None:
    scene = Scene()
    over: list[object] = []
    scene.autosave.changed()
    scene.clock.advance(QUIET_SECONDS)
    scene.autosave.stop().addCallback(over.append)
    assert over == []
    scene.pending.callback(ok("saved"))
    assert over == [None]
    assert scene.saved == ["/state"]
    scene.autosave.stop().addCallback(over.append)
    assert over == [None, None]


def test_our_own_fault_is_logged_and_saving_goes_on() -> None:
    scene = Scene()
    scene.autosave.changed()
    scene.clock.advance(QUIET_SECONDS)
    scene.pending.errback(ZeroDivisionError())
    scene.clock.advance(AGAIN_SECONDS)
    assert scene.saved == ["/state"] * 2


def test_who_has_given_up_saves_nothing_more() -> None:
    scene = Scene()
    scene.autosave.changed()
    scene.autosave.give_up()
    scene.autosave.give_up()
    scene.autosave.changed()
    scene.clock.advance(AGAIN_SECONDS)
    assert scene.saved == []


def test_a_save_that_is_refused_after_giving_up_is_no_trouble() -> None:
    scene = Scene()
    scene.autosave.changed()
    scene.clock.advance(QUIET_SECONDS)
    scene.autosave.give_up()
    with capturedLogs() as logged:
        scene.pending.callback(failure("another process has the state"))
    assert logged == []
    assert scene.clock.getDelayedCalls() == []
