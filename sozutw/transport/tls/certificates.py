"""Certificates as they are served: parsed, judged, their chain put in order; texts, not objects."""

import binascii
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from weakref import WeakKeyDictionary

import sozutw.transport.tls.tickets  # noqa: F401  # isort: skip  # before OpenSSL is loaded

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from sozutw.config.pem import CERTIFICATE, blocks
from sozutw.config.security import CertificateAndKey

RSA, ECDSA, EDDSA = "RSA", "ECDSA", "EdDSA"

_LINE_LENGTH: Final = 64
_UNSAFE: Final = (hashes.MD5, hashes.SHA1)
_RSA_BITS_MIN: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


_known: "WeakKeyDictionary[CertificateAndKey, LoadedCertificate]" = WeakKeyDictionary()
"""What was read of each value, for as long as somebody has the value."""


class CertificateError(ValueError):
    """A certificate that cannot be used; the text goes on after "the certificate: "."""


@dataclass(frozen=True, slots=True)
class LoadedCertificate:
    """A certificate that can be served: its key fits, and it is valid now."""

    fingerprint: str
    """SHA-256 of its DER, in hexadecimal digits."""
    names: tuple[str, ...]
    """What it is served for, in lower case: host names, ``*.`` in front of wildcards, addresses."""
    expires_at: float
    """Seconds of the wall clock."""
    kind: str
    """Of its key: RSA, ECDSA or EdDSA. Who cannot use one kind may be able to use another."""
    leaf: str
    """PEM, as the next two."""
    key: str = field(repr=False)
    chain: str = ""
    """From its issuer upwards, without the root."""


def load(held: CertificateAndKey, now: float | None) -> LoadedCertificate:
    """
    Return a certificate as it is to be served.

    What stands beside it may be in any order; what does not lead from it upwards is left out.
    Raises CertificateError with a reason that an operator can act on, be it that ``now`` is not
    the time for it; None: whenever that is. A value is read once, by whoever asks first: the check
    of a file and its application are two.
    """
    known = _known.get(held)
    if known is None or (now is not None and known.expires_at <= now):
        known = _known[held] = _read(held, now)
    return known


def _read(held: CertificateAndKey, now: float | None) -> LoadedCertificate:
    own = _certificates_in(held.certificate)
    if not own:
        raise CertificateError("there is no certificate in it")
    beside = [*own[1:], *(der for text in held.chain for der in _certificates_in(text))]
    first = own[0]
    leaf = _parsed(first)
    try:
        kind = _judged_kind(leaf)
        if now is not None:
            _judge_time(leaf, now)
        names = tuple(name.lower() for name in held.names) or names_of(leaf)
        key = _fitting_key(held.key, leaf)
        chain = _chain_of(leaf, [_parsed_once(der) for der in beside if der != first])
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError(f"it cannot be read: {error}") from None
    return LoadedCertificate(
        fingerprint=sha256(first).hexdigest(),
        names=names,
        expires_at=leaf.not_valid_after_utc.timestamp(),
        kind=kind,
        leaf=_shared(_pem(CERTIFICATE, first), held.certificate),
        key=_shared(key, held.key),
        # The certificates of one issuer share the text.
        chain=sys.intern(pem_of(chain)),
    )


def names_in(held: CertificateAndKey) -> tuple[str, ...]:
    """Return what a certificate is for, judged or not; nothing if it cannot be read."""
    known = _known.get(held)
    if known is not None:
        return known.names
    if held.names:
        return tuple(name.lower() for name in held.names)
    try:
        return names_of(_parsed(_certificates_in(held.certificate)[0]))
    except (IndexError, ValueError, x509.DuplicateExtension):
        return ()


def check(held: CertificateAndKey, now: float) -> str | None:
    """Return why a certificate cannot be used, None if it can."""
    try:
        load(held, now)
    except CertificateError as error:
        return str(error)
    return None


def authorities(pem: str) -> list[x509.Certificate]:
    """
    Return those that may have signed a peer's certificate.

    Raises CertificateError if there is none, or if one cannot be read.
    """
    found = [_parsed(der) for der in _certificates_in(pem)]
    if not found:
        raise CertificateError("there is no certificate in it")
    return found


def check_authorities(pem: str) -> str | None:
    """Return why these authorities cannot be used, None if they can."""
    try:
        authorities(pem)
    except CertificateError as error:
        return str(error)
    return None


