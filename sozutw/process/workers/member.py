"""
One worker process: what it was told, what it has answered, and how far its life has come.

LIFECYCLE.md beside this file has the states. It must not know the other workers.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed

from sozutw.config.model import Settings
from sozutw.config.settings_text import settings_text
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import failure
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.handle import Handle
from sozutw.process.workers.link import Link
from sozutw.process.workers.pulse import Pulse
from sozutw.process.workers.questions import Questions

CHANNEL_VERSION: Final = 1
"""Of the words between the main process and its workers."""


class Stage(Enum):
    """How far a worker's life has come."""

    LOADING = "loading"
    """Its process begins, and is told the configuration."""
    LOADED = "loaded"
    """It could serve."""
    SERVING = "serving"
    LEAVING = "leaving"
    """It accepts nobody new, and ends with its last client."""
    GONE = "gone"


_TOLD: Final = frozenset({Stage.LOADING, Stage.LOADED, Stage.SERVING})
"""Who hears of changes."""


class Overseer(Protocol):
    """Who looks after a worker."""

    def loaded(self, member: "Member") -> None:
        """It has the configuration, and waits for the word to serve."""

    def applied(self, member: "Member", number: int, error: str | None) -> None:
        """It has applied a change, or has not."""

    def happened_in(self, member: "Member", event: pb.Event) -> None:
        """Something happened there that subscribers are told of."""

    def closed(self, member: "Member") -> None:
        """It was told to leave, and listens no more."""

    def lost(self, member: "Member", why: str) -> None:
        """It has gone, for whatever reason; never called out of a call of ours."""


