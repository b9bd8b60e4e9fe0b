"""The data path on every reactor that it may run on: ours, Twisted's epoll, poll and asyncio."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import field_map
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, hang_up, post, response

REACTORS = {
    "ours": ((), "sozutw.transport.epoll.DirectEPollReactor"),
    "ours by name": (("--reactor", "sozutw"), "sozutw.transport.epoll.DirectEPollReactor"),
    "epoll": (("--reactor", "epoll"), "twisted.internet.epollreactor.EPollReactor"),
    "poll": (("--reactor", "poll"), "twisted.internet.pollreactor.PollReactor"),
    "asyncio": (
        ("--reactor", "asyncio"),
        "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    ),
}


@pytest.fixture(scope="module", params=REACTORS)
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Start a proxy on one of the reactors; at its end it must stop in time, and in order."""
    arguments, name = REACTORS[request.param]
    with Stage(tmp_path_factory.mktemp("reactor"), 2, twistd=arguments) as stage:
        stage.process.wait_for_text(f"reactor class: {name}")
        yield stage


@pytest.fixture
def stage(proxy: Stage) -> Iterator[Stage]:
    yield proxy
    proxy.clear()


def test_connections_are_kept_and_requests_pipelined(stage: Stage) -> None:
    client = stage.client()
    for number in range(20):
        stage.exchange(client, f"/{number}")
    client.send(get("/a") + post("/b", b"body") + get("/c"))
    for path in (b"/a", b"/b", b"/c"):
        backend, peer = stage.next_request()
        head, _ = backend.answer(peer, path)
        assert b" %b HTTP/1.1\r\n" % path in head
    for path in (b"/a", b"/b", b"/c"):
        expect_answer(client, 200, path)
    assert [len(backend.accepted) for backend in stage.backends] == [1, 1]


def test_chunks_and_trailers_pass(stage: Stage) -> None:
    client = stage.client()
    client.send(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
    )
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    assert peer.receive_until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"until the end" * 1000)
    peer.close()
    expect_answer(client, 200, b"until the end" * 1000)


@pytest.mark.parametrize("size", [100_000, 20_000_000])
def test_bodies_pass_both_ways_to_readers_that_come_late(stage: Stage, size: int) -> None:
    # The longer ones are spliced where that is possible.
    body = os.urandom(1000) * (size // 1000)
    client = stage.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
    _, peer = stage.next_request()
    head = peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    assert field_map(head)[b"content-length"] == b"%d" % size
    for sender, receiver in ((client, peer), (peer, client)):
        if sender is peer:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            client.receive_until(b"\r\n\r\n", SECONDS_MAX)
        taken = 0
        got = b""
        while taken < size:
            # What fits is sent before the other end reads any of it.
            sender.sock.setblocking(False)
            try:
                while taken < size:
                    taken += sender.sock.send(memoryview(body)[taken:])
            except BlockingIOError:
                got += receiver.receive(SECONDS_MAX, 1 << 20)
        assert got + receiver.receive_exactly(size - len(got), SECONDS_MAX) == body
    stage.exchange(client, "/after")


def test_a_websocket_half_closes(stage: Stage) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    client = stage.client()
    client.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n" + upgrade)
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"early")
    client.receive_until(b"\r\n\r\n", SECONDS_MAX)
    assert client.receive_exactly(5, SECONDS_MAX) == b"early"
    client.send(b"ping")
    assert peer.receive_exactly(4, SECONDS_MAX) == b"ping"
    client.half_close()
    peer.expect_end(SECONDS_MAX)
    peer.send(b"last")
    assert client.receive_exactly(4, SECONDS_MAX) == b"last"
    peer.close()
    client.expect_end(SECONDS_MAX)


@pytest.mark.parametrize("end", ["seen", "FIN", "RST"])
def test_a_backend_that_hangs_up_is_replaced(stage: Stage, end: str) -> None:
    client = stage.client()
    served = [stage.exchange(client, "/1") for _ in stage.backends]
    hang_up(served[1][1])
    # Now it is the first one's turn, which has the only idle connection.
    peer = served[0][1]
    if end == "seen":
        hang_up(peer)
        client.send(get("/2"))
    else:
        stage.process.freeze()
        # The request first, so that it may be put on a connection that has ended.
        client.send(get("/2"))
        if end == "FIN":
            peer.close()
        else:
            peer.reset()
        stage.process.thaw()
    backend, peer = stage.next_request()
    backend.answer(peer, b"two")
    expect_answer(client, 200, b"two")
    assert sum(len(b.accepted) for b in stage.backends) == 3


def test_a_reset_by_the_client_ends_the_exchange(stage: Stage) -> None:
    client = stage.client()
    client.send(get("/long"))
    _, peer = stage.next_request()
    peer.receive_message(SECONDS_MAX)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    client.receive_until(b"half", SECONDS_MAX)
    client.reset()
    peer.expect_end(SECONDS_MAX)


def test_a_refusal_is_read_by_a_client_that_is_still_sending(stage: Stage) -> None:
    client = stage.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n")
    client.send(b"x" * 50_000)
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    peer.receive_exactly(50_000, SECONDS_MAX)
    peer.send(response(b"too much", b"Connection: close\r\n", b"413 Content Too Large"))
    peer.close()
    expect_answer(client, 413, b"too much")


@pytest.mark.parametrize("reactor", REACTORS)
def test_everybody_has_one_more_answer_before_the_proxy_stops(tmp_path: Path, reactor: str) -> None:
    with Stage(tmp_path, 1, twistd=REACTORS[reactor][0]) as stage:
        client, idle = stage.client(), stage.client()
        _, peer = stage.exchange(client, "/0")
        client.send(get("/1"))
        peer.receive_message(SECONDS_MAX)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        client.receive_until(b"half", SECONDS_MAX)
        stage.process.signal(signal.SIGTERM)
        stage.process.wait_for_text("stopping: ")
        peer.send(b"more")
        assert client.receive_exactly(4, SECONDS_MAX) == b"more"
        for each in (client, idle):
            each.send(get("/last"))
            peer.receive_message(SECONDS_MAX)
            peer.send(response(b"last"))
            head = expect_answer(each, 200, b"last")
            assert b"\r\nConnection: close\r\n" in head
            each.expect_end(SECONDS_MAX)
            each.close()
        assert stage.process.wait(SECONDS_MAX) == 0
        stage.has_stopped = True
