"""
What the main process and the zygote say to each other: one JSON object in each packet.

Nothing here blocks, and no descriptor that comes with a packet is left over.
"""

import array
import json
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

VERSION: Final = 1
"""Of what is said: both sides must be of the same."""
PACKET_BYTES_MAX: Final = 4096
_DESCRIPTORS_MAX: Final = 4
"""More than one is wrong already; these are received in order to be closed."""
_TOLD_BYTES: Final = 100


class PacketError(Exception):
    """What came is no packet that makes sense; the text says what it was."""


class Packet:
    """One that came; a ``with`` statement closes those of its descriptors that nobody took."""

    def __init__(self, value: Any, descriptors: Sequence[int]) -> None:
        self.value = value
        self.descriptors = list(descriptors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()

    def take_socket(self) -> socket.socket:
        """Return a socket of the first descriptor, whose end is the caller's then."""
        try:
            sock = socket.socket(fileno=self.descriptors[0])
        except OSError as error:
            raise PacketError(f"its descriptor is no socket: {error.strerror}") from None
        del self.descriptors[0]
        return sock


def encoded(value: Mapping[str, object]) -> bytes:
    """Return a packet's bytes."""
    data = json.dumps(value, separators=(",", ":")).encode("ascii")
    assert len(data) <= PACKET_BYTES_MAX
    return data


def receive(sock: socket.socket) -> Packet:
    """
    Return the next packet.

    Raises BlockingIOError if none has come, EOFError if none will, and PacketError.
    """
    try:
        data, descriptors, is_cut = _received(sock)
    except ConnectionResetError:
        # The other side ended without reading all that we said; what it said before is there.
        data, descriptors, is_cut = _received(sock)
    packet = Packet(None, descriptors)
    try:
        packet.value = _value_of(data, is_cut)
    except (EOFError, PacketError):
        with packet:
            raise
    return packet


def _value_of(data: bytes, is_cut: bool) -> Any:
    if is_cut:
        raise PacketError(f"too much in one packet: {data[:_TOLD_BYTES]!r}")
    if not data:
        raise EOFError
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise PacketError(f"no JSON: {data[:_TOLD_BYTES]!r}") from None


def _received(sock: socket.socket) -> tuple[bytes, list[int], bool]:
    room = socket.CMSG_SPACE(_DESCRIPTORS_MAX * array.array("i").itemsize)
    data, told, flags, _ = sock.recvmsg(PACKET_BYTES_MAX, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, content in told:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return data, list(descriptors), bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC))


class Outbox:
    """
    Packets that wait until the other side has room for them.

    It loses none as long as there is another side; whoever fills it looks at its length.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[bytes] = deque()
        self._has_reader = True

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, value: Mapping[str, object]) -> None:
        """Send a packet as soon as ``send`` can."""
        if self._has_reader:
            self._waiting.append(encoded(value))

    def send(self) -> None:
        """Send what there is room for."""
        with suppress(BlockingIOError):
            while self._waiting:
                try:
                    self._sock.send(self._waiting[0])
                except ConnectionError:
                    self._has_reader = False
                    self._waiting.clear()
                    return
                self._waiting.popleft()
