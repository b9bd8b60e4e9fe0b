import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from sozutw.metrics.render import (
    BackendReport,
    ClusterReport,
    as_json,
    histogram,
    percentiles,
    report,
)


def proxy(worker: WorkerCounters, **listeners: ListenerCounters) -> dict[str, Any]:
    told = report(worker, listeners, {}, 1.9)["proxy"]
    assert isinstance(told, dict)
    return told


def test_a_counter_is_told_under_sozus_name() -> None:
    told = proxy(WorkerCounters(requests=3, unsent_access_logs=1))
    assert told["http.requests"] == 3
    assert told["unsent-access-logs"] == 1
    assert told["process.uptime_seconds"] == 1


def test_statuses_are_told_by_class_and_some_by_themselves() -> None:
    worker = WorkerCounters()
    for status in (0, 101, 200, 206, 206, 404, 418, 599, 600, 999):
        worker.statuses[status] += 1
    told = proxy(worker)
    classes = {name: told[f"http.status.{name}"] for name in ("none", "1xx", "2xx", "3xx", "4xx")}
    assert classes == {"none": 1, "1xx": 1, "2xx": 3, "3xx": 0, "4xx": 2}
    assert told["http.status.5xx"] == 1
    assert told["http.status.other"] == 2
    assert told["http.status.200"] == told["http.status.404"] == 1
    assert "http.status.206" not in told


def test_answers_without_a_name_are_told_together() -> None:
    told = proxy(WorkerCounters(answers={404: 2, 431: 1, 405: 1, 301: 5, 429: 4}))
    assert told["http.404.errors"] == 2
    assert told["http.other.errors"] == 2
    assert told["http.301.redirection"] == 5
    assert told["connections.rejected_per_cluster_ip"] == 4


def test_listeners_are_told_each_and_together() -> None:
    one, other = ListenerCounters(accepted=2, capped=1), ListenerCounters(accepted=3)
    told = report(WorkerCounters(), {"a": one, "b": other}, {}, 0)
    assert told["proxy"]["listener.accepted.total"] == 5
    assert told["proxy"]["listener.connection_capped"] == 1
    assert told["listeners"]["b"]["listener.accepted.total"] == 3


def test_how_full_it_is_needs_a_limit() -> None:
    worker = WorkerCounters(client_connections=5)
    assert proxy(worker)["client.connections_percent"] == 0
    worker.client_connections_max = 20
    assert proxy(worker)["client.connections_percent"] == 25


def test_a_cluster_is_told_with_its_backends() -> None:
    counters = ClusterCounters(requests=7, rejected_per_ip=2, answers={503: 1, 429: 2})
    counters.responses[2] = 6
    backends = [
        ("b0", BackendReport("127.0.0.1:1", BackendCounters(requests=4), True)),
        ("b1", BackendReport("127.0.0.1:2", BackendCounters(), False)),
    ]
    told = report(WorkerCounters(), {}, {"app": ClusterReport(counters, backends)}, 0)
    app = told["clusters"]["app"]
    assert app["cluster"]["requests"] == 7
    assert app["cluster"]["http.status.2xx"] == 6
    assert app["cluster"]["http.503.errors"] == 1
    assert app["cluster"]["connections.rejected_per_cluster_ip"] == 2
    assert app["cluster"]["cluster.total_backends"] == 2
    assert app["cluster"]["cluster.available_backends"] == 1
    assert [b["backend_id"] for b in app["backends"]] == ["b0", "b1"]
    assert app["backends"][0]["address"] == "127.0.0.1:1"
    assert app["backends"][0]["metrics"]["requests"] == 4
    assert [b["metrics"]["backend.available"] for b in app["backends"]] == [1, 0]