def pem_of(certificates: Iterable[x509.Certificate]) -> str:
    """Return certificates as texts that every library reads."""
    return "".join(map(_pem_of, certificates))


def _certificates_in(text: str) -> list[bytes]:
    return [der for label, der in blocks(text) if label == CERTIFICATE]


def _parsed(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise CertificateError("it cannot be read: it is no X.509 certificate") from None


_parsed_once: Final = lru_cache(maxsize=64)(_parsed)


def _pem(label: str, der: bytes) -> str:
    """Return a block as every library reads it, however it was written."""
    text = binascii.b2a_base64(der, newline=False).decode("ascii")
    lines = [text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))


# A few issuers stand beside thousands of certificates.
@lru_cache(maxsize=64)
def _pem_of(certificate: x509.Certificate) -> str:
    return _pem(CERTIFICATE, certificate.public_bytes(serialization.Encoding.DER))


def _shared(text: str, held: str) -> str:
    """Return the operator's own text where it says the same, for it is kept anyway."""
    return held if held.strip() == text.strip() else text


def _judged_kind(leaf: x509.Certificate) -> str:
    """Return the kind of the key; what OpenSSL would refuse later is refused here."""
    _judge_signature(leaf)
    match leaf.public_key():
        case rsa.RSAPublicKey() as key:
            if key.key_size < _RSA_BITS_MIN:
                raise CertificateError(
                    f"its RSA key has {key.key_size} bits, and at least {_RSA_BITS_MIN} are needed"
                )
            return RSA
        case ec.EllipticCurvePublicKey() as key:
            if not isinstance(key.curve, _CURVES):
                raise CertificateError(
                    f"TLS has no use for its curve, {key.curve.name}; P-256 is the usual one"
                )
            return ECDSA
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return EDDSA
        case _:
            raise CertificateError("its key is neither of RSA, ECDSA nor EdDSA")


def _judge_signature(certificate: x509.Certificate) -> None:
    digest = certificate.signature_hash_algorithm
    if not isinstance(digest, _UNSAFE):
        return
    # Nobody relies on the signature of a certificate on itself.
    if certificate.subject != certificate.issuer:
        raise CertificateError(f"it is signed with {digest.name.upper()}, which is not safe")


def _judge_time(leaf: x509.Certificate, now: float) -> None:
    end, begin = leaf.not_valid_after_utc, leaf.not_valid_before_utc
    if end.timestamp() <= now:
        raise CertificateError(f"it expired on {end.date().isoformat()}")
    if begin.timestamp() > now:
        today = datetime.fromtimestamp(now, UTC).date().isoformat()
        raise CertificateError(
            f"it is not valid before {begin.date().isoformat()}, and today is {today}"
        )


def names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """Return the names that a certificate tells, in lower case; the common name only for want."""
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in common[-1:])
    hosts = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    names = [*(host.lower() for host in hosts), *(str(address) for address in addresses)]
    return tuple(dict.fromkeys(names))


def _fitting_key(text: str, leaf: x509.Certificate) -> str:
    """Return the PEM of the private key, which is the certificate's."""
    if "ENCRYPTED" in text:
        raise CertificateError("its key is encrypted; it must be stored without a passphrase")
    keys = [block for block in blocks(text) if block[0].endswith("PRIVATE KEY")]
    if not keys:
        raise CertificateError("there is no private key in its key file")
    label, der = keys[0]
    pem = _pem(label, der)
    try:
        # Whether the numbers of an RSA key are prime takes long, and is the maker's business.
        key = serialization.load_pem_private_key(
            pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError(f"its key cannot be read, though it says {label}") from None
    if key.public_key() != leaf.public_key():
        raise CertificateError("the key does not belong to it")
    return pem


def _chain_of(leaf: x509.Certificate, others: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return those of ``others`` that lead from the leaf upwards, its issuer first."""
    if not others:
        return []  # To read a name takes 20 µs.
    by_subject: dict[x509.Name, list[x509.Certificate]] = {}
    for other in others:
        # A root is known to whoever trusts it, and sent in vain.
        if other.subject != other.issuer:
            by_subject.setdefault(other.subject, []).append(other)
    chain: list[x509.Certificate] = []
    current = leaf
    # Each is taken out when it is used, so that two who signed each other make no endless chain.
    while candidates := by_subject.pop(current.issuer, []):
        if len(candidates) > 1:
            candidates = [one for one in candidates if _has_signed(one, current)] or candidates
        current = candidates[0]
        _judged_kind(current)
        chain.append(current)
    return chain


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
