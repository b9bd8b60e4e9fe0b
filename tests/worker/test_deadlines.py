"""Deadlines of a whole worker: who is silent is cut off, who is at work is not."""

from sozutw.config.model import Cluster, HttpListener, Timeouts
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

UPLOAD = b"POST /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000\r\n\r\n"


def upload(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    """Begin to send a long body to A."""
    client = world.client()
    client.send(UPLOAD)
    a = world.connect("A")
    assert a.take().endswith(b"\r\n\r\n")
    return client, a


def test_a_steady_download_may_take_longer_than_any_timeout() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    client.received()
    for _ in range(100):
        world.advance(5)
        a.receive(b"x")
        assert client.received() == b"x"
    assert world.outcomes() == [(200, "A")]
    assert not client.is_closed
    world.assert_baseline()


def test_a_steady_event_stream_may_take_longer_than_any_timeout() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    a.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.received()
    for _ in range(100):
        world.advance(5)
        a.receive(b"1\r\nx\r\n")
        assert client.received() == b"1\r\nx\r\n"
    world.assert_baseline()


def test_a_steady_upload_may_take_longer_than_any_timeout() -> None:
    world = FakeWorld("A")
    client, a = upload(world)
    for _ in range(100):
        world.advance(5)
        client.send(b"x" * 10_000)
        assert a.take() == b"x" * 10_000
    a.receive(ok(b"A1"))
    assert client.answer() == (200, b"A1")
    world.assert_baseline()


def test_a_client_that_falls_silent_in_its_upload_is_a_408() -> None:
    timeouts = Timeouts(front=10.0, back=30.0)
    world = FakeWorld("A", listener=HttpListener(LISTENER, timeouts=timeouts))
    client, a = upload(world)
    world.advance(9.5)
    assert client.received() == b""
    world.advance(1)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    assert a.is_aborted
    world.assert_baseline()


def test_a_backend_that_does_not_read_an_upload_is_a_504() -> None:
    world = FakeWorld("A")
    client, a = upload(world)
    a.stop_taking()
    client.send(b"x")
    assert not client.transport.is_reading
    world.advance(29)
    assert client.received() == b""
    world.advance(32)
    assert client.received().startswith(b"HTTP/1.1 504 ")
    world.assert_baseline()


def test_a_backend_that_is_silent_after_the_upload_is_a_504() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.ask("POST", b"/1")
    world.connect("A")
    world.advance(29.5)
    assert client.received() == b""
    world.advance(1)
    assert client.answer()[0] == 504
    world.assert_baseline()


def test_a_client_that_does_not_read_its_download_is_cut_off() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    client.transport.stop_taking()
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    assert not a.is_reading
    world.advance(59)
    assert not client.is_closed
    world.advance(2)
    assert client.transport.is_aborted
    assert a.is_aborted
    world.assert_baseline()


def test_a_client_that_does_not_read_the_end_of_its_download_is_cut_off_by_a_reset() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.send(b"GET /1 HTTP/1.0\r\nHost: example.com\r\n\r\n")
    a = world.connect("A")
    client.transport.stop_taking()
    a.receive(ok(b"which waits in our buffer"))
    assert client.transport.disconnecting
    world.advance(61)
    assert client.transport.is_reset
    world.assert_baseline()


def test_a_client_that_reads_slowly_is_waited_for() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    client.transport.stop_taking()
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
    for _ in range(10):
        world.advance(50)
        client.transport.buffered_bytes -= 1
        assert not client.is_closed
    client.transport.drain()
    a.receive(b"x" * 50)
    assert client.answer() == (200, b"x" * 100)
    world.assert_baseline()


def test_a_silent_backend_in_the_middle_of_its_response_is_cut_off() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    a.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    world.advance(29)
    assert not client.is_closed
    world.advance(2)
    assert client.transport.is_aborted
    world.assert_baseline()


def test_the_first_dials_of_a_connection_are_not_bound_by_the_limit_for_heads() -> None:
    world = FakeWorld("A", "B", "C", cluster=Cluster("app", connect_timeout=6.0))
    client = world.client()
    client.get(b"/1")
    world.advance(13)
    assert world.dialled() == ["A", "B", "C"]
    assert_served_by(world, "C", client, "GET", b"/1")
    world.assert_baseline()


def test_a_backend_whose_client_took_the_last_bytes_late_can_be_used_again() -> None:
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    a = world.connect("A")
    assert_got(a, "GET", b"/1")
    client.transport.stop_taking()
    a.receive(ok(b"A1"))  # The write that fills the client's buffer is the last one.
    other = world.client()
    other.get(b"/2")
    assert_got(a, "GET", b"/2")
    a.receive(ok(b"A2"))
    world.turn()
    assert other.answer() == (200, b"A2")
    a.hang_up()
    world.turn()
    assert not world.state("A").idle
    world.assert_baseline()


def test_a_backend_that_took_the_last_bytes_late_does_not_leave_its_client_unheard() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    a.stop_taking()
    client.ask("POST", b"/2")
    assert_got(a, "POST", b"/2")
    a.hang_up()
    assert client.answer()[0] == 502
    client.ask("POST", b"/3")
    world.turn()
    assert_served_by(world, "B", client, "POST", b"/3")
    world.assert_baseline()


def test_a_backend_that_answered_without_reading_its_request_is_not_used_again() -> None:
    world = FakeWorld("A")
    client, a = kept_alive(world)
    a.stop_taking()
    client.ask("POST", b"/2")
    a.receive(ok(b"I know enough"))
    assert client.answer() == (200, b"I know enough")
    assert a.is_aborted
    client.ask("POST", b"/3")
    assert_served_by(world, "A", client, "POST", b"/3")
    world.assert_baseline()


def test_a_client_paused_for_a_backend_that_hung_up_is_heard_after_the_replacement() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    a.stop_taking()
    client.get(b"/2")
    a.reset_by_peer()
    b = world.connect("B")
    assert_got(b, "GET", b"/2")
    client.reset()
    world.turn()
    assert b.is_aborted
    world.assert_baseline()


def test_a_client_paused_for_a_backend_that_hung_up_is_read_again_at_once() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    a.stop_taking()
    client.get(b"/2")
    assert not client.transport.is_reading
    a.reset_by_peer()
    assert client.transport.is_reading
    world.connect("B")
    world.advance(29)
    assert not client.is_closed
    world.advance(2)
    assert client.answer()[0] == 504
    world.assert_baseline()


def test_an_idle_client_is_closed_without_a_word() -> None:
    world = FakeWorld("A")
    client, _ = kept_alive(world)
    world.advance(59)
    assert not client.is_closed
    world.advance(2)
    assert client.transport.disconnected
    assert client.received() == b""
    world.assert_baseline()


def test_an_idle_backend_connection_is_closed_in_time() -> None:
    world = FakeWorld("A")
    _, a = kept_alive(world)
    world.advance(29)
    assert not a.is_aborted
    world.advance(2)
    assert a.disconnected
    world.assert_baseline()
