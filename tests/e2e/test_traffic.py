"""HTTP/1 through a started proxy, one exchange at a time, each step of both ends by hand."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Peer, field_map
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, post, response, status_of


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start a proxy before one backend, for all tests here."""
    with Stage(tmp_path_factory.mktemp("traffic"), 1) as stage:
        yield stage


@pytest.fixture
def stage(proxy: Stage) -> Iterator[Stage]:
    """Give the proxy to one test, and demand that nothing is left of it."""
    yield proxy
    proxy.clear()


def begin(stage: Stage, text: bytes) -> tuple[Peer, Peer]:
    """Send a request on a new connection; return the client and who serves it."""
    client = stage.client()
    client.send(text)
    return client, stage.backends[0].accept(SECONDS_MAX)


def head_of(peer: Peer) -> bytes:
    return peer.receive_until(b"\r\n\r\n", SECONDS_MAX)


# Framing.


def test_both_connections_are_kept_alive(stage: Stage) -> None:
    client, peer = begin(stage, get("/0"))
    for number in range(20):
        if number:
            client.send(post(f"/{number}", b"x" * number) if number % 2 else get(f"/{number}"))
        head, body = stage.backends[0].answer(peer, b"%d" % number)
        assert f" /{number} HTTP/1.1\r\n".encode() in head
        assert len(body) == (number if number % 2 else 0)
        expect_answer(client, 200, b"%d" % number)
    assert len(stage.backends[0].accepted) == 1


def test_fifty_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    texts = [post(f"/{n}", b"p%d" % n) if n % 3 else get(f"/{n}") for n in range(50)]
    client, peer = begin(stage, b"".join(texts))
    for number in range(50):
        head, body = stage.backends[0].answer(peer, b"a%d" % number)
        assert f" /{number} HTTP/1.1\r\n".encode() in head
        assert body == (b"p%d" % number if number % 3 else b"")
    for number in range(50):
        expect_answer(client, 200, b"a%d" % number)
    assert len(stage.backends[0].accepted) == 1


def test_a_request_cut_into_single_bytes_is_the_same(stage: Stage) -> None:
    client = stage.client()
    for byte in post("/slowly", b"body"):
        client.send(bytes((byte,)))
    head, body = stage.backends[0].answer(stage.backends[0].accept(), b"whole")
    assert head.startswith(b"POST /slowly HTTP/1.1\r\n")
    assert body == b"body"
    expect_answer(client, 200, b"whole")


def test_chunks_and_trailers_pass_both_ways_without_extensions(stage: Stage) -> None:
    fields = b"Host: localhost\r\nTransfer-Encoding: chunked\r\n"
    client, peer = begin(stage, b"POST /c HTTP/1.1\r\n" + fields + b"Trailer: X-Sum\r\n\r\n")
    head = head_of(peer)
    assert field_map(head)[b"transfer-encoding"].lower() == b"chunked"
    assert b"content-length" not in field_map(head)
    client.send(b'3;name="a;b"\r\nabc\r\n')
    assert peer.receive_until(b"abc\r\n") == b"3\r\nabc\r\n"
    client.send(b"000004\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n")
    rest = peer.receive_until(b"\r\n\r\n")
    assert rest == b"4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n"
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n")
    assert status_of(head_of(client)) == 200
    assert client.receive_until(b"hello\r\n") == b"5\r\nhello\r\n"
    peer.send(b"0\r\nX-Time: 9\r\n\r\n")
    assert client.receive_until(b"\r\n\r\n") == b"0\r\nX-Time: 9\r\n\r\n"
    client.send(get("/again"))
    stage.backends[0].answer(peer, b"the same connections")
    expect_answer(client, 200, b"the same connections")


def test_an_http_1_0_client_gets_chunks_as_plain_bytes_and_a_close(stage: Stage) -> None:
    client, peer = begin(stage, b"GET /old HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert head_of(peer).startswith(b"GET /old HTTP/1.1\r\n")
    peer.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n1\r\n!\r\n0\r\n\r\n"
    )
    head, _, body = client.receive_rest(SECONDS_MAX).partition(b"\r\n\r\n")
    assert status_of(head) == 200
    assert b"transfer-encoding" not in field_map(head)
    assert body == b"old!"


