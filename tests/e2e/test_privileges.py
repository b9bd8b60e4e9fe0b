"""Started as root, with a user to become: it binds a low port, and is nobody from then on."""

import os
import pwd
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.control.client import Client, RefusedError
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import BIN, ROOT, Backend, Process, ReservedPort, connect, wait_until

NOBODY = pwd.getpwnam("nobody")


def is_open_to_all(folder: Path) -> bool:
    """Say whether everybody may go there."""
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user"),
    pytest.mark.skipif(
        not is_open_to_all(ROOT) or not is_open_to_all(Path(sys.prefix)),
        reason=f"nobody may not read {ROOT} or {sys.prefix}",
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may read; pytest's own are for root alone."""
    folder = Path(tempfile.mkdtemp(prefix="sozutw-"))
    folder.chmod(0o755)
    for name in ("run", "log", "closed"):
        (folder / name).mkdir()
    (folder / "closed").chmod(0o700)
    os.chown(folder / "run", NOBODY.pw_uid, NOBODY.pw_gid)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def low() -> Iterator[int]:
    """A port that is root's, held as ``ReservedPort`` does."""
    for port in range(1023, 700, -1):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            continue
        yield port
        sock.close()
        return
    pytest.skip("no port below 1024 can be bound here")


def status_of(process: Process) -> dict[str, list[str]]:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return {
        name: rest.split() for name, _, rest in (line.partition(":") for line in text.splitlines())
    }


def exchange(port: int, backend: Backend) -> None:
    with connect(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with backend.accept() as peer:
            peer.receive_until(b"\r\n\r\n")
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            assert client.receive_rest().endswith(b"\r\n\r\nhi")


def configuration(folder: Path, port: int, backend: Backend) -> str:
    # Workers need an interpreter that nobody may run too, and these tests may have another.
    return f"""\
worker_count = 0
user = "nobody"
command_socket = "run/s.sock"
log_target = "file://log/sozutw.log"
access_logs_target = "file://log/access.log"
audit_logs_target = "log/audit.log"
handle_process_affinity = true
[[listeners]]
protocol = "http"
address = "127.0.0.1:{port}"
[clusters.app]
protocol = "http"
frontends = [{{ address = "127.0.0.1:{port}", hostname = "localhost" }}]
backends = [{{ address = "{backend}" }}]
"""


@pytest.mark.parametrize("program", ["sozutw", "twistd"])
def test_it_is_nobody_and_does_all_that_nobody_may(folder: Path, low: int, program: str) -> None:
    config = folder / "sozutw.toml"
    words = {
        "sozutw": [BIN / "sozutw", "start", "-c", config],
        "twistd": [BIN / "twistd", "-n", "sozutw", "-c", config],
    }
    path = folder / "run" / "s.sock"
    with Backend() as backend:
        text = configuration(folder, low, backend)
        config.write_text(text)
        with Process(words[program], folder) as process:
            process.wait_for_port(low)
            exchange(low, backend)
            told = status_of(process)
            assert told["Uid"] == [str(NOBODY.pw_uid)] * 4
            assert told["Gid"] == [str(NOBODY.pw_gid)] * 4
            assert told["Groups"] == [str(NOBODY.pw_gid)]
            assert told["Name"] == ["sozutw"]
            assert int(told["CapEff"][0], 16) == 0
            assert len(os.sched_getaffinity(process.pid)) == 1
            assert path.stat().st_uid == NOBODY.pw_uid
            assert path.stat().st_mode & 0o777 == 0o600
            for name in ("sozutw.log", "access.log", "audit.log"):
                assert (folder / "log" / name).stat().st_uid == NOBODY.pw_uid, name
            with Client(path) as command:
                config.write_text(text + '[clusters.more]\nprotocol = "http"\n')
                answer = command.request(pb.Request(reload_configuration=""))
                assert "1 ok, 0 errors" in answer.message
                for closed in (folder / "closed" / "state", folder / "state"):
                    with pytest.raises(RefusedError, match="Permission denied"):
                        command.request(pb.Request(save_state=str(closed)))
                    assert not closed.exists()
                saved = folder / "run" / "state"
                command.request(pb.Request(save_state=str(saved)))
                assert saved.stat().st_uid == NOBODY.pw_uid
                # Another user in the file is for the next start, when it is root again.
                config.write_text(text.replace("nobody", "root"))
                answer = command.request(pb.Request(reload_configuration=""))
                assert answer.message.endswith("takes effect with the next start: user")
            process.signal(signal.SIGHUP)
            exchange(low, backend)
            log = folder / "log" / "access.log"
            wait_until(lambda: log.read_text().count("\n") == 2, "two records", said=process.said)
            assert process.stop() == 0, process.said()
            assert "Traceback" not in process.said()
            assert "cannot" not in (folder / "log" / "sozutw.log").read_text()
            assert not path.exists()


def test_what_only_root_may_remove_stays_and_is_told(folder: Path) -> None:
    config = folder / "sozutw.toml"
    with ReservedPort() as reserved:
        config.write_text(
            f'worker_count = 0\nuser = "nobody"\ncommand_socket = "s.sock"\npid_file_path = "pid"\n'
            f'[[listeners]]\nprotocol = "http"\naddress = "{reserved}"\n'
        )
        with Process([BIN / "sozutw", "start", "-c", config], folder) as process:
            process.wait_for_port(reserved.port)
            wait_until((folder / "pid").exists, "a pid file", said=process.said)
            assert (folder / "pid").stat().st_uid == 0  # Who reads it must be able to trust it.
            assert process.stop() == 0, process.said()
            assert "the command socket" in process.stdout()
            assert "stays behind: Permission denied" in process.stdout()
            assert "pid file: " in process.stderr()
        # Both are stale, and no hindrance to the next start.
        with Process([BIN / "sozutw", "start", "-c", config], folder) as process:
            process.wait_for_port(reserved.port)
            assert process.stop() == 0, process.said()


def test_who_is_no_root_may_not_become_another(folder: Path) -> None:
    config = folder / "sozutw.toml"
    config.write_text('user = "root"\n')
    words = [BIN / "sozutw", "config", "check", "-c", config]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("there is no setpriv here")
    nobody = [setpriv, f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
    with Process([*nobody, *words], folder) as process:
        assert process.wait() == 78
        said = process.stdout() + process.stderr()
        assert f"{config}:1: user is root, and only root may become another; this is user" in said
    config.write_text('user = "nobody"\n')
    with Process([*nobody, *words], folder) as process:
        assert process.wait() == 0, process.said()
