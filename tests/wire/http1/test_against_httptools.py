"""
What llhttp (through httptools) reads and we refuse, and the other way round, with the reasons.

The tables are exact: a reason that is never needed any more, or a new difference, fails.
"""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.wire.errors import WireError
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.http1.response import parse_response_head

# Our reason for refusing what llhttp reads: an example, and why we are right to.
REQUESTS_REFUSED = {
    "the request line is not three words": (b"GET /\r\n\r\n", "llhttp speaks HTTP/0.9"),
    "not an HTTP version": (b"GET /\nX: y\r\n\r\n", "llhttp speaks HTTP/0.9, and LF ends its line"),
    "not exactly one Host": (
        b"GET / HTTP/1.1\r\n\r\n",
        "llhttp leaves Host to others, and we cannot route without one",
    ),
    "Host is not a host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "llhttp leaves Host to others"),
    "CONNECT": (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", "we are no forward proxy"),
    "a major version that is not spoken here": (
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        "llhttp takes 2.0 as well",
    ),
    "the target is neither a path nor a URL": (
        b"GET * HTTP/1.1\r\nHost: h\r\n\r\n",
        "llhttp does not connect the target's form with the method",
    ),
    "a byte that no target may hold": (
        b"GET /# HTTP/1.1\r\nHost: h\r\n\r\n",
        "llhttp lets fragments and 8-bit bytes into targets (RFC 9112, 3.2)",
    ),
    "Connection is not a list of tokens": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: a b\r\n\r\n",
        "llhttp looks for the options that it knows only",
    ),
    "an expectation that nobody here knows": (
        b"GET / HTTP/1.1\r\nHost: h\r\nExpect: z\r\n\r\n",
        "llhttp leaves it to the application (RFC 9110, 10.1.1)",
    ),
    "Transfer-Encoding is not chunked, once": (
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
        "llhttp refuses it only where a body is to be read",
    ),
    "Transfer-Encoding in HTTP/1.0": (
        b"GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "llhttp dechunks it; faulty framing (RFC 9112, 6.1)",
    ),
}
REQUESTS_READ = {
    "Invalid HTTP version": (
        b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        "what is newer than 1.1 is served as 1.1 (RFC 9110, 2.5)",
    ),
}

RESPONSES_REFUSED = {
    "not a status line of HTTP/1.0 or 1.1": (
        b"HTTP/1.1 099 X\r\n\r\n",
        "llhttp takes any three digits, HTTP/2.0, and control characters in a reason",
    ),
    "Connection is not a list of tokens": (
        b"HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n",
        "llhttp looks for the options that it knows only",
    ),
    "Transfer-Encoding is not chunked, once": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "llhttp reads until the connection closes; we could not tell a cut body from a whole one",
    ),
    "Transfer-Encoding where there is no body": (
        b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        "the server MUST NOT send it (RFC 9112, 6.1)",
    ),
    "Transfer-Encoding in HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "llhttp dechunks it; faulty framing (RFC 9112, 6.1)",
    ),
}
RESPONSES_READ = {
    "Transfer-Encoding can't be present with Content-Length": (
        b"HTTP/1.1 101 X\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding is ignored on a 101, which has no body",
    ),
    "Content-Length can't be present with Transfer-Encoding": (
        b"HTTP/1.1 101 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        "Transfer-Encoding is ignored on a 101, which has no body",
    ),
}

