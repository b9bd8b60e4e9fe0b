"""Parts of a file checked against each other."""

import pytest

from sozutw.config.draft import apply
from sozutw.config.model import (
    Certificate,
    HttpListener,
    HttpsListener,
    InetAddress,
    Timeouts,
    WatchedCertificate,
)
from sozutw.config.requests import requests_of
from sozutw.config.security import CertificateAndKey, CertificateFiles
from sozutw.config.state import ConfigState
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8080)


def listener(protocol: str, port: int = 8080, text: str = "") -> str:
    return f'[[listeners]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:{port}"\n{text}\n'


def cluster(name: str, protocol: str, *frontends: str) -> str:
    listed = ", ".join(f"{{ {frontend} }}" for frontend in frontends)
    return f'[clusters.{name}]\nprotocol = "{protocol}"\nfrontends = [{listed}]\n'


RULE = 'address = "127.0.0.1:8080", hostname = "a.example"'
WITH_CERTIFICATE = RULE + ', certificate = "c.pem", key = "c.key"'
HELD = CertificateAndKey(pem("c"), "the key")
FILES = CertificateFiles("/etc/sozutw/c.pem", "/etc/sozutw/c.key")
STREAM = 'address = "127.0.0.1:8080"'


def test_two_listeners_cannot_share_an_address(files) -> None:
    told = files.told(listener("http") + listener("udp"))
    assert told[1] == (
        "E7 127.0.0.1:8080 is the address of the listener in line 1; another is meant"
    )