def test_what_is_the_sum_of_others_is_added_up() -> None:
    clusters = {}
    for cluster_id, us in (("a", 3), ("b", 1000)):
        counters = ClusterCounters()
        counters.request_time.add(us)
        backends = [
            (f"{cluster_id}{n}", BackendReport("", BackendCounters(bytes_in=n, up=1), True))
            for n in (1, 10)
        ]
        clusters[cluster_id] = ClusterReport(counters, backends)
    told = report(WorkerCounters(), {}, clusters, 0)
    assert told["clusters"]["a"]["cluster"]["backend.up"] == 2
    assert told["clusters"]["a"]["cluster"]["backend.pool.hit"] == 0
    assert told["proxy"]["back_bytes_in"] == 22
    assert told["proxy"]["back_bytes_out"] == 0
    assert told["proxy"]["request_time"]["samples"] == 2
    assert told["proxy"]["request_time"]["sum"] == 1.003
    assert told["clusters"]["a"]["cluster"]["request_time"]["samples"] == 1


def test_what_health_checks_say_is_told_of_each_its_cluster_and_the_whole() -> None:
    well = BackendReport("", BackendCounters(health_successes=5, health_up=1), True)
    ill = BackendReport("", BackendCounters(health_failures=3, health_down=1), False, False)
    clusters = {
        name: ClusterReport(ClusterCounters(), [("w", well), ("i", ill)]) for name in ("a", "b")
    }
    told = report(WorkerCounters(), {}, clusters, 0)
    app = told["clusters"]["a"]
    names = [f"health_check.{name}" for name in ("success", "failure", "up", "down")]
    assert [app["backends"][0]["metrics"][name] for name in names] == [5, 0, 1, 0]
    assert [app["cluster"][name] for name in names] == [5, 3, 1, 1]
    assert [told["proxy"][name] for name in names] == [10, 6, 2, 2]
    assert app["cluster"]["health_check.healthy_backends"] == 1
    assert told["proxy"]["health_check.healthy_backends"] == 2


def test_a_timer_that_never_ran_is_all_zeros() -> None:
    assert set(percentiles(Timer()).values()) == {0}
    assert histogram(Timer()) == {"sum": 0.0, "count": 0, "buckets": []}


def test_a_timer_is_told_in_milliseconds() -> None:
    timer = Timer()
    for us in (0, 3, 3, 1000):
        timer.add(us)
    told = percentiles(timer)
    assert told["samples"] == 4
    assert told["sum"] == 1.006
    assert told["p_50"] == 0.004
    assert told["p_90"] == told["p_100"] == 1.024
    assert histogram(timer)["buckets"] == [
        {"le": 0.001, "count": 1},
        {"le": 0.004, "count": 3},
        {"le": 1.024, "count": 4},
    ]


@given(samples=st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300))
def test_a_percentile_bounds_the_true_one_from_above_by_less_than_twice(
    samples: list[int],
) -> None:
    timer = Timer()
    for us in samples:
        timer.add(us)
    told = percentiles(timer)
    samples.sort()
    for name, percent in (("p_50", 50), ("p_90", 90), ("p_99", 99), ("p_100", 100)):
        true = samples[max(0, -(-len(samples) * percent // 100) - 1)]
        bound_us = told[name] * 1000
        assert true < bound_us <= max(1, 2 * true)


def test_json_is_one_line_with_all_names() -> None:
    line = as_json(WorkerCounters(), {"a": ListenerCounters()}, {}, 0)
    assert "\n" not in line
    told = json.loads(line)
    assert "request_time_histogram" in told["proxy"]
    assert told["listeners"].keys() == {"a"}


def test_handshakes_are_told_by_what_they_came_to() -> None:
    tls = TlsCounters(
        https_sessions=2, failed={"eof": 3}, versions={"TLSv1.2": 1}, alpn={"http/1.1": 4}
    )
    tls.handshake_time.add(3000)
    told = proxy(WorkerCounters(tls=tls))
    assert told["protocol.https"] == 2
    assert told["tls.handshake.failed.eof"] == 3
    assert told["tls.version.TLSv1_2"] == 1
    assert told["http.alpn.http11"] == 4
    assert told["tls.handshake_ms"]["samples"] == 1
    assert told["tls.handshake_ms"]["sum"] == 3.0


def test_clients_are_told_by_what_their_listener_speaks() -> None:
    told = proxy(
        WorkerCounters(),
        plain=ListenerCounters(accepted=2),
        secure=ListenerCounters(is_secure=True, accepted=3),
    )
    assert told["listener.accepted.http"] == 2
    assert told["listener.accepted.https"] == 3
    assert told["listener.accepted.total"] == 5
