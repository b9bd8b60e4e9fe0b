"""The proxies of this bench: sozutw and nginx, each with so many workers, before one backend."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.certificate import make_certificate
from bench.machine import check_free
from bench.processes import PROC, BenchError, Running, descendants
from bench.proxies import CONFIGURATIONS, HOST, PORTS, SMALL, TLS_PORTS
from bench.worker_parts.asking import is_answering
from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb

START_SECONDS_MAX = 20.0
FIRST_PORT = 18420
_START = "from sozutw.cli.main import main; main()"
COUNTERS = pb.QueryMetricsOptions(list=False, no_clusters=True, workers=True)


class Peer(NamedTuple):
    """A proxy, and with how many workers."""

    program: str
    workers: int
    port: int

    @property
    def name(self) -> str:
        """Say it in a table."""
        return f"{self.program} {self.workers}"

    @property
    def tls_port(self) -> int:
        """Where it speaks TLS."""
        return self.port + 1


_SORTS = [("sozutw", 0), ("sozutw", 1), ("sozutw", 2), ("nginx", 1), ("nginx", 2)]
PEERS = [Peer(*sort, FIRST_PORT + 2 * number) for number, sort in enumerate(_SORTS)]


class Counts(NamedTuple):
    """What the workers of a peer have done so far."""

    cpu: float
    """Seconds, of all its processes."""
    requests: list[int]
    connections: list[int]
    resumed: int


class Farm:
    """All peers, up at the same time on all cores: those that wait cost nothing."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.certificate = folder / "tls.crt"
        ports = {peer.name: peer.port for peer in PEERS}
        check_free({"backend": PORTS["backend"], **ports})
        folder.chmod(0o755)  # nginx's workers drop root and must still read the files
        (folder / "files").mkdir()
        (folder / "files" / SMALL[0].lstrip("/")).write_bytes(os.urandom(SMALL[1]))
        for configuration in CONFIGURATIONS.iterdir():
            shutil.copy(configuration, folder)
        make_certificate(folder, HOST)
        self._running: dict[Peer, Running] = {}
        hidden = ("SOZUTW_", "COVERAGE_", "OPENSSL_", "SSL_CERT_")
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        backend = self._start("backend", self._nginx("backend.conf"))
        stack.callback(backend.stop)
        for peer in PEERS:
            self._running[peer] = self._start(peer.name.replace(" ", "-"), self._command(peer))
            stack.callback(self._running[peer].stop)
        for peer, running in self._running.items():
            self._wait_for(peer, running)

    def _start(self, name: str, command: list[str]) -> Running:
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        return Running(name, command, cores, self.folder, self._environment)

    def _nginx(self, name: str) -> list[str]:
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / name)]

    def _command(self, peer: Peer) -> list[str]:
        name = peer.name.replace(" ", "-")
        source = "nginx.conf" if peer.program == "nginx" else "sozutw.toml"
        text = (self.folder / source).read_text()
        text = text.replace(str(PORTS[peer.program]), str(peer.port))
        text = text.replace(str(TLS_PORTS[peer.program]), str(peer.tls_port))
        text = text.replace(f"{peer.program}-access.log", f"{name}-access.log")
        path = self.folder / f"{name}-{source}"
        if peer.program == "nginx":
            text = text.replace("worker_processes 1;", f"worker_processes {peer.workers};")
            path.write_text(text.replace("pid nginx.pid;", f"pid {name}.pid;"))
            return self._nginx(path.name)
        text = text.replace("worker_count = 0", f"worker_count = {peer.workers}")
        path.write_text(f'command_socket = "{self._socket(peer)}"\n{text}')
        return [sys.executable, "-c", _START, "start", "-c", str(path)]

    def _socket(self, peer: Peer) -> Path:
        return self.folder / f"{peer.workers}.sock"

    def _wait_for(self, peer: Peer, running: Running) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not is_answering(peer.port):
            running.check_alive()
            if time.monotonic() > deadline:
                words = running.output.read_text(errors="replace")[-2000:]
                raise BenchError(f"{peer.name} did not serve:\n{words}")
            time.sleep(0.05)

    def counts(self, peer: Peer) -> Counts:
        """Return what it has done so far; only sozutw tells of requests and connections."""
        cpu = self._running[peer].cpu_seconds()
        if peer.program == "nginx":
            return Counts(cpu, [], [], 0)
        with Client(self._socket(peer), timeout=20) as client:
            told = client.request(pb.Request(query_metrics=COUNTERS))
        workers = told.content.metrics.workers
        every = [workers[name].proxy for name in sorted(workers)]

        def of(name: str) -> list[int]:
            return [metrics[name].gauge or metrics[name].count for metrics in every]

        resumed = sum(of("tls.handshake.resumed"))
        return Counts(cpu, of("http.requests"), of("listener.accepted.total"), resumed)

    def memory(self, peer: Peer) -> Iterator[tuple[str, float, float]]:
        """Give, of each process, what it is, its resident memory and its share of it, in MiB."""
        for pid in descendants(self._running[peer].pid):
            title = (PROC / str(pid) / "comm").read_text().strip()
            rollup = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
            kib = {line.split()[0]: float(line.split()[1]) for line in rollup[1:]}
            yield title, kib["Rss:"] / 1024, kib["Pss:"] / 1024
