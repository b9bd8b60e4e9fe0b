"""A process has a name and, if it is asked for, a processor of its own."""

import os
import subprocess
import sys
from pathlib import Path

from sozutw.process.system.itself import name_itself
from tests.e2e.harness import ROOT


def test_it_is_called_sozutw_and_runs_on_the_first_processor_that_it_may() -> None:
    code = """
import os
from sozutw.process.system.itself import name_itself, pin_itself
name_itself()
processor = pin_itself()
print(open("/proc/self/comm").read().strip(), processor, sorted(os.sched_getaffinity(0)))
"""
    allowed = sorted(os.sched_getaffinity(0))[-1:]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    assert done.stdout == f"sozutw {allowed[0]} {allowed}\n"


def test_a_name_that_cannot_be_had_is_no_matter(tmp_path: Path) -> None:
    name_itself(str(tmp_path / "no" / "comm"))
