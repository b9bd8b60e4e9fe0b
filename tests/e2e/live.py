"""A proxy that is changed through its command socket while clients are in the middle of things."""

import re
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.certificates import Authority
from tests.e2e.harness import BIN, Peer, Process, ReservedPort, wait_until, with_workers
from tests.e2e.stage import (
    SECONDS_MAX,
    ScriptedBackend,
    Stage,
    expect_answer,
    get,
    response,
    status_of,
)
from tests.e2e.tls import TLS_GAUGES, shown_by, tls_connect, trusting

HOST = "localhost"
"""What the cluster ``app`` is asked for."""
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
TIMEOUTS = """
front_timeout = 120
back_timeout = 120
connect_timeout = 20
request_timeout = 120
backend_idle_timeout = 120
"""


class LiveStage(Stage):
    """
    A stage with a plain listener, one of TLS and a command socket.

    Requests for localhost lead to the cluster ``app``, whose scripted backends are A, B and so on;
    ``more`` is the end of the file.
    """

    def __init__(
        self, folder: Path, backends: int = 2, *, top: str = "", cluster: str = "", more: str = ""
    ) -> None:
        self.folder = folder
        self.authority = Authority()
        self.certificate = self.authority.issue(HOST)
        self.reserved = ReservedPort()
        self.port = self.reserved.port
        self._reserved_tls = ReservedPort()
        self.tls_port = self._reserved_tls.port
        self.at, self.tls_at = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.tls_port}"
        self.backends = [ScriptedBackend(name=letter) for letter in "ABCD"[:backends]]
        self.clients = []
        self.log_path = folder / "access.log"
        entries = ", ".join(
            f'{{ address = "{b}", backend_id = "{b.name}" }}' for b in self.backends
        )
        served = self.certificate.write(folder, HOST).replace(", ", "\n")
        self.config = folder / "sozutw.toml"
        self.config.write_text(
            "\n".join(
                [
                    'command_socket = "s.sock"',
                    TIMEOUTS,
                    with_workers(top),
                    f'access_logs_target = "file://{self.log_path}"',
                    f'[[listeners]]\nprotocol = "http"\naddress = "{self.at}"',
                    f'[[listeners]]\nprotocol = "https"\naddress = "{self.tls_at}"\n{served}',
                    'alpn_protocols = ["http/1.1"]',
                    '[clusters.app]\nprotocol = "http"',
                    f'frontends = [{{ address = "{self.at}", hostname = "{HOST}" }},',
                    f'    {{ address = "{self.tls_at}", hostname = "{HOST}" }}]',
                    f"backends = [{entries}]",
                    cluster,
                    more,
                    "",
                ]
            ),
            encoding="utf-8",
        )
        self.command = Client(folder / "s.sock", timeout=SECONDS_MAX)
        self.process = start(self.config)
        self.descriptors = 0
        self.has_stopped = False

    @override
    def __enter__(self) -> Self:
        self.process.wait_for_port(self.tls_port)
        super().__enter__()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.command.close()
        super().__exit__(kind, error, trace)

    @override
    def _give_up(self) -> None:
        super()._give_up()
        self._reserved_tls.close()

    @override
    def gauges(self) -> dict[str, int]:
        told = self.counters()["proxy"]
        return super().gauges() | {name: told[name] for name in TLS_GAUGES}

    def tls_client(self, server_name: str = HOST) -> Peer:
        """Connect a client of TLS that trusts our authority."""
        client = tls_connect(self.tls_port, trusting(self.authority), server_name)
        self.clients.append(client)
        return client

    def shown(self, server_name: str = HOST, port: int = 0) -> str:
        """Return the fingerprint of the certificate that a new client is shown."""
        with tls_connect(port or self.tls_port, trusting(None), server_name) as client:
            return shown_by(client)

    def add_backend(self, name: str) -> ScriptedBackend:
        """Return one more backend, of which the proxy knows nothing yet."""
        backend = ScriptedBackend(name=name)
        self.backends.append(backend)
        return backend

    def order(self, **request: Any) -> pb.Response:
        """Have a request carried out."""
        return self.command.request(pb.Request(**request))

    def ask(self, client: Peer, host: str = HOST, path: str = "/") -> tuple[bytes, bytes]:
        """Return head and body of what comes back for a GET, whoever answers it by himself."""
        client.send(get(path, host))
        return client.receive_message(SECONDS_MAX)

    def status(self, client: Peer, host: str = HOST) -> int:
        """Return the status of what comes back for a GET that the proxy answers itself."""
        return status_of(self.ask(client, host)[0])


def start(config: Path) -> Process:
    """Start ``sozutw start -c FILE`` in the folder of the file."""
    return Process([BIN / "sozutw", "start", "-c", config], config.parent)


def begin(client: Peer, backend: ScriptedBackend, peer: Peer | None = None) -> Peer:
    """
    Ask for something, and let a backend say the half of it; return the backend's end.

    The request comes on a connection that is new to it, or on the one that is given.
    """
    client.send(get("/half"))
    peer = peer or backend.accept()
    peer.receive_until(b"\r\n\r\n")
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
    assert client.receive_until(b"\r\n\r\nhalf")
    return peer


