"""V16 to V18, V27: what is stale, what comes in between, and what waits behind."""

from typing import Any

import pytest
from twisted.internet import error
from twisted.python.failure import Failure

from sozutw.config.model import Cluster
from tests.fakes.worker import FakeClient, FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

BOTH = pytest.mark.parametrize("method", ["GET", "POST"])


@BOTH
@pytest.mark.parametrize("third_comes", ["before the hang-up", "in the dial", "after the dial"])
def test_v16_a_third_party_in_between_gets_its_own_answer(method: str, third_comes: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)

    def third_asks() -> FakeClient:
        third = world.client()
        third.get(b"/third")
        return third

    if third_comes == "before the hang-up":
        # It takes the idle connection first; the other client must not get it too.
        third = third_asks()
        assert_got(a, "GET", b"/third")
        world.let_be_next("B")
        client.ask(method, b"/2")
        backend = world.connect("B")
        assert_got(backend, method, b"/2")
        a.reset_by_peer()  # Which is the third's, and it is dialled for anew.
    else:
        a.hang_up()
        world.let_be_next("B")
        client.ask(method, b"/2")
        if third_comes == "in the dial":
            third = third_asks()
            backend = world.connect("B")
        else:
            backend = world.connect("B")
            third = third_asks()
        assert_got(backend, method, b"/2")
    (dial,) = world.dials
    other = world.connect()
    assert_got(other, "GET", b"/third")
    other.receive(ok(b"for the third"))
    backend.receive(ok(b"for the first"))
    assert third.answer() == (200, b"for the third")
    assert client.answer() == (200, b"for the first")
    assert dial.transport is other
    world.assert_baseline()


def test_v16_no_token_is_ever_issued_twice() -> None:
    world = FakeWorld("A", "B")
    issued: list[int] = []
    issue = world.worker.sessions.tokens.issue

    def noted() -> Any:
        issued.append(issue())
        return issued[-1]

    world.worker.sessions.tokens.issue = noted
    world.worker.connector._issue = noted
    for _ in range(5):
        client = world.client()
        client.get(b"/1")
        world.connect().hang_up()
        world.connect().receive(ok(b"x"))
        client.reset()
        world.worker.connector.close_all_idle()
        world.turn()
    assert len(issued) == len(set(issued)) == 15
    world.assert_baseline()


def deliver_everything_late(world: FakeWorld, stale: Any) -> None:
    """Call whatever a loop may still call of a connection that was replaced."""
    before = [client.transport.value() for client in world.clients]
    records = list(world.records)
    tokens = dict(world.worker.sessions._by_token)
    calls = set(world.clock.getDelayedCalls())
    stale.dataReceived(ok(b"stale"))
    stale.readConnectionLost()
    stale.writeConnectionLost()
    stale.pauseProducing()
    stale.resumeProducing()
    stale.stopProducing()
    stale.write(b"stale")
    stale.drop()
    stale.connectionLost(Failure(error.ConnectionDone()))
    assert [client.transport.value() for client in world.clients] == before
    assert world.records == records
    assert world.worker.sessions._by_token == tokens
    assert {call for call in world.clock.getDelayedCalls() if call.active()} <= calls
    world.check()


