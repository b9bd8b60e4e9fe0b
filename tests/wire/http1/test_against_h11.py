"""
What h11 reads and we refuse, with the reason for each; and where both read, they read the same.

The tables are exact: a reason that is never needed any more, or a new difference, fails.
"""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.wire.errors import WireError
from sozutw.wire.http1.body import ChunkedReader
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.http1.response import parse_response_head
from sozutw.wire.message import RequestHead, ResponseHead

LF_IS_AN_END = "h11 takes LF for a line end (RFC 9112, 2.2 allows it); a backend may not"
CONTROLS = "h11 lets control characters other than NUL, CR and LF into values (RFC 9110, 5.5)"

# Our reason for refusing what h11 reads: an example, and why we are right to.
REQUESTS_REFUSED = {
    "the target is neither a path nor a URL": (
        b"GET x HTTP/1.1\r\nHost: h\r\n\r\n",
        "h11 does not look at the form of a target (RFC 9112, 3.2)",
    ),
    "a major version that is not spoken here": (
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        "h11 takes any version of one digit and one digit",
    ),
    "a byte that no target may hold": (
        b"GET /# HTTP/1.1\r\nHost: h\r\n\r\n",
        "h11 lets fragments and 8-bit bytes into targets (RFC 9112, 3.2)",
    ),
    "CONNECT": (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", "we are no forward proxy"),
    "not exactly one Host": (
        b"GET / HTTP/1.0\r\n\r\n",
        "h11 needs Host in 1.1 only, and we cannot route without one",
    ),
    "Host is not a host": (
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "h11 does not look at the value of Host (RFC 9112, 3.2)",
    ),
    "the port of Host is not one of 1 to 65535": (
        b"GET / HTTP/1.1\r\nHost: h:0\r\n\r\n",
        "h11 does not look at the value of Host (RFC 9112, 3.2)",
    ),
    "a control character, or a CR or LF by itself, among the fields": (
        b"GET / HTTP/1.1\r\nHost: h\r\nX: \x7f\r\n\r\n",
        f"{CONTROLS}; {LF_IS_AN_END}",
    ),
    "Content-Length is not one number": (
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n",
        "h11 folds equal lengths into one (RFC 9112, 6.3 allows it); we refuse what is in doubt",
    ),
    "both Content-Length and Transfer-Encoding": (
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "h11 lets chunked win (RFC 9112, 6.1 allows it); we refuse what is in doubt",
    ),
    "Transfer-Encoding in HTTP/1.0": (
        b"GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "h11 dechunks it; faulty framing (RFC 9112, 6.1)",
    ),
    "Connection is not a list of tokens": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: a b\r\n\r\n",
        "h11 looks for close only",
    ),
    "Upgrade is not a list of protocols": (
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: a b\r\n\r\n",
        "h11 does not look at the value of Upgrade (RFC 9110, 7.8)",
    ),
    "an expectation that nobody here knows": (
        b"GET / HTTP/1.1\r\nHost: h\r\nExpect: z\r\n\r\n",
        "h11 leaves it to the application (RFC 9110, 10.1.1)",
    ),
    "a field name that is not a token": (
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
        "h11 unfolds lines (RFC 9112, 5.2 asks for that, or for a 400)",
    ),
    "the request line is not three words": (
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        LF_IS_AN_END,
    ),
    "not an HTTP version": (b"GET / HTTP/1.1\nX:\r\nHost: h\r\n\r\n", LF_IS_AN_END),
    "a CR or LF by itself": (b"GET / HTTP/1.1\nHost: h\n\n", LF_IS_AN_END),
}

REQUESTS_READ = {
    "no request line received": (
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "we skip one empty line before a request, as RFC 9112, 2.2 asks",
    ),
}

LINES = [
    *(b"Host: h", b"Host: h:80", b"Host:", b"host: i", b"Host: h:0", b"Content-Length: 5"),
    *(b"Content-Length: 5, 5", b"Content-Length: +5", b"Transfer-Encoding: chunked", b"X : y"),
    *(b"Transfer-Encoding: gzip", b"Connection: close", b"Connection: a b", b"X: y", b"X: \x01"),
    *(b"X: \0", b"X: \xff", b" fold", b"X", b": y", b"Expect: 100-continue", b"Expect: z"),
    *(b"Connection: upgrade", b"Upgrade: websocket", b"X: a\rb", b"X: a\nb", b"X_y:\t z \t"),
    *(
        b"Upgrade: a b",
        b"X: \x7f",
        b"Content-Length: " + b"9" * 25,
        b"Transfer-Encoding: , chunked",
    ),
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
    *(
        b"GET * HTTP/1.1",
        b"CONNECT h:1 HTTP/1.1",
        b"get x HTTP/1.1",
        b"",
        b"GET /",
        b"POST / HTTP/1.1",
    ),
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
        lambda empty, first, fields, end: empty + end.join((first, *fields)) + end + end,
        st.sampled_from([b"", b"", b"", b"\r\n"]),
        st.sampled_from(first_lines),
        st.lists(st.sampled_from([b"Host: h", *LINES]), max_size=4),
        st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]),
    )


