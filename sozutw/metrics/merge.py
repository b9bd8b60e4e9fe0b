"""The counters of several processes as those of one: counters, gauges and histograms add."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final, TypeVar

from sozutw.metrics.counters import ListenerCounters, WorkerCounters
from sozutw.metrics.render import BackendReport, ClusterReport, Reports

_A_STEP: Final = 32
"""So many clusters and backends are merged between two pauses, about 2 ms of work."""
_EARLIEST: Final = frozenset({"expires_at"})
"""Times: the first counts, and 0 is none."""

_Counters = TypeVar("_Counters")
_Told = TypeVar("_Told")


def merged(every: Sequence[Reports]) -> Generator[None, None, Reports]:
    """
    Return what all of them come to, pausing now and then; they must not change meanwhile.

    None of them is changed. One alone is returned itself. What is told by address or by id
    stands in the order of the first that names it. The uptime is the longest.
    """
    if len(every) == 1:
        return every[0]
    listeners: dict[str, ListenerCounters] = {}
    for address, same_listener in _by_key([reports.listeners for reports in every]):
        listeners[address] = _sum(same_listener)
    clusters: dict[str, ClusterReport] = {}
    for number, _ in enumerate(_merge(every, clusters), 1):
        if number % _A_STEP == 0:
            yield
    worker = _sum([WorkerCounters(), *(reports.worker for reports in every)])
    uptime_seconds = max((reports.uptime_seconds for reports in every), default=0.0)
    return Reports(worker, listeners, clusters, uptime_seconds)


def _merge(every: Sequence[Reports], clusters: dict[str, ClusterReport]) -> Iterator[None]:
    """Put the clusters together, pausing after each, and after each backend."""
    for cluster_id, same_cluster in _by_key([reports.clusters for reports in every]):
        backends: list[tuple[str, BackendReport]] = []
        counters = _sum([cluster.counters for cluster in same_cluster])
        clusters[cluster_id] = ClusterReport(counters, backends)
        yield
        known = [_keyed(cluster) for cluster in same_cluster]
        for (backend_id, address), same_backend in _by_key(known):
            backends.append((backend_id, _one_backend(address, same_backend)))
            yield


def _keyed(cluster: ClusterReport) -> dict[tuple[str, str], BackendReport]:
    """An id may stand for several addresses."""
    return {(backend_id, backend.address): backend for backend_id, backend in cluster.backends}


def _one_backend(address: str, same: Sequence[BackendReport]) -> BackendReport:
    return BackendReport(
        address,
        _sum([backend.counters for backend in same]),
        # It is configured once, though every worker knows it, and so counts once. Trouble that
        # only one of them has with it turns clients away too, and is what should be seen.
        is_available=all(backend.is_available for backend in same),
        is_healthy=all(backend.is_healthy for backend in same),
    )


def _by_key(
    mappings: Sequence[Mapping[Any, _Told]],
) -> Iterator[tuple[Any, Sequence[_Told]]]:
    """Give each key with all that is told of it, in the order of the first that has it."""
    seen: set[Any] = set()
    for mapping in mappings:
        for key in mapping:
            if key not in seen:
                seen.add(key)
                yield key, [other[key] for other in mappings if key in other]


def _sum(same: Sequence[_Counters]) -> _Counters:
    """Return new counters of the same class, field by field."""
    kind: Any = type(same[0])
    whole: _Counters = kind()
    for name in _names(kind):
        setattr(whole, name, _added(name, [getattr(one, name) for one in same]))
    return whole


def _added(name: str, values: Sequence[Any]) -> Any:
    match values[0]:
        case bool():
            return any(values)
        case int():
            return min(filter(None, values), default=0) if name in _EARLIEST else sum(values)
        case list():
            return list(map(sum, zip(*values, strict=True)))
        case dict():
            whole: dict[Any, int] = {}
            for table in values:
                for key, count in table.items():
                    whole[key] = whole.get(key, 0) + count
            return whole
        case _:
            return _sum(values)


@cache
def _names(kind: type) -> Sequence[str]:
    return [field.name for field in fields(kind)]
