"""
The client's connection, state by state: requests in their order, bodies, silence, and every end.

A whole worker stands behind it, with the test as client, backend and clock. What hostile bytes
do is in test_http1_hostile.py.
"""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sozutw.config.model import HttpListener, Settings, Timeouts
from sozutw.frontend.http1 import KEPT_BYTES_MAX
from sozutw.wire.http1.body import ChunkedReader
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld, ok

HOST = b"Host: example.com\r\n"


def world_of(**timeouts) -> FakeWorld:
    return FakeWorld("A", listener=HttpListener(LISTENER, timeouts=Timeouts(**timeouts)))


def kept(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    """A client and a backend, both with a connection that is kept."""
    client = world.client()
    client.get(b"/first")
    backend = world.connect()
    backend.receive(ok(b"first"))
    assert client.answer() == (200, b"first")
    backend.clear()
    return client, backend


def post(length: int, first: bytes = b"", extra: bytes = b"") -> bytes:
    head = b"POST /up HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n"
    return head % (HOST, extra, length) + first


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


# Coming.


def test_a_client_is_admitted_and_waited_for():
    world = FakeWorld("A")
    client = world.client()
    assert len(world.worker.sessions) == 1
    assert world.applier.listeners[LISTENER].counters.connections == 1
    assert client.connection.is_idle()
    assert client.transport.producer is client.connection
    assert client.transport.is_reading
    world.assert_baseline()


def test_there_may_be_no_place_for_one_more():
    world = FakeWorld("A", sessions_max=1)
    first, second = world.client(), world.client()
    assert second.transport.is_aborted
    assert second.received() == b""
    world.turn()
    assert not first.is_closed
    assert world.applier.listeners[LISTENER].counters.connections == 1
    world.assert_baseline()


def test_who_says_nothing_is_sent_away_without_a_word():
    world = world_of(request=2.0)
    client = world.client()
    world.advance(1.75)
    assert not client.is_closed
    world.advance(1.0)
    assert client.transport.disconnected
    assert client.received() == b""
    assert world.records == []
    world.assert_baseline()


# Requests, one after the other.


def test_one_connection_serves_one_request_after_the_other():
    world = FakeWorld("A")
    client, backend = kept(world)
    for number in range(3):
        client.get(b"/%d" % number)
        assert backend.take().startswith(b"GET /%d HTTP/1.1\r\n" % number)
        backend.receive(ok(b"%d" % number))
        assert client.answer() == (200, b"%d" % number)
        assert client.connection.is_idle()
    assert len(world.dialler.dials) == 1
    world.assert_baseline()


@given(cuts=st.lists(st.integers(1, 80), max_size=8, unique=True))
@hypothesis_settings(max_examples=30, deadline=None)
def test_a_request_may_come_in_any_pieces(cuts: list[int]):
    world = FakeWorld("A")
    client = world.client()
    data = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhelloGET /y HTTP/1.1\r\n"
    data += HOST + b"\r\n"
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    for begin, end in zip([0, *ends], ends, strict=False):
        client.send(data[begin:end])
        if world.dials:
            backend = world.connect()
    first = backend.take()
    assert first.startswith(b"POST /x HTTP/1.1\r\n")
    assert body_of(first) == b"hello"
    backend.receive(ok(b"1"))
    assert backend.take().startswith(b"GET /y HTTP/1.1\r\n")
    backend.receive(ok(b"2"))
    assert client.received().count(b"HTTP/1.1 200 OK") == 2
    world.assert_baseline()


def test_an_empty_line_before_a_request_is_let_pass():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(b"\r\n")
    client.get(b"/after")
    assert backend.take().startswith(b"GET /after ")
    client.reset()
    world.assert_baseline()


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: close\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: keep-alive\r\n", False),
    ],
)
def test_a_connection_is_kept_as_the_client_s_version_says(version, connection, closes):
    world = FakeWorld("A")
    client = world.client()
    client.send(b"GET / HTTP/%b\r\n%b%b\r\n" % (version, HOST, connection))
    world.connect().receive(ok(b"x"))
    head = client.transport.value().partition(b"\r\n\r\n")[0]
    assert (b"Connection: close" in head) is closes
    assert (b"Connection: keep-alive" in head) is (version == b"1.0" and not closes)
    assert client.answer() == (200, b"x")
    assert client.is_closed is closes
    world.assert_baseline()


