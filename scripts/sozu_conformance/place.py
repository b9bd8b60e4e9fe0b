"""Where Sōzu's client meets sozutw: ports, certificates, backends, a file that both read."""

import http.server
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

from sozutw.config.pem import fingerprint_of
from sozutw.transport.tls.selfsigned import make

HOST = "127.0.0.1"
SOZUTW = Path(sys.executable).parent / "sozutw"
SECONDS_MAX = 20.0
"""Far more than anything takes."""

BACKENDS = ("shop-1", "blog-1", "blog-2")
ADDRESSES = ("http", "https", "spare", "spare_tls", "unserved")
CERTIFICATES = ("shop", "other", "renewed")

CONFIGURATION = """\
command_socket = "{socket}"
pid_file_path = "{pid_file}"
log_level = "info"
log_target = "stdout"
worker_count = 1
worker_automatic_restart = false
activate_listeners = true
max_connections = 100
ctl_command_timeout = 10000

[[listeners]]
protocol = "http"
address = "{http}"

[[listeners]]
protocol = "https"
address = "{https}"
alpn_protocols = ["http/1.1"]
tls_versions = ["TLS_V12", "TLS_V13"]

[clusters.shop]
protocol = "http"

[[clusters.shop.frontends]]
address = "{http}"
hostname = "shop.example"
tags = {{ owner = "shop" }}

[[clusters.shop.frontends]]
address = "{https}"
hostname = "shop.example"
certificate = "{folder}/shop.crt"
key = "{folder}/shop.key"
certificate_chain = "{folder}/shop.crt"

[[clusters.shop.backends]]
address = "{shop-1}"
backend_id = "shop-1"

[clusters.blog]
protocol = "http"
load_balancing = "LEAST_LOADED"

[[clusters.blog.frontends]]
address = "{http}"
hostname = "blog.example"
path = "/posts"
path_type = "PREFIX"

[[clusters.blog.backends]]
address = "{blog}"
backend_id = "{blog_id}"
"""

EMPTY = """\
command_socket = "{socket}"
log_level = "info"
log_target = "stdout"
worker_count = 1
worker_automatic_restart = false
max_connections = 100
ctl_command_timeout = 10000
"""


class GaveUpError(Exception):
    """Something that is not under test did not work; nothing can be said of the rest."""


def wait_until(is_true: Callable[[], bool], awaited: str) -> None:
    """Ask again and again, in short steps, until the answer is yes."""
    until = time.monotonic() + SECONDS_MAX
    while not is_true():
        if time.monotonic() > until:
            raise GaveUpError(f"not within {SECONDS_MAX:g} s: {awaited}")
        time.sleep(0.02)


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.server.name} {self.path}".encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Place:
    """All that is the same for every process that is started in it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-")
        self.folder = Path(self._folder.name)
        self._reserved: list[socket.socket] = []
        self._servers: list[http.server.ThreadingHTTPServer] = []
        self.words: dict[str, str] = {"folder": str(self.folder)}
        """What stands for the names in braces, in the file and in the steps."""
        for name in ADDRESSES:
            self.words[name] = self._reserve()
        for name in BACKENDS:
            self.words[name] = self._serve(name)
        for name in CERTIFICATES:
            host = "shop" if name == "renewed" else name
            held = make([f"{host}.example"], time.time() - 86_400, 90)
            self.write(f"{name}.crt", held.certificate)
            self.write(f"{name}.key", held.key)
            self.words[f"{name}_print"] = fingerprint_of(held.certificate)
        self.write("404.http", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot to be")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for sock in self._reserved:
            sock.close()
        self._folder.cleanup()

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def write_configurations(self) -> Path:
        """Write the file that is served, one in which a backend differs, and one with nothing."""
        words = {
            **self.words,
            "socket": str(self.folder / "sozu.sock"),
            "pid_file": str(self.folder / "proxy.pid"),
        }
        blog, other = (
            CONFIGURATION.format(**words, blog=words[name], blog_id=name)
            for name in ("blog-1", "blog-2")
        )
        self.write("changed.toml", other)
        self.write("empty.toml", EMPTY.format(socket=self.folder / "empty.sock"))
        return self.write("both.toml", blog)

    def _reserve(self) -> str:
        # Bound and not listening: nobody else is given the port, and who asks so too may listen.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((HOST, 0))
        self._reserved.append(sock)
        return f"{HOST}:{sock.getsockname()[1]}"

    def _serve(self, name: str) -> str:
        server = http.server.ThreadingHTTPServer((HOST, 0), _Answers)
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers.append(server)
        return f"{HOST}:{server.server_address[1]}"

    # What a client of the proxy sees.

    def get(self, listener: str, host: str, path: str) -> str:
        """Return the whole answer to a GET; empty if nobody listens."""
        secure = self.words[listener] == self.words["https"]
        try:
            with self._connect(listener, host if secure else None) as sock:
                sock.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
                )
                parts = []
                while part := sock.recv(65536):
                    parts.append(part)
        except ConnectionRefusedError:
            return ""
        return b"".join(parts).decode()

    def shown_print(self, listener: str, name: str) -> str:
        """Return the fingerprint of the certificate that is shown for a name."""
        with self._connect(listener, name) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            der = sock.getpeercert(binary_form=True)
        assert der is not None
        return fingerprint_of(ssl.DER_cert_to_PEM_cert(der))

    def listens(self, listener: str) -> bool:
        """Tell whether a connection is taken there."""
        try:
            self._connect(listener, None).close()
        except ConnectionRefusedError:
            return False
        return True

    def _connect(self, listener: str, secure_name: str | None) -> socket.socket:
        host, _, port = self.words[listener].rpartition(":")
        sock = socket.create_connection((host, int(port)), timeout=SECONDS_MAX)
        if secure_name is None:
            return sock
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(sock, server_hostname=secure_name)


class Proxy:
    """A proxy that runs with a file of the place: ours, or Sōzu's own."""

    def __init__(self, place: Place, command: Path, configuration: Path) -> None:
        self._pid_file = place.folder / "proxy.pid"
        self._successor: int | None = None
        self._log = place.folder / f"proxy-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [command, "start", "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=place.folder,
            )
        name = "sozu.sock" if "empty" not in configuration.name else "empty.sock"
        self._socket = place.folder / name
        try:
            wait_until(self._answers, f"{command} at its command socket")
        except GaveUpError:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _answers(self) -> bool:
        if self.status is not None:
            raise GaveUpError(f"it ended instead of starting:\n{self.said()}")
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self._socket)) == 0

    @property
    def status(self) -> int | None:
        """The exit status, or None while it runs; of a successor no more than that it has ended."""
        if self._successor is None:
            return self._process.poll()
        return None if _is_alive(self._successor) else 0

    def follow(self) -> None:
        """Another process has taken over: wait for the end of this one, and go on with that."""
        if self._successor is None:
            self._process.wait(SECONDS_MAX)
        self._successor = int(self._pid_file.read_text())

    def wait(self) -> int:
        """Wait for its own end, and return the exit status."""
        wait_until(lambda: self.status is not None, "the end of the proxy")
        return self.status or 0

    def said(self) -> str:
        """Return the end of its log."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:]

    def kill(self) -> None:
        """End it now, if it has not ended."""
        if self._successor is not None and _is_alive(self._successor):
            os.kill(self._successor, signal.SIGTERM)
            wait_until(lambda: self.status is not None, "the end of the proxy")
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended may wait for whoever inherits it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
