"""The proxy of the soak: a process, and what it holds as seen from outside."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

IDLE_SECONDS = 3
GAUGES = (
    *("client.connections", "http.active_requests", "protocol.http", "protocol.ws"),
    *("accept_queue.connections", "backend.connections", "backend.pool.size"),
)
BACKEND_GAUGES = ("connections_per_backend", "http.active_requests")
CONFIG = """\
worker_count = 0
log_target = "file://{folder}/sozutw.log"
access_logs_target = "file://{folder}/access.log"
backend_idle_timeout = {idle}

[[listeners]]
protocol = "http"
address = "127.0.0.1:{port}"

[clusters.soak]
protocol = "http"
load_balancing = "ROUND_ROBIN"
frontends = [{{ address = "127.0.0.1:{port}", hostname = "soak.example" }}]
backends = [{backends}]
"""


class SoakError(Exception):
    """The soak cannot go on; the text says why."""


class Proxy:
    """``sozutw start`` on a port, with the backends on theirs."""

    def __init__(self, folder: Path, port: int, backends: Sequence[int]) -> None:
        entries = ", ".join(f'{{ address = "127.0.0.1:{b}" }}' for b in backends)
        config = folder / "sozutw.toml"
        config.write_text(
            CONFIG.format(folder=folder, port=port, idle=IDLE_SECONDS, backends=entries)
        )
        self.log = folder / "sozutw.log"
        self._output = folder / "sozutw.out"
        # The sweep of invariants belongs to tests; this runs as an operator would.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SOZUTW_")}
        start = "from sozutw.cli.main import main; main()"
        program = [sys.executable, "-c", start, "start", "-c", str(config)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                program, stdout=output, stderr=subprocess.STDOUT, env=environment
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise, with its last words, when it has ended."""
        if (status := self._process.poll()) is not None:
            words = self._output.read_text(errors="replace")[-2000:]
            raise SoakError(f"sozutw ended with status {status}:\n{words}")

    def rss_kib(self) -> int:
        """Return its resident memory."""
        self.check_alive()
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(r.split()[1]) for r in status.splitlines() if r.startswith("VmRSS:"))

    def descriptors(self) -> dict[str, int]:
        """Count its descriptors: pipes, which are kept for later transfers, and all others."""
        names = [os.readlink(entry) for entry in Path(f"/proc/{self.pid}/fd").iterdir()]
        pipes = sum(name.startswith("pipe:") for name in names)
        return {"pipes": pipes, "others": len(names) - pipes}

    def counters(self) -> dict[str, Any]:
        """Ask for its counters, as an operator would."""
        before = self._output.read_bytes().count(b"\n")
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.check_alive()
            for line in self._output.read_bytes().split(b"\n")[before:-1]:
                if line.startswith(b"{"):
                    told: dict[str, Any] = json.loads(line)
                    return told
            time.sleep(0.02)
        raise SoakError("sozutw told no counters within 10 s")

    def gauges(self) -> dict[str, int]:
        """Return all that must come back to where it was."""
        told = self.counters()
        gauges = {name: told["proxy"][name] for name in GAUGES}
        for cluster_id, cluster in told["clusters"].items():
            gauges[f"{cluster_id} active"] = cluster["cluster"]["http.active_requests"]
            for backend in cluster["backends"]:
                for name in BACKEND_GAUGES:
                    gauges[f"{backend['address']} {name}"] = backend["metrics"][name]
        return gauges

    def stop(self) -> int:
        """Ask it to end, insist after a while, and return its status."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                return self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def log_lines(self, number: int) -> list[str]:
        """Return what its access log tells of a request."""
        text = (self.log.parent / "access.log").read_text(errors="replace")
        return [line for line in text.splitlines() if f"/{number}/" in line]

    def complaints(self) -> list[str]:
        """Return the lines of its log that tell a fault of its own."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        text += self._output.read_text(errors="replace")
        return [r for r in text.splitlines() if "Traceback" in r or "Error" in r][:20]
