"""What serves requests in one worker, put together: sessions, pool, health checks and means."""

import random
import time
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from sozutw.backend.factory import CheckedConnector, Connector, Dialler
from sozutw.backend.health import HealthChecks
from sozutw.backend.pool import ConnectionPool
from sozutw.config.model import Settings
from sozutw.frontend.factory import Http1FrontendFactory
from sozutw.frontend.http1 import Entrance
from sozutw.metrics.counters import WorkerCounters
from sozutw.process.ids import Ulids
from sozutw.relay.access import AccessRow
from sozutw.relay.ports import Means
from sozutw.relay.route import ListenerState
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.tokens import Tokens
from sozutw.transport.patience import Wheel


class Chance(Protocol):
    """Where randomness comes from; ``random.Random``, or a test."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""

    def getrandbits(self, bits: int, /) -> int:
        """Return so many random bits."""


class Worker:
    """
    The live objects of one worker, without listening sockets or logs: what serves requests.

    Tests make one over a fake dialler and a ``Clock``; ``ProxyService`` makes one that is real.
    """

    def __init__(  # noqa: PLR0913 - all that a worker is made over is put in here
        self,
        settings: Settings,
        clock: IReactorTime,
        dialler: Dialler,
        log: Callable[[AccessRow], None],
        *,
        sessions_max: int = 10_000,
        probes_max: int = 16,
        chance: Chance | None = None,
        forget_name: Callable[[str], None] | None = None,
        is_checked: bool = False,
    ) -> None:
        chance = chance or random.Random()  # noqa: S311 - picks a backend, not a secret
        self.counters = WorkerCounters()
        self.wheel = Wheel(clock)
        self.counters.client_connections_max = sessions_max
        self.sessions = SessionManager(
            clock,
            Tokens(),
            self.counters,
            sessions_max,
            evicts=settings.evict_on_queue_full,
            zombie_seconds=settings.zombie_check_interval,
            grace_seconds=settings.graceful_shutdown_timeout,
        )
        make = CheckedConnector if is_checked else Connector
        self.connector = make(
            dialler,
            ConnectionPool(settings.backend_idle_connections_max),
            self.sessions,
            self.wheel,
            self.counters,
            chance.random,
            idle_seconds_max=settings.backend_idle_timeout,
            head_bytes_max=settings.buffer_size,
            forget_name=forget_name,
            connections_max=sessions_max,
        )
        self.health = HealthChecks(clock, dialler, probes_max, forget_name)
        self.means = Means(
            now=clock.seconds,
            wall_ns=time.time_ns,
            random=chance.random,
            new_id=Ulids(time.time_ns, chance.getrandbits).next,
            log=log,
            counters=self.counters,
            connector=self.connector,
            address_counts=self.sessions.address_counts,
            replays=settings.replay,
            dials_max=settings.dials_max,
            head_bytes_max=settings.buffer_size,
            places_per_address=settings.max_connections_per_ip,
            retry_after=settings.retry_after,
        )

    def factory_of(self, listener: ListenerState) -> Http1FrontendFactory:
        """Return what makes the connections of a listener."""
        return Http1FrontendFactory(Entrance(listener, self.means, self.sessions, self.wheel))

    def check_invariants(self) -> None:
        """Sweep everything that must agree."""
        self.connector.check_invariants()
        self.health.check_invariants()
