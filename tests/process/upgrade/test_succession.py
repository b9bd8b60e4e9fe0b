"""Whatever goes wrong with an upgrade, the old process is in charge as before, and says why."""

import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.logger import capturedLogs

from sozutw.control.desk import Actor
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.configuration import read_configuration
from sozutw.process.host import Source
from sozutw.process.system.pid_file import PidFiles
from sozutw.process.tree import make_tree
from sozutw.process.upgrade import attempt as upgrade
from tests.e2e.harness import ReservedPort
from tests.fakes.loops import HandRunLoop, loop_named

_SO_GET_FILTER = 26
"""asm/socket.h; the number by which one is attached, too."""
ACTOR = Actor(uid=0, gid=0, pid=1, command="test", client_id=1)
CLUSTER = pb.Cluster(
    cluster_id="new", sticky_session=False, https_redirect=False, load_balancing=pb.RANDOM
)
FAILED = "Upgrade of main process failed: "
TALKS = """
import os, signal, socket, sys, time
sys.path[:0] = {path!r}
from sozutw.process.upgrade.conversation import Conversation
from sozutw.wire.handover import Word
talk = Conversation(socket.socket(fileno=int(sys.argv[1])), 10)
handover, descriptors = talk.accept()
"""
"""A new process that is a program of the test's, up to where it has all that is handed over."""
UNWILLING = TALKS.replace(
    "handover, descriptors = talk.accept()", 'talk.say(Word("refused", why="I am not in the mood"))'
)
"""It does not even read what it is offered."""
READY = 'talk.say(Word("ready", os.getpid())); talk.hear("take")\n'
TAKES_OVER = """
import sys
sys.path[:0] = {path!r}
from sozutw.process.system import pid_file
from sozutw.process.upgrade import takeover
from sozutw.wire import handover
"""
"""One that is the real thing, but for what the test changes in it."""
MAIN = "\nsys.exit(takeover.main(sys.argv[1:]))"


