"""
A started proxy with scripted peers at both ends, and the demand that nothing is left of them.

The test takes every step of the backends itself. What a test leaves open is closed at the end,
and then descriptors and gauges must be where they were before the first client.
"""

import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from tests.e2e.harness import (
    BIN,
    Backend,
    Deadline,
    Peer,
    Process,
    ReservedPort,
    connect,
    wait_until,
    with_workers,
)

SECONDS_MAX = 5.0
"""What an answer may take; all timeouts of the proxy are far longer."""

PATIENT = """
front_timeout = 30
back_timeout = 30
connect_timeout = 20
request_timeout = 30
backend_idle_timeout = 120
"""

GAUGES = (
    "client.connections",
    "http.active_requests",
    "protocol.http",
    "protocol.ws",
    "accept_queue.connections",
    "backend.connections",
    "backend.pool.size",
)


class ScriptedBackend(Backend):
    """A backend that can refuse for a while, and whose port nobody else gets meanwhile."""

    @override
    def stop_listening(self) -> None:
        self._sock.close()
        # Bound and not listening: the kernel refuses, and gives the port to no one.
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((self.host, self.port))

    @override
    def listen_again(self) -> None:
        self._sock.listen(1024)

    @property
    def is_listening(self) -> bool:
        return bool(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))

    def answer(self, peer: Peer, body: bytes, more: bytes = b"") -> tuple[bytes, bytes]:
        """Read one request on a connection and answer it; return its head and body."""
        head, request_body = peer.receive_message(SECONDS_MAX)
        peer.send(response(body, more))
        return head, request_body


def response(body: bytes, more: bytes = b"", status: bytes = b"200 OK") -> bytes:
    """Return a whole response, framed by its length."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), more, body)


def get(path: str, host: str = "localhost") -> bytes:
    """Return a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def post(path: str, body: bytes, host: str = "localhost") -> bytes:
    """Return a POST, whole."""
    text = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return text.encode() + body


def status_of(head: bytes) -> int:
    """Return the status that a response's head tells."""
    return int(head.split(b" ", 2)[1])