def test_nothing_behind_connection_close_is_answered():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"GET /1 HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    client.get(b"/2")
    backend = world.connect()
    backend.receive(ok(b"1"))
    assert client.answer() == (200, b"1")
    world.turn()
    assert backend.take().count(b"HTTP/1.1\r\n") == 1
    assert not world.dials
    assert len(world.records) == 1
    world.assert_baseline()


# Pipelining.


def test_fifty_requests_in_one_segment_are_answered_in_their_order():
    world = FakeWorld("A")
    client, backend = kept(world)
    requests = [b"GET /%d HTTP/1.1\r\n%b\r\n" % (n, HOST) for n in range(50)]
    client.send(b"".join(requests))
    for number in range(50):
        # One at a time: the next one goes out when the last one was answered.
        assert backend.take().startswith(b"GET /%d HTTP/1.1\r\n" % number)
        backend.receive(ok(b"<%d>" % number))
    data = client.received()
    assert [data.find(b"<%d>" % n) for n in range(50)] == sorted(
        data.find(b"<%d>" % n) for n in range(50)
    )
    assert data.count(b"HTTP/1.1 200 OK") == 50
    world.assert_baseline()


def test_a_thousand_answers_of_our_own_do_not_deepen_the_stack():
    world = FakeWorld()
    client = world.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
    assert client.received().count(b"HTTP/1.1 503 ") == 1000
    assert not client.is_closed
    world.assert_baseline()


def test_a_slow_first_answer_holds_the_others_back():
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/slow")
    client.get(b"/fast")
    assert len(world.dials) == 1
    backend = world.connect()
    assert b"/fast" not in backend.take()
    world.advance(5)
    assert client.received() == b""
    backend.receive(ok(b"slow"))
    assert client.answer() == (200, b"slow")
    world.connect().receive(ok(b"fast"))
    assert client.answer() == (200, b"fast")
    world.assert_baseline()


def test_each_pipelined_request_is_routed_alone():
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    client.get(b"/2", host=b"other.example")
    backend = world.connect()
    backend.receive(ok(b"1"))
    assert b"Host: other.example\r\n" in backend.value()
    backend.receive(ok(b"2"))
    world.assert_baseline()


def test_who_sends_too_far_ahead_is_read_no_more_until_his_turn():
    world = FakeWorld("A")
    client = world.client()
    client.get(b"/1")
    backend = world.connect()
    ahead = b"GET /2 HTTP/1.1\r\n%bX: %b\r\n\r\n" % (HOST, b"x" * 8000)
    count = 0
    while client.transport.is_reading:
        client.send(ahead)
        count += 1
    assert count * len(ahead) > KEPT_BYTES_MAX >= (count - 1) * len(ahead)
    backend.receive(ok(b"1"))
    assert client.transport.is_reading
    for _ in range(count):
        backend.receive(ok(b"2"))
    assert client.received().count(b"200 OK") == count + 1
    world.assert_baseline()


def test_the_next_request_waits_until_the_client_has_taken_the_last_answer():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.transport.stop_taking()
    client.get(b"/1")
    client.get(b"/2")
    backend.take()
    backend.receive(ok(b"1"))
    assert backend.take() == b""
    client.get(b"/3")
    assert backend.take() == b""
    client.transport.drain()
    assert backend.take().startswith(b"GET /2 ")
    backend.receive(ok(b"2"))
    assert backend.take().startswith(b"GET /3 ")
    world.assert_baseline()


