import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sozutw.wire.errors import WireError
from sozutw.wire.http1.grammar import HEAD_BYTES_MAX
from sozutw.wire.http1.response import FIELDS_MAX, parse_response_head
from sozutw.wire.message import UNKNOWN_LENGTH, ResponseHead


def read(buffer: bytes, method: bytes = b"GET") -> ResponseHead:
    head = parse_response_head(buffer, method)
    assert head is not None
    return head


def read_with(
    *lines: bytes, status: bytes = b"200", method: bytes = b"GET", version: bytes = b"HTTP/1.1"
) -> ResponseHead:
    return read(b"\r\n".join((version + b" " + status + b" X", *lines, b"", b"")), method)


def refuse(buffer: bytes) -> None:
    with pytest.raises(WireError):
        parse_response_head(buffer, b"GET")


def test_a_plain_response() -> None:
    buffer = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nSet-Cookie: a\r\n\r\nhello"
    head = read(buffer)
    assert (head.status, head.reason, head.minor) == (200, b"OK", 1)
    assert (head.body_length, head.keeps_alive) == (5, True)
    assert head.fields.lines == [b"Server: x", b"Set-Cookie: a"]
    assert head.fields.length == 5
    assert buffer[head.size :] == b"hello"


@pytest.mark.parametrize(
    ("line", "status", "reason", "minor"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK", 1),
        (b"HTTP/1.0 200 OK", 200, b"OK", 0),
        (b"HTTP/1.1 404 Not Found", 404, b"Not Found", 1),
        (b"HTTP/1.1 599 ", 599, b"", 1),
        (b"HTTP/1.1 100", 100, b"", 1),
        (b"HTTP/1.0 418 I'm a t\xe9apot\t(short)", 418, b"I'm a t\xe9apot\t(short)", 0),
    ],
)
def test_a_status_line(line: bytes, status: int, reason: bytes, minor: int) -> None:
    head = read(line + b"\r\n\r\n")
    assert (head.status, head.reason, head.minor) == (status, reason, minor)
    assert head.fields.lines == []
    assert head.fields.minor == minor


@pytest.mark.parametrize(
    "line",
    [
        *(b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 099 OK"),
        *(b"HTTP/1.1 000 OK", b"HTTP/1.1 +20 OK", b"HTTP/1.1 2x0 OK", b"HTTP/1.1 \xb200 OK"),
        *(b"HTTP/1.2 200 OK", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"http/1.1 200 OK"),
        *(b"HTTP/1.1  200 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 200OK"),
        *(b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.10 200 OK", b" HTTP/1.1 200 OK", b"ICY 200 OK", b""),
        *(b"HTTP/1.1 200 O\0K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 200 \x7f"),
        *(b"HTTP/1.1 200 OK\r", b"HTTP/1.1 200 \x1f", b"HTTP/1.1 -20 OK"),
    ],
)
def test_a_bad_status_line_is_refused(line: bytes) -> None:
    refuse(line + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"Content-Length: 5"),
        (b"Content-Length: -5",),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: 18446744073709551621",),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"X: a\0b",),
        (b"X: a\nb",),
        (b"X: a\rb",),
        (b"X: a", b" folded"),
        (b"X : a",),
        (b": a",),
        (b"none",),
        (b"Connection: a b",),
    ],
)
@pytest.mark.parametrize("status", [b"200", b"204", b"304", b"103"])
def test_doubtful_fields_are_refused(lines: tuple[bytes, ...], status: bytes) -> None:
    refuse(b"\r\n".join((b"HTTP/1.1 " + status + b" X", *lines, b"", b"")))


