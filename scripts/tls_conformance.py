"""Have testssl.sh and sslyze look at a sozutw of our own; `scripts/conformance --tls` starts it."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BIN = Path(sys.executable).parent
SSLYZE = BIN.parent / "sslyze"
"""An environment of its own: its library wants other versions than ours."""

START_SECONDS_MAX = 20.0
SCAN_SECONDS_MAX = 900.0

# What they say of a self-signed certificate on an address without a name, and of nothing else.
SELF_SIGNED = {
    "cert_chain_of_trust": "nobody has signed it",
    "cert_crlDistributionPoints": "who has no authority has no list of what it took back",
    "cert_ocspURL": "nor a server that tells",
    "cert_revocation": "nor any other way",
    "OCSP_stapling": "nobody has signed it, so nobody can vouch for it",
    "DNS_CAArecord": "an address has no such record",
    "overall_grade": "T: the chain of trust again",
    "certificate_path_validation": "nobody has signed it",
}
HARMLESS = {"OK", "INFO", "WARN", "DEBUG"}

CONFIGURATION = """\
log_level = "warn"
access_logs_target = "file://access.log"

[[listeners]]
protocol = "https"
address = "127.0.0.1:{port}"
certificate = "localhost.crt"
key = "localhost.key"
alpn_protocols = ["http/1.1"]
hsts = {{ enabled = true }}

[clusters.own]
protocol = "http"

[[clusters.own.frontends]]
address = "127.0.0.1:{port}"
hostname = "*"
position = "PRE"
redirect = "unauthorized"
"""


def make_certificate(folder: Path) -> None:
    """Write a certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=89))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "localhost.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "localhost.key").write_bytes(private)


@contextmanager
def proxy(folder: Path) -> Iterator[int]:
    """Run a sozutw, and give its port."""
    make_certificate(folder)
    with socket.socket() as reserved:
        # Bound and not listening: nobody else is given the port, and who asks so too may listen.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        (folder / "sozutw.toml").write_text(CONFIGURATION.format(port=port))
        running = subprocess.Popen([BIN / "sozutw", "start", "-c", folder / "sozutw.toml"])
        try:
            until = time.monotonic() + START_SECONDS_MAX
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if running.poll() is not None or time.monotonic() > until:
                        sys.exit("scripts/conformance: sozutw did not start")
                    time.sleep(0.05)
            yield port
            if running.poll() is not None:
                sys.exit("scripts/conformance: sozutw has ended under the scan")
        finally:
            running.terminate()
            running.wait()


def worse_of_testssl(findings: list[dict[str, str]]) -> list[str]:
    """Return what testssl.sh found that is not about the certificate's being self-signed."""
    return [
        f"testssl.sh: {found['severity']} {found['id']}: {found['finding']}"
        for found in findings
        if found["severity"] not in HARMLESS and found["id"].split(" ")[0] not in SELF_SIGNED
    ]


def worse_of_sslyze(text: str) -> list[str]:
    """Return where sslyze sees less than Mozilla asks for, the self-signed certificate aside."""
    found = re.search(r"COMPLIANCE AGAINST(.*)", text, re.DOTALL)
    if found is None:
        return [f"sslyze: no verdict:\n{text[-2000:]}"]
    verdicts = re.findall(r"^\s+\* (\w+): (.*)$", found.group(1), re.MULTILINE)
    worse = [f"sslyze: {name}: {why}" for name, why in verdicts if name not in SELF_SIGNED]
    if not verdicts and "OK - Compliant" not in found.group(1):
        worse.append(f"sslyze: no verdict:\n{found.group(1)}")
    return worse


def run(*command: str | Path) -> str:
    """Run a scan, show what it says, and return it."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SCAN_SECONDS_MAX, check=False
    )
    print(done.stdout + done.stderr, flush=True)
    return done.stdout + done.stderr


def find_testssl() -> str | None:
    """Return where it is: Debian calls it testssl, its authors testssl.sh."""
    return shutil.which("testssl") or shutil.which("testssl.sh")


def find_sslyze() -> Path | None:
    """Return the Python that has it, fetched by pip if need be."""
    python = SSLYZE / "bin" / "python"
    if (SSLYZE / "bin" / "sslyze").exists():
        return python
    print(f"fetching sslyze into {SSLYZE}", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", SSLYZE], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "sslyze"], check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return python


def main() -> int:
    """Run both, or the one that is there; the exit status is 3 where neither is."""
    testssl, sslyze = find_testssl(), find_sslyze()
    missing = []
    if testssl is None:
        missing.append("testssl.sh is missing: apt-get install testssl.sh")
    if sslyze is None:
        missing.append("sslyze is missing: pip could not fetch it from PyPI")
    print(*missing, sep="\n")
    if testssl is None and sslyze is None:
        return 3
    worse: list[str] = []
    with tempfile.TemporaryDirectory(prefix="conformance-") as name, proxy(Path(name)) as port:
        address = f"127.0.0.1:{port}"
        if sslyze is not None:
            said = run(sslyze, "-m", "sslyze", "--mozilla_config=intermediate", address)
            worse += worse_of_sslyze(said)
        if testssl is not None:
            told = Path(name) / "testssl.json"
            quiet = ("--quiet", "--color", "0", "--warnings", "off", "--nodns", "none")
            run(testssl, *quiet, "--jsonfile", told, address)
            worse += worse_of_testssl(json.loads(told.read_text(encoding="utf-8")))
    print(*worse, *missing, sep="\n")
    if worse:
        return 1
    print("nothing is worse than the self-signed certificate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
