"""The command lists its commands, each explains itself with an example, and it is quick."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sozutw.cli.main import COMMANDS, main
from sozutw.cli.manual import tree
from tests.cli.scripted import scripted


def contexts() -> Iterator[click.Context]:
    root = click.Context(main, info_name="sozutw", **main.context_settings)
    for name in COMMANDS:
        command = main.get_command(root, name)
        assert command is not None
        yield from tree(command, root, name)


ALL = {context.command_path: context for context in contexts()}
ENDS = ["id", "deny"]


@pytest.mark.parametrize("path", ["sozutw", *ALL])
def test_each_command_explains_itself(path: str) -> None:
    words = path.split()[1:]
    if words and words[-1] in ENDS:
        words[-1:] = ["--help"]  # its group's help tells of it
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("context", ALL.values(), ids=ALL)
def test_each_command_has_an_example_of_itself(context: click.Context) -> None:
    command = context.command
    if isinstance(command, click.Group) and not command.invoke_without_command:
        # One sentence, for it does nothing itself.
        assert re.fullmatch(r"[A-Z].*[^.]\.", command.help or ""), command.help
        assert ". " not in (command.help or "")
        return
    epilog = command.epilog or ""
    assert epilog.startswith(("\b\nExample:\n", "\b\nExamples:\n")), context.command_path
    for line in epilog.splitlines()[2:]:
        words = iter(re.sub(r"'[^']*'", "x", line).split())
        assert all(word in words for word in context.command_path.split()), line


@pytest.mark.parametrize("context", ALL.values(), ids=ALL)
def test_each_example_is_a_command_line_that_is_taken(context: click.Context) -> None:
    """It is parsed to its end; that the files of an example are not there is no fault of it."""
    for line in (context.command.epilog or "").splitlines()[2:]:
        words = re.findall(r"'[^']*'|\S+", line.partition("|")[0])[1:]
        words = [word.strip("'") for word in words]
        result = CliRunner().invoke(main, [*words, "--help"])
        assert result.exit_code in (0, 2), line
        assert result.exit_code == 0 or "cannot be read" in result.stderr, result.output


@pytest.mark.parametrize("context", ALL.values(), ids=ALL)
def test_each_option_says_what_it_is(context: click.Context) -> None:
    for param in context.command.params:
        if isinstance(param, click.Option):
            assert param.help, (context.command_path, param.name)
            assert param.help[-1] in ".]", (context.command_path, param.help)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_in_the_list_is_the_commands_own(name: str) -> None:
    command = ALL[f"sozutw {name}"].command
    assert COMMANDS[name][1] == command.get_short_help_str(limit=200)


def test_each_command_of_sozu_is_there() -> None:
    """As its version 2.1 has them, but for those that only it calls itself."""
    wanted = """
    start|shutdown|upgrade|status|logging|reload|events|metrics get|metrics clear|metrics enable
    metrics disable|state save|state load|state stats|cluster list|cluster add|cluster remove
    cluster h2 enable|cluster h2 disable|cluster health-check set|cluster health-check remove
    cluster health-check list|backend add|backend remove|frontend list|frontend http add id
    frontend http add deny|frontend http remove id|frontend http remove deny|frontend https add id
    frontend https add deny|frontend https remove id|frontend https remove deny|frontend tcp add
    frontend tcp remove|frontend udp add|frontend udp remove|listener list|listener http add
    listener http update|listener http activate|listener http deactivate|listener http remove
    listener https add|listener https update|listener https activate|listener https deactivate
    listener https remove|listener tcp add|listener tcp update|listener tcp activate
    listener tcp deactivate|listener tcp remove|listener udp add|listener udp update
    listener udp activate|listener udp deactivate|listener udp remove|certificate list
    certificate add|certificate remove|certificate replace|config check|connection-limit set
    connection-limit remove|connection-limit show
    """
    for path in re.split(r"\||\n", wanted.strip()):
        assert f"sozutw {path.strip()}" in ALL


def in_a_fresh_process(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )


@pytest.mark.parametrize("words", [["--version"], ["-V"]])
def test_the_version_is_told(words: list[str]) -> None:
    program = "import sys\nfrom sozutw.cli.main import main\nmain(sys.argv[1:])\n"
    answer = in_a_fresh_process(program, *words)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("sozutw, version 0.")


QUICK = """\
import sys
from sozutw.cli.main import main
try:
    main(sys.argv[1:])
finally:
    loaded = {name.partition('.')[0] for name in sys.modules}
    assert not loaded & {'twisted', 'zope', 'OpenSSL', 'cryptography', 'asyncio'}, loaded
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--version"], ["--help"], ["status"], ["status", "-j"], ["backend", "--help"],
        ["frontend", "list"], ["listener", "list"], ["metrics", "get"], ["cluster", "list"],
        ["certificate", "list"], ["sessions", "list"], ["reload"], ["explain", "http://a/"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_command_that_asks_waits_for_twisted(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "c.toml").write_text('command_socket = "sozu.sock"\n')
    with scripted(tmp_path):
        answer = in_a_fresh_process(QUICK, "-c", str(tmp_path / "c.toml"), *words)
    assert answer.returncode == 0, answer.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["strat"])
    assert result.exit_code == 2
    assert "strat" in result.output
