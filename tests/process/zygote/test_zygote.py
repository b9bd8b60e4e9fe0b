"""The zygote as a process: it forks, tells of ends, and comes to an end itself."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sozutw.process.zygote import zygote as module
from sozutw.process.zygote.packets import encoded, receive
from sozutw.process.zygote.zygote import Zygote
from tests.e2e.harness import DEADLINE_SECONDS, ROOT, Deadline, wait_until

NURSLING = "tests.fakes.nursling"
USUAL = ("-m", "sozutw.process.zygote.zygote")


class Stage:
    """A zygote, and this process in the place of the main one."""

    def __init__(self, folder: Path, *program: str, worker: str = NURSLING) -> None:
        self._error = folder / "stderr"
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(DEADLINE_SECONDS)
        # Few packets find room: it has to wait for us where we do not read.
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.channels: list[socket.socket] = []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        environment.pop("PYTHONUNBUFFERED", None)
        with theirs, self._error.open("wb") as error:
            self.process = subprocess.Popen(
                [sys.executable, *(program or USUAL), str(theirs.fileno()), worker],
                pass_fds=[theirs.fileno()],
                stderr=error,
                stdout=error,
                env=environment,
                cwd=folder,
            )

    def close(self) -> None:
        """End what is left of it."""
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.sock.close()

    def ready(self) -> "Stage":
        assert self.hear() == {"zygote": 1, "pid": self.process.pid}
        return self

    def hear(self) -> Any:
        try:
            with receive(self.sock) as packet:
                return packet.value
        except (TimeoutError, EOFError) as error:
            raise AssertionError(f"{error!r}; stderr: {self.stderr()}") from None

    def hears_the_end(self) -> bool:
        return not self.sock.recv(1)

    def ask(self, number: int = 0) -> socket.socket:
        """Ask for a fork; return our end of its channel."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.sock, [encoded({"fork": number})], [theirs.fileno()])
        ours.settimeout(DEADLINE_SECONDS)
        self.channels.append(ours)
        return ours

    def fork(self, number: int = 0) -> tuple[int, socket.socket]:
        """Return the id of a child and our end of its channel."""
        channel = self.ask(number)
        told = self.hear()
        assert told == {"forked": number, "pid": told.get("pid")}
        return told["pid"], channel

    def ended(self) -> int:
        """Return the zygote's exit status."""
        return self.process.wait(DEADLINE_SECONDS)

    def stderr(self) -> str:
        return self._error.read_text()

    def descriptors(self) -> list[str]:
        folder = Path(f"/proc/{self.process.pid}/fd")
        return sorted(os.readlink(one) for one in folder.iterdir())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    try:
        yield stage.ready()
    finally:
        stage.close()


def said_by(channel: socket.socket, code: str) -> str:
    """Return what a child makes of an expression."""
    channel.send(f"channel.send(str(({code})).encode())".encode())
    return channel.recv(65536).decode()


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_child_serves_its_channel_and_its_end_is_told(stage: Stage) -> None:
    pid, channel = stage.fork(7)
    assert said_by(channel, "os.getpid(), os.getppid()") == f"({pid}, {stage.process.pid})"
    channel.send(b"status = 5")
    channel.close()
    assert stage.hear() == {"ended": pid, "status": 5}
    assert stage.stderr() == ""


def test_the_blanks_are_there_and_each_child_has_all_of_them(stage: Stage) -> None:
    for _ in "12":
        _, channel = stage.fork()
        assert said_by(channel, "blanks.take(255) is not None, blanks.take(255)") == "(True, None)"
        assert said_by(channel, "blanks.take(256)") == "None"


def test_children_see_how_many_clients_the_others_have_until_these_have_ended(stage: Stage) -> None:
    (_, one), (pid, two) = stage.fork(), stage.fork()
    assert said_by(two, "share.excess(3)") == "0"
    assert said_by(one, "share.excess(8)") == "5"
    os.kill(pid, signal.SIGKILL)
    assert stage.hear() == {"ended": pid, "status": -signal.SIGKILL}
    assert said_by(one, "share.excess(8)") == "0"


def test_there_is_no_reactor_in_it(stage: Stage) -> None:
    _, channel = stage.fork()
    assert said_by(channel, "[m for m in sys.modules if m == 'twisted.internet.reactor']") == "[]"
    assert said_by(channel, "'OpenSSL' in sys.modules") == "True"
    assert said_by(channel, "__import__('gc').get_freeze_count() > 9999") == "True"


