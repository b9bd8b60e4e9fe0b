"""The command lists its commands, and each explains itself with an example."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sozutw.cli.main import COMMANDS, main


@pytest.mark.parametrize(
    "words", [[], *([c] for c in COMMANDS), ["config", "check"]], ids=lambda w: " ".join(w) or "all"
)
def test_each_command_explains_itself_with_an_example(words: list[str]) -> None:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output
    if words != ["config"]:
        assert "Example" in result.output
        assert f"sozutw {' '.join(words)}".strip() in result.output


def test_the_version_is_told_without_waiting_for_twisted() -> None:
    program = (
        "import sys\nfrom sozutw.cli.main import main\nmain(['--version'], standalone_mode=False)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program + "assert 'twisted' not in sys.modules"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("sozutw, version 0.")


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["strat"])
    assert result.exit_code == 2
    assert "strat" in result.output
