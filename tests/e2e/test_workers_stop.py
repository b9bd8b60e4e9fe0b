"""A main process stops with its workers: softly, at once, and when all are told at a time."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import Peer, is_refused, wait_until
from tests.e2e.live import WebSocket
from tests.e2e.stage import SECONDS_MAX, get, response, status_of
from tests.e2e.upgraded import SLOW
from tests.e2e.workers import Manned


def begin(place: Manned, worker: int) -> tuple[Peer, Peer]:
    """Ask this worker for something, and return both ends of what the backend does not answer."""
    client = place.client_of(worker)
    client.send(get("/", SLOW))
    peer = place.slow.accept()
    peer.receive_until(b"\r\n\r\n")
    return client, peer


def end(client: Peer, peer: Peer) -> None:
    """Have it answered, and demand that the client hears it, and that he should go."""
    peer.send(response(b"late"))
    head, body = client.receive_message(SECONDS_MAX)
    assert (status_of(head), body) == (200, b"late")
    assert b"\r\nConnection: close\r\n" in head
    client.expect_end(SECONDS_MAX)


def expect_over(place: Manned) -> None:
    """Demand that all have ended well, and have left nothing."""
    assert place.first.wait() == 0
    wait_until(lambda: not place.family(), "no process left")
    assert not place.pid_path.exists()
    assert not place.socket_path.exists()
    assert is_refused(place.port)
    assert is_refused(place.tls_port)
    assert is_refused(place.admin_port)


def told_to_all(place: Manned, number: signal.Signals) -> None:
    """Send a signal to all processes, as a terminal does, and systemd."""
    for pid in place.family():
        # One may have ended by what another one did with it already.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_for_all", [False, True], ids=["main", "all"])
def test_what_is_under_way_in_any_worker_ends_first(
    tmp_path: Path, number: signal.Signals, is_for_all: bool
) -> None:
    with Manned(tmp_path) as place:
        exchanges = [begin(place, worker) for worker in (0, 1)]
        if is_for_all:
            told_to_all(place, number)
        else:
            os.kill(place.pid, number)
        wait_until(lambda: is_refused(place.port), "nobody accepted")
        for client, peer in exchanges:
            client.expect_silence(0.1)
            end(client, peer)
        expect_over(place)
        assert place.log_path.read_text().count("ended (exit status 0)") == place.count


def test_the_status_tells_whom_each_worker_waits_for(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        idle = place.client_of(0)
        place.ask(idle)
        websocket = WebSocket(place.client_of(1), place.slow)
        exchange = begin(place, 1)
        os.kill(place.pid, signal.SIGTERM)
        wait_until(
            lambda: place.states() == [(0, "STOPPING"), (1, "STOPPING")],
            "both stop",
            said=lambda: str(place.states()),
        )
        told = {one.id: one.drain for one in place.roll()}
        assert [(one.idle, one.exchange, one.tunnel) for one in (told[0], told[1])] == [
            (1, 0, 0),
            (0, 1, 1),
        ]
        assert all(0 < one.seconds_left <= 30 for one in told.values())
        lines = place.asked.told("status")
        assert "worker 0 stops: 1 connection left (1 idle)" in "\n".join(lines)
        assert "worker 1 stops: 2 connections left (1 in an exchange, 1 tunnel)" in "\n".join(lines)
        end(*exchange)
        websocket.end()
        websocket.back.close()
        assert b"\r\nConnection: close\r\n" in place.ask(idle)
        expect_over(place)


@pytest.mark.parametrize("is_for_all", [False, True], ids=["main", "all"])
def test_a_second_signal_waits_for_nobody(tmp_path: Path, is_for_all: bool) -> None:
    with Manned(tmp_path) as place:
        exchanges = [begin(place, worker) for worker in (0, 1)]
        for _ in range(2):
            if is_for_all:
                told_to_all(place, signal.SIGTERM)
            else:
                os.kill(place.pid, signal.SIGTERM)
            wait_until(lambda: is_refused(place.port), "nobody accepted")
        for client, peer in exchanges:
            assert client.receive_rest() == b""
            peer.receive_rest()
        expect_over(place)


def test_the_deadline_cuts_in_all_workers(tmp_path: Path) -> None:
    with Manned(tmp_path, "graceful_shutdown_timeout = 1") as place:
        exchanges = [begin(place, worker) for worker in (0, 1)]
        websocket = WebSocket(place.client_of(0), place.slow)
        os.kill(place.pid, signal.SIGTERM)
        for client, peer in exchanges:
            client.receive_rest()
            peer.receive_rest()
        assert websocket.client.receive_rest() == b""
        expect_over(place)


@pytest.mark.parametrize("is_hard", [False, True], ids=["softly", "at once"])
def test_a_shutdown_by_command(tmp_path: Path, is_hard: bool) -> None:
    with Manned(tmp_path) as place:
        client, peer = begin(place, 1)
        hard, soft = pb.Request(hard_stop=pb.HardStop()), pb.Request(soft_stop=pb.SoftStop())
        with Client(place.socket_path, 2 * SECONDS_MAX) as command:
            answers = command.ask(hard if is_hard else soft)
            if not is_hard:
                wait_until(lambda: is_refused(place.port), "nobody accepted")
                end(client, peer)
            *_, last = answers
        assert last.status == pb.OK
        assert "Successfully closed 2 workers, 0 errors" in last.message
        assert client.receive_rest() == b""
        expect_over(place)


def test_a_worker_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Manned(tmp_path, "graceful_shutdown_timeout = 1") as place:
        os.kill(place.workers()[0], signal.SIGSTOP)
        os.kill(place.pid, signal.SIGTERM)
        expect_over(place)
