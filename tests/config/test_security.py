"""The values of TLS have the defaults that are safe."""

from sozutw.config.security import (
    BackendTls,
    CertificateAndKey,
    ClientAuth,
    Hsts,
    TlsOptions,
)


def test_only_versions_that_are_safe_are_spoken_unless_others_are_asked_for() -> None:
    assert TlsOptions().tls_versions == ("TLS_V12", "TLS_V13")
    assert TlsOptions().send_tls13_tickets is None


def test_backends_are_verified_unless_that_is_switched_off() -> None:
    assert BackendTls() == BackendTls(None, None, None, is_insecure=False)


def test_hsts_lasts_for_a_year() -> None:
    assert Hsts(enabled=True).max_age == 31_536_000


def test_a_key_stays_out_of_logs() -> None:
    held = CertificateAndKey("certificate", "secret")
    assert "secret" not in repr(held)
    assert "secret" not in repr(BackendTls(certificate=held))


def test_clients_are_asked_in_three_ways() -> None:
    assert [auth.value for auth in ClientAuth] == ["none", "optional", "require"]
