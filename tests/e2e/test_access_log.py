"""The access log of a started proxy: one line for each exchange, in a file that can be moved."""

import json
import re
import signal
from pathlib import Path

from tests.e2e.harness import wait_until
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, response

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \d{19} \d+ (?P<level>[A-Z]+-ACCESS) MAIN\t"
    r"\[(?P<session>\S+) (?P<request>\S+) (?P<cluster>\S+) (?P<backend>\S+)\] "
    r"(?P<client>\S+) (?P<address>\S+) (?P<times>\S+) (?P<bytes_in>\d+) (?P<bytes_out>\d+) "
    r"\[(?P<tags>.*)\] None (?P<protocol>\S+) (?P<authority>\S+) (?P<method>\S+) (?P<path>\S+) "
    r"(?P<status>\S+)(?: \| (?P<message>.*))?"
)


def lines_of(path: Path, count: int) -> list[str]:
    """Wait for so many lines, and return them; more is a failure."""
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= count, f"{count} lines")
    lines = path.read_text().splitlines()
    assert len(lines) == count, lines
    return lines


def test_each_exchange_is_one_line_that_nobody_forges(tmp_path: Path) -> None:
    with Stage(tmp_path, 1) as stage:
        client = stage.client()
        _, peer = stage.exchange(client, "/plain?a=b")
        forged = b'/x"\\\x1b[2J'
        client.send(
            b"GET /evil%0a%20line HTTP/1.1\r\nHost: localhost\r\n"
            b"User-Agent: a]b \x80\xff\t| 200 [x] \x7e\\\r\n\r\n"
        )
        stage.backends[0].answer(peer, b"seen")
        expect_answer(client, 200, b"seen")
        stage.client().send(b"GET " + forged + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        lines = lines_of(stage.log_path, 3)
        for line in lines:
            text = line.replace("μs", "us").replace("\t", " ", 1)
            assert text.isascii(), line
            assert text.isprintable(), line
        first, second, third = (LINE.fullmatch(line) for line in lines)
        assert first is not None
        assert first["backend"] == "A"
        assert first["address"] == str(stage.backends[0])
        assert first["client"] == f"127.0.0.1:{client.port}"
        assert (first["method"], first["path"], first["status"]) == ("GET", "/plain?a=b", "200")
        assert second is not None
        assert second["session"] == first["session"]
        assert second["request"] != first["request"]
        assert (second["path"], second["status"]) == ("/evil%0a%20line", "200")
        assert third is not None
        assert third["status"] == "400"


def test_json_lines_are_objects(tmp_path: Path) -> None:
    with Stage(tmp_path, 1, top='access_logs_format = "json"') as stage:
        client = stage.client()
        stage.exchange(client, "/j")
        (line,) = lines_of(stage.log_path, 1)
        told = json.loads(line)
        assert (told["method"], told["path"], told["status"]) == ("GET", "/j", 200)
        assert told["backend_id"] == "A"
        assert told["backend_address"] == str(stage.backends[0])
        assert told["bytes_in"] > 0
        assert told["bytes_out"] > 0
        assert told["level"] == "info"


def test_a_tunnel_is_one_line_at_its_end(tmp_path: Path) -> None:
    with Stage(tmp_path, 1, top='access_logs_format = "json"') as stage:
        client = stage.client()
        client.send(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\n"
        )
        peer = stage.backends[0].accept()
        peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
        peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        client.receive_until(b"\r\n\r\n", SECONDS_MAX)
        client.send(b"x" * 5000)
        peer.receive_exactly(5000, SECONDS_MAX)
        peer.close()
        client.expect_end(SECONDS_MAX)
        client.close()
        (line,) = lines_of(stage.log_path, 1)
        told = json.loads(line)
        assert told["status"] == 101
        assert told["bytes_in"] >= 5000


def test_a_file_that_was_moved_is_opened_anew_on_sighup(tmp_path: Path) -> None:
    with Stage(tmp_path, 1) as stage:
        client = stage.client()
        stage.exchange(client, "/before")
        lines_of(stage.log_path, 1)
        moved = stage.log_path.with_suffix(".1")
        stage.log_path.rename(moved)
        stage.process.signal(signal.SIGHUP)
        wait_until(stage.log_path.exists, "the new file")
        stage.exchange(client, "/after")
        assert " /after 200" in lines_of(stage.log_path, 1)[0]
        assert " /before 200" in lines_of(moved, 1)[0]


def test_what_is_left_is_written_when_the_proxy_stops(tmp_path: Path) -> None:
    with Stage(tmp_path, 1) as stage:
        client = stage.client()
        for number in range(300):
            client.send(get(f"/{number}"))
            _, peer = stage.next_request()
            peer.receive_message(SECONDS_MAX)
            peer.send(response(b"x"))
            expect_answer(client, 200)
    assert len(stage.log_path.read_text().splitlines()) == 300
