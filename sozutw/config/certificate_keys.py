"""
Read the PEM files that keys name: certificates with their keys, and authorities.

They are read together with the file that names them, so that all that is wrong is told at
once. Nothing here knows a TLS library: whether a key fits is judged by who brings that along.
"""

from dataclasses import dataclass
from typing import Final

from sozutw.config.pem import fingerprint_of
from sozutw.config.security import EXPIRED, CertificateAndKey, CertificateFiles
from sozutw.config.table import Table, printable


@dataclass(frozen=True, slots=True)
class CertificateKeys:
    """The keys that a certificate is named by."""

    certificate: str
    key: str
    chain: str | None = None


@dataclass(frozen=True, slots=True)
class ReadCertificate:
    """A certificate as it was read, and where."""

    held: CertificateAndKey
    files: CertificateFiles


SERVED: Final = CertificateKeys("certificate", "key", "certificate_chain")
"""What is shown to clients."""
SHOWN: Final = CertificateKeys("backend_certificate", "backend_key")
"""What is shown to backends."""


def read_certificate(
    owner: Table, keys: CertificateKeys = SERVED, tls_versions: tuple[str, ...] = ()
) -> ReadCertificate | None:
    """Read a certificate and its key; None if there is none, or none that can be used."""
    certificate = owner.file_path(keys.certificate, None)
    chain = None if keys.chain is None else owner.file_path(keys.chain, None)
    key = owner.file_path(keys.key, None)
    if certificate is None and key is None:
        if keys.chain is not None and chain is not None:
            owner.refuse(keys.chain, f"{keys.chain} has no {keys.certificate} to lead to")
        return None
    if certificate is None or key is None:
        present, absent = keys.certificate, keys.key
        if certificate is None:
            present, absent = absent, present
        # One that was written and is no path has been told already.
        if absent not in owner:
            owner.refuse(present, f"{present} stands without {absent}; both are meant")
        return None
    files = CertificateFiles(certificate, key, chain, tls_versions)
    known = owner.reading.certificates.get(files)
    held = known or _read_held(owner, keys, files)
    if held is None:
        return None
    # One file may stand for thousands of frontends.
    owner.reading.certificates[files] = held
    return ReadCertificate(held, files)


def read_authorities(owner: Table, key: str) -> str | None:
    """Read the certificates of authorities; None if there are none, or none to be used."""
    path = owner.file_path(key, None)
    text = None if path is None else read_pem(owner, key, path)
    if text is None:
        return None
    reason = lacks_certificate(text) or owner.reading.checks.authorities(text)
    if reason is not None:
        owner.refuse(key, f"{spell(owner, key)} cannot be used: {reason}")
        return None
    return text


def read_pem(owner: Table, key: str, path: str) -> str | None:
    """Read the file at ``path``, which ``key`` names; None if that cannot be, and is told."""
    try:
        return owner.reading.read_file(path)
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError:
        reason = "it is no text; PEM is meant"
    owner.refuse(key, f"{spell(owner, key)} cannot be read: {reason}")
    return None


def spell(owner: Table, key: str) -> str:
    """Return a key and its value as they were written."""
    return f'{key} = "{printable(owner.string(key, ""))}"'


def _read_held(
    owner: Table, keys: CertificateKeys, files: CertificateFiles
) -> CertificateAndKey | None:
    certificate = read_pem(owner, keys.certificate, files.certificate)
    key = read_pem(owner, keys.key, files.key)
    chain: tuple[str, ...] | None = ()
    if files.chain is not None:
        assert keys.chain is not None
        text = read_pem(owner, keys.chain, files.chain)
        chain = None if text is None else (text,)
    if certificate is None or key is None or chain is None:
        return None
    held = CertificateAndKey(certificate, key, chain, files.tls_versions)
    reason = lacks_certificate(certificate) or owner.reading.checks.certificate(held)
    if reason is None:
        return held
    text = (
        f"{spell(owner, keys.certificate)} with {spell(owner, keys.key)} cannot be used: {reason}"
    )
    if reason.startswith(EXPIRED):
        # Sōzu's own sample has one that expired in 2015, and serves it.
        owner.report.refuse_or_skip(owner.at(keys.certificate), text, "it is left out")
    else:
        owner.refuse(keys.certificate, text)
    return None


def lacks_certificate(text: str) -> str | None:
    """Say that there is no certificate in a text; nothing if there is one."""
    try:
        fingerprint_of(text)
    except ValueError as error:
        return str(error)
    return None
