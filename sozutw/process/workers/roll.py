"""What is told of the workers, in Sōzu's words."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, gatherResults

from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.member import Member
from sozutw.process.workers.slot import Slot

Judge = Callable[[Member], bool]


def roll_of(slots: Iterable[Slot], is_hanging: Judge) -> list[pb.WorkerInfo]:
    """Tell which workers there are, those that leave after the others."""
    staying, leaving = [], []
    for slot in slots:
        member = slot.member
        if member is not None:
            is_well = member.is_serving and not is_hanging(member)
            state = pb.RUNNING if is_well else pb.NOT_ANSWERING
            staying.append(pb.WorkerInfo(id=slot.id, pid=member.pid, run_state=state))
        elif not slot.is_over:
            staying.append(pb.WorkerInfo(id=slot.id, pid=0, run_state=pb.STOPPED))
        leaving += [
            pb.WorkerInfo(id=slot.id, pid=member.pid, run_state=pb.STOPPING)
            for member in slot.leaving
        ]
    return [*staying, *leaving]


def look_at(
    slots: Iterable[Slot], is_hanging: Judge, is_silent: Judge
) -> "Deferred[list[pb.WorkerInfo]]":
    """Tell what ``roll_of`` tells, and whom each that leaves waits for, if it answers."""
    slots = list(slots)
    told = roll_of(slots, is_hanging)
    asked = [member for slot in slots for member in slot.leaving if not is_silent(member)]
    question = pb.Request(status=pb.Status())

    def put_together(answers: list[pb.Response]) -> list[pb.WorkerInfo]:
        drains = {
            member.pid: info.drain
            for member, answer in zip(asked, answers, strict=True)
            for info in answer.content.workers.vec
        }
        for info in told:
            if info.run_state == pb.STOPPING and info.pid in drains:
                info.drain.CopyFrom(drains[info.pid])
        return told

    return gatherResults([member.ask(question) for member in asked]).addCallback(put_together)
