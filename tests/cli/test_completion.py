"""The scripts for shells are printed without waiting for the shells, and they complete."""

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from sozutw.cli.completion import HOW_TO_INSTALL, VARIABLE, script
from sozutw.cli.main import main
from tests.cli.scripted import call


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_says_how_to_install_it(shell: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0
    assert VARIABLE in result.output
    assert f"{shell}_complete" in result.output
    assert f"# To install it:\n#   {HOW_TO_INSTALL[shell]}\n" in result.output
    assert result.output.startswith("#compdef sozutw\n" if shell == "zsh" else "# To install it:")
    assert HOW_TO_INSTALL[shell] in call("completion", shell, "--help").output


@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="there is no bash")
def test_bash_takes_its_script() -> None:
    answer = subprocess.run(
        ["/bin/bash", "-n"], input=script("bash", main), text=True, capture_output=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def completed(*words: str, incomplete: str = "") -> list[str]:
    made = ShellComplete(main, {}, "sozutw", VARIABLE)
    return [item.value for item in made.get_completions(list(words), incomplete)]


def test_commands_options_and_names_are_completed() -> None:
    assert completed(incomplete="st") == ["start", "state", "status"]
    assert completed("cluster", incomplete="h") == ["h2", "health-check"]
    assert "--backend-id" in completed("backend", "add", incomplete="--")
    words = ["cluster", "add", "--load-balancing-policy"]
    assert completed(*words, incomplete="r") == ["round_robin", "random"]


def test_a_command_is_completed_without_reading_them_all() -> None:
    program = (
        "import sys\n"
        "from click.shell_completion import ShellComplete\n"
        "from sozutw.cli.main import main\n"
        "made = ShellComplete(main, {}, 'sozutw', '_X')\n"
        "assert made.get_completions([], 's')\n"
        "assert made.get_completions(['cluster'], 'h')\n"
        "assert 'twisted' not in sys.modules\n"
        "assert 'sozutw.cli.frontend' not in sys.modules\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_an_unknown_shell_is_a_usage_error() -> None:
    assert call("completion", "tcsh").exit_code == 2
    assert isinstance(main.get_command(click.Context(main), "completion"), click.Group)
