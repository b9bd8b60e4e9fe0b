"""`sozutw start` is `twistd -n sozutw`: what holds for one is tested for the other."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import harness
from tests.e2e.harness import Backend, Peer, Process, ReservedPort, connect, is_refused, wait_until

Start = Callable[..., Process]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(params=[harness.start, harness.twistd], ids=["start", "twistd"])
def start(request: pytest.FixtureRequest) -> Start:
    chosen: Start = request.param
    return chosen


@pytest.fixture
def reserved() -> Iterator[ReservedPort]:
    with ReservedPort() as port:
        yield port


def exchange(client: Peer, backend: Backend) -> Peer:
    """Carry one request through, and return the backend's connection, still open."""
    client.send(GET)
    peer = backend.accept()
    peer.receive_until(b"\r\n\r\n")
    peer.send(OK)
    assert client.receive_message()[1] == b"hi"
    return peer


def test_it_serves_and_sigterm_ends_it_with_status_0(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    with Backend() as backend:
        path = harness.write_config(tmp_path, reserved.port, [backend])
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                exchange(client, backend)
            assert process.stop() == 0
            assert "Traceback" not in process.said()
            assert not (tmp_path / "twistd.pid").exists()


def test_the_first_signal_waits_for_what_is_under_way(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    with Backend() as backend:
        path = harness.write_config(tmp_path, reserved.port, [backend])
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                client.send(GET)
                peer = backend.accept()
                peer.receive_until(b"\r\n\r\n")
                process.signal(signal.SIGINT)
                process.wait_for_text(
                    "stopping: 1 connection left (1 in an exchange), at most 30 s"
                )
                wait_until(lambda: is_refused(reserved.port), "nobody listening")
                assert process.status is None
                peer.send(OK)
                assert client.receive_message()[1] == b"hi"
            assert process.wait() == 0
            assert "Traceback" not in process.said()


def test_the_second_signal_ends_it_at_once(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    with Backend() as backend:
        path = harness.write_config(tmp_path, reserved.port, [backend])
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                client.send(GET)
                backend.accept().receive_until(b"\r\n\r\n")
                process.signal(signal.SIGTERM)
                process.wait_for_text("stopping: ")
                process.signal(signal.SIGTERM)
                assert process.wait(5.0) == 0
            assert "Traceback" not in process.said()


def test_the_wait_is_bounded(start: Start, reserved: ReservedPort, tmp_path: Path) -> None:
    with Backend() as backend:
        top = "graceful_shutdown_timeout = 1"
        path = harness.write_config(tmp_path, reserved.port, [backend], top)
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                client.send(GET)
                backend.accept().receive_until(b"\r\n\r\n")
                assert process.stop(5.0) == 0
            assert "1 s are over" in process.stderr()
            assert "Traceback" not in process.said()


def test_an_idle_client_is_kept_until_its_next_answer(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    with Backend() as backend:
        path = harness.write_config(tmp_path, reserved.port, [backend])
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                peer = exchange(client, backend)
                process.signal(signal.SIGTERM)
                wait_until(lambda: is_refused(reserved.port), "nobody listening")
                client.send(GET)
                peer.receive_until(b"\r\n\r\n")
                peer.send(OK)
                head, body = client.receive_message()
                assert body == b"hi"
                assert b"\r\nConnection: close\r\n" in head
                client.expect_end()
            assert process.wait() == 0
            assert "Traceback" not in process.said()


def test_an_idle_client_that_asks_for_nothing_holds_it_up_until_the_deadline(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    with Backend() as backend:
        top = "graceful_shutdown_timeout = 1"
        path = harness.write_config(tmp_path, reserved.port, [backend], top)
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                exchange(client, backend)
                assert process.stop(5.0) == 0
                client.expect_end()
            assert "1 s are over" in process.stderr()


def test_counters_are_json_on_stdout(start: Start, reserved: ReservedPort, tmp_path: Path) -> None:
    with Backend() as backend:
        path = harness.write_config(
            tmp_path, reserved.port, [backend], f'access_logs_target = "file://{tmp_path}/access"'
        )
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                exchange(client, backend)
                process.signal(signal.SIGUSR1)
                wait_until(lambda: "{" in process.stdout(), "counters", said=process.said)
            assert process.stop() == 0
            text = process.stdout()
            assert isinstance(json.JSONDecoder().raw_decode(text[text.index("{") :])[0], dict)


def test_a_bad_file_ends_with_78_and_every_error(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    path = harness.write_config(tmp_path, reserved.port, ["127.0.0.1:99999"], cluster="sticki = 1")
    with start(path) as process:
        assert process.wait() == 78
        assert process.stderr().count(f"{path}:") >= 2
        assert "Traceback" not in process.said()


def test_a_port_that_is_taken_is_one_line(start: Start, tmp_path: Path) -> None:
    # The harness's own backend does not share its port.
    with Backend() as taken:
        path = harness.write_config(tmp_path, taken.port, ["127.0.0.1:1"])
        with start(path) as process:
            assert process.wait() == 1
            assert "sozutw cannot start: " in process.stderr()
            assert str(taken.port) in process.stderr()
            assert "Traceback" not in process.said()


def test_a_second_one_on_the_same_port_says_so(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    path = harness.write_config(tmp_path, reserved.port, ["127.0.0.1:1"])
    with start(path) as first:
        first.wait_for_port(reserved.port)
        with start(path) as second:
            assert second.wait() == 1
            (line,) = second.stderr().splitlines()
            assert line.startswith(f"sozutw cannot start: cannot listen on {reserved}: ")
            assert "another program listens there" in line
        assert first.stop() == 0


def test_more_connections_than_descriptors_end_with_78(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    path = harness.write_config(
        tmp_path, reserved.port, ["127.0.0.1:1"], top="max_connections = 2000000000"
    )
    with start(path) as process:
        assert process.wait() == 78
        lines = [x for x in process.stderr().splitlines() if "descriptors" in x]
        assert len(lines) == 1
        assert "max_connections = 2000000000 needs" in lines[0]
        assert "Traceback" not in process.said()


def test_the_pid_file_is_written_and_taken_back(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    path = harness.write_config(
        tmp_path, reserved.port, ["127.0.0.1:1"], 'pid_file_path = "sozutw.pid"'
    )
    with start(path) as process:
        process.wait_for_port(reserved.port)
        written = tmp_path / "sozutw.pid"
        wait_until(lambda: written.exists() and written.read_text() != "", "its pid")
        assert int(written.read_text()) == process.pid
        assert process.stop() == 0
        assert not (tmp_path / "sozutw.pid").exists()


def test_sighup_reopens_the_access_log(
    start: Start, reserved: ReservedPort, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    with Backend() as backend:
        path = harness.write_config(
            tmp_path, reserved.port, [backend], f'access_logs_target = "file://{log}"'
        )
        with start(path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                peer = exchange(client, backend)
                wait_until(lambda: log.exists() and log.stat().st_size > 0, "a line")
                os.rename(log, tmp_path / "access.log.1")
                process.signal(signal.SIGHUP)
                wait_until(log.exists, "the log reopened", said=process.said)
                client.send(GET)
                peer.receive_until(b"\r\n\r\n")
                peer.send(OK)
                client.receive_message()
                wait_until(lambda: log.stat().st_size > 0, "a line in the new file")
            assert process.stop() == 0


def test_other_reactors_may_be_chosen(reserved: ReservedPort, tmp_path: Path) -> None:
    for name in ("epoll", "asyncio", "poll"):
        with Backend() as backend:
            path = harness.write_config(tmp_path, reserved.port, [backend])
            with harness.twistd(path, "--reactor", name) as process:
                process.wait_for_port(reserved.port)
                with connect(reserved.port) as client:
                    exchange(client, backend)
                assert process.stop() == 0, process.said()
