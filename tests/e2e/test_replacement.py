"""
A backend goes while its connection is kept: what the client sees, on real sockets.

The variants bear the numbers that the tests in memory use. Each begins with one idle connection,
to a backend that is discovered and whose turn it is: request 2 is for that one. Frozen means: the
proxy is stopped, the backend's end and the request arrive, and the proxy finds both in one poll.
All timeouts of the proxy are several times longer than any wait here, so that a wake-up that was
lost cannot look like slowness.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import Peer, wait_until
from tests.e2e.stage import (
    SECONDS_MAX,
    ScriptedBackend,
    Stage,
    expect_answer,
    get,
    hang_up,
    post,
    response,
)

BODY = b"what the client posts"
REQUESTS = {"GET": get("/2"), "POST": post("/2", BODY)}
ENDS: dict[str, Callable[[Peer], None]] = {"FIN": Peer.close, "RST": Peer.reset}


ORDERS = ("end first", "request first")
"""Of what reaches the frozen proxy; the kernel tells of it in the order in which it came."""


@contextmanager
def frozen(stage: Stage) -> Iterator[None]:
    """Let everything that happens inside reach the proxy at once."""
    stage.process.freeze()
    try:
        yield
    finally:
        stage.process.thaw()


def meet(order: str, send: Callable[[], None], end: Callable[[], None]) -> None:
    """Do both, in that order."""
    for step in (end, send) if order == "end first" else (send, end):
        step()


def keep_one(stage: Stage, client: Peer) -> tuple[ScriptedBackend, Peer]:
    """Have each backend serve once, and all but the first hang up: now it is the first's turn."""
    served = [stage.exchange(client, "/1") for _ in stage.backends]
    assert {backend.name for backend, _ in served} == {b.name for b in stage.backends}
    for _, peer in served[1:]:
        hang_up(peer)
    return served[0]


def serve(stage: Stage, client: Peer, method: str) -> ScriptedBackend:
    """Serve request 2 on the one connection that is dialled for it."""
    before = {backend.name: len(backend.accepted) for backend in stage.backends}
    backend, peer = stage.next_request()
    head, body = backend.answer(peer, f"{backend.name}2".encode())
    assert head.startswith(f"{method} /2 HTTP/1.1\r\n".encode()), head
    assert body == (BODY if method == "POST" else b"")
    expect_answer(client, 200, f"{backend.name}2".encode())
    client.expect_silence(0.02)
    stage.expect_no_dial()
    before[backend.name] += 1
    assert {b.name: len(b.accepted) for b in stage.backends} == before
    return backend


def dial_errors(stage: Stage) -> dict[str, int]:
    metrics = stage.backend_metrics()
    return {name: told["backend.connections.error"] for name, told in metrics.items()}


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("end", ENDS)
def test_v1_v4_an_end_that_was_seen_costs_one_dial(tmp_path: Path, end: str, method: str) -> None:
    with Stage(tmp_path) as stage:
        client = stage.client()
        first, peer = keep_one(stage, client)
        first.stop_listening()
        if end == "FIN":
            hang_up(peer)
        else:
            peer.reset()
            wait_until(lambda: not stage.gauges()["backend.connections"], "the reset seen")
        client.send(REQUESTS[method])
        assert serve(stage, client, method) is stage.after(first)
        # It was its turn, so that it was asked, and it refused.
        assert dial_errors(stage) == {first.name: 1, stage.after(first).name: 0}


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("order", ORDERS)
def test_v2_v3_v4_an_end_in_the_same_poll_as_the_request(
    tmp_path: Path, order: str, end: str, method: str
) -> None:
    # The POST is not replayed: the look before a connection is used again sees the end.
    with Stage(tmp_path) as stage:
        client = stage.client()
        first, peer = keep_one(stage, client)
        with frozen(stage):
            first.stop_listening()
            meet(order, lambda: client.send(REQUESTS[method]), lambda: ENDS[end](peer))
        assert serve(stage, client, method) is stage.after(first)


@pytest.mark.parametrize(("method", "replays"), [("GET", True), ("GET", False), ("POST", True)])
def test_v8_an_end_after_the_request_was_read(tmp_path: Path, method: str, replays: bool) -> None:
    # Which also proves that request 2 does go to the connection that was kept.
    with Stage(tmp_path, top="" if replays else "replay = false") as stage:
        client = stage.client()
        first, kept = keep_one(stage, client)
        client.send(REQUESTS[method])
        backend, peer = stage.next_request()
        assert (backend, peer) == (first, kept)
        peer.receive_message(SECONDS_MAX)
        peer.close()
        if method == "GET" and replays:
            assert serve(stage, client, method) is stage.after(first)
        else:
            expect_answer(client, 502)
            stage.expect_no_dial()


@pytest.mark.parametrize("end", ENDS)
def test_v2_of_many_clients_each_gets_its_own(tmp_path: Path, end: str) -> None:
    # The order in which the poll tells of two sockets is not ours: many make it vary.
    with Stage(tmp_path) as stage:
        clients = [stage.client() for _ in range(8)]
        for client in clients:
            client.send(get("/1"))
        peers = []
        for _ in clients:
            backend, peer = stage.next_request()
            backend.answer(peer, b"one")
            peers.append(peer)
        for client in clients:
            expect_answer(client, 200, b"one")
        with frozen(stage):
            for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
                client.send(get(f"/{number}"))
                ENDS[end](peer)
        for _ in clients:
            backend, peer = stage.next_request()
            head, _ = peer.receive_message(SECONDS_MAX)
            peer.send(response(head.split(b" ", 2)[1]))
        for number, client in enumerate(clients):
            expect_answer(client, 200, b"/%d" % number)
        stage.expect_no_dial()


