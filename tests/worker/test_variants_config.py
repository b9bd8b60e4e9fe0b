"""V20 to V26: the configuration, a verdict or a cookie changes which backend is right."""

from dataclasses import replace

import pytest

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddBackend, AddCluster, RemoveBackend, RemoveCluster
from tests.fakes.worker import FakeClient, FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

BOTH = pytest.mark.parametrize("method", ["GET", "POST"])
STICKY = Cluster("app", sticky_session=True)


@BOTH
def test_v20_a_client_may_change_between_clusters(method: str) -> None:
    world = FakeWorld("A")
    world.add_cluster(Cluster("other"), "other.example")
    world.add_backend("B", "other")
    client, a = kept_alive(world)
    other = b"body of /2" if method == "POST" else b""
    client.send(
        b"%b /2 HTTP/1.1\r\nHost: other.example\r\nContent-Length: %d\r\n\r\n%b"
        % (method.encode(), len(other), other)
    )
    b = world.connect("B")
    assert_got(b, method, b"/2")
    b.receive(ok(b"B2"))
    assert client.answer() == (200, b"B2")
    for number in range(3):
        client.ask(method, b"/3")
        assert_got(a, method, b"/3")
        a.receive(ok(b"A%d" % number))
        assert client.answer() == (200, b"A%d" % number)
        client.get(b"/4", host=b"other.example")
        assert_got(b, "GET", b"/4")
        b.receive(ok(b"B%d" % number))
        assert client.answer() == (200, b"B%d" % number)
    assert world.dialled() == ["A", "B"]
    assert {record.cluster_id for record in world.records} == {"app", "other"}
    world.assert_baseline()


@BOTH
def test_v21_a_backend_that_was_removed_while_kept_alive_is_not_used(method: str) -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.remove_backend("A")
    world.add_backend("B")
    assert a.is_aborted
    client.ask(method, b"/2")
    assert a.take() == b""
    assert_served_by(world, "B", client, method, b"/2")
    world.assert_baseline()


@BOTH
def test_v21_without_any_backend_left_the_answer_is_503_and_the_client_stays(method: str) -> None:
    world = FakeWorld("A")
    client, _ = kept_alive(world)
    world.remove_backend("A")
    client.ask(method, b"/2")
    assert client.answer()[0] == 503
    assert not client.is_closed
    world.add_backend("B")
    client.ask(method, b"/3")
    assert_served_by(world, "B", client, method, b"/3")
    world.assert_baseline()


def test_v21_the_cluster_itself_may_go_and_come_back() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.apply(RemoveCluster("app"))
    assert a.is_aborted
    client.get(b"/2")
    assert client.answer()[0] == 503
    world.apply(AddCluster(Cluster("app")))
    client.get(b"/3")
    assert_served_by(world, "A", client, "GET", b"/3")
    assert world.dialled() == ["A", "A"]
    world.assert_baseline()


@BOTH
def test_v22_a_backend_that_comes_back_at_another_address_is_dialled_there(method: str) -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.remove_backend("A")
    moved = replace(world.backend_value("A"), address=InetAddress("10.1.0.9", 80))
    world.apply(AddBackend(moved))
    client.ask(method, b"/2")
    assert world.dial().address == moved.address
    backend = world.connect()
    assert_got(backend, method, b"/2")
    backend.receive(ok(b"moved"))
    assert client.answer() == (200, b"moved")
    assert a.take() == b""
    assert world.records[-1].backend_address == "10.1.0.9:80"
    world.assert_baseline()


def test_v22_a_backend_that_comes_back_as_it_was_gets_a_fresh_connection() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    world.remove_backend("A")
    world.add_backend("A")
    assert a.is_aborted
    client.get(b"/2")
    assert_served_by(world, "A", client, "GET", b"/2")
    assert world.dialled() == ["A", "A"]
    world.assert_baseline()


@BOTH
def test_v22_an_address_that_moves_to_another_cluster_serves_that_one_only(method: str) -> None:
    world = FakeWorld("A", "B")
    world.add_cluster(Cluster("other"), "other.example")
    client, a = kept_alive(world)
    world.remove_backend("A")
    world.add_backend("A", "other")
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    client.get(b"/3", host=b"other.example")
    fresh = world.connect("A")
    assert fresh is not a
    assert_got(fresh, "GET", b"/3")
    fresh.receive(ok(b"other"))
    assert client.answer() == (200, b"other")
    assert [record.cluster_id for record in world.records] == ["app", "app", "other"]
    world.assert_baseline()


