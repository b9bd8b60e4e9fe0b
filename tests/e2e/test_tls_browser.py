"""A page over https in a browser, which verifies that it is ours."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from tests.e2e.tls import Answering, TlsStage, program

PAGE = b"""<!doctype html><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><p id="told">nothing yet</p>
<script>
const part = number => fetch("part/" + number).then(answer => answer.text());
Promise.all(Array.from({length: 20}, (_, number) => part(number))).then(parts => {
  document.getElementById("told").textContent =
    `${location.protocol} ${isSecureContext} ${parts.join(" ")}`;
});
</script>"""

# Without these a browser asks the world for updates, and waits for answers that never come.
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Page(Answering):
    """A page whose script fetches twenty parts at a time."""

    kind = "text/html"

    @override
    def body(self) -> bytes:
        return PAGE if self.path == "/echo/" else self.path.rpartition("/")[2].encode()


def browse(stage: TlsStage, folder: Path, pins: str) -> str:
    """Return the page as it stands when its script has run."""
    command = [program("chromium"), *QUIET, f"--user-data-dir={folder / 'profile'}"]
    command += [f"--ignore-certificate-errors-spki-list={pins}", "--virtual-time-budget=10000"]
    command += ["--dump-dom", f"https://localhost:{stage.tls_port}/echo/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=45, check=False)
    return done.stdout


@pytest.mark.timeout(120)
def test_a_browser_shows_a_page_and_its_parts(tmp_path: Path) -> None:
    program("chromium")
    with TlsStage(tmp_path, echo=Page) as stage:
        key = stage.certificate.parsed.public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(der).digest()).decode()
        shown = browse(stage, tmp_path, pin)
        parts = " ".join(map(str, range(20)))
        assert f'<p id="told">https: true {parts}</p>' in shown, shown
        assert {record["tls_version"] for record in stage.records(21)} == {"TLSv1.3"}
