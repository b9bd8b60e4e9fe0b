"""RequestBody: by length or chunked, held, taken or read away; however it is cut."""

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sozutw.frontend import body as module
from sozutw.frontend.body import READ_AWAY_BYTES_MAX, SPLICED_BYTES_MIN, RequestBody
from sozutw.transport.losses import failure
from sozutw.transport.patience import Patience, Wheel
from sozutw.wire.errors import WireError
from sozutw.wire.message import RequestFields


class Front:
    """A connection that notes what its body tells."""

    def __init__(self) -> None:
        self.transport = object()
        self.body_bytes = 0
        self.state = None
        self.pauses = 0
        self.ended: tuple[list[bytes], bytes] | None = None
        self.error: WireError | None = None

    def read_with(self, state) -> None:
        self.state = state

    def pause(self) -> None:
        self.pauses += 1

    def body_ended(self, trailers, leftover: bytes) -> None:
        assert self.ended is None, "told twice"
        self.ended = list(trailers), leftover
        self.state = None

    def body_broken(self, error: WireError) -> None:
        self.error = error
        self.state = None

    def receive(self, data: bytes) -> None:
        assert self.state is not None, "nobody reads"
        self.state(data)


class Back:
    def __init__(self) -> None:
        self.transport = object()
        self.touches = 0

    def touch(self) -> None:
        self.touches += 1


class Scene:
    def __init__(self, *, length: int | None = None, expects: bool = False) -> None:
        fields = RequestFields()
        fields.length = length
        fields.is_chunked = length is None
        fields.expects_continue = expects
        self.clock = Clock()
        wheel = Wheel(self.clock)
        self.front = Front()
        self.patience = Patience(wheel, lambda: None)
        self.body = RequestBody(self.front, fields, self.patience, wheel.now)
        self.taken: list[bytes] = []

    def take(self) -> None:
        self.body.take(self.taken.append, None)


def chunked(data: bytes, size: int = 3) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\nX-T: 1\r\n\r\n"


# What came with the head.


@pytest.mark.parametrize(
    ("data", "payload", "ended", "leftover"),
    [
        (b"", b"", False, b""),
        (b"he", b"he", False, b""),
        (b"hello", b"hello", True, b""),
        (b"helloGET /", b"hello", True, b"GET /"),
    ],
)
def test_what_came_with_the_head_is_told_apart(data, payload, ended, leftover):
    scene = Scene(length=5)
    assert scene.body.begin(data) == (payload, ended, (), leftover)
    assert scene.front.body_bytes == len(payload)
    assert scene.front.ended is None


def test_a_chunked_body_may_come_whole_with_the_head():
    scene = Scene()
    payload, ended, trailers, leftover = scene.body.begin(chunked(b"hello") + b"GET /")
    assert (payload, ended, list(trailers), leftover) == (b"hello", True, [b"X-T: 1"], b"GET /")
    assert scene.front.body_bytes == 5


def test_nothing_of_a_chunked_body_may_come_with_the_head():
    scene = Scene()
    assert scene.body.begin(b"")[:2] == (b"", False)


def test_what_is_no_body_is_refused_at_once():
    with pytest.raises(WireError):
        Scene().body.begin(b"zz\r\n")


# Held.


def test_a_body_with_nowhere_to_go_is_held_and_its_client_paused():
    scene = Scene(length=10)
    scene.body.begin(b"he")
    scene.body.hold()
    scene.front.receive(b"llo")
    assert scene.front.pauses == 1
    assert scene.taken == []
    assert scene.front.body_bytes == 2  # it has not gone anywhere yet
    scene.take()
    assert scene.taken == [b"llo"]
    assert scene.front.body_bytes == 5
    scene.front.receive(b"world")
    assert scene.taken == [b"llo", b"world"]
    assert scene.front.ended == ([], b"")


def test_a_held_body_may_end_as_it_is_taken():
    scene = Scene(length=5)
    scene.body.begin(b"")
    scene.body.hold()
    scene.front.receive(b"helloGET /")
    scene.take()
    assert scene.taken == [b"hello"]
    assert scene.front.ended == ([], b"GET /")


