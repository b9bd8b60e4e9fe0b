"""Listeners are told with what they are set to, and with units."""

from pathlib import Path

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, address, answered, content, told_as_json
from tests.cli.test_listener import DEFAULTS


def test_each_listener_is_told(tmp_path: Path) -> None:
    http = pb.HttpListenerConfig(
        address=LOOPBACK,
        active=True,
        public_address=address(0x01020304, 80),
        send_x_real_ip=True,
        sozu_id_header="Sozu-Id",
        http_answers=pb.CustomHttpAnswers(answer_404="x"),
        answers={"503": "y"},
        h2_max_ping_per_window=7,
        extras=pb.ListenerExtras(
            connect_timeout=0.25, tunnel_timeout=90, trusted_proxies=["10.0.0.0/8", "fd00::/8"]
        ),
        **DEFAULTS["http"],
    )
    https = pb.HttpsListenerConfig(
        address=address(0x7F000001, 8443),
        active=False,
        versions=[pb.TLS_V1_2, pb.TLS_V1_3],
        alpn_protocols=["http/1.1"],
        strict_sni_binding=True,
        extras=pb.ListenerExtras(client_auth="require"),
        hsts=pb.HstsConfig(enabled=True, max_age=60),
        **DEFAULTS["https"],
    )
    tcp = pb.TcpListenerConfig(address=LOOPBACK, active=True, **DEFAULTS["tcp"])
    udp = pb.UdpListenerConfig(address=LOOPBACK, active=True, **DEFAULTS["udp"])
    held = pb.ListenersList(
        http_listeners={"127.0.0.1:8080": http},
        https_listeners={"127.0.0.1:8443": https},
        tcp_listeners={"127.0.0.1:8080": tcp},
        udp_listeners={"127.0.0.1:8080": udp},
    )
    result = answered(tmp_path, content(listeners_list=held), "listener", "list")
    assert result.exit_code == 0, result.output
    told = result.output.split("\n\n")
    assert told[0].splitlines() == [
        "HTTP 127.0.0.1:8080 (active)",
        "  public address          1.2.3.4:80",
        "  expects PROXY           no",
        "  sticky cookie           SOZUBALANCEID",
        "  front timeout           60 s",
        "  back timeout            30 s",
        "  connect timeout         0.25 s",
        "  request timeout         10 s",
        "  sends X-Real-IP         yes",
        "  header of ids           Sozu-Id",
        "  answers of its own      404, 503",
        "  h2 max ping per window  7",
        "  tunnel timeout          90 s",
        "  trusted proxies         10.0.0.0/8, fd00::/8",
    ]
    assert told[1].splitlines()[0] == "HTTPS 127.0.0.1:8443 (not active)"
    assert told[1].splitlines()[-6:] == [
        "  TLS versions         TLS_V1_2, TLS_V1_3",
        "  ALPN                 http/1.1",
        "  session tickets      4",
        "  strict sni binding   yes",
        "  HSTS                 60 s",
        "  client certificates  require",
    ]
    assert told[2].splitlines()[-1] == "  connect timeout  3 s"
    assert told[3].splitlines()[-2:] == [
        "  datagrams of   1500 B at most",
        "  flows at most  as descriptors allow",
    ]


def test_no_listener_is_said_to_be_none(tmp_path: Path) -> None:
    nothing = content(listeners_list=pb.ListenersList())
    assert answered(tmp_path, nothing, "listener", "list").output == "There is no listener.\n"
    assert told_as_json(answered(tmp_path, nothing, "listener", "list", "-j")) == {
        "LISTENERS_LIST": {
            "http_listeners": {},
            "https_listeners": {},
            "tcp_listeners": {},
            "udp_listeners": {},
        }
    }
