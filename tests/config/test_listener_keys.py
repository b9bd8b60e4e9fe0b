"""Listeners of all four protocols."""

import pytest

from sozutw.config.listener_keys import Protocol
from sozutw.config.model import InetAddress, Timeouts
from sozutw.config.policies import Http2Limits


def listener(protocol: str, text: str = "") -> str:
    return f'[[listeners]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:8080"\n{text}'


def test_an_http_listener_is_read_in_full(files) -> None:
    files.files["/etc/sozutw/404"] = "not here"
    text = """
public_address = "1.2.3.4:80"
front_timeout = 1
back_timeout = 2
connect_timeout = 3
request_timeout = 4
tunnel_timeout = 5
sticky_name = "MINE"
sozu_id_header = "X-Id"
elide_x_real_ip = true
send_x_real_ip = true
answer_404 = "404"
trusted_proxies = ["10.0.0.0/8"]
"""
    loaded = files.load(listener("http", text))
    assert loaded.problems == ()
    (read,) = loaded.config.listeners
    assert read.address == InetAddress("127.0.0.1", 8080)
    assert read.public_address == InetAddress("1.2.3.4", 80)
    assert read.timeouts == Timeouts(1, 2, 3, 4, 5)
    assert (read.sticky_name, read.sozu_id_header) == ("MINE", "X-Id")
    assert (read.elide_x_real_ip, read.send_x_real_ip) == (True, True)
    assert read.answers == {"404": "not here"}
    assert str(read.trusted_proxies[0]) == "10.0.0.0/8"


def test_a_listener_takes_what_it_does_not_say_from_the_top_level(files) -> None:
    text = 'back_timeout = 7\ntunnel_timeout = 8\ntrusted_proxies = ["::1"]\n'
    (read,) = files.config(text + listener("http", "back_timeout = 9")).listeners
    assert (read.timeouts.back, read.timeouts.tunnel) == (9, 8)
    assert str(read.trusted_proxies[0]) == "::1/128"


@pytest.mark.parametrize("protocol", ["https", "tcp", "udp"])
def test_what_speaks_another_protocol_is_not_served(files, protocol: str) -> None:
    told = f"2 a listener with protocol {protocol} is not served by this version; "
    assert files.only(listener(protocol)).startswith("U" + told)
    assert files.only(listener(protocol), skip=True) == f"W{told}the listener is left out"


def test_a_listener_behind_another_proxy_is_not_served(files) -> None:
    text = listener("http", "expect_proxy = true")
    assert files.only(text).startswith("U4 expect_proxy is not served by this version")
    config = files.config(text, skip=True)
    assert config.listeners == ()
    assert config.unserved.http_listeners[0].expect_proxy


def test_an_https_listener_has_the_defaults_of_sozu(files) -> None:
    (read,) = files.config(listener("https"), skip=True).unserved.https_listeners
    assert read.alpn_protocols == ("h2", "http/1.1")
    assert (read.strict_sni_binding, read.disable_http11) == (True, False)


@pytest.mark.parametrize(
    ("text", "alpn"),
    [
        ("disable_http11 = true", ("h2",)),
        ('disable_http11 = true\nalpn_protocols = ["h2"]', ("h2",)),
        ('alpn_protocols = ["http/1.1"]', ("http/1.1",)),
        ("alpn_protocols = []", ("h2", "http/1.1")),
    ],
)
def test_alpn_is_what_is_left(files, text: str, alpn: tuple[str, ...]) -> None:
    (read,) = files.config(listener("https", text), skip=True).unserved.https_listeners
    assert read.alpn_protocols == alpn


def test_tcp_and_udp_listeners_are_read(files) -> None:
    timeouts = "front_timeout = 1\nback_timeout = 2\n"
    text = listener("tcp", timeouts) + listener("udp", timeouts).replace("8080", "8081")
    unserved = files.config(text + "max_rx_datagram_size = 9\nmax_flows = 4", skip=True).unserved
    (tcp,), (udp,) = unserved.tcp_listeners, unserved.udp_listeners
    assert (tcp.timeouts.front, tcp.timeouts.back) == (1, 2)
    assert (udp.front_timeout, udp.back_timeout) == (1, 2)
    assert (udp.max_rx_datagram_size, udp.max_flows) == (9, 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[listeners]]", "E1 a listener has no protocol; one of http, https, tcp, udp is meant"),
        ("[[listeners]]", "E1 a listener has no address; IP:PORT is meant"),
        ('[[listeners]]\nprotocol = "http"', "E1 a listener has no address"),
        (listener("htp"), 'E2 protocol is "htp"; one of http, https, tcp, udp is meant'),
        (listener("http", "sticky_name = ''"), 'E4 sticky_name is ""; the name of a cookie'),
        (listener("http", "sozu_id_header = 'a:'"), "E4 sozu_id_header is"),
        (listener("http", "hsts = {}"), "E4 hsts has no place at a listener with protocol http;"),
        (listener("http", "stick_name = 'a'"), "E4 unknown key stick_name; did you mean sticky_"),
        (listener("http", "h2_max_glitch_count = 1"), "U4 h2_max_glitch_count is not served"),
        (listener("http", "max_flows = 1"), "W4 max_flows has no effect on a listener with pro"),
        (listener("tcp", "sticky_name = 'a'"), "W4 sticky_name has no effect on a listener with"),
        (listener("udp", "expect_proxy = true"), "W4 expect_proxy has no effect on a listener"),
        (listener("https", "alpn_protocols = ['h3']"), 'E4 alpn_protocols has "h3"; h2 or http/'),
        (
            listener("https", "disable_http11 = true\nalpn_protocols = ['http/1.1']"),
            "E4 disable_http11 stands with http/1.1 in alpn_protocols; one of them is meant",
        ),
        (
            listener("http", "expect_proxy = true\npublic_address = '1.2.3.4:80'"),
            "E5 public_address stands with expect_proxy",
        ),
        (
            "buffer_size = 16384\n" + listener("https"),
            "E1 buffer_size is 16384, and a listener offers h2; at least 16393 is meant",
        ),
    ],
)
def test_what_is_wrong_is_told(files, text: str, told: str) -> None:
    assert told in [p[: len(told)] for p in files.told(text)]


def test_small_buffers_do_for_http1(files) -> None:
    text = "buffer_size = 16384\n" + listener("https", "alpn_protocols = ['http/1.1']")
    assert [p[0] for p in files.told(text)] == ["U"]


def test_every_limit_of_http2_is_named_where_it_has_no_effect(files) -> None:
    keys = Http2Limits.__slots__
    text = listener("tcp", "".join(f"{key} = 1\n" for key in keys))
    told = [p for p in files.told(text) if p.startswith("W")]
    assert len(told) == len(keys)


def test_protocols_are_those_of_sozu() -> None:
    assert [p.value for p in Protocol] == ["http", "https", "tcp", "udp"]
