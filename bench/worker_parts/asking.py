"""The loads of this bench: wrk and ab, unpinned, and one small client of our own."""

import socket
import subprocess
from collections.abc import Callable

from bench.loads import CONNECTIONS, FIELDS_3, LoadReport, parse_ab, parse_wrk
from bench.processes import BenchError
from bench.proxies import HOST, ROOT, SMALL

Load = Callable[[int, int, int], LoadReport]
"""From a port, another one for TLS, and seconds."""
_LOOPBACK = ROOT / "bench" / "clients" / "loopback.lua"


def is_answering(port: int) -> bool:
    """Return whether a proxy serves the small file."""
    ask = f"GET {SMALL[0]} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(ask)
            return connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _run(command: list[str], seconds: int) -> str:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 30, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{command} took {seconds + 30} s") from error
    if done.returncode != 0:
        raise BenchError(f"{command} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def by_wrk(connections: int, *, keep_alive: bool, is_tls: bool) -> Load:
    """Ask as fast as answers come; over TLS, wrk resumes a session wherever it has one."""

    def load(port: int, tls_port: int, seconds: int) -> LoadReport:
        fields = [f"Host: {HOST}", *FIELDS_3, *([] if keep_alive else ["Connection: close"])]
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
        command += [word for field in fields for word in ("-H", field)]
        url = f"http://127.0.0.1:{port}{SMALL[0]}"
        if is_tls:
            command += ["-s", str(_LOOPBACK)]
            url = f"https://{HOST}:{tls_port}{SMALL[0]}"
        return parse_wrk(_run([*command, url], seconds))

    return load


def by_ab(_port: int, tls_port: int, seconds: int) -> LoadReport:
    """Ask by full handshakes: ab resumes no session."""
    command = ["ab", "-q", "-r", f"-c{CONNECTIONS}", f"-t{seconds}", "-n1000000", "-fTLS1.3"]
    command += ["-H", f"Host: {HOST}", f"https://127.0.0.1:{tls_port}{SMALL[0]}"]
    return parse_ab(_run(command, seconds))


def _wrk(connections: int = CONNECTIONS, *, is_tls: bool = False, keep_alive: bool = True) -> Load:
    return by_wrk(connections, keep_alive=keep_alive, is_tls=is_tls)


LOADS: dict[str, Load] = {
    "keep-alive": _wrk(),
    "keep-alive-128": _wrk(128),
    "new-connection": _wrk(keep_alive=False),
    "tls-keep-alive": _wrk(is_tls=True),
    "tls-full-handshake": by_ab,
    "tls-resumed-handshake": _wrk(is_tls=True, keep_alive=False),
}
KEPT = frozenset(name for name in LOADS if "keep-alive" in name)
"""Whose connections are opened at once, and stay."""
RESUMED = "tls-resumed-handshake"
