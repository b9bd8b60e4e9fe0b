"""
How two processes talk while one hands over to the other: messages and descriptors, in step.

It blocks, each step for a limited time: the old process has a thread for it, and the new one
nothing else to do.
"""

import array
import os
import socket
from contextlib import suppress
from time import monotonic
from typing import Final

from sozutw.wire.channel import FrameError, FrameReader
from sozutw.wire.handover import (
    DESCRIPTORS_MAX,
    MESSAGE_BYTES_MAX,
    Handover,
    HandoverError,
    Word,
)

_READ_BYTES: Final = 65_536


class Conversation:
    """
    One end of the conversation, over a socket of a pair, which it closes.

    Raises HandoverError for what cannot be meant, TimeoutError, and EOFError when the other
    process has gone.
    """

    def __init__(self, sock: socket.socket, seconds_max: float) -> None:
        self._sock = sock
        self._reader = FrameReader(MESSAGE_BYTES_MAX)
        self._seconds_max = seconds_max
        sock.settimeout(seconds_max)

    def close(self) -> None:
        """End it; whoever waits at the other end hears of it."""
        self.interrupt()
        self._sock.close()

    def interrupt(self) -> None:
        """Let whoever waits in it have an EOFError or OSError; for another thread than his."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def wait_for_the_end(self) -> None:
        """Return when the other process has gone, however long that takes, and close."""
        self._sock.settimeout(None)
        with suppress(OSError):
            while self._sock.recv(_READ_BYTES):
                continue
        self._sock.close()

    def offer(self, handover: Handover, descriptors: list[int]) -> None:
        """Send what is handed over, and the descriptors after it."""
        assert len(descriptors) == handover.descriptors
        self._sock.sendall(handover.encoded())
        for start in range(0, len(descriptors), DESCRIPTORS_MAX):
            socket.send_fds(self._sock, [b"+"], descriptors[start : start + DESCRIPTORS_MAX])

    def accept(self) -> tuple[Handover, list[int]]:
        """Return what is handed over; the descriptors are the caller's then."""
        # The descriptors come with bytes of their own, which must not be read with the message.
        message = self._exactly(int.from_bytes(self._exactly(8), "little") - 8)
        handover = Handover.decoded(message)
        descriptors: list[int] = []
        try:
            while len(descriptors) < handover.descriptors:
                mark, some = self._descriptors()
                descriptors += some
                _demand(mark == b"+" and bool(some), "descriptors are missing")
            _demand(len(descriptors) == handover.descriptors, "more descriptors came than told")
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        return handover, descriptors

    def say(self, word: Word) -> None:
        """Send a word."""
        self._sock.sendall(word.encoded())

    def hear(self, expected: str) -> Word:
        """Return the next word; a refusal, or another one than is expected, is a HandoverError."""
        # For all of the word: one that comes a byte at a time is not waited for again and again.
        give_up_at = monotonic() + self._seconds_max
        while (message := self._take()) is None:
            left = give_up_at - monotonic()
            if left <= 0:
                raise TimeoutError("it did not say all in time")
            self._sock.settimeout(left)
            data = self._sock.recv(_READ_BYTES)
            if not data:
                raise EOFError("it ended before it was ready")
            self._reader.feed(data)
        self._sock.settimeout(self._seconds_max)
        word = Word.decoded(message)
        if word.said == "refused":
            raise HandoverError(word.why or "it refused, and did not say why")
        if word.said != expected:
            raise HandoverError(f"it said {word.said[:40]!r} where {expected!r} was expected")
        return word

    def _take(self) -> bytes | None:
        try:
            return self._reader.take()
        except FrameError as error:
            raise HandoverError(str(error)) from None

    def _exactly(self, size: int) -> bytes:
        if not 0 <= size <= MESSAGE_BYTES_MAX:
            raise HandoverError(f"a message of {size} bytes is no message")
        data = b""
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            if not more:
                raise EOFError("the process that hands over has gone")
            data += more
        return data

    def _descriptors(self) -> tuple[bytes, list[int]]:
        item = array.array("i").itemsize
        mark, told, _flags, _ = self._sock.recvmsg(1, socket.CMSG_SPACE(DESCRIPTORS_MAX * item))
        descriptors = array.array("i")
        for level, kind, data in told:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) - len(data) % item])
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        return mark, list(descriptors)


def _demand(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise HandoverError(otherwise)
