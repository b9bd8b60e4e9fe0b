"""
The contexts that a listener's handshakes are made with, by the names that clients ask for.

A handshake begins with the entry context, which holds the keys of all session tickets, and goes on
with that of the certificates that are to be served. Those are made when they are first asked for.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

import sozutw.transport.tls.tickets  # noqa: F401  # isort: skip  # before OpenSSL is loaded

from OpenSSL import SSL, crypto
from twisted.logger import Logger

from sozutw.config.model import HttpsListener
from sozutw.config.security import ClientAuth
from sozutw.transport.tls import binding
from sozutw.transport.tls.certificates import (
    CertificateError,
    LoadedCertificate,
    authorities,
    load,
    pem_of,
)
from sozutw.transport.tls.library import prepare
from sozutw.transport.tls.names import TlsOptionError, spoken
from sozutw.transport.tls.recent import Recent
from sozutw.transport.tls.selfsigned import make
from sozutw.transport.tls.store import CertificateStore, Served, asked_name

CONTEXTS_MAX: Final = 1000
"""So many are kept besides those that connections use; one takes about 150 µs to make."""

BUILT_IN_NAME: Final = "sozutw.invalid"
_BUILT_IN_DAYS: Final = 3650
_ALPN: Final = ("http/1.1",)
_DEPTH_MAX: Final = 5  # Authorities between a client's certificate and one that is trusted.
_OPTIONS: Final = SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
_MODES: Final = {
    ClientAuth.NONE: SSL.VERIFY_NONE,
    ClientAuth.OPTIONAL: SSL.VERIFY_PEER,
    ClientAuth.REQUIRE: SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}


_log = Logger()

_Key = tuple[tuple[str, str], ...]
"""Fingerprint and chain of each certificate."""


class _Prepared(NamedTuple):
    key: _Key
    context: SSL.Context
    served: Served


Blank = SSL.Context
"""A context that nothing was told yet: all there is in it are the keys of its tickets."""


def blank() -> Blank:
    """Return a fresh blank context; OpenSSL draws the keys of its tickets now, and never again."""
    return SSL.Context(SSL.TLS_SERVER_METHOD)


class ServerContexts:
    """
    What a listener's handshakes are made with.

    What is added or removed holds from the next handshake on; live connections keep what they
    have. Raises CertificateError or TlsOptionError for a listener that cannot be served.

    Where ``judges_time`` is false, the listener's own certificate may have expired.
    ``entry`` is what the entry context is made of, and must be used for nothing else. Whoever has
    the same one, from before a fork, takes the tickets that this listener gives.
    """

    def __init__(
        self,
        listener: HttpsListener,
        now: Callable[[], float],
        entry: Blank | None = None,
        *,
        judges_time: bool = True,
    ) -> None:
        self._spoken = spoken(listener.tls)
        self._client_auth = listener.client_auth
        self._authorities = ""
        if listener.client_auth is not ClientAuth.NONE:
            if listener.client_authorities is None:
                raise TlsOptionError("client_auth needs client_ca: who may sign for clients?")
            self._authorities = pem_of(authorities(listener.client_authorities))
        self._session_context = _session_context(listener)
        self._choose_alpn = binding.alpn_choice([name.encode("ascii") for name in _ALPN])
        self._store = CertificateStore()
        self._contexts: Recent[_Key, _Prepared] = Recent(CONTEXTS_MAX)
        self._built_in = load(make((BUILT_IN_NAME,), now(), _BUILT_IN_DAYS), now())
        self._default: LoadedCertificate | None = None
        """Served where no certificate has the name; None: the built-in one is."""
        if listener.certificate is not None:
            self._default = load(listener.certificate, now() if judges_time else None)
        self.default_served = 0
        """How many handshakes were served the built-in certificate."""
        self.warnings = (*self._spoken.warnings, *_alpn_warnings(listener))
        """What of the options is left out."""
        first = (self._default or self._built_in,)
        try:
            self.context = self._context_of(first, entry)
            """What each handshake begins with."""
        except SSL.Error as error:
            raise CertificateError(f"OpenSSL does not take it: {error}") from None
        self.context.set_tlsext_servername_callback(self._name_told)
        self._nobody = self._context_of(())
        """Without a certificate: a handshake that goes on with it fails."""
        self._told = ""
        self._entry = _Prepared(_key_of(first), self.context, self._served(first))

    def add(self, held: LoadedCertificate) -> None:
        """Serve a certificate; one that is known already stays as it is."""
        self._store.add(held)

    def remove(self, fingerprint: str) -> bool:
        """Serve it no more; False if it was not known."""
        if not self._store.remove(fingerprint):
            return False
        self._contexts.drop_if(lambda key: any(fingerprint == known for known, _ in key))
        return True

    def replace(self, held: LoadedCertificate, old_fingerprint: str) -> bool:
        """Serve one instead of another, without a moment between; False if there was none."""
        # No handshake comes between. The same leaf may have another chain now.
        was_known = self._store.replace(held, old_fingerprint)
        if was_known:
            self._contexts.drop_if(lambda key: any(old_fingerprint == known for known, _ in key))
        return was_known

    def replace_default(self, held: LoadedCertificate) -> None:
        """Serve another one where no certificate has the name that was asked for."""
        self._default = held

    def min_expires_at(self) -> float | None:
        """Return when the first certificate expires; None if there is only the built-in one."""
        soonest = self._store.min_expires_at()
        if self._default is None:
            return soonest
        return (
            self._default.expires_at if soonest is None else min(soonest, self._default.expires_at)
        )

    def shown(self, name: str) -> tuple[LoadedCertificate, ...]:
        """Return what a client sees that asks for this name, or for none; one of each kind."""
        found = self._store.find(name) if name else ()
        return found or (self._default or self._built_in,)

    def is_for_nobody(self, certificate: LoadedCertificate) -> bool:
        """Return whether this is the built-in certificate, which nobody trusts."""
        return certificate is self._built_in

    def _name_told(self, connection: SSL.Connection) -> None:
        """
        Go on with the certificates for the name; called for each ClientHello, even without one.

        An exception ends the handshake with an alert (pyOpenSSL sees to that since 26.0).
        """
        name = asked_name(connection.get_servername())
        try:
            prepared = self._prepared(self.shown(name))
        except (OSError, SSL.Error) as error:
            # No descriptor left, perhaps. A handshake that cannot be right ends with an alert.
            self._tell(f"{name or 'a client without a name'} cannot be served: {error}")
            connection.set_context(self._nobody)
            return
        # The second ClientHello of one handshake comes here again.
        is_first = connection.get_app_data() is None
        if prepared.context is not connection.get_context():
            connection.set_context(prepared.context)
        connection.set_app_data(prepared.served)
        if prepared.served.is_default and is_first:
            self.default_served += 1

    def _tell(self, text: str) -> None:
        """Log what went wrong, the same once only."""
        if text != self._told:
            self._told = text
            _log.error("{text}", text=text)

    def _prepared(self, certificates: tuple[LoadedCertificate, ...]) -> _Prepared:
        key = _key_of(certificates)
        if key == self._entry.key:
            return self._entry
        prepared = self._contexts.get(key)
        if prepared is None:
            context = self._context_of(certificates)
            # The entry context and its callback must live as long as connections that began
            # with it: OpenSSL may call it for a second ClientHello.
            context.set_app_data(self.context)
            prepared = _Prepared(key, context, self._served(certificates))
            self._contexts.put(key, prepared)
        return prepared

    def _served(self, certificates: tuple[LoadedCertificate, ...]) -> Served:
        names = frozenset(certificates[0].names)
        # Which of two kinds it will be is not known yet: only what each is for is promised.
        names = names.intersection(*(certificate.names for certificate in certificates[1:]))
        return Served(names, is_default=certificates[0] is self._built_in)

    def _context_of(
        self, certificates: tuple[LoadedCertificate, ...], made_of: Blank | None = None
    ) -> SSL.Context:
        """
        Return a context with certificates of different kinds, each with its own chain.

        It is a fresh one, or ``made_of``.

        All of a listener are alike but for the certificates, since OpenSSL takes some settings
        from the first context of a handshake and some from the last.
        """
        context = made_of or blank()
        context.set_options(_OPTIONS)
        prepare(context)
        # Tickets do the work, and need no memory here.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(self._session_context)
        self._spoken.tell(context)
        self._choose_alpn(context)
        self._ask_clients(context)
        for certificate in certificates:
            with binding.as_file(certificate.leaf + "\n" + certificate.chain) as path:
                context.use_certificate_chain_file(path)
            with binding.as_file(certificate.key) as path:
                context.use_privatekey_file(path)
        if certificates:
            context.check_privatekey()
        return context

    def _ask_clients(self, context: SSL.Context) -> None:
        context.set_verify(_MODES[self._client_auth])
        if self._client_auth is ClientAuth.NONE:
            return
        context.set_verify_depth(_DEPTH_MAX)
        with binding.as_file(self._authorities) as path:
            context.load_verify_locations(path)
            context.load_client_ca(path.encode("ascii"))
        trusted = context.get_cert_store()
        assert trusted is not None
        # What is in the file is trusted, be it a root or one below it.
        trusted.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)


def _key_of(certificates: tuple[LoadedCertificate, ...]) -> _Key:
    return tuple((certificate.fingerprint, certificate.chain) for certificate in certificates)


def _session_context(listener: HttpsListener) -> bytes:
    """Return what a session's origin must be alike in: none is resumed past a policy."""
    policy = (
        str(listener.address),
        listener.client_auth.value,
        listener.client_authorities or "",
    )
    digest = sha256()
    for part in policy:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()


def _alpn_warnings(listener: HttpsListener) -> tuple[str, ...]:
    # The default names h2 too: nobody has asked for it then.
    if listener.alpn_protocols == HttpsListener(listener.http).alpn_protocols:
        return ()
    left_out = [name for name in listener.alpn_protocols if name not in _ALPN]
    if not left_out:
        return ()
    return (f"alpn_protocols: {', '.join(left_out)} is not spoken yet, http/1.1 is",)
