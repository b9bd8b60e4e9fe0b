"""OpenSSL's reasons, sorted by Sōzu's words."""

import errno

import pytest

from sozutw.transport.outflow import FULL_FOR_NOW
from sozutw.transport.tls.causes import (
    CAUSES,
    TlsError,
    WantRead,
    WantWrite,
    cause_of,
    fault_of,
)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("tlsv1 alert unknown ca", "alert_received"),
        ("tls alert handshake failure", "alert_received"),
        ("sslv3 alert bad certificate", "alert_received"),
        ("tlsv1 unrecognized name", "alert_received"),
        ("no shared cipher", "peer_incompatible"),
        ("unsupported protocol", "peer_incompatible"),
        ("bad key share", "peer_misbehaved"),
        ("record too small", "peer_misbehaved"),
        ("wrong version number", "invalid_message"),
        ("unexpected record", "inappropriate_message"),
        ("unexpected message", "inappropriate_handshake_message"),
        ("packet length too long", "oversized_record"),
        ("no application protocol", "no_alpn"),
        ("certificate verify failed", "invalid_certificate"),
        ("decryption failed or bad record mac", "decrypt_error"),
        ("peer did not return a certificate", "no_certificates_present"),
        ("http request", "plain_http"),
        ("unexpected eof while reading", "truncated"),
        ("something new", "other"),
    ],
)
def test_each_reason_has_its_cause(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause
    assert cause in CAUSES


def test_the_first_reason_that_says_something_decides() -> None:
    fault = fault_of(["something new", "no shared cipher", "unexpected message"])
    assert fault.cause == "peer_incompatible"
    assert fault.strerror == "something new, no shared cipher, unexpected message"


def test_no_reason_at_all_is_told_as_such() -> None:
    assert fault_of([]).cause == "other"
    assert str(fault_of([])) == f"[Errno {errno.EPROTO}] OpenSSL gave no reason"


def test_a_tls_error_is_an_error_of_the_socket_as_transports_see_it() -> None:
    fault = TlsError("eof", "it ended")
    assert isinstance(fault, OSError)
    assert fault.errno == errno.EPROTO
    assert fault.errno not in FULL_FOR_NOW
    with pytest.raises(AssertionError):
        TlsError("unheard of", "")


@pytest.mark.parametrize("kind", [WantRead, WantWrite])
def test_what_is_missing_looks_like_a_full_socket(kind: type[BlockingIOError]) -> None:
    assert kind().errno in FULL_FOR_NOW
    assert isinstance(kind(), BlockingIOError)
