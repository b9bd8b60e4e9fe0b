"""Listeners of all four protocols."""

import pytest

from sozutw.config.listener_keys import Protocol
from sozutw.config.model import HttpListener, HttpsListener, InetAddress, Timeouts
from sozutw.config.policies import Http2Limits
from sozutw.config.security import CertificateAndKey, ClientAuth, Hsts
from tests.config.conftest import pem


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


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_speaks_another_protocol_is_not_served(files, protocol: str) -> None:
    told = f"2 a listener with protocol {protocol} is not served by this version; "
    assert files.only(listener(protocol)).startswith("U" + told)
    assert files.only(listener(protocol), skip=True) == f"W{told}the listener is left out"


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_listener_behind_another_proxy_is_not_served(files, protocol: str) -> None:
    text = listener(protocol, "expect_proxy = true")
    assert files.told(text)[-1].startswith("U4 expect_proxy is not served by this version")
    config = files.config(text, skip=True)
    assert (config.listeners, config.https_listeners) == ((), ())
    left_out = (*config.unserved.http_listeners, *config.unserved.https_listeners)
    assert [str(one.address) for one in left_out] == ["127.0.0.1:8080"]


def test_an_https_listener_has_the_defaults_of_sozu(files) -> None:
    config = files.config(listener("https"))
    (read,) = config.https_listeners
    assert read == HttpsListener(HttpListener(InetAddress("127.0.0.1", 8080)))
    assert read.alpn_protocols == ("h2", "http/1.1")
    assert (read.strict_sni_binding, read.disable_http11) == (True, False)
    assert config.watched == ()


def test_an_https_listener_is_read_in_full(files) -> None:
    files.hold("own", "ca")
    text = """
sticky_name = "MINE"
alpn_protocols = ["http/1.1"]
strict_sni_binding = false
certificate = "own.pem"
key = "own.key"
tls_versions = ["TLS_V13"]
hsts = { enabled = true }
client_auth = "require"
client_ca = "ca.pem"
watch_certificates = true
"""
    loaded = files.load(listener("https", text))
    assert loaded.problems == ()
    (read,) = loaded.config.https_listeners
    assert (read.http.sticky_name, str(read.address)) == ("MINE", "127.0.0.1:8080")
    assert (read.alpn_protocols, read.strict_sni_binding) == (("http/1.1",), False)
    assert read.certificate == CertificateAndKey(pem("own"), "the key", versions=("TLS_V13",))
    assert (read.tls.tls_versions, read.hsts) == (("TLS_V13",), Hsts(enabled=True))
    assert (read.client_auth, read.client_authorities) == (ClientAuth.REQUIRE, pem("ca"))
    assert len(loaded.config.watched) == 1


@pytest.mark.parametrize(
    ("text", "alpn"),
    [
        ('alpn_protocols = ["http/1.1"]', ("http/1.1",)),
        ('alpn_protocols = ["http/1.1", "h2"]', ("http/1.1", "h2")),
        ("alpn_protocols = []", ("h2", "http/1.1")),
    ],
)
def test_alpn_is_what_was_asked_for(files, text: str, alpn: tuple[str, ...]) -> None:
    (read,) = files.config(listener("https", text)).https_listeners
    assert read.alpn_protocols == alpn
    told = [problem for problem in files.told(listener("https", text)) if "alpn" in problem]
    warning = (
        "W4 alpn_protocols has h2, which this version does not speak; http/1.1 alone is offered"
    )
    assert told == ([warning] if '"h2"' in text else [])


@pytest.mark.parametrize(
    "text", ["disable_http11 = true", 'disable_http11 = true\nalpn_protocols = ["h2"]']
)
def test_a_listener_without_http11_would_serve_nobody(files, text: str) -> None:
    told = files.told(listener("https", text))
    assert told[0].startswith("U4 disable_http11 is not served by this version")
    config = files.config(listener("https", text), skip=True)
    assert config.https_listeners == ()
    assert config.unserved.https_listeners[0].alpn_protocols == ("h2",)


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
        (listener("http", "client_ca = 'x'"), "W4 client_ca has no effect on a listener with pro"),
        (listener("tcp", "watch_certificates = true"), "W4 watch_certificates has no effect on a"),
        (listener("https", "watch_certificates = 1"), "E4 watch_certificates is 1; true or false"),
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
    assert [p[0] for p in files.told(text)] == ["W"]


def test_every_limit_of_http2_is_named_where_it_has_no_effect(files) -> None:
    keys = Http2Limits.__slots__
    text = listener("tcp", "".join(f"{key} = 1\n" for key in keys))
    told = [p for p in files.told(text) if p.startswith("W")]
    assert len(told) == len(keys)


def test_protocols_are_those_of_sozu() -> None:
    assert [p.value for p in Protocol] == ["http", "https", "tcp", "udp"]
