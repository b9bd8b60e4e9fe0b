"""Chunked bodies: taken apart as they come, and put together in the one canonical form."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from sozutw.wire.errors import WireError
from sozutw.wire.http1.fields import (
    CLIENT_CLAIMS,
    FRAMING,
    HOP_BY_HOP,
    OTHER_CLAIMS,
    sort_fields,
    sort_of_fields,
)
from sozutw.wire.http1.grammar import CRLF

SIZE_LINE_BYTES_MAX: Final = 256
"""A chunk's size and its extensions; bodies in tiny chunks with long lines are an attack."""
TRAILER_BYTES_MAX: Final = 8_192
_SIZE_DIGITS_MAX: Final = 16
_SIZE_MAX: Final = 2**63 - 1
_HEX: Final = b"0123456789abcdefABCDEF"
_EXTENSIONS: Final = re.compile(
    rb"(?:;[ \t]*+[!#$%&'*+.^_`|~0-9A-Za-z-]++"
    rb"(?:[ \t]*+=[ \t]*+(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++"
    rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"))?+[ \t]*+)*+'
)

_DROPPED: Final = sort_of_fields(
    FRAMING
    | HOP_BY_HOP
    | CLIENT_CLAIMS
    | {
        OTHER_CLAIMS,
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"expect",
        b"host",
        b"max-forwards",
        b"range",
        b"set-cookie",
        b"trailer",
        b"www-authenticate",
    }
)
"""What decides how a message is framed, routed or trusted has no place behind it (9110, 6.5.1)."""


def compose_chunk(data: bytes) -> bytes:
    """Return ``data`` as one chunk; it may not be empty, for that would end the body."""
    assert data
    return b"%x\r\n%b\r\n" % (len(data), data)


def compose_last_chunk(trailers: Sequence[bytes] = ()) -> bytes:
    """Return the end of a chunked body, with trailers that were checked before."""
    if not trailers:
        return b"0\r\n\r\n"
    assert not any(b"\r" in line or b"\n" in line for line in trailers)
    return b"0\r\n%b\r\n\r\n" % CRLF.join(trailers)


class ChunkedReader:
    """
    Takes a chunked body apart as its bytes come, however they are cut.

    Extensions are checked and dropped; trailers are checked, and those that a trailer may
    not be are dropped. Between two calls it keeps one unfinished line at most.
    """

    __slots__ = (
        "_due",
        "_kept",
        "_payload",
        "_take",
        "_trailer_bytes_left",
        "is_done",
        "leftover",
        "trailers",
    )

    def __init__(self, trailer_bytes_max: int = TRAILER_BYTES_MAX) -> None:
        assert trailer_bytes_max > 0
        self.is_done = False
        """The body and its trailers have ended; nothing may be fed any more."""
        self.leftover = b""
        """What followed the end: it belongs to the next message."""
        self.trailers: list[bytes] = []
        """Checked field lines, complete when the body is done."""
        self._kept = b""
        self._due = 0  # bytes of payload in the present chunk
        self._trailer_bytes_left = trailer_bytes_max
        self._payload: list[bytes] = []
        self._take: Callable[[bytes, int], int] = self._take_size

    def feed(self, data: bytes) -> bytes:
        """Return the payload that ``data`` holds; raises WireError if it is not chunked."""
        assert not self.is_done
        if len(data) < self._due:
            # The inside of a large chunk: nothing to look at, and nothing to copy.
            assert not self._kept
            self._due -= len(data)
            return data
        buffer = self._kept + data if self._kept else data
        self._kept = b""
        position = 0
        if self._take == self._take_size:
            # Hot: chunks that are whole and plain are taken without a frame for each of their
            # parts. Whatever is not so is left to the methods below.
            while (end := buffer.find(CRLF, position, position + _SIZE_DIGITS_MAX + 2)) > position:
                size_text = buffer[position:end]
                if size_text.strip(_HEX):
                    break
                stop = end + 2 + int(size_text, 16)
                if stop == end + 2 or buffer[stop : stop + 2] != CRLF:
                    break
                self._payload.append(buffer[end + 2 : stop])
                position = stop + 2
            if position == len(buffer):
                position = -1
        while position >= 0:
            position = self._take(buffer, position)
        payload = b"".join(self._payload)
        self._payload.clear()
        return payload

    # Each of these takes one part of the body and returns where it ends; or keeps what is
    # there of it and returns -1.

    def _take_size(self, buffer: bytes, position: int) -> int:
        end = buffer.find(CRLF, position, position + SIZE_LINE_BYTES_MAX + 2)
        if end < 0:
            _check_unfinished(buffer, position, SIZE_LINE_BYTES_MAX)
            return self._keep(buffer, position)
        size_text, semicolon, _ = buffer[position:end].partition(b";")
        # int() alone would take signs, 0x, underscores and white space.
        if not 0 < len(size_text) <= _SIZE_DIGITS_MAX or size_text.strip(_HEX):
            raise WireError("the size of a chunk is not hexadecimal")
        if semicolon and _EXTENSIONS.fullmatch(buffer, position + len(size_text), end) is None:
            raise WireError("a chunk extension that is not one")
        self._due = int(size_text, 16)
        if self._due > _SIZE_MAX:
            raise WireError("a chunk larger than any body")
        self._take = self._take_payload if self._due else self._take_trailer
        return end + 2

    def _take_payload(self, buffer: bytes, position: int) -> int:
        piece = buffer[position : position + self._due]
        if not piece:
            return -1
        self._payload.append(piece)
        self._due -= len(piece)
        if not self._due:
            self._take = self._take_chunk_end
        return position + len(piece)

    def _take_chunk_end(self, buffer: bytes, position: int) -> int:
        ending = buffer[position : position + 2]
        if ending == CRLF:
            self._take = self._take_size
            return position + 2
        if not CRLF.startswith(ending):
            raise WireError("a chunk longer than its size")
        return self._keep(buffer, position)

    def _take_trailer(self, buffer: bytes, position: int) -> int:
        end = buffer.find(CRLF, position, position + self._trailer_bytes_left + 2)
        if end < 0:
            _check_unfinished(buffer, position, self._trailer_bytes_left, 431)
            return self._keep(buffer, position)
        if end == position:
            self.is_done = True
            self.leftover = buffer[end + 2 :]
            return -1
        self._trailer_bytes_left -= end - position
        assert self._trailer_bytes_left >= 0
        sort_fields(buffer[position:end], _DROPPED, 1, self.trailers)
        return end + 2

    def _keep(self, buffer: bytes, position: int) -> int:
        self._kept = buffer[position:]
        assert len(self._kept) < max(SIZE_LINE_BYTES_MAX, self._trailer_bytes_left) + 2
        return -1


def _check_unfinished(buffer: bytes, position: int, bytes_max: int, status: int = 400) -> None:
    """Refuse a line that is too long, or that has an LF by itself, before it is whole."""
    if b"\n" in buffer[position : position + bytes_max + 2]:
        raise WireError("an LF by itself in a chunked body")
    if len(buffer) - position >= bytes_max + 2:
        raise WireError("a line of a chunked body is too long", status)