class Stage:
    """
    A proxy that runs, backends that the test plays, and clients.

    ``clusters`` names the host of each cluster and how many backends it has; by default one
    cluster takes every request. Leaving it in order closes all peers and demands rest; then it
    stops the proxy, which must end in time, with status 0 and without a traceback.
    """

    def __init__(
        self,
        folder: Path,
        backends: int = 2,
        *,
        top: str = "",
        listener: str = "",
        cluster: str = "",
        hosts: Sequence[str] = ("*",),
        twistd: Sequence[str] = (),
        wrapper: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.reserved = ReservedPort()
        self.port = self.reserved.port
        self.backends: list[ScriptedBackend] = []
        self.clients: list[Peer] = []
        self.log_path = folder / "access.log"
        parts = [
            PATIENT if "_timeout" not in top else "",
            with_workers(top),
            f'access_logs_target = "file://{self.log_path}"',
            f'[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:{self.port}"\n{listener}',
        ]
        for number, host in enumerate(hosts):
            entries = []
            for letter in "ABCDEFGH"[:backends]:
                name = letter if len(hosts) == 1 else f"{host}-{letter}"
                self.backends.append(ScriptedBackend(name=name))
                entries.append(f'{{ address = "{self.backends[-1]}", backend_id = "{name}" }}')
            parts.append(
                f'[clusters.test{number}]\nprotocol = "http"\n'
                f'frontends = [{{ address = "127.0.0.1:{self.port}", hostname = "{host}", '
                'position = "PRE" }]\n'
                f"backends = [{', '.join(entries)}]\n{cluster}"
            )
        config = folder / "sozutw.toml"
        config.write_text("\n".join(parts) + "\n", encoding="utf-8")
        self.process = Process(
            [*wrapper, BIN / "twistd", *twistd, "-n", "sozutw", "--config", config], folder
        )
        self.descriptors = 0
        self.has_stopped = False
        """The test has had it stop, and has looked at that itself."""

    def __enter__(self) -> Self:
        try:
            self.process.wait_for_port(self.port)
            # It binds while it starts; signals are answered from its first turn on.
            wait_until(self._answers_signals, "a process that runs", said=self.process.said)
            # The connection that looked for the port may not have been accepted before now.
            wait_until(self._has_accepted, "the first client accepted", said=self.process.said)
            self.expect_rest()
        except BaseException:
            self._give_up()
            raise
        self.descriptors = len(self._descriptors())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and not self.has_stopped:
                self.clear()
                self.expect_same_descriptors()
                self.stop()
        except BaseException as fault:
            if error is None:
                error = fault
            raise
        finally:
            if error is not None:
                error.add_note(self.said())
            self._give_up()

    def _answers_signals(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (caught,) = (line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) & 1 << signal.SIGUSR1 - 1)

    def said(self) -> str:
        """Return what the proxy wrote, without the counters that it was asked for."""
        lines = self.process.said().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(("{", '"', "p_")))[-8000:]

    def _give_up(self) -> None:
        self.process.kill()
        self._close_peers()
        for backend in self.backends:
            backend.close()
        self.reserved.close()

    def _close_peers(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()
        for backend in self.backends:
            for peer in backend.accepted:
                peer.close()
            backend.accepted.clear()

    def clear(self) -> None:
        """Close every peer, and wait until the proxy has forgotten them."""
        self._close_peers()
        self.expect_rest()
        self.expect_no_dial()

    def expect_no_dial(self) -> None:
        """Demand that no connection waits to be accepted that the test did not expect."""
        for backend in self.backends:
            if backend.is_listening:
                backend.expect_no_connection(0)

    def expect_rest(self) -> None:
        """Wait until every gauge is at zero."""
        wait_until(
            lambda: not any(self.gauges().values()),
            "gauges at baseline",
            said=lambda: str({k: v for k, v in self.gauges().items() if v}),
        )

    def expect_same_descriptors(self) -> None:
        """Wait until as many descriptors are open as at the beginning."""
        wait_until(
            lambda: len(self._descriptors()) == self.descriptors,
            f"{self.descriptors} descriptors",
            said=lambda: str(self._descriptors()),
        )

    def _descriptors(self) -> list[str]:
        """Return what is open, but for the pipes that are kept for the next splice."""
        found = []
        for path in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(os.readlink(path))
        return [name for name in found if not name.startswith("pipe:")]

    def stop(self) -> None:
        """Stop the proxy as an operator would; all peers are gone."""
        status = self.process.stop(SECONDS_MAX)
        assert status == 0, status
        text = self.process.stdout() + self.process.stderr()
        assert "Traceback" not in text, text[-8000:]
        assert "Error" not in self.process.stderr(), self.process.stderr()[-8000:]

    def counters(self) -> dict[str, Any]:
        """Return what the proxy tells on SIGUSR1."""
        before = self._reports()
        self.process.signal(signal.SIGUSR1)
        deadline = Deadline("the counters", 10.0)
        while len(reports := self._reports()) == len(before):
            deadline.check(self.process.said)
            select.select([], [], [], 0.002)
        told: dict[str, Any] = json.loads(reports[-1])
        return told

    def _reports(self) -> list[str]:
        lines = self.process.stdout().splitlines(keepends=True)
        return [line for line in lines if line.startswith("{") and line.endswith("\n")]

    def _has_accepted(self) -> bool:
        listeners = self.counters()["listeners"].values()
        return sum(listener["listener.accepted.total"] for listener in listeners) > 0

    def gauges(self) -> dict[str, int]:
        """Return every gauge by its path."""
        told = self.counters()
        gauges = {name: told["proxy"][name] for name in GAUGES}
        for address, listener in told["listeners"].items():
            gauges[f"{address} client.connections"] = listener["client.connections"]
        for cluster_id, cluster in told["clusters"].items():
            name = "http.active_requests"
            gauges[f"{cluster_id} {name}"] = cluster["cluster"][name]
            for backend in cluster["backends"]:
                for name in ("connections_per_backend", "http.active_requests"):
                    gauges[f"{backend['backend_id']} {name}"] = backend["metrics"][name]
        return gauges

    def backend_metrics(self) -> dict[str, dict[str, Any]]:
        """Return the counters of each backend by its name."""
        return {
            backend["backend_id"]: backend["metrics"]
            for cluster in self.counters()["clusters"].values()
            for backend in cluster["backends"]
        }

    def client(self) -> Peer:
        """Connect a client."""
        client = connect(self.port, name=f"client {len(self.clients) + 1}")
        self.clients.append(client)
        return client

    def next_request(self) -> tuple[ScriptedBackend, Peer]:
        """Return whichever backend is connected to or sent something, and the connection."""
        waiting: dict[int, tuple[ScriptedBackend, Peer | None]] = {}
        for backend in self.backends:
            if backend.is_listening:
                waiting[backend._sock.fileno()] = backend, None
            for peer in backend.accepted:
                if peer.sock.fileno() >= 0:
                    waiting[peer.sock.fileno()] = backend, peer
        ready, _, _ = select.select(list(waiting), [], [], SECONDS_MAX)
        assert ready, f"not within {SECONDS_MAX} s: a request to any backend"
        backend, peer = waiting[ready[0]]
        return backend, peer or backend.accept()

    def after(self, backend: ScriptedBackend, steps: int = 1) -> ScriptedBackend:
        """Return the backend that is configured so many places behind another, in a ring."""
        return self.backends[(self.backends.index(backend) + steps) % len(self.backends)]

    def exchange(self, client: Peer, path: str = "/") -> tuple[ScriptedBackend, Peer]:
        """Have a GET served; return who did it, and on which connection."""
        client.send(get(path))
        backend, peer = self.next_request()
        body = f"{backend.name} {path}".encode()
        head, _ = backend.answer(peer, body)
        assert head.startswith(f"GET {path} HTTP/1.1\r\n".encode()), head
        expect_answer(client, 200, body)
        return backend, peer


def expect_answer(client: Peer, status: int, body: bytes | None = None) -> bytes:
    """Demand a whole answer in time, with this status and body; return the head."""
    head, got = client.receive_message(SECONDS_MAX)
    assert status_of(head) == status, head + got
    if body is not None:
        assert got == body, (head, got)
    return head


def hang_up(peer: Peer) -> None:
    """End a backend's connection in order, and wait until the proxy has closed its side."""
    peer.half_close()
    peer.expect_end(SECONDS_MAX)
    peer.close()
