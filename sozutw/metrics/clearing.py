"""Counters and timers begin anew at zero; gauges, which tell how it is now, stay."""

from collections.abc import Iterable
from dataclasses import fields

from sozutw.metrics import names
from sozutw.metrics.counters import ListenerCounters, Timer, WorkerCounters
from sozutw.metrics.render import ClusterReport


def clear_worker(worker: WorkerCounters, listeners: Iterable[ListenerCounters]) -> None:
    """
    Set everything that only grows back to zero, but for clusters.

    All is changed in place, since whoever counts holds the objects, and the lists and tables
    within them, from set-up on.
    """
    _clear(worker, names.WORKER)
    _clear(worker.tls, names.TLS)
    for listener in listeners:
        _clear(listener, names.LISTENER)


def clear_cluster(cluster: ClusterReport) -> None:
    """Do the same for a cluster and its backends; there may be many, so each by itself."""
    _clear(cluster.counters, names.CLUSTER)
    for _, backend in cluster.backends:
        _clear(backend.counters, names.BACKEND)


def _clear(counters: object, mapping: names.Names) -> None:
    for field in fields(counters):  # type: ignore[arg-type]  # they are all dataclasses
        name = field.name
        value = getattr(counters, name)
        if isinstance(value, Timer):
            value.buckets[:] = [0] * len(value.buckets)
            value.sum_us = 0
        elif isinstance(value, list):
            value[:] = [0] * len(value)
        elif isinstance(value, dict):
            value.clear()
        elif type(value) is int and mapping[name] not in names.GAUGES:
            setattr(counters, name, 0)