def test_a_held_body_may_prove_broken_as_it_is_taken():
    scene = Scene()
    scene.body.begin(b"")
    scene.body.hold()
    scene.front.receive(b"xyz\r\n")
    assert scene.front.error is None
    scene.take()
    assert scene.front.error is not None
    assert scene.taken == []


def test_a_body_can_be_held_again_for_another_backend():
    scene = Scene(length=6)
    scene.body.begin(b"")
    scene.take()
    scene.front.receive(b"ab")
    scene.body.hold()
    scene.front.receive(b"cd")
    assert scene.taken == [b"ab"]
    scene.take()
    scene.front.receive(b"ef")
    assert scene.taken == [b"ab", b"cd", b"ef"]


# Taken.


def test_bytes_behind_the_body_belong_to_the_next_request():
    scene = Scene(length=5)
    scene.body.begin(b"")
    scene.take()
    scene.front.receive(b"hel")
    scene.front.receive(b"loGET / HTTP/1.1")
    assert scene.taken == [b"hel", b"lo"]
    assert scene.front.ended == ([], b"GET / HTTP/1.1")
    assert scene.front.body_bytes == 5


def test_every_piece_is_a_sign_of_life():
    for scene, piece in ((Scene(length=9), b"abc"), (Scene(), b"3\r\nabc\r\n")):
        scene.body.begin(b"")
        scene.take()
        scene.clock.advance(7.0)
        scene.front.receive(piece)
        assert scene.patience.touched == 7.0


def test_a_chunk_that_brings_no_bytes_passes_none():
    scene = Scene()
    scene.body.begin(b"")
    scene.take()
    scene.front.receive(b"5")
    scene.front.receive(b"\r\n")
    assert scene.taken == []
    scene.front.receive(b"hello\r\n0\r\n")
    assert scene.taken == [b"hello"]
    assert scene.front.ended is None
    scene.front.receive(b"\r\n")
    assert scene.front.ended == ([], b"")


def test_nothing_behind_a_broken_chunk_is_passed_on():
    scene = Scene()
    scene.body.begin(b"")
    scene.take()
    scene.front.receive(b"3\r\nabcX")
    assert scene.taken == []
    assert scene.front.error is not None
    assert scene.front.ended is None


