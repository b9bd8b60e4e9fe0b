"""What the verbs need of the process that they run in; ``process.tree`` provides it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from sozutw.config.model import Config

T = TypeVar("T")


class Host(Protocol):
    """The process, as its verbs see it."""

    configuration_path: str
    """The file that it was started with; empty if there was none."""

    is_stopping: bool
    """Whether its end has begun: nobody new is accepted, and nothing is configured any more."""

    @property
    def is_fresh(self) -> bool:
        """Whether this process has taken over from another a moment ago."""

    def read_configuration(self, path: str) -> "Deferred[Config]":
        """Read and judge a file; fails with RefusedRequestError, each problem on a line."""

    def take_settings(self, config: Config) -> list[str]:
        """Let new settings hold as far as they can; return the keys that wait for a restart."""

    def reloading(self) -> AbstractContextManager[None]:
        """Have it known outside, for as long as this lasts, that another state is put in force."""

    def set_log_filter(self, text: str) -> None:
        """Log what this filter admits from now on; raises RefusedRequestError."""

    def get_places_per_address(self) -> int:
        """Return how many connections one address may have to a cluster; 0: no limit."""

    def set_places_per_address(self, limit: int) -> None:
        """Let another limit hold from the next request on."""

    def stop(self, *, is_hard: bool) -> "Deferred[None]":
        """End: let what is under way finish, or cut it; fires when the last session is gone."""

    def upgrade(self) -> "Deferred[int]":
        """
        Hand over to a new process, and fire with its id when it serves; then this one drains.

        Fails with RefusedRequestError, whose text says why, and nothing is different.
        """

    def in_thread(self, do: Callable[[], T]) -> "Deferred[T]":
        """Have a thread do what waits for the disk; fails with what it raises."""
