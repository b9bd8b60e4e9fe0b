"""
The workers, as the verbs see them: who they are, what they answer, and whether all agree.

``control.alone`` is the crew where everything runs in one process; ``process.workers.crew`` the one
where the main process has workers of its own.
"""

from typing import Protocol

from twisted.internet.defer import Deferred

from sozutw.config.model import Settings
from sozutw.control.proto import command_pb2 as pb


class Crew(Protocol):
    """The workers there are; a worker's id is its place among them, from 0."""

    def roll(self) -> list[pb.WorkerInfo]:
        """Tell which there are, those that leave after the others."""

    def look(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Tell what ``roll`` tells, and whom each that leaves waits for."""

    def ask(
        self, question: pb.Request, only: int | None = None
    ) -> "Deferred[dict[str, pb.Response]]":
        """Ask those that serve, or one of them; fires with the answers by their ids."""

    def settled(self) -> "Deferred[list[str]]":
        """Fire when each has applied what was committed; a line for each that has not."""

    def take_settings(self, settings: Settings) -> None:
        """Let other settings hold there, as far as they can."""

    def generation_of(self, worker_id: int) -> int | None:
        """Return which of its id serves, counted from 0; None if none does."""

    def replace(self, worker_id: int) -> "Deferred[str]":
        """Put another in its place; fires with what happened, or fails with RefusedRequestError."""
