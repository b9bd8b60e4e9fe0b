"""What an exchange says in the backend's place, and how it lets go of the backend."""

import pytest
from twisted.internet import error

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    Redirect,
    RedirectScheme,
    Settings,
)
from sozutw.config.requests import AddHttpFrontend
from sozutw.transport.losses import NotSecuredError, SecureLossError
from tests.fakes.worker import LISTENER, FakeWorld
from tests.worker.scenes import kept_alive


def answer_of(world: FakeWorld, host: bytes, request: bytes = b"GET") -> bytes:
    client = world.client()
    client.send(b"%b /p?q HTTP/1.1\r\nHost: %b\r\n\r\n" % (request, host))
    return client.received()


def add_rule(world: FakeWorld, **options) -> None:
    world.apply(AddHttpFrontend(FrontendRule(LISTENER, "rule.example", **options)))


def test_a_rule_without_a_cluster_denies():
    world = FakeWorld("A")
    add_rule(world)
    assert answer_of(world, b"rule.example").startswith(b"HTTP/1.1 401 ")
    world.assert_baseline()


def test_a_rule_may_redirect():
    world = FakeWorld("A")
    add_rule(
        world,
        cluster_id="app",
        redirect=Redirect.FOUND,
        redirect_scheme=RedirectScheme.USE_HTTPS,
    )
    answer = answer_of(world, b"rule.example")
    assert answer.startswith(b"HTTP/1.1 302 ")
    assert b"\r\nLocation: https://rule.example/p?q\r\n" in answer
    world.assert_baseline()


def test_a_rule_may_name_a_cluster_that_is_not_there():
    world = FakeWorld("A")
    add_rule(world, cluster_id="nowhere")
    assert answer_of(world, b"rule.example").startswith(b"HTTP/1.1 503 ")
    world.assert_baseline()


@pytest.mark.parametrize("own", [None, 7])
def test_one_address_may_have_too_many_connections(own: int | None):
    settings = Settings(max_connections_per_ip=1, retry_after=60)
    world = FakeWorld("A", settings=settings, cluster=Cluster("app", retry_after=own))
    client, _ = kept_alive(world)
    answer = answer_of(world, b"example.com")
    assert answer.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nRetry-After: %d\r\n" % (own or 60) in answer
    client.get(b"/2")
    client.reset()
    world.assert_baseline()


@pytest.mark.parametrize(
    ("reason", "status"), [(error.TimeoutError(), 504), (error.ConnectionRefusedError(), 503)]
)
def test_who_cannot_be_reached_is_given_up(reason: Exception, status: int):
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    world.refuse("A", reason)
    assert client.answer()[0] == status
    assert world.state("A").cluster.counters.retries_exhausted == 1
    assert world.state("A").cluster.counters.answers[status] == 1
    world.assert_baseline()


def test_who_hangs_up_on_every_dial_is_a_502():
    world = FakeWorld("A", "B", settings=Settings(dials_max=1))
    client = world.client()
    client.get(b"/1")
    world.connect("A").hang_up()
    assert client.answer()[0] == 502
    world.assert_baseline()


def test_an_answer_closes_when_what_follows_cannot_be_told_apart():
    world = FakeWorld()
    client = world.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in client.received()
    world.assert_baseline()


def test_a_response_that_cannot_be_completed_is_cut_and_its_part_counted():
    world = FakeWorld("A")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    a.receive(b"de")
    a.hang_up()
    assert client.transport.is_reset
    assert world.records[1].is_error
    assert world.records[1].bytes_out == len(client.received())
    world.assert_baseline()


def test_what_is_no_body_is_answered_by_the_listener_before_any_route_is_known():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert world.records[0].cluster_id == ""
    world.assert_baseline()


def test_a_backend_that_is_not_who_it_should_be_is_a_502_that_says_why():
    world = FakeWorld("A", settings=Settings(dials_max=1))
    client = world.client()
    client.get()
    world.refuse("A", NotSecuredError("it expired"))
    assert client.answer()[0] == 502
    assert world.records[0].message == "backend tls: it expired"
    world.assert_baseline()


def test_a_backend_that_refuses_us_after_its_handshake_is_a_502_that_says_so():
    world = FakeWorld("A", settings=Settings(dials_max=1))
    client = world.client()
    client.get()
    world.connect("A").lose(SecureLossError("certificate required"))
    world.check()
    assert client.answer()[0] == 502
    assert world.records[0].message == "backend tls: certificate required"
    world.assert_baseline()
