"""The programs of a comparison: the server behind, the sink, and the proxies before them."""

import os
import shutil
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.certificate import CERTIFICATE, client_context, make_certificate
from bench.processes import BenchError, Running

HOST = "bench.example"
PORTS = {"backend": 18400, "sink": 18401, "nginx": 18402, "haproxy": 18403, "sozutw": 18404}
TLS_PORTS = {"nginx": 18405, "haproxy": 18406, "sozutw": 18407}
PROXIES = ("sozutw", "nginx", "haproxy")
DIRECT = "direct"

SMALL = ("/small", 100)
PAGE = ("/page", 4096)
LARGE = ("/large", 100 << 20)

START_SECONDS_MAX = 20.0
CONFIGURATIONS = Path(__file__).resolve().parent / "peers"
ROOT = CONFIGURATIONS.parent.parent


@dataclass
class Place:
    """Where a comparison works, and the programs that run in it."""

    folder: Path
    proxy_core: int
    load_core: int
    sozutw: Path | None
    environment: dict[str, str] = field(default_factory=dict)
    """All that the programs see."""
    running: dict[str, Running] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write the files that are served, and put the configurations beside them."""
        self.folder.chmod(0o755)  # nginx's workers drop root and must still read the files
        files = self.folder / "files"
        files.mkdir()
        block = os.urandom(1 << 20)
        for path, size in (SMALL, PAGE, LARGE):
            with (files / path.lstrip("/")).open("wb") as file:
                for start in range(0, size, len(block)):
                    file.write(block[: size - start])
        for configuration in CONFIGURATIONS.iterdir():
            shutil.copy(configuration, self.folder)
        make_certificate(self.folder, HOST)

    @property
    def certificate(self) -> Path:
        """What every proxy serves."""
        return self.folder / CERTIFICATE

    def _command(self, name: str) -> list[str]:
        nginx = ["nginx", "-e", "stderr", "-p", str(self.folder), "-c"]
        match name:
            case "backend":
                return [*nginx, str(self.folder / "backend.conf")]
            case "sink":
                sink = Path(__file__).parent / "clients" / "sink.py"
                return [sys.executable, str(sink), str(PORTS["sink"])]
            case "nginx":
                return [*nginx, str(self.folder / "nginx.conf")]
            case "haproxy":
                return ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]
            case "sozutw":
                assert self.sozutw is not None
                return [str(self.sozutw), "start", "-c", str(self.folder / "sozutw.toml")]
            case _:
                raise BenchError(f"no such program: {name}")

    def start(self, name: str) -> None:
        """Start a program and wait until it serves."""
        assert name not in self.running
        core = self.proxy_core if name in PROXIES else self.load_core
        environment = self.environment
        if name == "haproxy":
            environment = environment | {"OPENSSL_CONF": str(self.folder / "openssl.cnf")}
        self.running[name] = Running(name, self._command(name), core, self.folder, environment)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_serving(name):
            self.running[name].check_alive()
            if time.monotonic() > deadline:
                words = self.running[name].output.read_text(errors="replace")[-2000:]
                raise BenchError(f"{name} did not serve within {START_SECONDS_MAX} s:\n{words}")
            time.sleep(0.05)

    def _is_serving(self, name: str) -> bool:
        """Return whether the small file (or, from the sink, any answer) can be had every way."""
        try:
            with socket.create_connection(("127.0.0.1", PORTS[name]), timeout=2) as connection:
                if not _is_answering(connection):
                    return False
            if name not in TLS_PORTS:
                return True
            context = client_context(self.certificate)
            with (
                socket.create_connection(("127.0.0.1", TLS_PORTS[name]), timeout=2) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as connection,
            ):
                return _is_answering(connection)
        except ssl.SSLCertVerificationError as error:
            raise BenchError(f"{name} serves another certificate: {error}") from error
        except OSError:
            return False

    def restart(self, name: str) -> None:
        """Give a program a fresh process, with nothing of an earlier load in its memory."""
        self.running.pop(name).stop()
        self.start(name)

    def stop_all(self) -> None:
        """End every program, the proxies first."""
        for name in reversed(list(self.running)):
            self.running.pop(name).stop()


def port_of(peer: str, *, is_tls: bool = False) -> int:
    """Return where the load for ``peer`` goes; ``direct`` is past all proxies."""
    if is_tls:
        return TLS_PORTS[peer]
    return PORTS["backend" if peer == DIRECT else peer]


def _is_answering(connection: socket.socket) -> bool:
    ask = f"GET {SMALL[0]} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    connection.sendall(ask)
    return connection.recv(65536).startswith(b"HTTP/1.1 200 ")
