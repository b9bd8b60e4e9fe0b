"""What was said last still arrives, for a bounded time; and it is counted."""

import pytest

from sozutw.config.model import Cluster, HttpListener, Timeouts
from tests.fakes.worker import LISTENER, FakeWorld, ok
from tests.worker.scenes import kept_alive
from tests.worker.test_variants_tunnel import SWITCHED, ask_for_upgrade, tunnel


@pytest.mark.parametrize("first", ["client", "backend"])
def test_the_last_bytes_of_a_tunnel_still_go_to_the_backend(first: str) -> None:
    world = FakeWorld("A")
    client, a = tunnel(world)
    client.send(b"last words")
    a.stop_taking()  # They wait in our buffer.
    a.buffered_bytes = 10
    if first == "client":
        client.hang_up()
        a.hang_up()
    else:
        a.hang_up()
        client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert len(world.worker.connector.pool) == 0
    assert not a.is_aborted
    a.drain()
    world.turn()
    assert a.disconnected
    assert not a.is_aborted
    world.assert_baseline()


def test_a_backend_that_does_not_take_the_last_bytes_of_a_tunnel_is_cut_off_in_time() -> None:
    world = FakeWorld("A", cluster=Cluster("app", back_timeout=7.0))
    client, a = tunnel(world)
    a.stop_taking()
    a.buffered_bytes = 10
    a.hang_up()
    client.hang_up()
    world.advance(6.5)
    assert not a.is_aborted
    world.advance(1)
    assert a.is_aborted
    world.assert_baseline()


def test_the_last_bytes_of_a_tunnel_still_go_to_the_client() -> None:
    world = FakeWorld("A")
    client, a = tunnel(world)
    client.transport.stop_taking()
    client.transport.buffered_bytes = 10
    client.hang_up()
    a.hang_up()
    world.turn()
    assert not client.transport.is_aborted
    client.transport.drain()
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    world.assert_baseline()


def test_what_came_early_into_a_tunnel_is_counted() -> None:
    world = FakeWorld("A")
    client = world.client()
    ask_for_upgrade(client)
    client.send(b"early")
    a = world.connect("A")
    a.receive(SWITCHED)
    client.send(b"late")
    client.reset()
    world.turn()
    head = len(b"GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n")
    head += len(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    assert world.records[0].bytes_in == head + len(b"earlylate")
    world.assert_baseline()


def test_who_asked_for_a_close_is_closed_without_ado() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1", extra=b"Connection: close\r\n")
    world.connect("A").receive(ok(b"A1"))
    assert client.transport.disconnecting
    assert not client.transport._write_close_asked
    world.assert_baseline()


def test_who_did_not_ask_for_a_close_may_be_sending_and_is_read_away() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    client.get(b"/2")
    client.connection.drain()
    a.receive(ok(b"A2"))
    world.turn()
    assert b"Connection: close\r\n" in client.received()
    assert client.transport.is_write_closed
    client.send(b"GET /3 HTTP/1.1\r\n")  # It had not read our head yet.
    assert not client.transport.disconnected
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    world.assert_baseline()


def test_a_quiet_tunnel_is_no_zombie() -> None:
    listener = HttpListener(LISTENER, timeouts=Timeouts(tunnel=3600.0))
    world = FakeWorld("A", listener=listener)
    client, a = tunnel(world)
    world.clock.advance(1801)
    world.worker.sessions.sweep_zombies()
    assert not client.is_closed
    client.send(b"still here")
    assert a.take() == b"still here"
    world.assert_baseline()
