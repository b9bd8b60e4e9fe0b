"""`state` sends absolute paths, and tells what is counted."""

import os
from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import OK, answered, asked, call, content, failure, scripted, told_as_json


@pytest.mark.parametrize("flag", ["-f", "--file"])
def test_paths_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, meant in (("s.json", f"{tmp_path}/s.json"), ("/s.json", "/s.json")):
        assert asked(tmp_path, "state", "save", flag, given) == pb.Request(save_state=meant)
        assert asked(tmp_path, "state", "load", flag, given) == pb.Request(load_state=meant)
        without = pb.SaveState(path=meant, without_keys=True)
        request = asked(tmp_path, "state", "save", "--without-keys", flag, given)
        assert request == pb.Request(save_state_as=without)


def test_a_file_is_required() -> None:
    assert call("state", "save").exit_code == 2
    assert call("state", "load").exit_code == 2
    assert call("state", "load", "-f", "").exit_code == 2


def test_counts_are_asked_for_and_told(tmp_path: Path) -> None:
    request = pb.Request(count_requests=pb.CountRequests())
    assert asked(tmp_path, "state", "stats") == request
    answer = content(request_counts=pb.RequestCounts(map={"AddCluster": 12, "AddBackend": 3}))
    assert answered(tmp_path, answer, "state", "stats").output == (
        "REQUEST     COUNT\nAddBackend      3\nAddCluster     12\n"
    )
    as_json = told_as_json(answered(tmp_path, answer, "state", "stats", "--json"))
    assert as_json == {"REQUEST_COUNTS": {"map": {"AddBackend": 3, "AddCluster": 12}}}


def test_quick_progress_is_not_told_where_nobody_sits(tmp_path: Path) -> None:
    working = pb.Response(status=pb.PROCESSING, message="Applying state file...")
    with scripted(tmp_path, [working, OK]) as proxy:
        result = call("-s", proxy.path, "state", "load", "-f", "x")
    assert (result.stdout, result.stderr) == ("Success: done\n", "")


def test_a_refusal_is_told(tmp_path: Path) -> None:
    refused = failure(f"record 3 is torn{os.linesep}nothing was applied\x1b[1m")
    result = answered(tmp_path, refused, "state", "load", "-f", "x")
    assert result.exit_code == 1
    assert result.stderr == "Request failed: record 3 is torn\nnothing was applied\ufffd[1m\n"
