"""The worker's end of its channel."""

import os
import socket
from typing import Any

import pytest
from twisted.logger import capturedLogs

from sozutw.control.proto import worker_pb2 as words
from sozutw.process.worker.channel import Channel
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.fleet import TurnClock, open_descriptors, pair

PING = frame(words.ToWorker(ping=True).SerializeToString())


class Scene:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.error: Exception | None = None
        self.channel = Channel(self.received, lambda: self.heard.append("lost"))
        self.clock = TurnClock()
        _, self.line = pair(self.clock)
        self.line.connect(self.channel)

    def received(self, word: words.ToWorker) -> None:
        self.heard.append((word.WhichOneof("word"), len(self.channel.descriptors)))
        if self.error is not None:
            raise self.error


@pytest.fixture
def scene():
    before = open_descriptors()
    scene = Scene()
    yield scene
    scene.line.lose()
    assert open_descriptors() == before


def test_words_are_handed_on_whole(scene):
    for byte in PING:
        assert not scene.heard
        scene.channel.dataReceived(bytes([byte]))
    scene.channel.dataReceived(PING * 2)
    assert scene.heard == [("ping", 0)] * 3


def test_words_are_said(scene):
    scene.channel.say(pong=words.Pong(sessions=3))
    reader = FrameReader(100)
    reader.feed(scene.line.outbox[0])
    message = reader.take()
    assert message is not None
    assert words.FromWorker.FromString(message).pong.sessions == 3


def test_descriptors_wait_for_their_word_and_are_no_childs(scene):
    ours, theirs = socket.socketpair()
    with ours:
        descriptor = theirs.detach()
        os.set_inheritable(descriptor, True)
        scene.channel.fileDescriptorReceived(descriptor)
        scene.channel.dataReceived(PING)
        assert scene.heard == [("ping", 1)]
        assert not os.get_inheritable(descriptor)


def test_descriptors_that_no_word_came_for_are_closed(scene):
    ours, theirs = socket.socketpair()
    with ours:
        scene.channel.fileDescriptorReceived(theirs.detach())
        scene.line.lose()
        assert ours.recv(1) == b""
    assert scene.heard == ["lost"]


def test_it_ends_when_all_was_said(scene):
    scene.channel.say(pong=words.Pong(sessions=3))
    scene.channel.close()
    scene.clock.turn()
    assert not scene.line.is_lost
    scene.line.other.connect(Channel(lambda _word: None, lambda: None))
    scene.line.deliver()
    assert scene.line.is_lost


@pytest.mark.parametrize("nonsense", [b"\xff" * 16, frame(b"\xff\xff\xff")])
def test_a_main_process_that_cannot_be_understood_is_left(scene, nonsense):
    with capturedLogs() as events:
        scene.channel.dataReceived(nonsense + PING)
    assert [event["log_format"] for event in events] == ["the main process cannot be understood"]
    assert scene.line.disconnecting
    scene.clock.turn()
    assert scene.heard == ["lost"]


def test_a_word_that_cannot_be_meant_is_the_last(scene):
    scene.error = ValueError("no")
    with capturedLogs() as events:
        scene.channel.dataReceived(PING * 2)
    assert len(events) == 1
    assert scene.heard == [("ping", 0)]
    assert scene.line.disconnecting
