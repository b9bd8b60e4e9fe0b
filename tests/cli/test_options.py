"""What several commands share: a configuration, or an exit that says why not."""

from pathlib import Path

import pytest

from sozutw.cli.options import config_or_exit
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
