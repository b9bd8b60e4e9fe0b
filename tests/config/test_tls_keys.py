"""How TLS is spoken, to both sides, and HSTS."""

from dataclasses import replace

import pytest

from sozutw.config.security import BackendTls, CertificateAndKey, ClientAuth, Hsts, TlsOptions
from sozutw.config.tls_keys import parse_server_name
from tests.config.conftest import pem

HTTPS = '[[listeners]]\nprotocol = "https"\naddress = "127.0.0.1:8443"\n'
OWN = 'certificate = "own.pem"\nkey = "own.key"\n'
LISTED = "include_subdomains = true\npreload = true\n"
CLUSTER = '[clusters.A]\nprotocol = "http"\n'


@pytest.fixture
def listener(files) -> str:
    """A listener with nothing to object to; what comes next is in line 6."""
    files.hold("own", "ca", "mine")
    return HTTPS + OWN


def test_how_a_listener_speaks_is_read_in_full(files, listener: str) -> None:
    text = """
tls_versions = ["TLSv1.2", "TLS_V13", "TLS_V1_2"]
cipher_list = "A:B"
cipher_suites = ["S"]
groups_list = ["x25519"]
signature_algorithms = ["ed25519"]
send_tls13_tickets = 2
"""
    (read,) = files.config(listener + text).https_listeners
    assert read.tls == TlsOptions(
        ("TLS_V12", "TLS_V13", "TLS_V12"), ("A:B",), ("S",), ("x25519",), ("ed25519",), 2
    )


def test_what_is_not_written_is_left_to_this_proxy(files, listener: str) -> None:
    (read,) = files.config(listener).https_listeners
    assert read.tls == TlsOptions()
    assert read.tls.send_tls13_tickets is None


def test_what_the_library_lacks_is_told_where_it_was_written(files, listener: str) -> None:
    text = 'groups_list = ["x", "ODD"]\ncipher_list = ["BAD"]\nsignature_algorithms = ["BAD"]\n'
    assert files.told(listener + text) == [
        "W6 groups_list has ODD",
        "E7 cipher_list has BAD",
        "E8 signature_algorithms has BAD",
    ]


def test_what_is_told_of_no_key_that_was_written_stands_at_its_listener(
    files, listener: str
) -> None:
    told = (["groups_list: there are none"], ["it is slow"])
    files.checks = replace(files.checks, tls_options=lambda _options: told)
    assert files.told("\n" + listener) == [
        "E2 groups_list: there are none",
        "W2 it is slow",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('tls_versions = ["TLSv9"]', 'E6 tls_versions has "TLSv9"; TLS_V12 or TLS_V13 is meant'),
        ("send_tls13_tickets = -1", "E6 send_tls13_tickets is -1; a whole number"),
        ('client_auth = "must"', 'E6 client_auth is "must"; one of none, optional, require is m'),
        ('client_auth = "require"', "E6 client_auth is require without client_ca; both are meant"),
        ('client_auth = "optional"', "E6 client_auth is optional without client_ca; both are me"),
        ('client_ca = "ca.pem"', "E6 client_ca asks no client for anything; client_auth = "),
        ('client_auth = "none"\nclient_ca = "ca.pem"', "E7 client_ca asks no client for anything"),
        ("hsts = {}", "E6 hsts does not say enabled; true or false is meant"),
        ("hsts = { enabled = 1 }", "E6 enabled is 1; true or false is meant"),
        ("hsts = { enabled = true, age = 1 }", "E6 unknown key age; hsts has no such key"),
        (
            "hsts = { enabled = true, include_subdomains = true, preload = true, max_age = 9 }",
            "W6 max_age is 9, and preload asks for at least 31536000",
        ),
        (
            "hsts = { enabled = true, preload = true }",
            "W6 preload is of no use without include_subdomains = true",
        ),
        (
            "hsts = { enabled = false, max_age = 9 }",
            "W6 max_age has no effect beside enabled = false",
        ),
    ],
)
def test_what_is_wrong_with_a_listener_is_told(files, listener: str, text: str, told: str) -> None:
    assert files.only(listener + text)[: len(told)] == told


def test_whoever_signs_for_clients_is_read(files, listener: str) -> None:
    text = 'client_auth = "OPTIONAL"\nclient_ca = "ca.pem"'
    (read,) = files.config(listener + text).https_listeners
    assert (read.client_auth, read.client_authorities) == (ClientAuth.OPTIONAL, pem("ca"))


def test_clients_are_asked_for_nothing_unless_that_is_written(files, listener: str) -> None:
    (read,) = files.config(listener + 'client_auth = "none"').https_listeners
    assert (read.client_auth, read.client_authorities) == (ClientAuth.NONE, None)


