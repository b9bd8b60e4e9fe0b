"""The verbs about the processes that run: their log, their limits, their end and their change."""

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from sozutw.config.state import RefusedRequestError
from sozutw.control.crew import Crew
from sozutw.control.desk import Tell
from sozutw.control.events import MAIN, Events
from sozutw.control.gathering import Gathering
from sozutw.control.host import Host
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.queries import status
from sozutw.control.replies import failure, ok, processing

Answered = Generator["Deferred[Any]", Any, pb.Response]


class Running:
    """Look at what runs, and turn its few knobs."""

    def __init__(self, host: Host, crew: Crew, events: Events) -> None:
        self._host = host
        self._crew = crew
        self._gathering = Gathering(crew)
        self._events = events

    @inlineCallbacks
    def set_log_filter(self, text: str) -> Answered:
        """Log what this filter admits, in all processes."""
        try:
            self._host.set_log_filter(text)
        except RefusedRequestError as error:
            return failure(f"Error parsing logging filter: {error}")
        self._events.publish(pb.LOGGING_LEVEL_CHANGED, origin=MAIN)
        applied: pb.Response = yield self._gathering.apply(pb.Request(Logging=text))
        return applied

    def set_connection_limit(self, limit: int) -> "Deferred[pb.Response]":
        """Let so many connections of one address to a cluster be, to each worker; 0: no limit."""
        self._host.set_places_per_address(limit)
        return self._gathering.apply(pb.Request(set_max_connections_per_ip=limit))

    def status(self) -> "Deferred[pb.Response]":
        """Tell whether the workers run or stop, and whom those wait for that stop."""
        return self._crew.look().addCallback(status)

    @inlineCallbacks
    def upgrade_worker(self, number: int, tell: Tell) -> Answered:
        """Put a worker of the program as it is now in the place of one that runs."""
        there = {info.id for info in self._crew.roll() if info.run_state != pb.STOPPING}
        if number not in there:
            return failure(f"Worker {number} does not exist, or is stopping / stopped")
        tell(processing(f"Upgrading worker {number}..."))
        try:
            text: str = yield self._crew.replace(number)
        except RefusedRequestError as error:
            return failure(f"Upgrade of worker {number} failed: {error}")
        self._events.publish(pb.WORKER_UPGRADED, origin=MAIN)
        return ok(f"Upgrade successful: {text}")

    def stop(self, tell: Tell, *, is_hard: bool) -> "Deferred[pb.Response]":
        """End the process, once what is under way has ended, or now."""
        kind = "hard" if is_hard else "soft"
        tell(processing(f"Performing {kind} stop..."))
        self._events.publish(pb.SOZU_STOP_REQUESTED, origin=MAIN)
        count = len(self._crew.roll())
        stopped = self._host.stop(is_hard=is_hard)
        text = f"Successfully closed {count} workers, 0 errors, stopping the main process..."
        return stopped.addCallback(lambda _: ok(text))
