"""
Run sozutw as a process, with scripted backends and clients at its two ends.

Everything waits by deadline, never by sleeping for a guessed time, and a missed deadline is an
AssertionError that says what was awaited and what the process had said.
"""

import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent

DEADLINE_SECONDS = 10.0
"""Far more than anything takes on a loaded machine; reached only by a defect."""


class Deadline:
    """A moment until which something must have happened."""

    def __init__(self, awaited: str, seconds: float = DEADLINE_SECONDS) -> None:
        self.awaited = awaited
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def check(self, said: Callable[[], str] = lambda: "") -> None:
        """Raise when the moment has passed."""
        if time.monotonic() >= self._until:
            raise self.missed(said())

    def missed(self, said: str = "") -> AssertionError:
        text = f"not within {self._seconds} s: {self.awaited}"
        return AssertionError(f"{text}\n{said}" if said else text)


def wait_until(
    is_true: Callable[[], bool],
    awaited: str,
    seconds: float = DEADLINE_SECONDS,
    said: Callable[[], str] = lambda: "",
) -> None:
    """Ask again and again, in short steps, until the answer is yes."""
    deadline = Deadline(awaited, seconds)
    while not is_true():
        deadline.check(said)
        time.sleep(0.005)


class ReservedPort:
    """
    A port of the loopback that nobody else is given while this lives.

    It is bound with SO_REUSEADDR and never listens: whoever binds so too may listen on it, and
    the kernel gives the port to no one who asks for any.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((host, 0))
        self.host = host
        self.port: int = self._sock.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A port is forgotten more easily than anything else, and holds nothing.
        self.close()

    def close(self) -> None:
        self._sock.close()

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def abort(sock: socket.socket) -> None:
    """Close with a reset in place of a farewell."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Peer:
    """One end of a TCP connection, read and written in step, each step with a deadline."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self.sock = sock
        self.name = name
        self.received = b""
        """Bytes that came and that nobody has taken yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The port of this end."""
        port: int = self.sock.getsockname()[1]
        return port

    def send(self, data: bytes, seconds: float = DEADLINE_SECONDS) -> None:
        deadline = Deadline(f"{self.name}: {len(data)} bytes taken", seconds)
        view = memoryview(data)
        while view:
            self.sock.settimeout(max(0.001, deadline.seconds_left))
            try:
                view = view[self.sock.send(view) :]
            except TimeoutError:
                raise deadline.missed(f"{len(view)} bytes left") from None

    def send_what_fits(self, data: bytes) -> int:
        """Send until the other side takes no more for a moment; return how much it took."""
        total = 0
        self.sock.settimeout(0.3)
        while True:
            try:
                total += self.sock.send(data)
            except TimeoutError:
                return total

    def receive(self, seconds: float = DEADLINE_SECONDS, size: int = 65536) -> bytes:
        """Return what has come, waiting for the first byte; empty at the end."""
        if self.received:
            data, self.received = self.received, b""
            return data
        return self._receive(Deadline(f"{self.name}: bytes or the end", seconds), size)

    def _receive(self, deadline: Deadline, size: int = 65536) -> bytes:
        self.sock.settimeout(max(0.001, deadline.seconds_left))
        try:
            return self.sock.recv(size)
        except TimeoutError:
            raise deadline.missed(f"so far: {self.received[:2000]!r}") from None

    def receive_until(self, mark: bytes, seconds: float = DEADLINE_SECONDS) -> bytes:
        """Return everything up to and with ``mark``; what follows it stays for the next call."""
        deadline = Deadline(f"{self.name}: {mark!r}", seconds)
        while mark not in self.received:
            data = self._receive(deadline)
            if not data:
                raise AssertionError(
                    f"{self.name}: the end came before {mark!r}; so far: {self.received[:2000]!r}"
                )
            self.received += data
        end = self.received.index(mark) + len(mark)
        data, self.received = self.received[:end], self.received[end:]
        return data

    def receive_exactly(self, size: int, seconds: float = DEADLINE_SECONDS) -> bytes:
        deadline = Deadline(f"{self.name}: {size} bytes", seconds)
        parts = [self.received]
        count = len(self.received)
        self.received = b""
        while count < size:
            data = self._receive(deadline)
            if not data:
                raise AssertionError(f"{self.name}: the end came after {count} of {size} bytes")
            parts.append(data)
            count += len(data)
        whole = b"".join(parts)
        self.received = whole[size:]
        return whole[:size]

    def receive_rest(self, seconds: float = DEADLINE_SECONDS) -> bytes:
        """Return everything until the other side has ended; a reset is an end as well."""
        deadline = Deadline(f"{self.name}: the end", seconds)
        parts = [self.received]
        self.received = b""
        while True:
            try:
                data = self._receive(deadline)
            except ConnectionResetError:
                return b"".join(parts)
            if not data:
                return b"".join(parts)
            parts.append(data)

    def receive_message(self, seconds: float = DEADLINE_SECONDS) -> tuple[bytes, bytes]:
        """Return the head and the body of one message that a length or chunks delimit."""
        head = self.receive_until(b"\r\n\r\n", seconds)
        fields = field_map(head)
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            return head, self._receive_chunks(seconds)
        return head, self.receive_exactly(int(fields.get(b"content-length", b"0")), seconds)

    def _receive_chunks(self, seconds: float) -> bytes:
        body = b""
        while True:
            size = int(self.receive_until(b"\r\n", seconds).split(b";")[0], 16)
            if size == 0:
                while self.receive_until(b"\r\n", seconds) != b"\r\n":
                    pass
                return body
            body += self.receive_exactly(size, seconds)
            assert self.receive_exactly(2, seconds) == b"\r\n"

    def expect_end(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Demand that the other side ends, without another byte."""
        rest = self.receive_rest(seconds)
        assert rest == b"", f"{self.name}: {rest[:2000]!r} in place of the end"

    def expect_silence(self, seconds: float) -> None:
        """Demand that nothing comes, for so long: neither a byte nor the end."""
        assert self.received == b"", f"{self.name}: {self.received[:2000]!r} in place of silence"
        readable, _, _ = select.select([self.sock], [], [], seconds)
        if readable:
            data = self.sock.recv(65536)
            raise AssertionError(f"{self.name}: {data[:2000]!r} in place of silence")

    def half_close(self) -> None:
        """Say that no more bytes will come, and go on listening."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        abort(self.sock)

    def close(self) -> None:
        self.sock.close()


def field_map(head: bytes) -> dict[bytes, bytes]:
    """Return the fields of a head by lower-case name; of equal names the last one."""
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            fields[name.lower()] = value.strip()
    return fields


class Backend:
    """A server whose every step the test takes itself."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, name: str = "backend") -> None:
        self.name = name
        self.host = host
        self._sock = self._listen(host, port)
        self.port: int = self._sock.getsockname()[1]
        self.accepted: list[Peer] = []

    @staticmethod
    def _listen(host: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
        return sock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def accept(self, seconds: float = DEADLINE_SECONDS) -> Peer:
        deadline = Deadline(f"{self.name}: a connection", seconds)
        self._sock.settimeout(seconds)
        try:
            sock, _ = self._sock.accept()
        except TimeoutError:
            raise deadline.missed() from None
        peer = Peer(sock, f"{self.name}, connection {len(self.accepted) + 1}")
        self.accepted.append(peer)
        return peer

    def expect_no_connection(self, seconds: float) -> None:
        readable, _, _ = select.select([self._sock], [], [], seconds)
        assert not readable, f"{self.name}: a connection that nobody expected"

    def stop_listening(self) -> None:
        """Refuse connections from now on; those there are live on."""
        self._sock.close()

    def listen_again(self) -> None:
        """Listen on the same port once more."""
        self._sock = self._listen(self.host, self.port)

    def close(self) -> None:
        self._sock.close()
        for peer in self.accepted:
            peer.close()


def connect(port: int, host: str = "127.0.0.1", name: str = "client") -> Peer:
    """Return a client that is connected."""
    return Peer(socket.create_connection((host, port), timeout=DEADLINE_SECONDS), name)


def request(port: int, text: bytes, seconds: float = DEADLINE_SECONDS) -> bytes:
    """Send one request on a connection of its own and return all that comes back until the end."""
    with connect(port) as client:
        client.send(text)
        return client.receive_rest(seconds)


def get(port: int, path: str = "/", host: str = "localhost") -> tuple[int, bytes, bytes]:
    """Return status, head and body of a GET on a connection of its own."""
    answer = request(
        port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    head, mark, body = answer.partition(b"\r\n\r\n")
    assert mark, f"no whole head in {answer[:2000]!r}"
    return int(head.split(b" ", 2)[1]), head + mark, body


class Process:
    """
    A program under test, with its output, its descriptors and its end.

    It is frozen or stopped by its own id only; leaving the context kills it if it is still there.
    """

    def __init__(
        self,
        arguments: Sequence[str | os.PathLike[str]],
        folder: Path,
        environment: dict[str, str] | None = None,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        """Start it; it inherits the ``sockets``."""
        self.folder = folder
        self.arguments = [os.fspath(a) for a in arguments]
        self._output_path = folder / f"output-{time.monotonic_ns()}.txt"
        self._error_path = self._output_path.with_suffix(".err")
        values = {**os.environ, "SOZUTW_CHECK": "1", "PYTHONUNBUFFERED": "1"}
        # A deprecation that pytest would show must not be lost in a child.
        values.setdefault("PYTHONWARNINGS", "default")
        values.update(environment or {})
        with self._output_path.open("wb") as out, self._error_path.open("wb") as err:
            self._popen = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=values,
                pass_fds=[sock.fileno() for sock in sockets],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        said = "" if error is None else self.said()
        self.kill()
        if error is not None and "--- stderr" not in str(error):
            error.add_note(said)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._popen.poll()

    def stdout(self) -> str:
        return self._output_path.read_text(errors="replace")

    def stderr(self) -> str:
        return self._error_path.read_text(errors="replace")

    def said(self) -> str:
        """All that it wrote, for the report of a failure."""
        status = "still running" if self.status is None else f"exit status {self.status}"
        return (
            f"--- {' '.join(self.arguments)} ({status})\n"
            f"--- stdout\n{self.stdout()[-8000:]}\n--- stderr\n{self.stderr()[-8000:]}\n---"
        )

    def wait_for_port(self, port: int, host: str = "127.0.0.1", seconds: float = 20.0) -> Self:
        """Wait until a connection to the port is taken."""
        deadline = Deadline(f"something listening on {host}:{port}", seconds)
        while True:
            if self.status is not None:
                raise AssertionError(f"ended before it listened on {host}:{port}\n{self.said()}")
            try:
                socket.create_connection((host, port), timeout=1.0).close()
            except OSError:
                deadline.check(self.said)
                time.sleep(0.02)
            else:
                return self

    def wait_for_text(self, text: str, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until it has written the text to stdout or stderr."""
        wait_until(
            lambda: text in self.stdout() or text in self.stderr(),
            f"{text!r} in the output",
            seconds,
            self.said,
        )

    def count_descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no VmRSS of {self.pid}")

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop it in its tracks and wait until it stands."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: self._state() in "Tt", "the process frozen", said=self.said)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for its end and return the exit status."""
        deadline = Deadline("the end of the process", seconds)
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise deadline.missed(self.said()) from None

    def stop(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Ask it to stop, as an operator would, and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        """End it without asking, if it is still there."""
        if self.status is None:
            self._popen.kill()
            self._popen.wait()


def with_workers(top: str) -> str:
    """Return the first lines of a file; where they say nothing else, all is in one process."""
    return top if "worker_count" in top else f"worker_count = 0\n{top}"


def write_config(
    folder: Path, port: int, backends: Sequence[object], top: str = "", cluster: str = ""
) -> Path:
    """Write a configuration of one listener and one cluster that takes every request."""
    entries = ", ".join(f'{{ address = "{b}" }}' for b in backends)
    path = folder / "sozutw.toml"
    path.write_text(
        f"""{with_workers(top)}
[[listeners]]
protocol = "http"
address = "127.0.0.1:{port}"

[clusters.test]
protocol = "http"
frontends = [{{ address = "127.0.0.1:{port}", hostname = "*", position = "PRE" }}]
backends = [{entries}]
{cluster}
""",
        encoding="utf-8",
    )
    return path


def twistd(config: Path, *more: str, environment: dict[str, str] | None = None) -> Process:
    """Start `twistd -n sozutw --config FILE`, the real entry."""
    arguments: list[str | os.PathLike[str]] = [
        BIN / "twistd",
        "-n",
        *more,
        "sozutw",
        "--config",
        config,
    ]
    return Process(arguments, config.parent, environment)


def start(config: Path, *more: str, environment: dict[str, str] | None = None) -> Process:
    """Start `sozutw start -c FILE`."""
    return Process([BIN / "sozutw", "start", "-c", config, *more], config.parent, environment)


def is_refused(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether nobody listens there."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False