def finish(client: Peer, peer: Peer) -> None:
    """Let the backend say the other half, and the client have it."""
    peer.send(b"done")
    assert client.receive_exactly(4) == b"done"


def expect_gone(peer: Peer) -> None:
    """Demand that the proxy has closed a backend's connection, and close ours."""
    peer.expect_end(SECONDS_MAX)
    peer.close()


def serve(client: Peer, backend: ScriptedBackend, path: str = "/", host: str = HOST) -> Peer:
    """Have a GET served by this backend on a connection that is new to it; return that."""
    client.send(get(path, host))
    peer = backend.accept()
    backend.answer(peer, backend.name.encode())
    expect_answer(client, 200, backend.name.encode())
    return peer


def expect_nothing(peer: Peer) -> None:
    """Demand that nothing is there, neither a byte nor the end; a ticket of TLS is nothing."""
    assert peer.received == b"", peer.received
    peer.sock.settimeout(0)
    with suppress(BlockingIOError, ssl.SSLWantReadError):
        data = peer.sock.recv(65536)
        raise AssertionError(f"{peer.name}: {data[:2000]!r} in place of nothing")


class Held:
    """An exchange that is in the middle of something, at both ends."""

    def __init__(self, client: Peer, backend: ScriptedBackend) -> None:
        self.client = client
        self.client.send(self.asked())
        self.back = backend.accept()
        self.back.receive_until(b"\r\n\r\n")
        self.go_on()

    def asked(self) -> bytes:
        raise NotImplementedError

    def go_on(self) -> None:
        """What the backend says first."""

    def exchange(self) -> None:
        """Pass a little."""
        raise NotImplementedError

    def end(self) -> None:
        """Come to the end that was meant."""
        raise NotImplementedError

    def check(self) -> None:
        """Neither side was told anything, nor left alone."""
        expect_nothing(self.client)
        expect_nothing(self.back)


class WebSocket(Held):
    @override
    def asked(self) -> bytes:
        upgrade = b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        return get("/ws").replace(b"\r\n\r\n", upgrade)

    @override
    def go_on(self) -> None:
        self.back.send(SWITCHED)
        assert self.client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")

    @override
    def exchange(self) -> None:
        self.client.send(b"ping")
        assert self.back.receive_exactly(4) == b"ping"
        self.back.send(b"pong")
        assert self.client.receive_exactly(4) == b"pong"

    @override
    def end(self) -> None:
        self.exchange()
        self.client.close()
        self.back.expect_end()


class Upload(Held):
    sent = 0
    size = 1000

    @override
    def asked(self) -> bytes:
        return b"POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % self.size

    @override
    def exchange(self) -> None:
        self.sent += 1
        self.client.send(b"x")
        assert self.back.receive_exactly(1) == b"x"

    @override
    def end(self) -> None:
        left = self.size - self.sent
        self.client.send(b"x" * left)
        assert self.back.receive_exactly(left) == b"x" * left
        self.back.send(response(b"thanks"))
        expect_answer(self.client, 200, b"thanks")


class Download(Held):
    got = 0
    size = 1000

    @override
    def asked(self) -> bytes:
        return get("/down")

    @override
    def go_on(self) -> None:
        self.back.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
        assert self.client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")

    @override
    def exchange(self) -> None:
        self.got += 1
        self.back.send(b"y")
        assert self.client.receive_exactly(1) == b"y"

    @override
    def end(self) -> None:
        left = self.size - self.got
        self.back.send(b"y" * left)
        assert self.client.receive_exactly(left) == b"y" * left


class Crowd(threading.Thread):
    """Backends that answer by themselves, each with its name."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(daemon=True)
        self.ports: dict[str, int] = {}
        self.connections = 0
        """How many are open."""
        self._selector = selectors.DefaultSelector()
        self._is_over = threading.Event()
        for name in names:
            sock = socket.create_server(("127.0.0.1", 0), backlog=128)
            self.ports[name] = sock.getsockname()[1]
            self._selector.register(sock, selectors.EVENT_READ, self._accepting(name))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    @override
    def run(self) -> None:
        while not self._is_over.is_set():
            for key, _ in self._selector.select(0.05):
                key.data(key.fileobj)

    def _accepting(self, name: str) -> Callable[[socket.socket], None]:
        answer = response(name.encode())

        def receive(sock: socket.socket) -> None:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if data:
                sock.sendall(answer)  # The proxy sends a small GET in one segment.
            else:
                self._selector.unregister(sock)
                sock.close()
                self.connections -= 1

        def accept(listening: socket.socket) -> None:
            self._selector.register(listening.accept()[0], selectors.EVENT_READ, receive)
            self.connections += 1

        return accept


def loaded(response: pb.Response) -> tuple[int, int]:
    """Return how many records of a state were applied, and how many were refused."""
    found = re.search(r"(\d+) ok messages, (\d+) errors", response.message)
    assert found is not None, response.message
    return int(found[1]), int(found[2])


def wait_for_file(path: Path, text: bytes) -> None:
    """Wait until a file holds some text."""
    wait_until(lambda: path.exists() and text in path.read_bytes(), f"{text!r} in {path}")
