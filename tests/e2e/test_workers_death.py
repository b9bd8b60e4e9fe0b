"""Workers die, hang and lose their parents; who is served by another one notices nothing."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.harness import Deadline, Peer, is_refused, wait_until
from tests.e2e.upgraded import Loader, load, wait_for_answers
from tests.e2e.workers import DIED, FINE, Manned

KILLS = int(os.environ.get("SOZUTW_WORKER_KILLS", "5"))
EACH_SECONDS = 1.0
"""One is killed each second; who dies faster than that is begun later and later."""
HELD = 12
GONE_SECONDS = 3.0
"""A second is meant, and this machine may be loaded."""


@pytest.mark.timeout(60 + 12 * KILLS)
def test_killing_workers_fails_only_what_they_were_doing(tmp_path: Path) -> None:
    chance = random.Random(7)
    with Manned(tmp_path) as place:
        at_rest = place.census()
        with load(place) as loaders:
            for number in range(KILLS):
                due = time.monotonic() + EACH_SECONDS
                wait_until(lambda due=due: time.monotonic() >= due, "a second gone by")
                workers = place.wait_for_workers()
                held = Held(place)
                before = outcomes(loaders)
                victim = chance.choice([0, 1])
                place.kill(workers[victim])
                # Who was in the other one is served on, and each who was in this one is told.
                held.check(victim)
                wait_for_answers(loaders, 5)
                failed = outcomes(loaders) - before
                assert set(failed) <= FINE | DIED, [one.outcomes for one in loaders.values()]
                # Each client does one thing at a time.
                assert sum(failed[kind] for kind in DIED) <= len(loaders), (number, failed)
                place.wait_for_another(victim, workers[victim])
        print({name: dict(loader.outcomes) for name, loader in loaders.items()})
        place.wait_for_workers()
        place.wait_for_census(at_rest)
        log = place.log_path.read_text()
        assert log.count("is lost: ") == KILLS
        assert log.count("ended (signal 9)") == KILLS
        place.stop()


class Held:
    """Clients who keep their connections, and of whom it is known where each is."""

    def __init__(self, place: Manned) -> None:
        self._place = place
        self._clients: dict[Peer, int] = {}
        connected = [place.client() for _ in range(HELD)]
        for client in connected:
            place.ask(client)
        sessions = place.sessions()
        for client in connected:
            self._clients[client] = sessions[client.port].worker
        for worker in {0, 1} - set(self._clients.values()):
            self._clients[place.client_of(worker)] = worker

    def check(self, victim: int) -> None:
        """Demand that those of this worker have ended, and that the others are served."""
        for client, worker in self._clients.items():
            if worker == victim:
                assert client.receive_rest() == b""
            else:
                self._place.ask(client)
            client.close()


def outcomes(loaders: dict[str, Loader]) -> Counter[str]:
    """Return what came of all requests until now, by its kind."""
    found: Counter[str] = Counter()
    for loader in loaders.values():
        for what, count in list(loader.outcomes.items()):
            found[what.partition(":")[0]] += count
    return found


def test_a_worker_that_stands_still_is_told_of_and_replaced(tmp_path: Path) -> None:
    top = "worker_timeout = 1\nworker_hang_timeout = 2"
    with Manned(tmp_path, top) as place:
        at_rest = place.census()
        workers = place.workers()
        mine, other = place.client_of(0), place.client_of(1)
        os.kill(workers[0], signal.SIGSTOP)
        with load(place) as loaders:
            place.wait_for(lambda: (0, "NOT_ANSWERING") in place.states(), "told of")
            wait_for_answers(loaders, 3)
            place.wait_for_another(0, workers[0])
        for name, loader in loaders.items():
            # Whoever was served by it when it was stopped waited, and saw it die.
            died = sum(n for what, n in loader.outcomes.items() if what.partition(":")[0] in DIED)
            assert died <= 1, (name, loader.outcomes)
            assert set(outcomes({name: loader})) <= FINE | DIED
        assert mine.receive_rest() == b""
        place.ask(other)
        assert place.workers()[1] == workers[1]
        mine.close()
        other.close()
        place.wait_for_census(at_rest)
        log = place.log_path.read_text()
        assert f"worker 0 (process {workers[0]}) does not answer" in log
        place.stop()


def test_a_worker_that_goes_on_in_time_is_kept(tmp_path: Path) -> None:
    with Manned(tmp_path, "worker_timeout = 1\nworker_hang_timeout = 60") as place:
        workers = place.workers()
        mine, other = place.client_of(1), place.client_of(0)
        os.kill(workers[1], signal.SIGSTOP)
        place.wait_for(lambda: (1, "NOT_ANSWERING") in place.states(), "told of")
        result = place.asked.call("status")
        assert result.exit_code == 5
        assert f"{workers[1]}  not_answering" in result.stdout
        # Questions to all are answered by those who can, and orders hold where they can.
        assert {name.worker for name in place.sessions().values()} == {0}
        order = f"frontend http add -a {place.at} --hostname two.test id quick"
        result = place.asked.call(order)
        assert "worker 1" in result.output, result.output
        place.ask(other, "two.test")
        os.kill(workers[1], signal.SIGCONT)
        place.wait_for_workers()
        place.ask(mine, "two.test")
        place.ask(mine)
        place.stop()


def expect_all_gone(place: Manned) -> None:
    """Demand that nothing is left of a tree, soon."""
    deadline = Deadline("nobody left", GONE_SECONDS)
    while any(one.state != "Z" for one in place.family().values()):
        deadline.check(lambda: str(place.family()))
    assert is_refused(place.port)
    assert is_refused(place.tls_port)


def test_the_main_process_takes_all_along_when_it_is_killed(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        client = place.client()
        place.ask(client)
        os.kill(place.pid, signal.SIGKILL)
        assert place.first.wait() == -signal.SIGKILL
        expect_all_gone(place)
        assert client.receive_rest() == b""
        place.reap()


def test_workers_may_outlive_the_main_process(tmp_path: Path) -> None:
    with Manned(tmp_path, "worker_survive_main = true") as place:
        workers = place.workers()
        clients = place.client_of(0), place.client_of(1)
        os.kill(place.pid, signal.SIGKILL)
        assert place.first.wait() == -signal.SIGKILL
        wait_until(lambda: not place.zygotes(), "the zygote gone")
        for client in clients:
            place.ask(client)
        assert {place.answer() for _ in range(10)} <= {"a", "b"}
        for pid in workers.values():
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: is_refused(place.port), "nobody new accepted")
        # Softly: each has one more answer, and is told to go.
        for client in clients:
            assert b"\r\nConnection: close\r\n" in place.ask(client)
            client.close()
        expect_all_gone(place)
        place.reap()


def test_workers_outlive_the_zygote_and_the_next_has_another(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        at_rest = place.census()
        workers = place.workers()
        (zygote,) = place.zygotes()
        clients = place.client_of(0), place.client_of(1)
        place.kill(zygote)
        place.wait_for_log("the zygote is lost: ")
        for client in clients:
            place.ask(client)
            client.close()
        assert place.workers() == workers
        # The kernel makes them ours; nobody else waits for them.
        for worker, pid in workers.items():
            place.kill(pid)
            place.wait_for_another(worker, pid)
            assert os.waitpid(pid, 0) == (pid, signal.SIGKILL)
        assert len(place.zygotes()) == 1
        assert place.zygotes() != [zygote]
        place.wait_for_workers()
        place.wait_for_census(at_rest)
        place.stop()


def test_workers_are_not_begun_anew_where_the_file_says_so(tmp_path: Path) -> None:
    with Manned(tmp_path, "worker_automatic_restart = false") as place:
        workers = place.workers()
        place.kill(workers[0])
        place.wait_for(lambda: place.states() == [(0, "STOPPED"), (1, "RUNNING")], "it is gone")
        assert {place.answer() for _ in range(10)} <= {"a", "b"}
        place.stop()
