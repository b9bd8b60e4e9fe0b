"""`cluster health-check`: probes of HTTP as Sōzu's, and of TCP."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, asked, call, content

SET = ["cluster", "health-check", "set", "-i", "shop"]


def check(**fields: object) -> pb.HealthCheckConfig:
    made = pb.HealthCheckConfig(
        uri="/up",
        interval=10,
        timeout=5,
        healthy_threshold=3,
        unhealthy_threshold=3,
        expected_status=0,
    )
    made.MergeFrom(pb.HealthCheckConfig(**fields))  # type: ignore[arg-type]
    return made


SETTINGS = [
    (["-u", "/up"], {}),
    (["--uri", "/up"], {}),
    (["-u", "/up", "--mode", "http"], {}),
    (["-u", "/up", "--interval", "1"], {"interval": 1}),
    (["-u", "/up", "--probe-timeout", "2"], {"timeout": 2}),
    (["-u", "/up", "--healthy-threshold", "4"], {"healthy_threshold": 4}),
    (["-u", "/up", "--unhealthy-threshold", "5"], {"unhealthy_threshold": 5}),
    (["-u", "/up", "--expected-status", "204"], {"expected_status": 204}),
    (["--tcp"], {"uri": "", "tcp": True}),
    (["--mode", "tcp", "-u", "/up"], {"uri": "", "tcp": True}),
]


@pytest.mark.parametrize(("words", "fields"), SETTINGS, ids=str)
def test_what_is_given_is_sent(tmp_path: Path, words: list[str], fields: dict[str, object]) -> None:
    made = pb.SetHealthCheck(cluster_id="shop", config=check(**fields))
    assert asked(tmp_path, *SET, *words) == pb.Request(set_health_check=made)


def test_timeout_is_the_commands_as_everywhere(tmp_path: Path) -> None:
    made = pb.SetHealthCheck(cluster_id="shop", config=check())
    request = asked(tmp_path, *SET, "-u", "/up", "--timeout", "7000")
    assert request == pb.Request(set_health_check=made)


@pytest.mark.parametrize(
    "words",
    [[], ["--tcp", "--mode", "http"], ["-u", "/", "--interval", "0"], ["-u", "/", "--mode", "udp"]],
    ids=str,
)
def test_what_makes_no_check_is_a_usage_error(words: list[str]) -> None:
    assert call(*SET, *words).exit_code == 2


def test_checks_are_removed_and_listed(tmp_path: Path) -> None:
    words = ["cluster", "health-check"]
    assert asked(tmp_path, *words, "remove", "-i", "shop") == pb.Request(remove_health_check="shop")
    assert asked(tmp_path, *words, "list") == pb.Request(query_health_checks=pb.QueryHealthChecks())
    one = pb.Request(query_health_checks=pb.QueryHealthChecks(cluster_id="shop"))
    assert asked(tmp_path, *words, "list", "-i", "shop") == one


def test_the_table_has_units(tmp_path: Path) -> None:
    held = pb.HealthChecksList(
        map={"shop": check(), "game": check(uri="", tcp=True, expected_status=0)}
    )
    result = answered(tmp_path, content(health_checks_list=held), "cluster", "health-check", "list")
    assert result.output.splitlines() == [
        "CLUSTER  ASKED FOR     EXPECTED  INTERVAL  TIMEOUT  HEALTHY AFTER  UNHEALTHY AFTER",
        "game     a connection  -             10 s      5 s              3                3",
        "shop     /up           2xx           10 s      5 s              3                3",
    ]
