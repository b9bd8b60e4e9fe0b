"""
What TLS is told: certificates, how it is spoken, how clients and backends are verified, HSTS.

Certificates and keys are values here, as text: whoever reads the files does so before, and
what is live never touches the disk.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate by the paths of its PEM files."""

    certificate: str
    key: str
    chain: str | None = None
    tls_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CertificateAndKey:
    """A certificate, its key and what leads from it to a known authority, as PEM texts."""

    certificate: str
    """The leaf comes first; what follows it counts as chain."""
    key: str = field(repr=False)
    chain: tuple[str, ...] = ()
    """Each may hold several blocks, in any order, the leaf once more among them."""
    versions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """The names it is served for; empty: those that it tells itself."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How TLS is spoken; what is empty leaves the choice to this proxy."""

    tls_versions: tuple[str, ...] = ("TLS_V12", "TLS_V13")
    cipher_list: tuple[str, ...] = ()
    cipher_suites: tuple[str, ...] = ()
    groups_list: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    send_tls13_tickets: int | None = None
    """None: as many as the process gives to everybody."""


EXPIRED: Final = "it expired"
"""What a reason against a certificate begins with if nothing but time has made it useless."""


class ClientAuth(Enum):
    """Whether a client shows a certificate; ours."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class BackendTls:
    """How TLS is spoken to the backends of a cluster; ours."""

    authorities: str | None = None
    """PEM of those that may have signed a backend's certificate; None: those of the system."""
    server_name: str | None = None
    """What the certificate must be for; None: the backend's own name or address."""
    certificate: CertificateAndKey | None = None
    """What is shown to a backend that asks."""
    is_insecure: bool = False
    """Whether any certificate is taken."""


@dataclass(frozen=True, slots=True)
class Hsts:
    """What Strict-Transport-Security tells."""

    enabled: bool
    max_age: int = 31_536_000
    include_subdomains: bool = False
    preload: bool = False
    force_replace_backend: bool = False