def test_a_close_delimited_response_of_an_http_1_0_backend_arrives_whole(stage: Stage) -> None:
    client, peer = begin(stage, get("/"))
    head_of(peer)
    peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nsome")
    peer.send(b" more")
    peer.close()
    head, body = client.receive_message(SECONDS_MAX)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b"some more"
    client.send(get("/next"))
    stage.backends[0].answer(stage.backends[0].accept(), b"next")
    expect_answer(client, 200, b"next")


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", b"200 OK"), ("GET", b"204 No Content"), ("GET", b"304 Same")]
)
def test_what_has_no_body_keeps_its_fields_and_both_connections(
    stage: Stage, method: str, status: bytes
) -> None:
    client, peer = begin(stage, get("/x").replace(b"GET", method.encode()))
    head_of(peer)
    length = b"" if status.startswith(b"204") else b"Content-Length: 1234\r\n"
    peer.send(b'HTTP/1.1 %b\r\n%bETag: "e"\r\n\r\n' % (status, length))
    head = head_of(client)
    assert head.startswith(b"HTTP/1.1 " + status)
    assert field_map(head).get(b"content-length") == (b"1234" if length else None)
    assert field_map(head)[b"etag"] == b'"e"'
    client.send(get("/next"))
    stage.backends[0].answer(peer, b"next")
    expect_answer(client, 200, b"next")


def test_hop_by_hop_fields_go_no_further(stage: Stage) -> None:
    client, peer = begin(
        stage,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n"
        b"Keep-Alive: timeout=5\r\nProxy-Authorization: x\r\nTE: trailers\r\nX-End: 2\r\n"
        b"X-Forwarded-For: 6.6.6.6\r\n\r\n",
    )
    fields = field_map(head_of(peer))
    assert not {b"x-hop", b"keep-alive", b"proxy-authorization"} & fields.keys()
    assert fields[b"x-end"] == b"2"
    assert fields[b"x-forwarded-for"] == b"127.0.0.1"
    assert fields[b"x-forwarded-proto"] == b"http"
    assert fields[b"x-forwarded-port"] == str(stage.port).encode()
    assert fields[b"sozu-id"]
    assert fields[b"x-request-id"]
    peer.send(response(b"", b"Connection: X-Secret\r\nX-Secret: 3\r\nX-Open: 4\r\n"))
    fields = field_map(expect_answer(client, 200, b""))
    assert b"x-secret" not in fields
    assert fields[b"x-open"] == b"4"


# Interim responses and upgrades.


def test_a_100_is_passed_on_before_the_body_is_sent(stage: Stage) -> None:
    client, peer = begin(
        stage,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    )
    assert field_map(head_of(peer))[b"expect"] == b"100-continue"
    client.expect_silence(0.05)
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert head_of(client).startswith(b"HTTP/1.1 100 ")
    client.send(b"body")
    assert peer.receive_exactly(4, SECONDS_MAX) == b"body"
    peer.send(response(b"thanks"))
    expect_answer(client, 200, b"thanks")


def test_a_client_that_expected_a_100_may_be_refused_at_once(stage: Stage) -> None:
    client, peer = begin(
        stage,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    )
    head_of(peer)
    peer.send(response(b"no", status=b"417 Expectation Failed"))
    expect_answer(client, 417, b"no")
    # Whether the body comes is anybody's guess: nothing after it may be taken for a request.
    client.expect_end(SECONDS_MAX)


def test_early_hints_come_before_the_response(stage: Stage) -> None:
    client, peer = begin(stage, get("/"))
    head_of(peer)
    peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n")
    head = head_of(client)
    assert head.startswith(b"HTTP/1.1 103 ")
    assert field_map(head)[b"link"] == b"</s.css>; rel=preload"
    peer.send(response(b"final"))
    expect_answer(client, 200, b"final")


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


