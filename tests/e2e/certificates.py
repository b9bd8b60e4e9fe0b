"""Certificates made on the spot: who signs them, and who is named in them."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    # One for all: making it takes longer than a whole test.
    return rsa.generate_private_key(65537, 2048)


class Issued(NamedTuple):
    """A certificate with its key and the chain above it, as PEM texts."""

    certificate: str
    key: str
    chain: str

    @property
    def fingerprint(self) -> str:
        return self.parsed.fingerprint(SHA256()).hex()

    @property
    def parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.encode())

    def write(self, folder: Path, stem: str) -> str:
        """Write the files anew, each in one step, and return the keys that name them in TOML."""
        keys = []
        for name, text in (("key", self.key), ("certificate", self.certificate + self.chain)):
            path = folder / f"{stem}.{name}.pem"
            fresh = path.with_suffix(".new")
            fresh.write_text(text, encoding="ascii")
            fresh.replace(path)
            keys.append(f'{name} = "{path}"')
        return ", ".join(keys)

    def load_into(self, context: ssl.SSLContext, folder: Path) -> None:
        """Have a context show it."""
        self.write(folder, "shown")
        context.load_cert_chain(folder / "shown.certificate.pem", folder / "shown.key.pem")


class Authority:
    """Who signs: a root, or an intermediate below one."""

    def __init__(self, name: str = "Test Root", above: "Authority | None" = None) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._above = above
        signer = above or self
        builder = self._begin(self._name, self._key.public_key(), signer, -1, 3650)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        builder = builder.add_extension(usage, True)
        self.pem = _pem(builder.sign(signer._key, SHA256()))

    @staticmethod
    def _begin(
        subject: x509.Name,
        public_key: Any,
        signer: "Authority",
        from_days: float,
        to_days: float,
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=from_days))
            .not_valid_after(now + timedelta(days=to_days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(above, False)
        )

    def issue(
        self,
        *names: str,
        kind: str = "ecdsa",
        from_days: float = -2,
        to_days: float = 30,
        is_client: bool = False,
    ) -> Issued:
        """Return a certificate for host names and addresses; the first is its common name too."""
        key: PrivateKey = _rsa_key() if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if is_client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = self._begin(subject, key.public_key(), self, from_days, to_days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        if not is_client:
            told = [_general_name(name) for name in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(told), False)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = self.pem if self._above is not None else ""
        return Issued(_pem(builder.sign(self._key, SHA256())), text, chain)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
