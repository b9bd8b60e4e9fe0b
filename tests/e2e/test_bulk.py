"""Large bodies, spliced and not, to peers that stop reading: whole, and out of our memory."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_SECONDS, Deadline, Peer
from tests.e2e.stage import SECONDS_MAX, Stage, expect_answer, get, response, status_of

BLOCK = os.urandom(1 << 20)
BLOCKS = {"length": 300, "chunks": 100}
GROWTH_MAX = 4 << 20
"""Of the resident memory, for one transfer of a hundred times as much."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path, 1) as started:
        started.exchange(started.client(), "/warm")
        started.clear()
        yield started


class Sender(threading.Thread):
    """Send a body of so many blocks as fast as it is taken, and count."""

    def __init__(self, peer: Peer, framing: str) -> None:
        super().__init__(daemon=True)
        self.peer = peer
        self.blocks = BLOCKS[framing]
        self.is_chunked = framing == "chunks"
        self.sent = 0
        self.fault: Exception | None = None

    def run(self) -> None:
        try:
            deadline = Deadline("the body sent", 50.0)
            for _ in range(self.blocks):
                for piece in self._pieces():
                    view = memoryview(piece)
                    while view:
                        self.peer.sock.settimeout(deadline.seconds_left)
                        size = self.peer.sock.send(view)
                        view = view[size:]
                        self.sent += size
            if self.is_chunked:
                self.peer.send(b"0\r\n\r\n")
        except (OSError, AssertionError) as fault:
            self.fault = fault

    def _pieces(self) -> Iterator[bytes]:
        if self.is_chunked:
            yield b"%x\r\n" % len(BLOCK)
        yield BLOCK
        if self.is_chunked:
            yield b"\r\n"

    def wait_until_stuck(self) -> int:
        """Return how much was taken once nothing was for a while, as of a reader that stopped."""
        deadline = Deadline("a sender that is held back", 20.0)
        before = -1
        while before != self.sent or not before:
            deadline.check()
            before = self.sent
            time.sleep(0.3)
        return before

    def finish(self) -> None:
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive(), f"{self.sent} bytes sent, and no end"
        if self.fault is not None:
            raise self.fault


class Reader:
    """Take a body, in its framing, and remember its digest and the proxy's largest memory."""

    def __init__(self, stage: Stage, peer: Peer) -> None:
        self.stage = stage
        self.peer = peer
        self.digest = hashlib.blake2b()
        self.size = 0
        self.rss_max = 0

    def take(self, size: int) -> None:
        """Take so many bytes of payload."""
        while size:
            data = self.peer.receive(SECONDS_MAX, 1 << 18)
            if len(data) > size:
                data, self.peer.received = data[:size], data[size:]
            assert data, f"the end after {self.size} bytes"
            before, self.size = self.size, self.size + len(data)
            size -= len(data)
            self.digest.update(data)
            if before >> 24 != self.size >> 24:
                self.rss_max = max(self.rss_max, self.stage.process.resident_bytes())

    def take_all(self, framing: str) -> None:
        """Take what is left of the body."""
        if framing == "length":
            self.take(BLOCKS[framing] * len(BLOCK) - self.size)
            return
        while size := int(self.peer.receive_until(b"\r\n", SECONDS_MAX), 16):
            self.take(size)
            assert self.peer.receive_exactly(2, SECONDS_MAX) == b"\r\n"
        assert self.peer.receive_exactly(2, SECONDS_MAX) == b"\r\n"

    def check(self, framing: str) -> None:
        """Demand that it was the body."""
        assert self.size == BLOCKS[framing] * len(BLOCK)
        expected = hashlib.blake2b()
        for _ in range(BLOCKS[framing]):
            expected.update(BLOCK)
        assert self.digest.digest() == expected.digest()


def framing_field(framing: str) -> bytes:
    if framing == "chunks":
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % (BLOCKS[framing] * len(BLOCK))


def transfer(stage: Stage, sending: Peer, receiving: Peer, framing: str) -> None:
    """Send a body whose reader begins late; demand that it arrives, and is not kept by us."""
    before = stage.process.resident_bytes()
    sender = Sender(sending, framing)
    sender.start()
    reader = Reader(stage, receiving)
    held = sender.wait_until_stuck()
    grown = stage.process.resident_bytes() - before
    # What is under way lies in the kernel's buffers of two connections, and in a pipe.
    assert held < 60 << 20, held
    assert grown < GROWTH_MAX, f"{grown >> 10} KiB while nobody reads"
    reader.take_all(framing)
    sender.finish()
    reader.check(framing)
    grown = max(reader.rss_max, stage.process.resident_bytes()) - before
    assert grown < GROWTH_MAX, f"{grown >> 10} KiB of memory for {BLOCKS[framing]} MiB of body"


@pytest.mark.parametrize("framing", BLOCKS)
def test_a_large_download_to_a_slow_client(stage: Stage, framing: str) -> None:
    client = stage.client()
    client.send(get("/down"))
    peer = stage.backends[0].accept()
    peer.receive_message(SECONDS_MAX)
    peer.send(b"HTTP/1.1 200 OK\r\n" + framing_field(framing) + b"\r\n")
    assert status_of(client.receive_until(b"\r\n\r\n", SECONDS_MAX)) == 200
    transfer(stage, peer, client, framing)
    stage.exchange(client, "/after")


@pytest.mark.parametrize("framing", BLOCKS)
def test_a_large_upload_to_a_slow_backend(stage: Stage, framing: str) -> None:
    client = stage.client()
    client.send(b"PUT /up HTTP/1.1\r\nHost: localhost\r\n" + framing_field(framing) + b"\r\n")
    peer = stage.backends[0].accept()
    peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
    transfer(stage, client, peer, framing)
    peer.send(response(b"stored"))
    expect_answer(client, 200, b"stored")
    stage.exchange(client, "/after")


def test_a_client_that_leaves_a_large_download_is_forgotten(stage: Stage) -> None:
    client = stage.client()
    client.send(get("/down"))
    peer = stage.backends[0].accept()
    peer.receive_message(SECONDS_MAX)
    peer.send(b"HTTP/1.1 200 OK\r\n" + framing_field("length") + b"\r\n")
    sender = Sender(peer, "length")
    sender.start()
    client.receive_exactly(10_000_000, SECONDS_MAX)
    client.reset()
    sender.join(DEADLINE_SECONDS)
    assert isinstance(sender.fault, OSError), "its backend must hear of it"
    peer.close()
    stage.exchange(stage.client(), "/after")