def test_a_child_has_its_channel_and_nothing_of_the_zygote(stage: Stage) -> None:
    _, channel = stage.fork()
    _, other = stage.fork()
    for each in (channel, other):
        # 0, 1, 2, the channel, and the folder that is read.
        assert said_by(each, "len(os.listdir('/proc/self/fd'))") == "5"
        assert said_by(each, "signal.pthread_sigmask(signal.SIG_BLOCK, ())") == "set()"
        answers = "[int(signal.getsignal(n)) for n in (2, 1, 10, 15, 17)]"
        assert said_by(each, answers) == "[1, 0, 0, 0, 0]"


def test_signals_of_the_terminal_and_others_reach_nobody_here(stage: Stage) -> None:
    pid, channel = stage.fork()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        stage.process.send_signal(number)
    os.kill(pid, signal.SIGINT)
    assert said_by(channel, "1 + 1") == "2"
    assert stage.fork()[0] != pid


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("raise ValueError('what was wrong')", 70, "ValueError: what was wrong"),
        ("raise KeyboardInterrupt", 70, "KeyboardInterrupt"),
        ("status = 'many'", 70, "ValueError: invalid literal"),
        ("sys.exit(78)", 78, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('cannot bind')", 1, "cannot bind\n"),
        ("os._exit(9)", 9, ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, ""),
        ("sys.stdout.write('not yet written')", 0, "not yet written"),
        ("sys.stdout.close()", 0, ""),
    ],
)
def test_each_end_of_a_child_is_told_as_it_was(
    stage: Stage, code: str, status: int, said: str
) -> None:
    pid, channel = stage.fork()
    channel.send(code.encode())
    channel.shutdown(socket.SHUT_WR)
    assert stage.hear() == {"ended": pid, "status": status}
    assert said in stage.stderr()
    assert ("Traceback" in stage.stderr()) is (status == 70)
    assert is_alive(stage.process.pid)


def test_fifty_children_leave_no_descriptor(stage: Stage) -> None:
    before = stage.descriptors()
    children = {stage.fork(number) for number in range(50)}
    for _, channel in children:
        channel.close()
    told = [stage.hear() for _ in children]
    assert {one["ended"] for one in told} == {pid for pid, _ in children}
    assert {one["status"] for one in told} == {0}
    assert stage.descriptors() == before


def test_nothing_is_lost_while_nobody_listens(stage: Stage) -> None:
    # What it says finds no room soon; what is asked of it is done all the same.
    channels = [stage.ask(number) for number in range(20)]
    for channel in channels:
        assert said_by(channel, "1") == "1"
        channel.close()
    told = [stage.hear() for _ in range(40)]
    forked = [one["pid"] for one in told if "forked" in one]
    ended = [one["ended"] for one in told if "ended" in one]
    assert len(forked) == 20
    assert sorted(forked) == sorted(ended)


def test_what_it_cannot_fork_it_says(tmp_path: Path) -> None:
    program = """
import os, sys
from sozutw.process.zygote.zygote import main
def fork(): raise OSError(11, os.strerror(11))
os.fork = fork
sys.exit(main(sys.argv[1:]))
"""
    stage = Stage(tmp_path, "-c", program)
    try:
        before = len(stage.ready().descriptors())
        channel = stage.ask(3)
        why = "cannot fork: Resource temporarily unavailable"
        assert stage.hear() == {"failed": 3, "why": why}
        assert channel.recv(1) == b""
        assert len(stage.descriptors()) == before
    finally:
        stage.close()


@pytest.mark.parametrize(
    "packet",
    [
        b"?",
        b"[]",
        b'{"fork": 1}',
        b'{"fork": "x"}',
        b'{"survive": false}',
        b'{"survive": true, "x": 1}',
        b'{"fork": 1, "x": 2}',
    ],
)
@pytest.mark.parametrize("descriptors", [0, 2])
def test_what_makes_no_sense_ends_it_and_leaves_its_children_alone(
    stage: Stage, packet: bytes, descriptors: int
) -> None:
    _, channel = stage.fork()
    socket.send_fds(stage.sock, [packet], [0] * descriptors)
    assert stage.ended() == 1
    assert "what makes no sense, and ends: " in stage.stderr()
    assert "Traceback" not in stage.stderr()
    assert said_by(channel, "1") == "1"


def test_a_descriptor_that_is_no_channel_makes_no_sense(stage: Stage) -> None:
    with open("/dev/null", "rb") as file:
        socket.send_fds(stage.sock, [b'{"fork": 1}'], [file.fileno()])
    assert stage.ended() == 1
    assert "its descriptor is no socket" in stage.stderr()


# The end.


def test_it_ends_with_its_socket_after_its_children(stage: Stage) -> None:
    pid, channel = stage.fork()
    channel.send(b"channel.recv(1); status = 3")
    stage.sock.shutdown(socket.SHUT_WR)
    channel.close()
    assert stage.hear() == {"ended": pid, "status": 3}
    assert stage.hears_the_end()
    assert stage.ended() == 0


