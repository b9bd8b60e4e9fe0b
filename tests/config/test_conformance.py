"""scripts/conformance, with a sozutw of our own beside it."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "conformance"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose sozutw takes every file but ``bad.toml``."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    sozutw = tmp_path / ".venv" / "bin" / "sozutw"
    sozutw.parent.mkdir(parents=True)
    sozutw.write_text('#!/bin/sh\necho "asked: $*"\ncase "$*" in *bad.toml) exit 78;; esac\n')
    sozutw.chmod(0o755)
    return tmp_path


def run(checkout: Path, *paths: str) -> tuple[int, str]:
    script = str(checkout / "scripts" / "conformance")
    done = subprocess.run([script, *paths], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_files_that_are_taken_are_reported_so(checkout: Path) -> None:
    status, output = run(checkout, "a.toml", "b.toml")
    assert status == 0
    assert "asked: config check --skip-unsupported -c a.toml" in output
    assert "taken: b.toml" in output


def test_one_file_that_is_refused_fails_and_the_others_are_checked_too(checkout: Path) -> None:
    status, output = run(checkout, "bad.toml", "b.toml")
    assert status == 1
    assert "refused: bad.toml" in output
    assert "taken: b.toml" in output


def test_without_an_installation_it_says_what_to_do(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    status, output = run(checkout, "a.toml")
    assert (status, "run scripts/run once first" in output) == (3, True)


def test_without_a_path_it_tells_its_usage(checkout: Path) -> None:
    status, output = run(checkout)
    assert (status, output) == (2, "usage: scripts/conformance PATH... | --tls | sozu\n")
