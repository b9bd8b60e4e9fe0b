"""All counters as one value under Sōzu's names; made when somebody asks, and only then."""

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sozutw.metrics import names
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)

_PERCENTILES: Final = {
    "p_50": 0.5,
    "p_90": 0.9,
    "p_99": 0.99,
    "p_99_9": 0.999,
    "p_99_99": 0.9999,
    "p_99_999": 0.99999,
    "p_100": 1.0,
}
_US_PER_MS: Final = 1000


class BackendReport(NamedTuple):
    """One backend, as its cluster knows it now."""

    address: str
    counters: BackendCounters
    is_available: bool
    is_healthy: bool = True
    """What its health checks say; true where nobody checks."""


class ClusterReport(NamedTuple):
    """One cluster and its backends, by id; an id may stand for several addresses."""

    counters: ClusterCounters
    backends: Sequence[tuple[str, BackendReport]]


class Reports(NamedTuple):
    """All that there is to tell; what ``report`` and ``as_json`` take."""

    worker: WorkerCounters
    listeners: Mapping[str, ListenerCounters]
    """By address."""
    clusters: Mapping[str, ClusterReport]
    """By id."""
    uptime_seconds: float


def report(
    worker: WorkerCounters,
    listeners: Mapping[str, ListenerCounters],
    clusters: Mapping[str, ClusterReport],
    uptime_seconds: float,
) -> dict[str, Any]:
    """
    Tell all numbers: ``proxy``, ``listeners`` by address and ``clusters`` by id.

    Times are in milliseconds. A percentile is the upper bound of the power of two that
    holds it, so it may be up to twice the true one.
    """
    return {
        "proxy": proxy_report(worker, listeners, clusters, uptime_seconds),
        "listeners": {
            address: _named(counters, names.LISTENER) for address, counters in listeners.items()
        },
        "clusters": {cluster_id: cluster_report(told) for cluster_id, told in clusters.items()},
    }


def proxy_report(
    worker: WorkerCounters,
    listeners: Mapping[str, ListenerCounters],
    clusters: Mapping[str, ClusterReport],
    uptime_seconds: float,
) -> dict[str, Any]:
    """Tell what ``report`` tells of the worker as a whole."""
    proxy = _proxy(worker, listeners, uptime_seconds)
    backends = [backend for told in clusters.values() for _, backend in told.backends]
    proxy |= _sums(backends, names.WORKER_SUMS)
    proxy[names.HEALTHY_BACKENDS] = sum(backend.is_healthy for backend in backends)
    return proxy | _timer(
        names.REQUEST_TIME, [told.counters.request_time for told in clusters.values()]
    )


def cluster_report(cluster: ClusterReport) -> dict[str, Any]:
    """Tell what ``report`` tells of one cluster: its own numbers, and those of its backends."""
    told = _named(cluster.counters, names.CLUSTER)
    told |= _sums((backend for _, backend in cluster.backends), names.CLUSTER_SUMS)
    for hundreds, count in enumerate(cluster.counters.responses):
        _add(told, names.status_class(hundreds), count)
    for status, count in cluster.counters.answers.items():
        name = names.answer(status)
        # The limit's refusals have their own counter already.
        if name != names.CLUSTER["rejected_per_ip"]:
            _add(told, name, count)
    backends: list[dict[str, Any]] = []
    for backend_id, backend in cluster.backends:
        metrics = _named(backend.counters, names.BACKEND)
        metrics["backend.available"] = int(backend.is_available)
        backends.append({"backend_id": backend_id, "address": backend.address, "metrics": metrics})
    told["cluster.total_backends"] = len(backends)
    told[names.HEALTHY_BACKENDS] = sum(backend.is_healthy for _, backend in cluster.backends)
    told["cluster.available_backends"] = sum(
        backend["metrics"]["backend.available"] for backend in backends
    )
    return {"cluster": told, "backends": backends}


