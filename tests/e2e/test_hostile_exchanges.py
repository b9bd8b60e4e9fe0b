"""Clients and backends that break the rules of an exchange, and peers that are slow on purpose."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Peer, field_map
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, response, status_of


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("exchanges"), 1, hosts=("localhost",)) as stage:
        yield stage


@pytest.fixture
def stage(proxy: Stage) -> Iterator[Stage]:
    yield proxy
    proxy.clear()
    proxy.exchange(proxy.client(), "/mine")
    proxy.clear()


def begin(stage: Stage, text: bytes) -> tuple[Peer, Peer]:
    client = stage.client()
    client.send(text)
    peer = stage.backends[0].accept(SECONDS_MAX)
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    return client, peer


def expect_nothing_more(stage: Stage, peer: Peer) -> None:
    """Demand that the backend is asked for nothing else, here or on another connection."""
    readable = peer.receive(SECONDS_MAX) if peer.received else b""
    assert readable == b""
    stage.backends[0].expect_no_connection(0.05)


def test_nothing_behind_a_close_is_a_request(stage: Stage) -> None:
    client, peer = begin(
        stage, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + get("/behind")
    )
    peer.send(response(b"last"))
    expect_answer(client, 200, b"last")
    client.expect_end(SECONDS_MAX)
    expect_nothing_more(stage, peer)


def test_nothing_behind_an_error_is_a_request(stage: Stage) -> None:
    client, peer = begin(stage, get("/good") + b"BAD\r\n\r\n" + get("/behind"))
    peer.send(response(b"good"))
    expect_answer(client, 200, b"good")
    expect_answer(client, 400)
    client.expect_end(SECONDS_MAX)
    expect_nothing_more(stage, peer)


def test_each_of_several_requests_is_routed_by_its_own_host(stage: Stage) -> None:
    client, peer = begin(stage, get("/1") + get("/2", "evil.test") + get("/3"))
    peer.send(response(b"one"))
    expect_answer(client, 200, b"one")
    expect_answer(client, 404)
    stage.backends[0].answer(peer, b"three")
    expect_answer(client, 200, b"three")


@pytest.mark.parametrize("protocol", [b"h2c", b"HTTP/2.0", b"TLS/1.0"])
def test_an_upgrade_to_another_http_is_not_passed_on(stage: Stage, protocol: bytes) -> None:
    client = stage.client()
    client.send(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: %b\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n" % protocol
    )
    peer = stage.backends[0].accept(SECONDS_MAX)
    fields = field_map(peer.receive_until(b"\r\n\r\n", SECONDS_MAX))
    assert b"http2-settings" not in fields
    if protocol == b"h2c":
        assert b"upgrade" not in fields
    peer.send(response(b"plain"))
    expect_answer(client, 200, b"plain")


def test_an_upgrade_of_http_1_0_is_ignored(stage: Stage) -> None:
    client = stage.client()
    client.send(
        b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    peer = stage.backends[0].accept(SECONDS_MAX)
    assert b"upgrade" not in field_map(peer.receive_until(b"\r\n\r\n", SECONDS_MAX))
    peer.send(response(b"plain"))
    expect_answer(client, 200, b"plain")


def test_interim_responses_never_reach_http_1_0(stage: Stage) -> None:
    client, peer = begin(stage, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + response(b"f"))
    expect_answer(client, 200, b"f")
    client.expect_end(SECONDS_MAX)


def test_a_body_sent_after_an_early_answer_is_no_request(stage: Stage) -> None:
    inner = get("/inner")
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner)
    client, peer = begin(stage, head)
    peer.send(response(b"early"))
    expect_answer(client, 200, b"early")
    client.send(inner)
    stage.backends[0].expect_no_connection(0.05)


# Backends.


BROKEN = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    "an endless length": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    "a long status": b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a NUL": b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 5\r\n\r\nhello",
    "a CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello",
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unasked 101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\n\r\nhello",
    "a bad chunk at once": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_response_is_a_502(stage: Stage, name: str) -> None:
    client, peer = begin(stage, get("/"))
    peer.send(BROKEN[name])
    expect_answer(client, 502)
    peer.receive_rest(SECONDS_MAX)


def test_a_response_head_that_does_not_fit_is_a_507(stage: Stage) -> None:
    client, peer = begin(stage, get("/"))
    peer.send(b"HTTP/1.1 200 OK\r\nX: " + b"v" * 100_000 + b"\r\n\r\n")
    expect_answer(client, 507)
    peer.receive_rest(SECONDS_MAX)


@pytest.mark.parametrize(
    "rest", [b"X0\r\n\r\n", b"5\r\nhelloXY", b"g\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"2;a\nb\r\n"]
)
def test_chunks_that_break_later_do_not_look_whole(stage: Stage, rest: bytes) -> None:
    client, peer = begin(stage, get("/"))
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    client.receive_until(b"abc\r\n", SECONDS_MAX)
    peer.send(rest)
    got = client.receive_rest(SECONDS_MAX)
    assert not got.endswith(b"0\r\n\r\n"), got
    peer.receive_rest(SECONDS_MAX)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (response(b"mine") + response(b"stray"), 200),
        (response(b"mine") + b"x", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\nbody", 204),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody", 304),
    ],
)
def test_bytes_behind_a_response_are_given_to_nobody(
    stage: Stage, text: bytes, status: int
) -> None:
    client, peer = begin(stage, get("/"))
    peer.send(text)
    head = client.receive_until(b"\r\n\r\n", SECONDS_MAX)
    assert status_of(head) == status
    if status == 200:
        assert client.receive_exactly(4, SECONDS_MAX) == b"mine"
    client.expect_silence(0.03)
    peer.receive_rest(SECONDS_MAX)
    client.send(get("/next"))
    stage.backends[0].answer(stage.backends[0].accept(SECONDS_MAX), b"next")
    expect_answer(client, 200, b"next")


def test_what_an_idle_backend_says_is_no_answer_to_the_next_request(stage: Stage) -> None:
    client = stage.client()
    _, peer = stage.exchange(client, "/1")
    stage.process.freeze()
    peer.send(response(b"poison", status=b"408 Request Timeout"))
    client.send(get("/2"))
    stage.process.thaw()
    # The next request may have been put on that connection already; it is sent again elsewhere,
    # or answered by us, and in no case with those bytes.
    fresh = stage.backends[0].accept(SECONDS_MAX)
    stage.backends[0].answer(fresh, b"clean")
    expect_answer(client, 200, b"clean")
    client.expect_silence(0.02)


# Slowness on purpose.


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    limits = "front_timeout = 1\nback_timeout = 20\nrequest_timeout = 1\nconnect_timeout = 3"
    with Stage(tmp_path_factory.mktemp("slow"), 1, top=limits) as stage:
        yield stage


def seconds_since(began: float) -> float:
    return time.monotonic() - began


def test_a_head_that_drips_is_cut_at_the_limit(impatient: Stage) -> None:
    began = time.monotonic()
    dripping = [impatient.client() for _ in range(20)]
    for client in dripping:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Drip: ")
    while seconds_since(began) < 0.9:
        for client in dripping:
            client.send(b"x")
        time.sleep(0.1)
    # Others are served in time meanwhile.
    impatient.exchange(impatient.client(), "/meanwhile")
    for client in dripping:
        head, _ = client.receive_message(SECONDS_MAX)
        assert status_of(head) == 408
    assert seconds_since(began) < 4.0
    for client in dripping:
        client.half_close()
        client.expect_end(SECONDS_MAX)
    impatient.clear()


def test_a_client_that_says_nothing_is_closed_without_a_word(impatient: Stage) -> None:
    began = time.monotonic()
    client = impatient.client()
    assert client.receive_rest(SECONDS_MAX)[:12] in (b"", b"HTTP/1.1 408")
    assert 0.5 < seconds_since(began) < 4.0
    impatient.clear()


def test_a_client_that_reads_nothing_is_cut_off(impatient: Stage) -> None:
    client = impatient.client()
    client.send(get("/large"))
    peer = impatient.backends[0].accept(SECONDS_MAX)
    peer.receive_message(SECONDS_MAX)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    peer.send_what_fits(b"x" * 1_000_000)
    began = time.monotonic()
    impatient.exchange(impatient.client(), "/meanwhile")
    # The backend's connection goes with it.
    peer.receive_rest(SECONDS_MAX)
    assert seconds_since(began) < 4.0
    impatient.clear()


def test_a_body_that_stops_is_cut_off(impatient: Stage) -> None:
    client = impatient.client()
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    peer = impatient.backends[0].accept(SECONDS_MAX)
    began = time.monotonic()
    peer.receive_rest(SECONDS_MAX)
    got = client.receive_rest(SECONDS_MAX)
    assert seconds_since(began) < 5.0
    assert not got or status_of(got) == 408
    impatient.clear()
