"""Metrics are told with their units, timers with their quantiles."""

from pathlib import Path

import pytest

from sozutw.cli.metrics_tables import value
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, content


@pytest.mark.parametrize(
    ("name", "metric", "told"),
    [
        ("http.requests", {"count": 5}, "5"),
        ("http.requests", {"count": -5}, "-5"),
        ("bytes_in", {"count": 1023}, "1023 B"),
        ("bytes_in", {"count": 2048}, "2048 (2.0 KiB)"),
        ("process.uptime_seconds", {"gauge": 7}, "7 s"),
        ("buffer.usage_percent", {"gauge": 7}, "7 %"),
        ("request_time", {"time": 7}, "7 ms"),
        ("x", {"time_serie": pb.FilteredTimeSerie(last_second=3)}, "3 in the last second"),
        ("x", {"histogram": pb.FilteredHistogram(sum=1, count=1)}, None),
        ("x", {}, None),
    ],
)
def test_a_value_has_its_unit(name: str, metric: dict[str, object], told: str | None) -> None:
    assert value(name, pb.FilteredMetrics(**metric)) == told  # type: ignore[arg-type]


def percentiles(samples: int = 4) -> pb.FilteredMetrics:
    held = pb.Percentiles(
        samples=samples, p_50=1, p_90=2, p_99=3, p_99_9=4, p_99_99=5, p_99_999=6, p_100=7, sum=10
    )
    return pb.FilteredMetrics(percentiles=held)


def test_all_of_them_are_told_in_their_sections(tmp_path: Path) -> None:
    histogram = pb.FilteredHistogram(
        sum=6,
        count=3,
        buckets=[
            pb.Bucket(le=1, count=0),
            pb.Bucket(le=2, count=2),
            pb.Bucket(le=4, count=2),
            pb.Bucket(le=8, count=3),
        ],
    )
    backend = pb.BackendMetrics(backend_id="b1", metrics={"requests": pb.FilteredMetrics(count=2)})
    cluster = pb.ClusterMetrics(
        cluster={"requests": pb.FilteredMetrics(count=3)}, backends=[backend]
    )
    held = pb.AggregatedMetrics(
        main={"configuration.clusters": pb.FilteredMetrics(gauge=1)},
        proxying={
            "request_time": percentiles(),
            "unused_time": percentiles(0),
            "request_time_histogram": pb.FilteredMetrics(histogram=histogram),
        },
        clusters={"shop": cluster},
    )
    assert answered(tmp_path, content(metrics=held), "metrics", "get").output.splitlines() == [
        "Main process",
        "  METRIC                  VALUE",
        "  configuration.clusters      1",
        "",
        "All workers together",
        "  TIMER (MS)    SAMPLES  MEAN  P50  P90  P99  P99.9  P99.99  MAX",
        "  request_time        4   2.5    1    2    3      4       5    7",
        "  unused_time         0     -    1    2    3      4       5    7",
        "  HISTOGRAM               SAMPLES  MEAN  AT MOST: SAMPLES",
        "  request_time_histogram        3   2.0  2: 2, 8: 3",
        "",
        "Cluster shop",
        "  METRIC    VALUE",
        "  requests      3",
        "",
        "Backend shop/b1",
        "  METRIC    VALUE",
        "  requests      2",
        "",
    ]


def test_each_worker_has_its_sections(tmp_path: Path) -> None:
    one = {"requests": pb.FilteredMetrics(count=2)}
    worker = pb.WorkerMetrics(proxy=one, clusters={"shop": pb.ClusterMetrics(cluster=one)})
    held = content(metrics=pb.AggregatedMetrics(workers={"0": worker}))
    told = answered(tmp_path, held, "metrics", "get", "-w").output.splitlines()
    assert [line for line in told if line and not line.startswith(" ")] == [
        "Worker 0",
        "Cluster shop in worker 0",
    ]


def test_the_names_are_listed(tmp_path: Path) -> None:
    available = pb.AvailableMetrics(proxy_metrics=["b", "a"], cluster_metrics=["c"])
    told = answered(tmp_path, content(available_metrics=available), "metrics", "get", "-l").output
    assert told == "Of the proxy\n  a\n  b\n\nOf clusters\n  c\n\n"


def test_what_is_left_out_is_told_beside_it(tmp_path: Path) -> None:
    answer = content(metrics=pb.AggregatedMetrics())
    answer.message = "Successfully aggregated all metrics; the detail is cluster: raise it"
    for flags in ([], ["-j"]):
        result = answered(tmp_path, answer, "metrics", "get", *flags)
        assert result.exit_code == 0
        assert result.stderr == "Note: the detail is cluster: raise it\n"
