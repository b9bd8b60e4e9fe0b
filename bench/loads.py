"""Run one load against one peer, pinned beside the backend, and read what it reports."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class WrkReport:
    """What wrk printed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    faults: tuple[str, ...]


def parse_wrk(text: str) -> WrkReport:
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
    return WrkReport(
        int(done.group(1)),
        float(done.group(2)) * _UNITS[done.group(3)] / 1e3,
        percentiles["50"],
        percentiles["99"],
        tuple(fault.strip() for fault in faults),
    )


@dataclass(frozen=True)
class Load:
    """Where loads run."""

    core: int

    def _pinned(self, command: Sequence[str]) -> list[str]:
        return ["taskset", "-c", str(self.core), *command]

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
    ) -> WrkReport:
        """Ask for ``path`` as fast as answers come, over CONNECTIONS connections."""
        headers = [f"Host: {HOST}", *fields, *([] if keep_alive else ["Connection: close"])]
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
        command += [word for header in headers for word in ("-H", header)]
        url = f"http://127.0.0.1:{port_of(peer)}{path}"
        return parse_wrk(self._run(self._pinned([*command, url]), seconds + 30))

    def download(self, peer: str, times: int) -> tuple[int, float]:
        """Return the bytes of some downloads, and their seconds."""
        told = json.loads(self._run(self._client("download", port_of(peer), HOST, LARGE[0], times)))
        if told["bytes"] != times * LARGE[1]:
            raise BenchError(f"{peer}: downloaded {told['bytes']} bytes")
        return told["bytes"], told["seconds"]

    def upload(self, peer: str, size: int, times: int) -> tuple[int, float]:
        """Return the bytes of some uploads, and their seconds."""
        told = json.loads(self._run(self._client("upload", port_of(peer), HOST, size, times)))
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
            self._client("idle", port_of(peer), HOST, path, count),
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
