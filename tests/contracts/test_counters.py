"""Nothing is listed that never moves: every counter is written somewhere in the data plane."""

import re
from dataclasses import fields

import pytest

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    WorkerCounters,
)
from tests.e2e.harness import ROOT

PACKAGE = ROOT / "sozutw"
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in PACKAGE.rglob("*.py")
    if path.parent.name != "metrics"
)
KINDS = (BackendCounters, ClusterCounters, ListenerCounters, WorkerCounters)
COUNTERS = sorted({(f.name, f.default_factory is Timer) for kind in KINDS for f in fields(kind)})


@pytest.mark.parametrize(("name", "is_timer"), COUNTERS)
def test_a_counter_is_written_by_somebody(name: str, is_timer: bool) -> None:
    writes = r"(\.add\(|$)" if is_timer else r"(\[[^\]]*\])? *[-+]?= "
    assert re.search(rf"\.{name}{writes}", SOURCE, re.MULTILINE), f"nobody writes {name}"
