"""What several commands share: a configuration, or an exit that says why not."""

from pathlib import Path

import pytest

from sozutw.cli.options import config_or_exit
from tests.cli.scripted import call
from tests.process.test_configuration import GOOD, write


def test_a_good_file_is_returned(tmp_path: Path) -> None:
    config = config_or_exit(write(tmp_path, GOOD), skip_unsupported=False)
    assert len(config.listeners) == 1


def test_a_bad_file_exits_78_and_its_problems_go_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        config_or_exit(write(tmp_path, "[clusters.site]\n"), skip_unsupported=False)
    assert exit_.value.code == 78
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "sozutw.toml:1: " in captured.err


@pytest.mark.parametrize(
    "words",
    [
        ["config", "check", "-c", "{path}"],
        ["-c", "{path}", "config", "check"],
        ["config", "-c", "{path}", "check"],
    ],
    ids=" ".join,
)
def test_the_configuration_may_stand_before_the_subcommand(
    tmp_path: Path, words: list[str]
) -> None:
    path = write(tmp_path, GOOD)
    result = call(*(word.format(path=path) for word in words))
    assert (result.exit_code, result.output) == (0, f"{path}: good\n")


def test_the_environment_names_it_for_want_of_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, GOOD)
    monkeypatch.setenv("SOZUTW_CONFIG", path)
    assert call("config", "check").output == f"{path}: good\n"
    assert call("config", "check", "-c", "/nowhere").exit_code == 78


@pytest.mark.parametrize("words", [["config", "check"], ["start"]])
def test_without_a_configuration_it_is_a_usage_error(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOZUTW_CONFIG", raising=False)
    result = call(*words)
    assert result.exit_code == 2
    assert "Missing option '-c' / '--config'" in result.stderr
