"""Rules that lead to clusters."""

import pytest

from sozutw.config.model import PathType, Position, Redirect, RedirectScheme
from sozutw.config.security import CertificateAndKey, Hsts
from tests.config.conftest import pem

HTTPS = '[[listeners]]\nprotocol = "https"\naddress = "127.0.0.1:8080"\n'
BEFORE = '[clusters.A]\nprotocol = "http"\n[[clusters.A.frontends]]\n'
PLACE = 'address = "127.0.0.1:8080"\nhostname = "a.example"\n'
REWRITES = ['rewrite_host = "x"', 'rewrite_path = "/x"', "rewrite_port = 80", "headers = []"]


def test_a_rule_is_read_in_full(files) -> None:
    text = """
address = "127.0.0.1:8080"
hostname = "*.Bücher.example"
path = "^/api"
path_type = "REGEX"
method = "GET"
position = "POST"
tags = { owner = "me" }
redirect = "permanent_redirect"
redirect_scheme = "use_https"
"""
    loaded = files.load(BEFORE + text)
    assert loaded.problems == ()
    (rule,) = loaded.config.frontends
    assert (rule.hostname, rule.path) == ("*.xn--bcher-kva.example", "^/api")
    assert (rule.path_type, rule.method, rule.position) == (PathType.REGEX, "GET", Position.POST)
    assert (rule.cluster_id, rule.tags) == ("A", {"owner": "me"})
    assert rule.redirect is Redirect.PERMANENT_REDIRECT
    assert rule.redirect_scheme is RedirectScheme.USE_HTTPS


def test_a_rule_has_the_defaults_of_sozu(files) -> None:
    (rule,) = files.config(BEFORE + PLACE).frontends
    assert (rule.path, rule.path_type, rule.position) == ("", PathType.PREFIX, Position.TREE)
    assert (rule.method, rule.redirect) == (None, Redirect.FORWARD)


@pytest.mark.parametrize("redirect", list(Redirect))
def test_all_five_redirects_can_be_written(files, redirect: Redirect) -> None:
    (rule,) = files.config(f'{BEFORE}{PLACE}redirect = "{redirect.value}"').frontends
    assert rule.redirect is redirect


@pytest.mark.parametrize("text", REWRITES)
def test_a_rule_that_would_rewrite_is_left_out(files, text: str) -> None:
    key = text.split(maxsplit=1)[0]
    assert files.only(BEFORE + PLACE + text).startswith(f"U6 {key} is not served")
    assert files.only(BEFORE + PLACE + text, skip=True).endswith("the frontend is left out")
    config = files.config(BEFORE + PLACE + text, skip=True)
    assert config.frontends == ()
    assert len(config.unserved.http_frontends) == 1


def test_a_rule_that_requires_authorization_never_becomes_open(files) -> None:
    text = BEFORE + PLACE + "required_auth = true"
    assert files.only(text).startswith("U6 required_auth is not served")
    (rule,) = files.config(text, skip=True).frontends
    assert rule.redirect is Redirect.UNAUTHORIZED
    assert files.told(BEFORE + PLACE + "required_auth = false") == []


def test_a_template_of_a_redirect_is_replaced_by_that_of_the_listener(files) -> None:
    text = BEFORE + PLACE + 'redirect = "found"\nredirect_template = "x"'
    assert files.only(text).startswith("U7 redirect_template is not served")
    (rule,) = files.config(text, skip=True).frontends
    assert rule.redirect_template == "x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "E3 a frontend has no address; the IP:PORT of a listener is meant"),
        ("", "E3 a frontend has no hostname; a host, or *, is meant"),
        ('address = "127.0.0.1:8080"', "E3 a frontend has no hostname"),
        ('hostname = "a"', "E3 a frontend has no address"),
        (PLACE + 'path_begin = "/"', "E6 unknown key path_begin; "),
        (PLACE.replace("a.example", "a."), 'E5 hostname is "a."; a host name has no empty part'),
        (PLACE.replace("a.example", "/(/.b"), 'E5 hostname is "/(/.b"; /(/ cannot be used: unb'),
        (PLACE.replace("a.example", "*"), "W5 hostname * in the TREE is any host of one part"),
        (PLACE + 'path = "("\npath_type = "REGEX"', "E6 path is no regular expression that can"),
        (PLACE + 'path = "api"', 'W6 path is "api", and no path begins so; "/api" may be meant'),
        (PLACE + 'method = "G T"', 'E6 method is "G T"; a method such as GET is meant'),
        (PLACE + 'method = "get"', 'W6 method is "get"; GET may be meant'),
        (PLACE + 'redirect_scheme = "use-http"', "W6 redirect_scheme has no effect; redirect is"),
        (PLACE + "rewrite_port = 0", "E6 rewrite_port is 0"),
        (PLACE + "hsts = { enabled = true }", "E6 hsts has no place at an http listener; https"),
    ],
)
def test_what_is_wrong_is_told(files, text: str, told: str) -> None:
    assert told in [p[: len(told)] for p in files.told(BEFORE + text)]


