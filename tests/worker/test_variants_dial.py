"""V6, V7, V13 to V15, V19, V30, V31: dials that fail, come too late, or are wanted no more."""

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure

from sozutw.config.model import Cluster, HttpListener, Settings, Timeouts
from tests.fakes.worker import LISTENER, FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

BOTH = pytest.mark.parametrize("method", ["GET", "POST"])


@BOTH
def test_v6_a_refused_dial_leads_to_another_backend(method: str) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    world.refuse("A")
    assert_served_by(world, "B", client, method, b"/1")
    assert not world.state("A").is_available(world.clock.seconds())
    assert world.state("A").counters.connect_errors == 1
    assert world.outcomes() == [(200, "B")]
    world.assert_baseline()


def test_v6_a_backend_in_back_off_is_left_alone_and_then_tried_again() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.refuse("A")
    b = assert_served_by(world, "B", client, "GET", b"/1")
    for _ in range(3):
        client.get(b"/2")
        assert_got(b, "GET", b"/2")
        b.receive(ok(b"B2"))
        assert client.answer() == (200, b"B2")
    world.advance(1.25)
    world.let_be_next("A")
    client.get(b"/3")
    assert_served_by(world, "A", client, "GET", b"/3")
    assert world.state("A").backoff.failures == 0
    world.assert_baseline()


@BOTH
def test_v7_a_dial_that_is_never_answered_leads_to_another_backend_in_time(method: str) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    world.advance(2.75)
    assert world.dialled() == ["A"]
    world.advance(0.5)
    assert world.dialled() == ["A", "B"]
    assert_served_by(world, "B", client, method, b"/1")
    assert not world.state("A").is_available(world.clock.seconds())
    world.assert_baseline()


@BOTH
def test_v7_dials_that_are_never_answered_end_in_a_504(method: str) -> None:
    world = FakeWorld("A", "B", "C")
    client = world.client()
    client.ask(method, b"/1")
    world.advance(9.25)
    assert world.dialled() == ["A", "B", "C"]
    assert client.answer()[0] == 504
    assert not client.is_closed
    assert world.outcomes() == [(504, "C")]
    world.assert_baseline()


def test_v7_a_dial_that_is_never_answered_after_a_replacement_has_its_own_deadline() -> None:
    world = FakeWorld("A", "B", "C")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.hang_up()
    assert world.dialled() == ["A", "B"]
    world.advance(3.25)
    assert world.dialled() == ["A", "B", "C"]
    assert_served_by(world, "C", client, "GET", b"/2")
    world.assert_baseline()


def test_v7_failing_over_ends_when_the_time_for_an_answer_is_over() -> None:
    timeouts = Timeouts(connect=20.0, back=15.0)
    world = FakeWorld("A", "B", listener=HttpListener(LISTENER, timeouts=timeouts))
    client = world.client()
    client.get(b"/1")
    world.advance(20.25)
    assert world.dialled() == ["A"]
    assert client.answer()[0] == 504
    world.assert_baseline()


def test_v7_the_only_backend_that_never_answers_a_dial_is_a_504() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    world.advance(3.25)
    assert client.answer()[0] == 504
    assert world.dialled() == ["A"]
    world.assert_baseline()


@pytest.mark.parametrize(
    ("method", "idle_is_lost"),
    [("GET", "before"), ("GET", "after"), ("POST", "before")],  # The fourth is V2: a 502.
)
def test_v13_a_replacement_that_refuses_is_replaced(method: str, idle_is_lost: str) -> None:
    world = FakeWorld("A", "B", "C")
    client, a = kept_alive(world, turn="B" if idle_is_lost == "before" else "A")
    if idle_is_lost == "before":
        a.hang_up()
    client.ask(method, b"/2")
    if idle_is_lost == "after":
        a.hang_up()
    world.refuse("B")
    assert_served_by(world, "C", client, method, b"/2")
    assert world.dialled() == ["A", "B", "C"]
    assert not world.state("B").is_available(world.clock.seconds())
    assert world.outcomes() == [(200, "A"), (200, "C")]
    world.assert_baseline()


