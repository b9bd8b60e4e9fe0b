"""What is told of the workers."""

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure, ok
from sozutw.process.workers.roll import look_at, roll_of


class FakeMember:
    def __init__(self, pid: int, *, is_serving: bool = True, hangs: bool = False) -> None:
        self.pid = pid
        self.is_serving = is_serving
        self.hangs = hangs
        self.answered: Deferred[pb.Response] = Deferred()

    def ask(self, question: pb.Request) -> "Deferred[pb.Response]":
        assert question.HasField("status")
        return self.answered


def hangs(member: Any) -> bool:
    return bool(member.hangs)


def slot(number: int, member: Any = None, *leaving: Any, is_over: bool = False) -> Any:
    return SimpleNamespace(id=number, member=member, leaving=list(leaving), is_over=is_over)


def told(infos: list[pb.WorkerInfo]) -> list[tuple[int, int, str]]:
    return [(one.id, one.pid, pb.RunState.Name(one.run_state)) for one in infos]


def test_each_is_told_with_its_state():
    slots = [
        slot(0, FakeMember(10), FakeMember(11)),
        slot(1, FakeMember(12, is_serving=False)),
        slot(2, FakeMember(13, hangs=True)),
        slot(3),
    ]
    assert told(roll_of(slots, hangs)) == [
        (0, 10, "RUNNING"),
        (1, 12, "NOT_ANSWERING"),
        (2, 13, "NOT_ANSWERING"),
        (3, 0, "STOPPED"),
        (0, 11, "STOPPING"),
    ]


def test_when_all_end_an_empty_place_is_not_told():
    assert told(roll_of([slot(0, None, FakeMember(1), is_over=True)], hangs)) == [
        (0, 1, "STOPPING")
    ]


def test_those_that_leave_tell_whom_they_wait_for():
    first, second, silent = FakeMember(1), FakeMember(2), FakeMember(3, hangs=True)
    heard: list[Any] = []
    looked = look_at(iter([slot(0, FakeMember(9), first, second, silent)]), hangs, hangs)
    looked.addCallback(heard.append)
    answer = ok("")
    answer.content.workers.vec.add(id=0, pid=0, run_state=pb.STOPPING).drain.seconds_left = 4.5
    first.answered.callback(answer)
    assert not heard
    second.answered.callback(failure("it went"))
    (infos,) = heard
    assert [one.pid for one in infos] == [9, 1, 2, 3]
    assert [one.HasField("drain") for one in infos] == [False, True, False, False]
    assert infos[1].drain.seconds_left == 4.5


def test_nobody_is_told_twice_of_one_process():
    leaving = FakeMember(0)
    heard: list[Any] = []
    look_at([slot(0, FakeMember(0), leaving)], hangs, hangs).addCallback(heard.append)
    answer = ok("")
    answer.content.workers.vec.add(id=0, pid=0, run_state=pb.STOPPING).drain.seconds_left = 1.0
    leaving.answered.callback(answer)
    assert [one.HasField("drain") for one in heard[0]] == [False, True]
