"""`events` prints each as it comes, and its status says how it ended."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sozutw.cli.events import line
from sozutw.control import client
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, call, failure, scripted

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def event(who: str = "main", **fields: object) -> pb.Response:
    told = pb.ResponseContent(event=pb.Event(**fields))  # type: ignore[arg-type]
    return pb.Response(status=pb.PROCESSING, message=who, content=told)


def test_they_are_asked_for_and_printed_until_the_proxy_goes(tmp_path: Path) -> None:
    script = [
        event(kind=pb.EVENTS_SUBSCRIBED),
        pb.Response(status=pb.PROCESSING, message="no event"),
        event("0", kind=pb.BACKEND_DOWN, cluster_id="shop", backend_id="b1", address=LOOPBACK),
        None,
    ]
    with scripted(tmp_path, script) as proxy:
        result = call("-s", proxy.path, "events")
    assert proxy.requests == [pb.Request(subscribe_events=pb.SubscribeEvents())]
    assert result.exit_code == 3
    assert result.stderr == f"sozutw at {proxy.path} is gone\n"
    told = [text.partition(" ")[2] for text in result.stdout.splitlines()]
    assert told == [
        "main EVENTS_SUBSCRIBED",
        "0 BACKEND_DOWN cluster=shop backend=b1 address=127.0.0.1:8080",
    ]


def test_each_is_one_line_of_json(tmp_path: Path) -> None:
    with scripted(tmp_path, [event("0", kind=pb.CLUSTER_ADDED, cluster_id="x"), None]) as proxy:
        result = call("-s", proxy.path, "events", "-j")
    first, _, rest = result.stdout.partition("\n")
    told = json.loads(first)
    assert told["from"] == "0"
    assert told["EVENT"]["kind"] == pb.CLUSTER_ADDED
    assert told["EVENT"]["cluster_id"] == "x"
    end = {"error": f"sozutw at {proxy.path} is gone", "code": 3}
    assert [json.loads(line) for line in rest.splitlines()] == [end]


def test_ctrl_c_ends_it_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_asked: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client.Client, "ask", interrupted)
    result = call("-s", str(tmp_path / "s"), "events")
    assert (result.exit_code, result.output) == (130, "")


def test_a_refusal_ends_it(tmp_path: Path) -> None:
    with scripted(tmp_path, [failure("not now")]) as proxy:
        result = call("-s", proxy.path, "events")
    assert result.exit_code == 1
    assert "not now" in result.stderr


def test_a_timeout_that_was_asked_for_ends_it_with_4(tmp_path: Path) -> None:
    with scripted(tmp_path, []) as proxy:
        result = call("-s", proxy.path, "events", "-t", "20")
    assert result.exit_code == 4
    told = "nothing has happened for 0.02 s\n  -t MS waits longer, -t 0 without limit.\n"
    assert result.stderr == told


def test_the_line_has_the_time_and_all_that_it_is_about() -> None:
    change = pb.MetricDetailTransition(
        previous_effective=pb.DETAIL_CLUSTER,
        effective=pb.DETAIL_BACKEND,
        transition_kind="lease",
    )
    told = event(kind=pb.METRIC_DETAIL_CHANGED, metric_detail=change, cluster_id="a\x1bb")
    assert line(told, is_json=False, now=NOW) == (
        "2026-01-02T03:04:05.678+00:00 main METRIC_DETAIL_CHANGED"
        " cluster=a\ufffdb detail=cluster->backend"
    )
    assert line(told, is_json=False).endswith("detail=cluster->backend")
