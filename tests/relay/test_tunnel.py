"""A tunnel, from its 101 to its end."""

import pytest

from sozutw.config.model import Cluster, HttpListener, HttpsListener
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld

UPGRADE = b"Connection: Upgrade\r\nUpgrade: echo\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"


def tunnel(world: FakeWorld, early: bytes = b"") -> tuple[FakeClient, FakeTransport]:
    client = world.client()
    client.get(b"/", extra=UPGRADE)
    a = world.connect("A")
    a.take()
    a.receive(SWITCHED + early)
    return client, a


def test_bytes_pass_both_ways_and_those_behind_the_101_go_first():
    world = FakeWorld("A")
    client, a = tunnel(world, b"early")
    assert client.received().endswith(b"\r\n\r\nearly")
    client.send(b"ping")
    assert a.take() == b"ping"
    a.receive(b"pong")
    assert client.received() == b"pong"
    world.assert_baseline()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(b"", UPGRADE), (UPGRADE, b""), (UPGRADE + b"Content-Length: 5\r\n", UPGRADE)],
)
def test_a_101_is_a_502_unless_it_was_asked_for_names_a_protocol_and_all_was_sent(asked, answered):
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/", extra=asked)
    world.connect("A").receive(b"HTTP/1.1 101 Switching\r\n%b\r\n" % answered)
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert world.worker.counters.backend_parse_errors == 1
    assert world.worker.counters.websocket_sessions == 0
    world.assert_baseline()


@pytest.mark.parametrize("first", ["client", "backend"])
def test_each_end_finishes_by_itself_and_both_end_the_tunnel(first: str):
    world = FakeWorld("A")
    client, a = tunnel(world)
    ends = [client.transport, a] if first == "client" else [a, client.transport]
    ends[0].hang_up()
    world.turn()
    assert ends[1].is_write_closed
    assert world.records == []
    ends[1].hang_up()
    world.turn()
    assert world.outcomes() == [(101, "A")]
    assert client.transport.disconnected
    assert a.disconnected
    world.assert_baseline()


def test_a_client_that_only_listens_is_no_silent_one():
    world = FakeWorld("A", cluster=Cluster("app", tunnel_timeout=10.0))
    client, a = tunnel(world)
    for _ in range(8):
        world.advance(5)
        a.receive(b"news")
    assert not client.is_closed
    world.advance(11)
    assert client.transport.is_write_closed
    assert world.outcomes() == [(101, "A")]
    world.assert_baseline()


def test_a_client_that_hears_and_says_nothing_is_the_silent_one():
    world = FakeWorld("A", cluster=Cluster("app", tunnel_timeout=10.0))
    _, a = tunnel(world)
    a.protocol.wait(100.0)  # type: ignore[union-attr]
    world.advance(11)
    assert world.records[0].message == "frontend socket timeout"
    world.assert_baseline()


@pytest.mark.parametrize("cookie", [b"", b"SOZUBALANCEID=other", b"SOZUBALANCEID=A"])
def test_a_101_binds_the_client_to_its_backend_if_it_is_not_yet(cookie: bytes):
    world = FakeWorld("A", cluster=Cluster("app", sticky_session=True))
    client = world.client()
    client.get(b"/", extra=UPGRADE + (b"Cookie: %b\r\n" % cookie if cookie else b""))
    world.connect("A").receive(SWITCHED)
    answer = client.received()
    sticky = world.state("A").sticky_value
    is_bound = cookie == b"SOZUBALANCEID=" + sticky
    assert (b"\r\nSet-Cookie: SOZUBALANCEID=%b; Path=/\r\n" % sticky in answer) is not is_bound
    world.assert_baseline()


def test_a_tunnel_over_tls_is_counted_apart():
    https = HttpsListener(HttpListener(LISTENER), strict_sni_binding=False)
    world = FakeWorld("A", listener=https)
    counters = world.worker.counters
    client, _ = tunnel(world)
    assert (counters.tls.websocket_sessions, counters.websocket_sessions) == (1, 0)
    client.reset()
    assert counters.tls.websocket_sessions == 0
    world.assert_baseline()
