"""What a TLS handshake settled, in plain values: nothing here knows the library that made it."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The certificate that a client showed, and that was verified."""

    subject: str
    """As RFC 4514 writes it: ``CN=alice,O=Example``."""
    fingerprint: str
    """SHA-256 of its DER, in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """One connection's TLS; texts are empty where nothing was settled."""

    version: str
    """``TLSv1.3`` or ``TLSv1.2``."""
    cipher: str
    """By OpenSSL's name."""
    sni: str = ""
    """The name that the client asked for, in lower case."""
    alpn: str = ""
    is_resumed: bool = False
    names: frozenset[str] = frozenset()
    """The names that the served certificate is for, in lower case, ``*.`` in front of wildcards."""
    client: ClientCertificate | None = None


def covers(names: Collection[str], host: str) -> bool:
    """
    Return whether a certificate for ``names`` is one for ``host`` (RFC 6125, 6.4).

    ``host`` has neither port nor brackets. A wildcard stands for exactly one label, and for
    the whole of it.
    """
    host = host.lower().removesuffix(".")
    if host in names:
        return True
    first, dot, rest = host.partition(".")
    is_address = rest.rpartition(".")[2].isdigit()  # No wildcard stands for a part of one.
    return bool(first and rest and dot) and not is_address and f"*.{rest}" in names
