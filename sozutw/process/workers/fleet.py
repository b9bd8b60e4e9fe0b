"""
The Fleet: as many workers as were asked for, each with the configuration of the main process.

Who dies is begun anew; who hangs is told of, and in the end replaced; who cannot apply a change is
replaced by one that can. LIFECYCLE.md beside this file has the states of one worker.
"""

import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.config.dump import dump
from sozutw.config.model import InetAddress, Settings
from sozutw.config.requests import ActivateListener, Request
from sozutw.config.state import ConfigView
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.member import Member, Stage
from sozutw.process.workers.pace import Pace
from sozutw.process.workers.sockets import MainSockets

LOOK_SECONDS: Final = 1.0
"""How often each worker is asked whether it lives."""
HARD_SECONDS: Final = 2.0
"""Who was told to end at once has so long for it."""

_log = Logger()


class CannotReplaceError(Exception):
    """A worker is as it was; the text says why."""


class Forks(Protocol):
    """Who begins the processes; ``process.zygote.nursery``."""

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        """Begin a worker with this channel, and fire with its process id; the channel is closed."""


class Policy(NamedTuple):
    """How workers are looked after."""

    workers: int
    settings: Callable[[], Settings]
    """Those of the file that holds now."""
    turned: Callable[[], Sequence[pb.Request]] = tuple
    """What commands have set otherwise."""
    restarts: bool = True
    timeout: float = 10.0
    """Without an answer for so many seconds a worker counts as not answering."""
    hang_timeout: float = 30.0
    """And for so many it is killed; 0: never."""
    survives_main: bool = False
    processors: Sequence[int] = ()
    """Those to stay on, one for each worker in turn; none: anywhere."""


Adopt = Callable[[socket.socket, TwistedProtocol], None]
"""Connects a protocol to a socket of a pair, which is closed or taken over."""
Happened = Callable[[pb.Event, str], None]
"""Hears of an event, and in which worker it was."""


class _Slot:
    """The place of one worker, and who is in it."""

    def __init__(self, worker_id: int) -> None:
        self.id = worker_id
        self.generations = 0
        self.member: Member | None = None
        self.coming: Member | None = None
        """Who is going to take the member's place."""
        self.must_change = False
        """Whether the member has another configuration than it should."""
        self.waiting: list[Deferred[None]] = []
        """For the change."""
        self.pace = Pace()
        self.begin: IDelayedCall | None = None


class _Settling:
    """Somebody waits until all have applied a change."""

    def __init__(self, number: int, members: set[Member]) -> None:
        self.number = number
        self.members = members
        self.faults: list[str] = []
        self.settled: Deferred[list[str]] = Deferred()


