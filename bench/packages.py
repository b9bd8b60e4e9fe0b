"""What must be installed before anything can be compared: Debian's packages and sozutw itself."""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.processes import BenchError

# program: Debian's package
PROGRAMS = {
    "nginx": "nginx",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "ab": "apache2-utils",
    "openssl": "openssl",
    "taskset": "util-linux",
}
INSTALL_SECONDS_MAX = 600

# Debian's build flags do not tell in sysconfig that its python3 is built with PGO, but it is.
DESCRIBE = """
import json, platform, sys, sysconfig
from importlib.metadata import PackageNotFoundError, version
try:
    twisted = version("twisted")
except PackageNotFoundError:
    twisted = None
try:
    from cryptography.hazmat.backends.openssl.backend import backend
    openssl = backend.openssl_version_text()
except ImportError:
    openssl = None
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps({
    "name": f"{platform.python_implementation()} {platform.python_version()}",
    "is_pgo": "--enable-optimizations" in arguments or sys.base_prefix == "/usr",
    "twisted": twisted,
    "openssl": openssl,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run sozutw: where its command is, and what it is."""

    sozutw: Path
    name: str
    is_pgo: bool
    twisted: str
    openssl: str


def find_programs() -> None:
    """Make nginx's and HAProxy's place in sbin known to those whose PATH lacks it."""
    os.environ["PATH"] = (
        os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    )


def install_programs() -> None:
    """Install by apt-get what is missing; nothing is done, or asked of root, when all is there."""
    missing = sorted({PROGRAMS[name] for name in PROGRAMS if shutil.which(name) is None})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BenchError(f"missing: {', '.join(missing)}; install them as root, by apt-get install")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    for command in (["apt-get", "update"], install):
        print("$", " ".join(command), flush=True)
        subprocess.run(command, env=environment, timeout=INSTALL_SECONDS_MAX, check=True)


def _run(command: list[str]) -> str:
    """Run a step of the installation, and show its words when it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
    )
    if done.returncode != 0:
        words = (done.stdout + done.stderr)[-2000:]
        raise BenchError(f"{' '.join(command[:5])} failed:\n{words}")
    return done.stdout


def _make_environment(root: Path, python: str, cache: Path) -> Path:
    """Return the virtual environment of ``python`` with sozutw in it, made when it must be."""
    found = shutil.which(python)
    if found is None:
        raise BenchError(f"--python {python}: there is no such program")
    identity = _run([found, "-c", "import sys; print(sys.implementation.cache_tag, sys.version)"])
    digest = hashlib.sha256(f"{found} {identity}".encode()).hexdigest()[:8]
    folder = cache / f"{identity.split()[0]}-{digest}"
    stamp = folder / "installed"
    wanted = hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing sozutw for {found} ...", flush=True)
        _run([found, "-m", "venv", "--clear", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-e", str(root)])
        stamp.write_text(wanted)
    return folder


def find_interpreter(root: Path, python: str | None, cache: Path) -> Interpreter:
    """Return what runs sozutw: the project's own .venv, or one made for ``python``."""
    own = root / ".venv"
    if python is None and (own / "bin" / "sozutw").exists():
        folder = own
    else:
        folder = _make_environment(root, python or "python3", cache)
    told = json.loads(_run([str(folder / "bin" / "python"), "-c", DESCRIBE]))
    return Interpreter(
        folder / "bin" / "sozutw",
        told["name"],
        told["is_pgo"],
        str(told["twisted"]),
        str(told["openssl"]).removeprefix("OpenSSL ").partition(" ")[0],
    )
