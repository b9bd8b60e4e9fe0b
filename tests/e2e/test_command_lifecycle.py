"""The command socket over the life of a process: `shutdown`, `events`, two that want a path."""

import json
import os
import select
import signal
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import Commanded, finish, silent, sozutw
from tests.e2e.harness import (
    Backend,
    Process,
    ReservedPort,
    connect,
    get,
    is_refused,
    start,
    wait_until,
    write_config,
)
from tests.e2e.stage import SECONDS_MAX

STOPPED = "Success: Successfully closed 1 workers, 0 errors, stopping the main process...\n"
FORMS = pytest.mark.parametrize("words", ["shutdown", "shutdown -j"])


def expect_stopped(command: Process, words: str) -> None:
    """Demand that a `shutdown` was answered, and ends well."""
    assert command.wait() == 0, command.said()
    told = command.stdout()
    assert json.loads(told) == {} if "-j" in words else told == STOPPED


# shutdown


@FORMS
def test_shutdown_waits_for_what_is_under_way(tmp_path: Path, words: str) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        events = proxy.run("events")
        events.wait_for_text("EVENTS_SUBSCRIBED")
        peer = proxy.held(client)
        command = proxy.run(words)
        proxy.process.wait_for_text("stopping: 1 connection left")
        wait_until(lambda: is_refused(proxy.port), "nobody new accepted")
        assert command.status is None
        # Whoever asks meanwhile is told what goes on.
        told = proxy.asked(is_json=True).told("status")
        (worker,) = told["WORKERS"]["vec"]
        assert worker["run_state"] == pb.STOPPING
        drain = worker["drain"]
        assert drain["exchange"] == 1
        assert drain["idle"] == drain["tunnel"] == 0
        assert 0 < drain["seconds_left"] <= 30
        assert "worker 0 stops: 1 connection left" in proxy.asked().told("status")[-1]
        text = "Request failed: sozutw is stopping, and changes nothing any more; start it anew"
        for order in (f"listener http add -a {proxy.spare}", f"reload -f {proxy.config}"):
            proxy.asked().refused(order, 1, text)
        # A second one waits too, and hurries nobody.
        second = proxy.run(words)
        wait_until(
            lambda: events.stdout().count("SOZU_STOP_REQUESTED") == 2,
            "two who have asked",
            said=events.said,
        )
        finish(peer, client)
        for each in (command, second):
            expect_stopped(each, words)
        assert proxy.process.wait() == 0
        assert not proxy.path.exists()


@FORMS
def test_a_hard_shutdown_cuts(tmp_path: Path, words: str) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        peer = proxy.held(client)
        words = words.replace("shutdown", "shutdown --hard")
        expect_stopped(proxy.run(words), words)
        assert proxy.process.wait() == 0
        assert client.receive_rest(SECONDS_MAX) == b""
        peer.expect_end(SECONDS_MAX)
        assert not proxy.path.exists()


