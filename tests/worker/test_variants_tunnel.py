"""V35: an upgraded connection, from its 101 to the end of either side."""

import pytest

from sozutw.config.model import Cluster
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeClient, FakeWorld, ok
from tests.worker.scenes import assert_served_by, kept_alive

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def ask_for_upgrade(client: FakeClient) -> None:
    """Ask for a WebSocket."""
    client.get(b"/ws", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")


def tunnel(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    """Open a tunnel from a client to A."""
    client = world.client()
    ask_for_upgrade(client)
    a = world.connect("A")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in a.take()
    a.receive(SWITCHED)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in answer
    assert world.worker.counters.websocket_sessions == 1
    return client, a


def exchange_bytes(client: FakeClient, a: FakeTransport) -> None:
    """Both ways of the tunnel are open."""
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert a.take() == b"GET / HTTP/1.1\r\n\r\n"
    a.receive(ok(b"not HTTP any more"))
    assert client.received() == ok(b"not HTTP any more")


def test_v35_a_backend_that_resets_a_tunnel_closes_it_and_nobody_is_dialled() -> None:
    world = FakeWorld("A", "B")
    client, a = tunnel(world)
    exchange_bytes(client, a)
    a.reset_by_peer()
    world.turn()
    assert client.transport.is_write_closed
    world.advance(2.25)  # In which the client may close first.
    assert client.transport.disconnected
    assert world.dialled() == ["A"]
    assert world.outcomes() == [(101, "A")]
    world.assert_baseline()


def test_v35_a_backend_that_half_closes_a_tunnel_still_hears_the_client() -> None:
    world = FakeWorld("A", "B")
    client, a = tunnel(world)
    a.hang_up()
    world.turn()
    assert client.transport.is_write_closed
    assert not client.transport.disconnected
    client.send(b"still here")
    assert a.take() == b"still here"
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert a.disconnected
    assert world.dialled() == ["A"]
    world.assert_baseline()


def test_v35_a_client_that_half_closes_a_tunnel_still_hears_the_backend() -> None:
    world = FakeWorld("A", "B")
    client, a = tunnel(world)
    client.hang_up()
    world.turn()
    assert a.is_write_closed
    assert not a.disconnected
    a.receive(b"still here")
    assert client.received() == b"still here"
    a.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert a.disconnected
    assert world.outcomes() == [(101, "A")]
    world.assert_baseline()


def test_v35_a_client_that_resets_a_tunnel_closes_the_backend() -> None:
    world = FakeWorld("A", "B")
    client, a = tunnel(world)
    client.reset()
    world.turn()
    assert a.disconnected
    world.assert_baseline()


def test_v35_a_tunnel_has_a_deadline_of_its_own_which_either_side_extends() -> None:
    world = FakeWorld("A", cluster=Cluster("app", tunnel_timeout=100.0))
    client, a = tunnel(world)
    world.advance(90)
    client.send(b"ping")
    world.advance(90)
    a.receive(b"pong")
    world.advance(90)
    assert not client.is_closed
    world.advance(20)
    assert client.transport.disconnected
    assert a.disconnected
    world.assert_baseline()


def test_v35_bytes_that_come_with_the_101_are_not_lost() -> None:
    world = FakeWorld("A")
    client = world.client()
    ask_for_upgrade(client)
    client.send(b"early from the client")
    a = world.connect("A")
    a.take()
    a.receive(SWITCHED + b"early from the backend")
    assert client.received().endswith(b"\r\n\r\nearly from the backend")
    assert a.take() == b"early from the client"
    world.assert_baseline()


@pytest.mark.parametrize("slow", ["client", "backend"])
def test_v35_a_slow_end_of_a_tunnel_pauses_the_other(slow: str) -> None:
    world = FakeWorld("A")
    client, a = tunnel(world)
    slow_end, fast_end = (client.transport, a) if slow == "client" else (a, client.transport)
    slow_end.stop_taking()
    fast_end.receive(b"more than it takes")
    assert not fast_end.is_reading
    slow_end.drain()
    assert fast_end.is_reading
    assert slow_end.take() == b"more than it takes"
    world.assert_baseline()


def test_v35_a_hang_up_before_the_101_leads_to_another_backend() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    ask_for_upgrade(client)
    a.hang_up()
    b = world.connect("B")
    assert b"\r\nUpgrade: websocket\r\n" in b.take()
    b.receive(SWITCHED)
    assert client.received().startswith(b"HTTP/1.1 101 ")
    exchange_bytes(client, b)
    world.assert_baseline()


def test_v35_a_101_that_nobody_asked_for_is_a_502() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    a.receive(SWITCHED)
    assert client.answer()[0] == 502
    assert a.is_aborted
    client.get(b"/2")
    assert_served_by(world, "B", client, "GET", b"/2")
    world.assert_baseline()


def test_v35_an_upgrade_that_is_declined_leaves_ordinary_http() -> None:
    world = FakeWorld("A")
    client = world.client()
    ask_for_upgrade(client)
    a = world.connect("A")
    a.take()
    a.receive(ok(b"no"))
    assert client.answer() == (200, b"no")
    client.get(b"/2")
    assert a.take().startswith(b"GET /2 ")
    world.assert_baseline()
