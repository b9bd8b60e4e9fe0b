"""
The place of one worker: who is in it, who is to take it over, and who leaves it.

LIFECYCLE.md beside this file has what happens on each event.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.member import Member, Overseer, Stage
from sozutw.process.workers.pace import Pace
from sozutw.process.workers.policy import CannotReplaceError

AGAIN_SECONDS: Final = 1.0
"""So long after a worker failed to take the place of another the next one tries, at least."""
STOPPING: Final = "the process is stopping"

Begin = Callable[[int, int, Overseer], Member]
"""Begins a worker of an id and a generation; ``newcomers.Newcomers.begin``."""

_log = Logger()


class Neighbours(Protocol):
    """All there is beside one slot."""

    @property
    def may_serve(self) -> bool:
        """Whether workers take clients now."""

    @property
    def begins_anew(self) -> bool:
        """Whether another worker is begun for one that went unasked."""

    def loaded(self, member: Member) -> None:
        """One could serve now, and does if it may."""

    def passed_on(self, old: Member, new: Member) -> None:
        """One has taken the place of another."""

    def applied(self, member: Member, number: int, error: str | None) -> None:
        """One has applied a change, or has not."""

    def happened(self, event: pb.Event, worker: str) -> None:
        """Something happened in one."""

    def died(self, member: Member) -> None:
        """One went unasked."""

    def closed(self, member: Member) -> None:
        """One that leaves listens no more."""

    def gone(self, member: Member, why: str) -> None:
        """One has gone, asked or not."""


class Slot:
    """
    A place for one worker, which is never left empty unless that is asked for.

    It is the ``member.Overseer`` of each worker that it begins, to its end.
    """

    def __init__(self, worker_id: int, begin: Begin, clock: Any, neighbours: Neighbours) -> None:
        self.id = worker_id
        self.member: Member | None = None
        self.coming: Member | None = None
        """Who takes the member's place as soon as it could serve."""
        self.leaving: list[Member] = []
        self._make = begin
        self._clock = clock
        self._neighbours = neighbours
        self._generations = 0
        self._pace = Pace()
        self._next: IDelayedCall | None = None
        """The next begin, if it has to wait."""
        self._waiting: list[Deferred[None]] = []
        """For a worker that was begun after they asked."""
        self.is_over = False
        """Whether none is begun any more."""

    def current(self) -> Iterator[Member]:
        """Return those that do not leave."""
        yield from (one for one in (self.member, self.coming) if one is not None)

    # What is asked.

    def begin(self) -> None:
        """Begin a worker now: for the empty place, or to take the place of the one in it."""
        self._wait_no_more()
        if self.is_over or self.coming is not None:
            return
        fresh = self._make(self.id, self._generations, self)
        self._generations += 1
        if self.member is None:
            self.member = fresh
        else:
            self.coming = fresh

    def replace(self) -> "Deferred[None]":
        """
        Begin another worker, and let the one that is there leave when the new one could serve.

        Fails with CannotReplaceError if that one ends before; then the old one serves on.
        """
        if self.is_over:
            return fail(CannotReplaceError(STOPPING))
        replaced: Deferred[None] = Deferred()
        self._waiting.append(replaced)
        self.begin()
        return replaced

    def stop(self, *, is_hard: bool, seconds: float | None) -> None:
        """Let all end, and begin none any more; may be asked again, harder."""
        self.is_over = True
        self._wait_no_more()
        self.leaving += self.current()
        self.member = self.coming = None
        for member in self.leaving:
            _end(member, STOPPING, is_hard=is_hard, seconds=seconds)
        self._give_up(STOPPING)

    def serve(self) -> None:
        """Let the member have clients, if it could."""
        if self.member is not None and self.member.stage is Stage.LOADED:
            self.member.serve()

    def replace_diverged(self) -> None:
        """The member has another configuration than it should: see that one comes that has not."""
        if self.member is not None and self.member.stage is not Stage.LOADING:
            self.begin()

    # What the workers tell; ``member.Overseer``.

    def loaded(self, member: Member) -> None:
        """It has the configuration, and waits for the word to serve."""
        old = None
        if member is self.coming:
            old, self.member, self.coming = self.member, member, None
        if self._neighbours.may_serve:
            member.serve()
        if old is not None:
            self._dismiss(old, member)
        self._neighbours.loaded(member)
        if self.coming is None:
            waiting, self._waiting = self._waiting, []
            for replaced in waiting:
                replaced.callback(None)

    def _dismiss(self, old: Member, new: Member) -> None:
        _log.info(
            "{name}: process {new} serves, and {old} ends with its last client",
            name=new.name,
            new=new.pid,
            old=old.pid,
        )
        self.leaving.append(old)
        _end(old, "another has taken its place", is_hard=False, seconds=None)
        self._neighbours.passed_on(old, new)

    def applied(self, member: Member, number: int, error: str | None) -> None:
        """It has applied a change, or has not: then another has to come."""
        if error is not None:
            self._failed(member, error)
        self._neighbours.applied(member, number, error)

    def _failed(self, member: Member, error: str) -> None:
        if member in self.leaving:
            return
        if member.stage is Stage.LOADING:
            why = f"it could not take the configuration: {error}"
            member.ends_because(why)
            self.leaving.append(member)
            self._fallen(member, why)
            return
        _log.error(
            "{name} could not apply a change, and is replaced: {error}",
            name=member.name,
            error=error,
        )
        self.replace_diverged()

    def happened_in(self, member: Member, event: pb.Event) -> None:
        """Something happened there that subscribers are told of."""
        self._neighbours.happened(event, str(member.id))

    def closed(self, member: Member) -> None:
        """It was told to leave, and listens no more."""
        self._neighbours.closed(member)

    def lost(self, member: Member, why: str) -> None:
        """It has gone, for whatever reason."""
        if member in self.leaving:
            self.leaving.remove(member)
        else:
            self._fallen(member, why)
        self._neighbours.gone(member, why)

    def _fallen(self, member: Member, why: str) -> None:
        """It serves no more, and nobody had asked for that: begin another."""
        _log.error(
            "{name} (process {pid}) is lost: {why}", name=member.name, pid=member.pid, why=why
        )
        # Who needs long to load, and fails, is none that has proved good.
        lived = self._clock.seconds() - member.begun_at if member.has_loaded else 0.0
        seconds = self._pace.died(lived)
        self._wait_no_more()
        if member is self.coming:
            self.coming = None
            assert self.member is not None
            if self.member.diverged is not None:
                self._begin_later(max(seconds, AGAIN_SECONDS))
            self._give_up(why)
            return
        self.member, self.coming = self.coming, None
        self._neighbours.died(member)
        if self.member is not None:
            return  # Whoever waits, waits for that one.
        if self._neighbours.begins_anew:
            self._begin_later(seconds)
        else:
            _log.error("{name} is not begun anew (worker_automatic_restart)", name=member.name)
        self._give_up(why)

    # When one is begun.

    def _begin_later(self, seconds: float) -> None:
        if seconds:
            self._next = self._clock.callLater(seconds, self.begin)
        else:
            self.begin()

    def _wait_no_more(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _give_up(self, why: str) -> None:
        waiting, self._waiting = self._waiting, []
        for replaced in waiting:
            replaced.errback(CannotReplaceError(why))

    def check_invariants(self) -> None:
        """Sweep what must agree."""
        living = {Stage.LOADING, Stage.LOADED, Stage.SERVING}
        assert self.member is None or self.member.stage in living, self.member.stage
        assert self.coming is None or self.coming.stage is Stage.LOADING, self.coming.stage
        assert self.coming is None or self.member is not None
        assert all(one.stage in {Stage.LOADING, Stage.LEAVING} for one in self.leaving)
        everybody = [*self.current(), *self.leaving]
        assert len(set(everybody)) == len(everybody)
        assert not self.is_over or not any(self.current())
        assert not self.is_over or not self._waiting
        if self._next is not None and self._next.active():
            assert not self.is_over
            assert self.coming is None
            assert self.member is None or self.member.diverged is not None


def _end(member: Member, why: str, *, is_hard: bool, seconds: float | None) -> None:
    if member.stage is Stage.LOADING:
        member.kill(why)  # It has no clients.
    else:
        member.leave(is_hard=is_hard, seconds=seconds)
