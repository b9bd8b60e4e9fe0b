"""Whoever started the process is told how it is, and nobody waits for that."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from sozutw.process.system.notify import LifeSigns, Notifier, take_notifier
from tests.fakes.loops import loop_named


class Listening:
    """A real socket, as systemd has one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def told(self) -> list[list[str]]:
        """Return what came, message by message, a list of assignments each."""
        messages = []
        while True:
            try:
                messages.append(self.sock.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    name = str(tmp_path / "notify")
    listening = Listening(name if request.param == "path" else f"@sozutw-test{name}")
    yield listening
    listening.sock.close()


class FakeProxy:
    text = "0 clients at http://127.0.0.1:80"
    connections = 3

    def describe(self) -> str:
        return self.text

    def count_connections(self) -> int:
        return self.connections


class Case:
    """A process that is told of, on a clock."""

    def __init__(self, listening: Listening, watchdog_seconds: float | None = None) -> None:
        self.clock = Clock()
        self.proxy = FakeProxy()
        self.notifier = Notifier(listening.address, watchdog_seconds)
        self.life = LifeSigns(self.notifier, self.clock, self.proxy, 30.0)


def test_it_is_ready_once_and_its_status_is_told_when_it_changes(listening: Listening) -> None:
    case = Case(listening)
    assert listening.told() == []
    case.life.ready()
    status = f"STATUS={case.proxy.text}"
    assert listening.told() == [["READY=1", f"MAINPID={os.getpid()}", status]]
    case.clock.advance(5)
    assert listening.told() == []
    case.proxy.text = "1 client\nat é"
    case.clock.advance(5)
    assert listening.told() == [["STATUS=1 client at é"]]
    case.life.close()
    assert case.clock.getDelayedCalls() == []


def test_a_status_is_never_long(listening: Listening) -> None:
    case = Case(listening)
    case.proxy.text = "x" * 10_000
    case.life.ready()
    ((*_, status),) = listening.told()
    assert len(status) == len("STATUS=") + 400
    assert status.endswith("x…")
    case.life.close()


def test_a_reload_has_a_begin_and_an_end(listening: Listening) -> None:
    case = Case(listening)
    case.life.reload_begun()
    case.life.reload_ended()
    assert listening.told() == []  # It is no reload before it is ready.
    case.life.ready()
    listening.told()
    before = time.monotonic_ns() // 1000
    case.life.reload_begun()
    ((reloading, stamp),) = listening.told()
    assert reloading == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    case.proxy.text = "another"
    case.life.reload_ended()
    assert listening.told() == [["READY=1", "STATUS=another"]]
    case.life.close()


def test_a_stop_tells_who_is_left_and_nothing_is_ready_after_it(listening: Listening) -> None:
    case = Case(listening)
    case.life.ready()
    case.life.reload_begun()
    listening.told()
    case.life.stop_begun()
    case.life.stop_begun()
    assert listening.told() == [
        ["STOPPING=1", "EXTEND_TIMEOUT_USEC=45000000", "STATUS=stopping: 3 connections left"]
    ]
    case.life.reload_ended()
    case.life.reload_begun()
    case.life.ready()
    case.proxy.connections = 1
    case.clock.advance(1)
    case.clock.advance(1)
    assert listening.told() == [["STATUS=stopping: 1 connection left"]]
    case.life.close()
    assert case.clock.getDelayedCalls() == []


def test_a_stop_before_it_was_ready_is_told_too(listening: Listening) -> None:
    case = Case(listening)
    case.life.stop_begun()
    assert listening.told()[0][0] == "STOPPING=1"
    case.life.close()


def test_a_successor_that_gives_up_tells_of_no_stop(listening: Listening) -> None:
    case = Case(listening)
    case.life.is_successor = True
    case.life.stop_begun()
    assert listening.told() == []
    assert case.clock.getDelayedCalls() == []
    case.life.close()


def test_signs_of_life_come_twice_as_often_as_they_must(listening: Listening) -> None:
    case = Case(listening, watchdog_seconds=3.0)
    case.life.ready()
    assert listening.told()[1:] == [["WATCHDOG=1"]]
    for _ in range(3):
        case.clock.advance(1.4)
        assert listening.told() == []
        case.clock.advance(0.1)
        assert listening.told() == [["WATCHDOG=1"]]
    case.life.stop_begun()
    listening.told()
    case.clock.advance(1.5)
    assert listening.told() == [["WATCHDOG=1"]]
    case.life.close()


@pytest.mark.parametrize("name", ["direct", "epoll"])
def test_a_loop_gives_signs_of_life_and_one_that_hangs_does_not(tmp_path: Path, name: str) -> None:
    listening = Listening(str(tmp_path / "n"))
    with loop_named(name) as loop:
        life = LifeSigns(Notifier(listening.address, 0.02), loop.reactor, FakeProxy(), 1.0)
        life.ready()
        listening.told()
        signs: list[list[str]] = []

        def three_came() -> bool:
            signs.extend(listening.told())
            return len(signs) >= 3

        loop.run_until(three_came)
        assert signs == [["WATCHDOG=1"]] * len(signs)
        # Nobody runs the loop now.
        assert listening.told() == []
        life.close()
    listening.sock.close()


def fill(listening: Listening) -> None:
    """Leave no room for another message."""
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            filler.sendto(b"x", listening.address)
    filler.close()


def test_what_there_is_no_room_for_is_told_later_in_order(tmp_path: Path) -> None:
    listening = Listening(str(tmp_path / "n"))
    listening.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    case = Case(listening)
    fill(listening)
    case.life.ready()
    assert {line for (line,) in listening.told()} == {"x"}
    case.proxy.text = "more"
    case.clock.advance(5)
    assert [message[0] for message in listening.told()] == ["READY=1", "STATUS=more"]
    case.life.close()
    listening.sock.close()


def test_nobody_who_listens_is_no_matter(tmp_path: Path) -> None:
    for address in (str(tmp_path / "none"), "@sozutw-nobody", "/" + "x" * 200):
        notifier = Notifier(address)
        notifier.tell("READY=1")
        notifier.flush()
        notifier.close()
    clock = Clock()
    life = LifeSigns(Notifier(), clock, FakeProxy(), 30.0)
    life.ready()
    life.reload_begun()
    life.stop_begun()
    life.close()
    assert clock.getDelayedCalls() == []


def test_the_variables_are_read_once_and_not_left_for_children() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notifier = take_notifier(environment)
    assert (notifier.address, notifier.watchdog_seconds, notifier.is_heard) == ("/run/n", 30, True)
    assert environment == {"HOME": "/"}
    assert not take_notifier(environment).is_heard


@pytest.mark.parametrize(
    ("watchdog", "pid", "seconds"),
    [
        ("3000000", "", 3.0),
        ("3000000", "1", None),
        ("0", "", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_a_watchdog_that_means_another_process_is_none(
    watchdog: str, pid: str, seconds: float | None
) -> None:
    environment = {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": watchdog, "WATCHDOG_PID": pid}
    assert take_notifier(environment).watchdog_seconds == seconds


@pytest.mark.parametrize("address", ["vsock:2:1", "notify", "@", "/\0"])
def test_an_address_of_another_kind_is_told_of_and_left(address: str) -> None:
    with capturedLogs() as events:
        assert not take_notifier({"NOTIFY_SOCKET": address}).is_heard
    assert "NOTIFY_SOCKET" in events[0]["log_format"]


def test_a_successor_is_named_and_is_heard_in_our_place(listening: Listening) -> None:
    case = Case(listening, watchdog_seconds=20)
    case.life.ready()
    listening.told()
    assert case.life.environment() == {
        "NOTIFY_SOCKET": listening.address,
        "WATCHDOG_USEC": "20000000",
    }
    case.life.replaced_by(4321)
    # It counts from the last sign that was heard of the one before.
    assert listening.told() == [["MAINPID=4321", "WATCHDOG=1"]]
    case.life.stop_begun()
    case.clock.advance(100)
    assert listening.told() == []
    assert case.clock.getDelayedCalls() == []
    assert case.life.environment() == {}


def test_a_successor_is_named_even_if_there_is_no_room_at_first(tmp_path: Path) -> None:
    listening = Listening(str(tmp_path / "n"))
    case = Case(listening)
    case.life.ready()
    fill(listening)
    case.life.replaced_by(4321)
    case.life.stop_begun()
    case.clock.advance(1)
    assert ["MAINPID=4321"] not in listening.told()
    case.clock.advance(1)
    assert listening.told() == [["MAINPID=4321"]]
    assert case.clock.getDelayedCalls() == []
    listening.sock.close()


def test_without_a_watchdog_a_successor_has_none() -> None:
    assert Notifier("/run/notify").environment() == {"NOTIFY_SOCKET": "/run/notify"}
    assert Notifier().environment() == {}