@pytest.mark.parametrize(
    ("admin", "rest", "place"),
    [
        ("127.0.0.1:8080", listener("http"), "127.0.0.1:8080, the listener in line 3"),
        ("0.0.0.0:8080", listener("https"), "127.0.0.1:8080, the listener in line 3"),
        (
            "127.0.0.1:8080",
            cluster("A", "http", RULE),
            "127.0.0.1:8080, the listener of a frontend",
        ),
        ("127.0.0.1:8081", listener("http"), None),
        ("[::]:8080", listener("http"), None),
        ("127.0.0.2:8080", listener("http"), None),
        ("127.0.0.1:8080", listener("udp"), None),
    ],
)
def test_the_admin_address_is_nobody_else_s(files, admin: str, rest: str, place: str) -> None:
    told = files.told(f'[admin]\naddress = "{admin}"\n{rest}', skip=True)
    refused = [problem for problem in told if problem.startswith("E")]
    assert refused == (
        [f"E2 {admin} cannot be had beside {place}; a port of its own is meant"] if place else []
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


def test_a_rule_with_a_certificate_makes_a_listener_of_tls(files) -> None:
    files.hold("c")
    text = cluster("A", "http", WITH_CERTIFICATE, RULE.replace("a.ex", "b.ex"))
    assert files.told(text) == []
    config = files.config("front_timeout = 5\n" + text)
    (made,) = config.https_listeners
    assert made == HttpsListener(HttpListener(HERE, timeouts=Timeouts(front=5)))
    assert (config.listeners, config.frontends) == ((), ())
    assert [rule.hostname for rule in config.https_frontends] == ["a.example", "b.example"]
    assert config.certificates == (Certificate(HERE, HELD),)
    assert config.watched == ()


def test_a_rule_whose_certificate_cannot_be_used_makes_no_listener_of_http(files) -> None:
    text = WITH_CERTIFICATE + ", hsts = { enabled = true }"
    told = files.told(cluster("A", "http", text))
    assert [problem[:22] for problem in told] == [
        'E3 certificate = "c.pe',
        'E3 key = "c.key" canno',
    ]


def test_small_buffers_speak_against_a_made_listener_too(files) -> None:
    files.hold("c")
    told = files.only("buffer_size = 16384\n" + cluster("A", "http", WITH_CERTIFICATE))
    assert told.startswith("E1 buffer_size is 16384, and a listener offers h2;")


def test_a_certificate_of_many_rules_is_there_once_for_each_address(files) -> None:
    files.hold("c", "d")
    other = WITH_CERTIFICATE.replace("8080", "8081")
    second = WITH_CERTIFICATE.replace("a.ex", "b.ex")
    third = second.replace('c.pem", key = "c', 'd.pem", key = "d').replace("b.ex", "c.ex")
    config = files.config(cluster("A", "http", WITH_CERTIFICATE, second, third, other))
    assert config.certificates == (
        Certificate(HERE, HELD),
        Certificate(HERE, CertificateAndKey(pem("d"), "the key")),
        Certificate(InetAddress("127.0.0.1", 8081), HELD),
    )


def test_what_a_listener_watches_is_its_own_certificate_and_those_of_its_rules(files) -> None:
    files.hold("c", "own")
    own = 'certificate = "own.pem"\nkey = "own.key"\nwatch_certificates = true'
    elsewhere = WITH_CERTIFICATE.replace("8080", "8081")
    config = files.config(
        listener("https", text=own)
        + listener("https", 8081)
        + cluster("A", "http", WITH_CERTIFICATE, elsewhere)
    )
    folder = "/etc/sozutw/"
    own_files = CertificateFiles(
        folder + "own.pem", folder + "own.key", tls_versions=("TLS_V12", "TLS_V13")
    )
    (first, _second) = config.https_listeners
    assert first.certificate is not None
    assert config.watched == (
        WatchedCertificate(HERE, own_files, first.certificate, is_default=True),
        WatchedCertificate(HERE, FILES, HELD, is_default=False),
    )
    assert len(config.certificates) == 2


def test_a_listener_that_watches_its_rules_certificates_needs_none_of_its_own(files) -> None:
    files.hold("c")
    text = listener("https", text="watch_certificates = true")
    config = files.config(text + cluster("A", "http", WITH_CERTIFICATE))
    assert config.watched == (WatchedCertificate(HERE, FILES, HELD, is_default=False),)


def test_nothing_is_watched_for_a_listener_that_is_left_out(files) -> None:
    files.hold("c")
    own = 'certificate = "c.pem"\nkey = "c.key"\nwatch_certificates = true\nexpect_proxy = true'
    text = listener("https", text=own) + cluster("A", "http", WITH_CERTIFICATE)
    config = files.config(text, skip=True)
    assert (config.https_listeners, config.https_frontends) == ((), ())
    assert (config.certificates, config.watched) == ((), ())
    assert len(config.unserved.https_listeners) == 1
    assert len(config.unserved.https_frontends) == 1


def test_a_listener_of_tls_without_any_certificate_is_warned_of(files) -> None:
    files.hold("c")
    text = "\n" + listener("https")
    told = (
        "W2 neither this listener nor a frontend of it has a certificate, "
        "so clients see one that nobody trusts"
    )
    assert files.only(text) == told
    assert files.only(text + cluster("A", "http", RULE)) == told
    assert files.told(text + cluster("A", "http", WITH_CERTIFICATE)) == []
    assert files.told(listener("http")) == []


def test_the_certificate_of_a_rule_that_is_left_out_is_served_all_the_same(files) -> None:
    files.hold("c")
    text = listener("https") + cluster("A", "http", WITH_CERTIFICATE + ", rewrite_port = 80")
    config = files.config(text, skip=True)
    assert config.https_frontends == ()
    assert config.certificates == (Certificate(HERE, HELD),)
    assert len(config.unserved.https_frontends) == 1


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
    files.hold("c")
    text = (
        listener("http")
        + listener("https", 8443)
        + cluster("A", "http", RULE, WITH_CERTIFICATE.replace("8080", "8443"))
        + cluster("T", "tcp", STREAM.replace("8080", "9000"))
    )
    state = ConfigState()
    for request in requests_of(files.config(text, skip=True)):
        apply(state, request)
    state.check_invariants()
    assert state.is_active(HERE)
    assert state.is_active(InetAddress("127.0.0.1", 8443))
    assert state.certificates(InetAddress("127.0.0.1", 8443)) == (HELD,)
