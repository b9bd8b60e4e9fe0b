"""What Prometheus would read, read with its own parser."""

import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sozutw.metrics import families
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from sozutw.metrics.prometheus import STEPS_PER_CHUNK, chunks
from sozutw.metrics.render import BackendReport, ClusterReport

HOSTILE = 'a"b\\c\nd\\n{},= é\udc80'


def text(
    worker: WorkerCounters | None = None,
    listeners: dict[str, ListenerCounters] | None = None,
    clusters: dict[str, ClusterReport] | None = None,
) -> str:
    told = chunks(worker or WorkerCounters(), listeners or {}, (clusters or {}).items(), 1.5)
    return b"".join(told).decode()


def samples(told: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read a text; no sample may be there twice."""
    found: dict[Any, float] = {}
    for family in text_string_to_metric_families(told):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def filled(kind: type, first: int) -> Any:
    """Counters of which no two are alike, so that none can stand for another."""
    counters = kind()
    if kind is WorkerCounters:
        counters.tls = filled(TlsCounters, 500)
    for n, field in enumerate(fields(kind), start=first):
        value = getattr(counters, field.name)
        if isinstance(value, bool):
            setattr(counters, field.name, True)
        elif isinstance(value, int):
            setattr(counters, field.name, n)
        elif isinstance(value, Timer):
            value.add(n)
        elif isinstance(value, list):
            value[2] = n
        elif isinstance(value, dict):
            value["x"] = n
    return counters


def test_every_counter_is_told_with_its_own_value() -> None:
    worker, listener = filled(WorkerCounters, 100), filled(ListenerCounters, 200)
    cluster, backend = filled(ClusterCounters, 300), filled(BackendCounters, 400)
    told = samples(
        text(
            worker,
            {"l": listener},
            {"c": ClusterReport(cluster, [("b", BackendReport("a", backend, True))])},
        )
    )
    labels = {"l": {"listener": "l"}, "c": {"cluster": "c"}}
    labels["b"] = {"cluster": "c", "backend": "b", "address": "a"}
    for counters, mapping, own in (
        (worker, families.WORKER, {}),
        (worker.tls, families.TLS, {}),
        (listener, families.LISTENER, labels["l"]),
        (cluster, families.CLUSTER, labels["c"]),
        (backend, families.BACKEND, labels["b"]),
    ):
        for attribute, family in mapping.items():
            value = getattr(counters, attribute)
            name, more = family.name, dict(own)
            if isinstance(value, Timer):
                name, value = f"{name}_sum", value.sum_us / 1e6
            elif isinstance(value, list):
                more[family.label] = "2xx" if family.label == "class" else "2"
                value = value[2]
            elif isinstance(value, dict):
                more[family.label] = "x"
                value = value["x"]
            assert told[name, tuple(sorted(more.items()))] == value != 0, attribute


def test_what_is_no_counter_is_told_too() -> None:
    backends = [
        ("x", BackendReport("1", BackendCounters(), True)),
        ("x", BackendReport("2", BackendCounters(), False)),
    ]
    told = samples(text(clusters={"c": ClusterReport(ClusterCounters(), backends)}))
    assert told["sozutw_uptime_seconds", ()] == 1.5
    assert told["sozutw_cluster_backends", (("cluster", "c"),)] == 2
    assert told["sozutw_cluster_available_backends", (("cluster", "c"),)] == 1
    # One id may stand for several addresses.
    for address, is_available in (("1", 1), ("2", 0)):
        labels = (("address", address), ("backend", "x"), ("cluster", "c"))
        assert told["sozutw_backend_available", labels] == is_available


def test_families_stand_together_each_under_one_head() -> None:
    report = ClusterReport(
        ClusterCounters(), [(n, BackendReport(n, BackendCounters(), True)) for n in "xy"]
    )
    told = text(
        listeners={n: ListenerCounters() for n in "ab"}, clusters={"c": report, "d": report}
    )
    heads = [line.split()[2] for line in told.splitlines() if line.startswith("# TYPE")]
    helps = [line.split()[2] for line in told.splitlines() if line.startswith("# HELP")]
    assert heads == helps
    assert len(set(heads)) == len(heads)
    current = ""
    for line in told.splitlines():
        if line.startswith("#"):
            current = line.split()[2]
        else:
            assert line.partition("{")[0].partition(" ")[0].removeprefix(current) in (
                "",
                "_bucket",
                "_sum",
                "_count",
            ), line
    assert told.endswith("\n")


def test_kinds_are_told_as_prometheus_calls_them() -> None:
    kinds = {f.name: f.type for f in text_string_to_metric_families(text())}
    # The parser takes _total off.
    assert kinds["sozutw_http_requests"] == "counter"
    assert kinds["sozutw_client_connections"] == "gauge"
    assert kinds["sozutw_uptime_seconds"] == "gauge"
    assert kinds["sozutw_tls_handshake_seconds"] == "histogram"


def test_statuses_that_never_were_are_left_out() -> None:
    worker = WorkerCounters()
    worker.statuses[0] = 1
    worker.statuses[404] = 2
    told = samples(text(worker))
    name = "sozutw_http_responses_total"
    assert {key: value for key, value in told.items() if key[0] == name} == {
        (name, (("code", "none"),)): 1,
        (name, (("code", "404"),)): 2,
    }


def test_classes_are_all_told_and_the_odd_ones_together() -> None:
    counters = ClusterCounters(responses=[1, 0, 3, 0, 0, 0, 4, 0, 0, 5])
    told = samples(text(clusters={"c": ClusterReport(counters, [])}))
    name = "sozutw_cluster_responses_total"
    assert {dict(key[1])["class"]: value for key, value in told.items() if key[0] == name} == {
        "none": 1,
        "1xx": 0,
        "2xx": 3,
        "3xx": 0,
        "4xx": 0,
        "5xx": 0,
        "other": 9,
    }


def test_without_a_certificate_none_expires() -> None:
    name = families.TLS["expires_at"].name
    assert (name, ()) not in samples(text())
    assert samples(text(WorkerCounters(tls=TlsCounters(expires_at=5))))[name, ()] == 5


def test_labels_that_would_break_out_are_escaped() -> None:
    report = ClusterReport(
        ClusterCounters(), [(HOSTILE, BackendReport(HOSTILE, BackendCounters(requests=7), True))]
    )
    told = samples(text(listeners={HOSTILE: ListenerCounters()}, clusters={HOSTILE: report}))
    shown = HOSTILE.replace("\udc80", "\\udc80")
    labels = (("address", shown), ("backend", shown), ("cluster", shown))
    assert told["sozutw_backend_requests_total", labels] == 7
    assert ("sozutw_listener_accepted_total", (("listener", shown),)) in told


@pytest.mark.parametrize(
    ("us", "bound"),
    [(0, "0.000128"), (127, "0.000128"), (128, "0.000256"), (2**27 - 1, "134.217728")],
)
def test_a_time_is_in_the_first_bucket_that_bounds_it(us: int, bound: str) -> None:
    worker = WorkerCounters()
    worker.accept_wait_time.add(us)
    name = families.WORKER["accept_wait_time"].name
    told = samples(text(worker))
    buckets = {
        dict(labels)["le"]: value for (n, labels), value in told.items() if n == f"{name}_bucket"
    }
    assert next(le for le, value in buckets.items() if value) == bound
    assert buckets["+Inf"] == told[f"{name}_count", ()] == 1
    assert told[f"{name}_sum", ()] == us / 1e6
    assert list(buckets.values()) == sorted(buckets.values())


def test_what_outlasts_all_bounds_is_counted_all_the_same() -> None:
    counters = BackendCounters()
    for us in (100, 2**26, 2**40):
        counters.response_time.add(us)
    report = ClusterReport(ClusterCounters(), [("b", BackendReport("a", counters, True))])
    told = text(clusters={"c": report})
    (last,) = [
        line for line in told.splitlines() if "response_seconds_bucket" in line and "67.1" in line
    ]
    assert last.endswith(" 1")
    (whole,) = [
        line for line in told.splitlines() if "response_seconds_bucket" in line and "Inf" in line
    ]
    assert whole.endswith(" 3")


def many(clusters: int) -> Iterator[tuple[str, ClusterReport]]:
    for n in range(clusters):
        backends = [
            (f"b{i}", BackendReport(f"10.0.0.{i}:80", BackendCounters(), True)) for i in range(5)
        ]
        yield f"cluster-{n}", ClusterReport(ClusterCounters(), backends)


def test_no_chunk_holds_the_loop_for_long() -> None:
    """Counted in calls, ours and the interpreter's: at 0.1 µs each, 20,000 are 2 ms."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    told = chunks(WorkerCounters(), {}, many(200), 1)
    most = total = 0
    before = sys.getprofile()
    while True:
        calls = 0
        sys.setprofile(count)
        try:
            chunk = next(told, None)
        finally:
            sys.setprofile(before)
        most = max(most, calls)
        if chunk is None:
            break
        total += 1
        assert chunk.count(b"\n") <= 25 * STEPS_PER_CHUNK
    assert total > 80
    assert most < 20_000


def test_clusters_are_asked_for_as_the_text_is_made() -> None:
    asked = 0

    def clusters() -> Iterator[tuple[str, ClusterReport]]:
        nonlocal asked
        for told in many(2 * STEPS_PER_CHUNK):
            asked += 1
            yield told

    told = chunks(WorkerCounters(), {}, clusters(), 1)
    next(told)
    assert 0 < asked < STEPS_PER_CHUNK
