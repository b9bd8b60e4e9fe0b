"""From messages to how a listener speaks TLS."""

from collections.abc import Iterable
from typing import Final

from sozutw.config.certificate_keys import lacks_certificate
from sozutw.config.listener_keys import ALPN
from sozutw.config.security import CertificateAndKey, ClientAuth, TlsOptions
from sozutw.config.state import RefusedRequestError
from sozutw.control.checks import check_authorities, check_tls_options
from sozutw.control.parts_in import certificate_of, present, versions_of, wrong
from sozutw.control.proto import command_pb2 as pb

SOZU_TICKETS: Final = 4
"""What Sōzu's client says of tickets when nobody asked for a number."""


def tls_options_of(message: pb.HttpsListenerConfig) -> TlsOptions:
    """Return how a listener speaks TLS; raises RefusedRequestError if it cannot speak so."""
    options = written_options_of(message)
    errors, _warnings = check_tls_options(options)
    if errors:
        raise RefusedRequestError("; ".join(errors))
    return options


def written_options_of(message: pb.HttpsListenerConfig) -> TlsOptions:
    """Return what was asked for, whether or not it can be spoken."""
    tickets: int | None = message.send_tls13_tickets
    if tickets == SOZU_TICKETS:
        tickets = present(message.extras, "send_tls13_tickets")
    return TlsOptions(
        tls_versions=versions_of(message.versions, "versions") or TlsOptions().tls_versions,
        cipher_list=tuple(message.cipher_list),
        cipher_suites=tuple(message.cipher_suites),
        groups_list=tuple(message.groups_list),
        signature_algorithms=tuple(message.signature_algorithms),
        send_tls13_tickets=tickets,
    )


def alpn_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what is offered, in the order in which it is told."""
    protocols = tuple(texts)
    for text in protocols:
        if text not in ALPN:
            raise wrong("alpn_protocols", text, f"{ALPN[0]} or {ALPN[1]} is meant")
    return protocols


def own_certificate_of(
    message: pb.HttpsListenerConfig, options: TlsOptions
) -> CertificateAndKey | None:
    """Return a listener's own certificate, None if it has none."""
    has_certificate, has_key = message.HasField("certificate"), message.HasField("key")
    if not has_certificate and not has_key:
        if message.certificate_chain:
            raise RefusedRequestError("certificate_chain has no certificate to lead to")
        return None
    if not has_certificate or not has_key:
        there, lacking = ("certificate", "key") if has_certificate else ("key", "certificate")
        raise RefusedRequestError(f"{there} stands without {lacking}; both are meant")
    whole = pb.CertificateAndKey(
        certificate=message.certificate,
        key=message.key,
        certificate_chain=message.certificate_chain,
    )
    held = certificate_of(whole)
    versions, names = options.tls_versions, held.names
    if message.extras.HasField("certificate_use"):
        use = message.extras.certificate_use
        versions = versions_of(use.versions, "extras.certificate_use.versions")
        names = tuple(use.names)
    return CertificateAndKey(held.certificate, held.key, held.chain, versions, names)


def client_auth_of(extras: pb.ListenerExtras) -> tuple[ClientAuth, str | None]:
    """Return whether clients show a certificate, and the authorities that may have signed it."""
    authorities = present(extras, "client_authorities")
    try:
        auth = ClientAuth(extras.client_auth) if extras.client_auth else ClientAuth.NONE
    except ValueError:
        words = ", ".join(member.value for member in ClientAuth)
        raise wrong("extras.client_auth", extras.client_auth, f"one of {words} is meant") from None
    if auth is ClientAuth.NONE and authorities is not None:
        raise RefusedRequestError(
            "extras.client_authorities asks no client for anything; client_auth is meant beside it"
        )
    if auth is not ClientAuth.NONE and authorities is None:
        raise RefusedRequestError(
            f"extras.client_auth is {auth.value} without client_authorities; both are meant"
        )
    if authorities is not None:
        reason = lacks_certificate(authorities) or check_authorities(authorities)
        if reason is not None:
            raise RefusedRequestError(f"extras.client_authorities cannot be used: {reason}")
    return auth, authorities
