"""The bench of large states, with a small one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT

SMALL = ("--clusters", "30", "--each", "300", "--rest", "0.2")


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench.state_parts.command", *SMALL, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("bound", "status", "verdict"), [("9000", 0, "passed\n"), ("0.000001", 1, "failed\n")]
)
def test_it_loads_asks_and_judges(tmp_path: Path, bound: str, status: int, verdict: str) -> None:
    done = run("--results", str(tmp_path), "--slowest-ms", bound)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.endswith(verdict)
    (written,) = tmp_path.glob("state-load-*.json")
    steps = json.loads(written.read_text())["30"]
    assert len(steps) >= 15
    assert all(step["requests"] > 0 for step in steps.values())
