"""
A proxy that runs, and `sozutw` asked of it: what every test of the command line stands on.

Most commands are called within the test's own process, over the real socket; ``run`` makes a
process of one. Either way a test says in one line what was asked and what has to come of it.
"""

import json
import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner, Result
from typing_extensions import override

from sozutw.cli.main import main
from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.certificates import Authority
from tests.e2e.harness import (
    BIN,
    DEADLINE_SECONDS,
    Peer,
    Process,
    ReservedPort,
    field_map,
    get,
    start,
    wait_until,
)
from tests.e2e.stage import SECONDS_MAX, ScriptedBackend, status_of
from tests.e2e.tls import Answering, EchoServer, shown_by, tls_connect, trusting

SUCCESS = "Success: Successfully applied request to all workers\n"
"""What each order to the configuration is answered with."""

REFUSED = "Request failed: could not dispatch request on the main process state: "
"""How the refusal of one begins."""


def named(name: str) -> type[BaseHTTPRequestHandler]:
    """Return a server's answers, which tell its name and what it was asked."""

    class Named(Answering):
        @override
        def body(self) -> bytes:
            return json.dumps({"by": name, **json.loads(super().body())}).encode()

    return Named


class Asked:
    """`sozutw` with the same words before each command, and plain or with `--json`."""

    def __init__(self, *before: str, is_json: bool = False) -> None:
        self.before = before
        self.is_json = is_json

    def call(self, words: str) -> Result:
        """Call it in this process."""
        more = ["--json"] if self.is_json else []
        runner = CliRunner(env={"SOZUTW_SOCKET": "", "SOZUTW_CONFIG": ""})
        result = runner.invoke(
            main, [*self.before, *more, *shlex.split(words)], "", prog_name="sozutw"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def done(self, words: str, text: str = SUCCESS, note: str = "") -> None:
        """Demand that an order is carried out, and says so; ``note`` is what stderr has."""
        result = self.call(words)
        assert result.exit_code == 0, result.output
        assert result.stderr == note
        if self.is_json:
            assert json.loads(result.stdout) == {}
        else:
            assert result.stdout == text

    def told(self, words: str, *, status: int = 0) -> Any:
        """Return what is told: the content of the JSON, or the lines."""
        result = self.call(words)
        assert result.exit_code == status, result.output
        assert result.stderr == ""
        return json.loads(result.stdout) if self.is_json else result.stdout.splitlines()

    def refused(self, words: str, status: int, text: str, *advice: str) -> None:
        """Demand a refusal with this status, text and advice, told as it was asked for."""
        result = self.call(words)
        assert result.exit_code == status, result.output
        if self.is_json:
            assert result.stderr == ""
            told = {"error": text, "code": status}
            assert json.loads(result.stdout) == (told | {"advice": [*advice]} if advice else told)
        else:
            assert result.stdout == ""
            assert result.stderr == "".join(
                f"{line}\n" for line in (text, *(f"  {a}" for a in advice))
            )

    def misused(self, words: str, text: str) -> None:
        """Demand that the command line is called wrong, with a text that says what is meant."""
        result = self.call(words)
        assert result.exit_code == 2, result.output
        if self.is_json:
            assert result.stderr == ""
            told = json.loads(result.stdout)
            assert told["code"] == 2
            assert text in told["error"]
        else:
            assert result.stdout == ""
            assert result.stderr.startswith("Usage: sozutw ")
            assert text in result.stderr.partition("\nError: ")[2]


class Commanded:
    """
    A proxy with a plain listener and one for TLS, and two clusters whose backends answer.

    ``one.test`` leads to the cluster ``one`` with the backends a and b, everything below ``/two``
    to the cluster ``two`` with the backend c, which the test plays itself.
    """

    def __init__(self, folder: Path, *, top: str = "", more: str = "", workers: int = 0) -> None:
        self.folder = folder
        self.workers = workers
        self.authority = Authority()
        self.certificate = self.authority.issue("localhost", "one.test")
        self.echoes = [EchoServer(named(name)) for name in "ab"]
        self.backend = ScriptedBackend(name="c")
        self._reserved = [ReservedPort(), ReservedPort()]
        self.http, self.https = map(str, self._reserved)
        self.port, self.tls_port = (reserved.port for reserved in self._reserved)
        self.spare = ReservedPort()
        """A port for listeners that a test adds."""
        self.path = folder / "sozu.sock"
        self.state = folder / "saved.json"
        self.log_path = folder / "access.log"
        self.config = folder / "sozutw.toml"
        a, b = self.echoes
        (folder / "root.pem").write_text(self.authority.pem, encoding="ascii")
        served = self.certificate.write(folder, "localhost").replace(", ", "\n")
        parts = [
            f'command_socket = "{self.path}"',
            f'access_logs_target = "file://{self.log_path}"\naccess_logs_format = "json"',
            f"worker_count = {workers}\n{top}",
            f'[[listeners]]\nprotocol = "http"\naddress = "{self.http}"',
            f'[[listeners]]\nprotocol = "https"\naddress = "{self.https}"\n{served}',
            'alpn_protocols = ["http/1.1"]',
            '[clusters.one]\nprotocol = "http"\nload_balancing = "ROUND_ROBIN"',
            f'frontends = [{{ address = "{self.http}", hostname = "one.test" }},',
            f'{{ address = "{self.https}", hostname = "one.test" }}]',
            f'backends = [{{ address = "{a}", backend_id = "a" }},',
            f'{{ address = "{b}", backend_id = "b" }}]',
            '[clusters.two]\nprotocol = "http"',
            f'frontends = [{{ address = "{self.http}", hostname = "one.test", path = "/two" }}]',
            f'backends = [{{ address = "{self.backend}", backend_id = "c" }}]',
            more,
        ]
        self.config.write_text("\n".join(parts) + "\n", encoding="utf-8")
        self.process: Process
        self._commands: list[Process] = []

    def __enter__(self) -> Self:
        for echo in self.echoes:
            echo.__enter__()
        self.process = start(self.config)
        try:
            self.process.wait_for_text("commands are taken at")
            if self.workers:
                wait_until(self._serves, "all workers run", 2 * DEADLINE_SECONDS, self.process.said)
        except BaseException:
            self._give_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and self.process.status is None:
                assert self.process.stop() == 0, self.process.said()
            if error is None:
                said = self.process.stdout() + self.process.stderr()
                assert "Traceback" not in said, said[-8000:]
                assert "internal error" not in said, said[-8000:]
            else:
                error.add_note(self.process.said())
        finally:
            self._give_up()

    def _give_up(self) -> None:
        for process in (self.process, *self._commands):
            process.kill()
        for echo in self.echoes:
            echo.__exit__()
        self.backend.close()
        for reserved in (*self._reserved, self.spare):
            reserved.close()

    # What is asked.

    def roll(self) -> list[pb.WorkerInfo]:
        """Return what is told of each worker."""
        with self.client() as client:
            return [*client.request(pb.Request(status=pb.Status())).content.workers.vec]

    def _serves(self) -> bool:
        return all(info.run_state == pb.RUNNING for info in self.roll())

    def asked(self, *, is_json: bool = False) -> Asked:
        """Return `sozutw -c FILE`, plain or with `--json`."""
        return Asked("-c", str(self.config), is_json=is_json)

    def client(self) -> Client:
        """Return a client of the command socket."""
        return Client(str(self.path), SECONDS_MAX)

    def run(self, text: str, environment: dict[str, str] | None = None) -> Process:
        """Start `sozutw … -c FILE` as a process of its own."""
        words = [*shlex.split(text), "-c", str(self.config)]
        self._commands.append(sozutw(words, self.folder, environment))
        return self._commands[-1]

    # What clients meet.

    def ask(
        self, path: str = "/", host: str = "one.test", port: int = 0
    ) -> tuple[int, bytes, bytes]:
        """Return status, head and body of a GET."""
        return get(port or self.port, path, host)

    def answers(self, path: str = "/", host: str = "one.test", port: int = 0) -> Any:
        """Return the status of a GET, or who answered it if that is 200."""
        status, _, body = self.ask(path, host, port)
        return json.loads(body)["by"] if status == 200 else status

    def shown_for(self, name: str | None, port: int = 0) -> str:
        """Return the fingerprint of the certificate that a client is shown."""
        with tls_connect(port or self.tls_port, trusting(None), name) as client:
            return shown_by(client)

    def held(self, client: Peer, path: str = "/two") -> Peer:
        """Have a client begin an exchange with backend c, and return c's side of it."""
        client.send(f"GET {path} HTTP/1.1\r\nHost: one.test\r\n\r\n".encode())
        peer = self.backend.accept(SECONDS_MAX)
        peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
        return peer


def finish(peer: Peer, client: Peer) -> None:
    """Let an exchange that is held end well, and leave neither connection of it."""
    peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone")
    head, body = client.receive_message(SECONDS_MAX)
    assert (status_of(head), body) == (200, b"done")
    peer.expect_end(SECONDS_MAX)
    peer.close()
    client.close()


def location(head: bytes) -> str:
    """Return where a redirect leads to."""
    return field_map(head)[b"location"].decode()


def sozutw(
    words: Sequence[object], folder: Path, environment: dict[str, str] | None = None
) -> Process:
    """Start `sozutw` as a process."""
    return Process([BIN / "sozutw", *map(str, words)], folder, environment)


@contextmanager
def silent(path: Path) -> Iterator[None]:
    """Have somebody take connections at a path, and say nothing."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(8)
        yield
    path.unlink()
