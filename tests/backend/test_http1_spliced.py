"""A response that the kernel moves: whoever stops it is the one who is named."""

from typing import ClassVar

import pytest
from twisted.internet.error import ConnectionLost

from sozutw.backend import http1 as module
from sozutw.backend.http1 import SPLICED_BYTES_MIN
from sozutw.config.model import HttpListener, Timeouts
from sozutw.transport.losses import failure
from tests.fakes.worker import LISTENER, FakeWorld
from tests.worker.scenes import kept_alive

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SPLICED_BYTES_MIN


class FakeSplice:
    """Moves nothing by itself."""

    made: ClassVar["list[FakeSplice]"] = []

    def __init__(self, source, sink, length, moved, ended) -> None:
        self.length, self.moved, self.ended = length, moved, ended
        self.is_sink_full = False
        FakeSplice.made.append(self)

    def stop(self) -> int:
        return 0


@pytest.fixture
def splices(monkeypatch: pytest.MonkeyPatch) -> list[FakeSplice]:
    FakeSplice.made = []
    monkeypatch.setattr(module, "Splice", FakeSplice)
    monkeypatch.setattr(module, "is_available", lambda source, sink: True)
    return FakeSplice.made


def download(**timeouts: float):
    world = FakeWorld("A", listener=HttpListener(LISTENER, timeouts=Timeouts(**timeouts)))
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(HEAD)
    return world, client, a


def test_a_client_that_stops_reading_a_spliced_download_is_cut_by_its_own_deadline(splices):
    world, client, _ = download(front=60.0, back=30.0)
    splices[0].is_sink_full = True
    world.advance(59)
    assert not client.is_closed
    world.advance(2)
    assert client.transport.is_reset
    assert world.records[1].message == "client_timeout_during_response"
    world.assert_baseline()


def test_a_backend_that_stops_a_spliced_download_is_cut_by_its_own_deadline(splices):
    world, client, _ = download(front=10.0, back=30.0)
    world.advance(29)
    assert not client.is_closed
    world.advance(2)
    assert world.records[1].message == "backend_response_timeout"
    world.assert_baseline()


def test_a_client_that_leaves_a_spliced_download_is_recorded_as_that(splices):
    world, client, a = download()
    splices[0].ended(failure(ConnectionLost()))
    client.reset()
    assert world.records[1].message == "session close"
    assert world.worker.counters.backend_eof_before_message_complete == 0
    assert a.is_aborted
    world.assert_baseline()


def test_a_backend_that_leaves_a_spliced_download_is_recorded_as_that(splices):
    world, client, a = download()
    splices[0].ended(failure(ConnectionLost()))
    a.reset_by_peer()
    assert client.transport.is_reset
    assert world.worker.counters.backend_eof_before_message_complete == 1
    world.assert_baseline()


def test_bytes_behind_a_splice_that_failed_belong_to_nobody(splices):
    world, client, a = download()
    client.received()
    splices[0].ended(failure(ConnectionLost()))
    a.receive(b"x" * SPLICED_BYTES_MIN)
    assert client.received() == b""
    client.reset()
    world.assert_baseline()
