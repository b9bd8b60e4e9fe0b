"""Where Sōzu's own binary is, or is made."""

import os
import re
import shutil
import subprocess
from pathlib import Path

WANTED = "~2.1"
BUILD_SECONDS_MAX = 3600.0


class NoBinaryError(Exception):
    """There is no binary; the text says what is missing."""


class Binary:
    """Sōzu's program, and its version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=30, check=False
            )
        except OSError as error:
            raise NoBinaryError(f"{path} cannot be run: {error.strerror}") from error
        found = re.match(r"sozu (\d+)\.(\d+)\.(\d+)", done.stdout)
        if found is None:
            raise NoBinaryError(f"{path} does not say that it is Sōzu: {done.stdout[:200]!r}")
        major, minor, patch = found.groups()
        self.version = (int(major), int(minor))
        self.name = f"sozu {major}.{minor}.{patch}"


def find_binary() -> Binary:
    """Return SOZU_BIN, or what is on PATH, or in the cache, or is built into it now."""
    named = os.environ.get("SOZU_BIN")
    if named:
        return Binary(Path(named).absolute())
    found = shutil.which("sozu")
    if found is not None:
        return Binary(Path(found))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sozutw"
    cached = cache / "sozu-2.1" / "bin" / "sozu"
    if not cached.exists():
        _build(cached.parent.parent)
    return Binary(cached)


def _build(root: Path) -> None:
    missing = [
        text
        for program, text in (
            ("cargo", "cargo is missing: https://rustup.rs installs it"),
            ("protoc", "protoc is missing: apt-get install protobuf-compiler"),
        )
        if shutil.which(program) is None
    ]
    if missing:
        raise NoBinaryError(
            "there is no sozu on PATH, SOZU_BIN names none, and none can be built:\n"
            + "\n".join(missing)
        )
    print(f"building sozu {WANTED} into {root}; this takes some minutes", flush=True)
    command = ["cargo", "install", "sozu", "--version", WANTED, "--locked", "--root", str(root)]
    try:
        done = subprocess.run(command, timeout=BUILD_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise NoBinaryError(f"{' '.join(command)} took longer than an hour") from error
    if done.returncode:
        raise NoBinaryError(f"{' '.join(command)} failed; crates.io may be out of reach")