@pytest.mark.parametrize(
    ("text", "hsts"),
    [
        ("", None),
        ("hsts = { enabled = true }", Hsts(True, 31_536_000)),
        ("hsts = { enabled = true, max_age = 0 }", Hsts(True, 0)),
        ("hsts = { enabled = false }", Hsts(False)),
        (
            "hsts = { enabled = true, force_replace_backend = true }",
            Hsts(True, 31_536_000, force_replace_backend=True),
        ),
        (
            "[listeners.hsts]\nenabled = true\nmax_age = 31536001\n" + LISTED,
            Hsts(True, 31_536_001, include_subdomains=True, preload=True),
        ),
    ],
)
def test_hsts_is_read_in_full(files, listener: str, text: str, hsts: Hsts | None) -> None:
    assert files.told(listener + text) == []
    (read,) = files.config(listener + text).https_listeners
    assert read.hsts == hsts


def test_hsts_that_is_off_is_told_of_each_key_but_the_unknown_ones_twice(
    files, listener: str
) -> None:
    text = "hsts = { enabled = false, preload = true, age = 1 }"
    assert files.told(listener + text) == [
        "E6 unknown key age; hsts has no such key",
        "W6 preload has no effect beside enabled = false",
    ]


def test_a_cluster_speaks_plainly_unless_it_is_told_to_speak_tls(files) -> None:
    for text in ("", "backend_tls = false"):
        (cluster,) = files.config(CLUSTER + text).clusters
        assert cluster.backend_tls is None


def test_backends_are_spoken_to_as_it_is_written(files) -> None:
    files.hold("ca", "mine")
    text = """
backend_tls = true
backend_ca = "ca.pem"
backend_server_name = "App.Example"
backend_certificate = "mine.pem"
backend_key = "mine.key"
"""
    assert files.told(CLUSTER + text) == []
    (cluster,) = files.config(CLUSTER + text).clusters
    shown = CertificateAndKey(pem("mine"), "the key")
    assert cluster.backend_tls == BackendTls(pem("ca"), "app.example", shown)
    (plain,) = files.config(CLUSTER + "backend_tls = true").clusters
    assert plain.backend_tls == BackendTls()


@pytest.mark.parametrize(
    "text",
    [
        'backend_ca = "ca.pem"',
        'backend_server_name = "app"',
        'backend_tls = false\nbackend_server_name = "app"',
        "backend_tls_insecure = false",
    ],
)
def test_keys_of_tls_without_tls_are_refused_by_name(files, text: str) -> None:
    files.hold("ca")
    key = text.splitlines()[-1].split()[0]
    line = 3 + text.count("\n")
    assert files.only(CLUSTER + text) == (
        f"E{line} {key} has no effect; backend_tls = true is meant beside it"
    )


def test_each_of_several_keys_without_tls_is_refused(files) -> None:
    files.hold("mine")
    text = 'backend_certificate = "mine.pem"\nbackend_key = "mine.key"'
    assert [problem.split()[1] for problem in files.told(CLUSTER + text)] == [
        "backend_certificate",
        "backend_key",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('backend_certificate = "mine.pem"', "E4 backend_certificate stands without backend_key;"),
        ('backend_key = "mine.key"', "E4 backend_key stands without backend_certificate; both"),
        ('backend_server_name = "a:1"', 'E4 backend_server_name is "a:1"; '),
        ('backend_ca = "no.pem"', 'E4 backend_ca = "no.pem" cannot be read: No such file'),
        ("backend_certificate_chain = 1", "E4 unknown key backend_certificate_chain; did you me"),
        ("backend_tls_insecure = true", "W4 backend_tls_insecure lets cluster A take any certif"),
    ],
)
def test_what_is_wrong_with_a_cluster_is_told(files, text: str, told: str) -> None:
    files.hold("mine")
    assert files.only(CLUSTER + "backend_tls = true\n" + text)[: len(told)] == told


def test_authorities_are_of_no_use_to_who_takes_any_certificate(files) -> None:
    files.hold("ca")
    text = CLUSTER + 'backend_tls = true\nbackend_tls_insecure = true\nbackend_ca = "ca.pem"'
    assert files.told(text)[1] == "W5 backend_ca has no effect beside backend_tls_insecure"
    (cluster,) = files.config(text).clusters
    assert cluster.backend_tls == BackendTls(pem("ca"), is_insecure=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("App.EXAMPLE", "app.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("0:0::1", "::1"),
    ],
)
def test_a_certificate_is_for_a_name_or_an_address(text: str, name: str) -> None:
    assert parse_server_name(text) == name


def test_what_can_be_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="host name"):
        parse_server_name("a..b")
