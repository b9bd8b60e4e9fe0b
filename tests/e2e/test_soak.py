"""A short soak, and the proof that its client sees what must not be."""

import itertools
import json
import random
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.soak_parts.bodies import answer_body, padding
from bench.soak_parts.client import Client, Tally, draw, spell
from tests.e2e.harness import ROOT, Backend


@pytest.mark.timeout(150)
def test_backends_are_killed_and_replaced_and_every_answer_is_right(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "soak", "--minutes", "0.35", "--results", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("passed\n")
    (written,) = tmp_path.glob("soak-*.json")
    seen = json.loads(written.read_text())
    assert seen["wrong"] == []
    assert seen["kills"] >= 15
    assert seen["counts"]["GET answered"] > 200


def judge_answer(make: str) -> Tally:
    """Let a client ask once, and answer as told: what it counted."""
    tally, stopped = Tally(), threading.Event()
    numbers = itertools.count(1)
    with Backend() as backend:
        client = Client(backend.port, random.Random(3), numbers.__next__, 1000.0, tally, stopped)
        client.start()
        peer = backend.accept()
        head, received = peer.receive_message()
        stopped.set()
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        _, number, size, _, _ = path.split("/")
        body = answer_body(int(number), method, received, int(size))
        status = b"200 OK"
        if make == "foreign":
            body = answer_body(int(number) + 1, method, received, int(size))
        elif make == "altered":
            body = body[:-1] + b"?"
        elif make == "502":
            status = b"502 Bad Gateway"
        whole = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        if make == "cut":
            whole = whole[:-1]
        peer.send(b"" if make == "silence" else whole)
        peer.close()
        client.join(10)
    assert not client.is_alive()
    return tally


@pytest.mark.parametrize(
    ("make", "counted", "is_fault"),
    [
        ("right", "GET answered", False),
        ("foreign", "wrong answers", True),
        ("altered", "wrong answers", True),
        ("502", "GET 502", True),
        ("cut", "GET cut after its first byte", False),
        ("silence", "GET without an answer", True),
    ],
)
def test_the_client_sees_what_must_not_be(make: str, counted: str, is_fault: bool) -> None:
    tally = judge_answer(make)
    assert tally.counts[counted] == 1, tally.counts
    assert bool(tally.faults) == is_fault


def test_no_two_requests_have_bodies_alike() -> None:
    assert answer_body(1, "GET", b"", 0) != answer_body(2, "GET", b"", 0)
    assert padding(1, 100) != padding(2, 100)
    assert len(padding(7, 12345)) == 12345


def test_what_is_drawn_from_a_seed_is_the_same_again() -> None:
    drawn = [
        [
            spell(a)
            for a in itertools.chain(*(draw(chance, iter(range(200)).__next__) for _ in range(50)))
        ]
        for chance in (random.Random(5), random.Random(5))
    ]
    assert drawn[0] == drawn[1]
    kinds = {re.split(rb"[ /]", text)[0] for text in drawn[0]}
    assert kinds == {b"GET", b"POST"}
