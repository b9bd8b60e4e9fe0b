import ssl
from contextlib import suppress
from datetime import UTC, datetime

from cryptography import x509

from sozutw.transport.tls.certificates import load
from sozutw.transport.tls.selfsigned import make
from tests.fakes.certificates import NOW


def test_it_is_for_the_names_and_valid_from_an_hour_ago_for_ninety_days() -> None:
    held = make(("a.example", "*.b.example", "127.0.0.1", "::1"), NOW)
    loaded = load(held, NOW)
    assert loaded.names == ("a.example", "*.b.example", "127.0.0.1", "::1")
    assert loaded.kind == "ECDSA"
    assert loaded.chain == ""
    certificate = x509.load_pem_x509_certificate(held.certificate.encode())
    assert certificate.not_valid_before_utc == datetime.fromtimestamp(NOW - 3600, UTC)
    assert loaded.expires_at == NOW - 3600 + 90 * 86400
    assert "PRIVATE" not in repr(held)


def test_each_is_another() -> None:
    first, second = make(("a.example",), NOW), make(("a.example",), NOW)
    assert first.key != second.key
    assert load(first, NOW).fingerprint != load(second, NOW).fingerprint


def test_a_long_name_is_no_obstacle() -> None:
    name = ".".join(["a" * 60] * 4)
    assert load(make((name,), NOW), NOW).names == (name,)


def test_a_strict_verifier_can_be_told_to_trust_it() -> None:
    held = make(("a.example",), datetime.now(UTC).timestamp())
    client = ssl.create_default_context(cadata=held.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    with_key = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    from sozutw.transport.tls.binding import as_file

    with as_file(held.certificate + held.key) as path:
        with_key.load_cert_chain(path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="a.example"),
        with_key.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert ends[0].version() == "TLSv1.3"
