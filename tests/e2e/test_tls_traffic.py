"""Requests that come over TLS: whole bodies, what backends and browsers are told, redirects."""

import hashlib
import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.harness import field_map
from tests.e2e.stage import SECONDS_MAX, expect_answer, get, response, status_of
from tests.e2e.tls import TlsStage, tls_of, trusting

HSTS = b"max-age=31536000; includeSubDomains"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStage]:
    with TlsStage(
        tmp_path_factory.mktemp("traffic"),
        listener="hsts = { enabled = true, include_subdomains = true }",
        cluster="https_redirect = true\nhttps_redirect_port = 8443",
    ) as stage:
        yield stage


@pytest.fixture
def stage(proxy: TlsStage) -> Iterator[TlsStage]:
    yield proxy
    proxy.clear()


def test_backends_are_told_that_it_was_https(stage: TlsStage) -> None:
    client = stage.tls_client()
    fields = stage.ask_echo(client, more="X-Forwarded-Proto: http\r\n")
    assert fields["x-forwarded-proto"] == "https"
    assert fields["x-forwarded-port"] == str(stage.tls_port)
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["forwarded"].startswith(f'proto=https;for="127.0.0.1:{client.port}";by=')


def test_the_log_tells_what_the_handshake_settled(stage: TlsStage) -> None:
    context = trusting(stage.authority)
    context.set_alpn_protocols(["http/1.1"])
    client = stage.tls_client(context)
    stage.ask_echo(client, "/echo/settled")
    record = stage.record_of("/echo/settled")
    assert record["protocol"] == "HTTPS"
    assert record["tls_version"] == "TLSv1.3"
    assert record["tls_cipher"].startswith("TLS_")
    assert record["tls_sni"] == "localhost"
    assert record["tls_alpn"] == "http/1.1"
    assert record["tls_resumed"] is False


def test_handshakes_are_counted_by_what_they_settled(stage: TlsStage) -> None:
    before = stage.tls_counters()
    client = stage.tls_client()
    assert stage.ask_status(client) == 200
    assert stage.gauges()["protocol.https"] == 1
    after = stage.tls_counters()
    assert after["tls.version.TLSv1_3"] == before.get("tls.version.TLSv1_3", 0) + 1
    cipher = tls_of(client).cipher()
    assert cipher is not None
    name = f"tls.cipher.{cipher[0]}"
    assert after[name] == before.get(name, 0) + 1


# HSTS and redirects.


def test_browsers_are_told_to_come_by_https(stage: TlsStage) -> None:
    client = stage.tls_client()
    client.send(get("/"))
    _, peer = stage.next_request()
    stage.backends[0].answer(peer, b"")
    assert field_map(expect_answer(client, 200))[b"strict-transport-security"] == HSTS
    # A backend that says it itself has the last word.
    client.send(get("/"))
    stage.backends[0].answer(peer, b"", b"Strict-Transport-Security: max-age=1\r\n")
    head = expect_answer(client, 200)
    assert re.findall(rb"(?i)strict-transport-security: (.*)\r\n", head) == [b"max-age=1"]


def test_answers_of_the_proxy_tell_it_too(tmp_path: Path) -> None:
    with TlsStage(tmp_path, listener="hsts = { enabled = true }") as stage:
        stage.backends[0].stop_listening()
        client = stage.tls_client()
        client.send(get("/"))
        fields = field_map(expect_answer(client, 503))
        assert fields[b"strict-transport-security"] == b"max-age=31536000"


def test_who_comes_plainly_is_sent_to_https(stage: TlsStage) -> None:
    client = stage.client()
    client.send(get("/path?query=1", "localhost:8080"))
    head = expect_answer(client, 301)
    fields = field_map(head)
    assert fields[b"location"] == b"https://localhost:8443/path?query=1"
    assert b"strict-transport-security" not in fields
    stage.backends[0].expect_no_connection(0)


