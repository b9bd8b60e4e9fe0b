"""The backend's connection, state by state, and what a hostile or dying backend can do."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone

from sozutw.backend import http1 as module
from sozutw.backend.http1 import KNOWN_BYTES_MAX, SPLICED_BYTES_MIN
from sozutw.transport.losses import failure
from tests.backend.owners import Bench, Owner
from tests.fakes.transport import FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


def assert_kept(bench: Bench, owner: Owner, transport: FakeTransport, *, kept: bool) -> None:
    bench.give_back(owner)
    assert transport.disconnecting is not kept
    assert len(bench.pool) == kept


# Responses, framed in every way.


RESPONSES = [
    (EMPTY, b""),
    (HELLO, b"hello"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-T: 1\r\n\r\n", b"hello"),
]


@given(
    response=st.sampled_from(RESPONSES),
    cuts=st.lists(st.integers(1, 120), max_size=6, unique=True),
)
@hypothesis_settings(max_examples=80, deadline=None)
def test_a_response_is_the_same_however_it_is_cut(response, cuts: list[int]):
    data, body = response
    bench = Bench()
    owner, connection, transport = bench.asked()
    ends = sorted({cut for cut in cuts if cut < len(data)} | {len(data)})
    for begin, end in zip([0, *ends], ends, strict=False):
        transport.receive(data[begin:end])
    events = owner.take()
    assert events[0].startswith("started ")
    assert events[0].endswith(" and ended") or events[1:] == ["ended"]
    assert bytes(owner.body) == body
    assert connection.response_bytes == len(data)
    assert_kept(bench, owner, transport, kept=True)


def test_an_answer_to_head_has_no_body():
    bench = Bench()
    owner, _, transport = bench.asked(b"HEAD")
    transport.receive(HELLO[:-5])
    assert owner.take() == ["started 200 and ended"]
    assert_kept(bench, owner, transport, kept=True)


def test_a_body_until_close_ends_with_a_fin():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(UNTIL_CLOSE + b"he")
    transport.receive(b"llo")
    assert owner.take() == ["started 200"]
    transport.hang_up()
    assert owner.take() == ["ended"]
    assert bytes(owner.body) == b"hello"
    assert_kept(bench, owner, transport, kept=False)


def test_a_body_until_close_is_cut_by_a_reset():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(UNTIL_CLOSE + b"he")
    transport.reset_by_peer()
    assert owner.take() == ["started 200", "lost"]
    assert len(bench.pool) == 0


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", False),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"0\r\n\r\n", False),
    ],
)
def test_a_connection_is_kept_as_its_last_head_says(data: bytes, kept: bool):
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(data)
    assert_kept(bench, owner, transport, kept=kept)


# Interim responses.


def test_interim_responses_come_before_the_final_one():
    bench = Bench()
    owner, connection, transport = bench.asked()
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    transport.receive(interim)
    assert owner.take() == ["interim 100", "interim 103"]
    transport.receive(HELLO)
    assert owner.take() == ["started 200 and ended"]
    assert connection.response_bytes == len(interim + HELLO)


def test_interim_and_final_response_may_come_at_once_and_in_pieces():
    bench = Bench()
    owner, connection, transport = bench.asked()
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO
    transport.receive(data[:30])
    transport.receive(data[30:])
    assert owner.take() == ["interim 100", "started 200 and ended"]
    assert connection.response_bytes == len(data)


def test_what_follows_an_interim_response_may_be_broken():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(b"HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n")
    assert owner.take() == ["interim 100", "broken"]


def test_an_owner_may_leave_at_an_interim_response():
    bench = Bench()
    owner, connection, transport = bench.asked()
    owner.response_interim = lambda head: connection.drop()  # type: ignore[method-assign]
    transport.receive(b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO)
    assert owner.take() == []
    bench.check()


# Heads that repeat.


def test_a_head_that_repeats_is_the_same_value():
    bench = Bench()
    owner, connection, transport = bench.asked()
    transport.receive(HELLO)
    first = owner.head
    for _ in range(2):
        owner.send()
        transport.receive(HELLO[:-2])
        transport.receive(HELLO[-2:])
        assert owner.head is first
        assert bytes(owner.body) == b"hello"
        assert connection.response_bytes == len(HELLO)  # of this response alone
    owner.send()
    transport.receive(HELLO.replace(b"OK", b"ok"))
    assert owner.head is not first


def test_the_same_bytes_mean_something_else_for_another_method():
    bench = Bench()
    owner, connection, transport = bench.asked()
    transport.receive(HELLO)
    assert connection.is_reusable
    owner.method = b"HEAD"
    owner.send()
    transport.receive(HELLO[:-5])
    assert owner.take()[-1] == "started 200 and ended"
    assert bytes(owner.body) == b""
    owner.method = b"GET"
    owner.send()
    transport.receive(HELLO[:-5])
    assert owner.take() == ["started 200"]
    transport.receive(b"hello")
    assert bytes(owner.body) == b"hello"


def test_a_long_head_is_not_kept():
    bench = Bench()
    owner, connection, transport = bench.asked()
    long = b"HTTP/1.1 200 OK\r\nX: " + b"y" * KNOWN_BYTES_MAX + b"\r\nContent-Length: 0\r\n\r\n"
    transport.receive(long)
    first = owner.head
    assert connection._known is None
    owner.send()
    transport.receive(long)
    assert owner.head is not first


# What a hostile or confused backend sends.


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"5\r\nhelloX",
        SWITCHED.replace(b"\r\n\r\n", b"\r\nBad Name: x\r\n\r\n"),
    ],
)
def test_what_is_not_http_is_broken_and_never_used_again(data: bytes):
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(data)
    (told,) = owner.take()
    assert told in {"broken", "broken: 507"}
    assert owner.head is None
    assert transport.disconnecting
    assert len(bench.pool) == 0


def test_a_body_may_break_in_the_middle():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(CHUNKED + b"5\r\nhello\r\n")
    transport.receive(b"zz\r\n")
    assert owner.take() == ["started 200", "broken"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (HELLO + HELLO, b""),
        (HELLO[:-3], HELLO[-3:] + HELLO),
        (CHUNKED + b"0\r\n\r\n" + HELLO, b""),
        (CHUNKED, b"0\r\n\r\n" + HELLO),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + HELLO, b""),
        (HELLO, HELLO),
    ],
)
def test_bytes_behind_a_response_belong_to_nobody(first: bytes, second: bytes):
    """Response splitting, and queues poisoned by it: the next request must not get them."""
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(first)
    if second:
        transport.receive(second)
    assert bytes(owner.body) in (b"hello", b"")
    assert sum(event.startswith("started") for event in owner.take()) == 1
    assert_kept(bench, owner, transport, kept=False)


def test_an_answer_to_head_with_a_body_is_its_last():
    bench = Bench()
    owner, _, transport = bench.asked(b"HEAD")
    transport.receive(HELLO)
    assert owner.take() == ["started 200 and ended"]
    assert bytes(owner.body) == b""
    assert_kept(bench, owner, transport, kept=False)


@pytest.mark.parametrize("data", [b"x", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_an_idle_connection_that_says_anything_is_dropped(data: bytes):
    bench = Bench()
    _, transport = bench.idle()
    transport.receive(data)
    assert transport.disconnecting
    assert len(bench.pool) == 0
    bench.check()


# Hang-ups.


def test_an_idle_connection_that_hangs_up_is_dropped():
    for end in (FakeTransport.hang_up, FakeTransport.reset_by_peer):
        bench = Bench()
        _, transport = bench.idle()
        end(transport)
        assert len(bench.pool) == 0
        bench.check()
        bench.advance(0.25)
        assert transport.disconnected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        HELLO[:-1],
        CHUNKED,
        CHUNKED + b"5\r\nh",
    ],
)
@pytest.mark.parametrize("cleanly", [True, False])
def test_a_hang_up_before_the_end_is_told_once(data: bytes, cleanly: bool):
    bench = Bench()
    owner, connection, transport = bench.asked()
    if data:
        transport.receive(data)
    owner.take()
    if cleanly:
        transport.hang_up()
    else:
        transport.reset_by_peer()
    bench.advance(0.25)
    assert owner.take() == ["lost cleanly" if cleanly else "lost"]
    assert connection.token is None
    assert connection.transport is None
    assert len(bench.pool) == 0


def test_a_whole_response_followed_by_a_fin_is_a_success():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(HELLO)
    assert owner.take() == ["started 200 and ended"]
    bench.give_back(owner)
    transport.hang_up()
    assert owner.take() == []
    assert len(bench.pool) == 0


def test_a_connection_without_half_closes_is_lost_as_a_whole():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(UNTIL_CLOSE)
    transport.lose(ConnectionDone())
    assert owner.take() == ["started 200", "ended"]


# Silence.


def test_a_silent_backend_is_waited_for_and_then_told_of():
    bench = Bench()
    owner, _, transport = bench.asked()
    bench.advance(29.75)
    assert owner.take() == []
    bench.advance(1)
    assert owner.take() == ["timed out"]
    assert transport.disconnected


def test_every_byte_is_a_sign_of_life():
    bench = Bench()
    owner, connection, transport = bench.asked()
    for data in (b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"):
        bench.advance(20)
        transport.receive(data)
    bench.advance(20)
    connection.write_chunk(b"abc")
    bench.advance(20)
    connection.touch()
    bench.advance(20)
    assert owner.take() == ["started 200"]
    bench.advance(11)
    assert owner.take() == ["timed out"]


def test_an_owner_may_wait_for_longer():
    bench = Bench()
    owner, connection, _ = bench.asked()
    connection.wait(60.0)
    bench.advance(59)
    assert owner.take() == []
    bench.advance(2)
    assert owner.take() == ["timed out"]


# Back-pressure.


def test_who_cannot_take_the_response_pauses_it_and_its_silence_does_not_count():
    bench = Bench()
    owner, connection, transport = bench.asked()
    transport.receive(HELLO[:-5])
    connection.pause()
    assert not transport.is_reading
    bench.advance(100)
    transport.receive(b"hello")
    assert owner.take() == ["started 200"]
    connection.resume()
    bench.advance(0.25)
    assert owner.take() == ["ended"]
    assert not connection.is_paused


def test_the_patience_of_a_resumed_response_begins_anew():
    bench = Bench()
    owner, connection, transport = bench.asked()
    transport.receive(HELLO[:-5])
    connection.pause()
    bench.advance(100)
    connection.resume()
    bench.advance(29)
    assert owner.take() == ["started 200"]
    bench.advance(2)
    assert owner.take() == ["timed out"]


def test_a_backend_that_does_not_read_tells_its_owner():
    bench = Bench()
    owner, connection, transport = bench.asked()
    transport.fill()
    assert connection.is_full
    transport.drain()
    assert not connection.is_full
    assert owner.take() == ["filled", "drained"]


def test_an_idle_connection_tells_nobody_of_its_buffers():
    bench = Bench()
    connection, transport = bench.idle()
    transport.fill()
    transport.drain()
    connection.stopProducing()
    bench.check()


# Requests.


def test_a_request_s_chunks_are_framed():
    bench = Bench()
    _, connection, transport = bench.asked()
    connection.write_chunk(b"hello")
    assert transport.take() == b"5\r\nhello\r\n"


@pytest.mark.parametrize("nothing", [True, False])
def test_whether_anything_was_sent_is_the_transport_s_to_tell(nothing: bool):
    bench = Bench()
    owner, connection, transport = bench.open()
    if nothing:
        transport.fail_to_write()
    owner.send()
    transport.fail_to_write()
    connection.write(b"more")
    assert connection.has_sent_nothing() is nothing


def test_a_transport_that_cannot_tell_may_have_sent_all():
    bench = Bench()
    _, connection, _ = bench.asked()
    assert connection.has_sent_nothing() is False


def test_a_round_trip_is_measured_once_a_second_at_most():
    bench = Bench()
    owner, connection, transport = bench.open()
    transport.round_trip_value = 100
    owner.send()
    assert connection.round_trip_us == 100
    transport.round_trip_value = 200
    owner.send()
    assert connection.round_trip_us == 100
    bench.clock.advance(1.0)
    owner.send()
    assert connection.round_trip_us == 200


def test_a_transport_that_cannot_measure_is_not_asked():
    bench = Bench()
    owner, connection, transport = bench.open()
    transport.round_trip_us = None  # type: ignore[method-assign, assignment]
    owner.send()
    assert connection.round_trip_us == 0


# Tunnels.


def tunnel(bench: Bench, behind: bytes = b"") -> tuple[Owner, object, FakeTransport, bytearray]:
    owner, connection, transport = bench.asked()
    got = bytearray()

    def started(head, body: bytes, ended: bool) -> None:
        owner.events.append(f"started {head.status}")
        assert (body, ended) == (b"", False)

    owner.response_started = started  # type: ignore[method-assign]
    transport.receive(SWITCHED + behind[:2])
    if behind[2:]:
        transport.receive(behind[2:])
    assert owner.take() == ["started 101"]
    got += connection.tunnel(got.extend, 5.0)
    return owner, connection, transport, got


def test_what_came_behind_a_101_goes_into_the_tunnel_first():
    bench = Bench()
    _, _, transport, got = tunnel(bench, b"early")
    assert bytes(got) == b"early"
    transport.receive(b" and late")
    assert bytes(got) == b"early and late"


def test_a_tunnel_has_a_patience_of_its_own():
    bench = Bench()
    owner, _, transport, _ = tunnel(bench)
    bench.advance(4)
    transport.receive(b"alive")
    bench.advance(4)
    assert owner.take() == []
    bench.advance(2)
    assert owner.take() == ["timed out"]


def test_each_half_of_a_tunnel_ends_by_itself():
    bench = Bench()
    owner, connection, transport, _ = tunnel(bench)
    transport.hang_up()
    assert owner.take() == ["finished"]
    connection.write(b"answer")
    assert transport.take() == b"answer"
    connection.finish()
    bench.advance(0.25)
    assert owner.take() == ["lost cleanly"]
    assert len(bench.pool) == 0


def test_our_half_close_is_no_end():
    bench = Bench()
    owner, connection, transport, got = tunnel(bench)
    connection.finish()
    bench.advance(0.25)
    assert transport.is_write_closed
    transport.receive(b"more")
    assert bytes(got) == b"more"
    assert owner.take() == []


def test_a_tunnel_is_never_used_again():
    bench = Bench()
    owner, _, transport, _ = tunnel(bench)
    assert_kept(bench, owner, transport, kept=False)


# In the kernel.


class FakeSplice:
    def __init__(self, source, sink, length, moved, ended) -> None:
        self.arguments = source, sink, length
        self.moved, self.ended = moved, ended
        self.is_stopped = False

    def stop(self) -> int:
        self.is_stopped = True
        return 0


class Front:
    def __init__(self) -> None:
        self.transport = object()
        self.touches = 0

    def touch(self) -> None:
        self.touches += 1


@pytest.fixture
def spliced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "Splice", FakeSplice)
    monkeypatch.setattr(module, "is_available", lambda source, sink: True)
    bench = Bench()
    owner, connection, transport = bench.asked()
    length = SPLICED_BYTES_MIN + 5
    transport.receive(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello" % length)
    front = Front()
    assert connection.join(front, SPLICED_BYTES_MIN)
    assert owner.take() == ["started 200"]
    return bench, owner, connection, transport, front


def test_a_long_body_is_moved_in_the_kernel_and_counted(spliced):
    bench, owner, connection, transport, front = spliced
    splice = connection._splice
    assert splice.arguments == (transport, front.transport, SPLICED_BYTES_MIN)
    before = connection.response_bytes
    bench.advance(20)
    splice.moved(1000)
    bench.advance(20)
    assert owner.take() == []
    assert connection.response_bytes == before + 1000
    assert front.touches == 1
    splice.ended(None)
    assert owner.take() == ["ended"]
    assert_kept(bench, owner, transport, kept=True)


def test_what_the_kernel_moves_pauses_by_itself(spliced):
    _, _, connection, transport, _ = spliced
    connection.pause()
    assert transport.is_reading
    assert not connection.is_paused


def test_a_splice_that_fails_is_followed_by_the_loss_of_a_side(spliced):
    bench, owner, connection, transport, _ = spliced
    connection._splice.ended(failure(ConnectionResetError()))
    transport.reset_by_peer()
    assert owner.take() == ["lost"]
    assert len(bench.pool) == 0


def test_a_splice_is_stopped_with_its_connection_and_tells_nobody_afterwards(spliced):
    _, owner, connection, _, _ = spliced
    splice = connection._splice
    connection.drop()
    assert splice.is_stopped
    splice.ended(None)
    assert owner.take() == []


@pytest.mark.parametrize("why_not", ["short", "not available"])
def test_what_is_short_or_cannot_be_is_not_spliced(monkeypatch: pytest.MonkeyPatch, why_not: str):
    monkeypatch.setattr(module, "is_available", lambda source, sink: why_not == "short")
    bench = Bench()
    _, connection, _ = bench.asked()
    assert not connection.join(Front(), SPLICED_BYTES_MIN - (why_not == "short"))


# The end.


def test_to_drop_twice_is_to_drop_once():
    bench = Bench()
    owner, connection, transport = bench.asked()
    connection.drop()
    connection.drop()
    assert transport.is_aborted
    bench.advance(0.25)
    assert owner.take() == []
    assert len(bench.pool) == 0
    assert not bench.clock.getDelayedCalls()


def test_an_owner_may_leave_as_the_body_comes():
    for data in (HELLO[:-5], CHUNKED):
        bench = Bench()
        owner, connection, transport = bench.asked()
        transport.receive(data)
        connection.take_body(lambda piece, one=connection: one.drop())
        transport.receive(b"hello" if data is not CHUNKED else b"5\r\nhello\r\n0\r\n\r\n")
        assert owner.take() == ["started 200"]
        assert len(bench.pool) == 0
        bench.check()


def test_an_owner_may_leave_at_the_head():
    bench = Bench()
    owner, connection, transport = bench.asked()
    owner.response_started = lambda head, body, ended: connection.drop()  # type: ignore[method-assign]
    transport.receive(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
    assert owner.take() == []
    bench.check()