def test_without_children_it_ends_at_once(stage: Stage) -> None:
    stage.sock.close()
    assert stage.ended() == 0


@pytest.mark.parametrize("is_heard", [True, False])
def test_children_that_do_not_end_are_killed_after_a_second(stage: Stage, is_heard: bool) -> None:
    children = [stage.fork()[0] for _ in "123"]
    deadline = Deadline("the end of all", 6.0)
    for channel in stage.channels:
        said_by(channel, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
        channel.send(b"time.sleep(600)")
    if is_heard:
        stage.sock.shutdown(socket.SHUT_WR)
        told = [stage.hear() for _ in children]
        assert {(one["ended"], one["status"]) for one in told} == {(pid, -9) for pid in children}
    else:
        stage.sock.close()
    assert stage.ended() == 0
    deadline.check()
    assert not any(map(is_alive, children))


def test_waiting_for_the_last_costs_no_cpu(stage: Stage) -> None:
    stage.fork()[1].send(b"time.sleep(600)")
    stat = Path(f"/proc/{stage.process.pid}/stat").read_text().rpartition(")")[2].split()
    before = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    stage.sock.close()
    _, status, used = os.wait4(stage.process.pid, 0)
    stage.process.returncode = os.waitstatus_to_exitcode(status)
    assert stage.process.returncode == 0
    assert used.ru_utime + used.ru_stime - before < 0.5


def test_children_that_are_to_survive_do(stage: Stage) -> None:
    _, channel = stage.fork()
    stage.sock.send(encoded({"survive": True}))
    stage.sock.close()
    assert stage.ended() == 0
    assert said_by(channel, "1 + 1") == "2"
    channel.shutdown(socket.SHUT_WR)
    assert channel.recv(1) == b"", "and ends with its channel"


def test_what_was_said_before_the_end_counts_though_its_answers_were_never_read(
    stage: Stage,
) -> None:
    channel = stage.ask()
    assert said_by(channel, "1") == "1"
    stage.sock.send(encoded({"survive": True}))
    stage.sock.close()  # With the answer in it, so that the zygote sees a reset.
    assert stage.ended() == 0
    assert said_by(channel, "1 + 1") == "2"


def test_one_that_is_killed_leaves_its_children_alone(stage: Stage) -> None:
    _, channel = stage.fork()
    stage.process.kill()
    assert stage.ended() == -9
    assert stage.hears_the_end(), "no child holds the zygote's socket"
    assert said_by(channel, "1 + 1") == "2"


@pytest.mark.parametrize("worker", ["no.such.module", "sozutw.process.ids"])
def test_without_something_to_serve_it_does_not_start(tmp_path: Path, worker: str) -> None:
    stage = Stage(tmp_path, worker=worker)
    try:
        assert stage.hears_the_end()
        assert stage.ended() == 1
        assert "Error: " in stage.stderr()
    finally:
        stage.close()


def test_with_a_reactor_it_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text(
        "import twisted.internet.reactor\ndef serve(channel, blanks, share): return 0\n"
    )
    stage = Stage(tmp_path, worker="eager")
    try:
        assert stage.ended() == 1
        assert "AssertionError: a reactor cannot be forked" in stage.stderr()
    finally:
        stage.close()


# What only shows inside.


class Quiet:
    """Signals of which none comes."""

    def __init__(self) -> None:
        self.wake, self.waker = socket.socketpair()


def test_whoever_does_not_listen_is_not_asked_what_else_it_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_ANSWERS_MAX", 3)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    quiet = Quiet()
    with ours, theirs, quiet.wake, quiet.waker:
        theirs.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        one = Zygote(theirs, quiet, lambda *_: 0)  # type: ignore[arg-type]
        ours.send(b"{}")
        assert one._wait(0)
        while len(one._outbox) < 3:
            one._tell_end(1, 0)
            one._outbox.send()
        assert not one._wait(0)
        for _ in range(3):
            receive(ours)
        assert one._wait(0)


def test_the_rest_is_not_said_for_ever_to_one_that_does_not_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "END_SECONDS_MAX", 0.05)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    quiet = Quiet()
    with ours, theirs, quiet.wake, quiet.waker:
        theirs.setblocking(False)
        one = Zygote(theirs, quiet, lambda *_: 0)  # type: ignore[arg-type]
        while not len(one._outbox):
            one._tell_end(1, 0)
            one._outbox.send()
        one._say_the_rest()
        assert len(one._outbox) > 0
        receive(ours)
        one._say_the_rest()
        assert len(one._outbox) == 0
        assert select.select([ours], [], [], 0)[0]


def test_it_is_named_for_ps(stage: Stage) -> None:
    name = Path(f"/proc/{stage.process.pid}/comm")
    wait_until(lambda: name.read_text().startswith("sozutw zygote"), "the name")