def test_who_pipelines_and_does_not_read_stops_himself():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.transport.stop_taking()
    client.get(b"/1")
    backend.receive(ok(b"1"))
    ahead = b"GET /2 HTTP/1.1\r\n%bX: %b\r\n\r\n" % (HOST, b"x" * 8000)
    while client.transport.is_reading:
        client.send(ahead)
    assert backend.take().count(b"GET ") == 1
    client.transport.drain()
    assert client.transport.is_reading
    world.assert_baseline()


# Bodies.


def test_a_body_passes_as_it_comes():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(10, b"abc"))
    assert body_of(backend.take()) == b"abc"
    client.send(b"defg")
    assert backend.take() == b"defg"
    client.send(b"hijGET /next HTTP/1.1\r\n" + HOST + b"\r\n")
    assert backend.take() == b"hij"
    backend.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    assert backend.take().startswith(b"GET /next ")
    world.assert_baseline()


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE"])
def test_a_body_stays_a_body_whatever_the_method(method: bytes):
    world = FakeWorld("A")
    client, backend = kept(world)
    smuggled = b"GET /smug HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"%b / HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n" % (method, HOST, len(smuggled))
    client.send(head + smuggled)
    request = backend.take()
    assert body_of(request) == smuggled
    assert b"Content-Length: %d\r\n" % len(smuggled) in request
    backend.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert backend.take() == b""
    assert len(world.records) == 2
    world.assert_baseline()


def test_a_chunked_body_is_framed_anew():
    world = FakeWorld("A")
    client, backend = kept(world)
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"5;ext=1\r\nhel")
    request = backend.take()
    client.send(b"lo\r\n0005\r\nworld\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\n")
    request += backend.take()
    reader = ChunkedReader()
    assert reader.feed(body_of(request)) == b"helloworld"
    assert reader.trailers == [b"X-Sum: 1"]
    assert b"ext" not in request
    assert b"evil" not in request
    backend.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    assert not client.is_closed
    world.assert_baseline()


def test_a_body_is_held_while_there_is_no_backend():
    world = world_of(front=5.0)
    client = world.client()
    client.send(post(12, b"abc"))
    client.send(b"def")
    assert not client.transport.is_reading
    client.send(b"ghi")  # stays in the kernel
    backend = world.connect()
    assert client.transport.is_reading
    world.turn()
    assert body_of(backend.take()) == b"abcdefghi"
    client.send(b"jkl")
    assert backend.take() == b"jkl"
    backend.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    world.assert_baseline()


def test_who_stops_in_the_middle_of_his_body_gets_a_408_also_after_it_was_held():
    world = world_of(front=5.0)
    client = world.client()
    client.send(post(100, b"abc"))
    client.send(b"def")
    backend = world.connect()
    world.advance(4.5)
    assert client.received() == b""
    world.advance(1.0)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    assert backend.disconnected
    world.assert_baseline()


def test_a_client_that_ends_in_the_middle_of_its_body_ends_the_exchange():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(10, b"abc"))
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert backend.disconnected
    assert world.records[-1].status == 0
    world.assert_baseline()


def test_a_client_that_asks_first_is_told_to_go_on_by_the_backend_alone():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(5, extra=b"Expect: 100-continue\r\n"))
    assert b"Expect: 100-continue\r\n" in backend.take()
    assert client.received() == b""
    backend.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    assert backend.take() == b"hello"
    backend.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    assert not client.is_closed
    world.assert_baseline()


def test_an_early_answer_to_who_waits_for_a_100_ends_the_connection():
    """Whether the body comes is not certain, so what comes is not read as a request."""
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(34, extra=b"Expect: 100-continue\r\n"))
    backend.receive(ok(b"no"))
    assert b"Connection: close" in client.transport.value()
    client.send(b"GET /smug HTTP/1.1\r\nHost: a.test\r\n\r\n")
    world.turn()
    assert len(world.records) == 2
    assert not world.dials
    client.hang_up()
    world.assert_baseline()