class Member:
    """A worker, from the wish to have one to its end."""

    def __init__(self, worker_id: int, generation: int, overseer: Overseer, reactor: Any) -> None:
        self.id = worker_id
        self.generation = generation
        """How many of its id there were before."""
        self.stage = Stage.LOADING
        self.sessions = 0
        """How many clients it had when it last told."""
        self.begun_at: float = reactor.seconds()
        self.has_loaded = False
        """Whether it could serve once."""
        self.confirmed = 0
        """The number of the last change of which it has told what came."""
        self.applied = 0
        """The number of the last change that it has, with all before it."""
        self.diverged: str | None = None
        """Why it has another configuration than it should, if it has."""
        self.link = Link(reactor, self)
        self._overseer = overseer
        self._process = Handle(reactor)
        self._settings: Settings | None = None
        self._unconfirmed: dict[int, Batch] = {}
        self._questions = Questions()
        self._pulse = Pulse(lambda: self.link.say(words.ToWorker(ping=True)))

    @property
    def is_serving(self) -> bool:
        """Whether it takes new clients."""
        return self.stage is Stage.SERVING

    @property
    def name(self) -> str:
        """What logs call it."""
        return f"worker {self.id}"

    @property
    def pid(self) -> int:
        """The number of its process; 0 until there is one."""
        return self._process.pid

    @property
    def unanswered(self) -> int:
        """How many looks there were since the one that it has not answered."""
        return self._pulse.unanswered

    @property
    def listens(self) -> bool:
        """Whether it may have listening sockets open."""
        return self._pulse.listens

    @property
    def behind(self) -> int:
        """How many changes it was told of, or is going to be, without a word of what came."""
        return len(self._unconfirmed)

    # Its process.

    def has_process(self, pid: int) -> None:
        """Its process is there; if nobody wants it any more, it ends."""
        try:
            self._process.begun(pid)
        except OSError as error:
            self.link.cut(f"its process cannot be held: {error.strerror}")

    def has_ended(self) -> None:
        """Its process has ended; its channel has told so, or is about to."""
        self._process.ended()

    def kill(self, why: str) -> None:
        """End its process at once."""
        self._process.kill()
        self.link.cut(why)

    def ends_because(self, why: str) -> None:
        """It has told why it cannot go on, and is about to end."""
        self.stage, self.link.why = Stage.LEAVING, why
        self._process.see_out()

    # What it is told.

    def begin(
        self,
        settings: Settings,
        configuration: Batch,
        listeners: int,
        processor: int | None,
        *,
        survives: bool,
    ) -> None:
        """Tell it who it is, and all that is configured."""
        beginning = words.Beginning(
            version=CHANNEL_VERSION,
            id=self.id,
            generation=self.generation,
            settings=settings_text(settings),
            processor=processor,
            survives_main=survives,
            listeners=listeners,
        )
        self._settings = settings
        self.link.say(words.ToWorker(beginning=beginning))
        self.tell(configuration)

    def tell(self, batch: Batch) -> None:
        """Tell it of a change; one that leaves needs none."""
        if self.stage in _TOLD:
            batch.hold()
            self._unconfirmed[batch.number] = batch
            self.link.send(batch)

    def serve(self) -> None:
        """Let it accept clients."""
        assert self.stage is Stage.LOADED
        self.stage = Stage.SERVING
        self.link.say(words.ToWorker(serve=True))

    def leave(self, *, is_hard: bool, seconds: float | None) -> None:
        """Let it end: with its last client, or after so many seconds, or at once."""
        if self.stage is Stage.GONE:
            return
        self.stage = Stage.LEAVING
        stopping = words.Stopping(is_hard=is_hard, seconds=seconds)
        self.link.say(words.ToWorker(stop=stopping))
        self._pulse.leaves()

    def take_settings(self, settings: Settings) -> None:
        """Let settings hold there too, as far as they can, if it was told others."""
        if settings != self._settings:
            self._settings = settings
            self.link.say(words.ToWorker(settings=settings_text(settings)))

    def reopen_logs(self) -> None:
        """Let it go on with its logs in files that may be new."""
        self.link.say(words.ToWorker(reopen_logs=True))

    def clear_counters(self) -> None:
        """Let it begin its counters anew."""
        self.link.say(words.ToWorker(clear=True))

    # What it is asked.

    def ask(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Ask something; if it goes before it has answered, the answer is a FAILURE."""
        if self.stage is Stage.GONE:
            return succeed(failure("it has gone"))
        number, answered = self._questions.ask()
        self.link.say(words.ToWorker(question=words.Question(id=number, content=question)))
        return answered

    def count(self) -> "Deferred[list[bytes]]":
        """Ask for its counters, in pieces; none if it goes before it has told them."""
        if self.stage is Stage.GONE:
            return succeed([])
        number, counted = self._questions.count()
        self.link.say(words.ToWorker(counters=number))
        return counted

    def give_up(self, why: str) -> None:
        """Wait for no answer any more."""
        self._questions.give_up(why)

    def look(self) -> None:
        """A second has gone by: ask whether it lives, unless it has not answered that yet."""
        self._questions.looked()
        if self.pid:  # Before that nobody is there who could answer.
            self._pulse.look()

    # What it says; ``link.LinkEnd``.

    def received(self, word: words.FromWorker) -> None:
        """It has said something; so it lives."""
        self._pulse.spoke()
        kind = word.WhichOneof("word")
        hear = self._HEARD.get(kind or "")
        if hear is not None:
            hear(self, getattr(word, kind))

    def has_taken(self) -> None:
        """It was too slow for what it is told, and has read all of that since."""
        self._pulse.has_read()

    def _hear_begun(self, begun: words.Begun) -> None:
        if begun.version != CHANNEL_VERSION:
            self.kill(
                f"it speaks version {begun.version}, and the main process {CHANNEL_VERSION};"
                " upgrade the main process"
            )

    def _hear_applied(self, applied: words.Applied) -> None:
        number = applied.number
        batch = self._unconfirmed.get(number)
        if batch is None or number != min(self._unconfirmed) or self.link.is_sending(batch):
            self.kill(f"it tells of a change {number} that it was not told of")
            return
        del self._unconfirmed[number]
        batch.let_go()
        self.confirmed = number
        error = applied.error if applied.HasField("error") else None
        if error is not None:
            self.diverged = self.diverged or error
        elif self.diverged is None:
            self.applied = number
        # Nobody waits for one that loads with what is changed meanwhile: it is to have that too.
        if error is None and self.stage is Stage.LOADING and not self._unconfirmed:
            self.stage, self.has_loaded = Stage.LOADED, True
            self._overseer.loaded(self)
        self._overseer.applied(self, number, error)

    def _hear_event(self, event: pb.Event) -> None:
        self._overseer.happened_in(self, event)

    def _hear_pong(self, pong: words.Pong) -> None:
        self.sessions = pong.sessions
        if self._pulse.ponged():
            self._overseer.closed(self)

    def _hear_answer(self, answer: words.Answer) -> None:
        self._questions.answered(answer)

    def _hear_counters(self, counters: words.Counters) -> None:
        self._questions.told(counters)

    def lost(self, why: str) -> None:
        """It says no more, and hears no more."""
        self.stage, before = Stage.GONE, self.stage
        if before is Stage.LEAVING:
            self._process.see_out()
        else:
            # Its channel may have closed, and the process not have noticed.
            self._process.drop()
        for batch in self._unconfirmed.values():
            batch.let_go()
        self._unconfirmed.clear()
        self._overseer.lost(self, why)
        # Last: whoever waits may do anything then.
        self.give_up(f"it went before it had answered: {why}")

    _HEARD: Final[dict[str, Callable[["Member", Any], None]]] = {
        "begun": _hear_begun,
        "applied": _hear_applied,
        "answer": _hear_answer,
        "event": _hear_event,
        "pong": _hear_pong,
        "counters": _hear_counters,
    }