def test_a_transfer_encoding_in_http_1_0_is_refused() -> None:
    refuse(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "lines", "body_length", "keeps_alive"),
    [
        (b"HTTP/1.1", (b"Content-Length: 0",), 0, True),
        (b"HTTP/1.1", (b"Content-Length: 7", b"Connection: close"), 7, False),
        (b"HTTP/1.1", (b"Transfer-Encoding: chunked",), UNKNOWN_LENGTH, True),
        (b"HTTP/1.1", (b"Transfer-Encoding: chunked", b"Connection: close"), UNKNOWN_LENGTH, False),
        (b"HTTP/1.1", (), UNKNOWN_LENGTH, False),
        (b"HTTP/1.1", (b"Connection: keep-alive",), UNKNOWN_LENGTH, False),
        (b"HTTP/1.0", (b"Content-Length: 7",), 7, False),
        (b"HTTP/1.0", (b"Content-Length: 7", b"Connection: keep-alive"), 7, True),
        (b"HTTP/1.0", (b"Connection: keep-alive",), UNKNOWN_LENGTH, False),
    ],
)
def test_the_end_of_a_body_is_known(
    version: bytes, lines: tuple[bytes, ...], body_length: int, keeps_alive: bool
) -> None:
    head = read_with(*lines, version=version)
    assert (head.body_length, head.keeps_alive) == (body_length, keeps_alive)


@pytest.mark.parametrize(
    ("status", "method"), [(b"304", b"GET"), (b"200", b"HEAD"), (b"404", b"HEAD")]
)
def test_an_answer_without_its_body_keeps_the_length_that_the_body_would_have(
    status: bytes, method: bytes
) -> None:
    head = read_with(b"Content-Length: 9", status=status, method=method)
    assert (head.body_length, head.fields.length, head.keeps_alive) == (0, 9, True)
    head = read_with(b"Transfer-Encoding: chunked", status=status, method=method)
    assert (head.body_length, head.fields.is_chunked, head.keeps_alive) == (0, True, True)
    head = read_with(status=status, method=method)
    assert (head.body_length, head.fields.length, head.keeps_alive) == (0, None, True)


@pytest.mark.parametrize("status", [b"100", b"103", b"199", b"204"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_status_without_body_has_no_length(status: bytes, method: bytes) -> None:
    head = read_with(status=status, method=method)
    assert (head.body_length, head.keeps_alive) == (0, True)
    head = read_with(b"Content-Length: 0", status=status, method=method)
    assert (head.body_length, head.fields.length, head.keeps_alive) == (0, None, True)
    head = read_with(b"Content-Length: 4", status=status, method=method)
    assert (head.body_length, head.fields.length, head.keeps_alive) == (0, None, False)
    with pytest.raises(WireError, match="no body"):
        read_with(b"Transfer-Encoding: chunked", status=status, method=method)


def test_a_switch_of_protocols() -> None:
    head = read_with(
        b"Connection: Upgrade", b"Upgrade: websocket", b"Transfer-Encoding: odd", status=b"101"
    )
    assert (head.body_length, head.keeps_alive) == (0, False)
    assert (head.fields.upgrade, head.fields.is_chunked) == (b"websocket", False)
    assert head.fields.lines == []


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        (b"HTTP/1.1", (b"Upgrade: websocket",)),
        (b"HTTP/1.1", (b"Connection: upgrade",)),
        (b"HTTP/1.0", (b"Connection: upgrade", b"Upgrade: websocket")),
        (b"HTTP/1.1", (b"Connection: upgrade", b"Upgrade: h2c")),
    ],
)
def test_an_upgrade_that_is_none(version: bytes, lines: tuple[bytes, ...]) -> None:
    fields = read_with(*lines, version=version).fields
    assert (fields.upgrade, fields.lines) == (None, [])


def test_hop_by_hop_fields_are_removed() -> None:
    fields = read_with(
        *(b"Connection: X-Hop, set-cookie", b"Keep-Alive: timeout=5", b"Proxy-Connection: close"),
        *(b"Proxy-Authenticate: Basic", b"Proxy-Authentication-Info: x", b"TE: trailers"),
        *(b"X-Hop: 1", b"Trailer: X-T", b"Set-Cookie: a", b"Set-Cookie: b", b"X-Request-Id: 1"),
    ).fields
    assert fields.lines == [b"Trailer: X-T", b"Set-Cookie: a", b"Set-Cookie: b", b"X-Request-Id: 1"]


