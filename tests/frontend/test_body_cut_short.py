"""Bytes that a splice took and did not deliver are gone: such a request is never sent again."""

from typing import ClassVar

import pytest
from twisted.internet.error import ConnectionDone

from sozutw.frontend import body as module
from sozutw.frontend.body import SPLICED_BYTES_MIN
from sozutw.transport.losses import failure
from tests.fakes.worker import FakeWorld
from tests.worker.scenes import kept_alive

PUT = b"PUT /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n"


class FakeSplice:
    """Moves nothing by itself."""

    made: ClassVar["list[FakeSplice]"] = []

    def __init__(self, source, sink, length, moved, ended) -> None:
        self.length, self.moved, self.ended = length, moved, ended
        self.held = 0
        self.is_stopped = False
        self.is_sink_full = False
        FakeSplice.made.append(self)

    def stop(self) -> int:
        self.is_stopped = True
        return self.held


@pytest.fixture
def splices(monkeypatch: pytest.MonkeyPatch) -> list[FakeSplice]:
    FakeSplice.made = []
    monkeypatch.setattr(module, "Splice", FakeSplice)
    monkeypatch.setattr(module, "is_available", lambda source, sink: True)
    return FakeSplice.made


def upload(world: FakeWorld, size: int = SPLICED_BYTES_MIN):
    client, a = kept_alive(world)
    client.send(PUT % size)
    return client, a


def test_a_put_of_which_a_splice_took_a_part_is_not_replayed_with_a_hole(splices):
    world = FakeWorld("A", "B")
    client, a = upload(world)
    (splice,) = splices
    splice.held = 4096  # in the pipe, and nowhere else
    a.hang_up()
    assert splice.is_stopped
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert world.dialled() == ["A"]
    world.assert_baseline()


def test_a_put_is_not_replayed_with_a_hole_after_its_splice_failed(splices):
    world = FakeWorld("A", "B")
    client, a = upload(world)
    (splice,) = splices
    splice.held = 4096
    splice.ended(failure(ConnectionDone()))
    a.reset_by_peer()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert world.dialled() == ["A"]
    world.assert_baseline()


def test_a_put_of_which_the_splice_took_nothing_is_replayed(splices):
    world = FakeWorld("A", "B")
    _, a = upload(world)
    a.hang_up()
    assert splices[0].is_stopped
    b = world.connect("B")
    assert b.take().startswith(b"PUT /1 ")
    assert len(splices) == 2
    assert splices[1].length == SPLICED_BYTES_MIN
    world.assert_baseline()


def test_a_client_is_not_blamed_for_a_backend_that_takes_no_spliced_upload(splices):
    world = FakeWorld("A")
    client, _ = upload(world)
    splices[0].is_sink_full = True
    world.advance(61)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    world.assert_baseline()
