"""Numbers as messages: which kind each is, and times in whole milliseconds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metric_messages import listed, metric_messages
from sozutw.metrics.counters import Timer
from sozutw.metrics.render import histogram, percentiles


def of(*samples_us: int) -> dict[str, Any]:
    """A timer as ``metrics.render`` tells it."""
    timer = Timer()
    for us in samples_us:
        timer.add(us)
    return {"request_time": percentiles(timer), "request_time_histogram": histogram(timer)}


def test_what_tells_how_it_is_now_is_a_gauge_and_what_grows_a_count() -> None:
    told = metric_messages({"client.connections": 3, "http.requests": 5})
    assert told["client.connections"] == pb.FilteredMetrics(gauge=3)
    assert told["http.requests"] == pb.FilteredMetrics(count=5)


def test_a_timer_is_told_in_whole_milliseconds() -> None:
    told = metric_messages(of(500, 900, 3_000, 100_000))
    times = told["request_time"].percentiles
    assert (times.samples, times.sum) == (4, 104)
    # Half took less than 1024 µs: 1 ms had passed at most.
    assert (times.p_50, times.p_90, times.p_100) == (1, 131, 131)
    buckets = told["request_time_histogram"].histogram
    assert (buckets.count, buckets.sum) == (4, 104)
    assert [(b.le, b.count) for b in buckets.buckets] == [(0, 1), (1, 2), (4, 3), (131, 4)]


def test_a_timer_that_never_ran_is_zeros_and_no_buckets() -> None:
    told = metric_messages(of())
    assert told["request_time"].percentiles == pb.Percentiles(
        samples=0, p_50=0, p_90=0, p_99=0, p_99_9=0, p_99_99=0, p_99_999=0, p_100=0, sum=0
    )
    assert told["request_time_histogram"].histogram == pb.FilteredHistogram(sum=0, count=0)


@given(st.lists(st.integers(0, 2**40), min_size=1))
def test_buckets_grow_and_the_last_holds_all(samples: list[int]) -> None:
    told = metric_messages(of(*samples))["request_time_histogram"].histogram
    bounds = [bucket.le for bucket in told.buckets]
    counts = [bucket.count for bucket in told.buckets]
    assert bounds == sorted(set(bounds))
    assert counts == sorted(counts)
    assert counts[-1] == told.count == len(samples)
    for bucket in told.buckets:
        # As many samples, in whole milliseconds, are no greater than the bound.
        assert sum(us // 1000 <= bucket.le for us in samples) >= bucket.count
    assert all(us // 1000 <= bounds[-1] for us in samples)


def test_only_what_is_wanted_is_told_and_a_timer_with_its_histogram() -> None:
    told = {"http.requests": 5, "http.errors": 0, **of(1)}
    assert set(metric_messages(told, {"request_time", "http.errors"})) == {
        "request_time",
        "request_time_histogram",
        "http.errors",
    }
    assert not metric_messages(told, {"nonsense"})


def test_what_never_happened_is_spared_unless_it_is_wanted_or_a_gauge() -> None:
    told = {"http.requests": 0, "backend.up": 1, "http.active_requests": 0, **of()}
    assert set(metric_messages(told, spares_zeros=True)) == {"backend.up", "http.active_requests"}
    assert "http.requests" in metric_messages(told, {"http.requests"}, spares_zeros=True)
    assert set(metric_messages(of(1), spares_zeros=True)) == set(of())


def test_the_names_there_are_leave_out_histograms() -> None:
    assert listed({"http.requests": 0, **of()}) == {"http.requests", "request_time"}
