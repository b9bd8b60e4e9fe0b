"""The certificate that all peers serve, made for one run, and the clients that take no other."""

import ssl
import subprocess
from pathlib import Path

from bench.processes import BenchError

CERTIFICATE = "tls.crt"
MAKE_SECONDS_MAX = 20


def make_certificate(folder: Path, host: str) -> None:
    """Write a certificate and a key for ECDSA with P-256, and for HAProxy both in one file."""
    certificate, key = folder / CERTIFICATE, folder / "tls.key"
    command = ["openssl", "req", "-x509", "-days", "2", "-nodes", "-subj", f"/CN={host}"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", f"subjectAltName=DNS:{host}", "-out", certificate, "-keyout", key]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=MAKE_SECONDS_MAX, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"openssl made no certificate:\n{done.stderr[-2000:]}")
    (folder / "tls.pem").write_text(certificate.read_text() + key.read_text())
    key.chmod(0o600)


def client_context(certificate: str | Path) -> ssl.SSLContext:
    """Return what speaks TLS 1.3 with a peer that serves this certificate, and with no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(certificate)
    return context