class Scene:
    """A proxy on a loop run by hand, and programs in the place of its successor."""

    def __init__(self, loop: HandRunLoop, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.loop = loop
        self.patch = patch
        self.folder = folder
        self.reserved = ReservedPort()
        self.config = folder / "sozutw.toml"
        self.pid_path = folder / "sozutw.pid"
        self.config.write_text(
            f"""worker_count = 0
command_socket = "{folder}/s.sock"
pid_file_path = "{self.pid_path}"
log_target = "file://{folder}/sozutw.log"
[[listeners]]
protocol = "http"
address = "{self.reserved}"
"""
        )
        config = read_configuration(str(self.config)).config
        assert config is not None
        self.proxy = make_tree(config, loop.reactor, source=Source(str(self.config)))
        files = PidFiles([str(self.pid_path)])
        files.write()
        self.proxy.succession.stayed = files.restore
        self.left: list[str] = []
        self.proxy.leave = lambda: self.left.append("left")
        self.proxy.privilegedStartService()
        self.proxy.startService()
        assert self.proxy.control is not None
        self.desk = self.proxy.control.desk
        self.loop.settle()
        self.descriptors = self.open_descriptors()

    def open_descriptors(self) -> list[str]:
        found = []
        for name in os.listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # the one of the listing
                found.append(os.readlink(f"/proc/self/fd/{name}"))
        # Whatever imports a reactor makes pipes for it.
        return sorted(name for name in found if not name.startswith("pipe:"))

    def close(self) -> None:
        over: list[Any] = []
        self.proxy.stop_softly().addBoth(over.append)
        self.loop.run_until(lambda: over)
        self.reserved.close()

    def succeed_by(self, program: str) -> None:
        """Let this be the next process."""
        text = program.format(path=[path for path in sys.path if path])
        self.patch.setattr(
            upgrade, "command_of", lambda descriptor: [sys.executable, "-c", text, str(descriptor)]
        )

    def ask(self, **request: Any) -> list[pb.Response]:
        """Ask for something; the answer comes into the list."""
        answers: list[pb.Response] = []
        asked = self.desk.serve(pb.Request(**request), ACTOR, lambda _response: None)
        asked.addCallback(answers.append)
        return answers

    def upgrade(self) -> list[pb.Response]:
        return self.ask(upgrade_main=pb.UpgradeMain())

    def answer(self, answers: list[pb.Response]) -> pb.Response:
        self.loop.run_until(lambda: answers, 20)
        return answers[0]

    def failure(self) -> str:
        """Try, and return why it failed; the log says so too."""
        with capturedLogs() as logged:
            answer = self.answer(self.upgrade())
        assert answer.status == pb.FAILURE
        assert answer.message.startswith(FAILED)
        why = answer.message.removeprefix(FAILED)
        assert why in [event["error"] for event in logged if "the upgrade failed" in str(event)]
        return why

    def expect_in_charge(self) -> None:
        """Demand that all is as it was before the attempt."""
        self.loop.settle()
        assert self.left == []
        assert not self.proxy.host.is_stopping
        more = Counter(self.open_descriptors()) - Counter(self.descriptors)
        assert not more
        assert self.pid_path.read_text() == f"{os.getpid()}\n"
        assert (self.folder / "s.sock").exists()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert self.answer(self.ask(add_cluster=CLUSTER)).status == pb.OK
        before = self.proxy.count_connections()
        with socket.create_connection(("127.0.0.1", self.reserved.port)):
            self.loop.run_until(lambda: self.proxy.count_connections() == before + 1)
        self.loop.run_until(lambda: self.proxy.count_connections() == before)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with loop_named("direct") as loop:
        scene = Scene(loop, tmp_path, monkeypatch)
        yield scene
        scene.close()


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("raise SystemExit(9)", "the new process ended before it served (exit status 9); "),
        ("import os; os.abort()", "the new process ended before it served (signal 6); "),
        (TALKS + "sys.exit(3)", "(exit status 3)"),
        (TALKS + READY + "sys.exit(4)", "(exit status 4)"),
        (TALKS + READY + "os.kill(os.getpid(), 9)", "(signal 9)"),
        (TALKS + 'talk._sock.sendall(b"GET / HTTP/1.1" * 99)', "the new process refused: a frame"),
        (TALKS + 'talk.say(Word("taken"))', "it said 'taken' where 'ready' was expected"),
        (TALKS + READY + 'talk.say(Word("hi"))', "it said 'hi' where 'taken' was expected"),
        (TALKS + READY + 'talk.say(Word("refused", why="no"))', "the new process refused: no"),
        (
            TALKS + 'talk.say(Word("refused", why="/etc/\\udcff.toml is bad"))',
            "the new process refused: /etc/\\udcff.toml is bad",
        ),
        (UNWILLING, "the new process refused: I am not in the mood"),
        (
            TAKES_OVER + "handover.VERSION = 2" + MAIN,
            "the new process refused: this program takes over by version 2, and not 1",
        ),
        # The port is bound by us, who still live.
        (
            TAKES_OVER
            + "real = takeover._taken\n"
            + "def without_sockets(*handed):\n"
            + "    config, inheritance = real(*handed)\n"
            + "    inheritance.sockets = dict()\n"
            + "    return config, inheritance\n"
            + "takeover._taken = without_sockets"
            + MAIN,
            "the new process refused: cannot listen on 127.0.0.1:",
        ),
        (
            TAKES_OVER
            + "real = takeover.requests_in\n"
            + "def refusing(data):\n"
            + "    yield from real(data)\n"
            + "    yield takeover.RefusedRequestError('no such thing here')\n"
            + "takeover.requests_in = refusing"
            + MAIN,
            "of the state: no such thing here",
        ),
        # Past the word to take: its file is the first thing that it does then.
        (
            TAKES_OVER
            + "def cannot(self): raise OSError('the disk is full')\n"
            + "pid_file.PidFiles.write = cannot"
            + MAIN,
            "the new process refused: the disk is full",
        ),
        (
            TAKES_OVER
            + "from sozutw.process.tree import ProxyService\n"
            + "def crash(self): 1 / 0\n"
            + "ProxyService.startService = crash"
            + MAIN,
            "(exit status 1); its log or stderr says why",
        ),
        (TAKES_OVER + "takeover.choose_reactor = lambda: 1 / 0" + MAIN, "(exit status 1)"),
    ],
)
def test_a_successor_that_fails_changes_nothing(scene: Scene, program: str, why: str) -> None:
    scene.succeed_by(program)
    assert why in scene.failure()
    scene.expect_in_charge()