def test_a_body_of_which_nothing_went_out_goes_to_another_backend_with_all_of_it():
    world = FakeWorld("A")
    client, backend = kept(world)
    backend.fail_to_write()
    client.send(post(9, b"abc"))
    world.turn()
    client.send(b"def")
    assert not client.transport.is_reading  # held, for a connection is being dialled
    fresh = world.connect()
    assert body_of(fresh.take()) == b"abcdef"
    client.send(b"ghi")
    assert fresh.take() == b"ghi"
    fresh.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    world.assert_baseline()


def test_a_whole_body_of_which_nothing_went_out_is_sent_again():
    world = FakeWorld("A")
    client, backend = kept(world)
    backend.fail_to_write()
    client.post(b"/up", b"abc")
    world.turn()
    fresh = world.connect()
    assert body_of(fresh.take()) == b"abc"
    fresh.receive(ok(b"up"))
    assert client.answer() == (200, b"up")
    world.assert_baseline()


# Early answers.


def test_the_rest_of_a_short_body_is_read_away_and_the_next_request_served():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(40, b"abc"))
    backend.receive(ok(b"early"))
    assert client.answer() == (200, b"early")
    assert backend.disconnecting  # half a request stands there
    client.send(b"GET /smug HTTP/1.1\r\nHost: a.tt\r\n\r\nxxx" + b"GET /2 HTTP/1.1\r\n" + HOST)
    client.send(b"\r\n")
    fresh = world.connect()
    assert fresh.take().startswith(b"GET /2 ")
    fresh.receive(ok(b"2"))
    assert client.answer() == (200, b"2")
    world.assert_baseline()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_long_or_endless_body_is_not_read_away(is_chunked: bool):
    world = FakeWorld("A")
    client, backend = kept(world)
    if is_chunked:
        client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc")
    else:
        client.send(post(1 << 20, b"abc"))
    backend.receive(ok(b"early"))
    assert b"Connection: close\r\n" in client.transport.value()
    assert client.answer() == (200, b"early")
    world.turn()
    # Lingering: what is under way is read away, so that the answer is not lost by a reset.
    assert client.transport.is_write_closed
    assert not client.transport.is_aborted
    client.send(b"x" * 30_000)
    assert not client.transport.is_aborted
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    world.assert_baseline()


def test_who_does_not_finish_a_body_that_is_read_away_is_closed():
    world = FakeWorld()
    client = world.client()
    client.send(post(100, b"abc"))
    assert client.answer()[0] == 503
    assert not client.is_closed
    world.advance(3)
    assert client.transport.disconnected
    world.assert_baseline()


def test_a_body_read_away_counts_and_is_no_request():
    world = FakeWorld()
    client = world.client()
    client.send(post(33, b"GET /smug "))
    client.send(b"HTTP/1.1\r\nHost: a\r\n\r\nabGET /2 HTTP/1.1\r\nHost: b\r\n\r\n")
    assert client.received().count(b"HTTP/1.1 503 ") == 2
    assert [record.path for record in world.records] == [b"/up", b"/2"]
    world.assert_baseline()


def test_who_hangs_up_while_his_body_is_read_away_is_closed():
    world = FakeWorld()
    client = world.client()
    client.send(post(100, b"abc"))
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    world.assert_baseline()


# Responses.


def test_a_response_of_unknown_length_is_chunked_for_who_knows_chunks():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get()
    backend.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    backend.receive(b"2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n")
    data = client.received()
    assert b"Transfer-Encoding: chunked\r\n" in data
    assert body_of(data) == b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
    assert not client.is_closed
    world.assert_baseline()


def test_a_response_of_unknown_length_ends_with_the_connection_for_who_does_not():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n")
    backend = world.connect()
    backend.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    data = client.received()
    assert body_of(data) == b"abc"
    assert b"chunked" not in data
    assert b"Connection: close\r\n" in data
    world.turn()
    assert client.transport.is_write_closed
    client.hang_up()
    assert client.is_closed
    world.assert_baseline()


# Back-pressure.


