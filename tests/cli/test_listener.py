"""`listener`: an order to add has all that Sōzu's has, one to update has what was given."""

from pathlib import Path
from typing import Any

import pytest

from sozutw.cli.listener_options import ANSWERS, H2_KNOBS
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, address, asked, call, scripted

AT = ["-a", "127.0.0.1:8080"]
PUBLIC = address(0x01020304, 80)
TIMEOUTS = {"front_timeout": 60, "back_timeout": 30, "connect_timeout": 3}
HTTP = {
    "sticky_name": "SOZUBALANCEID",
    "expect_proxy": False,
    "request_timeout": 10,
    **TIMEOUTS,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "http": HTTP,
    "https": {**HTTP, "send_tls13_tickets": 4},
    "tcp": {"expect_proxy": False, **TIMEOUTS},
    "udp": {"front_timeout": 30, "back_timeout": 30, "max_rx_datagram_size": 1500, "max_flows": 0},
}
MESSAGES: dict[str, Any] = {
    "http": pb.HttpListenerConfig,
    "https": pb.HttpsListenerConfig,
    "tcp": pb.TcpListenerConfig,
    "udp": pb.UdpListenerConfig,
}
PATCHES: dict[str, Any] = {
    "http": pb.UpdateHttpListenerConfig,
    "https": pb.UpdateHttpsListenerConfig,
    "tcp": pb.UpdateTcpListenerConfig,
    "udp": pb.UpdateUdpListenerConfig,
}
KINDS = list(MESSAGES)


def order(verb: str, message: object) -> pb.Request:
    return pb.Request(**{verb: message})  # type: ignore[arg-type]


def added(kind: str, **fields: object) -> pb.Request:
    made = MESSAGES[kind](address=LOOPBACK, active=False, **{**DEFAULTS[kind], **fields})
    return order(f"add_{kind}_listener", made)


def patched(kind: str, **fields: object) -> pb.Request:
    return order(f"update_{kind}_listener", PATCHES[kind](address=LOOPBACK, **fields))


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_is_added_with_the_defaults(tmp_path: Path, kind: str) -> None:
    assert asked(tmp_path, "listener", kind, "add", *AT) == added(kind)


TIMEOUT_FLAGS = [
    (["--front-timeout", "1"], {"front_timeout": 1}),
    (["--back-timeout", "2"], {"back_timeout": 2}),
]
CONNECT = [(["--connect-timeout", "3"], {"connect_timeout": 3})]
HTTP_FLAGS = [
    (["--sticky-name", "S"], {"sticky_name": "S"}),
    (["--request-timeout", "4"], {"request_timeout": 4}),
]
PUBLIC_FLAG = [(["--public-address", "1.2.3.4:80"], {"public_address": PUBLIC})]
EXPECT = [(["--expect-proxy"], {"expect_proxy": True})]
TLS_FLAGS = [
    (["--tls-versions", "TLS_V12,TLS_V13"], {"versions": [pb.TLS_V1_2, pb.TLS_V1_3]}),
    (
        ["--tls-versions", "TLSv1", "--tls-versions", "TLS_V11"],
        {"versions": [pb.TLS_V1_0, pb.TLS_V1_1]},
    ),
    (["--tls-versions", "TLSv1.3"], {"versions": [pb.TLS_V1_3]}),
    (["--tls-cipher-list", "A,B", "--tls-cipher-list", "C"], {"cipher_list": ["A", "B", "C"]}),
]
UDP_FLAGS = [
    (["--max-rx-datagram-size", "9"], {"max_rx_datagram_size": 9}),
    (["--max-flows", "8"], {"max_flows": 8}),
]
ADDED: list[tuple[str, list[str], dict[str, Any]]] = [
    (kind, *flag)
    for kind, flags in (
        ("http", PUBLIC_FLAG + TIMEOUT_FLAGS + CONNECT + HTTP_FLAGS + EXPECT),
        ("https", PUBLIC_FLAG + TIMEOUT_FLAGS + CONNECT + HTTP_FLAGS + EXPECT + TLS_FLAGS),
        ("tcp", PUBLIC_FLAG + TIMEOUT_FLAGS + CONNECT + EXPECT),
        ("udp", PUBLIC_FLAG + TIMEOUT_FLAGS + UDP_FLAGS),
    )
    for flag in flags
]


@pytest.mark.parametrize(("kind", "words", "fields"), ADDED, ids=str)
def test_what_is_given_is_added(
    tmp_path: Path, kind: str, words: list[str], fields: dict[str, object]
) -> None:
    assert asked(tmp_path, "listener", kind, "add", *AT, *words) == added(kind, **fields)


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("status", ["400", "404", "503"])
def test_answers_are_read_and_added(tmp_path: Path, kind: str, status: str) -> None:
    (tmp_path / "page").write_text("HTTP/1.1 404 No\r\n\r\n", newline="")
    words = [f"--answer-{status}", str(tmp_path / "page")]
    answers = pb.CustomHttpAnswers(**{f"answer_{status}": "HTTP/1.1 404 No\r\n\r\n"})
    request = asked(tmp_path, "listener", kind, "add", *AT, *words)
    assert request == added(kind, http_answers=answers)


