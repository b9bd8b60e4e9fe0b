"""Run one load against one peer, pinned beside the backend, and read what it reports."""

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.certificate import client_context
from bench.processes import BenchError
from bench.proxies import HOST, LARGE, ROOT, port_of

LOAD_SECONDS_MAX = 120.0
CONNECTIONS = 64

FIELDS_3 = ("User-Agent: bench", "Accept: */*")
FIELDS_11 = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,fr;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://bench.example/a/page/with/a/path?and=a&query=too",
    "Cookie: session=6f1c9f4b2a7d4e0f8a3b5c7d9e1f2a4b; theme=dark; consent=all",
    "Cache-Control: max-age=0",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
)
"""With Host these are three and eleven fields, the latter as a browser sends them."""

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_TO_LOOPBACK = ROOT / "bench" / "clients" / "loopback.lua"


@dataclass(frozen=True)
class LoadReport:
    """What wrk or ab printed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    faults: tuple[str, ...]


def parse_wrk(text: str) -> LoadReport:
    """Read wrk's report; anything that is not a good answer is a fault."""
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if done is None or int(done.group(1)) == 0:
        raise BenchError(f"wrk completed nothing:\n{text}")
    percentiles = {
        share: float(value) * _UNITS[unit]
        for share, value, unit in re.findall(
            r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m)", text, re.MULTILINE
        )
    }
    faults = re.findall(r"(Socket errors:.*|Non-2xx.*)", text)
    return LoadReport(
        int(done.group(1)),
        float(done.group(2)) * _UNITS[done.group(3)] / 1e3,
        percentiles["50"],
        percentiles["99"],
        tuple(fault.strip() for fault in faults),
    )


def parse_ab(text: str) -> LoadReport:
    """Read ab's report; anything that is not a good answer is a fault."""

    def number(name: str) -> float:
        found = re.search(rf"^{name}:? +([\d.]+)", text, re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    if not number("Complete requests"):
        raise BenchError(f"ab completed nothing:\n{text}")
    if "TLSv1.3" not in text:
        raise BenchError(f"ab did not speak TLS 1.3:\n{text}")
    counts = {name: int(number(name)) for name in ("Failed requests", "Non-2xx responses")}
    return LoadReport(
        int(number("Complete requests")),
        number("Time taken for tests"),
        number(" +50%"),
        number(" +99%"),
        tuple(f"{name}: {count}" for name, count in counts.items() if count),
    )


@dataclass(frozen=True)
class Load:
    """Where loads run, and the certificate that peers must show over TLS."""

    core: int
    certificate: Path
    is_tls: bool = False

    def _pinned(self, command: Sequence[str]) -> list[str]:
        return ["taskset", "-c", str(self.core), *command]

    def _way(self, peer: str) -> tuple[object, ...]:
        """Return how a client of ours reaches a peer."""
        return port_of(peer, is_tls=self.is_tls), HOST, self.certificate if self.is_tls else ""

    def _client(self, name: str, *arguments: object) -> list[str]:
        client = [sys.executable, "-m", f"bench.clients.{name}", *map(str, arguments)]
        return self._pinned(client)

    def _run(self, command: list[str], seconds_max: float = LOAD_SECONDS_MAX) -> str:
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=seconds_max, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{command[3:]} took more than {seconds_max} s") from error
        if done.returncode != 0:
            raise BenchError(f"{command[3:]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def wrk(
        self, peer: str, path: str, seconds: int, fields: Sequence[str], *, keep_alive: bool = True
    ) -> LoadReport:
        """Ask for ``path`` as fast as answers come, over CONNECTIONS connections."""
        headers = [f"Host: {HOST}", *fields, *([] if keep_alive else ["Connection: close"])]
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
        command += [word for header in headers for word in ("-H", header)]
        port = port_of(peer, is_tls=self.is_tls)
        url = f"http://127.0.0.1:{port}{path}"
        if self.is_tls:
            command += ["-s", str(_TO_LOOPBACK)]
            url = f"https://{HOST}:{port}{path}"
        return parse_wrk(self._run(self._pinned([*command, url]), seconds + 30))

    def ab(self, peer: str, path: str, seconds: int) -> LoadReport:
        """Ask for ``path`` by full handshakes, CONNECTIONS at a time: ab resumes no session."""
        command = ["ab", "-q", "-r", f"-c{CONNECTIONS}", f"-t{seconds}", "-n1000000", "-fTLS1.3"]
        command += ["-H", f"Host: {HOST}"]
        url = f"https://127.0.0.1:{port_of(peer, is_tls=True)}{path}"
        return parse_ab(self._run(self._pinned([*command, url]), seconds + 30))

    def check_resumption(self, peer: str) -> None:
        """Raise unless a session that ``peer`` gave is resumed by it."""
        context = client_context(self.certificate)
        session = None
        for _ in range(2):
            address = "127.0.0.1", port_of(peer, is_tls=True)
            with (
                socket.create_connection(address, timeout=10) as plain,
                context.wrap_socket(plain, server_hostname=HOST, session=session) as connection,
            ):
                ask = f"GET /small HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
                connection.sendall(ask.encode())
                while connection.recv(65536):
                    pass
                session, is_resumed = connection.session, connection.session_reused
        if not is_resumed:
            raise BenchError(f"{peer} resumes no session")

    def download(self, peer: str, times: int) -> tuple[int, float]:
        """Return the bytes of some downloads, and their seconds."""
        told = json.loads(self._run(self._client("download", *self._way(peer), LARGE[0], times)))
        if told["bytes"] != times * LARGE[1]:
            raise BenchError(f"{peer}: downloaded {told['bytes']} bytes")
        return told["bytes"], told["seconds"]

    def upload(self, peer: str, size: int, times: int) -> tuple[int, float]:
        """Return the bytes of some uploads, and their seconds."""
        told = json.loads(self._run(self._client("upload", *self._way(peer), size, times)))
        return told["bytes"], told["seconds"]

    def paced(self, peer: str, path: str, rate: int, seconds: float) -> dict[str, float]:
        """Ask ``rate`` times a second and return the percentiles of the waiting time."""
        command = self._client("paced", port_of(peer), HOST, path, rate, seconds)
        told: dict[str, float] = json.loads(self._run(command, seconds + 30))
        return told

    @contextlib.contextmanager
    def idle(self, peer: str, path: str, count: int) -> Iterator[None]:
        """Hold ``count`` connections, each having done one request; raise if one was lost."""
        client = subprocess.Popen(
            self._client("idle", *self._way(peer), path, count),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        try:
            # The client's sockets have time-outs: it answers or ends.
            if client.stdout.readline().strip() != "ready":
                raise BenchError(f"{peer} did not serve {count} connections")
            yield
            told = client.communicate("", timeout=LOAD_SECONDS_MAX)[0]
            if json.loads(told)["open"] != count:
                raise BenchError(f"{peer} kept {told.strip()} of {count} connections")
        finally:
            client.kill()
            client.wait()
