"""Nothing is listed that never moves: every counter is written somewhere in the data plane."""

import re
from dataclasses import fields

import pytest

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from tests.e2e.harness import ROOT

PACKAGE = ROOT / "sozutw"
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.py")
    if path.parent.name != "metrics"
)
KINDS = (BackendCounters, ClusterCounters, ListenerCounters, TlsCounters, WorkerCounters)
BY_KIND = {"failed", "versions", "ciphers", "alpn"}
"""Counted by kind: frontend.handshake is given the table."""
COUNTERS = sorted(
    {
        (f.name, f.default_factory is Timer)
        for kind in KINDS
        for f in fields(kind)
        if f.name not in BY_KIND and f.default_factory is not TlsCounters
    }
)


@pytest.mark.parametrize(("name", "is_timer"), COUNTERS)
def test_a_counter_is_written_by_somebody(name: str, is_timer: bool) -> None:
    writes = r"(\.add\(|$)" if is_timer else r"(\[[^\]]*\])? *[-+]?= "
    assert re.search(rf"\.{name}{writes}", SOURCE, re.MULTILINE), f"nobody writes {name}"


@pytest.mark.parametrize("name", sorted(BY_KIND))
def test_a_table_of_kinds_is_given_to_who_counts(name: str) -> None:
    assert re.search(rf"counters\.{name}, ", SOURCE), f"nobody counts in {name}"