def test_timeouts_that_are_not_given_are_the_configurations(tmp_path: Path) -> None:
    text = 'command_socket = "sozu.sock"\nfront_timeout = 5\nconnect_timeout = 0.25\n'
    (tmp_path / "c.toml").write_text(text)
    with scripted(tmp_path) as proxy:
        for words in (["http"], ["tcp"]):
            words += ["add", *AT, "-c", str(tmp_path / "c.toml"), "--back-timeout", "9"]
            assert call("listener", *words).exit_code == 0
    expected = {"front_timeout": 5, "back_timeout": 9, "connect_timeout": 1}
    extras = pb.ListenerExtras(connect_timeout=0.25)
    assert proxy.requests == [
        added("http", **expected, extras=extras),
        added("tcp", **expected),
    ]


UPDATED: list[tuple[str, list[str], dict[str, Any]]] = [
    (kind, *flag)
    for kind, flags in (
        ("tcp", PUBLIC_FLAG + TIMEOUT_FLAGS + CONNECT),
        ("udp", PUBLIC_FLAG + TIMEOUT_FLAGS + UDP_FLAGS),
        *(
            (
                kind,
                PUBLIC_FLAG
                + TIMEOUT_FLAGS
                + CONNECT
                + HTTP_FLAGS
                + [([f"--{name.replace('_', '-')}", "7"], {name: 7}) for name in H2_KNOBS]
                + [(["--sozu-id-header", "X"], {"sozu_id_header": "X"})],
            )
            for kind in ("http", "https")
        ),
        *(
            (
                kind,
                [
                    (["--expect-proxy"], {"expect_proxy": True}),
                    (["--no-expect-proxy"], {"expect_proxy": False}),
                ],
            )
            for kind in ("http", "https", "tcp")
        ),
        (
            "https",
            [
                (["--strict-sni-binding"], {"strict_sni_binding": True}),
                (["--no-strict-sni-binding"], {"strict_sni_binding": False}),
                (["--disable-http11"], {"disable_http11": True}),
                (["--enable-http11"], {"disable_http11": False}),
                (
                    ["--alpn-protocols", "h2,http/1.1"],
                    {"alpn_protocols": pb.AlpnProtocols(values=["h2", "http/1.1"])},
                ),
                (["--reset-alpn"], {"alpn_protocols": pb.AlpnProtocols()}),
                (["--hsts-max-age", "1"], {"hsts": pb.HstsConfig(enabled=True, max_age=1)}),
                (["--hsts-disabled"], {"hsts": pb.HstsConfig(enabled=False)}),
            ],
        ),
    )
    for flag in flags
]


@pytest.mark.parametrize(("kind", "words", "fields"), UPDATED, ids=str)
def test_an_update_has_what_was_given_and_nothing_else(
    tmp_path: Path, kind: str, words: list[str], fields: dict[str, object]
) -> None:
    assert asked(tmp_path, "listener", kind, "update", *AT, *words) == patched(kind, **fields)


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("status", ANSWERS)
def test_each_answer_can_be_changed(tmp_path: Path, kind: str, status: str) -> None:
    (tmp_path / "page").write_text("x")
    answers = pb.CustomHttpAnswers(**{f"answer_{status}": "x"})
    words = [f"--answer-{status}", str(tmp_path / "page")]
    request = asked(tmp_path, "listener", kind, "update", *AT, *words)
    assert request == patched(kind, http_answers=answers)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_activated_deactivated_and_removed(tmp_path: Path, kind: str) -> None:
    proxy: Any = pb.ListenerType.Value(kind.upper())
    for action, verb, made in (
        ("activate", "activate_listener", pb.ActivateListener(proxy=proxy, from_scm=False)),
        ("deactivate", "deactivate_listener", pb.DeactivateListener(proxy=proxy, to_scm=False)),
        ("remove", "remove_listener", pb.RemoveListener(proxy=proxy)),
    ):
        made.address.CopyFrom(LOOPBACK)
        assert asked(tmp_path, "listener", kind, action, *AT) == order(verb, made)


def test_listeners_are_listed(tmp_path: Path) -> None:
    request = pb.Request(list_listeners=pb.ListListeners())
    assert asked(tmp_path, "listener", "list") == request


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ["add", "update", "activate", "deactivate", "remove"])
def test_an_address_is_required_and_an_ip(kind: str, action: str) -> None:
    assert call("listener", kind, action).exit_code == 2
    result = call("listener", kind, action, "-a", "localhost:80")
    assert result.exit_code == 2
    assert "no IP address" in result.stderr


@pytest.mark.parametrize(
    ("kind", "words", "told"),
    [
        ("http", [], "Nothing to change"),
        ("https", [], "Nothing to change"),
        ("udp", [], "Nothing to change"),
        ("https", ["--reset-alpn", "--alpn-protocols", "h2"], "not both"),
        ("http", ["--front-timeout", "soon"], "--front-timeout"),
        ("http", ["--answer-404", "/nowhere"], "cannot be read: No such file"),
    ],
)
def test_a_wrong_update_is_a_usage_error(kind: str, words: list[str], told: str) -> None:
    result = call("listener", kind, "update", *AT, *words)
    assert result.exit_code == 2
    assert told in result.stderr