def test_a_client_that_does_not_read_pauses_the_backend():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get(b"/big")
    backend.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
    client.transport.stop_taking()
    backend.receive(b"x" * 1000)
    assert not backend.is_reading
    backend.receive(b"y" * 1000)
    assert b"y" not in client.transport.value()
    client.transport.drain()
    assert backend.is_reading
    world.turn()
    assert client.transport.value().endswith(b"y" * 1000)
    client.reset()
    world.assert_baseline()


def test_a_backend_that_does_not_read_pauses_the_client():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(post(300_000))
    backend.stop_taking()
    client.send(b"x" * 1000)
    assert not client.transport.is_reading
    backend.take()
    client.send(b"y" * 1000)
    assert backend.take() == b""
    backend.drain()
    assert client.transport.is_reading
    world.turn()
    assert backend.take() == b"y" * 1000
    client.reset()
    world.assert_baseline()


def test_a_backend_that_is_full_after_the_first_bytes_keeps_the_client_paused():
    """Else what comes is kept without limit, for nobody pauses it a second time."""
    world = FakeWorld("A")
    client, backend = kept(world)
    backend.stop_taking()
    client.send(post(300_000, b"abc"))
    assert backend.producer_paused
    assert not client.transport.is_reading
    backend.drain()
    assert client.transport.is_reading
    client.send(b"def")
    assert backend.take().endswith(b"abcdef")
    client.reset()
    world.assert_baseline()


def test_a_held_body_that_fills_the_backend_keeps_the_client_paused():
    world = FakeWorld("A")
    client = world.client()
    client.send(post(300_000, b"abc"))
    client.send(b"def")
    real = FakeTransport.connect

    def connect_full(transport: FakeTransport, protocol):
        transport.stop_taking()
        return real(transport, protocol)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeTransport, "connect", connect_full)
        backend = world.connect()
    assert not client.transport.is_reading
    backend.drain()
    assert client.transport.is_reading
    client.reset()
    world.assert_baseline()


def test_a_client_paused_by_a_backend_that_answers_all_the_same_is_read_again():
    world = FakeWorld("A")
    client, backend = kept(world)
    backend.stop_taking()
    client.post(b"/1", b"abc")
    assert not client.transport.is_reading
    backend.receive(ok(b"1"))
    assert client.answer() == (200, b"1")
    assert client.transport.is_reading
    client.get(b"/2")
    world.connect().receive(ok(b"2"))
    assert client.answer() == (200, b"2")
    world.assert_baseline()


def test_the_silence_of_a_paused_client_is_our_doing():
    world = world_of(front=2.0, back=20.0)
    client, backend = kept(world)
    client.send(post(300_000))
    backend.stop_taking()
    client.send(b"x")
    world.advance(10)
    assert not client.is_closed
    backend.drain()
    world.advance(3)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    world.assert_baseline()


def test_a_client_that_takes_nothing_is_cut_and_one_that_takes_slowly_is_not():
    world = world_of(front=4.0, back=600.0)
    client, backend = kept(world)
    client.get(b"/big")
    backend.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
    client.transport.stop_taking()
    backend.receive(b"x" * 100_000)
    for _ in range(5):  # slowly, but he takes
        world.advance(2)
        client.transport.buffered_bytes -= 10_000
        world.advance(2)
        assert not client.is_closed
    world.advance(10)
    assert client.transport.is_reset
    assert backend.disconnected
    world.assert_baseline()


# Silence.


def test_an_idle_client_is_closed_without_a_word_when_its_time_is_over():
    world = world_of(front=5.0)
    client, _ = kept(world)
    world.advance(4.75)
    assert not client.is_closed
    world.advance(1.0)
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    assert client.received() == b""
    assert len(world.records) == 1
    world.assert_baseline()


def test_a_slow_head_has_a_limit_as_a_whole():
    world = world_of(request=5.0)
    client = world.client()
    head = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 100
    for byte in head[:20]:
        client.send(bytes([byte]))
        world.advance(0.25)
    assert not client.is_closed
    world.advance(0.5)
    data = client.received()
    assert data.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close\r\n" in data
    assert world.records[-1].status == 408
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    world.assert_baseline()


