"""The workers of a main process as the verbs see them; a ``control.crew.Crew``."""

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.control.host import Host
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.workers.fleet import Fleet
from sozutw.process.workers.forks import CannotForkError, ZygoteForks
from sozutw.process.workers.policy import CannotReplaceError


class FleetCrew:
    """Asks the fleet; ``forks`` is made anew where a worker of another program is to come."""

    def __init__(
        self, fleet: Fleet, forks: ZygoteForks, host: Host, begun: Callable[[], "Deferred[None]"]
    ) -> None:
        """Who asks the workers waits until ``begun`` fires: before that there are none."""
        self._begun = begun
        self._fleet = fleet
        self._forks = forks
        self._host = host

    def roll(self) -> list[pb.WorkerInfo]:
        """Tell which workers there are, those that leave after the others."""
        return self._fleet.roster.roll()

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Tell what ``roll`` tells, and whom each that leaves waits for."""
        return self._begun().addCallback(lambda _: self._fleet.roster.look())

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        """Ask those that serve, or one of them; fires with the answers by their ids."""
        return self._begun().addCallback(lambda _: self._fleet.roster.ask(question, only))

    def settled(self) -> "Deferred[list[str]]":
        """Fire when each has applied what was committed; a line for each that has not."""
        return self._begun().addCallback(lambda _: self._fleet.settled())

    def take_settings(self, settings: Settings) -> None:
        """Let other settings hold there, as far as they can."""
        self._fleet.take_settings(settings)

    def generation_of(self, worker_id: int) -> int | None:
        """Return which of its id serves, counted from 0; None if none does."""
        return self._fleet.roster.generation_of(worker_id)

    @inlineCallbacks
    def replace(self, worker_id: int) -> Generator["Deferred[Any]", Any, str]:
        """Put one of the program as it is now in its place; fails with RefusedRequestError."""
        # The fleet makes all of them first.
        yield self._begun()
        if self._host.is_fresh and self._fleet.roster.is_first(worker_id):
            # Sōzu's client asks for each worker after the main process was replaced.
            return f"worker {worker_id} came with the new main process"
        try:
            yield self._forks.renew()
            yield self._fleet.replace(worker_id)
        except (CannotForkError, CannotReplaceError) as error:
            self._forks.go_back()
            is_there = self._fleet.roster.generation_of(worker_id) is not None
            still = "the old one serves on" if is_there else "there is none"
            raise RefusedRequestError(f"{error}; {still}") from None
        self._forks.prove()
        return f"worker {worker_id} has another process"
