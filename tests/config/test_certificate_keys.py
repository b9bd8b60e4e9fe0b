"""Certificates are read with the file that names them."""

import pytest

from sozutw.config.security import CertificateAndKey
from tests.config.conftest import pem

LISTENER = '[[listeners]]\nprotocol = "https"\naddress = "127.0.0.1:8443"\n'
OWN = 'certificate = "own.pem"\nkey = "own.key"\n'
RULES = '[clusters.A]\nprotocol = "http"\nfrontends = [\n' + "".join(
    f'{{ address = "127.0.0.1:8443", hostname = "{host}.example", {OWN.strip()} }},\n'.replace(
        '"\nkey', '", key'
    )
    for host in "ab"
)
RULES += "]\n"


def errors(told: list[str]) -> list[str]:
    return [problem for problem in told if not problem.startswith("W")]


def test_a_certificate_is_held_as_text(files) -> None:
    files.hold("own")
    (listener,) = files.config(LISTENER + OWN).https_listeners
    assert listener.certificate == CertificateAndKey(
        pem("own"), "the key", versions=("TLS_V12", "TLS_V13")
    )


def test_a_chain_is_a_file_of_its_own(files) -> None:
    files.hold("own")
    files.files["/etc/sozutw/chain.pem"] = pem("one") + pem("two")
    text = LISTENER + OWN + 'certificate_chain = "chain.pem"'
    (listener,) = files.config(text).https_listeners
    assert listener.certificate.chain == (pem("one") + pem("two"),)


def test_a_key_is_never_shown(files) -> None:
    files.hold("own", key="secret")
    (listener,) = files.config(LISTENER + OWN).https_listeners
    assert "secret" not in repr(listener)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('certificate = "x"', "E4 certificate stands without key; both are meant"),
        ('key = "x"', "E4 key stands without certificate; both are meant"),
        ('certificate_chain = "x"', "E4 certificate_chain has no certificate to lead to"),
    ],
)
def test_a_certificate_and_its_key_belong_together(files, text: str, told: str) -> None:
    assert errors(files.told(LISTENER + text)) == [told]


@pytest.mark.parametrize("text", ["certificate = 1\nkey = 'x'", "certificate = 'x'\nkey = ''"])
def test_a_path_that_is_none_is_told_once(files, text: str) -> None:
    (told,) = errors(files.told(LISTENER + text))
    assert " is " in told


def test_every_file_that_cannot_be_read_is_told_in_its_line(files) -> None:
    files.files["/etc/sozutw/own.key"] = PermissionError(13, "Permission denied")
    files.files["/etc/sozutw/c.pem"] = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")
    text = LISTENER + OWN + 'certificate_chain = "c.pem"'
    assert errors(files.told(text)) == [
        'E4 certificate = "own.pem" cannot be read: No such file or directory',
        'E5 key = "own.key" cannot be read: Permission denied',
        'E6 certificate_chain = "c.pem" cannot be read: it is no text; PEM is meant',
    ]


def test_an_error_without_a_number_is_told_as_it_is(files) -> None:
    files.hold("own")
    files.files["/etc/sozutw/own.key"] = OSError("out of order")
    assert errors(files.told(LISTENER + OWN)) == ['E5 key = "own.key" cannot be read: out of order']


def test_a_file_without_a_certificate_is_refused(files) -> None:
    files.hold("own")
    files.files["/etc/sozutw/own.pem"] = pem("own", "PRIVATE KEY")
    (told,) = errors(files.told(LISTENER + OWN))
    assert told == (
        'E4 certificate = "own.pem" with key = "own.key" cannot be used: '
        "there is no certificate in it"
    )


def test_what_is_wrong_with_a_certificate_is_told_in_each_line_that_names_it(files) -> None:
    files.hold("own", key="wrong: the key does not belong to it")
    reason = (
        'certificate = "own.pem" with key = "own.key" cannot be used: the key does not belong to it'
    )
    assert errors(files.told(LISTENER + OWN + RULES)) == [
        f"E{line} {reason}" for line in (4, 9, 10)
    ]


def test_letters_that_cannot_be_shown_are_not(files) -> None:
    (told,) = errors(files.told(LISTENER + OWN.replace("own.pem", "a\\u001bb"))[:1])
    assert told.startswith('E4 certificate = "a\N{REPLACEMENT CHARACTER}b" cannot be read')


def test_a_certificate_that_has_expired_may_be_skipped(files) -> None:
    files.hold("own", key="wrong: it expired on 2015-12-18")
    reason = (
        'certificate = "own.pem" with key = "own.key" cannot be used: it expired on 2015-12-18; '
    )
    assert errors(files.told(LISTENER + OWN)) == [
        f"U4 {reason}leave it out, or use --skip-unsupported"
    ]
    assert f"W4 {reason}it is left out" in files.told(LISTENER + OWN, skip=True)
    config = files.config(LISTENER + OWN + RULES, skip=True)
    assert config.https_listeners[0].certificate is None
    assert config.certificates == ()
    assert len(config.https_frontends) == 2


def test_a_file_that_many_name_is_read_and_judged_once(files) -> None:
    files.hold("own")
    read = []
    files.read = lambda path, read_one=files.read: read.append(path) or read_one(path)
    files.config(LISTENER + RULES)
    assert read == ["/etc/sozutw/own.pem", "/etc/sozutw/own.key"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, 'E5 client_ca = "ca.pem" cannot be read: No such file or directory'),
        ("nothing", 'E5 client_ca = "ca.pem" cannot be used: there is no certificate in it'),
        (f"bad {pem('ca')}", 'E5 client_ca = "ca.pem" cannot be used: it is bad'),
    ],
)
def test_authorities_are_judged_too(files, content: str | None, told: str) -> None:
    if content is not None:
        files.files["/etc/sozutw/ca.pem"] = content
    text = 'client_auth = "optional"\nclient_ca = "ca.pem"'
    assert errors(files.told(LISTENER + text)) == [told]


def test_authorities_are_held_as_text(files) -> None:
    files.hold("ca")
    text = LISTENER + 'client_auth = "optional"\nclient_ca = "ca.pem"'
    (listener,) = files.config(text).https_listeners
    assert listener.client_authorities == pem("ca")