def read_by_h11(buffer: bytes, role: type[h11.CLIENT] | type[h11.SERVER]) -> object:
    """The event, a reason for refusing, or None for want of bytes."""
    connection = h11.Connection(role)
    if role is h11.CLIENT:
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(buffer)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return str(error)
    return None if event is h11.NEED_DATA else event


def read_request(buffer: bytes) -> RequestHead | str | None:
    try:
        return parse_request_head(buffer)
    except WireError as error:
        return error.reason


def read_response(buffer: bytes) -> ResponseHead | str | None:
    try:
        return parse_response_head(buffer, b"GET")
    except WireError as error:
        return error.reason


def read_body(body: bytes) -> tuple[str, bytes]:
    reader = ChunkedReader()
    try:
        payload = reader.feed(body)
    except WireError as error:
        return error.reason, b""
    return "done" if reader.is_done else "unfinished", payload


@pytest.mark.parametrize(("reason", "difference"), REQUESTS_REFUSED.items())
def test_a_request_that_h11_reads_and_we_refuse(reason: str, difference: tuple[bytes, str]) -> None:
    assert read_request(difference[0]) == reason
    assert isinstance(read_by_h11(difference[0], h11.SERVER), h11.Request)


@pytest.mark.parametrize(("reason", "difference"), REQUESTS_READ.items())
def test_a_request_that_we_read_and_h11_refuses(reason: str, difference: tuple[bytes, str]) -> None:
    assert read_by_h11(difference[0], h11.SERVER) == reason
    assert not isinstance(read_request(difference[0]), str)


@given(buffer=heads(REQUEST_LINES))
def test_every_difference_about_requests_has_its_reason(buffer: bytes) -> None:
    theirs = read_by_h11(buffer, h11.SERVER)
    ours = read_request(buffer)
    if isinstance(ours, str):
        assert isinstance(theirs, str) or ours in REQUESTS_REFUSED
        return
    if ours is None:
        assert theirs is None
        return
    if isinstance(theirs, str):
        assert theirs in REQUESTS_READ
        return
    assert isinstance(theirs, h11.Request)
    assert ours.method == theirs.method
    assert theirs.target in (ours.target, b"http://" + ours.authority + ours.target)
    assert ours.minor == min(int(theirs.http_version[-1:]), 1)
    fields = dict(theirs.headers)
    assert ours.fields.host == fields[b"host"]
    assert ours.fields.length == (
        int(fields[b"content-length"]) if b"content-length" in fields else None
    )
    assert ours.fields.is_chunked == (b"transfer-encoding" in fields)
    kept = [
        (name.lower(), value.strip(b" \t"))
        for name, _, value in (line.partition(b":") for line in ours.fields.lines)
    ]
    assert [field for field in theirs.headers if field in kept] == kept


RESPONSES_REFUSED = {
    "not a response of HTTP/1": (
        b"HTTP/2.0 200 OK\n\n",
        f"h11 takes any version of one digit and one digit; {LF_IS_AN_END}",
    ),
    "not a status line of HTTP/1.0 or 1.1": (
        b"HTTP/1.2 200 OK\r\n\r\n",
        "h11 takes any version and any status that is no 1xx",
    ),
    "a control character, or a CR or LF by itself, among the fields": (
        b"HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n",
        f"{CONTROLS}; {LF_IS_AN_END}",
    ),
    "a CR or LF by itself": (b"HTTP/1.1 200 OK\nX: y\n\n", LF_IS_AN_END),
    "Content-Length is not one number": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "h11 folds equal lengths into one (RFC 9112, 6.3 allows it)",
    ),
    "both Content-Length and Transfer-Encoding": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "h11 lets chunked win; it may be an attempt at splitting (RFC 9112, 6.3)",
    ),
    "Transfer-Encoding in HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "h11 dechunks it; faulty framing (RFC 9112, 6.1)",
    ),
    "Transfer-Encoding where there is no body": (
        b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        "h11 ignores it; the server MUST NOT send it (RFC 9112, 6.1)",
    ),
    "Connection is not a list of tokens": (
        b"HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n",
        "h11 looks for close only",
    ),
    "Upgrade is not a list of protocols": (
        b"HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: a b\r\n\r\n",
        "h11 does not look at the value of Upgrade",
    ),
    "a field name that is not a token": (
        b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n",
        "h11 unfolds lines (RFC 9112, 5.2 asks for that, or for a 502)",
    ),
}

