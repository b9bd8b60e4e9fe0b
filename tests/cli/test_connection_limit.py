"""`connection-limit` sets, removes and shows one number."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, asked, call, content, told_as_json


@pytest.mark.parametrize(
    ("words", "limit"), [(["set", "3"], 3), (["set", "0"], 0), (["remove"], 0)]
)
def test_a_limit_is_sent(tmp_path: Path, words: list[str], limit: int) -> None:
    request = pb.Request(set_max_connections_per_ip=limit)
    assert asked(tmp_path, "connection-limit", *words) == request


def test_the_value_is_asked_for(tmp_path: Path) -> None:
    request = pb.Request(query_max_connections_per_ip=pb.QueryMaxConnectionsPerIp())
    assert asked(tmp_path, "connection-limit", "show") == request


@pytest.mark.parametrize(
    ("limit", "told"),
    [(7, "7 connections for each cluster and source IP address\n"), (0, "no limit\n")],
)
def test_the_value_is_shown(tmp_path: Path, limit: int, told: str) -> None:
    held = content(max_connections_per_ip_limit=pb.MaxConnectionsPerIpLimit(limit=limit))
    assert answered(tmp_path, held, "connection-limit", "show").output == told
    as_json = answered(tmp_path, held, "connection-limit", "show", "-j")
    assert told_as_json(as_json) == {"MAX_CONNECTIONS_PER_IP_LIMIT": {"limit": limit}}


def test_a_limit_is_a_number() -> None:
    assert call("connection-limit", "set", "--", "-1").exit_code == 2
    assert call("connection-limit", "set").exit_code == 2
