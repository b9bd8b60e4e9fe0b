"""Interim responses: any number in one read, but not without end."""

from sozutw.backend.http1 import INTERIMS_MAX
from tests.fakes.worker import FakeWorld, ok
from tests.worker.scenes import kept_alive

HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def test_some_interim_responses_pass_in_one_read():
    world = FakeWorld("A")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(HINT * INTERIMS_MAX + ok(b"A2"))
    data = client.received()
    assert data.count(b"HTTP/1.1 103 ") == INTERIMS_MAX
    assert data.endswith(b"A2")
    client.get(b"/3")
    a.receive(HINT * INTERIMS_MAX + ok(b"A3"))
    assert client.received().endswith(b"A3")
    world.assert_baseline()


def test_interim_responses_without_end_are_a_502_and_not_a_deep_stack():
    for pieces in ([HINT * 5000], [HINT] * (INTERIMS_MAX + 1)):
        world = FakeWorld("A")
        client, a = kept_alive(world)
        client.get(b"/2")
        for piece in pieces:
            a.receive(piece)
            if a.is_aborted:
                break
        data = client.received()
        assert data.count(b"HTTP/1.1 103 ") == INTERIMS_MAX
        assert b"HTTP/1.1 502 " in data
        assert a.is_aborted
        world.assert_baseline()


def test_interim_responses_may_be_cut_anywhere():
    data = HINT * 2 + ok(b"A2")
    for cut in range(1, len(data)):
        world = FakeWorld("A")
        client, a = kept_alive(world)
        client.get(b"/2")
        a.receive(data[:cut])
        a.receive(data[cut:])
        got = client.received()
        assert got.count(b"HTTP/1.1 103 ") == 2
        assert got.endswith(b"A2")
        assert len(world.state("A").idle) == 1
        world.assert_baseline()


def test_what_is_not_http_behind_an_interim_response_is_a_502():
    world = FakeWorld("A")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(HINT + b"\x00garbage\r\n\r\n")
    assert b"HTTP/1.1 502 " in client.received()
    world.assert_baseline()
