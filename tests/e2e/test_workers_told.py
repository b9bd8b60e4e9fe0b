"""What a proxy with workers tells of itself: counters, sessions, events, logs, the audit trail."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from sozutw.control.client import Client
from sozutw.control.messages.session_numbers import number_of, text_of
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import Asked, sozutw
from tests.e2e.harness import get as fetch
from tests.e2e.harness import wait_until
from tests.e2e.stage import SECONDS_MAX
from tests.e2e.test_admin import scrape
from tests.e2e.workers import Manned

REQUESTS = {0: 3, 1: 5}
"""How many each worker is asked."""


def ask_each(place: Manned) -> None:
    """Have each worker asked as often as it is to be."""
    for worker, count in REQUESTS.items():
        client = place.client_of(worker)
        for _ in range(count):
            place.ask(client)
        client.close()


def requests_of(told: Any) -> int:
    (number,) = told["http.requests"]["inner"].values()
    return int(number)


def test_counters_add_up_wherever_they_are_told(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        ask_each(place)
        total = sum(REQUESTS.values())
        asked = Asked("-c", str(place.config), is_json=True)
        told = asked.told("metrics get")["METRICS"]
        assert requests_of(told["proxying"]) == total
        told = asked.told("metrics get --workers")["METRICS"]["workers"]
        assert {name: requests_of(one["proxy"]) for name, one in told.items()} == {
            str(worker): count for worker, count in REQUESTS.items()
        }
        assert scrape(place.admin_port)["sozutw_http_requests_total"] == total
        os.kill(place.pid, signal.SIGUSR1)
        wait_until(lambda: "\n" in place.first.stdout(), "the counters on stdout")
        assert json.loads(place.first.stdout())["proxy"]["http.requests"] == total
        # What a worker has counted goes with it.
        victim = place.workers()[1]
        place.kill(victim)
        place.wait_for_another(1, victim)
        place.wait_for_workers()
        told = asked.told("metrics get --workers")["METRICS"]["workers"]
        assert {name: requests_of(one["proxy"]) for name, one in told.items()} == {
            "0": REQUESTS[0],
            "1": 0,
        }
        place.asked.done("metrics clear")
        assert requests_of(asked.told("metrics get")["METRICS"]["proxying"]) == 0
        place.stop()


def test_each_client_is_listed_with_its_worker_and_cut_off_alone(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        victim = place.workers()[1]
        place.kill(victim)
        place.wait_for_another(1, victim)
        clients = {worker: place.client_of(worker) for worker in (0, 1)}
        for client in clients.values():
            place.ask(client)
        names = {worker: place.sessions()[one.port] for worker, one in clients.items()}
        assert names[1].generation == 1
        lines = place.asked.told("sessions list")
        for worker, client in clients.items():
            (line,) = (line for line in lines if f":{client.port} " in line)
            assert line.split()[0] == text_of(number_of(names[worker]))
        # One with the name of the worker that was there before is nobody.
        gone = text_of(number_of(names[1]._replace(generation=0)))
        assert place.asked.call(f"sessions kill {gone}").exit_code == 1
        place.ask(clients[1])
        name = text_of(number_of(names[1]))
        assert f"session {name} " in place.asked.call(f"sessions kill {name}").stdout
        assert clients[1].receive_rest(SECONDS_MAX) == b""
        place.ask(clients[0])
        place.stop()


def test_one_worker_explains_for_all(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        words = f"explain http://quick.test:{place.port}/"
        assert "cluster: quick" in place.asked.told(words)
        # Whichever serves.
        place.kill(place.workers()[0])
        place.wait_for_log("worker 0 (process")
        assert "cluster: quick" in place.asked.told(words)
        place.wait_for_workers()
        place.stop()


def test_lives_of_workers_are_events_and_lines(tmp_path: Path) -> None:
    with (
        Manned(tmp_path) as place,
        Client(place.socket_path, 3 * SECONDS_MAX) as client,
        sozutw(["events", "-c", place.config], tmp_path) as command,
    ):
        events = client.events()
        assert next(events)[1].kind == pb.EVENTS_SUBSCRIBED
        command.wait_for_text("EVENTS_SUBSCRIBED")
        victim = place.workers()[1]
        place.kill(victim)
        place.wait_for_another(1, victim)
        place.upgrade_worker(0)
        heard: list[tuple[str, int]] = []
        while not heard or heard[-1][1] != pb.WORKER_UPGRADED:
            origin, event = next(events)
            if event.kind != pb.EVENTS_SUBSCRIBED:
                heard.append((origin, event.kind))
        assert heard == [
            ("1", pb.WORKER_KILLED),
            ("1", pb.WORKER_RELAUNCHED),
            ("0", pb.WORKER_RELAUNCHED),
            ("main", pb.WORKER_UPGRADED),
        ]
        command.wait_for_text("WORKER_UPGRADED")
        for text in ("WORKER_KILLED", "WORKER_RELAUNCHED"):
            assert text in command.stdout()
        command.signal(signal.SIGINT)
        command.wait()
        noted = place.audit_path.read_text().splitlines()
        (line,) = (line for line in noted if "verb=worker_upgraded" in line)
        assert "result=ok" in line
        place.wait_for_workers()
        place.asked.done(f"frontend http add -a {place.at} --hostname two.test id quick")
        line = place.audit_path.read_text().splitlines()[-1]
        assert "verb=http_frontend_added" in line
        assert "fanout=ok, workers=2/0/2" in line
        place.stop()


def test_the_log_filter_reaches_all_workers_and_later_ones(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        place.asked.done("logging error")
        # A worker that comes now logs no more than the others.
        before = place.log_path.read_text()
        for worker, pid in place.workers().items():
            os.kill(pid, signal.SIGKILL)
            place.wait_for_another(worker, pid)
        place.wait_for_workers()
        fresh = place.log_path.read_text().removeprefix(before)
        assert set(re.findall(r" (\w+) (?:MAIN|WRK-\d\d)\t", fresh)) == {"ERROR"}, fresh
        place.asked.done("logging info")
        place.stop()
        for tag in ("WRK-00", "WRK-01"):
            place.wait_for_log(f"INFO {tag}\t")


@pytest.mark.parametrize("is_json", [False, True], ids=["ascii", "json"])
def test_records_of_all_workers_are_whole_and_tell_which(tmp_path: Path, is_json: bool) -> None:
    top = 'access_logs_format = "json"' if is_json else ""
    with Manned(tmp_path, top) as place:
        ask_each(place)
        total = sum(REQUESTS.values())
        wait_until(
            lambda: (
                place.access_path.exists() and place.access_path.read_text().count("\n") == total
            ),
            "all records",
        )
        text = place.access_path.read_text()
        counts = {worker: text.count(f"WRK-0{worker}") for worker in REQUESTS}
        assert counts == REQUESTS
        if is_json:
            assert all(json.loads(line) for line in text.splitlines())
        # All go on in new files when they are told to.
        moved = place.access_path.rename(tmp_path / "access.log.1")
        os.kill(place.pid, signal.SIGHUP)
        wait_until(place.access_path.exists, "a new file")
        place.wait_for_log("SIGHUP: Successfully loaded")
        ask_each(place)
        wait_until(
            lambda: (
                place.access_path.read_text().count("\n") + moved.read_text().count("\n")
                == 2 * total
            ),
            "all records in both files",
        )
        place.stop()


def test_it_is_ready_while_any_worker_serves(tmp_path: Path) -> None:
    with Manned(tmp_path, "worker_automatic_restart = false") as place:
        workers = place.workers()
        assert fetch(place.admin_port, "/readyz")[0] == 200
        place.kill(workers[0])
        place.wait_for(lambda: (0, "STOPPED") in place.states(), "it is gone")
        assert fetch(place.admin_port, "/readyz")[0] == 200
        place.kill(workers[1])
        place.wait_for(lambda: (1, "STOPPED") in place.states(), "the other one too")
        status, _, body = fetch(place.admin_port, "/readyz")
        assert (status, body) == (503, b"no worker serves\n")
        place.stop()
