"""One attempt to hand over, with new processes that are small programs of the test's."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sozutw.config.draft import apply
from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.config.state import ConfigState
from sozutw.process.host import NO_SOURCE, Source
from sozutw.process.upgrade import attempt as upgrade
from sozutw.process.upgrade.attempt import Upgrade, UpgradeFailedError, command_of, offer_of
from sozutw.wire.handover import Handover
from tests.fakes.loops import HandRunLoop, loop_named

HERE = InetAddress("127.0.0.1", 8080)
SOURCE = Source("/etc/our.toml", skips_unsupported=True)
PROGRAM = """
import os, socket, sys
sys.path[:0] = {path!r}
from sozutw.process.upgrade.conversation import Conversation
from sozutw.wire.handover import Word
talk = Conversation(socket.socket(fileno=int(sys.argv[1])), 10)
handover, descriptors = talk.accept()
state = os.fdopen(descriptors[0], "rb").read()
assert handover.configuration == "/etc/our.toml" and state.count(b"ADD_CLUSTER") == 200, state
{rest}
"""
WHOLE = """
talk.say(Word("ready", os.getpid()))
talk.hear("take")
talk.say(Word("taken", os.getpid()))
talk.wait_for_the_end()
"""


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


@pytest.fixture(autouse=True)
def kept() -> Iterator[list[Any]]:
    """What an upgrade keeps until the process ends is given up with the test."""
    yield upgrade._KEPT
    for conversation, process in upgrade._KEPT:
        conversation.close()
        process.wait(10)
    upgrade._KEPT.clear()


def attempt(loop: HandRunLoop, program: str, seconds_max: float = 20.0) -> Any:
    """Return the new process's id, or why there is none."""
    state = ConfigState()
    apply(state, *[AddCluster(Cluster(str(n))) for n in range(200)])
    handover = Handover("/etc/our.toml", True, (), None, None)
    one = Upgrade(loop.reactor, state, handover, [])
    one.command = lambda descriptor: [sys.executable, "-c", program, str(descriptor)]
    one.seconds_max = seconds_max
    over: list[Any] = []
    one.run().addBoth(over.append)
    loop.run_until(lambda: over)
    result = over[0]
    if hasattr(result, "check"):
        assert result.check(UpgradeFailedError), result
        return str(result.value)
    return result


def program_of(rest: str) -> str:
    return PROGRAM.format(path=[p for p in sys.path if p], rest=rest)


def test_a_process_that_says_the_right_words_has_taken_over(
    loop: HandRunLoop, kept: list[Any]
) -> None:
    pid = attempt(loop, program_of(WHOLE))
    ((_, process),) = kept
    assert process.pid == pid
    assert process.poll() is None, "it lives as long as we do"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ('talk.say(Word("refused", why="line 3: no such key"))', "refused: line 3: no such key"),
        ("sys.exit(7)", r"ended before it served \(exit status 7\)"),
        ("os.kill(os.getpid(), 9)", r"ended before it served \(signal 9\)"),
        ('talk.say(Word("ready", 1)); sys.exit(8)', r"exit status 8"),
        ('talk.say(Word("hello"))', "'hello' where 'ready' was expected"),
        ('talk._sock.sendall(b"\\xff" * 100)', "refused: a frame of"),
    ],
)
def test_one_that_does_not_is_told_apart_and_is_gone(
    loop: HandRunLoop, kept: list[Any], rest: str, why: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    import re

    assert re.search(why, attempt(loop, program_of(rest)))
    assert kept == []
    assert len(os.listdir("/proc/self/fd")) <= before


def test_one_that_says_nothing_is_killed(
    loop: HandRunLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "_END_SECONDS", 0.1)
    why = attempt(loop, program_of("import time; time.sleep(60)"), 1.0)
    assert "did not answer in time" in why


def test_one_that_cannot_be_started_is_told(loop: HandRunLoop) -> None:
    one = Upgrade(loop.reactor, ConfigState(), Handover("", True, (), None, None), [])
    one.command = lambda _descriptor: ["/nowhere/python"]
    over: list[Any] = []
    one.run().addErrback(over.append)
    loop.run_until(lambda: over)
    assert "cannot be started: " in str(over[0].value)


def test_the_program_is_our_own_interpreter() -> None:
    assert command_of(9) == [sys.executable, "-P", "-m", "sozutw.process.upgrade.takeover", "9"]


class Sockets:
    """Whoever listens."""

    def __init__(self, descriptor: int, path: str | None = None) -> None:
        self.descriptor = descriptor
        self.path = path
        self.address = HERE

    def descriptors(self) -> dict[InetAddress, int]:
        return {HERE: 10, InetAddress("::1", 80): 11}


def test_what_listens_is_offered_in_the_order_of_the_message(tmp_path: Path) -> None:
    control, admin = Sockets(12, "/run/s.sock"), Sockets(13)
    offered = offer_of(SOURCE, Sockets(-1), control, admin)
    assert offered == (
        Handover(
            "/etc/our.toml",
            True,
            ("127.0.0.1:8080", "[::1]:80"),
            "/run/s.sock",
            "127.0.0.1:8080",
        ),
        [10, 11, 12, 13],
    )
    bare: Callable[[], Any] = lambda: offer_of(SOURCE, Sockets(-1), Sockets(-1), None)  # noqa: E731
    handover, descriptors = bare()
    assert (handover.command_socket, handover.admin, descriptors) == (None, None, [10, 11])
    assert offer_of(NO_SOURCE, Sockets(-1), None, None) is None
