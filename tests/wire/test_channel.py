"""Tests of ``sozutw.wire.channel``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.wire.channel import FrameError, FrameReader, frame


def taken_from(reader: FrameReader) -> list[bytes]:
    """Return all that is whole."""
    return list(iter(reader.take, None))


def test_a_frame_is_a_length_that_counts_itself_and_a_message() -> None:
    assert frame(b"\x22\x00") == bytes.fromhex("0a00000000000000 2200")
    assert frame(b"\x0a\x06/var/s") == bytes.fromhex("1000000000000000 0a062f7661722f73")
    assert frame(b"") == bytes.fromhex("0800000000000000")
    assert frame(b"x" * 300)[:8] == (308).to_bytes(8, "little")


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_however_the_bytes_are_cut_the_messages_are_the_same(
    messages: list[bytes], data: st.DataObject
) -> None:
    reader = FrameReader(48)
    stream = b"".join(map(frame, messages))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20).map(sorted))
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        got += taken_from(reader)
        # Never more than a frame, once all has been taken that is whole.
        assert len(reader) < 48
    assert got == messages
    assert len(reader) == 0


def test_messages_are_taken_one_at_a_time() -> None:
    reader = FrameReader(100)
    reader.feed(frame(b"one") + frame(b"") + frame(b"three")[:-1])
    assert len(reader) == 11 + 8 + 12
    assert reader.take() == b"one"
    assert len(reader) == 8 + 12
    assert reader.take() == b""
    assert reader.take() is None
    assert len(reader) == 12
    reader.feed(b"e")
    assert reader.take() == b"three"
    assert reader.take() is None


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_length_below_its_own_size_is_an_error(length: int) -> None:
    reader = FrameReader(100)
    reader.feed(length.to_bytes(8, "little")[:7])
    assert reader.take() is None
    reader.feed(b"\0")
    for _ in range(2):
        with pytest.raises(FrameError, match=f"is {length}, which is below 8,"):
            reader.take()


@pytest.mark.parametrize("length", [101, 2**32, 2**63, 2**64 - 1])
def test_a_length_above_the_maximum_is_an_error_before_any_of_it_has_come(length: int) -> None:
    reader = FrameReader(100)
    reader.feed(length.to_bytes(8, "little"))
    with pytest.raises(FrameError, match=f"of {length} bytes is above the maximum of 100") as told:
        reader.take()
    assert told.value.status == 413


def test_the_maximum_itself_is_taken() -> None:
    reader = FrameReader(100)
    reader.feed(frame(b"m" * 92))
    assert reader.take() == b"m" * 92


def test_what_stands_before_a_broken_length_is_taken() -> None:
    reader = FrameReader(100)
    reader.feed(frame(b"good") + bytes(8))
    assert reader.take() == b"good"
    with pytest.raises(FrameError):
        reader.take()
