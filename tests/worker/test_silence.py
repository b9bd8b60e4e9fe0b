"""Nobody waits for ever: whoever is silent has a deadline, and it is the right one's."""

import pytest

from sozutw.config.model import Cluster, HttpListener, Timeouts
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld, ok
from tests.worker.scenes import kept_alive
from tests.worker.test_variants_tunnel import tunnel

POST = b"POST /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n"


def world_of(cluster: Cluster | None = None, **timeouts: float) -> FakeWorld:
    listener = HttpListener(LISTENER, timeouts=Timeouts(**timeouts))
    return FakeWorld("A", listener=listener, cluster=cluster)


def test_a_client_that_was_told_504_by_its_own_patience_does_not_idle_for_ever() -> None:
    world = world_of(front=10.0, back=30.0)
    client = world.client()
    client.get(b"/1")
    world.connect("A")
    world.advance(10.5)
    assert client.answer()[0] == 504
    assert not client.is_closed
    world.advance(9)
    assert not client.is_closed
    world.advance(1.5)
    assert client.transport.disconnected
    world.assert_baseline()


def test_a_client_that_was_told_503_during_the_dial_does_not_idle_for_ever() -> None:
    world = world_of(front=2.0, connect=3.0)
    client = world.client()
    client.get(b"/1")
    world.advance(2.5)
    assert client.answer()[0] == 503
    world.advance(2.5)
    assert client.transport.disconnected
    world.assert_baseline()


def echo(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    """A backend that answers while it still reads, byte for byte."""
    client = world.client()
    client.send(POST % 1_000_000)
    a = world.connect("A")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    return client, a


@pytest.mark.parametrize("first", ["client", "backend"])
@pytest.mark.parametrize("kind", ["echo", "tunnel"])
def test_two_ends_that_both_take_nothing_have_a_deadline(first: str, kind: str) -> None:
    world = FakeWorld("A", cluster=Cluster("app", tunnel_timeout=40.0))
    client, a = (echo if kind == "echo" else tunnel)(world)
    client.transport.stop_taking()
    a.stop_taking()
    if first == "client":
        a.receive(b"y")
        client.transport._arrived.append(b"x")
        client.transport._deliver()
    else:
        client.send(b"x")
        a._arrived.append(b"y")
        a._deliver()
    # Whoever was paused first cannot fill the other any more, unless bytes were under way.
    client.connection.pauseProducing()
    a.protocol.pauseProducing()  # type: ignore[union-attr]
    world.advance(250)
    assert client.is_closed
    assert a.is_aborted
    world.assert_baseline()


def test_one_of_two_full_ends_that_drains_does_not_pay_for_the_other() -> None:
    world = world_of(front=50.0, back=30.0)
    client, a = echo(world)
    client.transport.fill()
    a.fill()
    world.advance(10)
    a.drain()  # It has taken all, and is not read from: its silence is our doing.
    world.advance(55)
    assert world.records[0].message == "client_timeout_during_response"
    world.assert_baseline()


def test_the_other_of_two_full_ends_that_drains_does_not_pay_either() -> None:
    world = world_of(front=20.0, back=40.0)
    client, a = echo(world)
    client.transport.fill()
    a.fill()
    world.advance(10)
    client.transport.drain()
    world.advance(60)
    assert world.records[0].message == "backend_response_timeout"
    world.assert_baseline()


def test_a_body_that_is_read_away_has_two_seconds_however_it_drips() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    client.send(POST % 1000)
    a.receive(ok(b"I know enough"))
    assert client.answer() == (200, b"I know enough")
    for _ in range(10):
        if not client.is_closed:
            client.send(b"x")
            world.advance(0.5)
    assert client.is_closed
    world.assert_baseline()


def test_the_next_head_has_the_time_of_the_cluster_that_served_the_last_one() -> None:
    world = world_of(Cluster("app", request_timeout=3.0), request=10.0)
    client, a = kept_alive(world)
    client.send(b"GET /2 HTTP/1.1\r\n")
    world.advance(2.5)
    assert client.received() == b""
    world.advance(1)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    assert a.take() == b""
    world.assert_baseline()