def _padded(size: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nX: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


def test_a_head_of_the_greatest_size_is_read() -> None:
    assert read(_padded(HEAD_BYTES_MAX) + b"body").size == HEAD_BYTES_MAX
    refuse(_padded(HEAD_BYTES_MAX + 1))
    assert parse_response_head(_padded(100), b"GET", head_bytes_max=100) is not None
    with pytest.raises(WireError, match="too large"):
        parse_response_head(_padded(101), b"GET", head_bytes_max=100)


def test_a_head_too_large_is_refused_before_its_end() -> None:
    endless = _padded(2 * HEAD_BYTES_MAX)
    assert parse_response_head(endless[:HEAD_BYTES_MAX], b"GET") is None
    refuse(endless[: HEAD_BYTES_MAX + 1])


def test_fields_are_bounded_in_number() -> None:
    read_with(*[b"X: 1"] * FIELDS_MAX)
    with pytest.raises(WireError, match="too many"):
        read_with(*[b"X: 1"] * (FIELDS_MAX + 1))


@pytest.mark.parametrize("buffer", [b"", b"H", b"HTTP/1.", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX"])
def test_a_head_is_waited_for(buffer: bytes) -> None:
    assert parse_response_head(buffer, b"GET") is None


@pytest.mark.parametrize(
    "buffer",
    [
        b"\r\n",
        b"<html>",
        b"HTTP/2",
        b"HTTP/1.1 2000 OK\r\n",
        b"HTTP/1.1 200 OK\n",
        b"HTTP/1.1 200 \rX",
    ],
)
def test_what_cannot_become_a_head_is_refused_at_once(buffer: bytes) -> None:
    refuse(buffer)


def outcome(buffer: bytes) -> object:
    try:
        head = parse_response_head(buffer, b"GET", head_bytes_max=300)
    except WireError:
        return "refused"
    if head is None:
        return None
    said = (head.status, head.reason, head.minor, head.body_length, head.keeps_alive, head.size)
    return (*said, vars(head.fields))


WORDS = [
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 204 \r\n", b"HTTP/1.1 101\r\n", b"HTTP/1.", b"1 ", b"0 "),
    *(b"200", b"304", b" ", b"OK", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b":", b"\xff", b"\t"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close, x\r\n"),
    *(b"X: y\r\n", b"Upgrade: websocket\r\n", b"Connection: upgrade\r\n", b"x" * 150),
]
BUFFERS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=10).map(b"".join),
    st.lists(st.sampled_from(WORDS), max_size=8).map(
        lambda words: b"HTTP/1.1 200 OK\r\n" + b"".join(words) + b"\r\n\r\n"
    ),
    st.binary(max_size=60),
)


@given(buffer=BUFFERS, cut=st.integers(0, 400))
@example(buffer=b"HTTP/1.1 200 OK\r\nX: y\r\r\n\r\n", cut=24)
def test_a_head_is_the_same_wherever_it_is_cut(buffer: bytes, cut: int) -> None:
    assert outcome(buffer[:cut]) in (None, outcome(buffer))


@given(buffer=BUFFERS)
def test_a_head_that_is_read_leaves_nothing_in_doubt(buffer: bytes) -> None:
    if outcome(buffer) in (None, "refused"):
        return
    head = read(buffer)
    assert 100 <= head.status <= 599
    assert not (head.fields.is_chunked and head.fields.length is not None)
    assert not (head.keeps_alive and head.body_length < 0 and not head.fields.is_chunked)
    names = {line.partition(b":")[0].lower() for line in head.fields.lines}
    assert not names & {b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"te"}
    for text in (head.reason, *head.fields.lines):
        assert not set(text) & {0, 10, 13}
