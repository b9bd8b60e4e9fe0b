"""
The promise: a change holds from the next request on, and touches nobody whom it does not concern.

150 connections are held open in the middle of something while 2,000 random orders change
everything else; after each, a new request goes where a plain model says.
"""

import random

import pytest

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    InetAddress,
    ListenerKind,
    Timeouts,
)
from sozutw.config.requests import (
    ActivateListener,
    AddHttpFrontend,
    AddHttpListener,
    DeactivateListener,
    ListenerPatch,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveListener,
    UpdateListener,
)
from tests.fakes.live_model import Model
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld, ok

KEPT = b"kept.example"
OTHER = InetAddress("10.0.0.9", 81)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
ORDERS = 2000
EACH = 50


class Held:
    """A connection that is in the middle of something, at both ends."""

    def __init__(self, world: FakeWorld, number: int) -> None:
        self.world = world
        self.number = number
        self.client = world.client()
        self.begin()
        self.back = world.connect()
        self.go_on()

    def begin(self) -> None:
        raise NotImplementedError

    def go_on(self) -> None:
        """What the backend says first."""

    def exchange(self) -> None:
        """Pass a little both ways."""
        raise NotImplementedError

    def end(self) -> None:
        """Come to the end that was meant."""
        raise NotImplementedError

    def check(self) -> None:
        assert not self.client.is_closed
        assert not self.back.disconnected
        assert not self.back.disconnecting


class WebSocket(Held):
    def begin(self) -> None:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        self.client.get(b"/ws", host=KEPT, extra=upgrade)

    def go_on(self) -> None:
        self.back.take()
        self.back.receive(SWITCHED)
        assert self.client.received().startswith(b"HTTP/1.1 101 ")

    def exchange(self) -> None:
        self.client.send(b"ping")
        assert self.back.take() == b"ping"
        self.back.receive(b"pong")
        assert self.client.received() == b"pong"

    def end(self) -> None:
        self.exchange()
        self.client.hang_up()
        self.back.hang_up()
        self.world.turn()


class Upload(Held):
    sent = 0

    def begin(self) -> None:
        self.client.send(b"POST /up HTTP/1.1\r\nHost: %b\r\nContent-Length: 1000\r\n\r\n" % KEPT)

    def go_on(self) -> None:
        assert self.back.take().startswith(b"POST /up ")

    def exchange(self) -> None:
        self.sent += 1
        self.client.send(b"x")
        assert self.back.take() == b"x"

    def end(self) -> None:
        self.client.send(b"x" * (1000 - self.sent))
        self.back.take()
        self.back.receive(ok(b"thanks"))
        assert self.client.answer() == (200, b"thanks")


class Download(Held):
    got = 0

    def begin(self) -> None:
        self.client.get(b"/down", host=KEPT)

    def go_on(self) -> None:
        self.back.take()
        self.back.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        assert self.client.received().startswith(b"HTTP/1.1 200 ")

    def exchange(self) -> None:
        self.got += 1
        self.back.receive(b"y")
        assert self.client.received() == b"y"

    def end(self) -> None:
        self.back.receive(b"y" * (1000 - self.got))
        assert len(self.client.received()) == 1000 - self.got


def probe(world: FakeWorld, model: Model, client: FakeClient, host: str) -> None:
    """A new request is answered as the model says; on a connection that was kept."""
    idle_before = set(world.worker.connector.pool.idle_connections())
    client.get(b"/probe", host=host.encode())
    expected = model.expected(host)
    if isinstance(expected, int):
        status, _ = client.answer()
        assert status == expected, host
        return
    if world.dials:
        assert world.dial().address in expected
        back = world.connect()
    else:
        (used,) = idle_before - set(world.worker.connector.pool.idle_connections())
        assert used.state.address in expected
        transport = used.transport
        assert isinstance(transport, FakeTransport)
        back = transport
    assert back.take().startswith(b"GET /probe ")
    back.receive(ok(b"here"))
    assert client.answer() == (200, b"here")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_is_disturbed_by_what_does_not_concern_him(seed: int) -> None:
    world = FakeWorld("K", cluster=Cluster("kept", front_timeout=9e6, back_timeout=9e6))
    world.apply(
        RemoveHttpFrontend(world.applier.state.frontends(LISTENER)[0]),
        AddHttpFrontend(FrontendRule(LISTENER, KEPT.decode(), cluster_id="kept")),
    )
    held = [kind(world, n) for n in range(EACH) for kind in (WebSocket, Upload, Download)]
    model = Model(random.Random(seed), LISTENER, OTHER)
    before = set(world.worker.sessions.sessions())
    sweep, world.check = world.check, lambda: None  # type: ignore[method-assign]
    client = world.client()
    statuses: set[object] = set()
    for number in range(ORDERS):
        world.applier.apply(*model.order())
        if client.is_closed:  # Some answers say so.
            client = world.client()
        host = model.chance.choice(model.hosts)
        probe(world, model, client, host)
        statuses.add(model.expected(host) if isinstance(model.expected(host), int) else 200)
        one = held[number % len(held)]
        one.check()
        one.exchange()
        if number % 100 == 0:
            sweep()
            for each in held:
                each.check()
    assert statuses == {200, 401, 404, 503}
    assert before <= set(world.worker.sessions.sessions())
    world.check = sweep  # type: ignore[method-assign]
    for each in held:
        each.check()
        each.exchange()
        each.end()
    world.assert_baseline()


