"""`sessions` lists who is connected, and ends one by its token."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, asked, call, content


def test_the_requests(tmp_path: Path) -> None:
    assert asked(tmp_path, "sessions", "list") == pb.Request(list_sessions=pb.ListSessions())
    for spelled in ("4711", "0:0:4711"):
        assert asked(tmp_path, "sessions", "kill", spelled) == pb.Request(kill_session=4711)


@pytest.mark.parametrize("bad", ["", "x", "0", "0:0:", "\u0663", str(2**64)])
def test_what_is_no_token_is_a_usage_error(bad: str) -> None:
    result = call("sessions", "kill", bad)
    assert result.exit_code == 2
    assert "sessions list" in result.stderr


def test_the_table_has_units(tmp_path: Path) -> None:
    common = {"listener": "127.0.0.1:8", "protocol": "http", "ulid": "01J"}
    held = pb.SessionInfos(
        vec=[
            pb.SessionInfo(
                token=7,
                peer="192.0.2.1:5",
                age_seconds=3700,
                idle_seconds=0.25,
                state="idle",
                **common,
            ),
            pb.SessionInfo(
                token=12345,
                peer="[::1]:6",
                age_seconds=12,
                idle_seconds=0,
                state="tunnel",
                cluster_id="shop",
                backend_id="b",
                backend_address="10.0.0.1:8",
                **common,
            ),
        ]
    )
    assert answered(tmp_path, content(sessions=held), "sessions", "list").output.splitlines() == [
        "TOKEN  CLIENT       LISTENER     PROTOCOL  STATE       AGE   IDLE  CLUSTER  BACKEND",
        "    7  192.0.2.1:5  127.0.0.1:8  http      idle    1:01:40  0.2 s  -        -",
        "12345  [::1]:6      127.0.0.1:8  http      tunnel     12 s  0.0 s  shop     b 10.0.0.1:8",
    ]
