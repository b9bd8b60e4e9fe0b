"""What a keep-alive request costs in calls of the kernel, as strace counts them in a process."""

import os
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, response

REQUESTS = 200
CALL = re.compile(r"^(?:\d+ +)?(?:[\d.]+ )?(?P<name>[a-z_0-9]+)\(", re.MULTILINE)
MARK = "/the/mark"


def calls_between_marks(trace: str) -> list[str]:
    """Return the lines between the first request of the measured part and the one behind it."""
    parts = re.split(rf"^.*recvfrom\(.*{MARK}.*$", trace, flags=re.MULTILINE)
    assert len(parts) == 3, f"{len(parts) - 1} marks in the trace"
    return parts[1].splitlines()[1:]


def test_a_keep_alive_request_is_two_receives_and_two_sends(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        assert not os.environ.get("CI"), "strace is missing; it is a package of every distribution"
        pytest.skip("no strace")
    path = tmp_path / "trace"
    # -D: the proxy stays our child, and strace is its grandchild.
    wrapper = [strace, "-D", "-f", "-s", "48", "-o", str(path)]
    with Stage(tmp_path, 1, wrapper=wrapper) as stage:
        client = stage.client()
        _, peer = stage.exchange(client, "/1")

        def ask(target: str) -> None:
            client.send(get(target))
            peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
            peer.send(response(b"hello"))
            expect_answer(client, 200, b"hello")

        ask(MARK)
        began = time.monotonic()
        for number in range(REQUESTS):
            ask(f"/{number}")
        seconds = time.monotonic() - began
        ask(MARK)
    lines = calls_between_marks(path.read_text(errors="replace"))
    names = [match["name"] for line in lines if (match := CALL.match(line))]
    counts = Counter(names)
    # Of the mark's own exchange, the first receive is cut off with the mark.
    assert counts.pop("recvfrom") == 2 * REQUESTS + 1, counts
    assert counts.pop("sendto") == 2 * REQUESTS + 2, counts
    assert "epoll_ctl" not in counts, counts
    # Waiting is allowed, at most once for each event and for the timers meanwhile.
    assert counts.pop("epoll_wait") <= 2.2 * REQUESTS + 20 * seconds, counts
    # Round trips for the log: on each connection once a second.
    assert counts.pop("getsockopt", 0) <= 2 * (seconds + 2), counts
    # The log is written five times a second, not with each request.
    rest = sum(counts.values())
    assert rest <= 10 * (seconds + 1), counts
