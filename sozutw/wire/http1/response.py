"""The head of a response: read as strictly as a request's, for a backend may be hostile too."""

import re
from typing import Final

from sozutw.wire.errors import WireError
from sozutw.wire.http1.fields import (
    FRAMING,
    HOP_BY_HOP,
    Found,
    check_chunked,
    read_connection,
    read_length,
    sort_fields,
    sort_of_fields,
)
from sozutw.wire.http1.grammar import CRLF, HEAD_BYTES_MAX, check_ends
from sozutw.wire.message import UNKNOWN_LENGTH, ResponseFields, ResponseHead

FIELDS_MAX: Final = 256
HEAD_TOO_LARGE: Final = 507
"""What a client may be told of a head that does not fit; of all else it is told 502."""

_DECIDING: Final = sort_of_fields(FRAMING | HOP_BY_HOP)
_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?+")
_USUAL_LINES: Final = {
    b"HTTP/1.1 %d %b" % (status, reason): (status, reason, 1)
    for status, reason in (
        (200, b"OK"),
        (204, b"No Content"),
        (301, b"Moved Permanently"),
        (302, b"Found"),
        (304, b"Not Modified"),
        (404, b"Not Found"),
    )
}

_SWITCHING: Final = 101
_NO_CONTENT: Final = 204
_BODILESS: Final = frozenset({_NO_CONTENT, 304})


def parse_response_head(
    buffer: bytes, method: bytes, head_bytes_max: int = HEAD_BYTES_MAX
) -> ResponseHead | None:
    """
    Return the head of the answer to ``method`` that ``buffer`` starts with, or None until whole.

    Raises WireError as soon as it is certain that no more bytes can make it a head. Its
    status means nothing here: a client is told 502 whatever it is.
    """
    end = buffer.find(b"\r\n\r\n")
    if end < 0 or end + 4 > head_bytes_max:
        _check_unfinished(buffer, head_bytes_max)
        return None
    line_end = buffer.find(CRLF)
    line = buffer[:line_end]
    status, reason, minor = _USUAL_LINES.get(line) or _read_status_line(line)

    fields = ResponseFields()
    fields.lines = []
    if minor == 0:
        fields.minor = 0
        fields.keeps_alive = False
    block = fields.block = buffer[line_end + 2 : end]
    found = sort_fields(block, _DECIDING, FIELDS_MAX, fields.lines) if block else {}
    if found:
        _decide(fields, found, status)

    # Hot: storing by hand saves the frame of __init__, 0.3 µs a response.
    head = ResponseHead.__new__(ResponseHead)
    head.status = status
    head.reason = reason
    head.minor = minor
    head.fields = fields
    head.size = end + 4
    head.start = b""
    head.keeps_alive = fields.keeps_alive
    if status < 200 or status in _BODILESS or method == b"HEAD":  # noqa: PLR2004  # the 1xx
        _settle_bodiless(head)
    elif fields.length is not None:
        head.body_length = fields.length
    else:
        head.body_length = UNKNOWN_LENGTH
        head.keeps_alive &= fields.is_chunked
    return head


def _read_status_line(line: bytes) -> tuple[int, bytes, int]:
    """Return status, reason and minor version; the space before an empty reason may lack."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise WireError("not a status line of HTTP/1.0 or 1.1")
    return int(match[2]), match[3] or b"", int(match[1])


def _decide(fields: ResponseFields, found: Found, status: int) -> None:
    """Store the fields that decide about the body and the connection."""
    if b"connection" in found:
        read_connection(fields, found)
    if b"content-length" in found:
        fields.length = read_length(found[b"content-length"])
    if b"transfer-encoding" in found and status != _SWITCHING:
        check_chunked(found[b"transfer-encoding"], fields)
        fields.is_chunked = True


def _settle_bodiless(head: ResponseHead) -> None:
    """A 1xx, 204, 304 or answer to HEAD ends with its head, whatever its fields say."""
    head.body_length = 0
    if head.status >= 200 and head.status != _NO_CONTENT:  # noqa: PLR2004  # the 1xx
        return
    fields = head.fields
    if fields.is_chunked:
        raise WireError("Transfer-Encoding where there is no body")
    # A length that must not be there may announce bytes that belong to nobody.
    head.keeps_alive &= not fields.length and head.status != _SWITCHING
    fields.length = None


def _check_unfinished(buffer: bytes, head_bytes_max: int) -> None:
    """Refuse what is no response, or too large, if nothing that may follow can mend it."""
    if not _START.startswith(buffer[: len(_START)]):
        raise WireError("not a response of HTTP/1")
    line_end = buffer.find(CRLF)
    if line_end >= 0:
        _read_status_line(buffer[:line_end])
    check_ends(buffer)
    if len(buffer) > head_bytes_max:
        raise WireError("the head is too large", HEAD_TOO_LARGE)
