"""A process whose sockets another has opened, as systemd does before it starts a service."""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import BIN, Backend, Peer, Process, connect, get, wait_until

LAUNCHER = """\
import os, sys
fds = [int(text) for text in sys.argv[1].split(",")]
# Out of the way first: one may stand where another is to go.
high = [os.dup2(fd, 500 + n) for n, fd in enumerate(fds)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.closerange(3 + len(fds), 600)
os.execv(sys.argv[3], sys.argv[3:])
"""


class ActivatedProcess(Process):
    """A program that is handed sockets, which its parent keeps."""

    def __init__(
        self,
        arguments: Sequence[str | os.PathLike[str]],
        folder: Path,
        sockets: Sequence[socket.socket],
        names: str = "",
    ) -> None:
        for sock in sockets:
            sock.set_inheritable(True)
        fds = ",".join(str(sock.fileno()) for sock in sockets)
        launcher = folder / "launcher.py"
        launcher.write_text(LAUNCHER)
        super().__init__(
            [sys.executable, launcher, fds, names, *arguments], folder, sockets=sockets
        )


def serving(port: int, host: str, backend: Backend) -> None:
    """Demand that a request is served there."""
    with connect(port, host) as client:
        exchange(client, backend)


def exchange(client: Peer, backend: Backend) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    with backend.accept() as peer:
        peer.receive_until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        assert client.receive_rest().endswith(b"\r\n\r\nhi")


def started(log: str) -> bool:
    return "commands are taken at" in log


@pytest.mark.parametrize("program", ["sozutw", "twistd"])
def test_sockets_that_were_handed_over_are_served_and_outlive_the_process(
    tmp_path: Path, program: str
) -> None:
    config = tmp_path / "sozutw.toml"
    words = {
        "sozutw": [BIN / "sozutw", "start", "-c", config],
        "twistd": [BIN / "twistd", "-n", "sozutw", "-c", config],
    }
    web = socket.create_server(("127.0.0.1", 0))
    six = socket.create_server(("::1", 0), family=socket.AF_INET6)
    admin = socket.create_server(("127.0.0.1", 0))
    unasked = socket.create_server(("127.0.0.1", 0))
    command = socket.socket(socket.AF_UNIX)
    command.bind(str(tmp_path / "s.sock"))
    (tmp_path / "s.sock").chmod(0o600)
    command.listen()
    ports = [sock.getsockname()[1] for sock in (web, six, admin, unasked)]
    with Backend() as backend, web, six, admin, unasked, command:
        at, at6 = f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}"
        config.write_text(
            f"""\
command_socket = "s.sock"
[admin]
address = "127.0.0.1:{ports[2]}"
[[listeners]]
protocol = "http"
address = "{at}"
[[listeners]]
protocol = "http"
address = "{at6}"
[clusters.app]
protocol = "http"
frontends = [
    {{ address = "{at}", hostname = "localhost" }}, {{ address = "{at6}", hostname = "localhost" }}
]
backends = [{{ address = "{backend}" }}]
"""
        )
        sockets = [web, six, admin, unasked, command]
        # A client that comes before there is anybody is served as well.
        early = connect(ports[0])
        with ActivatedProcess(words[program], tmp_path, sockets, "web:six") as process, early:
            exchange(early, backend)
            serving(ports[1], "::1", backend)
            status, _, _ = get(ports[2], "/healthz")
            assert status == 200
            log = process.stdout()
            assert f"{at} was handed over (web)" in log
            assert f"{at6} was handed over (six)" in log
            assert "that no listener" in log
            assert f"asks for, are closed: 127.0.0.1:{ports[3]}" in log
            with Client(tmp_path / "s.sock") as asking:
                # Gone and back: nobody else could bind there, and the socket is still at hand.
                about = {"address": address_message(ports[0]), "proxy": pb.HTTP}
                asking.request(
                    pb.Request(deactivate_listener=pb.DeactivateListener(**about, to_scm=False))
                )
                asking.request(
                    pb.Request(activate_listener=pb.ActivateListener(**about, from_scm=False))
                )
            serving(ports[0], "127.0.0.1", backend)
            process.signal(signal.SIGTERM)
            assert process.wait() == 0, process.said()
            assert "Traceback" not in process.said()
        # The file is its maker's, and whoever comes now waits for the next process.
        assert (tmp_path / "s.sock").exists()
        waiting = connect(ports[0])
        with ActivatedProcess(words[program], tmp_path, sockets) as process, waiting:
            exchange(waiting, backend)
            assert process.stop() == 0


def address_message(port: int) -> pb.SocketAddress:
    return pb.SocketAddress(ip=pb.IpAddress(v4=0x7F000001), port=port)


def test_a_command_socket_that_is_open_to_all_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "sozutw.toml"
    config.write_text('command_socket = "s.sock"\n')
    with socket.socket(socket.AF_UNIX) as command:
        command.bind(str(tmp_path / "s.sock"))
        (tmp_path / "s.sock").chmod(0o666)
        command.listen()
        words = [BIN / "sozutw", "start", "-c", config]
        with ActivatedProcess(words, tmp_path, [command]) as process:
            assert process.wait() == 1, process.said()
            assert "SocketMode=0600 is meant, or command_allowed_uids" in process.stderr()
        config.write_text(f'command_socket = "s.sock"\ncommand_allowed_uids = [{os.getuid()}]\n')
        with ActivatedProcess(words, tmp_path, [command]) as process:
            wait_until(lambda: started(process.stdout()), "commands taken", said=process.said)
            with Client(tmp_path / "s.sock") as asking:
                asking.request(pb.Request(status=pb.Status()))
            assert process.stop() == 0
        assert (tmp_path / "s.sock").exists()
