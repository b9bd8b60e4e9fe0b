"""What all counters of a process say now, gauges brought up to date, for whoever shows them."""

from collections.abc import Generator, Iterator
from typing import Any, Final

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.listen.listeners import ListenerService
from sozutw.metrics import render
from sozutw.metrics.clearing import clear_cluster, clear_worker
from sozutw.metrics.counters import ListenerCounters, WorkerCounters
from sozutw.metrics.prometheus import chunks
from sozutw.metrics.render import BackendReport, ClusterReport, Reports
from sozutw.process.assembly import Worker

_CLUSTERS_A_STEP: Final = 64


class Counts:
    """The numbers of one process, as they are when they are asked for."""

    def __init__(
        self,
        worker: Worker,
        listeners: ListenerService,
        applier: Applier,
        certificates: Certificates,
        reactor: Any,
    ) -> None:
        self._worker = worker
        self._listeners = listeners
        self._applier = applier
        self._certificates = certificates
        self._reactor = reactor
        self._started_at = reactor.seconds()

    def gather(self) -> Generator[None, None, Reports]:
        """Bring all of them together, pausing now and then."""
        clusters: dict[str, ClusterReport] = {}
        for cluster_id, report in self.clusters():
            clusters[cluster_id] = report
            if len(clusters) % _CLUSTERS_A_STEP == 0:
                yield
        return Reports(self.worker(), self.listeners(), clusters, self.uptime_seconds())

    def clear(self) -> Generator[None, None, None]:
        """Begin anew at zero with all that only grows, pausing now and then."""
        clear_worker(self._worker.counters, self.listeners().values())
        self._certificates.begin_counting_anew()
        for number, (_, report) in enumerate(self.clusters(), 1):
            clear_cluster(report)
            if number % _CLUSTERS_A_STEP == 0:
                yield

    def uptime_seconds(self) -> float:
        """Return for how long there have been counters."""
        seconds: float = self._reactor.seconds() - self._started_at
        return seconds

    def worker(self) -> WorkerCounters:
        """Return those of the worker, with what is looked up rather than counted."""
        worker = self._worker
        counters = worker.counters
        counters.client_connections = len(worker.sessions)
        counters.http_sessions = counters.client_connections - counters.tls.https_sessions
        self._certificates.count(counters.tls)
        counters.pool_size = worker.connector.pool.idle_total
        acceptors = self._listeners.acceptors.values()
        counters.accept_queue_connections = sum(acceptor.waiting for acceptor in acceptors)
        counters.accept_queue_backpressure = int(any(acceptor.is_full for acceptor in acceptors))
        return counters

    def listeners(self) -> dict[str, ListenerCounters]:
        """Return those of each listener, by address."""
        return {
            str(address): listener.counters for address, listener in self._applier.listeners.items()
        }

    def clusters(self) -> Iterator[tuple[str, ClusterReport]]:
        """
        Give the clusters that there are now, each with what is asked of it when its turn comes.

        The configuration may change meanwhile.
        """
        return self._clusters(list(self._applier.clusters.items()))

    def _clusters(
        self, clusters: list[tuple[str, ClusterState]]
    ) -> Iterator[tuple[str, ClusterReport]]:
        for cluster_id, cluster in clusters:
            now = self._reactor.seconds()
            backends = [(state.backend_id, _report_of(state, now)) for state in cluster.backends]
            yield cluster_id, ClusterReport(cluster.counters, backends)


def as_prometheus(reports: Reports) -> Iterator[bytes]:
    """Tell all counters as Prometheus reads them, a slice at a time."""
    clusters = reports.clusters.items()
    return chunks(reports.worker, reports.listeners, clusters, reports.uptime_seconds)


def as_json(reports: Reports) -> str:
    """Tell all counters as one line of JSON."""
    return render.as_json(*reports)


def _report_of(state: BackendState, now: float) -> BackendReport:
    counters = state.counters
    # The choice among backends keeps these two, and they are not counted twice.
    counters.connections = state.connections
    counters.active_requests = state.active_requests
    return BackendReport(state.address_text, counters, state.is_available(now), state.is_healthy)