class Fleet:
    """
    The workers: ``start`` begins them, and ``serve`` lets them have clients.

    ``committed`` is to hear of each change as it comes into force, and ``settled`` tells whether
    all of them have it.
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
        self.forks = forks
        self._state = state
        self._sockets = sockets
        self._entries = entries
        self._policy = policy
        self._adopt = adopt or _adopted_by(reactor)
        self.happened: Happened = lambda _event, _worker: None
        self.died: Callable[[Member], None] = lambda _member: None
        """Hears of each worker that went unasked."""
        self.came: Callable[[Member], None] = lambda _member: None
        """Hears of each worker that serves in the place of another."""
        self._slots = [_Slot(number) for number in range(policy.workers)]
        self._leaving: list[Member] = []
        self._names: dict[int, str] = {}
        """Of processes whose end was not told yet."""
        self._number = 0
        """Of the last change."""
        self._whole: Batch | None = None
        self._settling: list[_Settling] = []
        self._is_serving = False
        self._is_stopping = False
        self._all_loaded: Deferred[None] | None = None
        self._all_gone: list[Deferred[None]] = []
        self._look_next: IDelayedCall | None = None
        self._cut_next: IDelayedCall | None = None

    # Its life.

    def start(self) -> "Deferred[None]":
        """Begin the workers; fires when all of them could serve, which may be never."""
        assert self._all_loaded is None
        loaded: Deferred[None] = Deferred()
        self._all_loaded = loaded
        self._look_next = self._reactor.callLater(LOOK_SECONDS, self._look)
        for slot in self._slots:
            self._begin(slot)
        return loaded

    def serve(self) -> None:
        """Let the workers have clients: those that could, and those that come."""
        self._is_serving = True
        for slot in self._slots:
            if slot.member is not None and slot.member.stage is Stage.LOADED:
                slot.member.serve()

    def stop(self, *, is_hard: bool, seconds: float | None) -> "Deferred[None]":
        """Let all workers end, and fire when they have; may be asked again, harder."""
        self._is_stopping = True
        for slot in self._slots:
            if slot.begin is not None and slot.begin.active():
                slot.begin.cancel()
            self._leaving += [one for one in (slot.member, slot.coming) if one is not None]
            slot.member = slot.coming = None
        for member in list(self._leaving):
            if member.stage is Stage.LOADING:
                member.kill("the process is stopping")
            elif is_hard or member.stage is not Stage.LEAVING:
                member.leave(is_hard=is_hard, seconds=seconds)
        if is_hard and self._cut_next is None:
            self._cut_next = self._reactor.callLater(HARD_SECONDS, self.kill)
        gone: Deferred[None] = Deferred()
        self._all_gone.append(gone)
        self._see_who_is_left()
        return gone

    def kill(self) -> None:
        """End those that leave at once."""
        for member in list(self._leaving):
            member.kill("the process is stopping")

    def _see_who_is_left(self) -> None:
        if not self._is_stopping or self._leaving:
            return
        for call in (self._look_next, self._cut_next):
            if call is not None and call.active():
                call.cancel()
        waiting, self._all_gone = self._all_gone, []
        for gone in waiting:
            gone.callback(None)

    # Changes.

    def committed(self, orders: Sequence[Request]) -> None:
        """Tell all workers of a change that is in force."""
        self._number += 1
        told = _lasting(orders, frozenset(self._sockets.every()))
        batch = Batch(self._number, told, self._sockets.take_fresh(), self._entries.take_fresh())
        batch.hold()
        for member in self._current():
            member.tell(batch)
        batch.let_go()

    def settled(self) -> "Deferred[list[str]]":
        """
        Fire when all that serve have applied what was committed until now.

        With a line for each that has not: it is going to be replaced by one that has.
        """
        late = {
            member
            for member in self._serving()
            if member.applied < self._number and not self._is_hanging(member)
        }
        hanging = [
            f"{member.name} does not answer"
            for member in self._serving()
            if self._is_hanging(member)
        ]
        if not late:
            return succeed(hanging)
        settling = _Settling(self._number, late)
        settling.faults += hanging
        self._settling.append(settling)
        return settling.settled

    def _settle(self, member: Member, number: int, fault: str | None) -> None:
        """Whoever waits for this member waits no more."""
        for settling in list(self._settling):
            if member not in settling.members:
                continue
            if fault is not None:
                settling.faults.append(f"{member.name}: {fault}")
            if number >= settling.number:
                settling.members.discard(member)
            if not settling.members:
                self._settling.remove(settling)
                settling.settled.callback(settling.faults)

    def take_settings(self, settings: Settings) -> None:
        """Let other settings hold in all workers, as far as they can."""
        for member in self._every():
            member.take_settings(settings)

    def reopen_logs(self) -> None:
        """Let all workers go on with their logs in files that may be new."""
        for member in self._every():
            member.reopen_logs()

    # Questions.

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        """Ask those that serve, or one of them; fires with the answers by their ids."""
        asked = [one for one in self._serving() if only is None or one.id == only]
        answers = gatherResults([self._asked(member, question) for member in asked])
        return answers.addCallback(
            lambda got: {str(member.id): one for member, one in zip(asked, got, strict=True)}
        )

    def _asked(self, member: Member, question: pb.Request) -> "Deferred[pb.Response]":
        """Ask one of them; nobody waits for one that hangs, though it may do later what is said."""
        answered = member.ask(question)
        if self._is_hanging(member):
            member.give_up("it does not answer")
        return answered

    def count(self) -> "Deferred[dict[str, list[bytes]]]":
        """Ask those that serve for their counters; whoever goes or hangs is left out."""
        asked = [one for one in self._serving() if not self._is_hanging(one)]
        counted = gatherResults([member.count() for member in asked])
        return counted.addCallback(
            lambda got: {
                str(member.id): pieces for member, pieces in zip(asked, got, strict=True) if pieces
            }
        )

    def roll(self) -> list[pb.WorkerInfo]:
        """Tell which workers there are, those that leave after the others."""
        told = []
        for slot in self._slots:
            member = slot.member
            if member is None:
                told.append(pb.WorkerInfo(id=slot.id, pid=0, run_state=pb.STOPPED))
                continue
            is_well = member.is_serving and not self._is_hanging(member)
            state = pb.RUNNING if is_well else pb.NOT_ANSWERING
            told.append(pb.WorkerInfo(id=slot.id, pid=member.pid, run_state=state))
        if self._is_stopping:
            told.clear()
        told += [
            pb.WorkerInfo(id=member.id, pid=member.pid, run_state=pb.STOPPING)
            for member in self._leaving
        ]
        return told

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Tell what ``roll`` tells, and whom each that leaves waits for."""
        told = self.roll()
        asked = [one for one in self._leaving if not self._is_hanging(one)]
        answers = gatherResults([one.ask(pb.Request(status=pb.Status())) for one in asked])

        def put_together(answers: list[pb.Response]) -> list[pb.WorkerInfo]:
            drains = {
                member.pid: info.drain
                for member, answer in zip(asked, answers, strict=True)
                for info in answer.content.workers.vec
            }
            for info in told:
                if info.pid in drains:
                    info.drain.CopyFrom(drains[info.pid])
            return told

        return answers.addCallback(put_together)

    def clear_counters(self) -> "Deferred[None]":
        """Let all that serve begin their counters anew."""
        for member in self._serving():
            member.clear_counters()
        return succeed(None)

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
        return sum(member.sessions for member in self._every())

    @property
    def serving(self) -> int:
        """How many workers take clients."""
        return sum(member.is_serving for member in self._serving())

    # To replace one by another.

    def replace(self, worker_id: int) -> "Deferred[None]":
        """
        Begin another worker, and let the one that is there leave when the new one serves.

        Fails with CannotReplaceError, and then the old one serves on.
        """
        if self._is_stopping:
            return fail(CannotReplaceError("the process is stopping"))
        slot = self._slots[worker_id]
        replaced: Deferred[None] = Deferred()
        slot.waiting.append(replaced)
        if slot.coming is None and slot.member is not None:
            self._begin_coming(slot)
        elif slot.member is None and slot.begin is not None and slot.begin.active():
            slot.begin.reset(0)
        return replaced

    def _begin_coming(self, slot: _Slot) -> None:
        slot.begin = None
        if slot.coming is None and slot.member is not None:
            slot.coming = self._forked(slot)

    def _begin(self, slot: _Slot) -> None:
        slot.begin = None
        if slot.member is None:
            slot.member = self._forked(slot)

    def _forked(self, slot: _Slot) -> Member:
        member = Member(slot.id, slot.generations, self, self._reactor, self._reactor.seconds())
        slot.generations += 1
        ours, theirs = socket.socketpair()
        self._adopt(ours, member.link)
        processors = self._policy.processors
        member.begin(
            self._policy.settings(),
            self._configuration(),
            len(self._sockets.every()),
            processors[slot.id % len(processors)] if processors else None,
            survives=self._policy.survives_main,
        )
        for question in self._policy.turned():
            member.ask(question)
        self.forks.fork(theirs).addCallbacks(
            self._has_process, self._not_forked, callbackArgs=(member,), errbackArgs=(member,)
        )
        return member

    def _has_process(self, pid: int, member: Member) -> None:
        self._names[pid] = member.name
        member.has_process(pid)

    def _not_forked(self, why: Failure, member: Member) -> None:
        member.kill(f"its process could not be begun: {why.getErrorMessage()}")

    def _configuration(self) -> Batch:
        """Return all that is configured, made into messages once for those that begin together."""
        if self._whole is None or self._whole.number != self._number or not self._whole.is_held:
            every = list(dump(self._state))
            self._whole = Batch(self._number, every, self._sockets.every(), self._entries.every())
        return self._whole

    # What the members tell; ``member.Overseer``.

    def loaded(self, member: Member) -> None:
        """It has the configuration, and waits for the word to serve."""
        slot = self._slots[member.id]
        if slot.coming is member:
            self._change(slot, member)
        elif self._is_serving:
            member.serve()
        if member.generation:
            self.came(member)
        loaded = self._all_loaded
        if loaded is not None and not loaded.called:
            members = [slot.member for slot in self._slots]
            if all(one is not None and one.stage is not Stage.LOADING for one in members):
                loaded.callback(None)

    def _change(self, slot: _Slot, member: Member) -> None:
        old = slot.member
        slot.member, slot.coming, slot.must_change = member, None, False
        if self._is_serving:
            member.serve()
        if old is not None:
            _log.info(
                "{name}: process {new} serves, and {old} ends with its last client",
                name=member.name,
                new=member.pid,
                old=old.pid,
            )
            self._leaving.append(old)
            old.leave(is_hard=False, seconds=None)
        waiting, slot.waiting = slot.waiting, []
        for replaced in waiting:
            replaced.callback(None)

    def applied(self, member: Member, number: int, error: str | None) -> None:
        """It has applied a change, or has not."""
        if error is None:
            self._settle(member, number, None)
            return
        _log.error(
            "{name} could not apply a change, and is replaced: {error}",
            name=member.name,
            error=error,
        )
        self._settle(member, number, error)
        slot = self._slots[member.id]
        if member.stage is Stage.LOADING:
            member.kill(f"it could not take the configuration: {error}")
        elif slot.member is member:
            slot.must_change = True
            self._begin_coming(slot)
        elif slot.coming is member:
            member.kill(f"it could not apply a change: {error}")

    def happened_in(self, member: Member, event: pb.Event) -> None:
        """Something happened there that subscribers are told of."""
        self.happened(event, str(member.id))

    def lost(self, member: Member, why: str) -> None:
        """It has gone, for whatever reason."""
        self._settle(member, self._number, why)
        if member in self._leaving:
            self._leaving.remove(member)
            self._see_who_is_left()
            return
        slot = self._slots[member.id]
        _log.error(
            "{name} (process {pid}) is lost: {why}", name=member.name, pid=member.pid, why=why
        )
        seconds = slot.pace.died(self._reactor.seconds() - member.begun_at)
        if slot.coming is member:
            self._not_replaced(slot, why, seconds)
            return
        slot.member = None
        self.died(member)
        if slot.coming is not None:
            slot.member, slot.coming = slot.coming, None
            if slot.member.stage is Stage.LOADED and self._is_serving:
                slot.member.serve()
        elif not self._policy.restarts and self._has_begun:
            self._give_up(slot, "workers that went are not begun anew (worker_automatic_restart)")
        elif seconds:
            slot.begin = self._reactor.callLater(seconds, self._begin, slot)
        else:
            self._begin(slot)

    @property
    def _has_begun(self) -> bool:
        """Whether all workers could serve once."""
        return self._all_loaded is not None and self._all_loaded.called

    def _not_replaced(self, slot: _Slot, why: str, seconds: float) -> None:
        slot.coming = None
        self._give_up(slot, why)
        if slot.must_change:
            slot.begin = self._reactor.callLater(max(seconds, 1.0), self._begin_coming, slot)

    def _give_up(self, slot: _Slot, why: str) -> None:
        waiting, slot.waiting = slot.waiting, []
        for replaced in waiting:
            replaced.errback(CannotReplaceError(why))

    def ended(self, pid: int, status: int) -> None:
        """Tell how a process ended; its channel has told that it did, or is about to."""
        name = self._names.pop(pid, "a worker")
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        tell = _log.info if status == 0 else _log.warn
        tell("process {pid} of {name} ended ({how})", pid=pid, name=name, how=how)

    # To watch them.

    def _look(self) -> None:
        self._look_next = self._reactor.callLater(LOOK_SECONDS, self._look)
        timeout, hang = self._policy.timeout, self._policy.hang_timeout
        for member in self._every():
            was_hanging = self._is_hanging(member)
            member.ping()
            seconds = self._silent_seconds(member)
            if hang and seconds >= max(hang, timeout):
                member.kill(f"it has not answered for {seconds:g} s")
            elif self._is_hanging(member) and not was_hanging:
                _log.error(
                    "{name} (process {pid}) does not answer", name=member.name, pid=member.pid
                )
                self._settle(member, self._number, "it does not answer")
                member.give_up("it does not answer")

    def _is_hanging(self, member: Member) -> bool:
        return member.unanswered > 1 and self._silent_seconds(member) >= self._policy.timeout

    def _silent_seconds(self, member: Member) -> float:
        """Return for how long it has owed an answer, at the last look."""
        return max(0, member.unanswered - 1) * LOOK_SECONDS

    # Who they are.

    def _current(self) -> Iterator[Member]:
        for slot in self._slots:
            yield from (one for one in (slot.member, slot.coming) if one is not None)

    def _serving(self) -> Iterator[Member]:
        for slot in self._slots:
            if slot.member is not None and slot.member.stage in {Stage.LOADED, Stage.SERVING}:
                yield slot.member

    def _every(self) -> list[Member]:
        return [*self._current(), *self._leaving]

    def check_invariants(self) -> None:
        """Sweep what must agree."""
        for slot in self._slots:
            assert slot.member is not slot.coming or slot.member is None
            for member in (slot.member, slot.coming):
                assert member is None or member.stage in {
                    Stage.LOADING,
                    Stage.LOADED,
                    Stage.SERVING,
                }, member.stage
            assert slot.coming is None or slot.coming.stage is Stage.LOADING
        assert all(member.stage in {Stage.LEAVING, Stage.LOADING} for member in self._leaving)
        waited = {member for settling in self._settling for member in settling.members}
        assert waited <= set(self._every())
        assert all(settling.members for settling in self._settling)


def _lasting(orders: Sequence[Request], active: Collection[InetAddress]) -> Iterator[Request]:
    """Leave out activations that the same change takes back: there is no socket for them."""
    for order in orders:
        if not isinstance(order, ActivateListener) or order.address in active:
            yield order


def _adopted_by(reactor: Any) -> Adopt:
    """Return what connects a protocol to a socket by this reactor."""

    def adopt(sock: socket.socket, protocol: TwistedProtocol) -> None:
        sock.setblocking(False)
        with sock:
            factory = Factory.forProtocol(lambda: protocol)
            factory.noisy = False
            reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, factory)

    return adopt