def open_tunnel(stage: Stage, early: bytes = b"") -> tuple[Peer, Peer]:
    client, peer = begin(stage, UPGRADE)
    fields = field_map(head_of(peer))
    assert fields[b"upgrade"] == b"websocket"
    assert fields[b"connection"].lower() == b"upgrade"
    peer.send(SWITCH + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" + early)
    head = head_of(client)
    assert status_of(head) == 101
    assert field_map(head)[b"upgrade"] == b"websocket"
    return client, peer


def test_a_websocket_passes_every_byte_and_half_closes(stage: Stage) -> None:
    noise = os.urandom(100_000) + bytes(range(256)) + b"GET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"
    client, peer = open_tunnel(stage, b"early")
    assert client.receive_exactly(5, SECONDS_MAX) == b"early"
    for sender, receiver in ((client, peer), (peer, client)) * 3:
        sender.send(noise)
        assert receiver.receive_exactly(len(noise), SECONDS_MAX) == noise
    assert stage.gauges()["protocol.ws"] == 1
    client.half_close()
    peer.expect_end(SECONDS_MAX)
    peer.send(b"still heard")
    assert client.receive_exactly(11, SECONDS_MAX) == b"still heard"
    peer.close()
    client.expect_end(SECONDS_MAX)


def test_a_websocket_whose_backend_half_closes_lives_on(stage: Stage) -> None:
    client, peer = open_tunnel(stage)
    peer.half_close()
    client.expect_end(SECONDS_MAX)
    client.send(b"last words")
    assert peer.receive_exactly(10, SECONDS_MAX) == b"last words"
    client.close()
    peer.expect_end(SECONDS_MAX)


def test_an_upgrade_that_is_refused_leaves_http(stage: Stage) -> None:
    client, peer = begin(stage, UPGRADE)
    head_of(peer)
    peer.send(response(b"not here", status=b"426 Upgrade Required"))
    expect_answer(client, 426, b"not here")
    client.send(get("/smuggled?no"))
    backend, peer = stage.next_request()
    head, _ = backend.answer(peer, b"a request of its own")
    assert field_map(head)[b"x-forwarded-for"]
    expect_answer(client, 200, b"a request of its own")


# Time: what is there is passed on.


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"])
def test_events_are_passed_on_as_they_come(stage: Stage, framing: bytes) -> None:
    client, peer = begin(stage, get("/events"))
    head_of(peer)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n")
    # The head alone arrives, before there is any event.
    assert status_of(head_of(client)) == 200
    for number in range(5):
        event = b"data: %d\n\n" % number
        is_chunked = framing.startswith(b"Transfer")
        peer.send(b"%x\r\n%b\r\n" % (len(event), event) if is_chunked else event)
        client.receive_until(event, SECONDS_MAX)


def test_an_early_response_during_an_upload_arrives_whole(stage: Stage) -> None:
    client, peer = begin(
        stage, b"PUT /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
    )
    head_of(peer)
    client.send(b"x" * 300_000)
    peer.receive_exactly(300_000, SECONDS_MAX)
    why = b"too large" * 1000
    peer.send(response(why, b"Connection: close\r\n", b"413 Content Too Large"))
    peer.close()
    # It may go on sending for a while, and still reads the answer, not a reset.
    client.send(b"x" * 30_000)
    head, body = client.receive_message(SECONDS_MAX)
    assert (status_of(head), body) == (413, why)
    client.half_close()
    client.expect_end(SECONDS_MAX)


def test_a_client_that_half_closes_still_gets_its_response(stage: Stage) -> None:
    client, peer = begin(stage, get("/half"))
    client.half_close()
    head_of(peer)
    peer.send(response(b"for you all the same"))
    expect_answer(client, 200, b"for you all the same")
    client.expect_end(SECONDS_MAX)


def test_a_response_that_is_cut_does_not_look_whole(stage: Stage) -> None:
    client, peer = begin(stage, get("/cut"))
    head_of(peer)
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    client.receive_until(b"abc\r\n")
    peer.close()
    assert b"0\r\n\r\n" not in client.receive_rest(SECONDS_MAX)


# curl, which nobody here wrote.


def curl(*arguments: str) -> subprocess.Popen[bytes]:
    if shutil.which("curl") is None:
        assert not os.environ.get("CI"), "curl is missing"
        pytest.skip("no curl")
    return subprocess.Popen(
        ["curl", "-sS", "--max-time", "10", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def said(process: subprocess.Popen[bytes]) -> str:
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0, err
    return out.decode()


def test_curl_keeps_its_connection(stage: Stage) -> None:
    url = f"http://localhost:{stage.port}"
    process = curl("-4", "-w", "%{http_code} %{num_connects}\n", f"{url}/1", f"{url}/2")
    peer = stage.backends[0].accept()
    for body in (b"one ", b"two "):
        stage.backends[0].answer(peer, body)
    assert said(process) == "one 200 1\ntwo 200 0\n"


@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding"])
def test_curl_uploads(stage: Stage, tmp_path: Path, framing: str) -> None:
    sent = os.urandom(3_000_000)
    (tmp_path / "sent").write_bytes(sent)
    more = ["-H", "Transfer-Encoding: chunked"] if framing == "Transfer-Encoding" else []
    process = curl(*more, "-T", str(tmp_path / "sent"), f"http://127.0.0.1:{stage.port}/up")
    peer = stage.backends[0].accept()
    head = head_of(peer)
    fields = field_map(head)
    assert framing.lower().encode() in fields
    if fields.get(b"expect"):
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if framing == "Content-Length":
        body = peer.receive_exactly(int(fields[b"content-length"]), SECONDS_MAX)
    else:
        body = peer._receive_chunks(SECONDS_MAX)
    assert body == sent
    peer.send(response(b"stored"))
    assert said(process) == "stored"


def test_curl_asks_for_a_head_and_speaks_http_1_0(stage: Stage) -> None:
    process = curl("-I", f"http://127.0.0.1:{stage.port}/h")
    peer = stage.backends[0].accept()
    assert head_of(peer).startswith(b"HEAD /h HTTP/1.1\r\n")
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n")
    assert "Content-Length: 77" in said(process)
    process = curl("--http1.0", f"http://127.0.0.1:{stage.port}/old")
    backend, peer = stage.next_request()
    backend.answer(peer, b"old")
    assert said(process) == "old"
