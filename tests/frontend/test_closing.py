"""The ends of a client's connection: at once, or when all is written; each of them once."""

import pytest

from sozutw.config.model import HttpListener, Timeouts
from sozutw.frontend.closing import ignore
from tests.fakes.worker import LISTENER, FakeWorld, ok
from tests.worker.scenes import kept_alive


def test_what_comes_after_the_end_is_ignored():
    assert ignore(b"anything") is None


def test_an_abort_is_a_reset_when_there_was_more_to_say():
    world = FakeWorld("A")
    client, _ = kept_alive(world)
    client.get(b"/2")
    client.connection.abort()
    assert client.transport.is_reset
    world.assert_baseline()


def test_an_abort_of_who_has_all_is_none():
    world = FakeWorld("A")
    client, _ = kept_alive(world)
    client.connection.abort()
    assert client.transport.is_aborted
    assert not client.transport.is_reset
    world.assert_baseline()


def test_a_cut_lets_no_timer_fire_in_the_same_tick():
    timeouts = Timeouts(front=30.0, back=30.0)
    world = FakeWorld("A", listener=HttpListener(LISTENER, timeouts=timeouts))
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    client.transport.buffered_bytes = 1
    world.advance(31)
    assert client.transport.is_reset
    assert len(world.records) == 2
    world.assert_baseline()


@pytest.mark.parametrize("closes_first", [True, False])
def test_who_is_lingered_for_closes_first_or_is_cut_off_in_two_seconds(closes_first: bool):
    world = FakeWorld("A")
    client = world.client()
    client.send(b"no request\r\n\r\n")
    world.turn()
    assert client.transport.is_write_closed
    client.send(b"x" * 1000)
    if closes_first:
        client.hang_up()
        world.turn()
    else:
        world.advance(1.5)
        assert not client.transport.disconnected
        world.advance(1)
    assert client.transport.disconnected
    world.assert_baseline()


def test_who_sends_without_end_while_we_linger_is_cut_off():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"no request\r\n\r\n")
    client.send(b"x" * 65_536)
    assert not client.transport.is_aborted
    client.send(b"x")
    assert client.transport.is_aborted
    world.assert_baseline()


def test_who_was_paused_is_read_again_to_be_lingered_for():
    world = FakeWorld("A")
    client, a = kept_alive(world)
    a.stop_taking()
    client.get(b"/2")
    assert not client.transport.is_reading
    client.connection.drain()
    a.receive(ok(b"A2"))
    assert client.transport.is_reading
    world.assert_baseline()