def rewrite(scene: Scene, old: str, new: str) -> None:
    """Let the file say something else by now; only the successor reads it."""
    text = scene.config.read_text()
    assert old in text
    scene.config.write_text(text.replace(old, new))


def filters_of(scene: Scene) -> list[bytes]:
    """Return what keeps clients from each listening socket; empty where nothing does."""
    found = []
    for descriptor in scene.proxy.serving.descriptors().values():
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            found.append(sock.getsockopt(socket.SOL_SOCKET, _SO_GET_FILTER, 512))
    return found


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("changed", "program", "why"),
    [
        # It has the sockets by then, and none of its own.
        ("s.sock", "", "cannot open the command socket"),
        (
            "",
            "def cannot(self): raise OSError('the disk is full')\npid_file.PidFiles.write = cannot",
            "the new process refused: the disk is full",
        ),
    ],
)
def test_a_successor_that_gives_up_leaves_the_sockets_as_they_were(
    scene: Scene, workers: int, changed: str, program: str, why: str
) -> None:
    rewrite(scene, "worker_count = 0", f"worker_count = {workers}")
    if changed:
        rewrite(scene, changed, "nowhere/s.sock")
    inode = (scene.folder / "s.sock").stat().st_ino
    scene.succeed_by(TAKES_OVER + program + MAIN)
    assert why in scene.failure()
    assert filters_of(scene) == [b""]
    assert (scene.folder / "s.sock").stat().st_ino == inode
    scene.expect_in_charge()


def test_no_interpreter_to_start_it_with(scene: Scene) -> None:
    scene.patch.setattr(upgrade, "command_of", lambda _descriptor: ["/nowhere/python"])
    assert scene.failure().startswith("the new process cannot be started: ")
    scene.expect_in_charge()


@pytest.mark.parametrize("says", ["", READY, "talk._sock.sendall(b'x'); "])
def test_a_successor_that_hangs_is_killed(scene: Scene, says: str) -> None:
    scene.patch.setattr(upgrade, "STEP_SECONDS_MAX", 1.5)
    scene.patch.setattr(upgrade, "_END_SECONDS", 0.05)
    scene.succeed_by(TALKS + says + "time.sleep(60)")
    assert scene.failure() == "the new process did not answer in time, and was killed"
    scene.expect_in_charge()


def test_a_broken_file_is_told_by_its_line(scene: Scene) -> None:
    scene.config.write_text(scene.config.read_text() + "adress = 1\n")
    assert f"{scene.config}:8: unknown key adress" in scene.failure()
    scene.expect_in_charge()


def test_a_file_that_is_gone_is_told(scene: Scene) -> None:
    scene.config.unlink()
    why = scene.failure()
    assert str(scene.config) in why
    assert "No such file" in why
    scene.expect_in_charge()


def test_only_a_process_with_a_file_can_be_replaced(scene: Scene) -> None:
    scene.patch.setattr(scene.proxy.succession, "_source", Source(""))
    answer = scene.answer(scene.upgrade())
    assert answer.message == FAILED + "only a process that began with a file can be replaced"
    scene.expect_in_charge()


def test_an_order_that_comes_meanwhile_holds_if_the_attempt_fails(scene: Scene) -> None:
    scene.succeed_by(TALKS + 'talk.say(Word("refused", why="no"))')
    tried = scene.upgrade()
    ordered = scene.ask(add_cluster=CLUSTER)
    again = scene.upgrade()
    scene.loop.settle()
    assert not ordered
    assert scene.answer(tried).status == pb.FAILURE
    assert scene.answer(ordered).status == pb.OK
    assert scene.answer(again).status == pb.FAILURE
    scene.expect_in_charge()


def test_an_order_that_comes_meanwhile_is_refused_if_it_succeeds(scene: Scene) -> None:
    scene.succeed_by(TALKS + READY + 'talk.say(Word("taken")); talk.wait_for_the_end()')
    tried = scene.upgrade()
    orders = [scene.ask(add_cluster=CLUSTER), scene.ask(save_state="/tmp/x"), scene.upgrade()]
    assert scene.answer(tried).status == pb.OK
    for order in orders:
        answer = scene.answer(order)
        assert answer.status == pb.FAILURE
        assert answer.message == "another process has taken over from this one meanwhile; ask again"
    scene.loop.run_until(lambda: scene.left)
    assert scene.proxy.host.is_stopping
    ((conversation, process),) = upgrade._KEPT
    conversation.close()
    process.wait(10)
    upgrade._KEPT.clear()


