"""
Messages of the command socket written and read by hand.

Of protobuf nothing is used but its three kinds of value that Sōzu's messages consist of: numbers,
four bytes, and bytes with their length. Names and tables are not known here.
"""

from typing import NamedTuple

VARINT, LENGTH, FOUR_BYTES = 0, 2, 5


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have the highest bit set."""
    number &= (1 << 64) - 1
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def num(field: int, value: int) -> bytes:
    """A number, a truth, or a member of an enumeration."""
    return varint(field << 3 | VARINT) + varint(value)


def blob(field: int, value: bytes | str) -> bytes:
    """A text, or a message within a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | LENGTH) + varint(len(data)) + data


def fixed(field: int, value: int) -> bytes:
    """Four bytes, the lowest first."""
    return varint(field << 3 | FOUR_BYTES) + value.to_bytes(4, "little")


def framed(message: bytes) -> bytes:
    """Eight bytes with the length of all, and the message."""
    return (8 + len(message)).to_bytes(8, "little") + message


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """Return the fields of a message, in their order."""
    found: list[tuple[int, int | bytes]] = []
    at = 0

    def take() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        tag = take()
        value: int | bytes
        match tag & 7:
            case 0:
                value = take()
            case 2:
                size = take()
                value, at = message[at : at + size], at + size
                assert len(value) == size, "cut off"
            case kind:
                size = {1: 8, 5: 4}[kind]
                value, at = int.from_bytes(message[at : at + size], "little"), at + size
        found.append((tag >> 3, value))
    return found


class Answer(NamedTuple):
    """A response, as far as it is the same for all verbs."""

    status: int
    """0 is OK, 1 PROCESSING, 2 FAILURE."""
    text: str
    content: int | None
    """The number of the member of the content; None if there is none."""


def answers(data: bytes) -> list[Answer]:
    """Return the responses in what came over the socket; it ends with the last one."""
    found = []
    while data:
        size = int.from_bytes(data[:8], "little")
        assert 8 <= size <= len(data)
        told = dict(fields(data[8:size]))
        data = data[size:]
        status, text, content = told.pop(1), told.pop(2), told.pop(3, None)
        assert not told, "a response has three fields"
        assert isinstance(status, int)
        assert isinstance(text, bytes)
        member = None
        if content is not None:
            assert isinstance(content, bytes)
            ((member, _),) = fields(content)
        found.append(Answer(status, text.decode(), member))
    return found
