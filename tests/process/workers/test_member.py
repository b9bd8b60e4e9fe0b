"""One worker as the main process sees it: what it is told, what it answers, how it ends."""

import errno
from typing import Any

import pytest

from sozutw.config.model import Cluster, Settings
from sozutw.config.requests import AddCluster
from sozutw.config.settings_text import settings_from
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import ok
from sozutw.process.workers import batch as batch_module
from sozutw.process.workers import handle as handle_module
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.handle import END_SECONDS
from sozutw.process.workers.member import CHANNEL_VERSION, Member, Stage
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.fleet import TurnClock, pair

PID = 321


class Boss:
    """Who oversees."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def loaded(self, member: Member) -> None:
        self.heard.append("loaded")

    def applied(self, member: Member, number: int, error: str | None) -> None:
        self.heard.append((number, error))

    def happened_in(self, member: Member, event: pb.Event) -> None:
        self.heard.append(("event", event.kind))

    def closed(self, member: Member) -> None:
        self.heard.append("closed")

    def lost(self, member: Member, why: str) -> None:
        self.heard.append(("lost", why))


class Kernel:
    """One process, in the place of ``os`` and ``signal``."""

    SIGKILL = 9

    def __init__(self) -> None:
        self.open = 0
        self.kills = 0
        self.error: OSError | None = None

    def pidfd_open(self, pid: int) -> int:
        if self.error is not None:
            raise self.error
        self.open += 1
        return 7

    def pidfd_send_signal(self, pidfd: int, number: int) -> None:
        assert self.open
        self.kills += 1

    def kill(self, pid: int, number: int) -> None:
        self.kills += 1

    def close(self, pidfd: int) -> None:
        self.open -= 1


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel = Kernel()
        monkeypatch.setattr(handle_module, "os", self.kernel)
        monkeypatch.setattr(handle_module, "signal", self.kernel)
        self.clock = TurnClock()
        self.boss = Boss()
        self.member = Member(3, 1, self.boss, self.clock)
        self.line, _ = pair(self.clock)
        self.line.connect(self.member.link)

    def batch(self, number: int, count: int = 1) -> Batch:
        return Batch(number, [AddCluster(Cluster(f"c{n}")) for n in range(count)], {}, {})

    def begin(self) -> None:
        self.member.begin(Settings(), self.batch(5), 2, 4, survives=True)
        self.member.has_process(PID)
        self.clock.turn()

    def load(self) -> None:
        self.begin()
        self.applied(5)
        self.said()
        self.boss.heard.clear()

    def said(self) -> list[Any]:
        """Return what was said since this was asked last."""
        reader = FrameReader(1 << 30)
        told = []
        while self.line.outbox:
            reader.feed(self.line.outbox.popleft())
            message = reader.take()
            assert message is not None
            told.append(words.ToWorker.FromString(message))
        return told

    def kinds(self) -> list[str]:
        return [word.WhichOneof("word") for word in self.said()]

    def hear(self, **word: Any) -> None:
        self.member.link.dataReceived(frame(words.FromWorker(**word).SerializeToString()))

    def applied(self, number: int, error: str | None = None) -> None:
        self.hear(applied=words.Applied(number=number, error=error))

    def turn(self) -> None:
        for _ in range(3):
            self.clock.turn()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def fired(deferred: Any) -> list[Any]:
    heard: list[Any] = []
    deferred.addCallback(heard.append)
    return heard


# What it is told.


def test_it_is_told_who_it_is_and_all_that_is_configured(scene):
    scene.begin()
    beginning, orders = scene.said()
    told = beginning.beginning
    assert (told.version, told.id, told.generation) == (CHANNEL_VERSION, 3, 1)
    assert (told.processor, told.survives_main, told.listeners) == (4, True, 2)
    assert settings_from(told.settings) == Settings()
    assert (orders.orders.number, orders.orders.is_last) == (5, True)
    assert scene.member.name == "worker 3"
    assert scene.member.pid == PID


def test_it_serves_once_it_has_loaded_and_is_told_to(scene):
    scene.begin()
    scene.applied(5)
    assert scene.boss.heard == ["loaded", (5, None)]
    assert (scene.member.confirmed, scene.member.applied) == (5, 5)
    assert scene.member.stage is Stage.LOADED
    assert not scene.member.is_serving
    scene.said()
    scene.member.serve()
    assert scene.member.is_serving
    assert scene.kinds() == ["serve"]


def test_changes_are_told_while_it_loads_and_serves_and_not_when_it_leaves(scene):
    scene.begin()
    scene.member.tell(scene.batch(6))
    scene.turn()
    assert scene.kinds() == ["beginning", "orders", "orders"]
    scene.applied(5)
    scene.applied(6)
    # It counts as loaded with what was changed meanwhile, for which nobody waits.
    assert scene.boss.heard == [(5, None), "loaded", (6, None)]
    scene.member.leave(is_hard=False, seconds=None)
    late = scene.batch(7)
    scene.member.tell(late)
    scene.turn()
    assert scene.kinds() == ["stop", "ping"]
    assert not late.is_held


def test_a_batch_is_held_until_it_is_applied(scene):
    scene.load()
    batch = scene.batch(6)
    scene.member.tell(batch)
    scene.turn()
    assert batch.is_held
    scene.applied(6)
    assert not batch.is_held


def test_a_change_that_failed_is_told_and_not_forgotten(scene):
    scene.load()
    for number in (6, 7):
        scene.member.tell(scene.batch(number))
    scene.turn()
    scene.applied(6, "no luck")
    scene.applied(7)
    assert scene.boss.heard == [(6, "no luck"), (7, None)]
    assert scene.member.diverged == "no luck"
    assert (scene.member.confirmed, scene.member.applied) == (7, 5)


def test_one_that_cannot_load_is_not_loaded(scene):
    scene.begin()
    scene.applied(5, "no luck")
    assert scene.boss.heard == [(5, "no luck")]
    assert scene.member.stage is Stage.LOADING


@pytest.mark.parametrize("number", [4, 7, 6])
def test_who_tells_of_what_it_was_not_told_is_ended(scene, number, monkeypatch):
    monkeypatch.setattr(batch_module, "ORDERS_MAX", 1)
    scene.load()
    scene.member.tell(scene.batch(6))
    scene.member.tell(scene.batch(7))
    # 4 never was, 7 comes after 6, and of 6 it has only heard a part.
    scene.clock.drift = 0.002
    scene.clock.turn()
    scene.clock.drift = 0.0
    scene.applied(number)
    assert scene.kernel.kills == 1
    scene.turn()
    why = f"it tells of a change {number} that it was not told of"
    assert scene.boss.heard == [("lost", why)]


def test_changes_are_confirmed_in_their_order(scene):
    scene.load()
    scene.member.tell(scene.batch(6))
    scene.member.tell(scene.batch(7))
    scene.turn()
    scene.applied(7)
    scene.turn()
    assert scene.boss.heard == [("lost", "it tells of a change 7 that it was not told of")]


def test_settings_are_told_when_they_are_others(scene):
    scene.load()
    scene.member.take_settings(Settings())
    assert scene.kinds() == []
    scene.member.take_settings(Settings(retry_after=7))
    (told,) = scene.said()
    assert settings_from(told.settings).retry_after == 7
    scene.member.take_settings(Settings(retry_after=7))
    assert scene.kinds() == []


def test_small_words(scene):
    scene.load()
    scene.member.reopen_logs()
    scene.member.clear_counters()
    scene.member.leave(is_hard=False, seconds=2.5)
    reopen, clear, stop, _ = scene.said()
    assert reopen.reopen_logs
    assert clear.clear
    assert (stop.stop.is_hard, stop.stop.seconds) == (False, 2.5)
    scene.member.leave(is_hard=True, seconds=None)
    (stop,) = scene.said()
    assert stop.stop.is_hard
    assert not stop.stop.HasField("seconds")


@pytest.mark.parametrize("asked", [False, True])
def test_one_that_leaves_listens_until_it_has_heard_so(scene, asked):
    scene.load()
    if asked:
        scene.member.look()
        scene.member.look()
    scene.member.leave(is_hard=False, seconds=None)
    scene.member.leave(is_hard=True, seconds=None)
    assert scene.kinds() == [*["ping"] * asked, "stop", "ping", "stop"]
    for _ in range(1 + asked):
        assert scene.member.listens
        scene.hear(pong=words.Pong(sessions=0))
    assert not scene.member.listens
    scene.hear(pong=words.Pong(sessions=0))
    assert scene.boss.heard == ["closed"]


# What it is asked.


def test_questions_are_answered(scene):
    scene.load()
    answered = fired(scene.member.ask(pb.Request(status=pb.Status())))
    counted = fired(scene.member.count())
    question, counters = scene.said()
    scene.hear(answer=words.Answer(id=question.question.id, response=ok("fine")))
    scene.hear(counters=words.Counters(id=counters.counters, piece=b"1"))
    scene.hear(counters=words.Counters(id=counters.counters, piece=b""))
    assert answered[0].message == "fine"
    assert counted == [[b"1"]]


def test_questions_are_given_up_with_its_end_and_after_it_is_told(scene):
    scene.load()
    told = []
    scene.member.ask(pb.Request()).addCallback(lambda one: told.append((one, scene.boss.heard[:])))
    counted = fired(scene.member.count())
    scene.line.lose()
    ((answer, heard),) = told
    assert answer.message == "it went before it had answered: its channel closed"
    assert heard == [("lost", "its channel closed")]
    assert counted == [[]]
    assert fired(scene.member.ask(pb.Request()))[0].message == "it has gone"
    assert fired(scene.member.count()) == [[]]


def test_questions_are_given_up(scene):
    scene.load()
    answered = fired(scene.member.ask(pb.Request()))
    scene.member.give_up("silence")
    assert answered[0].message == "silence"


def test_a_question_gets_old_by_looks(scene, monkeypatch):
    monkeypatch.setattr("sozutw.process.workers.questions.LOOKS_MAX", 2)
    scene.load()
    answered = fired(scene.member.ask(pb.Request()))
    for _ in range(3):
        scene.hear(pong=words.Pong(sessions=0))
        assert not answered
        scene.member.look()
    assert answered[0].status == pb.FAILURE


def test_what_is_not_known_here_is_passed_over(scene):
    scene.load()
    scene.member.link.dataReceived(frame(b""))
    assert scene.boss.heard == []


def test_events_and_clients_are_told(scene):
    scene.load()
    scene.hear(event=pb.Event(kind=pb.BACKEND_DOWN))
    scene.hear(pong=words.Pong(sessions=12))
    assert scene.boss.heard == [("event", pb.BACKEND_DOWN)]
    assert scene.member.sessions == 12


# Whether it lives.


def test_it_is_asked_once_and_looks_without_an_answer_are_counted(scene):
    scene.load()
    for looks in range(4):
        assert scene.member.unanswered == max(0, looks - 1)
        scene.member.look()
    assert scene.kinds() == ["ping"]
    scene.hear(pong=words.Pong(sessions=0))
    assert scene.member.unanswered == 0
    scene.member.look()
    assert scene.kinds() == ["ping"]


def test_any_word_shows_that_it_lives(scene):
    scene.load()
    scene.member.look()
    scene.member.look()
    scene.hear(event=pb.Event(kind=pb.BACKEND_DOWN))
    assert scene.member.unanswered == 0


def test_one_that_takes_much_lives_before_it_comes_to_the_question(scene):
    scene.load()
    scene.member.look()
    for _ in range(9):
        scene.member.look()
        scene.member.link.pauseProducing()
        scene.member.link.resumeProducing()
    assert scene.member.unanswered == 0
    assert scene.kinds() == ["ping"], "it is not asked again"


def test_nobody_is_asked_before_there_is_a_process(scene):
    scene.member.begin(Settings(), scene.batch(5), 0, None, survives=False)
    scene.said()
    for _ in range(9):
        scene.member.look()
    assert scene.member.unanswered == 0
    assert scene.kinds() == []


# Its end.


def test_one_of_another_version_is_ended(scene):
    scene.begin()
    scene.hear(begun=words.Begun(version=CHANNEL_VERSION, pid=1))
    assert scene.kernel.kills == 0
    scene.hear(begun=words.Begun(version=CHANNEL_VERSION + 1, pid=1))
    scene.applied(5)
    scene.turn()
    ((kind, why),) = scene.boss.heard
    assert kind == "lost"
    assert why == (
        f"it speaks version {CHANNEL_VERSION + 1}, and the main process {CHANNEL_VERSION};"
        " upgrade the main process"
    )


def test_one_whose_channel_closes_is_ended_if_nobody_had_told_it_to_leave(scene):
    scene.load()
    batch = scene.batch(6)
    scene.member.tell(batch)
    scene.line.lose()
    assert scene.member.stage is Stage.GONE
    assert (scene.kernel.kills, scene.kernel.open) == (1, 0)
    assert not batch.is_held
    scene.member.leave(is_hard=True, seconds=None)
    assert scene.member.stage is Stage.GONE


def test_one_that_leaves_has_a_while_for_its_end(scene):
    scene.load()
    scene.member.leave(is_hard=False, seconds=None)
    scene.line.lose()
    assert scene.kernel.kills == 0
    scene.clock.go_on(END_SECONDS)
    assert (scene.kernel.kills, scene.kernel.open) == (1, 0)


def test_one_that_has_left_is_not_killed_when_its_end_is_told(scene):
    scene.load()
    scene.member.leave(is_hard=False, seconds=None)
    scene.line.lose()
    scene.member.has_ended()
    assert (scene.kernel.kills, scene.kernel.open) == (0, 0)
    assert not scene.clock.getDelayedCalls()


def test_one_that_says_why_it_ends_is_not_waited_for_long(scene):
    scene.begin()
    scene.member.ends_because("no luck")
    assert scene.member.stage is Stage.LEAVING
    scene.clock.go_on(END_SECONDS)
    assert scene.kernel.kills == 1
    scene.line.lose()
    assert scene.boss.heard == [("lost", "no luck")]


def test_a_process_that_comes_too_late_is_ended(scene):
    scene.member.begin(Settings(), scene.batch(5), 0, None, survives=False)
    scene.member.kill("changed our mind")
    scene.turn()
    assert scene.boss.heard == [("lost", "changed our mind")]
    scene.member.has_process(PID)
    assert (scene.kernel.kills, scene.kernel.open) == (1, 0)


def test_a_process_that_cannot_be_held_is_not_kept(scene):
    scene.member.begin(Settings(), scene.batch(5), 0, None, survives=False)
    scene.kernel.error = OSError(errno.EMFILE, "Too many open files")
    scene.member.has_process(PID)
    scene.turn()
    assert scene.kernel.kills == 1
    assert scene.boss.heard == [("lost", "its process cannot be held: Too many open files")]