@BOTH
@pytest.mark.parametrize("when", ["in the dial", "after the dial", "after the answer"])
def test_v17_a_late_event_of_the_old_connection_changes_nothing(method: str, when: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    stale = a.protocol
    if method == "GET":
        client.get(b"/2")
        a.hang_up()
    else:
        a.hang_up()
        world.let_be_next("B")
        client.ask("POST", b"/2")
    assert world.dialled() == ["A", "B"]
    if when == "in the dial":
        deliver_everything_late(world, stale)
    b = world.connect("B")
    assert_got(b, method, b"/2")
    if when == "after the dial":
        deliver_everything_late(world, stale)
    b.receive(ok(b"B2"))
    if when == "after the answer":
        deliver_everything_late(world, stale)
    assert client.answer() == (200, b"B2")
    assert not b.is_aborted
    world.let_be_next("B")
    client.get(b"/3")
    assert_got(b, "GET", b"/3")
    b.receive(ok(b"B3"))
    assert client.answer() == (200, b"B3")
    assert world.state("A").connections == 0
    world.assert_baseline()


def test_v17_a_late_event_of_a_removed_backend_changes_nothing() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    stale = a.protocol
    world.remove_backend("A")
    client.get(b"/2")
    b = world.connect("B")
    deliver_everything_late(world, stale)
    assert_got(b, "GET", b"/2")
    b.receive(ok(b"B2"))
    assert client.answer() == (200, b"B2")
    world.assert_baseline()


def test_v18_the_old_deadline_never_fires_and_the_new_one_is_whole() -> None:
    world = FakeWorld("A", "B", cluster=Cluster("app", back_timeout=20.0))
    client, a = kept_alive(world)
    client.get(b"/2")
    world.advance(19)
    a.hang_up()
    b = world.connect("B")
    world.advance(19)  # Beyond A's deadline, within B's.
    assert client.received() == b""
    b.receive(ok(b"B2"))
    assert client.answer() == (200, b"B2")
    world.assert_baseline()


def test_v18_the_new_deadline_fires_once_and_in_its_own_time() -> None:
    world = FakeWorld("A", "B", cluster=Cluster("app", back_timeout=20.0))
    client, a = kept_alive(world)
    client.get(b"/2")
    world.advance(19)
    a.hang_up()
    b = world.connect("B")
    world.advance(19.75)
    assert client.received() == b""
    world.advance(0.5)
    assert client.answer()[0] == 504
    assert b.is_aborted
    assert world.outcomes() == [(200, "A"), (504, "B")]
    world.assert_baseline()


def test_v18_the_deadline_of_a_dial_does_not_outlive_it() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.advance(2.75)
    a = world.connect("A")
    world.advance(10)
    assert client.received() == b""
    assert not a.is_aborted
    a.receive(ok(b"A1"))
    assert client.answer() == (200, b"A1")
    world.assert_baseline()


# V27: pipelined.


def test_v27_pipelined_requests_with_the_hang_up_are_answered_in_order() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.send(
        b"GET /2 HTTP/1.1\r\nHost: example.com\r\n\r\nGET /3 HTTP/1.1\r\nHost: example.com\r\n\r\n"
    )
    assert_got(a, "GET", b"/2")
    a.hang_up()
    b = world.connect("B")
    world.let_be_next("B")
    assert_got(b, "GET", b"/2")
    b.receive(ok(b"B2"))
    assert client.answer() == (200, b"B2")
    assert_got(b, "GET", b"/3")
    b.receive(ok(b"B3"))
    assert client.answer() == (200, b"B3")
    assert world.dialled() == ["A", "B"]
    assert world.outcomes() == [(200, "A"), (200, "B"), (200, "B")]
    world.assert_baseline()


def test_v27_pipelined_requests_after_the_hang_up_are_answered_in_order() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.hang_up()
    client.send(
        b"POST /2 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nbody of /2"
        b"GET /3 HTTP/1.1\r\nHost: example.com\r\n\r\n"
    )
    b = world.connect("B")
    assert_got(b, "POST", b"/2")
    b.receive(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nB2")
    assert client.answer() == (200, b"B2")
    world.refuse("A")  # Each is dialled for by itself, with dials of its own.
    assert_served_by(world, "B", client, "GET", b"/3")
    assert world.dialled() == ["A", "B", "A", "B"]
    world.assert_baseline()


def test_v27_a_502_in_between_does_not_disturb_the_order() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.send(
        b"POST /2 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nbody of /2"
        b"GET /3 HTTP/1.1\r\nHost: example.com\r\n\r\n"
    )
    assert_got(a, "POST", b"/2")
    a.hang_up()
    assert client.answer()[0] == 502
    assert_served_by(world, "B", client, "GET", b"/3")
    world.assert_baseline()
