import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher

from sozutw.config.model import AccessLogFormat, InetAddress
from sozutw.config.targets import (
    FileTarget,
    StdoutTarget,
    TcpTarget,
    UdpTarget,
    UnixTarget,
)
from sozutw.process.logs.reporting import (
    PAUSE_SECONDS,
    RECORDS_PER_WRITE,
    WRITE_SECONDS,
    AccessLog,
    choose_render,
    open_writer,
)
from sozutw.process.logs.tcp_writer import TcpWriter
from sozutw.process.logs.writers import DatagramWriter, StreamWriter
from sozutw.relay.access import NO_TAGS, AccessRecord

RECORD = AccessRecord(
    1_790_000_000_000_000_000,
    b"S",
    b"R",
    "app",
    "app-0",
    "192.0.2.7:4",
    "127.0.0.1:8000",
    100_000,
    100_000,
    100_000,
    0,
    0,
    1,
    2,
    NO_TAGS,
    b"",
    "HTTP",
    b"GET",
    b"a.test",
    b"/",
    200,
    b"OK",
    "",
    False,
    b"",
    b"",
)


class Scene:
    """An access log over a file and a clock."""

    def __init__(self, path: Path, form: AccessLogFormat = AccessLogFormat.ASCII) -> None:
        self.path = path
        self.clock = MemoryReactorClock()
        self.log = AccessLog(self.clock, f"file://{path}", form)
        self.log.startService()

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "access.log")


def test_a_record_is_written_after_a_moment(scene: Scene) -> None:
    scene.log.append(RECORD)
    assert scene.lines() == []
    scene.clock.advance(WRITE_SECONDS)
    assert len(scene.lines()) == 1
    assert scene.lines()[0].endswith("HTTP a.test GET / 200")
    scene.clock.advance(WRITE_SECONDS)
    scene.log.append(RECORD)
    scene.clock.advance(WRITE_SECONDS)
    assert len(scene.lines()) == 2
    assert scene.log.counters.access_logs == 2


def test_append_costs_no_frame(scene: Scene) -> None:
    assert type(scene.log.append) is type([].append)


def test_many_records_are_written_in_slices_with_room_between(scene: Scene) -> None:
    for _ in range(2 * RECORDS_PER_WRITE + 1):
        scene.log.append(RECORD)
    scene.clock.advance(WRITE_SECONDS)
    assert len(scene.lines()) == RECORDS_PER_WRITE
    scene.clock.advance(PAUSE_SECONDS)
    assert len(scene.lines()) == 2 * RECORDS_PER_WRITE
    scene.clock.advance(PAUSE_SECONDS)
    assert len(scene.lines()) == 2 * RECORDS_PER_WRITE + 1
    (waiting,) = scene.clock.getDelayedCalls()
    assert waiting.getTime() - scene.clock.seconds() == pytest.approx(WRITE_SECONDS)


def test_json_lines_may_be_chosen(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "access.json", AccessLogFormat.JSON)
    scene.log.append(RECORD)
    scene.log.flush()
    assert json.loads(scene.lines()[0])["path"] == "/"


def test_colours_are_for_standard_output_alone() -> None:
    render = choose_render(AccessLogFormat.ASCII, "MAIN", is_colored=True)
    assert b"\x1b" in render([RECORD])
    log = AccessLog(MemoryReactorClock(), "file:///x", is_colored=True)
    assert b"\x1b" not in log._render([RECORD])


def test_reopening_goes_on_in_a_new_file(scene: Scene) -> None:
    old = scene.path.with_suffix(".old")
    scene.log.append(RECORD)
    scene.path.rename(old)
    scene.log.reopen()
    scene.log.append(RECORD)
    scene.log.flush()
    assert len(old.read_text().splitlines()) == 1
    assert len(scene.lines()) == 1


def test_reopening_that_fails_goes_on_in_the_old_file_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    scene = Scene(folder / "access.log")
    heard: list[Any] = []
    folder.rename(tmp_path / "moved")
    globalLogPublisher.addObserver(heard.append)
    try:
        scene.log.reopen()
    finally:
        globalLogPublisher.removeObserver(heard.append)
    scene.log.append(RECORD)
    scene.log.flush()
    assert len((tmp_path / "moved" / "access.log").read_text().splitlines()) == 1
    assert "cannot be reopened" in heard[0]["log_format"]


def test_stopping_writes_what_is_left(scene: Scene) -> None:
    for _ in range(2 * RECORDS_PER_WRITE + 1):
        scene.log.append(RECORD)
    assert scene.log.stopService().called
    assert len(scene.lines()) == 2 * RECORDS_PER_WRITE + 1
    assert scene.clock.getDelayedCalls() == []


def test_what_comes_after_the_stop_is_counted_as_lost(scene: Scene) -> None:
    scene.log.stopService()
    scene.log.append(RECORD)
    scene.log.reopen()
    scene.log.flush()
    assert scene.lines() == []
    assert scene.log.counters.unsent_access_logs == 1


def test_stopping_what_never_started_is_nothing() -> None:
    assert AccessLog(MemoryReactorClock(), "stdout").stopService().called


def test_a_fault_in_a_record_does_not_stop_the_log(scene: Scene) -> None:
    heard: list[Any] = []
    globalLogPublisher.addObserver(heard.append)
    scene.log.append(None)  # type: ignore[arg-type]
    try:
        scene.clock.advance(WRITE_SECONDS)
    finally:
        globalLogPublisher.removeObserver(heard.append)
    assert scene.log.counters.unsent_access_logs == 1
    assert heard[0]["log_failure"].check(TypeError)
    scene.log.append(RECORD)
    scene.clock.advance(WRITE_SECONDS)
    assert len(scene.lines()) == 1


def test_lines_that_a_target_gave_up_are_counted(tmp_path: Path) -> None:
    clock = MemoryReactorClock()
    log = AccessLog(clock, f"unix://{tmp_path}/nobody.sock")
    log.startService()
    log.append(RECORD)
    clock.advance(WRITE_SECONDS)
    assert log.counters.access_logs == log.counters.unsent_access_logs == 1
    log.stopService()


def test_a_target_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="is meant"):
        AccessLog(MemoryReactorClock(), "/var/log/a.log")


def test_a_file_that_cannot_be_opened_is_heard_at_the_start(tmp_path: Path) -> None:
    log = AccessLog(MemoryReactorClock(), f"file://{tmp_path}/no/such/folder")
    with pytest.raises(OSError, match="No such file"):
        log.startService()
    log.stopService()


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (StdoutTarget(), StreamWriter),
        (UdpTarget(InetAddress("127.0.0.1", 9)), DatagramWriter),
        (UnixTarget("/nobody"), DatagramWriter),
        (TcpTarget(InetAddress("127.0.0.1", 9)), TcpWriter),
    ],
)
def test_each_target_has_its_writer(target: Any, kind: type) -> None:
    writer = open_writer(target, MemoryReactorClock(), lambda _lines: None)
    assert isinstance(writer, kind)
    writer.close()


def test_a_file_target_is_opened_at_once(tmp_path: Path) -> None:
    writer = open_writer(FileTarget(str(tmp_path / "a")), None, lambda _lines: None)
    assert (tmp_path / "a").exists()
    writer.close()
