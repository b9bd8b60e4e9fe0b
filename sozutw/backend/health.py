"""
HealthChecks: probe the backends of the clusters that ask for it, and set what they count as.

What is due and what outcomes mean is decided by ``balancing.probes``; here are the clock, the
sockets and the log. One timer serves all.
"""

from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from typing_extensions import override

from sozutw.backend.factory import Dialler
from sozutw.backend.probe import Outcome, ProbeConnection
from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.balancing.probes import Probe, Probes
from sozutw.config.model import InetAddress

SLEEP_SECONDS_MAX: Final = 3600.0
"""The timer is set for no longer: a poll of the kernel cannot wait for a month."""

_log = Logger()


class HealthObserver(Protocol):
    """Who wants to hear when a backend counts as something else."""

    def backend_turned_healthy(self, state: BackendState) -> None:
        """It may be chosen again."""

    def backend_turned_unhealthy(self, state: BackendState) -> None:
        """It is left out, unless all are."""


class NoObserver:
    """A HealthObserver for when nobody wants to hear."""

    def backend_turned_healthy(self, state: BackendState) -> None:
        """Say nothing."""

    def backend_turned_unhealthy(self, state: BackendState) -> None:
        """Say nothing."""


class HealthChecks(Service):
    """The health checks of a worker."""

    def __init__(
        self,
        clock: IReactorTime,
        dialler: Dialler,
        under_way_max: int,
        forget_name: Callable[[str], None] | None = None,
    ) -> None:
        self._clock = clock
        self._dialler = dialler
        self._forget_name = forget_name
        self._probes = Probes(under_way_max)
        self._connections: dict[Probe, ProbeConnection] = {}
        self._timer: IDelayedCall | None = None
        self._armed = inf
        """When the timer goes off."""
        self.observer: HealthObserver = NoObserver()

    def __len__(self) -> int:
        """How many probes are under way."""
        return len(self._connections)

    def follow(self, cluster_id: str, cluster: ClusterState | None) -> None:
        """
        Probe the cluster with that id as it is configured now; None: there is none any more.

        To be called after each change of a cluster or of its check; calling it once more does
        nothing. Backends that come and go are seen without it.
        """
        is_checked = cluster is not None and cluster.cluster.health_check is not None
        if not is_checked and not self._probes.watches(cluster_id):
            return
        given_up, recovered = self._probes.follow(cluster_id, cluster, self._clock.seconds())
        self._give_up(given_up)
        if recovered:
            _log.info(
                "{cluster_id} is not checked any more: {count} unhealthy backends count as healthy",
                cluster_id=cluster_id,
                count=len(recovered),
            )
        for state in recovered:
            self.observer.backend_turned_healthy(state)
        self._arm()

    @override
    def startService(self) -> None:
        super().startService()
        self._arm()

    @override
    def stopService(self) -> Deferred[None] | None:
        """Probe nothing any more; what counts as unhealthy goes on to."""
        super().stopService()
        self._give_up(self._probes.clear())
        self._arm()
        return None

    def check_invariants(self) -> None:
        """Assert what always holds; for tests and development runs."""
        self._probes.check_invariants()
        assert len(self._connections) == len(self._probes)
        assert all(not probe.is_over for probe in self._connections)

    def _turn(self) -> None:
        """Do what is due."""
        self._timer = None
        now = self._clock.seconds()
        try:
            for probe in self._probes.advance(now):
                if not probe.is_over:  # as the observer of one before it may have had it
                    self._connections[probe].expire()
            for probe in self._probes.begin(now):
                self._begin(probe)
        finally:  # A defect of whoever hears of it must not be the end of all checks.
            self._arm()

    def _begin(self, probe: Probe) -> None:
        connection = self._connections[probe] = ProbeConnection(probe, self._ended)
        state = probe.state
        tls = state.cluster.cluster.backend_tls
        seconds = probe.check.timeout
        connection.dial = self._dialler.dial(state.address, connection, seconds, tls)

    def _ended(self, connection: ProbeConnection, outcome: Outcome) -> None:
        probe = connection.probe
        del self._connections[probe]
        state = probe.state
        address = state.address
        if (
            outcome.is_unreachable
            and self._forget_name is not None
            and isinstance(address, InetAddress)
        ):
            self._forget_name(address.host)
        if self._probes.ended(probe, outcome.succeeded):
            self._turned(state, outcome.reason)
        self._arm()

    def _turned(self, state: BackendState, reason: str) -> None:
        cluster = state.cluster
        healthy, total = cluster.healthy_count(), cluster.total_count()
        told = {
            "backend": state.backend_id,
            "address": state.address_text,
            "cluster_id": cluster.cluster.cluster_id,
            "healthy": healthy,
            "total": total,
        }
        if state.is_healthy:
            _log.info("{backend} of {cluster_id} at {address} is healthy again", **told)
            self.observer.backend_turned_healthy(state)
            return
        _log.warn(
            "{backend} of {cluster_id} at {address} is unhealthy: {reason}", reason=reason, **told
        )
        if 2 * healthy <= total:
            _log.warn(
                "of {total} backends of {cluster_id} only {healthy} are healthy"
                if healthy
                else "of {total} backends of {cluster_id} none is healthy: all are used",
                **told,
            )
        self.observer.backend_turned_unhealthy(state)

    def _give_up(self, probes: list[Probe]) -> None:
        for probe in probes:
            self._connections.pop(probe).give_up()

    def _arm(self) -> None:
        """See to it that the timer goes off when something is due, or earlier."""
        due = self._probes.next_due() if self.running else inf
        now = self._clock.seconds()
        due = max(due, now)
        timer = self._timer
        if timer is not None:
            if self._armed <= due < inf:
                return
            self._timer = None
            timer.cancel()
        if due < inf:
            self._armed = min(due, now + SLEEP_SECONDS_MAX)
            self._timer = self._clock.callLater(self._armed - now, self._turn)
