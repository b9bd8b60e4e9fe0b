"""`status`, `shutdown`, `upgrade` and `logging` ask for what they say."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, asked, content, failure, told_as_json

SENT = [
    (["status"], pb.Request(status=pb.Status())),
    (["shutdown"], pb.Request(soft_stop=pb.SoftStop())),
    (["shutdown", "--hard"], pb.Request(hard_stop=pb.HardStop())),
    (["upgrade"], pb.Request(upgrade_main=pb.UpgradeMain())),
    (["upgrade", "--worker", "3"], pb.Request(upgrade_worker=3)),
    (["upgrade", "--worker", "0"], pb.Request(upgrade_worker=0)),
    (["logging", "info,sozutw.backend=debug"], pb.Request(Logging="info,sozutw.backend=debug")),
]


@pytest.mark.parametrize(
    ("words", "request_"), SENT, ids=lambda w: " ".join(w) if isinstance(w, list) else ""
)
def test_each_sends_its_request(tmp_path: Path, words: list[str], request_: pb.Request) -> None:
    assert asked(tmp_path, *words) == request_


def workers(*states: pb.RunState) -> pb.Response:
    told = [pb.WorkerInfo(id=n, pid=40 + n, run_state=state) for n, state in enumerate(states)]
    return content(workers=pb.WorkerInfos(vec=told))


def test_workers_are_a_table(tmp_path: Path) -> None:
    result = answered(tmp_path, workers(pb.RUNNING, pb.STOPPING), "status")
    assert result.exit_code == 0
    assert result.output == ("WORKER  PID  STATE\n     0   40  running\n     1   41  stopping\n")


def test_workers_as_json_are_sozus(tmp_path: Path) -> None:
    result = answered(tmp_path, workers(pb.RUNNING), "status", "-j")
    assert told_as_json(result) == {"WORKERS": {"vec": [{"id": 0, "pid": 40, "run_state": 0}]}}


def stopping() -> pb.Response:
    drain = pb.DrainState(
        idle=2, exchange=1, tunnel=0, closing=0, oldest_seconds=12.4, seconds_left=17.6
    )
    told = pb.WorkerInfo(id=0, pid=40, run_state=pb.STOPPING, drain=drain)
    return content(workers=pb.WorkerInfos(vec=[told]))


def test_whom_a_stop_waits_for_is_told_below_the_table(tmp_path: Path) -> None:
    result = answered(tmp_path, stopping(), "status")
    assert result.exit_code == 0
    (line,) = result.output.splitlines()[2:]
    assert line.startswith("worker 0 stops: 3 connections left (2 idle, 1 in an exchange), ")
    assert line.endswith(", the oldest for 12 s, at most 18 s more")


def test_a_stop_without_a_deadline_is_told_so(tmp_path: Path) -> None:
    response = stopping()
    drain = response.content.workers.vec[0].drain
    drain.ClearField("seconds_left")
    result = answered(tmp_path, response, "status")
    assert result.output.endswith(", the oldest for 12 s, no deadline\n")
    told = told_as_json(answered(tmp_path, response, "status", "-j"))
    assert told["WORKERS"]["vec"][0]["drain"]["seconds_left"] is None


def test_whom_a_stop_waits_for_is_in_the_json(tmp_path: Path) -> None:
    told = told_as_json(answered(tmp_path, stopping(), "status", "-j"))
    assert told["WORKERS"]["vec"][0]["drain"] == {
        "idle": 2,
        "exchange": 1,
        "tunnel": 0,
        "closing": 0,
        "oldest_seconds": 12.4,
        "seconds_left": 17.6,
    }


@pytest.mark.parametrize("flags", [[], ["-j"]])
def test_a_worker_that_does_not_answer_is_told_by_status_5(
    tmp_path: Path, flags: list[str]
) -> None:
    result = answered(tmp_path, workers(pb.RUNNING, pb.NOT_ANSWERING), "status", *flags)
    assert result.exit_code == 5
    assert "1" in result.output


def test_what_is_not_served_is_told_as_the_proxy_says_it(tmp_path: Path) -> None:
    result = answered(tmp_path, failure("UpgradeMain is not served by this version"), "upgrade")
    assert result.exit_code == 1
    assert result.stderr == "Request failed: UpgradeMain is not served by this version\n"
    assert result.stdout == ""
