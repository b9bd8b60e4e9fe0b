"""V1 to V5, V8 to V12: a backend hangs up, around a request and in the middle of a response."""

import pytest

from sozutw.config.model import Settings
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeClient, FakeWorld, ok
from tests.worker.scenes import assert_got, assert_served_by, kept_alive

BOTH = pytest.mark.parametrize("method", ["GET", "POST"])
HOW = pytest.mark.parametrize("how", ["hang_up", "reset_by_peer"])


def leave(backend: FakeTransport, how: str) -> None:
    """Let the backend go, by FIN or by RST."""
    getattr(backend, how)()


# V1 to V5: around the second request.


@BOTH
@HOW
def test_v1_a_hang_up_long_before_request_2_leads_to_one_dial(method: str, how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    leave(a, how)
    world.turn()
    assert a.disconnected
    assert not client.is_closed
    client.ask(method, b"/2")
    assert world.dialled() == ["A", "B"]
    assert_served_by(world, "B", client, method, b"/2")
    assert world.outcomes() == [(200, "A"), (200, "B")]
    assert world.state("A").backoff.failures == 0
    world.assert_baseline()


@HOW
def test_v2_a_get_written_before_the_hang_up_is_seen_is_sent_to_another(how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask("GET", b"/2")
    assert_got(a, "GET", b"/2")
    leave(a, how)
    assert world.dialled() == ["A", "B"]
    assert_served_by(world, "B", client, "GET", b"/2")
    assert world.outcomes() == [(200, "A"), (200, "B")]
    world.assert_baseline()


@HOW
def test_v2_a_post_written_before_the_hang_up_is_answered_502(how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask("POST", b"/2")
    assert_got(a, "POST", b"/2")
    leave(a, how)
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    assert not client.is_closed
    client.ask("POST", b"/3")
    assert_served_by(world, "B", client, "POST", b"/3")
    assert world.outcomes() == [(200, "A"), (502, "A"), (200, "B")]
    world.assert_baseline()


def test_v2_a_post_is_not_put_on_a_connection_that_a_look_shows_closed() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    a.still_open = False  # The FIN lies in the kernel; the loop has not told us.
    client.ask("POST", b"/2")
    assert a.take() == b""
    assert a.is_aborted
    world.refuse("A")
    assert_served_by(world, "B", client, "POST", b"/2")
    assert world.dialled() == ["A", "A", "B"]
    assert world.outcomes() == [(200, "A"), (200, "B")]
    world.assert_baseline()


def test_v2_a_get_is_not_replayed_where_the_operator_forbids_it() -> None:
    world = FakeWorld("A", "B", settings=Settings(replay=False))
    client, a = kept_alive(world)
    client.ask("GET", b"/2")
    a.hang_up()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    world.assert_baseline()


@BOTH
@HOW
def test_v3_a_hang_up_seen_just_before_request_2_leads_to_one_dial(method: str, how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    leave(a, how)
    client.ask(method, b"/2")  # Before the loop has told of A's end.
    assert world.dialled() == ["A", "B"]
    assert a.take() == b""
    assert_served_by(world, "B", client, method, b"/2")
    assert world.outcomes() == [(200, "A"), (200, "B")]
    world.assert_baseline()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_v4_a_reset_after_the_write_spares_every_idempotent_method(method: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask(method, b"/2")
    a.reset_by_peer()
    b = world.connect("B")
    assert_got(b, method, b"/2")
    b.receive(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 204 ")
    world.assert_baseline()


@pytest.mark.parametrize("method", ["PATCH", "POST", "LINK"])
def test_v4_a_reset_after_the_write_is_a_502_for_any_other_method(method: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask(method, b"/2")
    a.reset_by_peer()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    world.assert_baseline()


@BOTH
def test_v5_an_idle_connection_that_was_half_closed_is_dead(method: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.hang_up()  # Nothing but a FIN: this end could still be written to.
    assert not a.disconnected
    assert a.is_aborted
    assert not world.state("A").idle
    client.ask(method, b"/2")
    assert_served_by(world, "B", client, method, b"/2")
    assert a.take() == b""
    world.assert_baseline()


@pytest.mark.parametrize("data", [b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n", ok(b"foul")])
def test_v5_an_idle_connection_that_sends_anything_is_dead(data: bytes) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world, turn="B")
    a.receive(data)
    assert a.is_aborted
    client.get(b"/2")
    assert_served_by(world, "B", client, "GET", b"/2")
    world.assert_baseline()


# V8 to V12: in the middle of an exchange.


@HOW
def test_v8_a_post_that_was_sent_whole_and_not_answered_is_a_502(how: str) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask("POST", b"/1")
    a = world.connect("A")
    assert_got(a, "POST", b"/1")
    leave(a, how)
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    assert world.outcomes() == [(502, "A")]
    world.assert_baseline()


@HOW
def test_v8_a_get_that_was_sent_whole_and_not_answered_goes_to_another(how: str) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask("GET", b"/1")
    leave(world.connect("A"), how)
    assert_served_by(world, "B", client, "GET", b"/1")
    assert world.outcomes() == [(200, "B")]
    world.assert_baseline()


def half_a_post(world: FakeWorld, length: int) -> tuple[FakeClient, FakeTransport]:
    """A POST of which A has half a body of ten bytes, or of more."""
    client = world.client()
    head = b"POST /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n" % length
    client.send(head + b"12345")
    a = world.connect("A")
    assert a.take().endswith(b"\r\n\r\n12345")
    return client, a


@HOW
def test_v9_half_a_long_body_sent_is_a_502_and_the_connection_closes(how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = half_a_post(world, 1_000_000)
    leave(a, how)
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert world.dialled() == ["A"]
    client.send(b"more of the body, read away so that the answer is not lost in a reset")
    world.turn()
    assert client.transport.is_write_closed
    assert not client.transport.disconnected
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    world.assert_baseline()


def test_v9_half_a_long_body_sent_by_one_who_never_stops_is_cut_off() -> None:
    world = FakeWorld("A", "B")
    client, a = half_a_post(world, 1_000_000)
    a.hang_up()
    for _ in range(65):
        client.send(b"x" * 1000)
        assert not client.transport.is_aborted
    client.send(b"x" * 1000)
    assert client.transport.is_aborted
    world.assert_baseline()


def test_v9_half_a_long_body_sent_by_one_who_falls_silent_is_cut_off_in_time() -> None:
    world = FakeWorld("A", "B")
    client, a = half_a_post(world, 1_000_000)
    a.hang_up()
    world.advance(2.5)
    assert client.transport.disconnected
    world.assert_baseline()


def test_v9_the_rest_of_a_short_body_is_read_away_and_the_connection_kept() -> None:
    world = FakeWorld("A", "B")
    client, a = half_a_post(world, 10)
    a.hang_up()
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    client.send(b"67890")
    client.get(b"/2")
    assert_served_by(world, "B", client, "GET", b"/2")
    world.assert_baseline()


def test_v9_half_a_chunked_body_is_a_502_and_the_connection_closes() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.send(b"PUT /1 HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n")
    a = world.connect("A")
    client.send(b"5\r\n12345\r\n")
    assert a.take().endswith(b"5\r\n12345\r\n")
    a.reset_by_peer()
    assert client.received().startswith(b"HTTP/1.1 502 ")
    assert world.dialled() == ["A"]
    world.advance(2.5)
    assert client.transport.disconnected
    world.assert_baseline()


def test_v9_a_put_of_which_no_byte_came_yet_goes_to_another_with_its_body() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.send(b"PUT /1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\n")
    a = world.connect("A")
    a.hang_up()
    client.send(b"12345")  # While B is dialled: it waits.
    b = world.connect("B")
    assert a.take().count(b"12345") == 0
    world.turn()
    assert b.take().endswith(b"\r\n\r\n12345")
    b.receive(ok(b"done"))
    assert client.answer() == (200, b"done")
    world.assert_baseline()


def test_v9_a_chunked_put_that_turned_out_empty_is_sent_again_with_its_end() -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.send(b"PUT /1 HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n")
    a = world.connect("A")
    client.send(b"0\r\n\r\n")
    assert a.take().endswith(b"\r\n\r\n0\r\n\r\n")
    a.hang_up()
    b = world.connect("B")
    assert b.take().endswith(b"\r\n\r\n0\r\n\r\n")
    b.receive(ok(b"done"))
    assert client.answer() == (200, b"done")
    world.assert_baseline()


@BOTH
@pytest.mark.parametrize("interim", [b"100 Continue", b"103 Early Hints"])
def test_v10_an_interim_response_forbids_a_replay(method: str, interim: bytes) -> None:
    world = FakeWorld("A", "B")
    client = world.client()
    client.ask(method, b"/1")
    a = world.connect("A")
    a.receive(b"HTTP/1.1 %b\r\n\r\n" % interim)
    a.hang_up()
    first, _, second = client.received().partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 " + interim)
    assert second.startswith(b"HTTP/1.1 502 ")
    assert world.dialled() == ["A"]
    world.assert_baseline()


@BOTH
@HOW
@pytest.mark.parametrize("start", [b"H", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_v11_a_part_of_a_response_head_forbids_a_replay(
    method: str, how: str, start: bytes
) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask(method, b"/2")
    a.receive(start)
    leave(a, how)
    assert client.answer()[0] == 502
    assert world.dialled() == ["A"]
    assert not client.is_closed
    world.assert_baseline()


@BOTH
@HOW
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\n12345", b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345"]
)
def test_v12_a_body_that_ends_too_soon_is_cut_visibly(
    method: str, how: str, framing: bytes
) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask(method, b"/2")
    a.receive(b"HTTP/1.1 200 OK\r\n" + framing)
    assert b"12345" in client.received()
    leave(a, how)
    assert client.received() == b""
    assert client.transport.is_aborted
    assert world.dialled() == ["A"]
    assert world.outcomes() == [(200, "A"), (200, "A")]
    assert world.records[-1].is_error
    world.assert_baseline()


def test_v12_a_body_that_ends_with_the_connection_is_whole() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(b"HTTP/1.1 200 OK\r\n\r\n12345")
    a.hang_up()
    assert client.received().endswith(b"\r\n\r\n5\r\n12345\r\n0\r\n\r\n")
    assert not client.is_closed
    assert not world.records[-1].is_error
    world.assert_baseline()


def test_v12_a_reset_is_no_end_of_a_body_that_ends_with_the_connection() -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.get(b"/2")
    a.receive(b"HTTP/1.1 200 OK\r\n\r\n12345")
    a.reset_by_peer()
    assert client.received().endswith(b"\r\n\r\n5\r\n12345\r\n")
    assert client.transport.is_aborted
    world.assert_baseline()


@HOW
def test_v12_a_whole_response_and_a_hang_up_in_one_turn_is_a_success(how: str) -> None:
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    client.ask("POST", b"/2")
    a.receive(ok(b"A2"))
    leave(a, how)
    assert client.answer() == (200, b"A2")
    assert not client.is_closed
    client.get(b"/3")
    assert_served_by(world, "B", client, "GET", b"/3")
    world.assert_baseline()
