"""A backend whose health check fails is left out while traffic runs, and comes back."""

import select
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from tests.e2e import stage
from tests.e2e.harness import Peer, wait_until
from tests.e2e.stage import ScriptedBackend, Stage, expect_answer, get, response

HTTP = (
    'health_check = { uri = "/up", interval = 1, timeout = 5, '
    "healthy_threshold = 1, unhealthy_threshold = 1 }"
)
IMPATIENT = HTTP.replace("timeout = 5", "timeout = 2")
TCP = HTTP.replace('uri = "/up"', "tcp = true")


class Patient(ScriptedBackend):
    """A backend that answers by itself, in a thread, as well as it is at the moment."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.state = "well"
        """Or ``sick``: its checks are answered 503; ``silent``: not at all; ``gone``: refused."""
        self.checks: list[bytes] = []
        self.served = 0
        self.unfinished: list[socket.socket] = []
        self._connections: dict[socket.socket, bytes] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def become(self, state: str) -> None:
        """Change how it is; connections that there are live on."""
        with self._lock:
            if state == "gone":
                self.stop_listening()
            elif self.state == "gone":
                self.listen_again()
            self.state = state

    def finish(self) -> None:
        """Send the second half of what was begun."""
        (connection,) = self.unfinished
        connection.sendall(b"end")

    def hang_up_all(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._connections:
                self._connections.popitem()[0].close()

    @override
    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self.hang_up_all()
        super().close()

    def _run(self) -> None:
        while not self._is_over.is_set():
            with self._lock:
                listening = [self._sock] if self.is_listening else []
                ready, _, _ = select.select([*listening, *self._connections], [], [], 0)
                for sock in ready:
                    if sock is self._sock:
                        self._connections[sock.accept()[0]] = b""
                    else:
                        self._receive(sock)
            self._is_over.wait(0.002)

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            del self._connections[sock]
            sock.close()
            return
        head, end, rest = (self._connections[sock] + data).partition(b"\r\n\r\n")
        self._connections[sock] = rest if end else head
        if end:
            self._answer(sock, head)

    def _answer(self, sock: socket.socket, head: bytes) -> None:
        name = self.name.encode()
        if head.startswith(b"GET /up "):
            self.checks.append(head)
            if self.state != "silent":
                status = b"200 OK" if self.state == "well" else b"503 Service Unavailable"
                sock.sendall(response(b"", b"Connection: close\r\n", status))
        elif head.startswith(b"GET /slow "):
            self.unfinished.append(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + name)
        else:
            self.served += 1
            sock.sendall(response(name))


class Ward(Stage):
    """A stage whose backends answer by themselves, checks too."""

    @override
    def _close_peers(self) -> None:
        super()._close_peers()
        for backend in self.backends:
            backend.hang_up_all()  # type: ignore[attr-defined]

    @override
    def expect_no_dial(self) -> None:
        """Checks are dials at any time."""

    @override
    def expect_same_descriptors(self) -> None:
        """A check may have been under way when they were counted."""
        wait_until(
            lambda: len(self._descriptors()) <= self.descriptors,
            f"at most {self.descriptors} descriptors",
            said=lambda: str(self._descriptors()),
        )

    def ask(self, client: Peer, path: str = "/") -> str:
        """Return which backend serves a request."""
        client.send(get(path))
        head, body = client.receive_message(stage.SECONDS_MAX)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body.decode()

    def await_health(self, **backends: bool) -> None:
        """Wait until the checks have found these backends healthy, or not."""

        def is_so() -> bool:
            told = self.backend_metrics()
            return all(told[name]["backend.available"] == well for name, well in backends.items())

        wait_until(is_so, f"health {backends}", said=self.process.said)


@pytest.fixture(autouse=True)
def patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "ScriptedBackend", Patient)


@pytest.mark.parametrize(
    ("check", "illness"), [(HTTP, "sick"), (IMPATIENT, "silent"), (HTTP, "gone"), (TCP, "gone")]
)
def test_v24_a_backend_whose_checks_fail_is_left_out_and_comes_back(
    tmp_path: Path, check: str, illness: str
) -> None:
    with Ward(tmp_path, cluster=check) as ward:
        a, b = ward.backends
        client = ward.client()
        assert {ward.ask(client) for _ in range(4)} == {"A", "B"}
        served = a.served
        a.become(illness)
        ward.await_health(A=False, B=True)
        # On the connection that the client has: A's own, which is kept too, still lives.
        assert [ward.ask(client) for _ in range(6)] == ["B"] * 6
        assert a.served == served
        told = ward.counters()["clusters"]["test0"]
        assert told["cluster"]["health_check.healthy_backends"] == 1
        assert told["cluster"]["health_check.down"] == 1
        assert told["cluster"]["backend.connections.error"] == 0
        a.become("well")
        ward.await_health(A=True, B=True)
        assert {ward.ask(client) for _ in range(4)} == {"A", "B"}
        assert a.served > served
        text = ward.process.stdout() + ward.process.stderr()
        assert f"A of test0 at {a} is unhealthy: " in text
        assert "of 2 backends of test0 only 1 are healthy" in text
        assert f"A of test0 at {a} is healthy again" in text
        assert not b.checks or f"\r\nHost: {b}\r\n".encode() in b.checks[0]
        assert bool(b.checks) is (check != TCP)


def test_v24_what_is_under_way_finishes_where_it_began(tmp_path: Path) -> None:
    with Ward(tmp_path, cluster=HTTP) as ward:
        a, b = ward.backends
        client = ward.client()
        if ward.ask(client) == "A":
            assert ward.ask(client) == "B"
        client.send(get("/slow"))
        wait_until(lambda: bool(a.unfinished), "a download begun", said=ward.process.said)
        a.become("sick")
        ward.await_health(A=False, B=True)
        a.finish()
        expect_answer(client, 200, b"Aend")
        assert [ward.ask(client) for _ in range(4)] == ["B"] * 4
        assert b.unfinished == []


def test_when_every_check_fails_all_are_used(tmp_path: Path) -> None:
    with Ward(tmp_path, cluster=HTTP) as ward:
        for backend in ward.backends:
            backend.become("sick")
        ward.await_health(A=False, B=False)
        client = ward.client()
        assert {ward.ask(client) for _ in range(4)} == {"A", "B"}
        text = ward.process.stdout() + ward.process.stderr()
        assert "of 2 backends of test0 none is healthy: all are used" in text