def test_who_once_sent_a_head_in_pieces_is_idle_like_anybody_afterwards():
    world = world_of(front=5.0)
    client = world.client()
    client.send(b"GET / HTTP/1.1\r\n")
    client.send(HOST + b"\r\n")
    world.connect().receive(ok(b"1"))
    assert client.answer() == (200, b"1")
    world.advance(7)
    assert client.transport.disconnected
    assert client.received() == b""
    world.assert_baseline()


def test_the_head_of_a_second_request_has_the_same_limit():
    world = world_of(request=5.0, front=60.0)
    client, _ = kept(world)
    world.advance(20)
    client.send(b"GET / HTT")
    world.advance(4.75)
    assert client.received() == b""
    world.advance(1)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    world.assert_baseline()


def test_the_head_s_limit_is_not_the_answer_s():
    world = world_of(request=2.0, front=30.0, back=30.0)
    client = world.client()
    client.send(b"GET / HTTP/1.1\r\n")
    client.send(HOST + b"\r\n")
    backend = world.connect()
    world.advance(10)
    backend.receive(ok(b"late"))
    assert client.answer() == (200, b"late")
    world.assert_baseline()


# The client ends.


def test_a_client_that_has_said_all_is_still_answered():
    world = FakeWorld("A")
    client = world.client()
    client.get()
    client.hang_up()
    world.connect().receive(ok(b"late"))
    assert b"Connection: close\r\n" in client.transport.value()
    assert client.answer() == (200, b"late")
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    world.assert_baseline()


def test_all_that_was_pipelined_before_the_end_is_answered():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get(b"/1")
    client.get(b"/2")
    client.hang_up()
    backend.receive(ok(b"1"))
    backend.receive(ok(b"2"))
    assert client.received().count(b"200 OK") == 2
    world.turn()
    assert client.transport.disconnected
    world.assert_baseline()


def test_half_a_request_behind_the_last_is_no_request():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get(b"/1")
    client.send(b"GET /2 HTT")
    client.hang_up()
    backend.receive(ok(b"1"))
    assert client.received().count(b"HTTP/1.1") == 1
    world.turn()
    assert client.transport.disconnected
    assert len(world.records) == 2
    world.assert_baseline()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP"])
def test_a_client_that_leaves_between_requests_is_let_go(sent: bytes):
    world = FakeWorld("A")
    client, backend = kept(world)
    if sent:
        client.send(sent)
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert client.received() == b""
    assert not backend.disconnecting  # it serves the next client
    world.assert_baseline()


def test_a_client_that_is_lost_takes_its_backend_connection_with_it():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get()
    client.reset()
    world.turn()
    assert backend.disconnected
    assert len(world.worker.sessions) == 0
    assert client.connection.transport is None
    world.assert_baseline()


def test_a_client_that_is_lost_during_the_dial_cancels_it():
    world = FakeWorld("A")
    client = world.client()
    client.get()
    client.reset()
    assert world.dialler.dials[0].is_cancelled
    world.assert_baseline()


# Closing and lingering.


