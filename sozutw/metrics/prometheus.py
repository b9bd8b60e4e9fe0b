"""
All counters in the text format of Prometheus (0.0.4), in chunks.

With many backends the whole takes longer than a loop may be held; whoever takes a chunk at a
time lets others have their turn between two of them. Each number is as it is when its chunk is
made.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sozutw.metrics import families, names
from sozutw.metrics.counters import ListenerCounters, Timer, WorkerCounters
from sozutw.metrics.families import Families, Family
from sozutw.metrics.render import BackendReport, ClusterReport

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
STEPS_PER_CHUNK: Final = 200
"""A step writes one number, the numbers of one thing, or one histogram: about 2 ms in all."""

_US_PER_SECOND: Final = 1_000_000
Bounds = Sequence[tuple[int, str]]
"""Indexes into the buckets of a timer, and the bound as it is written."""
_FINE: Final[Bounds] = [(n, repr(2**n / _US_PER_SECOND)) for n in range(7, 28)]
"""From 128 µs to 134 s, each twice the one before."""
_COARSE: Final = _FINE[1::2]
"""Of backends, which are many: from 256 µs to 67 s."""

_Counted = TypeVar("_Counted")
_Told = tuple[str, _Counted]
"""Labels, as they stand within braces, and what has the numbers."""


def chunks(
    worker: WorkerCounters,
    listeners: Mapping[str, ListenerCounters],
    clusters: Iterable[tuple[str, ClusterReport]],
    uptime_seconds: float,
) -> Iterator[bytes]:
    """
    Give the text in pieces, some of which may be empty.

    ``clusters`` is asked for one at a time, and only in the course of the pieces.
    """
    part: list[str] = []
    for step in _steps(worker, listeners, clusters, uptime_seconds):
        part.append(step)
        if len(part) == STEPS_PER_CHUNK:
            yield _encoded(part)
            part = []
    yield _encoded(part)


def _encoded(part: list[str]) -> bytes:
    return "".join(part).encode("utf-8", "backslashreplace")


def _steps(
    worker: WorkerCounters,
    listeners: Mapping[str, ListenerCounters],
    clusters: Iterable[tuple[str, ClusterReport]],
    uptime_seconds: float,
) -> Iterator[str]:
    yield _head(families.UPTIME) + _line(families.UPTIME.name, "", uptime_seconds)
    yield from _all_of(families.WORKER, [("", worker)])
    yield from _all_of(families.TLS, [("", worker.tls)])
    by_listener = [(_label("listener", address), told) for address, told in listeners.items()]
    yield from _all_of(families.LISTENER, by_listener)
    told_clusters: list[_Told[ClusterReport]] = []
    told_backends: list[_Told[BackendReport]] = []
    for cluster_id, cluster in clusters:
        label = _label("cluster", cluster_id)
        told_clusters.append((label, cluster))
        for backend_id, backend in cluster.backends:
            own = f"{_label('backend', backend_id)},{_label('address', backend.address)}"
            told_backends.append((f"{label},{own}", backend))
        # Nothing is written yet, but this may have been the last that there is time for.
        yield ""
    yield from _clusters(told_clusters)
    yield from _backends(told_backends)


def _clusters(told: Sequence[_Told[ClusterReport]]) -> Iterator[str]:
    yield from _all_of(families.CLUSTER, [(label, cluster.counters) for label, cluster in told])
    yield _head(families.BACKENDS)
    for label, cluster in told:
        yield _line(families.BACKENDS.name, label, len(cluster.backends))
    yield _head(families.AVAILABLE_BACKENDS)
    for label, cluster in told:
        available = sum(backend.is_available for _, backend in cluster.backends)
        yield _line(families.AVAILABLE_BACKENDS.name, label, available)


def _backends(told: Sequence[_Told[BackendReport]]) -> Iterator[str]:
    counted = [(label, backend.counters) for label, backend in told]
    yield from _all_of(families.BACKEND, counted, _COARSE)
    yield _head(families.IS_AVAILABLE)
    for label, backend in told:
        yield _line(families.IS_AVAILABLE.name, label, int(backend.is_available))
    yield _head(families.IS_HEALTHY)
    for label, backend in told:
        yield _line(families.IS_HEALTHY.name, label, int(backend.is_healthy))


def _all_of(
    mapping: Families, told: Sequence[_Told[object]], bounds: Bounds = _FINE
) -> Iterator[str]:
    """Give each family with the numbers of all that is counted so."""
    for attribute, family in mapping.items():
        for index, (label, counters) in enumerate(told):
            value = getattr(counters, attribute)
            head = "" if index else _head(family, is_timer=isinstance(value, Timer))
            yield head + _numbers(family, label, value, bounds)


def _numbers(family: Family, label: str, value: object, bounds: Bounds) -> str:
    match value:
        case Timer():
            return _histogram(family.name, label, value, bounds)
        case list():
            by_text = _by_class(value) if family.label == "class" else _by_status(value)
            return _several(family, label, by_text)
        case dict():
            return _several(family, label, value)
        case 0 if family is families.TLS["expires_at"]:
            # Of a certificate that is not there an alarm would say that it has long expired.
            return ""
    return _line(family.name, label, value)


def _by_class(responses: list[int]) -> dict[str, int]:
    told: dict[str, int] = {}
    for hundreds, count in enumerate(responses):
        name = names.status_class(hundreds).removeprefix("http.status.")
        told[name] = told.get(name, 0) + count
    return told


def _by_status(statuses: list[int]) -> dict[str, int]:
    """Tell those that there were; a status that never was is no news."""
    return {str(status or "none"): count for status, count in enumerate(statuses) if count}


def _several(family: Family, label: str, told: Mapping[Any, int]) -> str:
    before = f"{label}," if label else ""
    return "".join(
        [
            _line(family.name, before + _label(family.label, str(kind)), count)
            for kind, count in told.items()
        ]
    )


def _histogram(name: str, label: str, timer: Timer, bounds: Bounds) -> str:
    before = f"{label}," if label else ""
    buckets = timer.buckets
    lines = []
    seen = 0
    begin = 0
    for index, bound in bounds:
        # Bucket n holds what is below 2**n µs, in whole microseconds.
        seen += sum(buckets[begin : index + 1])
        begin = index + 1
        lines.append(f'{name}_bucket{{{before}le="{bound}"}} {seen}\n')
    seen += sum(buckets[begin:])
    lines.append(f'{name}_bucket{{{before}le="+Inf"}} {seen}\n')
    lines.append(_line(f"{name}_sum", label, timer.sum_us / _US_PER_SECOND))
    lines.append(_line(f"{name}_count", label, seen))
    return "".join(lines)


def _head(family: Family, *, is_timer: bool = False) -> str:
    kind = "counter" if family.name.endswith("_total") else "gauge"
    if is_timer:
        kind = "histogram"
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {kind}\n"


def _line(name: str, label: str, value: object) -> str:
    return f"{name}{{{label}}} {value}\n" if label else f"{name} {value}\n"


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}="{escaped}"'
