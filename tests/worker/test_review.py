"""What a careful reader of the first version found, kept found."""

from ipaddress import ip_network

from sozutw.config.model import HttpListener
from tests.fakes.worker import LISTENER, FakeWorld, ok


def test_a_response_head_that_does_not_fit_is_a_507() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get()
    backend = world.connect()
    backend.receive(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000)
    assert client.received().startswith(b"HTTP/1.1 507 ")
    client.reset()
    world.assert_baseline()


def test_connections_that_rest_give_way_when_there_are_as_many_as_clients_may_come() -> None:
    world = FakeWorld("A", "B", sessions_max=1)
    client = world.client()
    client.get(b"/1")
    first = world.connect()
    first.receive(ok(b"1"))
    world.remove_backend("A")
    world.add_backend("C")
    client.get(b"/2")
    second = world.connect()
    second.receive(ok(b"2"))
    assert len(world.worker.connector.pool) == 1
    assert first.is_aborted
    client.reset()
    world.assert_baseline()


def test_no_x_forwarded_field_of_a_stranger_reaches_a_backend() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(
        extra=b"X-Forwarded-Ssl: on\r\nx-forwarded-Prefix: /e\r\nX-Mine: 1\r\n"
        b"X_Forwarded_For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nContent_Length: 6\r\n"
    )
    request = world.connect().value().lower()
    assert b"_" not in request
    assert b"6.6.6.6" not in request
    assert b"x-forwarded-ssl" not in request
    assert b"x-forwarded-prefix" not in request
    assert b"x-mine: 1" in request


def test_a_trusted_proxy_s_claims_are_passed_on_but_not_its_empty_ones() -> None:
    listener = HttpListener(LISTENER, trusted_proxies=(ip_network("192.0.2.0/24"),))
    world = FakeWorld("A", listener=listener)
    client = world.client()
    client.get(
        extra=b"X-Forwarded-Ssl: on\r\nX-Forwarded-For:\r\nForwarded:\r\nX-Forwarded-Proto: \r\n"
    )
    request = world.connect().value()
    assert b"\r\nX-Forwarded-Ssl: on\r\n" in request
    assert b"\r\nX-Forwarded-For: 192.0.2.1\r\n" in request
    assert b"\r\nForwarded: proto=http;" in request
    assert b"\r\nX-Forwarded-Proto: http\r\n" in request