def refused(world: FakeWorld) -> FakeClient:
    client = world.client()
    client.send(b"nonsense\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    return client


def test_who_is_refused_may_go_on_sending_for_a_while():
    world = FakeWorld("A")
    client = refused(world)
    world.turn()
    assert client.transport.is_write_closed
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert not world.dials
    assert client.received() == b""
    world.advance(3)
    assert client.transport.disconnected
    assert len(world.records) == 1
    world.assert_baseline()


def test_who_goes_on_for_too_long_is_cut_off():
    world = FakeWorld("A")
    client = refused(world)
    for _ in range(3):
        client.send(b"x" * 30_000)
    assert client.transport.is_aborted
    world.assert_baseline()


def test_who_leaves_while_we_linger_is_let_go_at_once():
    world = FakeWorld("A")
    client = refused(world)
    client.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert not client.transport.is_aborted
    world.assert_baseline()


def test_who_does_not_take_the_refusal_is_cut_off_in_time():
    world = world_of(front=5.0)
    client = world.client()
    client.transport.stop_taking()
    client.send(b"nonsense\r\n\r\n")
    world.advance(4)
    assert not client.transport.disconnected
    world.advance(10)
    assert client.transport.disconnected
    world.assert_baseline()


def test_who_does_not_take_the_last_answer_is_cut_off_in_time():
    world = world_of(front=5.0)
    client = world.client()
    client.transport.stop_taking()
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    world.connect().receive(ok(b"x"))
    assert client.transport.disconnecting
    world.advance(4)
    assert not client.transport.disconnected
    world.advance(12)
    assert client.transport.disconnected
    world.assert_baseline()


def test_who_is_idle_and_has_not_taken_his_answer_is_cut_off_in_time():
    world = world_of(front=5.0)
    client, backend = kept(world)
    client.transport.stop_taking()
    client.get()
    backend.receive(ok(b"x"))
    assert client.connection.is_idle()
    world.advance(30)
    assert client.transport.disconnected
    world.assert_baseline()


# What the session manager asks.


def test_a_drain_keeps_an_idle_client_and_closes_a_busy_one_after_its_answer():
    world = FakeWorld("A")
    idle, _ = kept(world)
    busy = world.client()
    busy.get()
    done: list[object] = []
    world.worker.sessions.drain().addBoth(done.append)
    world.turn()
    assert not idle.is_closed
    assert not busy.is_closed
    assert done == []
    world.dialler.dials[0].transport.receive(ok(b"last"))
    assert b"Connection: close\r\n" in busy.transport.value()
    assert busy.answer() == (200, b"last")
    world.turn()
    assert busy.transport.is_write_closed
    busy.hang_up()
    world.turn()
    assert done == []
    idle.hang_up()
    world.turn()
    assert done == [None]
    world.assert_baseline()


def test_draining_is_not_undone_by_a_half_close_behind_pipelined_requests():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get(b"/1")
    client.get(b"/2")
    world.worker.sessions.drain()
    client.hang_up()
    backend.receive(ok(b"1"))
    assert b"Connection: close\r\n" in client.transport.value()
    assert client.answer() == (200, b"1")
    world.turn()
    assert client.transport.disconnected
    assert backend.take().count(b"GET ") == 1
    world.assert_baseline()


def test_activity_is_told_by_the_clock():
    world = FakeWorld("A")
    world.advance(10)
    client = world.client()
    assert client.connection.active_at() == 10.0
    world.advance(2)
    client.get()
    assert client.connection.active_at() == 12.0
    assert not client.connection.is_idle()
    client.reset()
    world.assert_baseline()


def test_an_abort_in_the_middle_of_an_answer_cannot_look_like_its_end():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.get()
    backend.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    client.connection.abort()
    assert client.transport.is_reset
    world.assert_baseline()


def test_an_abort_of_an_idle_client_is_no_reset():
    world = FakeWorld("A")
    client, _ = kept(world)
    client.connection.abort()
    assert client.transport.is_aborted
    assert not client.transport.is_reset
    world.turn()
    client.connection.abort()  # late, and no harm
    client.connection.cut()
    world.assert_baseline()


# Tunnels.

UPGRADE = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def tunnel(world: FakeWorld) -> tuple[FakeClient, FakeTransport]:
    client, backend = kept(world)
    client.send(UPGRADE)
    backend.take()
    backend.receive(SWITCHED)
    assert client.received().startswith(b"HTTP/1.1 101 ")
    return client, backend


def test_a_tunnel_passes_bytes_both_ways():
    world = FakeWorld("A")
    client, backend = tunnel(world)
    client.send(b"\x81\x00nonsense\r\n\r\n")
    assert backend.take() == b"\x81\x00nonsense\r\n\r\n"
    backend.receive(b"\x82\x01")
    assert client.received() == b"\x82\x01"
    client.reset()
    world.assert_baseline()


def test_what_came_early_goes_into_the_tunnel_first():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(UPGRADE + b"early")
    assert b"early" not in backend.take()
    backend.receive(SWITCHED + b"first")
    assert client.received().endswith(b"\r\n\r\nfirst")
    assert backend.take() == b"early"
    client.reset()
    world.assert_baseline()


def test_bytes_behind_a_declined_upgrade_are_the_next_request():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(UPGRADE + b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n")
    backend.take()
    backend.receive(ok(b"no"))
    assert backend.take().startswith(b"GET /2 ")
    backend.receive(ok(b"2"))
    assert client.received().count(b"200 OK") == 2
    world.assert_baseline()


def test_each_end_of_a_tunnel_may_say_all_by_itself():
    world = FakeWorld("A")
    client, backend = tunnel(world)
    client.hang_up()
    world.turn()
    assert backend.is_write_closed
    backend.receive(b"still talking")
    assert client.received() == b"still talking"
    backend.hang_up()
    world.turn()
    assert client.transport.disconnected
    assert backend.disconnected
    world.assert_baseline()


def test_a_backend_that_says_all_first_half_closes_the_tunnel_for_no_longer_than_an_idle_client():
    world = world_of(front=5.0, tunnel=3600.0)
    client, backend = tunnel(world)
    backend.hang_up()
    world.turn()
    assert client.transport.is_write_closed
    client.send(b"one more thing")
    assert backend.take() == b"one more thing"
    world.advance(12)
    assert client.transport.disconnected
    world.assert_baseline()


def test_a_client_that_said_all_before_the_tunnel_stood_half_closes_it():
    world = FakeWorld("A")
    client, backend = kept(world)
    client.send(UPGRADE + b"early")
    client.hang_up()
    backend.take()
    backend.receive(SWITCHED)
    world.turn()
    assert backend.take() == b"early"
    assert backend.is_write_closed
    backend.hang_up()
    world.turn()
    assert client.transport.disconnected
    world.assert_baseline()


def test_a_silent_tunnel_ends():
    world = world_of(tunnel=5.0)
    client, backend = tunnel(world)
    world.advance(4)
    client.send(b"alive")
    world.advance(4)
    assert not client.is_closed
    world.advance(10)
    assert client.is_closed
    assert backend.disconnected
    client.reset()
    world.assert_baseline()


# How it is measured.


def test_the_round_trip_is_measured_now_and_then_and_logged():
    world = FakeWorld("A")
    client = world.client()
    client.transport.round_trip_value = 1234
    client.get()
    backend = world.connect()
    backend.receive(ok(b"1"))
    client.transport.round_trip_value = 99
    client.get()  # within the first second: most connections end before it does
    backend.receive(ok(b"1"))
    world.advance(2)
    client.get()
    backend.receive(ok(b"1"))
    assert [record.client_rtt_us for record in world.records] == [0, 0, 99]
    world.assert_baseline()


def test_a_full_worker_s_settings_limit_the_head():
    world = FakeWorld("A", settings=Settings(buffer_size=500))
    client = world.client()
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 500 + b"\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 431 ")
    assert not world.dials
    world.assert_baseline()


def test_a_transport_that_cannot_measure_is_not_asked():
    world = FakeWorld("A")
    client = world.client()
    client.transport.round_trip_us = None  # type: ignore[method-assign, assignment]
    client.get()
    world.connect().receive(ok(b"1"))
    assert world.records[0].client_rtt_us == 0
    world.assert_baseline()


def test_a_sign_of_life_may_be_told_by_the_other_side():
    world = FakeWorld("A")
    client, _ = kept(world)
    world.advance(7)
    client.connection.touch()
    assert client.connection.active_at() == 7.0
    world.assert_baseline()


def test_late_producer_calls_are_no_harm():
    world = FakeWorld("A")
    client, _ = kept(world)
    client.transport.fill()
    client.transport.drain()
    client.connection.stopProducing()
    assert not client.is_closed
    world.assert_baseline()
