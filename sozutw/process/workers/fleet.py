"""
The Fleet: as many workers as were asked for, each with the configuration of the main process.

Who dies is begun anew; who hangs is told of, and in the end replaced; who cannot apply a change is
replaced by one that can. LIFECYCLE.md beside this file has the states of one worker.
"""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sozutw.config.model import Settings
from sozutw.config.requests import Request
from sozutw.config.state import ConfigView
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.batches import Batches
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.member import Member, Stage
from sozutw.process.workers.newcomers import Adopt, Newcomers
from sozutw.process.workers.policy import (
    BEHIND_MAX,
    HARD_SECONDS,
    LATE_SECONDS,
    CannotReplaceError,
    Forks,
    Policy,
)
from sozutw.process.workers.roster import Roster
from sozutw.process.workers.settling import Settlings
from sozutw.process.workers.slot import STOPPING, Slot
from sozutw.process.workers.sockets import MainSockets
from sozutw.process.workers.watch import SILENT, Watch

Happened = Callable[[pb.Event, str], None]
"""Hears of an event, and in which worker it was."""

_log = Logger()


class Fleet:
    """
    The workers: ``start`` begins them, and ``serve`` lets them have clients.

    ``committed`` is to hear of each change as it comes into force, and ``settled`` tells whether
    all of them have it. It is the ``slot.Neighbours`` of each slot.
    """

    def __init__(
        self,
        reactor: Any,
        forks: Forks,
        state: ConfigView,
        sockets: MainSockets,
        entries: Entries,
        policy: Policy,
        adopt: Adopt | None = None,
    ) -> None:
        self._reactor = reactor
        self._policy = policy
        self.happened: Happened = lambda _event, _worker: None
        self.died: Callable[[Member], None] = lambda _member: None
        """Hears of each worker that went unasked."""
        self.came: Callable[[Member], None] = lambda _member: None
        """Hears of each worker that could serve, and had another of its id before it."""
        self.may_serve = False
        """Whether workers take clients now."""
        self._batches = Batches(state, sockets, entries)
        self._newcomers = Newcomers(reactor, forks, self._batches, policy, adopt)
        self._slots = [
            Slot(number, self._newcomers.begin, reactor, self) for number in range(policy.workers)
        ]
        self._settlings = Settlings()
        self._watch = Watch(reactor, policy, self._every, self._given_up)
        self.roster = Roster(self._slots, self._watch)
        self._all_loaded: Deferred[None] | None = None
        self._is_stopping = False
        self._all_gone: list[Deferred[None]] = []
        self._cut_next: IDelayedCall | None = None

    # Its life.

    def start(self) -> "Deferred[None]":
        """Begin the workers; fires when all of them could serve, which may be never."""
        assert self._all_loaded is None
        loaded: Deferred[None] = Deferred()
        self._all_loaded = loaded
        self._batches.begin()
        self._watch.start()
        for slot in self._slots:
            slot.begin()
        return loaded

    def serve(self) -> None:
        """Let the workers have clients: those that could, and those that come."""
        self.may_serve = True
        for slot in self._slots:
            slot.serve()

    def stop(self, *, is_hard: bool, seconds: float | None) -> "Deferred[None]":
        """
        Let all workers end, and fire when they have; may be asked again, harder.

        Who was given ``seconds``, or is to end at once, and has not ended a while after that, is
        killed.
        """
        self._is_stopping = True
        for slot in self._slots:
            slot.stop(is_hard=is_hard, seconds=seconds)
        if is_hard:
            self._cut_in(HARD_SECONDS)
        elif seconds is not None:
            self._cut_in(seconds + LATE_SECONDS)
        gone: Deferred[None] = Deferred()
        self._all_gone.append(gone)
        self._see_who_is_left()
        return gone

    def _cut_in(self, seconds: float) -> None:
        if self._cut_next is not None and self._cut_next.active():
            if self._cut_next.getTime() <= self._reactor.seconds() + seconds:
                return
            self._cut_next.cancel()
        self._cut_next = self._reactor.callLater(seconds, self.kill)

    def kill(self) -> None:
        """End those that leave at once."""
        for member in [one for slot in self._slots for one in slot.leaving]:
            member.kill(STOPPING)

    def _see_who_is_left(self) -> None:
        if not self._is_stopping or any(slot.leaving for slot in self._slots):
            return
        self._watch.stop()
        if self._cut_next is not None and self._cut_next.active():
            self._cut_next.cancel()
        waiting, self._all_gone = self._all_gone, []
        for gone in waiting:
            gone.callback(None)

    # Changes.

    def committed(self, orders: Sequence[Request]) -> None:
        """Tell all workers of a change that is in force."""
        try:
            batch = self._batches.change(orders)
        except OSError as error:
            self._cannot_tell(f"it could not be told of a change: {error}")
            return
        batch.hold()
        for slot in self._slots:
            for member in slot.current():
                if self._watch.is_silent(member) and member.behind >= BEHIND_MAX:
                    self._tell_no_more(slot, member)
                else:
                    member.tell(batch)
        batch.let_go()

    def _cannot_tell(self, why: str) -> None:
        """They are not to serve what does not hold any more for long: others have to come."""
        _log.error("workers are replaced: {why}", why=why)
        for slot in self._slots:
            for member in slot.current():
                _lacks(member, why)
            slot.replace_diverged()

    def _tell_no_more(self, slot: Slot, member: Member) -> None:
        """It may never be killed, nor ever answer, and what is kept for it must not fill memory."""
        if member.diverged is None:
            why = f"{SILENT}, and is {member.behind} changes behind"
            _log.error("{name} is replaced: {why}", name=member.name, why=why)
            _lacks(member, why)
            slot.replace_diverged()

    def settled(self) -> "Deferred[list[str]]":
        """
        Fire when all that could serve have applied what was committed until now.

        With a line for each that has not, or that lacks an earlier change.
        """
        late, faults = [], []
        if not any(self.roster.loaded()):
            faults.append("no worker serves now; whoever comes has it")
        for member in self.roster.loaded():
            if member.diverged is not None:
                faults.append(f"{member.name}: {member.diverged}; it is being replaced")
            elif self._watch.is_silent(member):
                faults.append(f"{member.name}: {SILENT}")
            elif member.confirmed < self._batches.number:
                late.append(member)
        return self._settlings.wait(self._batches.number, late, faults)

    def take_settings(self, settings: Settings) -> None:
        """Let other settings hold in all workers, as far as they can."""
        for member in self._every():
            member.take_settings(settings)

    def reopen_logs(self) -> None:
        """Let all workers go on with their logs in files that may be new."""
        for member in self._every():
            member.reopen_logs()

    # To replace one by another.

    def replace(self, worker_id: int) -> "Deferred[None]":
        """
        Begin another worker, and let the one that is there leave when the new one could serve.

        Fails with CannotReplaceError, and then the old one serves on.
        """
        if not 0 <= worker_id < len(self._slots):
            return fail(CannotReplaceError(f"there is no worker {worker_id}"))
        return self._slots[worker_id].replace()

    def ended(self, pid: int, status: int) -> None:
        """Hear how a process ended, from whoever forks them."""
        self._newcomers.ended(pid, status)

    # What the slots tell; ``slot.Neighbours``.

    @property
    def begins_anew(self) -> bool:
        """Whether another worker is begun for one that went unasked: always until all serve."""
        return self._policy.restarts or self._all_loaded is None or not self._all_loaded.called

    def loaded(self, member: Member) -> None:
        """One could serve now."""
        # What holds now may be other than what held when it was begun.
        member.take_settings(self._policy.settings())
        for question in self._policy.turned():
            member.ask(question)
        if member.generation:
            self.came(member)
        loaded = self._all_loaded
        assert loaded is not None
        if not loaded.called and len(list(self.roster.loaded())) == len(self._slots):
            loaded.callback(None)

    def passed_on(self, old: Member, new: Member) -> None:
        """One has taken the place of another."""
        self._note_applied()
        self._settlings.passed_on(old, new)

    def applied(self, member: Member, number: int, error: str | None) -> None:
        """One has applied a change, or has not."""
        self._note_applied()
        self._settlings.confirmed(member, number, error)

    def gone(self, member: Member, why: str) -> None:
        """One has gone, asked or not."""
        self._note_applied()
        self._settlings.given_up(member, why)
        self._see_who_is_left()

    def closed(self, member: Member) -> None:  # noqa: ARG002  # it tells so itself
        """One that leaves listens no more."""
        self._note_applied()

    def _note_applied(self) -> None:
        applied = (member.applied for member in self._every() if member.listens)
        self._batches.applied(min(applied, default=self._batches.number))

    def _given_up(self, member: Member) -> None:
        self._settlings.given_up(member, SILENT)

    # Who they are.

    def _every(self) -> list[Member]:
        return [one for slot in self._slots for one in (*slot.current(), *slot.leaving)]

    def check_invariants(self) -> None:
        """Sweep what must agree."""
        for slot in self._slots:
            slot.check_invariants()
        self._settlings.check_invariants()
        # Nobody waits for one that has gone, or cannot be counted on to tell.
        assert self._settlings.members() <= set(self._every())
        assert not any(member.stage is Stage.LOADING for member in self._settlings.members())


def _lacks(member: Member, why: str) -> None:
    """It will not have what holds: another has to come."""
    if member.stage is Stage.LOADING:
        member.kill(why)
    else:
        member.diverged = member.diverged or why
