"""A process that is looked after in systemd's way says when it is ready, reloads and stops."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import BIN, Deadline, Process, ReservedPort, connect


class Watcher:
    """Listens where a process is to tell how it is."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def next(self) -> dict[str, str]:
        """Return the next message that is no sign of life and no change of status alone."""
        deadline = Deadline("a message to the notify socket")
        while True:
            self.sock.settimeout(max(0.001, deadline.seconds_left))
            try:
                text = self.sock.recv(4096).decode()
            except TimeoutError:
                raise deadline.missed() from None
            told = dict(line.split("=", 1) for line in text.split("\n"))
            if told.keys() - {"WATCHDOG", "STATUS"}:
                return told

    def wait_for(self, name: str) -> str:
        """Return the next value of this name."""
        deadline = Deadline(f"{name} told")
        while True:
            self.sock.settimeout(max(0.001, deadline.seconds_left))
            try:
                text = self.sock.recv(4096).decode()
            except TimeoutError:
                raise deadline.missed() from None
            told = dict(line.split("=", 1) for line in text.split("\n"))
            if name in told:
                return told[name]


@pytest.fixture(params=["path", "abstract"])
def watcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watcher]:
    path = str(tmp_path / "notify")
    watcher = Watcher(path if request.param == "path" else f"@sozutw{path}")
    yield watcher
    watcher.sock.close()


@pytest.mark.parametrize("program", ["sozutw", "twistd"])
def test_a_life_from_the_start_to_the_end(watcher: Watcher, tmp_path: Path, program: str) -> None:
    config = tmp_path / "sozutw.toml"
    words = {
        "sozutw": [BIN / "sozutw", "start", "-c", config],
        "twistd": [BIN / "twistd", "-n", "sozutw", "-c", config],
    }
    environment = {
        "NOTIFY_SOCKET": watcher.address,
        # The process is not there yet: nobody can say its number, and it may be left out.
        "WATCHDOG_USEC": "2000000",
    }
    with ReservedPort() as reserved:
        text = (
            'worker_count = 0\ncommand_socket = "s.sock"\ngraceful_shutdown_timeout = 7\n'
            f'[[listeners]]\nprotocol = "http"\naddress = "{reserved}"\n'
        )
        config.write_text(text)
        with Process(words[program], tmp_path, environment) as process:
            ready = watcher.next()
            assert ready["READY"] == "1"
            assert ready["MAINPID"] == str(process.pid)
            assert ready["STATUS"] == f"0 clients at http://{reserved}"
            assert watcher.wait_for("WATCHDOG") == "1"
            # It listens, and signals are answered.
            with connect(reserved.port), Client(tmp_path / "s.sock") as command:
                config.write_text(text + '[clusters.app]\nprotocol = "http"\n')
                command.request(pb.Request(reload_configuration=""))
                reloading, again = watcher.next(), watcher.next()
                assert reloading["RELOADING"] == "1"
                assert int(reloading["MONOTONIC_USEC"]) > 0
                assert again["READY"] == "1"
                assert again["STATUS"] == f"1 client at http://{reserved}"
                process.signal(signal.SIGTERM)
                stopping = watcher.next()
                assert stopping["STOPPING"] == "1"
                assert stopping["STATUS"] == "stopping: 1 connection left"
                assert stopping["EXTEND_TIMEOUT_USEC"] == "22000000"
            assert process.wait(10) == 0, process.said()
            assert "Traceback" not in process.said()


def test_nobody_listens_and_it_serves_all_the_same(tmp_path: Path) -> None:
    config = tmp_path / "sozutw.toml"
    with ReservedPort() as reserved:
        config.write_text(
            f'worker_count = 0\n[[listeners]]\nprotocol = "http"\naddress = "{reserved}"\n'
        )
        nobody = {"NOTIFY_SOCKET": os.fspath(tmp_path / "none"), "WATCHDOG_USEC": "100000"}
        with Process([BIN / "sozutw", "start", "-c", config], tmp_path, nobody) as process:
            process.wait_for_port(reserved.port)
            assert process.stop() == 0
            assert "Traceback" not in process.said()
