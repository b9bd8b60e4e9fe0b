"""A whole desk in memory: real verbs over a real worker, in a process that the test plays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed

from sozutw.config.model import Config
from sozutw.config.state import RefusedRequestError
from sozutw.control.alone import Alone
from sozutw.control.audit import AuditTrail
from sozutw.control.changes.changes import Changes
from sozutw.control.crew import Crew
from sozutw.control.desk import Actor
from sozutw.control.events import Events, EventWitness
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.explain import Explainer
from sozutw.control.questions.metrics_verbs import MetricVerbs
from sozutw.control.questions.queries import RequestCounts, configured_counts
from sozutw.control.running import Running
from sozutw.control.verbs import CommandDesk, Parts
from sozutw.control.worker_desk import WorkerDesk, WorkerParts
from sozutw.process.counts import Counts
from sozutw.process.totals import OnlyWorker
from tests.fakes.worker import FakeWorld

T = TypeVar("T")
ME = Actor(1000, 1000, 77, "sozutw", 1)


class PlayedHost:
    """A process that does what the test says."""

    def __init__(self) -> None:
        self.configuration_path = ""
        self.is_stopping = False
        self.files: dict[str, Config | str] = {}
        """By path: what a file means, or why it means nothing."""
        self.taken: list[Config] = []
        self.waiting: list[str] = []
        self.filters: list[str] = []
        self.worker_filters: list[str] = []
        self.worker_places: list[int] = []
        self.places = 0
        self.stops: list[bool] = []
        self.reloads: list[str] = []
        """What was told of reloads: begun and ended, in turn."""
        self.stopped: Deferred[None] = Deferred()
        self.is_fresh = False
        self.upgraded: int | str = 4343
        """The id of the process that took over, or why none did."""
        self.held: Deferred[None] | None = None
        """What a thread waits for, if it is to take a while."""

    def read_configuration(self, path: str) -> "Deferred[Config]":
        found = self.files[path]
        if isinstance(found, str):
            return fail(RefusedRequestError(found))
        return succeed(found)

    def take_settings(self, config: Config) -> list[str]:
        self.taken.append(config)
        return self.waiting

    @contextmanager
    def reloading(self) -> Iterator[None]:
        self.reloads.append("begun")
        try:
            yield
        finally:
            self.reloads.append("ended")

    def set_log_filter(self, text: str) -> None:
        if text == "wrong":
            raise RefusedRequestError("that is no filter")
        self.filters.append(text)

    def get_places_per_address(self) -> int:
        return self.places

    def set_places_per_address(self, limit: int) -> None:
        self.places = limit

    def stop(self, *, is_hard: bool) -> "Deferred[None]":
        self.stops.append(is_hard)
        return self.stopped

    def upgrade(self) -> "Deferred[int]":
        if isinstance(self.upgraded, str):
            return fail(RefusedRequestError(self.upgraded))
        return succeed(self.upgraded)

    def in_thread(self, do: Callable[[], T]) -> "Deferred[T]":
        if self.held is not None:
            return self.held.addCallback(lambda _: do())
        done: Deferred[T] = execute(do)
        return done


class Lines:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reopened = 0

    def write(self, lines: bytes) -> None:
        self.lines += lines.decode().splitlines()

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> "Deferred[None]":
        return succeed(None)


class Asked:
    """One conversation: what was told on the way, and the answer once it is there."""

    def __init__(self) -> None:
        self.told: list[pb.Response] = []
        self.answers: list[pb.Response] = []

    @property
    def texts(self) -> list[str]:
        return [response.message for response in self.told]

    @property
    def answer(self) -> pb.Response:
        (answer,) = self.answers
        return answer


class DeskScene:
    """A worker with a cluster ``app`` at LISTENER, and the desk that its operators ask."""

    def __init__(self, *backends: str, crew: Crew | None = None) -> None:
        self.world = FakeWorld(*(backends or ("A",)))
        world = self.world
        self.pid = 4242
        self.host = PlayedHost()
        self.events = Events()
        world.applier.witness = EventWitness(self.events)
        counts = RequestCounts()
        self.worker_desk = WorkerDesk(
            WorkerParts(
                applier=world.applier,
                sessions=world.worker.sessions,
                explainer=Explainer(
                    world.applier.state,
                    world.applier.listeners,
                    world.certificates,
                    world.worker.means,
                ),
                names_of=world.certificates.names_of,
                set_log_filter=self.host.worker_filters.append,
                set_places_per_address=self.host.worker_places.append,
                is_stopping=lambda: self.host.is_stopping,
            ),
            world.clock,
        )
        self.crew: Crew = crew or Alone(self.worker_desk, self.host, lambda: self.pid)
        self.changes = Changes(
            world.applier, self.host, self.crew, self.events, counts, world.clock
        )
        nobody_listens: Any = SimpleNamespace(acceptors={})
        numbers = Counts(
            world.worker, nobody_listens, world.applier, world.certificates, world.clock
        )
        counted = OnlyWorker(numbers, world.clock)
        state = world.applier.state
        self.trail = Lines()
        self.desk = CommandDesk(
            Parts(
                applier=world.applier,
                changes=self.changes,
                counts=counts,
                metrics=MetricVerbs(
                    counted.gather,
                    counted.clear_all,
                    counted.worker_ids,
                    lambda: configured_counts(state),
                    self.events,
                    world.clock,
                ),
                running=Running(self.host, self.crew, self.events),
                crew=self.crew,
                events=self.events,
                host=self.host,
                names_of=world.certificates.names_of,
            ),
            AuditTrail(lambda: 1.78e9, "1.0", self.trail),
            world.clock,
        )

    def begin(self, request: pb.Request, actor: Actor = ME) -> Asked:
        """Ask; the answer may still be to come."""
        asked = Asked()
        self.desk.serve(request, actor, asked.told.append).addCallbacks(
            asked.answers.append, lambda _: None
        )
        return asked

    def ask(self, request: pb.Request, actor: Actor = ME) -> Asked:
        """Ask, and let all small steps be done."""
        asked = self.begin(request, actor)
        self.settle()
        return asked

    def settle(self) -> None:
        """Let all small steps be done."""
        for _ in range(10_000):
            calls = self.world.clock.getDelayedCalls()
            if not any(call.getTime() <= self.world.clock.seconds() for call in calls):
                break
            self.world.clock.advance(0)
        self.world.check()

    def ok(self, request: pb.Request) -> pb.Response:
        """Ask for what is done, and return the answer."""
        answer = self.ask(request).answer
        assert answer.status == pb.OK, answer.message
        return answer

    def refused(self, request: pb.Request) -> str:
        """Ask for what is refused, and return why."""
        answer = self.ask(request).answer
        assert answer.status == pb.FAILURE, answer.message
        return str(answer.message)

    def subscribe(self) -> list[str]:
        """Return the kinds of the events that come from now on."""
        kinds: list[str] = []

        def tell(response: pb.Response) -> None:
            kinds.append(pb.EventKind.Name(response.content.event.kind))

        self.events.subscribe(tell, ME).addErrback(lambda _: None)
        kinds.clear()
        return kinds
