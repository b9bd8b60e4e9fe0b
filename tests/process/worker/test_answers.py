"""What a worker is asked, and answers."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import ok
from sozutw.metrics.counters import WorkerCounters
from sozutw.metrics.render import Reports
from sozutw.metrics.transfer import Reader
from sozutw.process.worker import answers as module
from sozutw.process.worker.answers import Answers


class Scene:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self.clock = Clock()
        self.response = ok("fine")
        self.error: Exception | None = None
        channel: Any = SimpleNamespace(say=lambda **word: self.said.append(word))
        traffic: Any = SimpleNamespace(counts=self)
        desk: Any = SimpleNamespace(answer=lambda _question: succeed(self.response))
        self.answers = Answers(channel, traffic, desk, self.clock)

    def gather(self) -> Any:
        yield
        if self.error is not None:
            raise self.error
        return Reports(WorkerCounters(requests=3), {}, {}, 1.0)

    def counters(self) -> list[words.Counters]:
        for _ in range(9):
            self.clock.advance(0)
        return [word["counters"] for word in self.said]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_question_is_answered_under_its_number(scene):
    scene.answers.answer(words.Question(id=4, content=pb.Request(status=pb.Status())))
    (word,) = scene.said
    assert (word["answer"].id, word["answer"].response.message) == (4, "fine")


def test_an_answer_that_the_main_process_would_not_take_is_not_sent(scene, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 2)
    scene.answers.answer(words.Question(id=4, content=pb.Request()))
    (word,) = scene.said
    assert word["answer"].response.status == pb.FAILURE
    assert "the answer is too long" in word["answer"].response.message


def test_counters_are_told_in_pieces_and_then_that_these_were_all(scene):
    scene.answers.count(7)
    told = scene.counters()
    assert {one.id for one in told} == {7}
    assert told[-1].piece == b""
    reader = Reader()
    for one in told[:-1]:
        assert one.piece
        reader.feed(one.piece)
    assert reader.take().worker.requests == 3


def test_counters_that_cannot_be_told_end_all_the_same(scene):
    scene.error = RuntimeError("a defect")
    scene.answers.count(7)
    with capturedLogs() as events:
        told = scene.counters()
    assert [one.piece for one in told] == [b""]
    assert events[0]["log_format"] == "the counters could not be told"


@contextmanager
def stdout(scene: Scene) -> Iterator[int]:
    """Let descriptor 1 of this process be a pipe; gives its other end."""
    reading, writing = os.pipe()
    before = os.dup(1)
    os.dup2(writing, 1)
    os.close(writing)
    try:
        yield reading
        scene.answers.close()
    finally:
        os.dup2(before, 1)
        os.close(before)
        os.close(reading)


def test_counters_are_written_as_a_line(scene):
    with stdout(scene) as reading:
        scene.answers.write_counters()
        scene.counters()
        line = os.read(reading, 1 << 20)
    assert line.endswith(b"\n")
    assert json.loads(line)


def test_nobody_waits_for_a_reader_who_takes_no_counters(scene):
    with stdout(scene) as reading:
        full = fcntl.fcntl(reading, fcntl.F_GETPIPE_SZ)
        os.write(1, b"x" * full)
        scene.answers.write_counters()
        scene.counters()
        assert os.read(reading, 2 * full) == b"x" * full
        scene.answers.close()
        line = os.read(reading, 1 << 20)
    assert json.loads(line)


def test_counters_that_cannot_be_written_are_told_of(scene):
    scene.error = RuntimeError("a defect")
    with capturedLogs() as events:
        scene.answers.write_counters()
        scene.counters()
    assert events[0]["log_format"] == "the counters could not be written"