def as_json(
    worker: WorkerCounters,
    listeners: Mapping[str, ListenerCounters],
    clusters: Mapping[str, ClusterReport],
    uptime_seconds: float,
) -> str:
    """Write ``report`` as one line of ASCII."""
    return json.dumps(report(worker, listeners, clusters, uptime_seconds), sort_keys=True)


def percentiles(timer: Timer) -> dict[str, float]:
    """Tell ``samples``, ``sum`` and the percentiles of a timer, in milliseconds."""
    samples = sum(timer.buckets)
    told: dict[str, float] = {"samples": samples, "sum": timer.sum_us / _US_PER_MS}
    for name, part in _PERCENTILES.items():
        # The sample at this rank, counted from 1: the smallest that covers the part.
        rank = max(1, -int(-samples * part // 1))
        told[name] = _bound_ms(timer.buckets, rank) if samples else 0.0
    return told


def histogram(timer: Timer) -> dict[str, Any]:
    """Tell cumulative buckets, as a Prometheus bridge wants them; ``le`` in milliseconds."""
    buckets: list[dict[str, float]] = []
    seen = 0
    for n, count in enumerate(timer.buckets):
        seen += count
        if count:
            buckets.append({"le": (1 << n) / _US_PER_MS, "count": seen})
    return {"sum": timer.sum_us / _US_PER_MS, "count": seen, "buckets": buckets}


def _bound_ms(buckets: list[int], rank: int) -> float:
    seen = 0
    n = -1
    while seen < rank:
        n += 1
        seen += buckets[n]
    return (1 << n) / _US_PER_MS


def _named(counters: object, mapping: names.Names) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for attribute, name in mapping.items():
        value = getattr(counters, attribute)
        if isinstance(value, Timer):
            told |= _timer(name, [value])
        else:
            told[name] = value
    return told


def _timer(name: str, timers: Iterable[Timer]) -> dict[str, Any]:
    """Tell timers as the one that they add up to."""
    whole = Timer()
    every = [whole, *timers]
    whole.sum_us = sum(timer.sum_us for timer in every)
    whole.buckets = list(map(sum, zip(*(timer.buckets for timer in every), strict=True)))
    return {name: percentiles(whole), f"{name}_histogram": histogram(whole)}


def _sums(backends: Iterable[BackendReport], mapping: names.Names) -> dict[str, int]:
    counters = [backend.counters for backend in backends]
    return {name: sum(map(attrgetter(attribute), counters)) for attribute, name in mapping.items()}


def _add(told: dict[str, Any], name: str, count: int) -> None:
    told[name] = told.get(name, 0) + count


def _proxy(
    worker: WorkerCounters, listeners: Mapping[str, ListenerCounters], uptime_seconds: float
) -> dict[str, Any]:
    told = _named(worker, names.WORKER) | _tls(worker.tls)
    for status, count in enumerate(worker.statuses):
        _add(told, names.status_class(status // 100), count)
    for status in names.STATUSES_TOLD:
        told[f"http.status.{status}"] = worker.statuses[status]
    for status, count in worker.answers.items():
        _add(told, names.answer(status), count)
    for protocol in ("http", "https"):
        own = [c.accepted for c in listeners.values() if c.is_secure == (protocol == "https")]
        told[f"listener.accepted.{protocol}"] = sum(own)
    told["listener.accepted.total"] = sum(c.accepted for c in listeners.values())
    told["listener.connection_capped"] = sum(counters.capped for counters in listeners.values())
    most = worker.client_connections_max
    told["client.connections_percent"] = 100 * worker.client_connections // most if most else 0
    told["process.uptime_seconds"] = int(uptime_seconds)
    return told


def _tls(tls: TlsCounters) -> dict[str, Any]:
    told = _named(tls, names.TLS)
    for attribute in names.TLS_KINDS:
        for kind, count in getattr(tls, attribute).items():
            told[names.tls_kind(attribute, kind)] = count
    return told