# One by one.


def kept_alive(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    client = world.client()
    client.get(b"/1")
    back = world.connect()
    back.take()
    back.receive(ok(b"1"))
    assert client.answer() == (200, b"1")
    return client, back


def test_the_next_request_on_a_kept_connection_sees_a_changed_listener() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    patch = ListenerPatch(
        public_address=InetAddress("203.0.113.7", 8443),
        send_x_real_ip=True,
        sozu_id_header="Our-Id",
        front_timeout=5.0,
    )
    world.apply(UpdateListener(LISTENER, ListenerKind.HTTP, patch))
    client.get(b"/2")
    asked = a.take()
    assert b"X-Forwarded-Port: 8443\r\n" in asked
    assert b";by=203.0.113.7" in asked
    assert b"X-Real-IP: 192.0.2.1\r\n" in asked
    assert b"\r\nOur-Id: " in asked
    a.receive(ok(b"2"))
    answered = client.received()
    assert b"\r\nOur-Id: " in answered
    world.advance(5.25)
    assert client.is_closed
    world.assert_baseline()


def test_the_clients_of_a_removed_listener_have_one_more_answer_and_go() -> None:
    world = FakeWorld("A", settings=None)
    world.apply(AddHttpListener(HttpListener(OTHER)))
    idle, _ = kept_alive(world)
    busy = world.client()
    busy.get(b"/2")
    a = world.connect() if world.dials else None
    if a is None:
        (a,) = [dial.transport for dial in world.dialler.dials if dial.transport is not None]
    world.apply(RemoveListener(LISTENER))
    world.turn()
    assert not idle.is_closed
    assert not busy.is_closed
    a.take()
    a.receive(ok(b"2"))
    answered = busy.received()
    assert b"\r\nConnection: close\r\n" in answered
    assert answered.endswith(b"2")
    world.advance(3)
    assert busy.is_closed
    idle.get(b"/3")
    a.take()
    a.receive(ok(b"3"))
    answered = idle.received()
    assert b"\r\nConnection: close\r\n" in answered
    world.advance(3)
    assert idle.is_closed
    world.assert_baseline()


def test_an_idle_client_of_a_removed_listener_is_kept_no_longer_than_any() -> None:
    world = FakeWorld("A", listener=HttpListener(LISTENER, timeouts=Timeouts(front=20.0)))
    client, _ = kept_alive(world)
    world.apply(RemoveListener(LISTENER))
    world.advance(19)
    assert not client.is_closed
    world.advance(1.5)
    assert client.transport.disconnected
    world.assert_baseline()


def test_the_last_request_at_a_removed_listener_may_ask_for_a_cluster_that_is_gone() -> None:
    world = FakeWorld("A")
    client, _ = kept_alive(world)
    world.apply(RemoveListener(LISTENER))
    world.apply(RemoveCluster("app"))
    client.get(b"/2")
    answered = client.received()
    assert answered.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in answered
    world.assert_baseline()


def test_a_removed_listener_leaves_the_clients_of_others_alone() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.apply(AddHttpListener(HttpListener(OTHER)), ActivateListener(OTHER))
    world.apply(RemoveListener(OTHER))
    client.get(b"/2")
    a.take()
    a.receive(ok(b"2"))
    assert client.answer() == (200, b"2")
    world.assert_baseline()


def test_a_deactivated_listener_goes_on_serving_who_is_connected() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.apply(DeactivateListener(LISTENER))
    client.get(b"/2")
    a.take()
    a.receive(ok(b"2"))
    assert client.answer() == (200, b"2")
    world.assert_baseline()


def test_what_a_connection_is_about_can_be_seen() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    (session,) = world.worker.sessions.sessions()
    at = str(LISTENER)
    assert session.connection.doing() == (at, "HTTP", "idle", "", "", "")
    client.get(b"/2")
    doing = session.connection.doing()
    assert doing == (at, "HTTP", "exchange", "app", "A", "10.1.0.1:80")
    session.connection.drain()
    assert session.connection.doing().state == "draining"
    a.receive(ok(b"2"))
    connection = session.connection
    world.turn()
    assert connection.doing().state == "closing"
    world.advance(3)
    assert session.connection.doing() == ("", "", "closing", "", "", "")
    assert not session.connection.came_in_at(world.applier.listeners[LISTENER])
    tunnel = world.client()
    tunnel.get(b"/ws", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    a.receive(SWITCHED)
    (session,) = world.worker.sessions.sessions()
    assert session.connection.doing() == (at, "WS", "tunnel", "app", "A", "10.1.0.1:80")
    world.assert_baseline()