def test_a_hard_shutdown_hurries_a_soft_one(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        peer = proxy.held(client)
        soft = proxy.run("shutdown")
        proxy.process.wait_for_text("stopping: 1 connection left")
        expect_stopped(proxy.run("shutdown --hard"), "")
        expect_stopped(soft, "")
        assert proxy.process.wait() == 0
        peer.expect_end(SECONDS_MAX)


def test_ctrl_c_hurries_a_shutdown(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        peer = proxy.held(client)
        command = proxy.run("shutdown")
        proxy.process.wait_for_text("stopping: 1 connection left")
        proxy.process.signal(signal.SIGINT)
        expect_stopped(command, "")
        assert proxy.process.wait() == 0
        peer.expect_end(SECONDS_MAX)


def test_ctrl_c_of_the_command_stops_nothing_but_the_command(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        peer = proxy.held(client)
        command = proxy.run("shutdown")
        proxy.process.wait_for_text("stopping: 1 connection left")
        command.signal(signal.SIGINT)
        command.wait()
        # What was asked goes on.
        finish(peer, client)
        assert proxy.process.wait() == 0


def test_who_does_not_want_to_wait_is_told_that_nobody_knows(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, connect(proxy.port) as client:
        peer = proxy.held(client)
        result = proxy.asked().call("shutdown -t 100")
        assert result.exit_code == 4
        assert f"no answer on {proxy.path} for 0.1 s" in result.stderr
        finish(peer, client)
        assert proxy.process.wait() == 0


def test_a_shutdown_is_bounded_by_its_timeout(tmp_path: Path) -> None:
    with (
        Commanded(tmp_path, top="graceful_shutdown_timeout = 1") as proxy,
        connect(proxy.port) as client,
    ):
        proxy.held(client)
        expect_stopped(proxy.run("shutdown"), "")
        assert proxy.process.wait() == 0


# events


def test_events_are_told_as_they_come(tmp_path: Path) -> None:
    check = "-u / --interval 1 --healthy-threshold 1 --unhealthy-threshold 1"
    with Commanded(tmp_path) as proxy, proxy.run("events") as plain, proxy.run("events -j") as told:
        asked = proxy.asked()

        def subscribed() -> int:
            # Each is told of itself, and of those who subscribe after it.
            return sum(bool(one.stdout()) for one in (plain, told))

        wait_until(lambda: subscribed() == 2, "two who listen", said=proxy.process.said)
        asked.done("cluster add -i fresh --load-balancing-policy random")
        with Backend(name="mortal") as backend:
            asked.done(f"backend add -i fresh --backend-id m -a {backend}")
            backend.stop_listening()
            asked.done(f"cluster health-check set -i fresh {check}")
            plain.wait_for_text(f"HEALTH_CHECK_UNHEALTHY cluster=fresh backend=m address={backend}")
            backend.listen_again()
            wait_until(
                lambda: answered(backend, plain), "a backend that is well again", said=plain.said
            )
        asked.done("cluster remove -i fresh")
        plain.wait_for_text("CLUSTER_REMOVED cluster=fresh")
        kinds = [line.split()[2] for line in plain.stdout().splitlines()]
        told_of = [kind for kind in kinds if kind.startswith(("CLUSTER_", "HEALTH_CHECK_"))]
        states = ["HEALTH_CHECK_UNHEALTHY", "HEALTH_CHECK_HEALTHY"]
        assert told_of == ["CLUSTER_ADDED", *states, "CLUSTER_REMOVED"]
        # It ends when the proxy goes, with the status for nobody being there.
        asked.done("shutdown", STOPPED)
        for command in (plain, told):
            assert command.wait() == 3, command.said()
        assert "SOZU_STOP_REQUESTED" in plain.stdout()
        lines = [json.loads(line) for line in told.stdout().splitlines()]
        assert lines[0]["from"] == "main"
        added = next(x["EVENT"] for x in lines if x.get("EVENT", {}).get("cluster_id"))
        assert (added["kind"], added["cluster_id"]) == (pb.CLUSTER_ADDED, "fresh")
        assert lines[-1] == {"error": f"sozutw at {proxy.path} is gone", "code": 3}
        assert plain.stderr() == f"sozutw at {proxy.path} is gone\n"


def answered(backend: Backend, command: Process) -> bool:
    """Answer a check that waits, if there is one, and say whether the backend is well."""
    with ExitStack() as stack:
        try:
            peer = stack.enter_context(backend.accept(0.2))
            peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
            peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        except AssertionError:
            pass
    return "HEALTH_CHECK_HEALTHY cluster=fresh backend=m" in command.stdout()


def test_a_cluster_that_traffic_finds_dead_and_alive_again_is_told(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, proxy.run("events") as command:
        command.wait_for_text("EVENTS_SUBSCRIBED")
        proxy.backend.stop_listening()
        assert proxy.answers("/two") in (502, 503, 504)
        command.wait_for_text(" 0 NO_AVAILABLE_BACKENDS cluster=two\n")
        proxy.backend.listen_again()

        def recovered() -> bool:
            with connect(proxy.port) as client:
                client.send(b"GET /two HTTP/1.1\r\nHost: one.test\r\n\r\n")
                readable, _, _ = select.select(
                    [client.sock, proxy.backend._sock], [], [], SECONDS_MAX
                )
                if readable == [client.sock]:
                    return False
                peer = proxy.backend.accept(SECONDS_MAX)
                peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
                finish(peer, client)
                return True

        # It is left alone for a second after a failed dial.
        wait_until(recovered, "an answer of the backend that is back", said=command.said)
        # Then it is one of those that can be chosen.
        with connect(proxy.port) as client:
            finish(proxy.held(client), client)
        command.wait_for_text(" 0 CLUSTER_RECOVERED cluster=two\n")
        command.signal(signal.SIGINT)
        assert command.wait() == 130
        assert command.stderr() == ""


def test_events_may_be_silent_only_so_long(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy:
        result = proxy.asked().call("events -t 50")
        assert result.exit_code == 4
        assert {line.split()[-1] for line in result.stdout.splitlines()} <= {"EVENTS_SUBSCRIBED"}
        assert result.stderr.startswith("nothing has happened for 0.05 s\n")


# Two that want one path.


def second_config(folder: Path, path: Path | None, port: int) -> Path:
    """Return another configuration, with a command socket at a path or none written."""
    folder.mkdir()
    top = "" if path is None else f'command_socket = "{path}"'
    return write_config(folder, port, ["127.0.0.1:1"], top)


def test_a_second_process_with_the_same_path_does_not_start(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy, ReservedPort() as port:
        config = second_config(tmp_path / "second", proxy.path, port.port)
        with start(config) as second:
            assert second.wait() == 1
            (line,) = second.stderr().splitlines()
            assert line.startswith(
                f"sozutw cannot start: cannot open the command socket {proxy.path}: "
            )
            assert "answers" in line
            assert is_refused(port.port)
        # The first has lost nothing by it.
        assert proxy.asked(is_json=True).told("status")["WORKERS"]["vec"][0]["run_state"] == 0


def test_where_no_path_is_written_a_second_process_goes_on_without(tmp_path: Path) -> None:
    with ReservedPort() as port, ReservedPort() as other:
        config = second_config(tmp_path / "default", None, port.port)
        with start(config) as first:
            first.wait_for_text("commands are taken at")
            (line,) = (x for x in first.stdout().splitlines() if "commands are taken at" in x)
            path = Path(line.rpartition(" ")[2])
            write_config(config.parent, other.port, ["127.0.0.1:1"])
            with start(config) as second:
                second.wait_for_port(other.port)
                second.wait_for_text(f"no command socket: cannot open the command socket {path}: ")
                second.wait_for_text("command_socket names another path")
                assert get(other.port)[0] == 503
                told = sozutw(["status", "-j", "-s", path], tmp_path)
                assert told.wait() == 0, told.said()
                assert json.loads(told.stdout())["WORKERS"]["vec"][0]["pid"] == first.pid
                assert second.stop() == 0
            assert path.exists()
            assert first.stop() == 0
        assert not path.exists()


def test_a_socket_that_nobody_answers_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sozu.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    with Commanded(tmp_path) as proxy:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert proxy.asked().told("status")
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("dear")
    with ReservedPort() as port:
        config = second_config(tmp_path / "other", path, port.port)
        with start(config) as process:
            assert process.wait() == 1
            assert f"cannot open the command socket {path}: " in process.stderr()
    assert path.read_text() == "dear"


def test_a_killed_process_leaves_a_socket_that_the_next_one_replaces(tmp_path: Path) -> None:
    with Commanded(tmp_path) as proxy:
        os.kill(proxy.process.pid, signal.SIGKILL)
        proxy.process.wait()
        text = f"nobody answers on {proxy.path}: sozutw is not running; start it"
        told_by = f"This path was told by command_socket in {proxy.config}."
        for is_json in (False, True):
            proxy.asked(is_json=is_json).refused("status", 3, text, told_by)
        with start(proxy.config) as again:
            again.wait_for_text("commands are taken at")
            assert proxy.asked(is_json=True).told("status")["WORKERS"]["vec"][0]["pid"] == again.pid
            assert again.stop() == 0


def test_somebody_who_takes_the_path_and_says_nothing_is_not_pushed_aside(tmp_path: Path) -> None:
    path = tmp_path / "sozu.sock"
    with ReservedPort() as port, silent(path):
        config = second_config(tmp_path / "other", path, port.port)
        with start(config) as process:
            assert process.wait() == 1
            assert f"cannot open the command socket {path}: " in process.stderr()