def test_v13_a_replacement_that_refuses_is_replaced(tmp_path: Path) -> None:
    with Stage(tmp_path, 3) as stage:
        client = stage.client()
        first, peer = keep_one(stage, client)
        second, third = stage.after(first), stage.after(first, 2)
        with frozen(stage):
            for backend in (first, second):
                backend.stop_listening()
            client.send(REQUESTS["GET"])
            peer.close()
        assert serve(stage, client, "GET") is third
        assert dial_errors(stage)[second.name] == 1
        metrics = stage.backend_metrics()
        assert metrics[second.name]["backend.available"] == 0, "it is in back-off"
        assert metrics[third.name]["backend.available"] == 1


@pytest.mark.parametrize("method", REQUESTS)
def test_v14_a_replacement_that_dies_before_it_answers(tmp_path: Path, method: str) -> None:
    with Stage(tmp_path, 3) as stage:
        client = stage.client()
        first, peer = keep_one(stage, client)
        with frozen(stage):
            client.send(REQUESTS[method])
            peer.close()
        second, peer = stage.next_request()
        peer.receive_message(SECONDS_MAX)
        peer.close()
        if method == "POST":
            # Its bytes may have been acted upon: nobody else gets them.
            expect_answer(client, 502)
            stage.expect_no_dial()
        else:
            assert serve(stage, client, method) not in (first, second)
        stage.exchange(client, "/3")


def test_v15_when_all_refuse_it_is_503_and_later_the_same_client_is_served(
    tmp_path: Path,
) -> None:
    with Stage(tmp_path) as stage:
        client = stage.client()
        first, peer = keep_one(stage, client)
        with frozen(stage):
            for backend in stage.backends:
                backend.stop_listening()
            client.send(REQUESTS["GET"])
            peer.close()
        expect_answer(client, 503)
        second = stage.after(first)
        assert stage.backend_metrics()[second.name]["backend.available"] == 0
        second.listen_again()
        wait_until(
            lambda: bool(stage.backend_metrics()[second.name]["backend.available"]),
            "the end of the back-off",
        )
        # On the client's old connection, and on a new one.
        for late in (client, stage.client()):
            backend, _ = stage.exchange(late, "/3")
            assert backend is second


@pytest.mark.parametrize("order", ORDERS)
def test_v16_numbers_that_are_used_again_mix_nobody_up(tmp_path: Path, order: str) -> None:
    # While the proxy stands, the backend's connection ends and other clients come: in one poll
    # a number is freed, and given to an accepted socket or to a dial.
    with Stage(tmp_path) as stage:
        clients = [stage.client()]
        _, peer = keep_one(stage, clients[0])

        def send() -> None:
            clients.extend(stage.client() for _ in range(3))
            for number in (1, 0, 2, 3):
                clients[number].send(get(f"/of/{number}"))

        with frozen(stage):
            meet(order, send, peer.close)
        served: list[bytes] = []
        for _ in clients:
            _, peer = stage.next_request()
            head, _ = peer.receive_message(SECONDS_MAX)
            served.append(head.split(b" ", 2)[1])
            peer.send(response(served[-1]))
        assert sorted(served) == [b"/of/0", b"/of/1", b"/of/2", b"/of/3"]
        for number, client in enumerate(clients):
            expect_answer(client, 200, b"/of/%d" % number)
            client.expect_silence(0.02)
        stage.expect_no_dial()


def test_v20_each_host_is_served_by_its_own_cluster(tmp_path: Path) -> None:
    with Stage(tmp_path, 1, hosts=("x.test", "y.test")) as stage:
        of_host = {backend.name.rpartition("-")[0]: backend for backend in stage.backends}
        peers: dict[str, Peer] = {}
        client = stage.client()

        def ask(path: str, host: str) -> None:
            client.send(get(path, host))
            backend, peer = stage.next_request()
            assert backend is of_host[host]
            assert peers.setdefault(host, peer) is peer
            body = f"{host} {path}".encode()
            head, _ = backend.answer(peer, body)
            assert head.startswith(f"GET {path} ".encode())
            expect_answer(client, 200, body)

        for number in range(6):
            ask(f"/{number}", ("x.test", "y.test")[number % 2])
        # It hangs up in one, which is no business of the other.
        hang_up(peers.pop("x.test"))
        ask("/7", "y.test")
        ask("/8", "x.test")
        assert [len(backend.accepted) for backend in stage.backends] == [2, 1]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("order", ORDERS)
def test_v27_pipelined_requests_are_answered_in_order(tmp_path: Path, order: str, end: str) -> None:
    with Stage(tmp_path) as stage:
        client = stage.client()
        _, peer = keep_one(stage, client)
        with frozen(stage):
            meet(order, lambda: client.send(get("/2") + get("/3")), lambda: ENDS[end](peer))
        for path in (b"/2", b"/3"):
            backend, peer = stage.next_request()
            head, _ = backend.answer(peer, path)
            assert head.startswith(b"GET %b " % path)
        expect_answer(client, 200, b"/2")
        expect_answer(client, 200, b"/3")
        stage.expect_no_dial()


def test_v37_a_thousand_hang_ups_leave_nothing(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for number in range(1000):
            client = stage.client()
            first, peer = stage.exchange(client, f"/{number}/1")
            hang_up(peer)
            second, peer = stage.exchange(client, f"/{number}/2")
            assert second is not first
            hang_up(peer)
            client.close()
            for backend in stage.backends:
                assert len(backend.accepted) == 1
                backend.accepted.clear()
            stage.clients.clear()
        stage.expect_rest()
        stage.expect_same_descriptors()
        told = stage.counters()["proxy"]
        assert told["http.requests"] == told["http.status.200"] == 2000
        assert told["zombies"] == 0