def test_without_another_thread_to_wait_for_its_end_it_serves_all_the_same(scene: Scene) -> None:
    scene.succeed_by(TALKS + READY + 'talk.say(Word("taken")); talk.wait_for_the_end()')

    def none_left(**_more: Any) -> Any:
        raise RuntimeError("can't start new thread")

    scene.patch.setattr(
        upgrade, "threading", SimpleNamespace(Lock=threading.Lock, Thread=none_left)
    )
    assert scene.answer(scene.upgrade()).status == pb.OK
    scene.loop.run_until(lambda: scene.left)
    ((conversation, process),) = upgrade._KEPT
    conversation.close()
    process.wait(10)
    upgrade._KEPT.clear()


def test_a_stop_right_after_it_leaves_the_sockets_to_the_new_process(scene: Scene) -> None:
    scene.succeed_by(TALKS + READY + 'talk.say(Word("taken")); talk.wait_for_the_end()')
    descriptors = [os.dup(one) for one in scene.proxy.serving.descriptors().values()]
    over: list[Any] = []
    # Before the loop's next turn, in which it would have left by itself.
    scene.proxy.succession.replaced_by = lambda _pid: scene.proxy.stop_softly().addBoth(over.append)
    assert scene.answer(scene.upgrade()).status == pb.OK
    scene.loop.run_until(lambda: over)
    for descriptor in descriptors:
        with socket.socket(fileno=descriptor) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, _SO_GET_FILTER, 512) == b""
    ((conversation, process),) = upgrade._KEPT
    conversation.close()
    process.wait(10)
    upgrade._KEPT.clear()


def test_a_stop_ends_the_attempt(scene: Scene) -> None:
    scene.succeed_by(TALKS + "talk.hear('never')")
    tried = scene.upgrade()
    scene.loop.run_until(lambda: scene.proxy.succession.upgrade)
    scene.loop.settle()
    over: list[Any] = []
    scene.proxy.stop_softly().addBoth(over.append)
    answer = scene.answer(tried)
    assert answer.message == FAILED + "this process was told to stop meanwhile"
    scene.loop.run_until(lambda: over)
    assert scene.left == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_stop_before_the_new_process_is_started_starts_none(scene: Scene) -> None:
    scene.patch.setattr(upgrade, "command_of", lambda _descriptor: pytest.fail("started"))
    tried = scene.upgrade()
    assert scene.proxy.succession.upgrade is not None
    scene.proxy.succession.upgrade.abandon()
    assert scene.answer(tried).message == FAILED + "this process was told to stop meanwhile"
    scene.expect_in_charge()


def test_a_stop_that_comes_too_late_for_that_ends_the_new_process_too(scene: Scene) -> None:
    go = scene.folder / "go"
    scene.succeed_by(
        TALKS
        + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        + READY
        + f"open({str(scene.folder / 'told')!r}, 'w').close()\n"
        + f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        + 'talk.say(Word("taken"))\nwhile True: signal.pause()'
    )
    tried = scene.upgrade()
    scene.loop.run_until((scene.folder / "told").exists)
    over: list[Any] = []
    scene.proxy.stop_softly().addBoth(over.append)
    scene.loop.settle()
    assert not over
    go.touch()
    answer = scene.answer(tried)
    assert answer.message == FAILED + "the stop that was asked for ends the new process too"
    scene.loop.run_until(lambda: over)
    ((conversation, process),) = upgrade._KEPT
    assert process.wait(10) == 0
    conversation.close()
    upgrade._KEPT.clear()


def test_a_signal_of_nobody_is_no_trouble(scene: Scene) -> None:
    scene.succeed_by(TALKS + READY + 'talk.say(Word("taken")); os.kill(os.getpid(), 9)')
    scene.proxy.host.is_stopping = False
    killed: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        killed.append((pid, number))
        raise ProcessLookupError

    scene.patch.setattr("sozutw.process.upgrade.succession.os.kill", kill)
    tried = scene.upgrade()
    scene.proxy.host.is_stopping = True
    assert "ends the new process too" in scene.answer(tried).message
    ((conversation, process),) = upgrade._KEPT
    assert killed == [(process.pid, signal.SIGTERM)]
    conversation.close()
    process.wait(10)
    upgrade._KEPT.clear()
