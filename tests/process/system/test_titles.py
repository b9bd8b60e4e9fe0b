"""What a process is called, seen from outside of it."""

import subprocess
import sys
from pathlib import Path

from tests.e2e.harness import ROOT

PROGRAM = """
import sys
from sozutw.process.system import titles
titles.set_title("sozutw worker 12 of many")
print(open("/proc/self/comm").read()[:-1], end="")
titles._NAME = titles.Path("/nowhere/comm")
titles.set_title("sozutw")
"""


def name_with(folder: Path, package: str) -> str:
    """Return what a process with this package says of its name."""
    (folder / "setproctitle.py").write_text(package)
    program = f"import sys; sys.path[:0] = {[str(folder), str(ROOT)]!r}\n{PROGRAM}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout


def test_the_package_is_told_all_of_it(tmp_path: Path) -> None:
    said = name_with(tmp_path, "def setproctitle(text): print(f'<{text}>', end='')")
    assert said.startswith("<sozutw worker 12 of many>")
    assert said.endswith("<sozutw>")


def test_without_it_the_kernel_is_told_what_it_keeps(tmp_path: Path) -> None:
    assert name_with(tmp_path, "raise ImportError('not here')") == "sozutw worker 1"
