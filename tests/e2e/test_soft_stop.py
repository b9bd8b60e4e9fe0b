"""A stop comes while clients ask all the time: each of them hears that it should go, and goes."""

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import Peer, ReservedPort, connect, start, wait_until, write_config
from tests.e2e.live import Crowd
from tests.e2e.stage import SECONDS_MAX, get, status_of
from tests.e2e.workers import descendants

CLIENTS = 8
ANSWERS_MIN = 5


class Asker(threading.Thread):
    """A client that asks again and again on one connection, and on another when it must."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        while not self.outcomes["refused"]:
            try:
                client = connect(self.port)
            except ConnectionRefusedError:
                self.outcomes["refused"] += 1
                return
            with client:
                try:
                    self.ask_until_told_to_go(client)
                except (OSError, AssertionError) as fault:
                    self.outcomes[f"failed: {fault!r}"] += 1

    def ask_until_told_to_go(self, client: Peer) -> None:
        while True:
            client.send(get("/"))
            head, body = client.receive_message(SECONDS_MAX)
            self.outcomes[f"{status_of(head)} {body.decode()}"] += 1
            if b"\r\nConnection: close\r\n" in head:
                client.expect_end(SECONDS_MAX)
                self.outcomes["told to go"] += 1
                return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("workers", "is_for_all"),
    [(0, False), (2, False), (2, True)],
    ids=["alone", "main", "all processes"],
)
def test_a_stop_fails_no_request_of_who_asks_all_the_time(
    tmp_path: Path, number: int, workers: int, is_for_all: bool
) -> None:
    with ReservedPort() as reserved, Crowd(["A"]) as crowd:
        top = f"worker_count = {workers}"
        config = write_config(tmp_path, reserved.port, [f"127.0.0.1:{crowd.ports['A']}"], top)
        with start(config) as process:
            process.wait_for_port(reserved.port)
            askers = [Asker(reserved.port) for _ in range(CLIENTS)]
            for asker in askers:
                asker.start()
            wait_until(
                lambda: all(asker.outcomes["200 A"] >= ANSWERS_MIN for asker in askers),
                "answers for everybody",
                said=process.said,
            )
            # As a terminal tells all of them, and systemd where it is told to.
            told = [process.pid, *(descendants(process.pid) if is_for_all else ())]
            for pid in told:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            assert process.wait() == 0
            for asker in askers:
                asker.join(SECONDS_MAX)
                assert not asker.is_alive()
                assert set(asker.outcomes) == {"200 A", "told to go", "refused"}
                assert asker.outcomes["refused"] == 1
                # Who is told by one worker may meet the other one just before that stops too.
                assert 1 <= asker.outcomes["told to go"] <= max(1, workers)
            assert "Traceback" not in process.said()
        answered = sum(asker.outcomes["200 A"] for asker in askers)
    assert process.stdout().count(" localhost GET / 200\n") == answered
