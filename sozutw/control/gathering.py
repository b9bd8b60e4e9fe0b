"""The live numbers of listeners, clusters and backends, brought together when somebody asks."""

from collections.abc import Mapping

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import InetAddress
from sozutw.metrics.counters import WorkerCounters
from sozutw.metrics.render import BackendReport, ClusterReport, Reports
from sozutw.relay.route import ListenerState


def reports_of(
    counters: WorkerCounters,
    listeners: Mapping[InetAddress, ListenerState],
    clusters: Mapping[str, ClusterState],
    now: float,
    uptime_seconds: float,
) -> Reports:
    """Return all numbers; the gauges of backends, which nobody counts twice, are read off here."""
    return Reports(
        counters,
        {str(address): listener.counters for address, listener in listeners.items()},
        {
            cluster_id: ClusterReport(
                cluster.counters,
                [(state.backend_id, _report_of(state, now)) for state in cluster.backends],
            )
            for cluster_id, cluster in clusters.items()
        },
        uptime_seconds,
    )


def _report_of(state: BackendState, now: float) -> BackendReport:
    counters = state.counters
    counters.connections = state.connections
    counters.active_requests = state.active_requests
    return BackendReport(state.address_text, counters, state.is_available(now))
