"""What the bench asks of the machine: cores, free ports, descriptors, quiet; and its versions."""

import os
import platform
import re
import resource
import socket
import subprocess
from pathlib import Path

from bench.processes import PROC, TICKS_A_SECOND, BenchError

DESCRIPTORS_MIN = 12_000


def choose_cores() -> tuple[int, int]:
    """Return the core of the proxies, and that of load and backend."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("two cores are needed: one for the proxy, one for load and backend")
    return cores[0], cores[1]


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one; what is started from here inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS_MIN:
        raise BenchError(f"{DESCRIPTORS_MIN} open files are needed; raise `ulimit -Hn`, now {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def check_free(ports: dict[str, int]) -> None:
    """
    Raise when a port is taken.

    The ports are fixed, so that the committed configurations can be read and tried
    as they are, and lie below the range that outgoing connections draw from.
    """
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                reason = f"port {port} ({name}) is taken; is another bench/run under way? {error}"
                raise BenchError(reason) from error


class Bystanders:
    """How much of the machine others used meanwhile: the more, the less a figure is worth."""

    def __init__(self) -> None:
        self._begin = self._read()

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """Return the seconds of all cores: all that went by, idle ones, those used by us."""
        ticks = [int(n) for n in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
        ours = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        idle = (ticks[3] + ticks[4]) / TICKS_A_SECOND
        return sum(ticks) / TICKS_A_SECOND, idle, sum(u.ru_utime + u.ru_stime for u in ours)

    def share(self) -> float:
        """Return their share so far; all that was started here must have ended before."""
        total, idle, ours = (
            now - then for now, then in zip(self._read(), self._begin, strict=True)
        )
        return max(0.0, total - idle - ours) / max(0.01, total)


def _first_match(command: list[str], pattern: str) -> str:
    """Run a program that tells its version and return the first group of ``pattern``."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def versions(root: Path) -> dict[str, str]:
    """Return what is compared, and on what."""
    model = re.search(r"model name\s*: (.*)", (PROC / "cpuinfo").read_text())
    return {
        "processor": f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "nginx": _first_match(["nginx", "-v"], r"nginx/(\S+)"),
        "haproxy": _first_match(["haproxy", "-v"], r"version (\S+)"),
        "their openssl": _first_match(["openssl", "version"], r"OpenSSL (\S+)"),
        "wrk": _first_match(["wrk", "-v"], r"wrk (?:debian/)?(\S+)"),
        "sozutw": _first_match(
            ["git", "-C", str(root), "describe", "--always", "--dirty"], r"(\S+)"
        ),
    }
