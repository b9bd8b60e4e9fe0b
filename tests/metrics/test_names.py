from dataclasses import fields

import pytest

from sozutw.metrics import names
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    WorkerCounters,
)

TOLD_BY_STATUS = {"statuses", "answers", "responses"}


@pytest.mark.parametrize(
    ("kind", "mapping"),
    [
        (WorkerCounters, names.WORKER),
        (ListenerCounters, names.LISTENER),
        (ClusterCounters, names.CLUSTER),
        (BackendCounters, names.BACKEND),
    ],
)
def test_every_counter_has_one_name_and_every_name_its_counter(
    kind: type, mapping: names.Names
) -> None:
    assert set(mapping) == {f.name for f in fields(kind)} - TOLD_BY_STATUS
    assert len(set(mapping.values())) == len(mapping)


def test_a_sum_is_of_something_counted_and_under_a_name_of_its_own() -> None:
    counted = {f.name for f in fields(BackendCounters)}
    for sums, mapping in ((names.CLUSTER_SUMS, names.CLUSTER), (names.WORKER_SUMS, names.WORKER)):
        assert set(sums) <= counted
        assert not set(sums.values()) & set(mapping.values())
    assert names.REQUEST_TIME not in names.WORKER.values()


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (301, "http.301.redirection"),
        (308, "http.308.redirection"),
        (404, "http.404.errors"),
        (429, "connections.rejected_per_cluster_ip"),
        (431, "http.other.errors"),
    ],
)
def test_answers_have_sozus_names(status: int, name: str) -> None:
    assert names.answer(status) == name


@pytest.mark.parametrize(
    ("hundreds", "name"), [(0, "none"), (1, "1xx"), (5, "5xx"), (6, "other"), (9, "other")]
)
def test_a_class_is_named_by_its_digit(hundreds: int, name: str) -> None:
    assert names.status_class(hundreds) == f"http.status.{name}"


def test_statuses_with_a_name_of_their_own_are_sozus() -> None:
    assert len(names.STATUSES_TOLD) == len(set(names.STATUSES_TOLD)) == 18


def test_a_listener_tells_only_what_is_counted_for_it() -> None:
    assert set(names.LISTENER) == {"accepted", "connections", "capped"}
