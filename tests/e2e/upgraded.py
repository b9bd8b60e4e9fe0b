"""A proxy that is replaced by new processes of itself, and clients that count what they suffer."""

import ctypes
import os
import signal
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from click.testing import Result
from typing_extensions import override

from tests.e2e.certificates import Authority
from tests.e2e.commanded import Asked
from tests.e2e.harness import (
    BIN,
    DEADLINE_SECONDS,
    Deadline,
    Peer,
    Process,
    ReservedPort,
    connect,
    wait_until,
    with_workers,
)
from tests.e2e.live import TIMEOUTS, Crowd
from tests.e2e.stage import SECONDS_MAX, ScriptedBackend, get, status_of
from tests.e2e.tls import tls_connect, trusting

QUICK, SLOW = "quick.test", "localhost"
"""The cluster whose backends answer by themselves, and the one whose backend the test plays."""
_SUBREAPER = 36


class Generations:
    """
    A configuration, the first process that serves it, and those that came after it.

    All are waited for: whoever loses its parent becomes the test's own child.
    """

    def __init__(self, folder: Path, top: str = "", more: str = "", *, by_twistd: bool = False):
        self.folder = folder
        self.authority = Authority()
        issued = self.authority.issue(QUICK, SLOW)
        self._reserved = [ReservedPort() for _ in range(4)]
        self.port, self.tls_port, self.admin_port, self.idle_port = (
            one.port for one in self._reserved
        )
        self.at, self.tls_at, self.admin_at, self.idle_at = map(str, self._reserved)
        self.crowd = Crowd(["a", "b"])
        self.slow = ScriptedBackend(name="slow")
        self.config = folder / "sozutw.toml"
        self.socket_path = folder / "s.sock"
        self.pid_path = folder / "sozutw.pid"
        self.log_path = folder / "sozutw.log"
        self.access_path = folder / "access.log"
        self.audit_path = folder / "audit.log"
        served = issued.write(folder, QUICK).replace(", ", "\n")
        ports = self.crowd.ports
        rules = [(self.at, QUICK), (self.tls_at, QUICK)]
        self.text = "\n".join(
            [
                f'command_socket = "{self.socket_path}"',
                f'pid_file_path = "{self.pid_path}"',
                f'log_target = "file://{self.log_path}"',
                f'access_logs_target = "file://{self.access_path}"',
                f'audit_logs_target = "{self.audit_path}"',
                TIMEOUTS,
                with_workers(top),
                f'[admin]\naddress = "{self.admin_at}"',
                f'[[listeners]]\nprotocol = "http"\naddress = "{self.at}"',
                f'[[listeners]]\nprotocol = "https"\naddress = "{self.tls_at}"\n{served}',
                'alpn_protocols = ["http/1.1"]',
                f'[clusters.quick]\nprotocol = "http"\nfrontends = {_rules(rules)}',
                f"backends = [{_backend('a', ports['a'])}, {_backend('b', ports['b'])}]",
                f'[clusters.slow]\nprotocol = "http"\nfrontends = {_rules([(self.at, SLOW)])}',
                f"backends = [{_backend('slow', self.slow.port)}]",
                more,
                "",
            ]
        )
        self.config.write_text(self.text)
        self.by_twistd = by_twistd
        self.clients: list[Peer] = []
        self.left: list[int] = []
        """Old processes that have not been waited for."""
        self.has_failed = False
        """A new process has ended before it served, with all that it had been handed."""
        self.has_crashed = False
        """What it ran into may be told with a traceback."""

    def __enter__(self) -> Self:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        self.crowd.__enter__()
        words = [BIN / "sozutw", "start", "-c", self.config]
        if self.by_twistd:
            words = [BIN / "twistd", "-n", "sozutw", "--config", self.config]
        self.first = Process(words, self.folder)
        self.pid = self.first.pid
        try:
            self.wait_for_log("commands are taken at")
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
            if error is None:
                said = self.first.stdout() + self.first.stderr() + self.log_path.read_text()
                assert "Traceback" not in said or self.has_crashed, said[-8000:]
                assert "Warning" not in said or self.has_failed, said[-8000:]
            else:
                log = self.log_path.read_text() if self.log_path.exists() else ""
                error.add_note(self.first.said() + log[-8000:])
        finally:
            self._give_up()

    def _give_up(self) -> None:
        for client in self.clients:
            client.close()
        for pid in {self.pid, *self.left} - {self.first.pid}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.first.kill()
        for pid in {self.pid, *self.left} - {self.first.pid}:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.slow.close()
        self.crowd.__exit__()
        for reserved in self._reserved:
            reserved.close()
        ctypes.CDLL(None).prctl(_SUBREAPER, 0, 0, 0, 0)

    @property
    def asked(self) -> Asked:
        """`sozutw -c FILE`."""
        return Asked("-c", str(self.config))

    def told_pid(self) -> int:
        """Return whose id the pid file holds; 0 if it is gone or being written."""
        with suppress(FileNotFoundError, ValueError):
            return int(self.pid_path.read_text())
        return 0

    def upgrade(self) -> int:
        """Have a new process take over; return the old one's id."""
        result = self.asked.call("upgrade")
        assert result.exit_code == 0, result.output
        old = self.pid
        self.left.append(old)
        self.pid = self.told_pid()
        assert result.stdout == (
            "Success: Upgrade successful, closing main process. "
            f"New main process has pid {self.pid}\n"
        )
        assert self.pid not in self.left
        return old

    def refused(self) -> Result:
        """Demand that an upgrade fails, and that all is as it was."""
        result = self.asked.call("upgrade")
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("Request failed: Upgrade of main process failed: ")
        self.expect_in_charge()
        return result

    def expect_in_charge(self) -> None:
        """Demand that the process that we know of serves, answers and is told of."""
        assert self.told_pid() == self.pid
        (_, line) = self.asked.told("status")
        assert line.split()[1:] == [str(self.pid), "running"]
        assert self.answer() in "ab"
        assert children_of(self.pid) == []

    def stop(self) -> None:
        """End the process that serves now, softly, and demand that it ends well."""
        os.kill(self.pid, signal.SIGTERM)
        self.left.append(self.pid)
        self.expect_end(self.pid)

    def expect_end(self, pid: int, status: int = 0) -> None:
        """Wait for the end of a process that came to be the test's own."""
        if pid == self.first.pid:
            assert self.first.wait(2 * DEADLINE_SECONDS) == status
        else:
            # A moment may pass before it is our child.
            ended: list[int] = []

            def is_over() -> bool:
                with suppress(ChildProcessError):
                    found, code = os.waitpid(pid, os.WNOHANG)
                    ended.extend([os.waitstatus_to_exitcode(code)] if found else [])
                return bool(ended)

            wait_until(is_over, f"the end of process {pid}", 2 * DEADLINE_SECONDS)
            assert ended == [status]
        self.left.remove(pid)

    def expect_gone(self, pid: int) -> None:
        """Wait until a process has ended whose parent is another one of ours."""
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"process {pid} reaped")
        self.left.remove(pid)

    def wait_for_log(self, text: str) -> None:
        """Wait until the log has some text."""
        wait_until(
            lambda: self.log_path.exists() and text in self.log_path.read_text(),
            f"{text!r} in the log",
            2 * DEADLINE_SECONDS,
            self.first.said,
        )

    def client(self) -> Peer:
        """Connect a client."""
        self.clients.append(connect(self.port))
        return self.clients[-1]

    def answer(self, port: int = 0) -> str:
        """Return who answers a new client."""
        with connect(port or self.port) as client:
            client.send(get("/", QUICK))
            head, body = client.receive_message(SECONDS_MAX)
            assert status_of(head) == 200, head
            return body.decode()

    def descriptors(self) -> list[str]:
        """Return what the process has open, but for pipes that are kept for the next splice."""
        found = []
        for path in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found.append(os.readlink(path).partition(":[")[0])
        return sorted(name for name in found if name != "pipe")


