"""Counters as messages: what ``metrics.render`` tells, in the shape that Sōzu's client reads."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sozutw.control.proto import command_pb2 as pb
from sozutw.metrics import names

_US_PER_MS: Final = 1000
_HISTOGRAM: Final = "_histogram"
_PERCENTILES: Final = ("p_50", "p_90", "p_99", "p_99_9", "p_99_99", "p_99_999", "p_100")


def metric_messages(
    told: Mapping[str, Any], wanted: Collection[str] = (), *, spares_zeros: bool = False
) -> dict[str, pb.FilteredMetrics]:
    """
    Return numbers as messages: gauges, counts, percentiles and histograms, times in milliseconds.

    Only those in ``wanted``, unless it is empty; a timer brings its histogram along. What never
    happened is left out where ``spares_zeros``, if nobody asked for it by name.
    """
    messages = {}
    for name, value in told.items():
        if wanted:
            if name not in wanted and name.removesuffix(_HISTOGRAM) not in wanted:
                continue
        elif spares_zeros and _never_happened(name, value):
            continue
        messages[name] = _message(name, value)
    return messages


def listed(told: Mapping[str, Any]) -> set[str]:
    """Return the names of numbers, a timer's histogram not among them."""
    return {name for name in told if not name.endswith(_HISTOGRAM)}


def _never_happened(name: str, value: Any) -> bool:
    if isinstance(value, dict):
        return not value.get("samples", value.get("count"))
    return value == 0 and name not in names.GAUGES


def _message(name: str, value: Any) -> pb.FilteredMetrics:
    if not isinstance(value, dict):
        if name in names.GAUGES:
            return pb.FilteredMetrics(gauge=value)
        return pb.FilteredMetrics(count=value)
    if "buckets" in value:
        return pb.FilteredMetrics(histogram=_histogram(value))
    bounds = {percentile: _whole_ms_below(value[percentile]) for percentile in _PERCENTILES}
    return pb.FilteredMetrics(
        percentiles=pb.Percentiles(samples=value["samples"], sum=int(value["sum"]), **bounds)
    )


def _histogram(value: Mapping[str, Any]) -> pb.FilteredHistogram:
    # Below a millisecond several powers of two of microseconds are one bucket.
    seen = {_whole_ms_below(bucket["le"]): bucket["count"] for bucket in value["buckets"]}
    return pb.FilteredHistogram(
        sum=int(value["sum"]),
        count=value["count"],
        buckets=[pb.Bucket(count=count, le=le) for le, count in seen.items()],
    )


def _whole_ms_below(bound_ms: float) -> int:
    """Return the whole milliseconds that have passed just before so many have."""
    return max(0, round(bound_ms * _US_PER_MS) - 1) // _US_PER_MS
