"""twistd's options are read, judged and acted on before twistd does anything."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.python import usage

from sozutw.tap import Options, makeService
from tests.process.test_configuration import GOOD, write


def parsed(parent: dict[str, object] | None, *arguments: str) -> Options:
    options = Options()
    options.parent = parent
    options.parseOptions(list(arguments))
    return options


def test_a_good_file_becomes_a_service(tmp_path: Path) -> None:
    options = parsed(None, "--config", write(tmp_path, GOOD))
    assert options.served is not None
    assert hasattr(makeService(options), "startService")


def test_a_bad_file_ends_with_78_and_all_problems(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        parsed(None, "-c", write(tmp_path, GOOD.replace("hostname", "hostnme")))
    assert exit_.value.code == 78
    assert "sozutw.toml:8: " in capfd.readouterr().err


def test_a_file_must_be_named() -> None:
    with pytest.raises(usage.UsageError, match="--config FILE"):
        parsed(None)


def test_twistds_default_pid_file_is_not_used(tmp_path: Path) -> None:
    """Two proxies started in one folder would refuse each other."""
    twistd: dict[str, object] = {"pidfile": "twistd.pid"}
    parsed(twistd, "-c", write(tmp_path, GOOD))
    assert twistd["pidfile"] == ""


def test_the_configuration_names_the_pid_file(tmp_path: Path) -> None:
    twistd: dict[str, object] = {"pidfile": "twistd.pid"}
    parsed(twistd, "-c", write(tmp_path, 'pid_file_path = "my.pid"\n' + GOOD))
    assert twistd["pidfile"] == str(tmp_path / "my.pid")


def test_a_pid_file_of_the_operators_choice_is_kept(tmp_path: Path) -> None:
    twistd: dict[str, object] = {"pidfile": "/run/mine.pid"}
    parsed(twistd, "-c", write(tmp_path, GOOD))
    assert twistd["pidfile"] == "/run/mine.pid"


@pytest.mark.parametrize(
    ("twistd", "target", "expected"),
    [
        (None, "stdout", False),
        ({"nodaemon": True}, "stdout", False),
        ({"nodaemon": True, "logfile": "x.log"}, "stdout", True),
        ({"nodaemon": True, "syslog": True}, "stdout", True),
        ({}, "stdout", True),
        ({}, "file:///dev/null", False),
    ],
)
def test_the_log_is_twistds_where_the_operator_told_twistd_so(
    tmp_path: Path, twistd: dict[str, object] | None, target: str, expected: bool
) -> None:
    text = f'log_target = "{target}"\n' + GOOD
    assert parsed(twistd, "-c", write(tmp_path, text)).has_twistds_log is expected


@pytest.mark.parametrize(("parent", "user"), [(None, None), ({}, None), ({"uid": 33}, 33)])
def test_who_the_process_will_be_is_told(
    tmp_path: Path, parent: dict[str, object] | None, user: int | None
) -> None:
    service: Any = makeService(parsed(parent, "-c", write(tmp_path, GOOD)))
    assert service._proxy.host.user == user


@pytest.mark.parametrize("key", ["uid", "gid"])
def test_twistd_and_the_file_may_not_both_say_who_it_will_be(
    tmp_path: Path, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    twistd: dict[str, object] = {key: os.geteuid()}
    parsed(twistd, "-c", write(tmp_path, GOOD))
    with pytest.raises(SystemExit) as exit_:
        parsed(twistd, "-c", write(tmp_path, f"user = {os.geteuid()}\n" + GOOD))
    assert exit_.value.code == 78
    assert "leave out the one or the other" in capfd.readouterr().err


UNABLE = """
import sys
from twisted.internet.defer import fail
from sozutw.process.workers import forks
forks.ZygoteForks.start = lambda self: fail(forks.CannotForkError("no zygote today"))
from twisted.scripts.twistd import run
run()
"""
"""twistd, with workers that cannot be begun, which is found out when its loop runs."""


def test_what_keeps_it_from_serving_is_told_and_is_the_exit_status(tmp_path: Path) -> None:
    path = write(tmp_path, 'worker_count = 1\npid_file_path = "pid"\n')
    words = [sys.executable, "-c", UNABLE, "-n", "sozutw", "-c", path]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "sozutw cannot start: no zygote today\n" in ended.stderr
    assert not (tmp_path / "pid").exists()
