"""
One worker process: what it was told, what it has answered, and how far its life has come.

LIFECYCLE.md beside this file has the states. It must not know the other workers.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed

from sozutw.config.model import Settings
from sozutw.config.settings_text import settings_text
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import failure
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.link import Link

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


class Overseer(Protocol):
    """Who looks after the workers."""

    def loaded(self, member: "Member") -> None:
        """It has the configuration, and waits for the word to serve."""

    def applied(self, member: "Member", number: int, error: str | None) -> None:
        """It has applied a change, or has not."""

    def happened_in(self, member: "Member", event: pb.Event) -> None:
        """Something happened there that subscribers are told of."""

    def lost(self, member: "Member", why: str) -> None:
        """It has gone, for whatever reason."""


class Handle:
    """A process that is not our child, and the one thing done to it."""

    def __init__(self, pid: int) -> None:
        self._pidfd = os.pidfd_open(pid)

    def kill(self) -> None:
        """End it at once; nothing if it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._pidfd)


class Member:
    """A worker, from the wish to have one to its end."""

    def __init__(
        self, worker_id: int, generation: int, overseer: Overseer, reactor: Any, begun_at: float
    ) -> None:
        self.id = worker_id
        self.generation = generation
        """How many of its id there were before."""
        self.stage = Stage.LOADING
        self.pid = 0
        self.sessions = 0
        """How many clients it had when it last told."""
        self.begun_at = begun_at
        self.applied = 0
        """The number of the last change that it has."""
        self.unanswered = 0
        """How many looks ago it was asked whether it lives."""
        self.link = Link(reactor, self._received, self._lost)
        self._overseer = overseer
        self._handle: Handle | None = None
        self._unconfirmed: dict[int, Batch] = {}
        self._asked: dict[int, Deferred[pb.Response]] = {}
        self._counting: dict[int, tuple[list[bytes], Deferred[list[bytes]]]] = {}
        self._questions = 0

    @property
    def is_serving(self) -> bool:
        """Whether it takes new clients."""
        return self.stage is Stage.SERVING

    @property
    def name(self) -> str:
        """What logs call it."""
        return f"worker {self.id}"

    # What it is told.

    def has_process(self, pid: int) -> None:
        """Its process is there."""
        self.pid = pid
        try:
            self._handle = Handle(pid)
        except ProcessLookupError:
            return  # It has ended already; its channel tells so.

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
        self.link.say(words.ToWorker(beginning=beginning))
        self.tell(configuration)

    def tell(self, batch: Batch) -> None:
        """Tell it of a change; one that leaves needs none."""
        if self.stage in {Stage.LOADING, Stage.LOADED, Stage.SERVING}:
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
        self.stage = Stage.LEAVING
        stopping = words.Stopping(is_hard=is_hard, seconds=seconds)
        self.link.say(words.ToWorker(stop=stopping))

    def ask(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Ask something; if it goes before it has answered, the answer is a FAILURE."""
        if self.stage is Stage.GONE:
            return succeed(failure("it has gone"))
        self._questions += 1
        number = self._questions
        answered: Deferred[pb.Response] = Deferred()
        self._asked[number] = answered
        self.link.say(words.ToWorker(question=words.Question(id=number, content=question)))
        return answered

    def count(self) -> "Deferred[list[bytes]]":
        """Ask for its counters, in pieces; none if it goes before it has told them."""
        if self.stage is Stage.GONE:
            return succeed([])
        self._questions += 1
        counted: Deferred[list[bytes]] = Deferred()
        self._counting[self._questions] = [], counted
        self.link.say(words.ToWorker(counters=self._questions))
        return counted

    def ping(self) -> None:
        """Ask whether it lives; one who has not answered yet is not asked again."""
        if self.unanswered == 0:
            self.link.say(words.ToWorker(ping=True))
        self.unanswered += 1

    def take_settings(self, settings: Settings) -> None:
        """Let other settings hold there too, as far as they can."""
        if self.stage is not Stage.GONE:
            self.link.say(words.ToWorker(settings=settings_text(settings)))

    def reopen_logs(self) -> None:
        """Let it go on with its logs in files that may be new."""
        if self.stage is not Stage.GONE:
            self.link.say(words.ToWorker(reopen_logs=True))

    def kill(self, why: str) -> None:
        """End its process at once."""
        if self._handle is not None:
            self._handle.kill()
        self.link.cut(why)

    def clear_counters(self) -> None:
        """Let it begin its counters anew."""
        self.link.say(words.ToWorker(clear=True))

    def give_up(self, why: str) -> None:
        """Wait for no answer any more."""
        asked, self._asked = self._asked, {}
        counting, self._counting = self._counting, {}
        for answered in asked.values():
            answered.callback(failure(why))
        for _, counted in counting.values():
            counted.callback([])

    # What it says.

    def _received(self, word: words.FromWorker) -> None:
        self.unanswered = 0
        kind = word.WhichOneof("word")
        hear = self._HEARD.get(kind or "")
        if hear is not None:
            hear(self, getattr(word, kind))

    def _hear_begun(self, begun: words.Begun) -> None:
        if begun.version != CHANNEL_VERSION:
            self.kill(
                f"it speaks version {begun.version}, and the main process {CHANNEL_VERSION};"
                " upgrade the main process"
            )

    def _hear_applied(self, applied: words.Applied) -> None:
        batch = self._unconfirmed.pop(applied.number, None)
        if batch is None:
            self.kill(f"it tells of a change {applied.number} that it was not told of")
            return
        batch.let_go()
        error = applied.error if applied.HasField("error") else None
        if error is None:
            self.applied = applied.number
            if self.stage is Stage.LOADING:
                self.stage = Stage.LOADED
                self._overseer.loaded(self)
        self._overseer.applied(self, applied.number, error)

    def _hear_answer(self, answer: words.Answer) -> None:
        answered = self._asked.pop(answer.id, None)
        if answered is not None:
            answered.callback(answer.response)

    def _hear_event(self, event: pb.Event) -> None:
        self._overseer.happened_in(self, event)

    def _hear_pong(self, pong: words.Pong) -> None:
        self.sessions = pong.sessions

    def _hear_counters(self, counters: words.Counters) -> None:
        entry = self._counting.get(counters.id)
        if entry is None:
            return
        pieces, counted = entry
        if counters.piece:
            pieces.append(counters.piece)
            return
        del self._counting[counters.id]
        counted.callback(pieces)

    def _lost(self, why: str) -> None:
        if self.stage is Stage.GONE:
            return
        self.stage, before = Stage.GONE, self.stage
        if self._handle is not None:
            if before is not Stage.LEAVING:
                # Its channel may have closed, and the process not have noticed.
                self._handle.kill()
            self._handle.close()
            self._handle = None
        for batch in self._unconfirmed.values():
            batch.let_go()
        self._unconfirmed.clear()
        self.give_up(f"it went before it had answered: {why}")
        self._overseer.lost(self, why)

    _HEARD: Final[dict[str, Callable[["Member", Any], None]]] = {
        "begun": _hear_begun,
        "applied": _hear_applied,
        "answer": _hear_answer,
        "event": _hear_event,
        "pong": _hear_pong,
        "counters": _hear_counters,
    }