LINES = [
    *(b"Host: h", b"Host: a b", b"host: i", b"Content-Length: 5", b"Content-Length: +5"),
    *(b"Content-Length: 5, 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"),
    *(
        b"Connection: close",
        b"Connection: a b",
        b"X: y",
        b"X: \x01",
        b"X: \0",
        b"X: \xff",
        b"X : y",
    ),
    *(b" fold", b"X", b": y", b"Expect: 100-continue", b"Expect: z", b"X: a\rb", b"X: a\nb"),
    *(b"X_y:\t z \t", b"X: \x7f", b"Transfer-Encoding: chunked, chunked"),
]
REQUEST_LINES = [
    *(
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.0",
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
        b"G(T / HTTP/1.1",
    ),
    *(b"GET  / HTTP/1.1", b"GET http://h/ HTTP/1.1", b"GET /# HTTP/1.1", b"GET /\xff HTTP/1.1"),
    *(b"GET * HTTP/1.1", b"CONNECT h:1 HTTP/1.1", b"get x HTTP/1.1", b"GET /", b"POST / HTTP/1.1"),
]
STATUS_LINES = [
    *(
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 204 ",
        b"HTTP/1.1 304",
        b"HTTP/1.2 200 OK",
    ),
    *(
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 600 X",
        b"HTTP/1.1 200 a\x01",
        b"HTTP/1.1",
    ),
    *(b"HTTP/1.1 103 Early", b"HTTP/1.1 101 Switching", b"ICY 200 OK", b"HTTP/1.1  200 OK"),
]


def heads(first_lines: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda first, fields, end: end.join((first, *fields)) + b"\r\n\r\n",
        st.sampled_from(first_lines),
        st.lists(st.sampled_from([b"Host: h", *LINES]), max_size=4),
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
    )


class Noted:
    def __init__(self) -> None:
        self.is_read = False

    def on_headers_complete(self) -> None:
        self.is_read = True


def refused_by_llhttp(
    buffer: bytes, parser: type[httptools.HttpRequestParser] | type[httptools.HttpResponseParser]
) -> str | None:
    """Its reason for refusing the head, or None; what follows the head does not count."""
    noted = Noted()
    try:
        parser(noted).feed_data(buffer)
    except httptools.HttpParserUpgrade:
        assert noted.is_read
    except httptools.HttpParserError as error:
        return None if noted.is_read else str(error)
    assert noted.is_read
    return None


def refused_request(buffer: bytes) -> str | None:
    try:
        assert parse_request_head(buffer) is not None
    except WireError as error:
        return error.reason
    return None


def refused_response(buffer: bytes) -> str | None:
    try:
        assert parse_response_head(buffer, b"GET") is not None
    except WireError as error:
        return error.reason
    return None


@pytest.mark.parametrize("reason", REQUESTS_REFUSED)
def test_a_request_that_llhttp_reads_and_we_refuse(reason: str) -> None:
    example, _why = REQUESTS_REFUSED[reason]
    assert refused_request(example) == reason
    assert refused_by_llhttp(example, httptools.HttpRequestParser) is None


@pytest.mark.parametrize("reason", REQUESTS_READ)
def test_a_request_that_we_read_and_llhttp_refuses(reason: str) -> None:
    example, _why = REQUESTS_READ[reason]
    assert refused_request(example) is None
    assert refused_by_llhttp(example, httptools.HttpRequestParser) == reason


@pytest.mark.parametrize("reason", RESPONSES_REFUSED)
def test_a_response_that_llhttp_reads_and_we_refuse(reason: str) -> None:
    example, _why = RESPONSES_REFUSED[reason]
    assert refused_response(example) == reason
    assert refused_by_llhttp(example, httptools.HttpResponseParser) is None


@pytest.mark.parametrize("reason", RESPONSES_READ)
def test_a_response_that_we_read_and_llhttp_refuses(reason: str) -> None:
    example, _why = RESPONSES_READ[reason]
    assert refused_response(example) is None
    assert refused_by_llhttp(example, httptools.HttpResponseParser) == reason


@given(buffer=heads(REQUEST_LINES))
def test_every_difference_about_requests_has_its_reason(buffer: bytes) -> None:
    ours = refused_request(buffer)
    theirs = refused_by_llhttp(buffer, httptools.HttpRequestParser)
    if ours is None:
        assert theirs is None or theirs in REQUESTS_READ
    else:
        assert theirs is not None or ours in REQUESTS_REFUSED


@given(buffer=heads(STATUS_LINES))
def test_every_difference_about_responses_has_its_reason(buffer: bytes) -> None:
    ours = refused_response(buffer)
    theirs = refused_by_llhttp(buffer, httptools.HttpResponseParser)
    if ours is None:
        assert theirs is None or theirs in RESPONSES_READ
    else:
        assert theirs is not None or ours in RESPONSES_REFUSED
