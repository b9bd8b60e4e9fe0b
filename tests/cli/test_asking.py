"""What is asked comes to an end: told as text or JSON, with the exit status that belongs to it."""

import io
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from sozutw.cli import asking
from sozutw.cli.asking import Patience, Progress, Proxy, as_json, screen_width
from sozutw.cli.commands import SOCKET, TIMEOUT
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import OK, answered, call, failure, scripted, told_as_json

WORKING = pb.Response(status=pb.PROCESSING, message="Processing worker request...")


def test_a_success_without_content_is_told_as_sozu_does(tmp_path: Path) -> None:
    with scripted(tmp_path, [WORKING, WORKING, OK]) as proxy:
        result = call("-s", proxy.path, "metrics", "clear")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Success: done\n", "")


def test_a_success_without_content_is_an_empty_object(tmp_path: Path) -> None:
    result = answered(tmp_path, OK, "metrics", "clear", "-j")
    assert result.exit_code == 0
    assert told_as_json(result) == {}


REFUSALS = [
    ("Did not find Cluster with address or id 'x'", 1, "sozutw cluster list"),
    ("could not dispatch request: no such thing", 1, None),
    ("0: OK, 1: it is broken", 5, None),
    ("a port such as 1: is not meant", 1, None),
]


def test_a_worker_that_could_not_follow_is_told_on_its_line(tmp_path: Path) -> None:
    answer = failure("not every worker has it\nworker 1: it went")
    result = answered(tmp_path, answer, "cluster", "remove", "-i", "x")
    assert result.exit_code == 5
    assert result.stderr.splitlines() == [
        "Request failed: not every worker has it",
        "worker 1: it went",
    ]


@pytest.mark.parametrize(("message", "status", "advice"), REFUSALS)
def test_a_refusal_is_told_with_advice(
    tmp_path: Path, message: str, status: int, advice: str | None
) -> None:
    result = answered(tmp_path, failure(message), "cluster", "remove", "-i", "x")
    assert result.exit_code == status
    assert result.stdout == ""
    first, _, rest = result.stderr.partition("\n")
    assert first == f"Request failed: {message}"
    assert (advice in rest) if advice else (rest == "")


@pytest.mark.parametrize(("message", "status", "advice"), REFUSALS)
def test_a_refusal_is_an_object_on_stdout(
    tmp_path: Path, message: str, status: int, advice: str | None
) -> None:
    result = answered(tmp_path, failure(message), "-j", "cluster", "remove", "-i", "x")
    assert result.exit_code == status
    told = told_as_json(result)
    assert isinstance(told, dict)
    assert told["error"] == f"Request failed: {message}"
    assert told["code"] == status
    assert ("advice" in told) == (advice is not None)


def test_a_socket_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    path = str(tmp_path / "sozu.sock")
    result = call("-s", path, "status")
    assert result.exit_code == 3
    assert f"there is no command socket {path}" in result.stderr
    assert "told by --socket" in result.stderr
    as_json = told_as_json(call("-s", path, "status", "-j"))
    assert isinstance(as_json, dict)
    assert as_json["code"] == 3


def test_a_socket_that_nobody_listens_on_ends_with_3(tmp_path: Path) -> None:
    path = str(tmp_path / "sozu.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    result = call("-s", path, "status")
    assert result.exit_code == 3
    assert f"nobody answers on {path}" in result.stderr


def test_silence_ends_with_4(tmp_path: Path) -> None:
    with scripted(tmp_path, [WORKING]) as proxy:
        result = call("-s", proxy.path, "status", "-t", "20")
    assert result.exit_code == 4
    assert "whether the request is carried out is not known" in result.stderr
    assert "-t MS waits longer" in result.stderr


def test_an_end_in_the_middle_ends_with_4(tmp_path: Path) -> None:
    with scripted(tmp_path, [WORKING, None]) as proxy:
        result = call("-s", proxy.path, "status")
    assert result.exit_code == 4
    assert "broke off" in result.stderr


@pytest.mark.parametrize(
    ("asked", "patience", "seconds"),
    [
        (None, Patience.USUAL, 1.0),
        (None, Patience.LONG, 60.0),
        (None, Patience.ENDLESS, None),
        (250, Patience.USUAL, 0.25),
        (250, Patience.LONG, 0.25),
        (250, Patience.ENDLESS, 0.25),
        (0, Patience.USUAL, None),
        (0, Patience.LONG, None),
    ],
)
def test_how_long_an_answer_is_waited_for(
    asked: int | None, patience: Patience, seconds: float | None
) -> None:
    with click.Context(click.Command("x")) as ctx:
        ctx.meta[SOCKET] = "/s"
        if asked is not None:
            ctx.meta[TIMEOUT] = asked
        assert Proxy(ctx, patience).timeout == seconds


class Second:
    """A timer of which the test says when its time has come."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == 1.0
        self.passed = call
        self.daemon = False
        self.said: list[str] = []

    def start(self) -> None:
        self.said.append("start")

    def cancel(self) -> None:
        self.said.append("cancel")


def waiting() -> tuple[Progress, Second]:
    made: list[Second] = []

    def timer(seconds: float, call: Callable[[], None]) -> Any:
        made.append(Second(seconds, call))
        return made[0]

    return Progress(timer), made[0]


def test_progress_is_told_once_a_second_has_passed(capsys: pytest.CaptureFixture[str]) -> None:
    progress, second = waiting()
    with progress:
        progress.told("one")
        progress.told("two\x1b")
        assert capsys.readouterr().err == ""
        second.passed()
        assert capsys.readouterr() == ("", "one\ntwo\ufffd\n")
        progress.told("three")
        assert capsys.readouterr() == ("", "three\n")
    assert second.said == ["start", "cancel"]
    assert second.daemon


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_told_at_once_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress, _ = waiting()
    progress.told("one")
    assert terminal.getvalue() == "one\n"


def test_tables_are_as_wide_as_the_terminal_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert screen_width() is None
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "77")
    assert screen_width() == 77


def test_progress_of_what_may_take_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(asking.Progress, "told", lambda _self, text: told.append(text))
    for words in (["state", "load", "-f", "x"], ["reload"], ["shutdown"], ["status"]):
        with scripted(tmp_path, [WORKING, OK]) as proxy:
            assert call("-s", proxy.path, *words).exit_code == 0
    assert told == [WORKING.message] * 3


def test_json_is_what_everybody_reads() -> None:
    assert json.loads(as_json({"ō": 1})) == {"ō": 1}
    assert as_json({"ō": 1}, indent=None) == '{"ō": 1}'


def test_json_changes_nothing_of_the_terminal_and_means_the_same() -> None:
    told = {"id": "ä\x9b31m\x7f\u202e\U000e0001", "tab": "\t"}
    text = as_json(told)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "ä" in text
    assert json.loads(text) == told
