"""Whatever the two sides of a hand-over are sent, each ends with a word of its own, and tidily."""

import json
import os
import socket
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from sozutw.process.upgrade.conversation import Conversation
from sozutw.wire.channel import frame
from sozutw.wire.handover import Handover, HandoverError, Word

ENDS = (HandoverError, EOFError, TimeoutError)
"""All that may come of nonsense; anything else would be a traceback."""
SECONDS = 0.02

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "handover": st.just(1) | values,
        "configuration": st.text(max_size=10) | values,
        "skips_unsupported": st.booleans() | values,
        "listeners": st.lists(st.text(max_size=20), max_size=5) | values,
        "command_socket": st.none() | st.text(max_size=10) | values,
        "admin": st.none() | st.text(max_size=10) | values,
        "pid_file": st.none() | st.text(max_size=10) | values,
        "said": st.sampled_from(["ready", "take", "taken", "refused"]) | values,
        "pid": st.integers() | values,
        "why": st.text(max_size=20) | values,
    },
)
objects = likely.map(lambda value: frame(json.dumps(value).encode()))
good = st.builds(
    Handover,
    st.text(max_size=10),
    st.booleans(),
    st.lists(st.text(max_size=20), max_size=5).map(tuple),
    st.none() | st.text(max_size=10),
    st.none() | st.text(max_size=10),
    st.none() | st.text(max_size=10),
).map(Handover.encoded)
nested = st.integers(1, 100_000).map(lambda depth: frame(b'{"handover":' + b"[" * depth))
closed = st.integers(1, 3000).map(
    lambda depth: frame(b'{"handover":' + b"[" * depth + b"]" * depth + b"}")
)
messages = st.binary(max_size=60) | objects | good | nested | closed | st.binary().map(frame)
bundles = st.tuples(st.sampled_from([b"+", b"-", b"", b"++", b"x+"]), st.integers(0, 7))


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def send(sock: socket.socket, data: bytes, bundles: Iterable[tuple[bytes, int]]) -> None:
    """Send what fits, and descriptors after it."""
    sock.setblocking(False)
    sock.send(data)
    for mark, count in bundles:
        if mark and count:
            socket.send_fds(sock, [mark], [0] * count)
        elif mark:
            sock.send(mark)


@settings(max_examples=300, deadline=None)
@given(messages, st.lists(bundles, max_size=4), st.booleans())
def test_the_new_process_takes_all_or_nothing(
    data: bytes, more: list[tuple[bytes, int]], is_over: bool
) -> None:
    ours, theirs = socket.socketpair()
    before = count_descriptors()
    with ours, theirs:
        send(theirs, data, more)
        if is_over:
            theirs.close()
        try:
            handover, descriptors = Conversation(ours, SECONDS).accept()
        except ENDS:
            descriptors = []
        else:
            assert len(descriptors) == handover.descriptors
        for one in descriptors:
            os.close(one)
        assert count_descriptors() == before - (1 if is_over else 0)


@settings(max_examples=300, deadline=None)
@given(st.lists(messages, max_size=4), st.lists(bundles, max_size=2), st.booleans())
def test_the_old_process_hears_a_word_or_knows_why_not(
    words: list[bytes], more: list[tuple[bytes, int]], is_over: bool
) -> None:
    ours, theirs = socket.socketpair()
    before = count_descriptors()
    with ours, theirs:
        send(theirs, b"".join(words)[:100_000], more)
        if is_over:
            theirs.close()
        conversation = Conversation(ours, SECONDS)
        try:
            for expected in ("ready", "taken"):
                assert isinstance(conversation.hear(expected), Word)
        except ENDS:
            pass
        # Descriptors that come with words are nobody's.
        assert count_descriptors() == before - (1 if is_over else 0)