def test_v14_a_replacement_that_accepts_and_dies_is_replaced_for_a_get() -> None:
    world = FakeWorld("A", "B", "C")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.hang_up()
    b = world.connect("B")
    assert_got(b, "GET", b"/2")
    b.reset_by_peer()
    assert_served_by(world, "C", client, "GET", b"/2")
    world.assert_baseline()


def test_v14_a_replacement_that_accepts_and_dies_is_a_502_for_a_post() -> None:
    world = FakeWorld("A", "B", "C")
    client, a = kept_alive(world, turn="B")
    a.hang_up()
    client.ask("POST", b"/2")
    b = world.connect("B")
    assert_got(b, "POST", b"/2")
    b.reset_by_peer()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A", "B"]
    world.assert_baseline()


def test_v14_replacements_that_all_accept_and_die_are_a_502_after_three_dials() -> None:
    world = FakeWorld("A", "B", "C", "D")
    client = world.client()
    client.get(b"/1")
    for name in "ABC":
        world.connect(name).hang_up()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A", "B", "C"]
    assert not client.is_closed
    assert world.outcomes() == [(502, "C")]
    world.assert_baseline()


def test_v14_a_hang_up_after_a_dial_that_timed_out_is_a_502_and_not_a_504() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.advance(3.25)
    world.connect("B").hang_up()
    world.connect("B").hang_up()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A", "B", "B"]
    world.assert_baseline()


@BOTH
def test_v15_when_every_dial_is_refused_the_answer_is_503_and_nothing_leaks(method: str) -> None:
    world = FakeWorld("A", "B", "C", "D")
    client = world.client()
    client.ask(method, b"/1")
    for name in "ABC":
        world.refuse(name)
    assert client.answer()[0] == 503
    assert world.dialled() == ["A", "B", "C"]
    assert not client.is_closed
    assert len(world.worker.connector.pool) == 0
    assert not any(session.leases for session in world.worker.sessions.sessions())
    world.assert_baseline()


@BOTH
@pytest.mark.parametrize("is_same_client", [True, False])
def test_v15_after_the_back_off_a_backend_that_returned_serves(
    method: str, is_same_client: bool
) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.reset_by_peer()
    client.ask(method, b"/2")
    world.refuse("B")
    world.refuse("A")
    assert client.answer()[0] == 503
    world.advance(1.25)
    if not is_same_client:
        client = world.client()
    world.let_be_next("B")
    client.ask(method, b"/3")
    assert_served_by(world, "B", client, method, b"/3")
    world.assert_baseline()


def test_v15_while_all_are_in_back_off_the_first_to_leave_it_is_dialled() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.refuse("A")
    world.advance(0.25)
    world.refuse("B")
    assert client.answer()[0] == 503
    client.get(b"/2")
    assert world.dialled() == ["A", "B", "A"]
    assert_served_by(world, "A", client, "GET", b"/2")
    world.assert_baseline()


def test_v15_without_a_descriptor_no_backend_is_blamed() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.refuse("A", OSError(24, "Too many open files"))
    assert client.answer()[0] == 503
    assert world.dialled() == ["A"]
    assert world.state("A").is_available(world.clock.seconds())
    world.assert_baseline()


@BOTH
def test_v19_a_dial_that_succeeds_after_it_was_given_up_is_refused(method: str) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    late = world.dial("A")
    world.advance(3.25)
    assert late.factory.buildProtocol(IPv4Address("TCP", "10.1.0.1", 80)) is None
    late.factory.clientConnectionFailed(late, Failure(error.ConnectionRefusedError()))
    world.check()
    assert world.state("A").counters.connect_errors == 1
    assert world.dialled() == ["A", "B"]
    b = world.connect("B")
    assert late.factory.buildProtocol(IPv4Address("TCP", "10.1.0.1", 80)) is None
    assert_got(b, method, b"/1")
    b.receive(ok(b"B1"))
    assert client.answer() == (200, b"B1")
    world.assert_baseline()


