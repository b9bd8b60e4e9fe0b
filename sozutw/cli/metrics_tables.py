"""What is told of metrics."""

from collections.abc import Iterable, Iterator, Mapping

from sozutw.cli import spelling
from sozutw.cli.tables import columns, table
from sozutw.config.table import printable
from sozutw.control.proto import command_pb2 as pb

Held = Mapping[str, pb.FilteredMetrics]


def show_metrics(content: pb.ResponseContent) -> Iterator[str]:
    """Tell the names that there are, or of each metric its value."""
    if content.WhichOneof("content_type") == "available_metrics":
        available = content.available_metrics
        yield from _section("Of the proxy", map(printable, sorted(available.proxy_metrics)))
        yield from _section("Of clusters", map(printable, sorted(available.cluster_metrics)))
        return
    held = content.metrics
    yield from _section("Main process", _metrics(held.main))
    yield from _section("All workers together", _metrics(held.proxying))
    for worker, of_worker in sorted(held.workers.items()):
        yield from _section(f"Worker {worker}", _metrics(of_worker.proxy))
        yield from _clusters(of_worker.clusters, f" in worker {worker}")
    yield from _clusters(held.clusters, "")


def _clusters(held: Mapping[str, pb.ClusterMetrics], where: str) -> Iterator[str]:
    for cluster_id, metrics in sorted(held.items()):
        yield from _section(f"Cluster {cluster_id}{where}", _metrics(metrics.cluster))
        for backend in metrics.backends:
            heading = f"Backend {cluster_id}/{backend.backend_id}{where}"
            yield from _section(heading, _metrics(backend.metrics))


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    """Tell something under a heading; nothing if there is nothing to tell."""
    is_first = True
    for line in lines:
        if is_first:
            yield printable(heading)
            is_first = False
        yield f"  {line}"
    if not is_first:
        yield ""


def _metrics(held: Held) -> Iterator[str]:
    """Tell plain values first, and then those that are spread over a range."""
    plain = [(name, value(name, held[name])) for name in sorted(held)]
    rows = [(name, text) for name, text in plain if text is not None]
    if rows:
        yield from table(columns("metric", ">value"), rows)
    timers = [
        (name, *_quantiles(held[name].percentiles))
        for name in sorted(held)
        if held[name].WhichOneof("inner") == "percentiles"
    ]
    if timers:
        heads = columns(
            "timer (ms)", ">samples", ">mean", ">p50", ">p90", ">p99", ">p99.9", ">p99.99", ">max"
        )
        yield from table(heads, timers)
    spread = [
        (
            name,
            str(held[name].histogram.count),
            f"{_mean(held[name].histogram):.1f}",
            _buckets(held[name]),
        )
        for name in sorted(held)
        if held[name].WhichOneof("inner") == "histogram"
    ]
    if spread:
        yield from table(columns("histogram", ">samples", ">mean", "at most: samples"), spread)


def value(name: str, metric: pb.FilteredMetrics) -> str | None:
    """Return a plain value with its unit; None for what is spread over a range."""
    match metric.WhichOneof("inner"):
        case "gauge":
            return _with_unit(name, metric.gauge)
        case "count":
            return _with_unit(name, metric.count)
        case "time":
            return f"{metric.time} ms"
        case "time_serie":
            return f"{metric.time_serie.last_second} in the last second"
        case _:
            return None


def _with_unit(name: str, number: int) -> str:
    if "bytes" in name:
        return f"{number} ({spelling.size(number)})" if number >= spelling.STEP else f"{number} B"
    if name.endswith("_seconds"):
        return f"{number} s"
    if name.endswith("percent"):
        return f"{number} %"
    return str(number)


def _quantiles(held: pb.Percentiles) -> Iterator[str]:
    yield str(held.samples)
    yield f"{held.sum / held.samples:.1f}" if held.samples else "-"
    for number in (held.p_50, held.p_90, held.p_99, held.p_99_9, held.p_99_99, held.p_100):
        yield str(number)


def _mean(held: pb.FilteredHistogram) -> float:
    return held.sum / held.count if held.count else 0.0


def _buckets(metric: pb.FilteredMetrics) -> str:
    """Return the buckets that say something: those that hold more than the one before."""
    told, before = [], 0
    for bucket in metric.histogram.buckets:
        if bucket.count > before:
            told.append(f"{bucket.le}: {bucket.count}")
        before = bucket.count
    return ", ".join(told)