@BOTH
@pytest.mark.parametrize("stage", ["in the dial", "awaiting the answer", "in the answer"])
def test_v23_a_request_under_way_on_a_removed_backend_finishes_there(
    method: str, stage: str
) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    value = world.backend_value("A")
    removal = RemoveBackend(value.cluster_id, value.backend_id, value.address)
    if stage == "in the dial":
        world.apply(removal)
    a = world.connect("A")
    assert_got(a, method, b"/1")
    if stage == "awaiting the answer":
        world.apply(removal)
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nA")
    if stage == "in the answer":
        world.apply(removal)
    assert not a.is_aborted
    a.receive(b"end")
    assert client.answer() == (200, b"Aend")
    assert a.is_aborted
    assert not client.is_closed
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    assert world.outcomes() == [(200, "A"), (200, "B")]
    world.assert_baseline()


def test_v23_a_removed_backend_that_hangs_up_is_replaced_by_one_that_is_configured() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    world.remove_backend("A")
    a.hang_up()
    assert_served_by(world, "B", client, "GET", b"/1")
    world.assert_baseline()


def test_v23_a_removed_backend_that_hangs_up_when_none_is_left_is_a_503() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    world.remove_backend("A")
    a.hang_up()
    assert client.answer()[0] == 503
    world.assert_baseline()


@BOTH
def test_v24_a_backend_found_unhealthy_is_not_used_though_its_connection_lives(
    method: str,
) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    world.state("A").set_health(False)
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    assert a.take() == b""
    world.assert_baseline()


def test_v24_a_backend_found_healthy_again_is_used_again() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    world.state("A").set_health(False)
    client.get(b"/2")
    assert_served_by(world, "B", client, "GET", b"/2")
    world.state("A").set_health(True)
    world.let_be_next("A")
    client.get(b"/3")
    assert_got(a, "GET", b"/3")
    a.receive(ok(b"A3"))
    assert client.answer() == (200, b"A3")
    world.assert_baseline()


def ask_with_cookie(client: FakeClient, method: str, path: bytes, name: bytes) -> None:
    """Ask for the backend of that name by the sticky cookie."""
    body = b"body of " + path if method == "POST" else b""
    client.send(
        b"%b %b HTTP/1.1\r\nHost: example.com\r\nCookie: SOZUBALANCEID=%b\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (method.encode(), path, name, len(body), body)
    )


@BOTH
@pytest.mark.parametrize("fate", ["refuses", "was removed", "is unhealthy", "was never there"])
def test_v25_a_cookie_that_names_a_dead_backend_is_set_anew(method: str, fate: str) -> None:
    world = FakeWorld("A", "B", cluster=STICKY)
    client, a = kept_alive_sticky(world)
    cookie = b"A"
    match fate:
        case "refuses":
            a.reset_by_peer()
        case "was removed":
            world.remove_backend("A")
        case "is unhealthy":
            world.state("A").set_health(False)
        case _:
            cookie = b"Z"
            world.let_be_next("B")
    ask_with_cookie(client, method, b"/2", cookie)
    if fate == "refuses":
        world.refuse("A")
    b = world.connect("B")
    assert_got(b, method, b"/2")
    b.receive(ok(b"B2"))
    answer = client.received()
    assert answer.endswith(b"\r\n\r\nB2")
    assert b"\r\nSet-Cookie: SOZUBALANCEID=B; Path=/\r\n" in answer
    world.assert_baseline()


def kept_alive_sticky(world: FakeWorld) -> tuple[FakeClient, object]:
    """As ``kept_alive``, where the client gets a cookie that names A."""
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    a.take()
    a.receive(ok(b"A1"))
    assert b"\r\nSet-Cookie: SOZUBALANCEID=A; Path=/\r\n" in client.received()
    return client, a


@BOTH
def test_v26_a_cookie_that_changes_its_mind_is_followed(method: str) -> None:
    world = FakeWorld("A", "B", cluster=STICKY)
    client, _ = kept_alive_sticky(world)
    backends = {}
    for name in (b"B", b"A", b"A", b"B"):
        ask_with_cookie(client, method, b"/2", name)
        if world.dials:
            backends[name] = world.connect(name.decode())
        backends.setdefault(name, world.dialler.dials[0].transport)
        assert_got(backends[name], method, b"/2")
        backends[name].receive(ok(name))
        answer = client.received()
        assert answer.endswith(b"\r\n\r\n" + name)
        assert b"Set-Cookie" not in answer
    assert world.dialled() == ["A", "B"]
    world.assert_baseline()
