"""
TLS towards backends: how a handshake with one begins, and whether it is who it should be.

The chain is judged by OpenSSL in the handshake, the name by service-identity after it.
"""

import time
from collections.abc import Callable
from socket import socket
from typing import Any, Final, NamedTuple

import sozutw.transport.tls.tickets  # noqa: F401  # isort: skip  # before OpenSSL is loaded

from OpenSSL import SSL, crypto
from service_identity import CertificateError as NamelessError
from service_identity import VerificationError
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)

from sozutw.config.security import BackendTls, CertificateAndKey, TlsOptions
from sozutw.transport.tls import binding
from sozutw.transport.tls.certificates import (
    CertificateError,
    authorities,
    load,
    names_of,
    pem_of,
)
from sozutw.transport.tls.endpoint import is_address
from sozutw.transport.tls.library import Endpoint, prepare
from sozutw.transport.tls.names import spoken
from sozutw.transport.tls.recent import Recent

CONTEXTS_MAX: Final = 256
"""So many ways to speak to backends are kept ready; one with the system's authorities takes ms."""
SESSIONS_MAX: Final = 1024
_DEPTH_MAX: Final = 10  # Authorities between a backend's certificate and one that is trusted.
# With a star: a key share is sent for it at once, so that no backend has to ask (OpenSSL 3.5).
_GROUPS: Final = "?*X25519MLKEM768:?*X25519:P-256:P-384"
_NAMES_TOLD_MAX: Final = 5

Verify = Callable[[SSL.Connection], None]


class _Settings(NamedTuple):
    """What a context is made from: clusters whose backends differ by name only share one."""

    authorities: str | None
    certificate: CertificateAndKey | None
    is_insecure: bool


class _Origin(NamedTuple):
    """Where a session comes from; another backend, or another way to speak to it, has its own."""

    tls: BackendTls
    host: str
    peer: Any


class ClientContexts:
    """How connections to backends begin; what they settled is kept for the next ones."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        """The wall clock: certificates expire by it."""
        self._contexts: Recent[_Settings, SSL.Context] = Recent(CONTEXTS_MAX)
        self._sessions: Recent[_Origin, SSL.Session] = Recent(SESSIONS_MAX)

    def prepare(self, tls: BackendTls) -> None:
        """
        Raise CertificateError if nothing can be begun like this, and why.

        The authorities of the system are read here, if not before: that takes a few ms.
        """
        self._context_of(tls)

    def begin(self, tls: BackendTls, host: str, sock: socket) -> tuple[Endpoint, Verify]:
        """
        Return an endpoint on a connected socket, and what to call when its handshake is over.

        ``host`` is the backend's name or address, empty for a path. Nothing may be written
        before ``verify`` returned: it raises CertificateError if the backend is somebody else.
        Raises CertificateError too if what is configured cannot be used.
        """
        name = tls.server_name or host
        if not name and not tls.is_insecure:
            raise CertificateError("backend_server_name is needed, for a path is no name")
        context = self._context_of(tls)
        origin = _Origin(tls, host, sock.getpeername())
        session = self._sessions.get(origin)
        if session is not None and session._context is not context:  # noqa: SLF001
            session = None  # Its context had to go meanwhile.
        endpoint = Endpoint(
            context,
            sock,
            is_server=False,
            server_name=name or None,
            session=session,
        )
        endpoint.connection.set_app_data(origin)
        return endpoint, _take_anybody if tls.is_insecure else _verify_for(name)

    def keep_session(self, tls: BackendTls, host: str, endpoint: Endpoint) -> None:
        """Keep what can be resumed of a connection; to be called late, tickets come after data."""
        origin = endpoint.connection.get_app_data()
        assert isinstance(origin, _Origin)
        assert (origin.tls, origin.host) == (tls, host)
        session = endpoint.connection.get_session()
        if session is not None:
            self._sessions.put(origin, session)

    def _context_of(self, tls: BackendTls) -> SSL.Context:
        settings = _Settings(tls.authorities, tls.certificate, tls.is_insecure)
        context = self._contexts.get(settings)
        if context is None:
            context = self._fresh_context(tls)
            self._contexts.put(settings, context)
        return context

    def _fresh_context(self, tls: BackendTls) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        prepare(context)
        # Sessions are kept by origin, and not by the library.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_alpn_protos([b"http/1.1"])
        spoken(TlsOptions()).tell(context)
        # Where it is not understood, one share is sent, and older backends ask for another.
        binding.set_groups(context, _GROUPS)
        if not tls.is_insecure:
            self._trust(context, tls)
        if tls.certificate is not None:
            mine = load(tls.certificate, self._now())
            with binding.as_file(mine.leaf + "\n" + mine.chain) as path:
                context.use_certificate_chain_file(path)
            with binding.as_file(mine.key) as path:
                context.use_privatekey_file(path)
            context.check_privatekey()
        return context

    def _trust(self, context: SSL.Context, tls: BackendTls) -> None:
        context.set_verify(SSL.VERIFY_PEER)
        context.set_verify_depth(_DEPTH_MAX)
        if tls.authorities is None:
            context.set_default_verify_paths()
            return
        with binding.as_file(pem_of(authorities(tls.authorities))) as path:
            context.load_verify_locations(path)
        trusted = context.get_cert_store()
        assert trusted is not None
        # What is in the file is trusted, be it a root or one below it.
        trusted.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)


def _take_anybody(_connection: SSL.Connection) -> None:
    """Accept who is there, as the operator wants it."""


def _verify_for(name: str) -> Verify:
    def verify(connection: SSL.Connection) -> None:
        failure = binding.verification_failure(connection)
        if failure is not None:  # the handshake has failed before
            raise CertificateError(failure)
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise CertificateError("the backend has shown no certificate")
        try:
            if is_address(name):
                verify_certificate_ip_address(certificate, name)
            else:
                verify_certificate_hostname(certificate, name)
        except (VerificationError, NamelessError, ValueError):
            told = names_of(certificate)
            listed = ", ".join(told[:_NAMES_TOLD_MAX]) or "no name"
            more = " and more" if len(told) > _NAMES_TOLD_MAX else ""
            raise CertificateError(
                f"the backend's certificate is for {listed}{more}, not for {name}"
            ) from None

    return verify
