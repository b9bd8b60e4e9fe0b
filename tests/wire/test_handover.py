"""What one process tells the next: read as it was written, and nothing else is taken for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.wire.channel import FrameReader
from sozutw.wire.handover import MESSAGE_BYTES_MAX, VERSION, Handover, HandoverError, Word

HANDOVER = Handover("/etc/our.toml", False, ("127.0.0.1:80", "[::1]:80"), "/run/s.sock", None)


def message_in(data: bytes) -> bytes:
    reader = FrameReader(MESSAGE_BYTES_MAX)
    reader.feed(data)
    message = reader.take()
    assert message is not None
    assert reader.take() is None
    return message


@given(
    st.builds(
        Handover,
        st.text(),
        st.booleans(),
        st.lists(st.text()).map(tuple),
        st.none() | st.text(),
        st.none() | st.text(),
    )
)
def test_what_is_handed_over_is_read_as_it_was_written(handover: Handover) -> None:
    assert Handover.decoded(message_in(handover.encoded())) == handover


@given(st.builds(Word, st.text(), st.integers(0), st.text()))
def test_a_word_is_read_as_it_was_written(word: Word) -> None:
    assert Word.decoded(message_in(word.encoded())) == word


def test_the_state_and_each_socket_is_a_descriptor() -> None:
    assert HANDOVER.descriptors == 4
    assert Handover("", True, (), None, None).descriptors == 1
    assert Handover("", True, (), "a", "b").descriptors == 3


@pytest.mark.parametrize("version", [None, 0, VERSION + 1, "1", [VERSION]])
def test_another_version_is_refused_by_both_numbers(version: object) -> None:
    value = json.loads(message_in(HANDOVER.encoded()))
    value["handover"] = version
    with pytest.raises(HandoverError, match=f"by version {VERSION}, and not "):
        Handover.decoded(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("configuration", None),
        ("skips_unsupported", 1),
        ("listeners", "127.0.0.1:80"),
        ("listeners", [1]),
        ("command_socket", 1),
        ("admin", []),
    ],
)
def test_what_does_not_belong_to_its_version_is_refused(key: str, value: object) -> None:
    told = json.loads(message_in(HANDOVER.encoded()))
    told[key] = value
    with pytest.raises(HandoverError, match="and then not what belongs to it"):
        Handover.decoded(json.dumps(told).encode())


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"said": 1},
        {"said": "ready", "pid": "7"},
        {"said": "ready", "pid": -1},
        {"said": "ready", "pid": True},
        {"said": "refused", "why": None},
    ],
)
def test_what_is_no_word_is_refused(value: object) -> None:
    with pytest.raises(HandoverError, match="this is no answer"):
        Word.decoded(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for kind in (Handover, Word):
        with pytest.raises(HandoverError):
            kind.decoded(data)


@pytest.mark.parametrize("data", [b"[]", b"1", b"[" * 100_000, b'{"a":' * 100_000, b"\xff"])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(HandoverError, match="no message of a process that hands over"):
        Handover.decoded(data)
