"""Two ends of a hand-over: messages and descriptors in step, and a clear end when one goes."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.process.upgrade import conversation
from sozutw.process.upgrade.conversation import Conversation
from sozutw.wire.channel import frame
from sozutw.wire.handover import DESCRIPTORS_MAX, Handover, HandoverError, Word

Ends = tuple[Conversation, Conversation]


def handover_of(count: int) -> Handover:
    listeners = tuple(f"127.0.0.1:{n}" for n in range(1, count))
    return Handover("/etc/our.toml", False, listeners, None, None)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def ends(sockets: tuple[socket.socket, socket.socket]) -> Ends:
    return Conversation(sockets[0], 5.0), Conversation(sockets[1], 5.0)


def meanwhile(do: Callable[[], object]) -> Callable[[], None]:
    thread = threading.Thread(target=do)
    thread.start()
    return thread.join


@pytest.mark.parametrize("count", [1, 2, DESCRIPTORS_MAX, 2 * DESCRIPTORS_MAX + 1])
def test_descriptors_come_in_their_order_however_many(ends: Ends, count: int) -> None:
    old, new = ends
    pipes = [os.pipe() for _ in range(count)]
    join = meanwhile(lambda: old.offer(handover_of(count), [reading for reading, _ in pipes]))
    handover, descriptors = new.accept()
    join()
    assert handover == handover_of(count)
    assert len(descriptors) == count
    assert not any(os.get_inheritable(one) for one in descriptors)
    for number, (reading, writing) in enumerate(pipes):
        os.write(writing, b"%d" % number)
        assert os.read(descriptors[number], 10) == b"%d" % number
        for one in (reading, writing, descriptors[number]):
            os.close(one)
    new.say(Word("ready", 7))
    assert old.hear("ready") == Word("ready", 7)


def test_words_may_come_together(ends: Ends) -> None:
    old, new = ends
    new.say(Word("ready", 7))
    new.say(Word("taken", 7))
    assert old.hear("ready").pid == 7
    assert old.hear("taken").pid == 7


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Word("refused", why="no such key"), "no such key"),
        (Word("refused"), "did not say why"),
        (Word("taken"), "'taken' where 'ready' was expected"),
    ],
)
def test_another_word_than_the_one_expected_ends_it(ends: Ends, word: Word, text: str) -> None:
    old, new = ends
    new.say(word)
    with pytest.raises(HandoverError, match=text):
        old.hear("ready")


def test_who_goes_is_missed_at_once(ends: Ends) -> None:
    old, new = ends
    new.close()
    with pytest.raises(EOFError):
        old.hear("ready")
    with pytest.raises(OSError, match="Broken pipe"):
        old.say(Word("take"))


@pytest.mark.parametrize("sent", [0, 1, 8, 20])
def test_a_hand_over_that_is_cut_short_is_no_hand_over(
    sockets: tuple[socket.socket, socket.socket], sent: int
) -> None:
    sockets[0].sendall(handover_of(2).encoded()[:sent])
    sockets[0].close()
    with pytest.raises(EOFError):
        Conversation(sockets[1], 5.0).accept()


def test_descriptors_that_are_missing_are_missed_and_the_others_closed(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    before = os.listdir("/proc/self/fd")
    sockets[0].sendall(handover_of(3).encoded())
    with open("/dev/null", "rb") as null:
        socket.send_fds(sockets[0], [b"+"], [null.fileno()])
    sockets[0].sendall(b"+")
    with pytest.raises(HandoverError, match="descriptors are missing"):
        Conversation(sockets[1], 5.0).accept()
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("length", [0, 7, 2**40])
def test_a_length_that_no_message_has_is_refused(
    sockets: tuple[socket.socket, socket.socket], length: int
) -> None:
    sockets[0].sendall(length.to_bytes(8, "little"))
    with pytest.raises(HandoverError, match="no message"):
        Conversation(sockets[1], 5.0).accept()


@given(st.binary(max_size=200))
def test_the_old_process_survives_whatever_it_is_told(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.sendall(frame(data))
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises((HandoverError, EOFError)):
            Conversation(ours, 5.0).hear("ready")


def test_silence_has_an_end(sockets: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        Conversation(sockets[0], 0.01).hear("ready")


def test_a_word_that_comes_a_byte_at_a_time_is_not_waited_for_again_and_again(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets[1].sendall(Word("ready").encoded())
    seconds = map(float, range(0, 60 * 60, 20))
    monkeypatch.setattr(conversation, "_READ_BYTES", 1)
    monkeypatch.setattr(conversation, "monotonic", lambda: next(seconds))
    with pytest.raises(TimeoutError):
        Conversation(sockets[0], 60.0).hear("ready")


def test_the_end_of_the_other_is_waited_for(ends: Ends, tmp_path: Path) -> None:
    old, new = ends
    over: list[None] = []
    join = meanwhile(lambda: over.append(new.wait_for_the_end()))
    old.say(Word("take"))
    old.close()
    join()
    assert over == [None]
