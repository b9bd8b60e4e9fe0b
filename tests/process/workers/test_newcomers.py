"""How a worker comes to be."""

import errno
import socket
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from sozutw.config.model import Settings
from sozutw.config.state import ConfigState
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.process.workers import handle as handle_module
from sozutw.process.workers.batches import Batches
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.newcomers import Newcomers
from sozutw.process.workers.policy import Policy
from sozutw.process.workers.sockets import MainSockets
from sozutw.wire.channel import FrameReader
from tests.fakes.fleet import open_descriptors
from tests.fakes.loops import loop_named
from tests.process.workers.test_member import Boss, Kernel


class Forks:
    def __init__(self) -> None:
        self.asked: list[tuple[socket.socket, Deferred[int]]] = []

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        forked: Deferred[int] = Deferred()
        self.asked.append((channel, forked))
        return forked


class Scene:
    def __init__(self, loop: Any, **policy: Any) -> None:
        self.loop = loop
        self.forks = Forks()
        self.boss = Boss()
        self.batches = Batches(ConfigState(), MainSockets(), Entries())
        policy = {"workers": 3, "settings": Settings, **policy}
        self.newcomers = Newcomers(loop.reactor, self.forks, self.batches, Policy(**policy), None)

    def begin(self, worker_id: int = 0) -> Any:
        return self.newcomers.begin(worker_id, 2, self.boss)

    def beginning(self, *asked: str) -> words.Beginning:
        """Read the first that a worker is told, at the other end of a real channel."""
        reader, (channel, _) = FrameReader(1 << 20), self.forks.asked[-1]
        channel.setblocking(False)
        found: list[words.ToWorker] = []

        def is_there() -> bool:
            try:
                reader.feed(channel.recv(65536))
            except BlockingIOError:
                return False
            while (message := reader.take()) is not None:
                found.append(words.ToWorker.FromString(message))
            return len(found) == 2 + len(asked)

        self.loop.run_until(is_there)
        kinds = [one.WhichOneof("word") for one in found]
        # Orders are sent in short turns; what is said goes out now.
        assert kinds == ["beginning", *asked, "orders"]
        return found[0].beginning

    def end(self) -> None:
        for channel, _ in self.forks.asked:
            channel.close()
        self.loop.settle()


@pytest.fixture
def loop():
    with loop_named("epoll") as loop:
        yield loop


@pytest.fixture
def kernel(monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(handle_module, "os", kernel)
    monkeypatch.setattr(handle_module, "signal", kernel)
    return kernel


def test_a_worker_has_a_channel_on_which_it_is_told_all(loop, kernel):
    scene = Scene(loop, processors=[5, 6], survives_main=True)
    before = open_descriptors()
    for worker_id, processor in ((0, 5), (1, 6), (2, 5)):
        scene.begin(worker_id)
        told = scene.beginning()
        assert (told.id, told.generation, told.processor) == (worker_id, 2, processor)
        assert told.survives_main
        assert told.listeners == 0
    scene.end()
    assert scene.boss.heard == [("lost", "its channel closed")] * 3
    assert open_descriptors() == before


def test_without_processors_it_may_run_anywhere(loop, kernel):
    scene = Scene(loop)
    scene.begin()
    assert not scene.beginning().HasField("processor")
    scene.end()


def test_it_is_told_what_commands_have_turned(loop, kernel):
    turned = [pb.Request(Logging="debug"), pb.Request(set_max_connections_per_ip=3)]
    scene = Scene(loop, turned=lambda: turned)
    scene.begin()
    scene.beginning("question", "question")
    scene.end()


def test_its_process_is_known_until_its_end_is_told(loop, kernel):
    scene = Scene(loop)
    member = scene.begin()
    scene.forks.asked[0][1].callback(77)
    assert (member.pid, kernel.open) == (77, 1)
    scene.end()
    with capturedLogs() as events:
        scene.newcomers.ended(77, 0)
        scene.newcomers.ended(77, -9)
        scene.newcomers.ended(78, 5)
    assert kernel.open == 0
    assert [
        (event["log_level"], event["pid"], event["name"], event["how"]) for event in events
    ] == [
        (LogLevel.info, 77, "worker 0", "exit status 0"),
        (LogLevel.warn, 77, "a worker", "signal 9"),
        (LogLevel.warn, 78, "a worker", "exit status 5"),
    ]


def test_one_that_cannot_be_forked_is_lost(loop, kernel):
    scene = Scene(loop)
    scene.begin()
    scene.forks.asked[0][1].errback(RuntimeError("no memory"))
    assert scene.boss.heard == []
    scene.end()
    assert scene.boss.heard == [("lost", "its process could not be begun: no memory")]


@pytest.mark.parametrize("step", ["pair", "adopt", "whole"])
def test_one_without_a_channel_is_lost_later_and_nothing_stays_open(
    loop, kernel, monkeypatch, step
):
    scene = Scene(loop)
    before = open_descriptors()

    def full(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    if step == "pair":
        monkeypatch.setattr("sozutw.process.workers.newcomers.socket.socketpair", full)
    elif step == "adopt":
        monkeypatch.setattr(loop.reactor, "adoptStreamConnection", full)
    else:
        monkeypatch.setattr(scene.batches, "whole", full)
    scene.begin()
    assert scene.boss.heard == []
    assert not scene.forks.asked
    loop.settle()
    why = "it could not be begun: [Errno 24] Too many open files"
    assert scene.boss.heard == [("lost", why)]
    assert open_descriptors() == before