# Bodies.


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_large_download_is_whole_for_a_slow_reader(stage: TlsStage, version: str) -> None:
    body = os.urandom(1 << 20) * 24
    context = trusting(stage.authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    client = stage.tls_client(context)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.send(get("/large")[:-2] + b"Connection: close\r\n\r\n")
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    whole = memoryview(response(body))
    digest, size = hashlib.sha256(), 0
    head = b""
    peer.sock.setblocking(False)
    while whole:
        # What fits is sent before the client reads any of it.
        try:
            while whole:
                whole = whole[peer.sock.send(whole) :]
        except BlockingIOError:
            data = client.receive(SECONDS_MAX, 1 << 20)
            if not head:
                head, _, data = data.partition(b"\r\n\r\n")
            digest.update(data)
            size += len(data)
    assert stage.process.resident_bytes() < 200 << 20
    peer.close()
    # The end is said, not only made: a bare one would raise here.
    while data := client.receive(SECONDS_MAX, 1 << 20):
        digest.update(data)
        size += len(data)
    assert status_of(head) == 200
    assert size == len(body)
    assert digest.digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 300_000, 5_000_000])
def test_bodies_pass_both_ways(stage: TlsStage, size: int) -> None:
    body = os.urandom(1000) * (size // 1000) + os.urandom(size % 1000)
    client = stage.tls_client()
    client.send(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    view, got = memoryview(body), b""
    client.sock.settimeout(0)
    while len(got) < size:
        with suppress(ssl.SSLWantWriteError):
            while view:
                view = view[client.sock.send(view) :]
        got += peer.receive(SECONDS_MAX, 1 << 20)
    assert got == body
    view, got = memoryview(response(body)), b""
    peer.sock.setblocking(False)
    while view or not got.endswith(body):
        with suppress(BlockingIOError):
            while view:
                view = view[peer.sock.send(view) :]
        got += client.receive(SECONDS_MAX, 1 << 20)
    assert status_of(got) == 200


def test_pipelined_requests_in_one_record_are_answered_in_order(stage: TlsStage) -> None:
    client = stage.tls_client()
    client.send(b"".join(get(f"/{number}") for number in range(30)))
    _, peer = stage.next_request()
    for number in range(30):
        head, _ = stage.backends[0].answer(peer, b"%d" % number)
        assert f" /{number} ".encode() in head
    for number in range(30):
        expect_answer(client, 200, b"%d" % number)


def test_a_websocket_passes_over_tls(stage: TlsStage) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    client = stage.tls_client()
    client.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n" + upgrade)
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    peer.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"early")
    client.receive_until(b"\r\n\r\n", SECONDS_MAX)
    assert client.receive_exactly(5, SECONDS_MAX) == b"early"
    noise = os.urandom(50_000)
    for sender, receiver in ((client, peer), (peer, client)) * 3:
        sender.send(noise)
        assert receiver.receive_exactly(len(noise), SECONDS_MAX) == noise
    assert stage.gauges()["protocol.wss"] == 1
    peer.close()
    client.expect_end(SECONDS_MAX)


def test_events_are_passed_on_as_they_come(stage: TlsStage) -> None:
    client = stage.tls_client()
    client.send(get("/events"))
    _, peer = stage.next_request()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.receive_until(b"\r\n\r\n", SECONDS_MAX)
    for number in range(5):
        peer.send(b"8\r\ndata: %d\n\r\n" % number)
        client.receive_until(b"data: %d\n" % number, SECONDS_MAX)


def test_what_is_under_way_is_finished_before_the_proxy_stops(tmp_path: Path) -> None:
    with TlsStage(tmp_path) as stage:
        client, idle = stage.tls_client(), stage.tls_client()
        assert stage.ask_status(idle) == 200
        client.send(get("/"))
        _, peer = stage.next_request()
        peer.receive_message(SECONDS_MAX)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        client.receive_until(b"half", SECONDS_MAX)
        stage.process.signal(signal.SIGTERM)
        stage.process.wait_for_text("stopping: ")
        peer.send(b"more")
        assert client.receive_exactly(4, SECONDS_MAX) == b"more"
        for each in (idle, client):
            each.send(get("/last"))
            peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
            peer.send(response(b"last"))
            head = expect_answer(each, 200, b"last")
            assert b"\r\nConnection: close\r\n" in head
            each.expect_end(SECONDS_MAX)
            each.close()
        assert stage.process.wait(SECONDS_MAX) == 0
        stage.has_stopped = True
