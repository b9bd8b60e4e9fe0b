"""Every counter has a family of its own, whose name tells the truth about its kind."""

import re
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest

from sozutw.metrics import families, names
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)

PAGE = (Path(__file__).parents[2] / "doc" / "metrics.md").read_text(encoding="utf-8")
KINDS = [
    (WorkerCounters, families.WORKER, names.WORKER, ""),
    (TlsCounters, families.TLS, {**names.TLS, **names.TLS_KINDS}, ""),
    (ListenerCounters, families.LISTENER, names.LISTENER, "listener"),
    (ClusterCounters, families.CLUSTER, names.CLUSTER, "cluster"),
    (BackendCounters, families.BACKEND, names.BACKEND, "cluster, backend, address"),
]
ALONE = [families.UPTIME, families.BACKENDS, families.AVAILABLE_BACKENDS, families.IS_AVAILABLE]
NO_NUMBERS = {"tls", "is_secure"}
BY_STATUS = {
    "statuses": "http.status.",
    "responses": "http.status.",
    "answers": "http.404.errors` …, `http.other.errors",
}


@pytest.mark.parametrize(("kind", "mapping", "_names", "_labels"), KINDS)
def test_every_counter_has_its_family(
    kind: type, mapping: families.Families, _names: object, _labels: object
) -> None:
    assert set(mapping) == {field.name for field in fields(kind)} - NO_NUMBERS


def test_no_name_is_given_twice_and_all_are_as_prometheus_wants_them() -> None:
    every = [*chain.from_iterable(mapping.values() for _, mapping, _, _ in KINDS), *ALONE]
    assert len({family.name for family in every}) == len(every)
    for family in every:
        assert re.fullmatch(r"sozutw_[a-z0-9]+(_[a-z0-9]+)*", family.name)
        assert re.fullmatch(r"[^\\\n]+\.", family.help)
        # Reserved for the parts of a histogram.
        assert not family.name.endswith(("_sum", "_count", "_bucket"))


@pytest.mark.parametrize(("kind", "mapping", "sozu", "_labels"), KINDS)
def test_the_name_tells_the_kind(
    kind: type, mapping: families.Families, sozu: names.Names, _labels: object
) -> None:
    counters = kind()
    for attribute, family in mapping.items():
        value = getattr(counters, attribute)
        if isinstance(value, Timer):
            assert family.name.endswith("_seconds"), family
        else:
            is_gauge = sozu.get(attribute) in names.GAUGES
            assert family.name.endswith("_total") is not is_gauge, family
        assert bool(family.label) is isinstance(value, list | dict), family


def rows() -> list[str]:
    """The table of the page: name, kind, labels, Sōzu's name."""
    told = []
    for kind, mapping, sozu, labels in KINDS:
        counters = kind()
        for attribute, family in mapping.items():
            value = getattr(counters, attribute)
            called = "c" if family.name.endswith("_total") else "g"
            called = "h" if isinstance(value, Timer) else called
            every = ", ".join(filter(None, [labels, family.label]))
            name = sozu.get(attribute) or BY_STATUS[attribute]
            told.append(f"| `{family.name}` | {called} | {every} | `{name}` |")
    for family, labels, name in (
        (families.BACKENDS, "cluster", "cluster.total_backends"),
        (families.AVAILABLE_BACKENDS, "cluster", "cluster.available_backends"),
        (families.IS_AVAILABLE, "cluster, backend, address", "backend.available"),
        (families.UPTIME, "", "process.uptime_seconds"),
    ):
        told.append(f"| `{family.name}` | g | {labels} | `{name}` |")
    return told


def test_the_page_has_this_table() -> None:
    assert re.findall(r"^\| `sozutw_.*$", PAGE, re.MULTILINE) == rows()
