"""
The verbs that change the configuration: one order, a batch, a state file, a whole file.

They take turns: what is asked later sees what was asked before.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sozutw.config.dump import dump
from sozutw.config.model import Config
from sozutw.config.requests import AddBackend, AddHttpFrontend, AddHttpsFrontend, Request
from sozutw.config.state import RefusedRequestError
from sozutw.control.changes.apply import Applier, Outcome
from sozutw.control.changes.happenings import happening_of
from sozutw.control.changes.reload import Difference
from sozutw.control.changes.state_file import StateFile, Withheld, read_state, requests_in
from sozutw.control.crew import Crew
from sozutw.control.desk import Tell
from sozutw.control.events import MAIN, Events
from sozutw.control.host import Host
from sozutw.control.messages.records import BadRecordError
from sozutw.control.messages.secrets import without_keys
from sozutw.control.messages.translate import message_of, request_of, warnings_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.queries import RequestCounts
from sozutw.control.replies import failure, ok, processing
from sozutw.control.slowly import SLICE, Slowly, Steps, in_short_turns

_log = Logger()

REFUSED: Final = "could not dispatch request on the main process state: "
APPLIED: Final = "Successfully applied request to all workers"
STOPPING: Final = "sozutw is stopping, and changes nothing any more; start it anew"
REPLACED: Final = "another process has taken over from this one meanwhile; ask again"
_STILL_SECONDS: Final = 10.0
"""So often a client is told that it is waited for something; a silence of a minute is an end."""
MISSED: Final = "the main process has applied it, and not every worker has"
"""The first line of an answer whose others tell which worker, and why."""
_TOLD_MAX: Final = 5
"""So many refused records are told of by their reason."""
_PROGRESS_EVERY: Final = 5000
_LISTED_BYTES_MAX: Final = 1_500_000
"""What a list of changes may take of an answer; the rest is counted."""

Answered = Generator["Deferred[Any]", Any, pb.Response]


class Changes:
    """
    Apply what clients ask for, and tell them and the subscribers of events what came of it.

    ``on_change`` is called after each change of the configuration.
    """

    def __init__(
        self,
        applier: Applier,
        host: Host,
        crew: Crew,
        events: Events,
        counts: RequestCounts,
        clock: IReactorTime,
    ) -> None:
        self._applier = applier
        self._host = host
        self._crew = crew
        self._events = events
        self._counts = counts
        self._clock = clock
        self._turn = DeferredLock()
        self._cooperator = in_short_turns(clock)
        self._slowly = Slowly(clock)
        self._is_replaced = False
        self.on_change: Callable[[], None] = lambda: None

    def order(self, message: pb.Request, tell: Tell) -> "Deferred[pb.Response]":
        """Apply one order."""
        tell(processing("Processing worker request..."))
        return self._turn.run(self._unless_stopping, self._order, message)

    def batch(self, batch: pb.Batch, tell: Tell) -> "Deferred[pb.Response]":
        """Apply several orders as one: all or none."""
        tell(processing(f"Processing {len(batch.requests)} requests as one..."))
        return self._turn.run(self._unless_stopping, self._batch, batch)

    def load_state(self, path: str, tell: Tell) -> "Deferred[pb.Response]":
        """Apply what a state file holds; what is refused of it is passed over, and told."""
        return self._turn.run(self._unless_stopping, self._reloading, self._load_state, path, tell)

    def save_state(self, path: str, *, without_keys: bool = False) -> "Deferred[pb.Response]":
        """Write all that is configured to a file."""
        return self._turn.run(self._unless_replaced, self._save_state, path, without_keys)

    def configure(self, asked: pb.ApplyConfiguration, tell: Tell) -> "Deferred[pb.Response]":
        """Make a configuration file true, or tell what that would change."""
        if asked.dry_run:
            return self._turn.run(self._unless_replaced, self._configure, asked, tell)
        return self._turn.run(self._unless_stopping, self._reloading, self._configure, asked, tell)

    def upgrade(self, tell: Tell) -> "Deferred[pb.Response]":
        """Hand over to a new process; no change comes in between."""
        return self._turn.run(self._unless_stopping, self._upgrade, tell)

    def applied(self, order: Request) -> None:
        """Tell of an order that was applied without being asked for."""
        deque(self._changed([order]), maxlen=0)

    # Each in its turn.

    def _unless_stopping(self, change: Callable[..., Any], *asked: Any) -> Any:
        # An order could open again what the process has just closed for good.
        if self._host.is_stopping and not self._is_replaced:
            return failure(STOPPING)
        return self._unless_replaced(change, *asked)

    def _unless_replaced(self, do: Callable[..., Any], *asked: Any) -> Any:
        # Done here it would be lost: what holds is what the other process holds.
        return failure(REPLACED) if self._is_replaced else do(*asked)

    @inlineCallbacks
    def _reloading(self, change: Callable[..., "Deferred[pb.Response]"], *asked: Any) -> Answered:
        """Make a large change, and have it known outside that it is being made."""
        with self._host.reloading():
            answer: pb.Response = yield change(*asked)
        return answer

    @inlineCallbacks
    def _order(self, message: pb.Request) -> Answered:
        try:
            order = request_of(message)
            # One order may concern every rule of a listener.
            yield self._applier.apply_slowly([order])
        except (RefusedRequestError, OSError) as error:
            return failure(f"{REFUSED}{error}")
        deque(self._changed([order]), maxlen=0)
        faults: list[str] = yield self._crew.settled()
        if faults:
            return _missed(faults)
        return ok(APPLIED + _doubts([*warnings_of(message), *self._missed_by([order])]))

    @inlineCallbacks
    def _batch(self, batch: pb.Batch) -> Answered:
        orders: list[Request] = []
        warnings: list[str] = []
        try:
            yield self._applier.apply_slowly(_read(batch, orders, warnings))
        except (RefusedRequestError, OSError) as error:
            return failure(f"{REFUSED}{error}; none is applied")
        yield self._cooperator.coiterate(self._changed(orders))
        warnings += self._missed_by(orders)
        faults: list[str] = yield self._crew.settled()
        if faults:
            return _missed(faults)
        return ok(f"{APPLIED}: {len(orders)} as one{_doubts(warnings[:_TOLD_MAX])}")

    @inlineCallbacks
    def _load_state(self, path: str, tell: Tell) -> Answered:
        tell(processing(f"Parsing state file from {path}..."))
        try:
            data: bytes = yield self._host.in_thread(lambda: read_state(path))
            tell(processing("Applying state file..."))
            outcome: Outcome = yield self._applier.apply_slowly(
                _with_progress(requests_in(data), tell), skips_refused=True
            )
        except BadRecordError as error:
            return failure(f"{path}: {error}; nothing of it is applied")
        except (RefusedRequestError, OSError) as error:
            return failure(str(error))
        self._events.publish(pb.STATE_LOADED, origin=MAIN)
        if outcome.applied:
            self.on_change()
        faults: list[str] = yield self._crew.settled()
        if faults:
            return _missed(faults)
        return ok(
            f"Successfully loaded state from path {path}, {outcome.applied} ok messages, "
            f"{len(outcome.refused)} errors{details(outcome)}"
        )

    @inlineCallbacks
    def _save_state(self, path: str, without_keys: bool) -> Answered:
        file = StateFile(path)
        withheld = Withheld()
        requests: Iterator[Request] = iter(list(dump(self._applier.state)))
        if without_keys:
            requests = withheld.without_keys(requests)
        try:
            yield self._cooperator.coiterate(file.steps(requests))
            yield self._host.in_thread(file.settle)
        except RefusedRequestError as error:
            file.abandon()
            return failure(f"Cannot create file at path {path}: {error}")
        except OSError as error:
            reason = error.strerror or str(error)
            return failure(f"Cannot create file at path {path}: {reason}")
        self._events.publish(pb.STATE_SAVED, origin=MAIN)
        left_out = f", {withheld}" if without_keys else ""
        return ok(f"Saved {file.records} config messages to {path}{left_out}")

    @inlineCallbacks
    def _configure(self, asked: pb.ApplyConfiguration, tell: Tell) -> Answered:
        path = asked.path or self._host.configuration_path
        if not path:
            return failure("this process was started without a file; name one")
        tell(processing(f"Reloading static configuration at path {path}"))
        try:
            config: Config = yield self._host.read_configuration(path)
        except RefusedRequestError as error:
            return failure(f"loading static configuration failed: {error}")
        difference = Difference(self._applier.state, config, keeps=asked.keep)
        if asked.dry_run:
            yield self._cooperator.coiterate(difference.steps())
            told: pb.Response = yield self._slowly.run(
                _told_changes(difference.requests, "would change")
            )
            return told
        tell(processing("Applying what differs..."))
        try:
            yield self._applier.apply_slowly(difference.steps())
        except (RefusedRequestError, OSError) as error:
            return failure(f"loading static configuration failed: {error}; nothing is changed")
        waiting = self._host.take_settings(config)
        self._crew.take_settings(config.settings)
        self._events.publish(pb.CONFIGURATION_RELOADED, origin=MAIN)
        if difference.requests:
            self._counts.count(*difference.requests)
            self.on_change()
        response: pb.Response = yield self._slowly.run(
            _told_changes(difference.requests, "changed")
        )
        faults: list[str] = yield self._crew.settled()
        if faults:
            return _missed(faults)
        count = len(difference.requests)
        response.message = f"Successfully loaded the config: {count} ok, 0 errors"
        if waiting:
            response.message += f"; takes effect with the next start: {', '.join(waiting)}"
        return response

    @inlineCallbacks
    def _upgrade(self, tell: Tell) -> Answered:
        tell(processing("Upgrading the main process..."))
        waits = LoopingCall(lambda: tell(processing("Waiting for the new process...")))
        waits.clock = self._clock
        waits.start(_STILL_SECONDS, now=False)
        try:
            pid: int = yield self._host.upgrade()
        except RefusedRequestError as error:
            return failure(f"Upgrade of main process failed: {error}")
        finally:
            waits.stop()
        self._is_replaced = True
        self._events.publish(pb.MAIN_UPGRADED, origin=MAIN)
        return ok(f"Upgrade successful, closing main process. New main process has pid {pid}")

    def _missed_by(self, orders: list[Request]) -> list[str]:
        """Say which clusters the orders name that are not there: perhaps a slip of the pen."""
        named: dict[str, None] = {}
        for order in orders:
            match order:
                case AddBackend(about) | AddHttpFrontend(about) | AddHttpsFrontend(about):
                    if about.cluster_id is not None:
                        named[about.cluster_id] = None
                case _:
                    pass
        known = self._applier.state.cluster
        return [f"there is no cluster {name!r} yet" for name in named if known(name) is None]

    def _changed(self, orders: list[Request]) -> Iterator[None]:
        """Tell of what is in force now, in small steps."""
        self._counts.count(*orders)
        if orders:
            self.on_change()
        for order in orders:
            happening = happening_of(order)
            if happening is not None:
                self._events.publish(happening.kind, **happening.about)
                yield


def _missed(faults: list[str]) -> pb.Response:
    """Say which workers have not got what is in force."""
    return failure("\n".join([MISSED, *faults]))


def _read(batch: pb.Batch, orders: list[Request], warnings: list[str]) -> Iterator[Request]:
    """
    Give the orders of a batch, and keep them in ``orders``; a refusal tells which it is.

    What is to be told of them is kept in ``warnings``, until there is enough.
    """
    for number, message in enumerate(batch.requests, 1):
        try:
            order = request_of(message)
        except RefusedRequestError as error:
            raise RefusedRequestError(f"request {number}: {error}") from None
        orders.append(order)
        if len(warnings) < _TOLD_MAX:
            warnings += warnings_of(message)
        yield order


def _with_progress(requests: Iterator[Any], tell: Tell) -> Iterator[Any]:
    for number, request in enumerate(requests, 1):
        yield request
        if number % _PROGRESS_EVERY == 0:
            tell(processing(f"{number} records read..."))
    tell(processing("Putting them in force..."))


def details(outcome: Outcome) -> str:
    """Tell what was not simply applied, with the first few reasons; empty if all was."""
    parts = []
    if outcome.unchanged:
        parts.append(f"{outcome.unchanged} were so already")
    for number, reason in outcome.refused[:_TOLD_MAX]:
        parts.append(f"record {number + 1}: {reason}")
    left = len(outcome.refused) - _TOLD_MAX
    if left > 0:
        parts.append(f"and {left} more")
    return f" ({'; '.join(parts)})" if parts else ""


def _doubts(warnings: list[str]) -> str:
    return "".join(f"; warning: {text}" for text in warnings)


def _told_changes(requests: list[Request], what: str) -> Steps[pb.Response]:
    """Return the list of changes, as far as an answer holds it."""
    response = pb.Response(status=pb.OK)
    # Filled in place: to copy so many messages takes long by itself.
    response.content.changes.SetInParent()
    listed = response.content.changes.requests
    size = 0
    for number, request in enumerate(requests, 1):
        if number % SLICE == 0:
            yield
        message = without_keys(message_of(request))
        size += message.ByteSize() + 8
        if size > _LISTED_BYTES_MAX:
            break
        listed.append(message)
    more = f"; the first {len(listed)} are listed" if len(listed) < len(requests) else ""
    response.message = f"{len(requests)} objects {what}{more}"
    return response
