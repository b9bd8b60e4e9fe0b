"""scripts/conformance with the real sozutw: Sōzu's words are taken, a broken file is refused."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from sozutw.transport.tls.selfsigned import make
from tests.e2e.harness import ROOT

SAMPLE = ROOT / "tests" / "fixtures" / "sozu-config.toml"


def sample(folder: Path, *, days: int = 90) -> Path:
    """Lay the sample out as Sōzu does, with certificates that are valid for so many days."""
    assets = folder / "lib" / "assets"
    assets.mkdir(parents=True)
    held = make(["lolcatho.st"], time.time() - 86_400, days)
    (assets / "certificate.pem").write_text(held.certificate)
    (assets / "certificate_chain.pem").write_text(held.certificate)
    (assets / "key.pem").write_text(held.key)
    (folder / "bin").mkdir()
    return Path(shutil.copy(SAMPLE, folder / "bin" / "config.toml"))


def conformance(*paths: Path) -> tuple[int, str]:
    if not (ROOT / ".venv" / "bin" / "sozutw").exists():
        assert not os.environ.get("CI"), "scripts/environment makes .venv"
        pytest.skip("no .venv in the checkout")
    done = subprocess.run(
        [ROOT / "scripts" / "conformance", *paths],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_sample_is_taken_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = sample(tmp_path)
    status, output = conformance(path)
    assert (status, f"taken: {path}" in output) == (0, True), output
    broken = path.with_name("broken.toml")
    broken.write_text(SAMPLE.read_text(encoding="utf-8") + '\n[clusters.x]\nprotocol = "smtp"\n')
    status, output = conformance(broken, path)
    assert status == 1, output
    assert f"refused: {broken}" in output
    assert f"taken: {path}" in output


def test_the_sample_is_taken_though_the_certificate_beside_it_has_expired(tmp_path: Path) -> None:
    """The one that comes with Sōzu has since 2015."""
    path = sample(tmp_path, days=1)
    status, output = conformance(path)
    assert (status, f"taken: {path}" in output) == (0, True), output
    assert "cannot be used: it expired on " in output


# Sōzu's own program is built in minutes and seldom at hand; where it is, it drives us.


def sozu_conformance(seconds: float, **environment: str) -> subprocess.CompletedProcess[str]:
    values = {name: value for name, value in os.environ.items() if name != "SOZU_BIN"}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "sozu_conformance"],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=values | {"PYTHONPATH": str(ROOT)} | environment,
    )


def test_without_sozu_and_the_means_to_build_it_both_are_named(tmp_path: Path) -> None:
    done = sozu_conformance(30, PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 3
    assert "SOZU_BIN names none" in done.stderr
    assert "cargo is missing: https://rustup.rs" in done.stderr
    assert "apt-get install protobuf-compiler" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nowhere", "true"])
def test_what_is_named_and_is_not_sozu_is_told(tmp_path: Path, name: str) -> None:
    path = shutil.which(name) or str(tmp_path / name)
    done = sozu_conformance(30, SOZU_BIN=path)
    assert done.returncode == 3
    assert done.stderr.startswith(f"scripts/conformance: {path} ")


@pytest.mark.timeout(300)
def test_sozu_s_own_program_drives_it() -> None:
    binary = os.environ.get("SOZU_BIN")
    if not binary:
        pytest.skip("SOZU_BIN names no program of Sōzu's; scripts/conformance sozu builds one")
    done = sozu_conformance(280, SOZU_BIN=binary)
    assert done.returncode == 0, done.stdout + done.stderr


# The scan of TLS itself takes a minute, and is nobody's test; what it makes of findings is.


@pytest.fixture
def scan() -> ModuleType:
    path = ROOT / "scripts" / "tls_conformance.py"
    spec = importlib.util.spec_from_file_location("tls_conformance", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_what_is_worse_than_self_signed_counts_for_testssl(scan: ModuleType) -> None:
    def found(name: str, severity: str) -> dict[str, str]:
        return {"id": name, "severity": severity, "finding": "told"}

    harmless = [found("cert_chain_of_trust", "CRITICAL"), found("TLS1_3", "OK")]
    assert scan.worse_of_testssl(harmless) == []
    worse = [*harmless, found("TLS1", "LOW")]
    assert scan.worse_of_testssl(worse) == ["testssl.sh: LOW TLS1: told"]


def test_only_what_is_worse_than_self_signed_counts_for_sslyze(scan: ModuleType) -> None:
    head = " COMPLIANCE AGAINST TLS CONFIGURATION\n\n    127.0.0.1:1: "
    failed = f"{head}FAILED - Not compliant.\n"
    chain = "        * certificate_path_validation: failed for CN=localhost.\n"
    curves = "        * tls_curves: some are supported, but should be rejected.\n"
    assert scan.worse_of_sslyze(f"{head}OK - Compliant.\n") == []
    assert scan.worse_of_sslyze(failed + chain) == []
    (worse,) = scan.worse_of_sslyze(failed + chain + curves)
    assert worse.startswith("sslyze: tls_curves: ")
    assert "no verdict" in scan.worse_of_sslyze(failed)[0]
    assert "no verdict" in scan.worse_of_sslyze("a traceback")[0]


def test_without_either_scanner_it_says_what_is_missing(
    scan: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scan, "find_testssl", lambda: None)
    monkeypatch.setattr(scan, "find_sslyze", lambda: None)
    assert scan.main() == 3
    said = capsys.readouterr().out
    assert "apt-get install testssl.sh" in said
    assert "sslyze is missing" in said
