import re
from dataclasses import fields
from pathlib import Path

import pytest

from sozutw.metrics import names
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    TlsCounters,
    WorkerCounters,
)

PAGE = (Path(__file__).parents[2] / "doc" / "metrics.md").read_text(encoding="utf-8")
TOLD_BY_STATUS = {"statuses", "answers", "responses"}
TOLD_BY_KIND = set(names.TLS_KINDS)
NO_NUMBERS = {"tls", "is_secure"}


@pytest.mark.parametrize(
    ("kind", "mapping"),
    [
        (WorkerCounters, names.WORKER),
        (ListenerCounters, names.LISTENER),
        (ClusterCounters, names.CLUSTER),
        (BackendCounters, names.BACKEND),
        (TlsCounters, names.TLS),
    ],
)
def test_every_counter_has_one_name_and_every_name_its_counter(
    kind: type, mapping: names.Names
) -> None:
    assert (
        set(mapping) == {f.name for f in fields(kind)} - TOLD_BY_STATUS - TOLD_BY_KIND - NO_NUMBERS
    )
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


@pytest.mark.parametrize(
    ("attribute", "kind", "name"),
    [
        ("failed", "no_alpn", "tls.handshake.failed.no_alpn"),
        ("versions", "TLSv1.3", "tls.version.TLSv1_3"),
        ("ciphers", "TLS_AES_256_GCM_SHA384", "tls.cipher.TLS_AES_256_GCM_SHA384"),
        ("alpn", "http/1.1", "http.alpn.http11"),
        ("alpn", "h2", "http.alpn.h2"),
        ("alpn", "none", "http.alpn.none"),
    ],
)
def test_what_a_handshake_came_to_is_named_by_its_kind(
    attribute: str, kind: str, name: str
) -> None:
    assert names.tls_kind(attribute, kind) == name


def test_no_name_of_tls_is_another_s() -> None:
    others = {*names.WORKER.values(), *names.WORKER_SUMS.values(), names.REQUEST_TIME}
    assert not others & set(names.TLS.values())


def test_the_page_calls_a_gauge_what_is_one_and_nothing_else() -> None:
    """In the table of the proxy, and in the sentences about listeners, clusters and backends."""
    called: dict[str, set[str]] = {"c": set(), "g": set(), "t": set()}
    for text, kind in re.findall(r"^\| (`(?!sozutw_).*?) \| ([cgt]) \|", PAGE, re.MULTILINE):
        called[kind] |= set(re.findall(r"`([^`]+)`", text))
    for sentence in re.findall(
        r"^(?:By address|In `cluster`|In each)[^:]*: (.*?\))\.", PAGE, re.MULTILINE | re.DOTALL
    ):
        waiting: set[str] = set()
        for name, kind in re.findall(r"`([^`]+)`|\(([cgt])\)", sentence):
            if kind:
                called[kind] |= waiting
                waiting = set()
            else:
                waiting.add(name)
    assert called["g"] == names.GAUGES
    assert not called["g"] & (called["c"] | called["t"])
    told = set().union(*called.values())
    for mapping in (names.WORKER, names.TLS, names.LISTENER, names.CLUSTER, names.BACKEND):
        assert set(mapping.values()) <= told
