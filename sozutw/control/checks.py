"""
What only other parts can judge of a configuration, in the form that its readers ask for.

Each says what is wrong, or None.
"""

import time
from collections.abc import Sequence

from sozutw.config.security import CertificateAndKey, TlsOptions
from sozutw.relay.answers import Template, TemplateError


def check_certificate(held: CertificateAndKey) -> str | None:
    """Say why a certificate cannot be served now, or None."""
    from sozutw.transport.tls.certificates import check  # noqa: PLC0415  # as below

    return check(held, time.time())


def check_authorities(pem: str) -> str | None:
    """Say why nobody's certificate can be verified with these, or None."""
    from sozutw.transport.tls import certificates  # noqa: PLC0415  # as below

    return certificates.check_authorities(pem)


def check_tls_options(options: TlsOptions) -> tuple[Sequence[str], Sequence[str]]:
    """Say what cannot be spoken, and what will not be."""
    # A plain proxy is to do without a TLS library in its memory.
    from sozutw.transport.tls.names import check_options  # noqa: PLC0415

    return check_options(options)


def check_answer(status: str, text: str) -> str | None:
    """Say what is wrong with a template that is to stand for a status, or None."""
    try:
        Template.parse(int(status), text)
    except TemplateError as error:
        return str(error)
    return None