RESPONSES_READ = {
    "Received server _SWITCH_UPGRADE event without a pending proposal": (
        b"HTTP/1.1 101 Switching\r\n\r\n",
        "that a switch was asked for is known to the exchange, not to the parser",
    ),
}


@pytest.mark.parametrize(("reason", "difference"), RESPONSES_REFUSED.items())
def test_a_response_that_h11_reads_and_we_refuse(
    reason: str, difference: tuple[bytes, str]
) -> None:
    assert read_response(difference[0]) == reason
    assert isinstance(
        read_by_h11(difference[0], h11.CLIENT), h11.Response | h11.InformationalResponse
    )


@pytest.mark.parametrize(("reason", "difference"), RESPONSES_READ.items())
def test_a_response_that_we_read_and_h11_refuses(
    reason: str, difference: tuple[bytes, str]
) -> None:
    assert read_by_h11(difference[0], h11.CLIENT) == reason
    assert not isinstance(read_response(difference[0]), str)


@given(buffer=heads(STATUS_LINES))
def test_every_difference_about_responses_has_its_reason(buffer: bytes) -> None:
    theirs = read_by_h11(buffer, h11.CLIENT)
    ours = read_response(buffer)
    if isinstance(ours, str):
        assert isinstance(theirs, str) or ours in RESPONSES_REFUSED
        return
    if ours is None:
        assert theirs is None
        return
    if isinstance(theirs, str):
        # A 101 that nobody asked for; h11 also refuses what we ignore on it.
        assert theirs in RESPONSES_READ or ours.status == 101
        return
    assert isinstance(theirs, h11.Response | h11.InformationalResponse)
    assert (ours.status, ours.reason) == (theirs.status_code, theirs.reason)
    fields = dict(theirs.headers)
    if ours.status >= 200 and ours.status != 204 and b"content-length" in fields:
        assert ours.fields.length == int(fields[b"content-length"])
    assert ours.fields.is_chunked == (b"transfer-encoding" in fields)


# Our reason for refusing a body that h11 reads.
BODIES_REFUSED = {
    "the size of a chunk is not hexadecimal": (
        b"5 \r\nhello\r\n0\r\n\r\n",
        "h11 allows white space behind a size, and twenty digits",
    ),
    "a chunk larger than any body": (
        b"FFFFFFFFFFFFFFFF\r\n",
        "h11 counts with numbers that do not end; a backend does not",
    ),
    "a chunk extension that is not one": (
        b"5;a b\r\nhello\r\n0\r\n\r\n",
        "h11 takes anything printable for an extension",
    ),
    "an LF by itself in a chunked body": (b"5\r\nhello\r\n0\r\nX: y\n\n", LF_IS_AN_END),
    "a control character, or a CR or LF by itself, among the fields": (
        b"5\r\nhello\r\n0\r\nX: \x01\r\n\r\n",
        f"{CONTROLS}; {LF_IS_AN_END}",
    ),
    "a field name that is not a token": (
        b"5\r\nhello\r\n0\r\nX: a\r\n folded\r\n\r\n",
        "h11 unfolds lines",
    ),
}

BODY_WORDS = [
    *(
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"\r\n",
        b"0\r\n\r\n",
        b"5;a=b\r\nhello\r\n",
        b"5;a b\r\nhello\r\n",
    ),
    *(
        b"5 \r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloXY",
    ),
    *(
        b"X: y\r\n",
        b"X: \x01\r\n",
        b" fold\r\n",
        b"X : y\r\n",
        b"\n",
        b"X: y\n",
        b";\r\n",
        b"1\r\nz\r\n",
    ),
    b"FFFFFFFFFFFFFFFF\r\n",
]


def body_by_h11(body: bytes) -> tuple[str, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    if body:  # h11 takes no bytes for the end of the connection
        connection.receive_data(body)
    payload = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return "refused", payload
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return "done", payload
        else:
            assert event is h11.NEED_DATA
            return "unfinished", payload


@pytest.mark.parametrize(("reason", "difference"), BODIES_REFUSED.items())
def test_a_body_that_h11_reads_and_we_refuse(reason: str, difference: tuple[bytes, str]) -> None:
    assert read_body(difference[0]) == (reason, b"")
    assert body_by_h11(difference[0])[0] != "refused"


@given(body=st.lists(st.sampled_from(BODY_WORDS), max_size=7).map(b"".join))
def test_every_difference_about_bodies_has_its_reason(body: bytes) -> None:
    theirs = body_by_h11(body)
    ours = read_body(body)
    if ours[0] in {"done", "unfinished"}:
        assert ours == theirs
    else:
        # h11 may still be waiting for bytes that we know to be in vain.
        assert theirs[0] != "done" or ours[0] in BODIES_REFUSED
