"""Frontends are told with all that they do."""

from pathlib import Path

from sozutw.cli.frontend_tables import does
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, answered, content
from tests.cli.test_frontend import HEADERS, path, rule


def test_each_kind_has_its_table(tmp_path: Path) -> None:
    held = pb.ListedFrontends(
        http_frontends=[
            rule(cluster_id="shop", tags={"b": "2", "a": "1"}),
            rule(method="GET", **path(pb.EQUALS, "/x")),
        ],
        https_frontends=[rule(cluster_id="shop", position=pb.PRE, **path(pb.REGEX, "/.*"))],
        tcp_frontends=[pb.RequestTcpFrontend(cluster_id="game", address=LOOPBACK)],
        udp_frontends=[pb.RequestUdpFrontend(cluster_id="dns", address=LOOPBACK, tags={"k": "v"})],
    )
    result = answered(tmp_path, content(frontend_list=held), "frontend", "list")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "HTTP frontends",
        "  CLUSTER  LISTENER        HOSTNAME   PATH  METHOD  POSITION  DOES  TAGS",
        "  shop     127.0.0.1:8080  a.example  /*    any     tree      -     a=1, b=2",
        "  (deny)   127.0.0.1:8080  a.example  = /x  GET     tree      -     -",
        "",
        "HTTPS frontends",
        "  CLUSTER  LISTENER        HOSTNAME   PATH   METHOD  POSITION  DOES  TAGS",
        "  shop     127.0.0.1:8080  a.example  ~ /.*  any     pre       -     -",
        "",
        "TCP frontends",
        "  CLUSTER  LISTENER        TAGS",
        "  game     127.0.0.1:8080  -",
        "",
        "UDP frontends",
        "  CLUSTER  LISTENER        TAGS",
        "  dns      127.0.0.1:8080  k=v",
    ]


def test_no_frontend_is_said_to_be_none(tmp_path: Path) -> None:
    result = answered(tmp_path, content(frontend_list=pb.ListedFrontends()), "frontend", "list")
    assert result.output == "There is no such frontend.\n"


def test_all_that_it_does_is_told() -> None:
    everything = rule(
        redirect=pb.PERMANENT_REDIRECT,
        redirect_scheme=pb.USE_HTTPS,
        redirect_template="x",
        required_auth=True,
        rewrite_host="h",
        rewrite_path="/p",
        rewrite_port=81,
        headers=HEADERS,
        hsts=pb.HstsConfig(enabled=True),
    )
    assert list(does(everything)) == [
        "redirect permanent_redirect",
        "use https",
        "redirect by template",
        "asks who it is",
        "host becomes h",
        "path becomes /p",
        "port becomes 81",
        "request header A: 1",
        "response header B removed",
        "both header C: x=y",
        "HSTS",
    ]
    assert list(does(rule(hsts=pb.HstsConfig(enabled=False)))) == ["no HSTS"]
    assert list(does(rule(redirect=pb.FORWARD, redirect_scheme=pb.USE_SAME))) == []
