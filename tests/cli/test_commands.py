"""Common options are taken everywhere, the last one counts, and a command's own come first."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sozutw.cli.commands import Command, CommonOption, examples
from sozutw.cli.main import main
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import call, scripted, told_as_json

STATE_STATS = pb.Request(count_requests=pb.CountRequests())


@pytest.mark.parametrize(
    "words",
    [
        ["-s", "{path}", "-j", "-t", "5000", "state", "stats"],
        ["state", "-s", "{path}", "-j", "-t", "5000", "stats"],
        ["state", "stats", "-s", "{path}", "-j", "-t", "5000"],
        ["--socket", "{path}", "state", "--json", "stats", "--timeout", "5000"],
        ["-s", "/elsewhere", "state", "-s", "/nowhere", "stats", "-js", "{path}"],
        ["-c", "{file}", "-j", "state", "stats"],
        ["state", "stats", "--config", "{file}", "-j"],
        ["-c", "/nowhere", "state", "stats", "-c", "{file}", "-j"],
    ],
    ids=" ".join,
)
def test_they_stand_anywhere(tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "c.toml"
    file.write_text('command_socket = "sozu.sock"\nctl_command_timeout = 5000\n')
    with scripted(tmp_path) as proxy:
        result = call(*(word.format(path=proxy.path, file=file) for word in words))
    assert result.exit_code == 0, result.output
    assert proxy.requests == [STATE_STATS]
    assert told_as_json(result) == {}


def test_a_commands_own_option_of_the_same_name_is_its_own(tmp_path: Path) -> None:
    words = ["cluster", "add", "-i", "x", "--load-balancing-policy", "hrw", "-s"]
    with scripted(tmp_path) as proxy:
        assert call(*words, "--socket", proxy.path).exit_code == 0
        assert call("-s", proxy.path, *words).exit_code == 0
    assert [request.add_cluster.sticky_session for request in proxy.requests] == [True, True]


def test_help_tells_a_commands_own_options_first() -> None:
    told = call("backend", "add", "-h").output
    assert told == call("backend", "add", "--help").output
    assert (
        told.index("--backend-id") < told.index("Options of every command") < told.index("--json")
    )
    assert "--socket PATH" in told
    assert "-s, --socket" not in told
    assert "-s, --sticky-id" in told


@pytest.mark.parametrize(
    "words",
    [
        ["-j", "nonsense"],
        ["nonsense", "--json"],
        ["-j", "backend", "add"],
        ["connection-limit", "set", "x", "-j"],
        ["connection-limit", "-j", "set", "x"],
        ["frontend", "-j"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_an_object_too(words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    told = told_as_json(result)
    assert isinstance(told, dict)
    assert told["code"] == 2
    assert told["error"]


def test_a_command_that_names_no_proxy_is_told_how_to() -> None:
    nothing: dict[str, str | None] = {"SOZUTW_SOCKET": None, "SOZUTW_CONFIG": None}
    result = CliRunner(env=nothing).invoke(main, ["status"])
    assert result.exit_code == 2
    assert "-c FILE" in result.stderr
    told = told_as_json(CliRunner(env=nothing).invoke(main, ["-j", "status"]))
    assert isinstance(told, dict)
    assert told["code"] == 2


def test_a_usage_error_is_told_with_the_usage() -> None:
    result = call("backend", "add")
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: sozutw backend add ")
    assert result.stdout == ""


def test_a_timeout_is_a_number_of_milliseconds() -> None:
    assert call("-t", "soon", "status").exit_code == 2
    assert call("-t", "-1", "status").exit_code == 2


def test_ctrl_c_at_any_other_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_anything: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sozutw.cli.status.Proxy", interrupted)
    result = call("-s", "/nowhere", "status")
    assert result.exit_code == 1
    assert "Aborted!" in result.stderr


def test_without_standalone_mode_errors_are_raised() -> None:
    with pytest.raises(click.UsageError):
        main(["nonsense"], standalone_mode=False)


def test_an_option_without_a_name_left_is_not_there() -> None:
    own = [click.Option(["-j", "--json"], is_flag=True)]
    command = Command("x", params=own)
    common = [option for option in command.params if isinstance(option, CommonOption)]
    assert {option.name for option in common} == {"config", "socket", "timeout"}


def test_examples_are_an_epilog() -> None:
    assert examples("a") == "\b\nExample:\n  a"
    assert examples("a", "b") == "\b\nExamples:\n  a\n  b"
