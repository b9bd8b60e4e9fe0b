"""
The TLS library as the transport knows it: endpoints on sockets, and what a handshake settled.

Beside the modules that make contexts, this and what it imports are all that know pyOpenSSL.
"""

from functools import lru_cache
from time import time as now
from typing import TYPE_CHECKING, Final

from sozutw.transport.tls.tickets import TICKETS  # isort: skip  # before OpenSSL is loaded

from cryptography.hazmat.primitives.hashes import SHA256
from OpenSSL import SSL

from sozutw.transport.tls.causes import TlsError, WantRead, WantWrite
from sozutw.transport.tls.direct import IS_DIRECT, DirectEndpoint, is_resumed, settled
from sozutw.transport.tls.endpoint import (
    HAS_MORE,
    READ_WANTS_WRITE,
    RECORD_BYTES,
    WRITE_BYTES_MAX,
    WRITE_WANTS_READ,
    WrappedEndpoint,
    prepare,
)
from sozutw.wire.tls import ClientCertificate, TlsFacts

__all__ = [
    "HAS_MORE",
    "IS_DIRECT",
    "READ_WANTS_WRITE",
    "RECORD_BYTES",
    "TICKETS",
    "WRITE_BYTES_MAX",
    "WRITE_WANTS_READ",
    "Endpoint",
    "TlsError",
    "WantRead",
    "WantWrite",
    "facts",
    "prepare",
]

KNOWN_FACTS_MAX: Final = 256
"""So many different outcomes of handshakes are kept for the next ones that are alike."""

if TYPE_CHECKING or not IS_DIRECT:
    Endpoint = WrappedEndpoint
    """One connection; the quickest kind that works here."""
else:
    Endpoint = DirectEndpoint


def facts(connection: SSL.Connection, *, is_server: bool) -> TlsFacts:
    """Return what a handshake that is over has settled."""
    return _facts(
        *settled(connection),
        is_resumed(connection),
        getattr(connection.get_app_data(), "names", frozenset()),
        _client_certificate(connection) if is_server else None,
    )


# Most connections of a listener settle the same thing: one value serves them all, which makes an
# idle one a third of a KiB smaller.
@lru_cache(KNOWN_FACTS_MAX)
def _facts(
    version: bytes,
    cipher: bytes,
    sni: bytes,
    alpn: bytes,
    is_resumed: bool,
    names: frozenset[str],
    client: ClientCertificate | None,
) -> TlsFacts:
    return TlsFacts(
        version.decode("ascii"),
        cipher.decode("ascii"),
        sni.decode("ascii", "replace").lower(),
        alpn.decode("ascii", "replace"),
        is_resumed,
        names,
        client,
    )


def _client_certificate(connection: SSL.Connection) -> ClientCertificate | None:
    if connection.get_verify_mode() == SSL.VERIFY_NONE:
        return None
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    if certificate.not_valid_after_utc.timestamp() <= now():
        # A session outlives it, and each that is resumed gives a ticket for the next.
        raise TlsError("invalid_certificate", "the client's certificate has expired")
    return ClientCertificate(
        certificate.subject.rfc4514_string(), certificate.fingerprint(SHA256()).hex()
    )
