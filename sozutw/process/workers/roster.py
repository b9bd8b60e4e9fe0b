"""The workers there are, whom they are counted by, and what they answer."""

from collections.abc import Iterator, Sequence

from twisted.internet.defer import Deferred, gatherResults, succeed

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure
from sozutw.process.workers.member import Member, Stage
from sozutw.process.workers.roll import look_at, roll_of
from sozutw.process.workers.slot import Slot
from sozutw.process.workers.watch import SILENT, Watch


class Roster:
    """Asks and tells of those in the slots; it changes nothing."""

    def __init__(self, slots: Sequence[Slot], watch: Watch) -> None:
        self._slots = slots
        self._watch = watch

    def loaded(self) -> Iterator[Member]:
        """
        Yield those that could serve, whether or not they may yet.

        They have a configuration that changes and can be asked about, which who loads has not.
        """
        for slot in self._slots:
            if slot.member is not None and slot.member.stage in {Stage.LOADED, Stage.SERVING}:
                yield slot.member

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        """
        Ask those that could serve, or one of them; fires with the answers by their ids.

        The answer of one that goes, or is silent, is a FAILURE.
        """
        asked = [one for one in self.loaded() if only is None or one.id == only]
        answers = gatherResults(
            [
                succeed(failure(SILENT)) if self._watch.is_silent(one) else one.ask(question)
                for one in asked
            ]
        )
        return answers.addCallback(
            lambda got: {str(member.id): one for member, one in zip(asked, got, strict=True)}
        )

    def count(self) -> "Deferred[dict[str, list[bytes]]]":
        """Ask those that could serve for their counters; who goes or is silent is left out."""
        asked = [one for one in self.loaded() if not self._watch.is_silent(one)]
        counted = gatherResults([member.count() for member in asked])
        return counted.addCallback(
            lambda got: {
                str(member.id): pieces for member, pieces in zip(asked, got, strict=True) if pieces
            }
        )

    def clear_counters(self) -> "Deferred[None]":
        """Let all that could serve begin their counters anew."""
        for member in self.loaded():
            member.clear_counters()
        return succeed(None)

    def roll(self) -> list[pb.WorkerInfo]:
        """Tell which workers there are, those that leave after the others."""
        return roll_of(self._slots, self._watch.is_hanging)

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Tell what ``roll`` tells, and whom each that leaves waits for."""
        return look_at(self._slots, self._watch.is_hanging, self._watch.is_silent)

    def is_first(self, worker_id: int) -> bool:
        """Return whether the worker that serves under this id is the first there was."""
        return self.generation_of(worker_id) == 0

    def generation_of(self, worker_id: int) -> int | None:
        """Return the generation of the worker that serves under this id; None if none does."""
        if not 0 <= worker_id < len(self._slots):
            return None
        member = self._slots[worker_id].member
        return None if member is None else member.generation

    def count_sessions(self) -> int:
        """Return how many clients the workers had when they last told."""
        return sum(one.sessions for slot in self._slots for one in (*slot.current(), *slot.leaving))

    @property
    def serving(self) -> int:
        """How many workers take clients."""
        return sum(member.is_serving for member in self.loaded())
