"""Whether a worker lives."""

from sozutw.process.workers.pulse import Pulse


class Scene:
    def __init__(self) -> None:
        self.pings = 0
        self.pulse = Pulse(self.ping)

    def ping(self) -> None:
        self.pings += 1

    def pong(self) -> bool:
        self.pulse.spoke()
        return self.pulse.ponged()


def test_looks_without_an_answer_are_counted_from_the_first_on():
    scene = Scene()
    told = []
    for _ in range(4):
        scene.pulse.look()
        told.append(scene.pulse.unanswered)
    assert told == [0, 1, 2, 3]
    assert scene.pings == 1
    assert not scene.pong()
    assert scene.pulse.unanswered == 0
    scene.pulse.look()
    assert (scene.pings, scene.pulse.unanswered) == (2, 0)


def test_any_word_shows_that_it_lives():
    scene = Scene()
    for _ in range(3):
        scene.pulse.look()
    scene.pulse.spoke()
    assert scene.pulse.unanswered == 0


def test_one_that_reads_lives_and_is_not_asked_again():
    scene = Scene()
    for _ in range(3):
        scene.pulse.look()
    scene.pulse.has_read()
    assert scene.pulse.unanswered == 0
    scene.pulse.look()
    assert (scene.pings, scene.pulse.unanswered) == (1, 1)


def test_it_listens_until_it_has_answered_what_came_behind_the_word_to_leave():
    scene = Scene()
    scene.pulse.look()
    scene.pulse.spoke()
    scene.pulse.look()
    scene.pulse.leaves()
    scene.pulse.leaves()
    assert scene.pings == 3
    assert [scene.pong() for _ in range(4)] == [False, False, True, False]
    assert not scene.pulse.listens


def test_one_that_is_not_to_leave_listens():
    scene = Scene()
    scene.pulse.look()
    scene.pong()
    assert scene.pulse.listens
