"""scripts/conformance with the real sozutw: Sōzu's words are taken, a broken file is refused."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT

SAMPLE = ROOT / "tests" / "fixtures" / "sozu-config.toml"


def conformance(*paths: Path) -> tuple[int, str]:
    if not (ROOT / ".venv" / "bin" / "sozutw").exists():
        assert not os.environ.get("CI"), "scripts/environment makes .venv"
        pytest.skip("no .venv in the checkout")
    done = subprocess.run(
        [ROOT / "scripts" / "conformance", *paths],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_sample_is_taken_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    status, output = conformance(SAMPLE)
    assert (status, f"taken: {SAMPLE}" in output) == (0, True), output
    broken = tmp_path / "broken.toml"
    broken.write_text(SAMPLE.read_text(encoding="utf-8") + '\n[clusters.x]\nprotocol = "smtp"\n')
    status, output = conformance(broken, SAMPLE)
    assert status == 1, output
    assert f"refused: {broken}" in output
    assert f"taken: {SAMPLE}" in output
