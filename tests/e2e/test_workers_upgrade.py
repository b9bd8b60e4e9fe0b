"""Workers and main processes are replaced one after the other, and no client suffers from it."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.live import Download, Held, Upload, WebSocket
from tests.e2e.stage import SECONDS_MAX, get, response, status_of
from tests.e2e.upgraded import SLOW, load, wait_for_answers
from tests.e2e.workers import FINE, Manned, hashes_of

ROLLING = int(os.environ.get("SOZUTW_WORKER_UPGRADES", "40"))
MAIN = int(os.environ.get("SOZUTW_MAIN_UPGRADES", "5"))
"""In CI most of the 50 and 10 that are meant; two cores that do nothing else need 25 s for all."""
WEBSOCKETS, LONG = 50, 5


@pytest.mark.timeout(60 + 6 * ROLLING)
def test_rolling_upgrades_of_workers_under_load_fail_no_request(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        at_rest = place.census()
        seen = set(place.workers().values())
        with load(place) as loaders:
            for number in range(ROLLING):
                place.upgrade_worker(number % 2)
                wait_for_answers(loaders, 5)
                seen |= set(place.workers().values())
        print({name: dict(loader.outcomes) for name, loader in loaders.items()})
        for name, loader in loaders.items():
            assert set(loader.outcomes) <= FINE, (name, loader.outcomes)
        assert loaders["kept"].outcomes["told to go"]
        assert len(seen) == 2 + ROLLING
        place.wait_for_workers()
        place.wait_for_census(at_rest)
        place.stop()
        assert not place.pid_path.exists()
        assert not place.socket_path.exists()


@pytest.mark.timeout(60 + 15 * MAIN)
def test_upgrades_of_the_main_process_under_load_fail_no_request(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        at_rest = place.census()
        with load(place) as loaders:
            for _ in range(MAIN):
                wait_for_answers(loaders, 5)
                old = place.upgrade()
                wait_for_answers(loaders, 5)
                place.expect_end(old)
        print({name: dict(loader.outcomes) for name, loader in loaders.items()})
        for name, loader in loaders.items():
            assert set(loader.outcomes) <= FINE, (name, loader.outcomes)
        assert loaders["kept"].outcomes["told to go"] >= MAIN
        place.expect_in_charge()
        place.wait_for_census(at_rest)
        place.stop()
        assert not place.pid_path.exists()
        assert not place.socket_path.exists()


def hold(place: Manned) -> list[Held]:
    """Begin what lasts, in both workers."""
    kinds: list[type[Held]] = [WebSocket] * WEBSOCKETS + [Download] * LONG + [Upload] * LONG
    held = [kind(place.client(), place.slow) for kind in kinds]
    spread = Counter(name.worker for name in place.sessions().values())
    assert set(spread) == {0, 1}, spread
    return held


def end(held: list[Held]) -> None:
    """Demand that nothing was told to either side, and let all come to the end that was meant."""
    for one in held:
        one.check()
        one.exchange()
        one.end()
        one.client.close()
        one.back.close()


def test_what_lasts_ends_well_after_its_worker_was_replaced(tmp_path: Path) -> None:
    # The deadline of a stop is short, and does not hold for a worker that is replaced.
    with Manned(tmp_path, "graceful_shutdown_timeout = 1") as place:
        at_rest = place.census()
        old = place.workers()
        held = hold(place)
        for worker in (0, 1):
            place.upgrade_worker(worker)
        # Who leaves is told of, with what it waits for.
        told = place.asked.told("status")
        leaving = [line for line in told if "stopping" in line]
        assert {int(line.split()[1]) for line in leaving} == set(old.values())
        awaited = [line for line in told if " stops: " in line]
        assert len(awaited) == 2
        assert all(line.endswith(", no deadline") for line in awaited), awaited
        assert sum(int(re.findall(r"(\d+) tunnel", line)[0]) for line in awaited) == WEBSOCKETS
        assert set(place.workers().values()).isdisjoint(old.values())
        assert place.answer() in "ab"
        place.clients[0].expect_silence(1.2)
        end(held)
        place.wait_for_workers()
        place.wait_for_census(at_rest)
        place.stop()


def test_what_lasts_ends_well_after_the_main_process_was_replaced(tmp_path: Path) -> None:
    with Manned(tmp_path, "graceful_shutdown_timeout = 1") as place:
        at_rest = place.census()
        held = hold(place)
        old = place.upgrade()
        place.expect_in_charge()
        place.clients[0].expect_silence(1.2)
        end(held)
        place.expect_end(old)
        place.expect_in_charge()
        place.wait_for_census(at_rest)
        place.stop()


def test_a_new_main_process_has_what_was_ordered_in_all_workers(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        place.asked.done(f"frontend http add -a {place.at} --hostname two.test id quick")
        place.asked.done(f"listener http add -a {place.idle_at}")
        before = hashes_of(place)
        old = place.upgrade()
        place.expect_end(old)
        assert hashes_of(place) == before
        assert set(before) == {"0", "1", "main"}
        assert len({str(one) for one in before.values()}) == 1
        # Sōzu's client asks for each worker after the main process was replaced.
        for worker in (0, 1):
            assert "came with the new main process" in place.upgrade_worker(worker).stdout
        place.stop()


def test_a_worker_that_is_not_there_cannot_be_replaced(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        before = place.workers()
        result = place.asked.call("upgrade --worker 2")
        assert result.exit_code == 1
        assert "Worker 2 does not exist, or is stopping / stopped" in result.stderr
        assert place.workers() == before


def test_the_old_main_process_ends_its_workers_when_it_is_told_to(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        client = place.client()
        client.send(get("/", SLOW))
        peer = place.slow.accept()
        peer.receive_until(b"\r\n\r\n")
        old = place.upgrade()
        os.kill(old, signal.SIGTERM)
        place.first.wait_for_text("stopping: ")
        peer.send(response(b"late"))
        head, body = client.receive_message(SECONDS_MAX)
        assert (status_of(head), body) == (200, b"late")
        os.kill(old, signal.SIGTERM)
        # The second one waits for nobody, be he idle or not.
        assert client.receive_rest() == b""
        place.expect_end(old)
        place.expect_in_charge()
        assert len(place.family()) == len(("main", "zygote", "worker", "worker"))