@BOTH
@pytest.mark.parametrize("how", ["reset", "lost"])
def test_v30_a_client_that_leaves_in_the_dial_cancels_it(method: str, how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.hang_up()
    client.ask(method, b"/2")
    dial = world.dial("B")
    if how == "reset":
        client.reset()
    else:
        client.transport.lose(error.ConnectionDone())
    assert dial.is_cancelled
    assert dial.factory.buildProtocol(IPv4Address("TCP", "10.1.0.2", 80)) is None
    assert world.outcomes() == [(200, "A"), (0, "B")]
    assert world.state("B").is_available(world.clock.seconds())
    assert world.state("B").counters.connect_errors == 0
    assert world.state("B").connections == 0
    world.assert_baseline()


def test_v30_a_client_that_leaves_while_the_answer_is_awaited_closes_the_backend() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.hang_up()
    b = world.connect("B")
    client.reset()
    assert b.is_aborted
    assert not world.state("B").idle
    assert world.outcomes() == [(200, "A"), (0, "B")]
    world.assert_baseline()


@BOTH
def test_v30_a_client_that_only_half_closes_in_the_dial_gets_its_answer(method: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.hang_up()
    client.ask(method, b"/2")
    client.hang_up()
    b = world.connect("B")
    assert_got(b, method, b"/2")
    b.receive(ok(b"B2"))
    answer = client.received()
    assert answer.endswith(b"\r\n\r\nB2")
    assert b"\r\nConnection: close\r\n" in answer
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    assert len(world.state("B").idle) == 1
    world.assert_baseline()


def test_v30_a_client_that_leaves_in_the_middle_of_its_body_closes_the_backend() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.send(b"POST /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\nhalf")
    a = world.connect("A")
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert a.is_aborted
    assert world.outcomes() == [(0, "A")]
    world.assert_baseline()


@BOTH
def test_v31_a_soft_stop_in_the_dial_lets_the_request_finish(method: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    idle = world.client()
    a.hang_up()
    client.ask(method, b"/2")
    stopped: list[None] = []
    world.worker.sessions.drain().addCallback(stopped.append)
    world.turn()
    assert not idle.is_closed
    assert not client.is_closed
    assert not stopped
    b = world.connect("B")
    assert_got(b, method, b"/2")
    assert not stopped
    b.receive(ok(b"B2"))
    answer = client.received()
    assert answer.endswith(b"\r\n\r\nB2")
    assert b"\r\nConnection: close\r\n" in answer
    world.turn()
    assert client.transport.is_write_closed
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert not stopped
    world.advance(10.25)  # The first request has only so long.
    assert idle.transport.disconnected
    assert stopped == [None]
    world.assert_baseline()


def test_v31_a_soft_stop_lets_a_failed_dial_be_replaced() -> None:
    world = FakeWorld("A", "B", "C")
    client, a = kept_alive(world, turn="B")
    a.hang_up()
    client.get(b"/2")
    world.worker.sessions.drain()
    world.refuse("B")
    b = world.connect("C")
    assert_got(b, "GET", b"/2")
    b.receive(ok(b"C2"))
    assert client.received().endswith(b"\r\n\r\nC2")
    world.advance(2.25)  # In which the client may close first.
    assert client.transport.disconnected
    world.assert_baseline()


def test_v31_a_soft_stop_is_over_when_its_time_is() -> None:
    settings = Settings(graceful_shutdown_timeout=2.0)
    world = FakeWorld("A", settings=settings, cluster=Cluster("app", connect_timeout=60.0))
    client = world.client()
    client.get(b"/1")
    dial = world.dial("A")
    stopped: list[None] = []
    world.worker.sessions.drain().addCallback(stopped.append)
    world.advance(1.75)
    assert not stopped
    world.advance(0.5)
    assert client.transport.disconnected
    assert dial.is_cancelled
    assert stopped == [None]
    world.assert_baseline()
