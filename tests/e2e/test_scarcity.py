"""Too few descriptors, too many clients: the proxy waits, without spinning, and recovers."""

import resource
import time
from pathlib import Path

from tests.e2e.harness import Peer, wait_until
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, response


def limit_descriptors(stage: Stage, spare: int | None) -> None:
    """Leave the running proxy so many descriptors, or as many as this process has."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if spare is not None:
        count = stage.process.count_descriptors() + spare
        limits = (count, limits[1])
    resource.prlimit(stage.process.pid, resource.RLIMIT_NOFILE, limits)


def cpu_share(stage: Stage, seconds: float) -> float:
    """Return which share of a while the proxy computes."""
    before, began = stage.process.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (stage.process.cpu_seconds() - before) / (time.monotonic() - began)


def test_without_descriptors_the_proxy_rests_and_recovers(tmp_path: Path) -> None:
    with Stage(tmp_path, 1) as stage:
        served = stage.client()
        stage.exchange(served, "/1")
        limit_descriptors(stage, 1)
        crowd = [stage.client() for _ in range(30)]
        stage.process.wait_for_text("cannot accept")
        assert cpu_share(stage, 1.0) < 0.2, "it must not spin"
        # Whoever has all that it needs is served as ever. One of the crowd got the last
        # descriptor; the others are turned away and not left hanging.
        stage.exchange(served, "/2")
        for client in crowd[1:]:
            client.expect_end(SECONDS_MAX)
        crowd[0].expect_silence(0.02)
        limit_descriptors(stage, None)
        stage.exchange(stage.client(), "/3")
        stage.process.wait_for_text("accepting again")
        stage.exchange(crowd[0], "/4")


def test_a_dial_without_descriptors_is_an_answer(tmp_path: Path) -> None:
    with Stage(tmp_path, 1) as stage:
        client = stage.client()
        wait_until(lambda: stage.gauges()["client.connections"] == 1, "the client accepted")
        limit_descriptors(stage, 0)
        client.send(get("/1"))
        expect_answer(client, 503)
        assert cpu_share(stage, 0.3) < 0.3
        limit_descriptors(stage, None)
        wait_until(
            lambda: bool(stage.backend_metrics()["A"]["backend.available"]),
            "the end of the back-off",
        )
        stage.exchange(client, "/2")


def test_above_max_connections_clients_wait_until_there_is_room(tmp_path: Path) -> None:
    with Stage(tmp_path, 1, top="max_connections = 10") as stage:
        inside = [stage.client() for _ in range(10)]
        wait_until(lambda: stage.gauges()["client.connections"] == 10, "ten clients inside")
        waiting = [stage.client() for _ in range(4)]
        for number, client in enumerate(waiting):
            client.send(get(f"/waiting/{number}"))
        wait_until(lambda: bool(stage.gauges()["accept_queue.connections"]), "clients who wait")
        for client in waiting:
            client.expect_silence(0.05)
        stage.backends[0].expect_no_connection(0)
        assert cpu_share(stage, 0.5) < 0.2, "it must not spin"
        # Those inside are served meanwhile.
        _, peer = stage.exchange(inside[0], "/inside")
        # One who leaves does not open the door; below nine there is room again.
        inside[1].close()
        wait_until(lambda: stage.gauges()["client.connections"] == 9, "one who left")
        for client in waiting:
            client.expect_silence(0.02)
        inside[2].close()
        first = serve_waiting(stage, peer, waiting)
        assert first is waiting[-1] or first in waiting
        for client in inside[3:]:
            client.close()
        left = [client for client in waiting if client is not first]
        while left:
            left.remove(serve_waiting(stage, peer, left))


def serve_waiting(stage: Stage, peer: Peer, waiting: list[Peer]) -> Peer:
    """Serve the next of those who waited, on whatever connection; return who it was."""
    _, peer = stage.next_request()
    head, _ = peer.receive_message(SECONDS_MAX)
    path = head.split(b" ", 2)[1]
    assert path.startswith(b"/waiting/")
    peer.send(response(path))
    for client in waiting:
        client.sock.settimeout(0.05)
        try:
            client.received += client.sock.recv(65536)
        except TimeoutError:
            continue
        expect_answer(client, 200, path)
        return client
    raise AssertionError("nobody got the answer")
