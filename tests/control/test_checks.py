"""What only other parts can judge of a configuration."""

from sozutw.config.security import TlsOptions
from sozutw.control.checks import (
    check_answer,
    check_authorities,
    check_certificate,
    check_tls_options,
)
from tests.fakes import certificates as made
from tests.fakes.requests import template


def test_what_is_right_has_nothing_against_it() -> None:
    assert check_answer("404", template(404)) is None
    assert check_authorities(made.root().pem) is None
    assert check_certificate(made.chained(made.leaf("a.example"))) is None
    assert check_tls_options(TlsOptions()) == ([], [])


def test_what_is_wrong_is_told() -> None:
    assert check_answer("404", template(503)) == "its status line says 503, but it stands for 404"
    assert check_authorities("x") == "there is no certificate in it"
    reason = check_certificate(made.chained(made.expired("a.example")))
    assert reason is not None
    assert reason.startswith("it expired on 2026-01-02")
    errors, warnings = check_tls_options(TlsOptions(("TLS_V9",), send_tls13_tickets=77))
    assert (len(errors), len(warnings)) == (1, 1)
