"""Several processes as one: what adds, what does not, and in which order it is told."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from sozutw.metrics.merge import merged
from sozutw.metrics.render import BackendReport, ClusterReport, Reports
from tests.fakes.steps import counted, whole
from tests.metrics.reports import REPORTS, plain

NOTHING = Reports(WorkerCounters(), {}, {}, 0.0)


def merge(*every: Reports) -> Reports:
    return whole(merged(every))


def of_worker(**counts: Any) -> Reports:
    return NOTHING._replace(worker=WorkerCounters(**counts))


def app(*backends: tuple[str, BackendReport], **counts: Any) -> Reports:
    return NOTHING._replace(clusters={"app": ClusterReport(ClusterCounters(**counts), backends)})


@given(reports=REPORTS)
def test_one_alone_stays_as_it_is(reports: Reports) -> None:
    assert plain(merge(reports)) == plain(reports)


@given(reports=REPORTS)
def test_nothing_beside_it_changes_nothing(reports: Reports) -> None:
    before = plain(reports)
    # Backends are a list afterwards, as they were before.
    assert plain(merge(reports, NOTHING)) == plain(merge(NOTHING, reports)) == before


@given(a=REPORTS, b=REPORTS, c=REPORTS)
@settings(max_examples=30)
def test_it_does_not_matter_which_are_merged_first(a: Reports, b: Reports, c: Reports) -> None:
    at_once = plain(merge(a, b, c))
    assert plain(merge(merge(a, b), c)) == plain(merge(a, merge(b, c))) == at_once


@given(every=st.lists(REPORTS, min_size=2, max_size=3))
@settings(max_examples=30)
def test_what_was_told_is_not_changed_nor_shared(every: list[Reports]) -> None:
    before = deepcopy(plain(every))
    told = whole(merged(every))
    again = plain(told)
    assert plain(every) == before
    for reports in every:
        for counters in counters_in(reports):
            disturb(counters)
    assert plain(told) == again


def counters_in(reports: Reports) -> Sequence[Any]:
    clusters = reports.clusters.values()
    return [
        reports.worker,
        *reports.listeners.values(),
        *(cluster.counters for cluster in clusters),
        *(backend.counters for cluster in clusters for _, backend in cluster.backends),
    ]


def disturb(counters: Any) -> None:
    for field in fields(counters):
        value = getattr(counters, field.name)
        if isinstance(value, list):
            value[1] += 1
        elif isinstance(value, dict):
            value["new"] = 1
        elif isinstance(value, int):
            setattr(counters, field.name, value + 1)
        else:
            disturb(value)


@given(a=REPORTS, b=REPORTS)
@settings(max_examples=30)
def test_every_number_of_a_worker_adds_but_for_times(a: Reports, b: Reports) -> None:
    told = merge(a, b).worker
    for of_all, of_a, of_b in ((told, a.worker, b.worker), (told.tls, a.worker.tls, b.worker.tls)):
        for field in fields(of_all):
            values = [getattr(counters, field.name) for counters in (of_all, of_a, of_b)]
            if field.name == "expires_at":
                continue
            match values:
                case int(sum_), int(one), int(other):
                    assert sum_ == one + other, field.name
                case list(sum_), list(one), list(other):
                    assert all(s == o + p for s, o, p in zip(sum_, one, other, strict=True))
                case dict(sum_), dict(one), dict(other):
                    assert sum_.keys() == one.keys() | other.keys()
                    assert all(n == one.get(k, 0) + other.get(k, 0) for k, n in sum_.items())
                case Timer() as sum_, Timer() as one, Timer() as other:
                    assert sum_.sum_us == one.sum_us + other.sum_us
                    assert sum(sum_.buckets) == sum(one.buckets) + sum(other.buckets)
                case _:
                    assert field.name == "tls"


def test_limits_add_and_the_uptime_is_the_longest() -> None:
    one = of_worker(client_connections_max=100)._replace(uptime_seconds=3.0)
    other = of_worker(client_connections_max=50)._replace(uptime_seconds=7.0)
    told = merge(one, other)
    assert told.worker.client_connections_max == 150
    assert told.uptime_seconds == 7.0


def test_the_first_certificate_to_expire_is_told_and_none_is_not_the_first() -> None:
    def expiring(*times: int) -> int:
        every = [of_worker(tls=TlsCounters(expires_at=at)) for at in times]
        return merge(*every).worker.tls.expires_at

    assert expiring(9, 5, 7) == 5
    assert expiring(0, 7, 9) == 7
    assert expiring(0, 0) == 0


def test_no_process_at_all_has_counted_nothing() -> None:
    assert plain(merge()) == plain(NOTHING)


def test_listeners_are_told_by_address_in_the_order_of_the_first_that_names_them() -> None:
    one = NOTHING._replace(listeners={"a": ListenerCounters(accepted=1, is_secure=True)})
    other = NOTHING._replace(
        listeners={
            "b": ListenerCounters(accepted=4),
            "a": ListenerCounters(accepted=2, is_secure=True),
        }
    )
    told = merge(one, other).listeners
    assert list(told) == ["a", "b"]
    assert [(told[key].accepted, told[key].is_secure) for key in told] == [(3, True), (4, False)]
    assert list(merge(other, one).listeners) == ["b", "a"]


def test_backends_are_told_by_id_and_address() -> None:
    def backend(address: str, requests: int) -> BackendReport:
        return BackendReport(address, BackendCounters(requests=requests), True)

    one = app(("x", backend("a", 1)), ("x", backend("b", 2)), requests=5)
    other = app(("y", backend("a", 8)), ("x", backend("b", 4)), requests=6)
    cluster = merge(one, other).clusters["app"]
    assert cluster.counters.requests == 11
    assert [(name, told.address, told.counters.requests) for name, told in cluster.backends] == [
        ("x", "a", 1),
        ("x", "b", 6),
        ("y", "a", 8),
    ]


def test_a_backend_is_well_when_it_is_so_for_every_worker_that_knows_it() -> None:
    def told(*flags: tuple[bool, bool]) -> tuple[bool, bool]:
        every = [app(("x", BackendReport("a", BackendCounters(), *pair))) for pair in flags]
        ((_, backend),) = merge(*every, NOTHING).clusters["app"].backends
        return backend.is_available, backend.is_healthy

    assert told((True, True), (True, True)) == (True, True)
    assert told((True, True), (False, True)) == (False, True)
    assert told((True, False), (True, True)) == (True, False)


def test_many_are_merged_in_small_steps() -> None:
    def backend(number: int) -> tuple[str, BackendReport]:
        return f"b{number}", BackendReport("", BackendCounters(), True)

    clusters = NOTHING._replace(
        clusters={f"c{number}": ClusterReport(ClusterCounters(), []) for number in range(320)}
    )
    backends = app(*map(backend, range(320)))
    for reports in (clusters, backends):
        pauses, told = counted(merged([reports, reports]))
        assert pauses >= 10
        assert told.clusters.keys() == reports.clusters.keys()
    assert counted(merged([clusters]))[0] == 0
