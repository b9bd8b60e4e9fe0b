"""The demo needs nothing else, and its own curl lines are true."""

import http.client
import re
import ssl
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Peer, Process, ReservedPort, connect, field_map, get


@pytest.fixture
def port() -> int:
    reserved = ReservedPort()
    reserved.close()
    return reserved.port


def demo(folder: Path, port: int, tls_port: int | None = None) -> Process:
    if tls_port is None:
        reserved = ReservedPort()
        reserved.close()
        tls_port = reserved.port
    words = ["demo", "--port", str(port), "--tls-port", str(tls_port)]
    return Process([BIN / "sozutw", *words], folder)


def test_both_backends_answer_and_the_process_ends_cleanly(tmp_path: Path, port: int) -> None:
    with demo(tmp_path, port) as process:
        process.wait_for_port(port)
        bodies = {get(port)[2].split(b".")[0] for _ in range(4)}
        assert bodies == {b"Hello from backend one", b"Hello from backend two"}
        assert process.stop() == 0
        assert "Traceback" not in process.said()


def test_it_tells_what_listens_where_and_three_lines_to_try(tmp_path: Path, port: int) -> None:
    with demo(tmp_path, port) as process:
        process.wait_for_text("Ctrl-C")
        told = process.stdout()
        assert len(re.findall(r"^  curl .* http://127\.0\.0\.1:", told, re.MULTILINE)) == 2
        assert len(re.findall(r"^  curl -k https://127\.0\.0\.1:", told, re.MULTILINE)) == 1
        for address in re.findall(r"^backend \w+\s+http://127\.0\.0\.1:(\d+)", told, re.MULTILINE):
            assert b"Hello from backend" in get(int(address))[2]
        assert f"http://127.0.0.1:{port}" in told


def test_both_backends_answer_over_tls(tmp_path: Path, port: int) -> None:
    tls_port = ReservedPort()
    tls_port.close()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with demo(tmp_path, port, tls_port.port) as process:
        process.wait_for_port(tls_port.port)
        for name in ("127.0.0.1", "localhost"):
            client = http.client.HTTPSConnection(name, tls_port.port, timeout=5, context=context)
            client.request("GET", "/")
            body = client.getresponse().read()
            client.close()
            assert b"Hello from backend" in body
            assert b"X-Forwarded-Proto: https\n" in body
        assert process.stop() == 0
        assert "Traceback" not in process.said()


def test_a_body_is_counted_and_the_fields_are_shown(tmp_path: Path, port: int) -> None:
    with demo(tmp_path, port) as process:
        process.wait_for_port(port)
        with connect(port) as client:
            client.send(
                b"POST /x HTTP/1.1\r\nHost: a\r\nX-Mine: 7\r\nContent-Length: 5\r\n\r\nhello"
            )
            head, body = client.receive_message()
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"\nPOST /x\n" in body
            assert b"X-Mine: 7\n" in body
            assert b"and 5 bytes of body." in body
            client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = client.receive_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.receive_message()[1].startswith(b"Hello")


def events(client: Peer) -> None:
    client.send(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n")
    head = client.receive_until(b"\r\n\r\n")
    assert field_map(head)[b"content-type"] == b"text/event-stream"
    client.receive_until(b"data: tick from backend")


def test_events_come_at_once(tmp_path: Path, port: int) -> None:
    with demo(tmp_path, port) as process:
        process.wait_for_port(port)
        with connect(port) as client:
            events(client)
            client.receive_until(b"data: tick from backend")
        assert process.stop() == 0
        assert "Traceback" not in process.said()


def test_a_taken_port_is_one_line(tmp_path: Path, port: int) -> None:
    with demo(tmp_path, port) as first:
        first.wait_for_port(port)
        with demo(tmp_path, port) as second:
            assert second.wait() == 1
            assert "sozutw cannot start: " in second.stderr()
            assert "Traceback" not in second.said()
            assert "curl" not in second.stdout()