@given(
    data=st.binary(max_size=40),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    is_chunked=st.booleans(),
    hold_until=st.integers(0, 4),
)
def test_a_body_is_the_same_however_it_is_cut(data, cuts, is_chunked, hold_until):
    scene = Scene(length=None if is_chunked else len(data))
    wire = chunked(data) if is_chunked else data
    stream = wire + b"NEXT"
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    pieces = [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    first, ended, trailers, leftover = scene.body.begin(pieces[0])
    got = first
    rest = pieces[1:]
    if not ended:
        scene.body.hold()
        for number, piece in enumerate(rest):
            if number == hold_until:
                scene.take()
            if scene.front.ended is not None:
                leftover += scene.front.ended[1] + b"".join(rest[number:])
                break
            if piece:
                scene.front.receive(piece)
        else:
            if len(rest) <= hold_until:
                scene.take()
            assert scene.front.ended is not None
            leftover += scene.front.ended[1]
        trailers = scene.front.ended[0]
        got += b"".join(scene.taken)
    else:
        leftover += b"".join(rest)
    assert got == data
    assert leftover == b"NEXT"
    assert list(trailers) == ([b"X-T: 1"] if is_chunked else [])
    assert scene.front.body_bytes == len(data)


# Read away.


@pytest.mark.parametrize(
    ("left", "is_short"),
    [(1, True), (READ_AWAY_BYTES_MAX, True), (READ_AWAY_BYTES_MAX + 1, False)],
)
def test_a_little_of_a_body_can_be_read_away(left: int, is_short: bool):
    scene = Scene(length=left + 3)
    scene.body.begin(b"abc")
    assert scene.body.is_short() is is_short


def test_the_end_of_a_chunked_body_is_not_known():
    scene = Scene()
    scene.body.begin(b"3\r\nabc\r\n")
    assert not scene.body.is_short()


def test_who_waits_for_a_100_may_send_the_body_or_not():
    scene = Scene(length=3, expects=True)
    scene.body.begin(b"")
    assert not scene.body.is_short()
    scene.take()
    scene.front.receive(b"a")
    assert scene.body.is_short()  # he did not wait


# In the kernel.


class FakeSplice:
    made: ClassVar["list[FakeSplice]"] = []

    def __init__(self, source, sink, length, moved, ended) -> None:
        self.source, self.sink, self.length = source, sink, length
        self.moved, self.ended = moved, ended
        self.held = 0
        self.is_stopped = False
        FakeSplice.made.append(self)

    def stop(self) -> int:
        self.is_stopped = True
        return self.held


@pytest.fixture
def splices(monkeypatch: pytest.MonkeyPatch) -> list[FakeSplice]:
    FakeSplice.made = []
    monkeypatch.setattr(module, "Splice", FakeSplice)
    monkeypatch.setattr(module, "is_available", lambda source, sink: True)
    return FakeSplice.made


def long_scene(more: int = 0) -> tuple[Scene, Back]:
    scene = Scene(length=SPLICED_BYTES_MIN + 3 + more)
    scene.body.begin(b"abc")
    back = Back()
    scene.body.take(scene.taken.append, back)
    return scene, back


def test_the_bulk_of_a_long_body_is_spliced(splices):
    scene, back = long_scene()
    (splice,) = splices
    assert splice.source is scene.front.transport
    assert splice.sink is back.transport
    assert splice.length == SPLICED_BYTES_MIN
    assert scene.body.is_spliced
    scene.clock.advance(3.0)
    splice.moved(1000)
    assert scene.front.body_bytes == 1003
    assert (scene.patience.touched, back.touches) == (3.0, 1)
    splice.moved(SPLICED_BYTES_MIN - 1000)
    splice.ended(None)
    assert not scene.body.is_spliced
    assert scene.front.ended == ([], b"")


def test_what_was_held_goes_before_the_splice(splices):
    scene = Scene(length=SPLICED_BYTES_MIN + 5)
    scene.body.begin(b"")
    scene.body.hold()
    scene.front.receive(b"hello")
    scene.body.take(scene.taken.append, Back())
    assert scene.taken == [b"hello"]
    assert splices[0].length == SPLICED_BYTES_MIN


@pytest.mark.parametrize("why_not", ["short", "chunked", "no backend", "not available"])
def test_what_is_not_worth_it_or_cannot_be_is_not_spliced(splices, monkeypatch, why_not: str):
    length = SPLICED_BYTES_MIN - (why_not == "short")
    scene = Scene(length=None if why_not == "chunked" else length)
    scene.body.begin(b"")
    if why_not == "not available":
        monkeypatch.setattr(module, "is_available", lambda source, sink: False)
    scene.body.take(scene.taken.append, None if why_not == "no backend" else Back())
    assert splices == []
    assert not scene.body.is_spliced


def test_a_splice_that_failed_ends_nothing_by_itself(splices):
    scene, _ = long_scene()
    splices[0].ended(failure(ConnectionResetError()))
    assert scene.front.ended is None
    assert not scene.body.is_spliced


def test_to_stop_counts_what_the_splice_had_taken(splices):
    scene, _ = long_scene()
    splices[0].moved(1000)
    splices[0].held = 500
    assert scene.body.stop()
    assert splices[0].is_stopped
    assert not scene.body.is_spliced
    # What is left is read away: exactly that much, and what follows is the next request.
    left = SPLICED_BYTES_MIN - 1500
    scene.body.take(lambda data: None, None)
    scene.front.receive(b"x" * left + b"GET /")
    assert scene.front.ended == ([], b"GET /")


def test_a_splice_may_have_taken_all_when_it_is_stopped(splices):
    scene, _ = long_scene()
    splices[0].held = SPLICED_BYTES_MIN
    assert not scene.body.stop()


def test_to_stop_without_a_splice_tells_whether_anything_is_left():
    scene = Scene(length=5)
    scene.body.begin(b"abc")
    assert scene.body.stop()
    whole = Scene(length=3)
    whole.body.begin(b"abc")
    assert not whole.body.stop()
    assert Scene().body.stop()  # of a chunked one nobody knows
