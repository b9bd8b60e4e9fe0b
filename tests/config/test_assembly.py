"""Parts of a file checked against each other."""

import pytest

from sozutw.config.model import HttpListener, InetAddress, Timeouts
from sozutw.config.requests import requests_of
from sozutw.config.state import ConfigState

HERE = InetAddress("127.0.0.1", 8080)


def listener(protocol: str, port: int = 8080, text: str = "") -> str:
    return f'[[listeners]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{port}"\n{text}\n'


def cluster(name: str, protocol: str, *frontends: str) -> str:
    listed = ", ".join(f"{{ {frontend} }}" for frontend in frontends)
    return f'[clusters.{name}]\nprotocol = "{protocol}"\nfrontends = [{listed}]\n'


RULE = 'address = "127.0.0.1:8080", hostname = "a.example"'
WITH_CERTIFICATE = RULE + ', certificate = "c.pem", key = "k.pem"'
STREAM = 'address = "127.0.0.1:8080"'


def test_two_listeners_cannot_share_an_address(files) -> None:
    told = files.told(listener("http") + listener("udp"))
    assert told[1] == (
        "E7 127.0.0.1:8080 is the address of the listener in line 1; another is meant"
    )


def test_a_listener_that_cannot_be_read_is_no_listener(files) -> None:
    assert files.only('[[listeners]]\nprotocol = "http"\naddress = "x"').startswith("E3 address")


def test_a_rule_for_an_unknown_address_makes_a_listener(files) -> None:
    config = files.config(
        'front_timeout = 5\ntrusted_proxies = ["::1"]\n' + cluster("A", "http", RULE)
    )
    (made,) = config.listeners
    assert made == HttpListener(
        HERE, timeouts=Timeouts(front=5), trusted_proxies=config.settings.trusted_proxies
    )
    assert len(made.trusted_proxies) == 1


def test_a_rule_with_a_certificate_makes_a_listener_that_is_not_served(files) -> None:
    text = cluster("A", "http", WITH_CERTIFICATE, RULE.replace("a.ex", "b.ex"))
    assert files.only(text).startswith("U3 certificate is not served by this version")
    assert files.told(text, skip=True) == [
        "W3 certificate is not served by this version; the frontend is left out",
        "W3 a.example at 127.0.0.1:8080 is left out with its listener",
        "W3 b.example at 127.0.0.1:8080 is left out with its listener",
    ]
    config = files.config(text, skip=True)
    assert (config.listeners, config.frontends) == ((), ())
    assert [x.http.address for x in config.unserved.https_listeners] == [HERE]
    assert [rule.hostname for rule in config.unserved.https_frontends] == [
        "a.example",
        "b.example",
    ]


def test_small_buffers_speak_against_a_made_listener_too(files) -> None:
    told = files.told("buffer_size = 16384\n" + cluster("A", "http", WITH_CERTIFICATE))
    assert told[0].startswith("E1 buffer_size is 16384, and a listener offers h2;")


def test_the_rules_of_a_listener_that_is_left_out_go_with_it(files) -> None:
    text = listener("http", text="expect_proxy = true") + cluster("A", "http", RULE)
    config = files.config(text, skip=True)
    assert (config.listeners, config.frontends) == ((), ())
    assert len(config.unserved.http_frontends) == 1
    assert len(config.clusters) == 1


@pytest.mark.parametrize(
    ("second", "is_another"),
    [
        (RULE, False),
        (RULE.replace("a.ex", "A.ex"), False),
        (RULE + ', tags = { a = "b" }', False),
        (RULE + ', path = "/"', True),
        (RULE + ', method = "GET"', True),
        (RULE + ', position = "PRE"', True),
        (RULE.replace("8080", "8081"), True),
    ],
)
def test_a_rule_may_stand_once(files, second: str, is_another: bool) -> None:
    told = files.told(cluster("A", "http", RULE) + cluster("B", "http", second))
    duplicate = "E6 this frontend has the address, host, path and method of the one in line 3"
    assert [problem.partition(";")[0] for problem in told] == ([] if is_another else [duplicate])


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_tcp_cluster_follows_its_listener(files, protocol: str) -> None:
    text = listener(protocol) + cluster("T", "tcp", STREAM) + 'backends = [{ address = "a:1" }]'
    config = files.config(text, skip=True)
    assert (config.clusters, config.backends, config.listeners) == ((), (), ())
    unserved = config.unserved
    assert [c.cluster_id for c in unserved.clusters] == ["T"]
    assert len(unserved.backends) == 1
    assert len(unserved.tcp_frontends) == (protocol == "tcp")
    assert len(unserved.udp_frontends) == (protocol == "udp")


def test_a_tcp_cluster_makes_its_listener(files) -> None:
    (made,) = files.config(cluster("T", "tcp", STREAM), skip=True).unserved.tcp_listeners
    assert made.address == HERE


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_tcp_cluster_cannot_follow_a_listener_of_http(files, protocol: str) -> None:
    told = files.told(listener(protocol) + cluster("T", "tcp", STREAM))
    assert told[-1] == (
        f"E7 127.0.0.1:8080 is a listener with protocol {protocol}; tcp or udp is meant"
    )


def test_the_listeners_of_a_tcp_cluster_agree_about_expect_proxy(files) -> None:
    both = (STREAM, STREAM.replace("8080", "8081"))
    listeners = listener("tcp", text="expect_proxy = true") + listener("tcp", 8081)
    told = files.told(listeners + cluster("T", "tcp", *both))
    assert told[-1] == (
        "E11 the listeners of cluster T differ in expect_proxy; one for all is meant"
    )


def test_a_rule_that_cannot_be_served_is_kept_apart(files) -> None:
    text = listener("http") + cluster("A", "http", RULE + ", rewrite_port = 80")
    config = files.config(text, skip=True)
    assert config.frontends == ()
    assert len(config.unserved.http_frontends) == 1
    assert files.told(text, skip=True) == [
        "W7 rewrite_port is not served by this version; the frontend is left out"
    ]


def test_a_rule_of_http_cannot_follow_a_listener_of_tcp(files) -> None:
    told = files.told(listener("tcp") + cluster("A", "http", RULE))
    assert told[-1].startswith("E7 127.0.0.1:8080 is a tcp listener; one with protocol http or")


@pytest.mark.parametrize("name", ['""', '"a\\tb"'])
def test_a_cluster_has_a_name_that_can_be_printed(files, name: str) -> None:
    assert files.only(f'[clusters.{name}]\nprotocol = "http"').startswith("E1 a cluster has no")


def test_a_rule_or_frontend_that_cannot_be_read_is_passed_over(files) -> None:
    assert len(files.told(cluster("A", "http", ""))) == 2
    assert files.told(cluster("T", "tcp", ""))[-1].startswith("E3 a frontend has no address")


def test_whatever_is_left_can_be_applied(files) -> None:
    text = (
        listener("http")
        + listener("https", 8443)
        + cluster("A", "http", RULE, WITH_CERTIFICATE.replace("8080", "8443"))
        + cluster("T", "tcp", STREAM.replace("8080", "9000"))
    )
    state = ConfigState()
    for request in requests_of(files.config(text, skip=True)):
        state.apply(request)
    state.check_invariants()
    assert state.is_active(HERE)