@pytest.mark.parametrize(
    "text",
    [
        PLACE.replace("a.example", "*") + 'position = "PRE"',
        PLACE + 'path = "*"\npath_type = "EQUALS"\nmethod = "OPTIONS"',
        PLACE + 'path = "[0-9]+"\npath_type = "REGEX"',
    ],
)
def test_what_is_odd_but_right_is_not_warned_of(files, text: str) -> None:
    assert files.told(BEFORE + text) == []


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_an_http_cluster_needs_a_listener_of_http(files, protocol: str) -> None:
    listener = f'[[listeners]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:8080"\n'
    told = f"E7 127.0.0.1:8080 is a {protocol} listener; one with protocol http or https is meant"
    assert told in files.told(listener + BEFORE + PLACE)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('certificate = "c.pem"\nkey = "c.key"', "certificate"),
        ('key = "c.key"\ncertificate = "c.pem"', "key"),
        ("hsts = { enabled = false }", "hsts"),
        ('tls_versions = ["TLS_V13"]', "tls_versions"),
    ],
)
def test_what_belongs_to_tls_has_no_place_at_a_listener_of_http(files, text: str, key: str) -> None:
    files.hold("c")
    listener = '[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:8080"\n'
    told = files.told(listener + BEFORE + PLACE + text)
    assert told[0] == f"E9 {key} has no place at an http listener; https is meant"


def test_an_https_listener_takes_rules_with_and_without_certificates(files) -> None:
    files.hold("c")
    second = "[[clusters.A.frontends]]\n" + PLACE.replace("a.example", "b.example")
    own = 'certificate = "c.pem"\nkey = "c.key"\nhsts = { enabled = true, max_age = 5 }\n'
    config = files.config(HTTPS + BEFORE + PLACE + own + second)
    first, other = config.https_frontends
    assert (first.hsts, other.hsts) == (Hsts(enabled=True, max_age=5), None)
    (held,) = config.certificates
    assert held.certificate == CertificateAndKey(pem("c"), "the key")


@pytest.mark.parametrize(
    ("of_listener", "of_frontend", "is_other"),
    [
        ("", '["TLS_V12", "TLS_V13"]', False),
        ("", '["TLSv1.3", "TLSv1.2"]', False),
        ("", '["TLS_V13"]', True),
        ('tls_versions = ["TLS_V13"]\n', '["TLS_V13"]', False),
        ('tls_versions = ["TLS_V13"]\n', '["TLS_V12"]', True),
    ],
)
def test_versions_of_one_certificate_cannot_be_kept_to(
    files, of_listener: str, of_frontend: str, is_other: bool
) -> None:
    files.hold("c")
    own = f'certificate = "c.pem"\nkey = "c.key"\ntls_versions = {of_frontend}'
    told = files.told(HTTPS + of_listener + BEFORE + PLACE + own)
    assert [problem.partition("; ")[0][1:] for problem in told] == (
        [f"{11 + bool(of_listener)} tls_versions has no effect"] if is_other else []
    )
    if is_other and of_listener:
        assert told[0].endswith("; those of the listener hold for all of it: TLS_V13")


def test_versions_without_a_certificate_are_warned_of(files) -> None:
    files.hold("own")
    listener = HTTPS + 'certificate = "own.pem"\nkey = "own.key"\n'
    assert files.only(listener + BEFORE + PLACE + 'tls_versions = ["TLS_V13"]') == (
        "W11 tls_versions has no effect on a frontend without certificate"
    )


def test_a_frontend_of_tcp_has_a_place_and_tags(files) -> None:
    text = BEFORE.replace("http", "tcp") + 'address = "127.0.0.1:8080"\ntags = { a = "b" }\n'
    (frontend,) = files.config(text, skip=True).unserved.tcp_frontends
    assert (frontend.cluster_id, frontend.tags) == ("A", {"a": "b"})
    assert "E6 unknown key hostname; a frontend of a tcp cluster has no such key" in files.told(
        text + 'hostname = "a"'
    )
    assert "E3 a frontend has no address; the IP:PORT of a listener is meant" in files.told(
        BEFORE.replace("http", "tcp")
    )
