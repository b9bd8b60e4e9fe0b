"""What the verbs may have done by this process; provides ``control.host.Host``."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from sozutw.config.model import Config, Settings
from sozutw.config.state import RefusedRequestError
from sozutw.process.configuration import Verdict, read_configuration
from sozutw.process.live_settings import Knobs, LiveSettings

T = TypeVar("T")


class Source(NamedTuple):
    """Where a configuration comes from, to be read again, and who reads it then."""

    path: str
    """Absolute; empty if it is from no file."""
    skips_unsupported: bool = False
    user: int | None = None
    """Who the process will be when it has bound its ports, if that is another than now."""


NO_SOURCE: Final = Source("")


class ProcessHost:
    """
    The process, as its verbs see it.

    ``stop_process`` asks it to end, softly or at once.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        knobs: Knobs,
        source: Source,
    ) -> None:
        self.configuration_path = source.path
        self.user = source.user
        self.fresh_until = 0.0
        """In the reactor's seconds."""
        self.is_stopping = False
        """Set by who stops the services."""
        self._reactor = reactor
        self.live = LiveSettings(settings, knobs)
        self.skips_unsupported = source.skips_unsupported
        self._pool: ThreadPool | None = None
        self._is_closed = False
        self.stop_process: Callable[[bool], None] = lambda _is_hard: None
        self.when_sessions_end: Callable[[], Deferred[None]] = lambda: succeed(None)
        self.hand_over: Callable[[], Deferred[int]] = lambda: fail(
            RefusedRequestError("nobody is there to hand over")
        )
        self.reload_begun: Callable[[], None] = lambda: None
        self.reload_ended: Callable[[], None] = lambda: None
        self.configured: Callable[[Config], None] = lambda _config: None
        """Hears of each file that is in force, for what is no setting."""

    @property
    def is_fresh(self) -> bool:
        """Whether this process has taken over from another a moment ago."""
        seconds: float = self._reactor.seconds()
        return seconds < self.fresh_until

    def read_configuration(self, path: str) -> "Deferred[Config]":
        """Read and judge a file in a thread; fails with all that is wrong, a line each."""
        where = os.path.abspath(path)  # links stay as they are, for messages
        return self.in_thread(lambda: self._read(where)).addCallback(_config_of)

    def _read(self, path: str) -> Verdict:
        _refuse_what_is_no_file(path)
        return read_configuration(path, skip_unsupported=self.skips_unsupported, is_running=True)

    def take_settings(self, config: Config) -> list[str]:
        """Let new settings hold; return the keys that wait for a restart."""
        waiting = self.live.take(config.settings)
        self.configured(config)
        return waiting

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell whoever looks after this process that it reloads, for as long as this lasts."""
        self.reload_begun()
        try:
            yield
        finally:
            self.reload_ended()

    def set_log_filter(self, text: str) -> None:
        """Log what this filter admits from now on; raises RefusedRequestError."""
        self.live.set_log_filter(text)

    def get_places_per_address(self) -> int:
        """Return how many connections one address may have to a cluster; 0: no limit."""
        return self.live.places

    def set_places_per_address(self, limit: int) -> None:
        """Let another limit hold from the next request on."""
        self.live.set_places(limit)

    def stop(self, *, is_hard: bool) -> "Deferred[None]":
        """End the process; fires when the last session is gone."""
        ended = self.when_sessions_end()
        self.stop_process(is_hard)
        return ended

    def upgrade(self) -> "Deferred[int]":
        """Hand over to a new process; fires with its id when it serves."""
        return self.hand_over()

    def in_thread(self, do: Callable[[], T]) -> "Deferred[T]":
        """Have our one thread do what waits for the disk; after ``close`` it fails."""
        if self._is_closed:
            # A thread that is begun now would keep the process from ending.
            return fail(RefusedRequestError("the process is stopping"))
        if self._pool is None:
            # Not the reactor's: names are looked up there, and may take long.
            self._pool = ThreadPool(0, 1, "disk")
            self._pool.start()
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, do)
        return done

    def close(self) -> None:
        """Do nothing more in threads; what was begun is waited for."""
        self._is_closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()


def _refuse_what_is_no_file(path: str) -> None:
    """A pipe may never end, nor a device; whoever asked is not there to see to it."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # The reader tells it as it tells all that is wrong.
    except ValueError:
        raise RefusedRequestError("a path has no NUL in it") from None
    if not stat.S_ISREG(mode):
        raise RefusedRequestError(f"{path} is no file")


def _config_of(verdict: Verdict) -> Config:
    if verdict.config is None:
        raise RefusedRequestError("\n".join(verdict.lines()))
    return verdict.config
