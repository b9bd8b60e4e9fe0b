"""
Authorities, certificates and keys for tests, made once a process.

All that is valid is so from 2000 to 2090: the libraries that shake hands go by the real clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sozutw.config.security import CertificateAndKey

NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
END = datetime(2090, 1, 1, tzinfo=UTC)
EXPIRED = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and who signed it."""

    certificate: x509.Certificate
    key: Any
    issuer: "Issued | None" = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def key_pem(self, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes = b"") -> str:
        encryption = BestAvailableEncryption(password) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, form, encryption).decode()

    def held(self, *chain: str, names: tuple[str, ...] = ()) -> CertificateAndKey:
        return CertificateAndKey(self.pem, self.key_pem(), chain, names=names)


@cache
def key(kind: str = "P-256", number: int = 0) -> Any:
    """Return a private key; another one for each number."""
    match kind:
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "RSA-1024":
            return rsa.generate_private_key(65537, 1024)
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case _:
            return ec.generate_private_key(ec.SECP256R1())


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def sign(
    subject: str,
    its_key: Any,
    issuer: Issued | None = None,
    *,
    names: Sequence[str] = (),
    is_authority: bool = False,
    begin: datetime = BEGIN,
    end: datetime = END,
    digest: hashes.HashAlgorithm | None = None,
    usages: Sequence[x509.ObjectIdentifier] = (),
) -> Issued:
    """Sign a certificate by ``issuer``, or by its own key."""
    signing_key = issuer.key if issuer is not None else its_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.certificate.subject if issuer is not None else name(subject))
        .public_key(its_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(its_key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False
        )
    )
    if is_authority:
        usage = dict.fromkeys(
            (
                "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                "key_agreement", "encipher_only", "decipher_only",
            ),
            False,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), True
        )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([general_name(text) for text in names]), False
        )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    if digest is None and not isinstance(signing_key, ed25519.Ed25519PrivateKey):
        digest = hashes.SHA256()
    return Issued(builder.sign(signing_key, digest), its_key, issuer)


@cache
def root(common: str = "Root of tests") -> Issued:
    return sign(common, key("P-256", hash(common)), is_authority=True)


@cache
def intermediate(common: str = "Intermediate of tests", above: str = "Root of tests") -> Issued:
    return sign(common, key("P-256", hash(common)), root(above), is_authority=True)


@cache
def leaf(*names: str, kind: str = "P-256", serial: int = 0, end: datetime = END) -> Issued:
    """Return a certificate for these names, signed by the intermediate."""
    return sign(names[0], key(kind, serial), intermediate(), names=names, end=end)


@cache
def expired(*names: str) -> Issued:
    return sign(names[0], key(), intermediate(), names=names, end=EXPIRED)


@cache
def client(common: str = "alice", above: str = "Root of tests") -> Issued:
    """Return a client's certificate, signed by a root itself."""
    usages = (x509.ExtendedKeyUsageOID.CLIENT_AUTH,)
    return sign(common, key("P-256", hash(common)), root(above), usages=usages)


def chained(issued: Issued) -> CertificateAndKey:
    """Return a certificate as a server has it: with the intermediate, without the root."""
    return issued.held(intermediate().pem)