def _rules(rules: list[tuple[str, str]]) -> str:
    entries = (f'{{ address = "{at}", hostname = "{host}" }}' for at, host in rules)
    return f"[{', '.join(entries)}]"


def _backend(name: str, port: int) -> str:
    return f'{{ address = "127.0.0.1:{port}", backend_id = "{name}" }}'


def children_of(pid: int) -> list[int]:
    """Return the children of a process, those too that have ended and that nobody waited for."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


class Loader(threading.Thread):
    """
    A client that asks again and again, and tells apart how it can fail.

    With ``keeps`` it asks on one connection until it is told to go.
    """

    def __init__(self, port: int, *, keeps: bool, context: ssl.SSLContext | None = None) -> None:
        super().__init__(daemon=True)
        self.outcomes: Counter[str] = Counter()
        self._port = port
        self._keeps = keeps
        self._context = context
        self._is_over = threading.Event()

    @override
    def run(self) -> None:
        while not self._is_over.is_set():
            try:
                client = self._connected()
            except ConnectionRefusedError:
                self.outcomes["refused"] += 1
                continue
            except OSError as error:
                self.outcomes[f"reset: {error!r}"] += 1
                continue
            with client:
                try:
                    self._ask(client)
                except OSError as error:
                    self.outcomes[f"reset: {error!r}"] += 1
                except AssertionError as error:
                    kind = "cut" if "the end came" in str(error) else "wrong"
                    self.outcomes[f"{kind}: {error}"] += 1

    def stop(self) -> None:
        """Ask nothing more, and be gone."""
        self._is_over.set()
        self.join(2 * DEADLINE_SECONDS)
        assert not self.is_alive()

    def _connected(self) -> Peer:
        if self._context is None:
            return connect(self._port)
        return tls_connect(self._port, self._context, QUICK)

    def _ask(self, client: Peer) -> None:
        more = b"" if self._keeps else b"Connection: close\r\n"
        asked = get("/", QUICK).replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n")
        is_last = False
        while not is_last and not self._is_over.is_set():
            client.send(asked)
            head, body = client.receive_message(SECONDS_MAX)
            assert head.startswith(b"HTTP/1.1 200 "), head
            assert body in {b"a", b"b"}, body
            self.outcomes["answered"] += 1
            is_last = b"\r\nConnection: close\r\n" in head
        if is_last:
            client.expect_end(SECONDS_MAX)
            self.outcomes["told to go"] += 1


@contextmanager
def load(place: Generations) -> Iterator[dict[str, Loader]]:
    """Have clients of every kind ask meanwhile."""
    context = trusting(place.authority)
    loaders = {
        "kept": Loader(place.port, keeps=True),
        "new": Loader(place.port, keeps=False),
        "kept TLS": Loader(place.tls_port, keeps=True, context=context),
        "new TLS": Loader(place.tls_port, keeps=False, context=context),
    }
    for loader in loaders.values():
        loader.start()
    try:
        yield loaders
    finally:
        for loader in loaders.values():
            loader.stop()


def wait_for_answers(loaders: dict[str, Loader], more: int) -> None:
    """Wait until each has had some more answers."""
    aims = {name: one.outcomes["answered"] + more for name, one in loaders.items()}
    deadline = Deadline(f"{more} more answers for each", 2 * DEADLINE_SECONDS)
    while any(one.outcomes["answered"] < aims[name] for name, one in loaders.items()):
        deadline.check(lambda: str({name: one.outcomes for name, one in loaders.items()}))
        threading.Event().wait(0.005)
