"""The certificates of a listener, and which of them are for a name; no handshake is made here."""

import re
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from sozutw.config.hostnames import NAME_LENGTH_MAX
from sozutw.transport.tls.certificates import LoadedCertificate

# A last label of digits alone is the end of an IPv4 address, which SNI cannot ask for.
_HOST_NAME: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*+(?![0-9]+\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
# So many stale entries are left in the heap of expiries before it is made anew.
_STALE_MAX: Final = 64


class Served(NamedTuple):
    """What a connection's handshake was served; the connection's app data."""

    names: frozenset[str]
    """What the certificate is for; of several, only what each is for."""
    is_default: bool
    """Whether it is the built-in certificate, which nobody trusts."""


def asked_name(told: bytes | None) -> str:
    """Return the host name that a client asks for by SNI; empty if it is none."""
    if not told or len(told) > NAME_LENGTH_MAX + 1:
        return ""
    try:
        name = told.decode("ascii").lower().removesuffix(".")
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= NAME_LENGTH_MAX and _HOST_NAME.fullmatch(name) else ""


class CertificateStore:
    """
    Certificates by the names that they are for.

    A name is looked up whole, then as the wildcard of its first label. Of several certificates
    for a name, one of each kind is found: the one that expires last.
    """

    __slots__ = ("_by_name", "_expiries", "_known")

    def __init__(self) -> None:
        self._known: dict[str, LoadedCertificate] = {}
        self._by_name: dict[str, tuple[LoadedCertificate, ...]] = {}
        """All that there are for a name, the one that expires last first."""
        self._expiries: list[tuple[float, str]] = []
        """A heap; it may hold entries of what was removed."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._known

    def find(self, name: str) -> tuple[LoadedCertificate, ...]:
        """Return the certificates for a host name in lower case, one of each kind."""
        found = self._by_name.get(name)
        if found is None:
            _, dot, rest = name.partition(".")
            found = self._by_name.get(f"*.{rest}", ()) if dot else ()
        if len(found) < 2:  # noqa: PLR2004 - nothing to choose from
            return found
        kinds: dict[str, LoadedCertificate] = {}
        for certificate in found:
            kinds.setdefault(certificate.kind, certificate)
        return tuple(kinds.values())

    def add(self, certificate: LoadedCertificate) -> None:
        """Find it from now on; one that is known already stays as it is."""
        if certificate.fingerprint in self._known:
            return
        self._known[certificate.fingerprint] = certificate
        heappush(self._expiries, (certificate.expires_at, certificate.fingerprint))
        for name in set(certificate.names):
            others = self._by_name.get(name, ())
            self._by_name[name] = tuple(sorted((certificate, *others), key=_last_to_expire_first))

    def remove(self, fingerprint: str) -> bool:
        """Find it no more; False if it was not known."""
        certificate = self._known.pop(fingerprint, None)
        if certificate is None:
            return False
        for name in set(certificate.names):
            others = tuple(c for c in self._by_name[name] if c.fingerprint != fingerprint)
            if others:
                self._by_name[name] = others
            else:
                del self._by_name[name]
        if len(self._expiries) > 2 * len(self._known) + _STALE_MAX:
            self._expiries = [(c.expires_at, c.fingerprint) for c in self._known.values()]
            heapify(self._expiries)
        return True

    def replace(self, certificate: LoadedCertificate, old_fingerprint: str) -> bool:
        """Put one in the place of another, in one step; False if there was none."""
        was_known = self.remove(old_fingerprint)
        self.add(certificate)  # The same leaf may have another chain now.
        return was_known

    def min_expires_at(self) -> float | None:
        """Return when the first of them expires, in seconds of the wall clock."""
        while self._expiries:
            expires_at, fingerprint = self._expiries[0]
            certificate = self._known.get(fingerprint)
            if certificate is not None and certificate.expires_at == expires_at:
                return expires_at
            heappop(self._expiries)
        return None

    def check_invariants(self) -> None:
        """Sweep all tables; for tests."""
        listed = {}
        for name, certificates in self._by_name.items():
            assert certificates, name
            assert list(certificates) == sorted(certificates, key=_last_to_expire_first)
            for certificate in certificates:
                assert name in certificate.names
                assert self._known[certificate.fingerprint] is certificate
                listed[certificate.fingerprint, name] = certificate
        for fingerprint, certificate in self._known.items():
            assert certificate.fingerprint == fingerprint
            for name in certificate.names:
                assert (fingerprint, name) in listed
            assert (certificate.expires_at, fingerprint) in self._expiries
        assert len(listed) == sum(len(certificates) for certificates in self._by_name.values())
        assert len(self._expiries) <= 2 * len(self._known) + _STALE_MAX + 1


def _last_to_expire_first(certificate: LoadedCertificate) -> tuple[float, str]:
    # The fingerprint decides a draw, so that all workers serve the same one.
    return -certificate.expires_at, certificate.fingerprint
