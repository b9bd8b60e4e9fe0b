"""The main process's end of a channel."""

import socket
from typing import Any

import pytest
from twisted.logger import capturedLogs

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.control.proto import worker_pb2 as words
from sozutw.process.workers import batch as batch_module
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.link import MESSAGE_BYTES_MAX, Link
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.fleet import FULL_BYTES, Line, TurnClock, pair

PING = words.ToWorker(ping=True)


class End:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.on_word: Any = lambda: None

    def received(self, word: words.FromWorker) -> None:
        self.heard.append(word.WhichOneof("word"))
        self.on_word()

    def has_taken(self) -> None:
        self.heard.append("taken")

    def lost(self, why: str) -> None:
        self.heard.append(("lost", why))


class Scene:
    def __init__(self) -> None:
        self.clock = TurnClock()
        self.end = End()
        self.link = Link(self.clock, self.end)
        self.line, self.worker = pair(self.clock)
        self.line.connect(self.link)

    def said(self) -> list[str]:
        reader = FrameReader(1 << 30)
        told = []
        for thing in self.line.outbox:
            if isinstance(thing, int):
                told.append("socket")
                continue
            reader.feed(thing)
            message = reader.take()
            assert message is not None
            told.append(words.ToWorker.FromString(message).WhichOneof("word"))
        return told

    def hear(self, *told: words.FromWorker) -> None:
        self.link.dataReceived(b"".join(frame(one.SerializeToString()) for one in told))

    def batch(self, count: int = 1, **more: Any) -> Batch:
        batch = Batch(1, [AddCluster(Cluster(f"c{n}")) for n in range(count)], more, {})
        batch.hold()
        return batch


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(batch_module, "ORDERS_MAX", 1)


def pong() -> words.FromWorker:
    return words.FromWorker(pong=words.Pong(sessions=1))


def test_words_go_both_ways(scene):
    scene.link.say(PING)
    assert scene.said() == ["ping"]
    scene.hear(pong(), words.FromWorker(begun=words.Begun(version=1, pid=2)))
    assert scene.end.heard == ["pong", "begun"]


def test_words_in_small_portions(scene):
    for byte in frame(pong().SerializeToString()):
        scene.link.dataReceived(bytes([byte]))
    assert scene.end.heard == ["pong"]


def test_batches_go_one_after_the_other_and_words_between_their_pieces(scene):
    scene.clock.drift = 0.001
    first, second = scene.batch(2), scene.batch(1)
    scene.link.send(first)
    scene.link.send(second)
    scene.clock.turn()
    assert scene.said() == ["orders", "orders"]
    scene.link.say(PING)
    assert scene.link.is_sending(first)
    while scene.link.is_sending(second):
        scene.clock.turn()
    assert scene.said() == ["orders", "orders", "ping", *["orders"] * 3]
    assert not scene.link.is_sending(first)
    scene.clock.turn()
    scene.clock.turn()
    assert not scene.clock.getDelayedCalls()
    scene.link.send(third := scene.batch(1))
    assert scene.link.is_sending(third)
    scene.clock.turn()
    assert not scene.link.is_sending(third)


def test_sockets_go_before_their_message(scene):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        batch = Batch(1, [], {InetAddress("127.0.0.1", 1): sock}, {})
        batch.hold()
        scene.link.send(batch)
        scene.clock.turn()
        assert scene.said() == ["socket", "orders"]
        batch.let_go()


def test_who_takes_no_more_is_told_no_more_orders(scene):
    scene.link.pauseProducing()
    scene.link.pauseProducing()
    scene.link.send(batch := scene.batch(1))
    scene.clock.turn()
    assert scene.said() == []
    scene.link.resumeProducing()
    assert scene.end.heard == ["taken"]
    scene.link.resumeProducing()
    assert scene.end.heard == ["taken"]
    scene.clock.turn()
    scene.clock.turn()
    assert not scene.link.is_sending(batch)


def test_a_batch_stops_when_the_buffer_is_full_and_goes_on_when_it_was_taken(scene, monkeypatch):
    monkeypatch.setattr("tests.fakes.fleet.FULL_BYTES", 1)
    scene.worker.connect(Sink())
    scene.link.send(batch := scene.batch(3))
    for count in range(1, 4):
        scene.clock.turn()
        scene.clock.turn()
        assert scene.said() == ["orders"], count
        scene.line.deliver()
    for _ in range(3):
        scene.line.deliver()
        scene.clock.turn()
    assert not scene.link.is_sending(batch)
    assert FULL_BYTES


class Sink:
    def makeConnection(self, transport: Any) -> None:
        pass

    def dataReceived(self, data: bytes) -> None:
        pass


def test_its_end_is_told_once(scene):
    scene.link.send(scene.batch(3))
    scene.line.lose()
    assert scene.end.heard == [("lost", "its channel closed")]
    scene.link.cut("later")
    scene.link.say(PING)
    scene.link.send(scene.batch(1))
    scene.clock.turn()
    assert scene.end.heard == [("lost", "its channel closed")]
    assert not scene.clock.getDelayedCalls()


def test_after_a_cut_nothing_is_said_or_heard_but_the_loss(scene):
    scene.end.on_word = lambda: scene.link.cut("enough")
    scene.hear(pong(), pong())
    scene.link.cut("again")
    scene.link.say(PING)
    scene.link.send(scene.batch(1))
    assert scene.end.heard == ["pong"]
    assert scene.said() == []
    scene.clock.turn()
    assert scene.end.heard == ["pong", ("lost", "enough")]


def test_one_that_never_was_connected_is_lost_all_the_same():
    clock, end = TurnClock(), End()
    link = Link(clock, end)
    link.say(PING)
    link.cut("no channel")
    assert end.heard == []
    clock.turn()
    assert end.heard == [("lost", "no channel")]
    link.connectionLost()
    assert len(end.heard) == 1


@pytest.mark.parametrize(
    "nonsense",
    [b"\xff" * 16, frame(b"\xff\xff\xff"), (MESSAGE_BYTES_MAX + 99).to_bytes(8, "little")],
)
def test_who_cannot_be_understood_is_cut_off(scene, nonsense):
    scene.link.dataReceived(nonsense)
    scene.clock.turn()
    ((kind, why),) = scene.end.heard
    assert kind == "lost"
    assert why.startswith("it cannot be understood: ")


def test_one_that_cannot_be_told_its_orders_does_not_wait_in_vain(scene):
    def defect():
        yield AddCluster(Cluster("a"))
        raise RuntimeError("a defect")

    batch = Batch(1, defect(), {}, {})
    batch.hold()
    scene.link.send(batch)
    with capturedLogs() as events:
        scene.clock.turn()
        scene.clock.turn()
    assert any("cannot be told" in event["log_format"] for event in events)
    scene.clock.turn()
    assert scene.end.heard == [("lost", "it could not be told its configuration; the log has more")]


def test_the_producer_is_registered_and_may_be_stopped(scene):
    assert scene.line.producer is scene.link
    scene.link.stopProducing()
    assert isinstance(scene.line, Line)
