"""What a signal asks for is asked of the desk, and what came of it is in the log."""

import os
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from sozutw.control.desk import Actor, Tell
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure, ok, processing
from sozutw.process.reload import CHANGES_TOLD_MAX, FileReload

PATH = "/etc/sozutw.toml"


class Desk:
    """Answers when the test does."""

    def __init__(self) -> None:
        self.asked: list[tuple[pb.Request, Actor]] = []
        self.answers: list[Deferred[pb.Response]] = []

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        tell(processing("working on it"))
        self.asked.append((request, actor))
        self.answers.append(Deferred())
        return self.answers[-1]


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    with capturedLogs() as events:
        yield events


def lines(logged: list[LogEvent], level: LogLevel = LogLevel.info) -> list[str]:
    """Return what was told behind the first line, which says that the file is read."""
    told = [str(formatEvent(event)) for event in logged if event["log_level"] is level]
    return [line for line in told if line != f"SIGHUP: {PATH} is read again"]


def changed(count: int) -> pb.Response:
    requests = [pb.Request(remove_cluster=f"c{number}") for number in range(count)]
    return ok(f"Successfully loaded the config: {count} ok", changes=pb.Batch(requests=requests))


def test_the_desk_is_asked_as_by_somebody_at_the_socket(logged: list[LogEvent]) -> None:
    desk = Desk()
    FileReload(desk, PATH).ask()
    ((request, actor),) = desk.asked
    assert request == pb.Request(apply_configuration=pb.ApplyConfiguration(path=PATH))
    assert actor == (os.getuid(), os.getgid(), os.getpid(), "SIGHUP", 0)
    desk.answers[0].callback(changed(2))
    assert lines(logged) == [
        "SIGHUP: remove_cluster cluster:c0",
        "SIGHUP: remove_cluster cluster:c1",
        "SIGHUP: Successfully loaded the config: 2 ok",
    ]


def test_of_many_changes_some_are_told(logged: list[LogEvent]) -> None:
    desk = Desk()
    FileReload(desk, PATH).ask()
    desk.answers[0].callback(changed(CHANGES_TOLD_MAX + 3))
    told = lines(logged)
    assert len(told) == CHANGES_TOLD_MAX + 2
    assert told[-2] == "SIGHUP: and 3 changes more"


def test_each_thing_that_is_wrong_has_its_line(logged: list[LogEvent]) -> None:
    desk = Desk()
    FileReload(desk, PATH).ask()
    desk.answers[0].callback(failure(f"loading failed: {PATH}:1: this\n{PATH}:7: that"))
    assert lines(logged) == []
    assert lines(logged, LogLevel.error) == [
        f"SIGHUP: loading failed: {PATH}:1: this",
        f"SIGHUP: {PATH}:7: that",
    ]


@pytest.mark.usefixtures("logged")
def test_however_often_it_is_asked_meanwhile_one_more_follows() -> None:
    desk = Desk()
    reload = FileReload(desk, PATH)
    for _ in range(3):
        reload.ask()
    assert len(desk.asked) == 1
    desk.answers[0].callback(changed(0))
    assert len(desk.asked) == 2
    desk.answers[1].callback(failure("no"))
    assert len(desk.asked) == 2
    reload.ask()
    assert len(desk.asked) == 3
