"""What clearing sets back, and that it leaves what tells how it is now."""

from dataclasses import fields
from typing import Any

from sozutw.metrics import names
from sozutw.metrics.clearing import clear_cluster, clear_worker
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from sozutw.metrics.render import BackendReport, ClusterReport, report

MAPPINGS = {
    WorkerCounters: names.WORKER,
    TlsCounters: names.TLS,
    ListenerCounters: names.LISTENER,
    ClusterCounters: names.CLUSTER,
    BackendCounters: names.BACKEND,
}


def filled(kind: type) -> Any:
    """Counters of that kind, none of which is at its start."""
    counters = kind()
    for field in fields(kind):
        value = getattr(counters, field.name)
        if isinstance(value, Timer):
            value.add(700)
        elif isinstance(value, list):
            value[0] = value[-1] = 5
        elif isinstance(value, dict):
            value["x" if kind is TlsCounters else 404] = 5
        elif isinstance(value, TlsCounters):
            counters.tls = filled(TlsCounters)
        elif isinstance(value, bool):
            setattr(counters, field.name, True)
        elif isinstance(value, int):
            setattr(counters, field.name, 5)
    return counters


def insides(counters: Any) -> list[object]:
    """What somebody may hold: the same objects after as before."""
    values = [getattr(counters, field.name) for field in fields(counters)]
    return [
        *(value for value in values if isinstance(value, list | dict | Timer)),
        *(value.buckets for value in values if isinstance(value, Timer)),
    ]


def test_what_grows_is_zero_again_and_what_tells_now_stays() -> None:
    worker, listener = filled(WorkerCounters), filled(ListenerCounters)
    cluster, backend = filled(ClusterCounters), filled(BackendCounters)
    every = [worker, worker.tls, listener, cluster, backend]
    held = [insides(counters) for counters in every]
    clear_worker(worker, [listener])
    clear_cluster(ClusterReport(cluster, [("b", BackendReport("", backend, True))]))
    for counters, inside in zip(every, held, strict=True):
        assert [id(value) for value in insides(counters)] == [id(value) for value in inside]
        mapping = MAPPINGS[type(counters)]
        for field in fields(counters):
            value = getattr(counters, field.name)
            if isinstance(value, Timer):
                assert value.sum_us == sum(value.buckets) == 0
            elif isinstance(value, list):
                assert set(value) == {0}
            elif isinstance(value, dict):
                assert not value
            elif isinstance(value, TlsCounters):
                assert value is worker.tls
            elif isinstance(value, bool):
                assert value, field.name
            elif mapping[field.name] in names.GAUGES:
                assert value == 5, field.name
            else:
                assert value == 0, field.name


def test_all_that_is_told_afterwards_is_that_nothing_happened_yet() -> None:
    worker, cluster = filled(WorkerCounters), filled(ClusterCounters)
    reports = {"c": ClusterReport(cluster, [])}
    clear_worker(worker, [])
    clear_cluster(reports["c"])
    told = report(worker, {}, reports, 1)
    for group in (told["proxy"], told["clusters"]["c"]["cluster"]):
        for name, value in group.items():
            if isinstance(value, int):
                assert value == 0 or name in names.GAUGES, name
            else:
                assert value["sum"] == 0, name
