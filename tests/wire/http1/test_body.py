from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sozutw.wire.errors import WireError
from sozutw.wire.http1.body import (
    SIZE_LINE_BYTES_MAX,
    ChunkedReader,
    compose_chunk,
    compose_last_chunk,
)

END = b"0\r\n\r\n"


def read(body: bytes) -> tuple[bytes, ChunkedReader]:
    reader = ChunkedReader()
    return reader.feed(body), reader


def refused(body: bytes) -> int:
    with pytest.raises(WireError) as caught:
        ChunkedReader().feed(body)
    return caught.value.status


def test_chunks_are_joined() -> None:
    payload, reader = read(b"5\r\nhello\r\n1\r\n \r\n00005\r\nworld\r\n0\r\n\r\nGET /")
    assert payload == b"hello world"
    assert (reader.is_done, reader.leftover, reader.trailers) == (True, b"GET /", [])


def test_the_payload_of_a_large_chunk_is_passed_on_as_it_comes() -> None:
    reader = ChunkedReader()
    assert reader.feed(b"186A0\r\n") == b""
    part = b"x" * 40_000
    assert reader.feed(part) is part
    assert reader.feed(part) is part
    assert reader.feed(b"") == b""
    assert reader.feed(b"y" * 20_000 + b"\r\n" + END) == b"y" * 20_000
    assert (reader.is_done, reader.leftover) == (True, b"")


def test_a_body_that_is_not_over_is_not_done() -> None:
    payload, reader = read(b"5\r\nhello\r\n0\r\n")
    assert (payload, reader.is_done) == (b"hello", False)
    assert reader.feed(b"\r\n") == b""
    assert reader.is_done


def test_nothing_is_fed_after_the_end() -> None:
    _, reader = read(END)
    with pytest.raises(AssertionError):
        reader.feed(b"x")


@pytest.mark.parametrize(
    "size",
    [
        *(b"0x5", b"+5", b"-5", b"1_0", b" 5", b"5 ", b"5\t", b"5\x0b", b"", b"G", b"\xef\xbc\x95"),
        *(b"5\0", b"10000000000000005", b"FFFFFFFFFFFFFFFF", b"8000000000000000", b"0" * 300_000),
        *(b"0" * 16 + b"5", b"5.0", b"5,", b"five", b"\xb2"),
    ],
)
def test_a_size_is_up_to_sixteen_hexadecimal_digits(size: bytes) -> None:
    assert refused(size + b"\r\nhello\r\n" + END) == 400


def test_the_greatest_size_is_that_of_a_signed_number() -> None:
    payload, reader = read(b"7fffffffffffffff\r\nx")
    assert (payload, reader.is_done) == (b"x", False)
    payload, reader = read(b"000000000000000A\r\n0123456789\r\n" + END)
    assert (payload, reader.is_done) == (b"0123456789", True)


@pytest.mark.parametrize(
    "body",
    [
        *(b"5\r\nhelloX", b"5\r\nhelloXY0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\rhello"),
        *(b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r0\r\n\r\n", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
        *(
            b"0\r\nXX\r\n\r\n",
            b"0\n\n",
            b"0\r\n\n",
            b"0\r\r\n\r\n",
            b"5\r\nhello\r\r\n",
            b"\r\n" + END,
        ),
        b"5\r\nhello0\r\n\r\n",
    ],
)
def test_lines_and_chunks_end_in_crlf_alone(body: bytes) -> None:
    if body == b"5\rhello":
        body += b"\r\n"
    assert refused(body) == 400


@pytest.mark.parametrize(
    "extension",
    [
        *(
            b";a",
            b";a=b",
            b'; a = "b c"',
            b';a="\\"\\\\;";b',
            b";a;b=c ;d",
            b'; a="\xff"',
            b";a=b\t",
        ),
    ],
)
def test_extensions_are_dropped(extension: bytes) -> None:
    payload, reader = read(b"5" + extension + b"\r\nhello\r\n0" + extension + b"\r\n\r\n")
    assert (payload, reader.is_done) == (b"hello", True)


@pytest.mark.parametrize(
    "extension",
    [
        *(b";", b";;", b";a=", b';a="b', b';a="b\\"', b";a\nb", b";a\rb", b";\n", b";a b", b";\0"),
        *(b";a=\x7f", b';"a"=b', b";" + b"a" * 65_536, b";a=b=c", b" ;a"),
    ],
)
def test_extensions_that_are_none_are_refused(extension: bytes) -> None:
    assert refused(b"5" + extension + b"\r\nhello\r\n" + END) == 400


def test_a_size_line_is_bounded() -> None:
    longest = b"1;" + b"a" * (SIZE_LINE_BYTES_MAX - 2)
    assert read(longest + b"\r\nx")[0] == b"x"
    assert refused(longest + b"a\r\nx") == 400
    assert refused(longest + b"aa") == 400


def test_trailers_are_kept_if_they_may_be_trailers() -> None:
    _, reader = read(b"0\r\nX-Checksum: 1\r\nServer-Timing: a;dur=1\r\nEmpty:\r\n\r\nrest")
    assert reader.trailers == [b"X-Checksum: 1", b"Server-Timing: a;dur=1", b"Empty:"]
    assert reader.leftover == b"rest"


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"Content-Length",
            b"Transfer-Encoding",
            b"Host",
            b"hOST",
            b"X-Forwarded-For",
            b"Forwarded",
        ),
        *(b"X-Real-IP", b"X-Request-Id", b"Cookie", b"Set-Cookie", b"Authorization", b"Connection"),
        *(
            b"Keep-Alive",
            b"TE",
            b"Trailer",
            b"Upgrade",
            b"Proxy-Authorization",
            b"Expect",
            b"Range",
        ),
        *(b"Content-Type", b"Content-Encoding", b"Cache-Control", b"Proxy-Connection"),
    ],
)
def test_trailers_that_no_trailer_may_be_are_dropped(name: bytes) -> None:
    _, reader = read(b"0\r\n" + name + b": 50\r\nX: y\r\n\r\n")
    assert reader.trailers == [b"X: y"]


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"GET /smug HTTP/1.1",
            b"X-T : v",
            b" X: v",
            b"X: a\nb",
            b"X: a\rb",
            b"X: \0",
            b": v",
            b"X",
        ),
        *(b"X: a\n\r\nY: b", b"\x0bX: a"),
    ],
)
def test_a_trailer_is_as_strict_as_a_field(line: bytes) -> None:
    assert refused(b"0\r\n" + line + b"\r\n\r\n") == 400


def test_trailers_are_bounded_together() -> None:
    assert refused(b"0\r\n" + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n") == 431
    assert refused(b"0\r\n" + b"X: yyyyyyy\r\n" * 1_000 + b"\r\n") == 431
    reader = ChunkedReader(trailer_bytes_max=10)
    reader.feed(b"0\r\nX: yy\r\nYY:zz\r\n\r\n")
    assert reader.trailers == [b"X: yy", b"YY:zz"]
    with pytest.raises(WireError):
        ChunkedReader(trailer_bytes_max=10).feed(b"0\r\nX: yy\r\nYY:zzz\r\n\r\n")


def test_a_chunk_is_composed() -> None:
    assert compose_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    with pytest.raises(AssertionError):
        compose_chunk(b"")


def test_a_last_chunk_is_composed() -> None:
    assert compose_last_chunk() == compose_last_chunk([]) == b"0\r\n\r\n"
    assert compose_last_chunk([b"X: y", b"Z: w"]) == b"0\r\nX: y\r\nZ: w\r\n\r\n"
    with pytest.raises(AssertionError):
        compose_last_chunk([b"X: y\nZ: w"])


# Any bytes at all, cut anywhere.


def outcome(pieces: list[bytes]) -> tuple[bytes, object]:
    """The payload that was read, and how it ended: a status, or the reader's end or lack of one."""
    reader = ChunkedReader(trailer_bytes_max=40)
    payload = b""
    for index, piece in enumerate(pieces):
        try:
            payload += reader.feed(piece)
        except WireError as error:
            return payload, error.status
        assert len(reader._kept) <= SIZE_LINE_BYTES_MAX + 1
        if reader.is_done:
            leftover = reader.leftover + b"".join(pieces[index + 1 :])
            return payload, (leftover, tuple(reader.trailers))
    return payload, None


def pieces_of(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


WORDS = [
    *(
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"a",
        b"1",
        b"5",
        b";a=b",
        b";",
        b'"',
        b"-",
    ),
    *(b"X: y\r\n", b"Host: h\r\n", b"\0", b"x" * 10, b"\r\n0\r\n\r\n", b"1;a\r\nz\r\n", b":", b"G"),
    b"y" * 260,
]
BODIES = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=10).map(b"".join), st.binary(max_size=40)
)


@given(body=BODIES, cuts=st.lists(st.integers(0, 60), max_size=8))
@example(body=b"0\r\nX: y\r\n\r\nrest", cuts=list(range(20)))
@example(body=b"1;" + b"a" * 300, cuts=[257, 258, 259])
@example(body=b"0\r\n" + b"X: " + b"a" * 300, cuts=[43, 44, 45, 46])
def test_a_body_is_the_same_wherever_it_is_cut(body: bytes, cuts: list[int]) -> None:
    payload, end = outcome(pieces_of(body, cuts))
    payload_at_once, end_at_once = outcome([body])
    assert end == end_at_once
    if not isinstance(end, int):
        assert payload == payload_at_once


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=50), max_size=6),
    trailers=st.lists(st.sampled_from([b"X: y", b"A:"]), max_size=3),
    cuts=st.lists(st.integers(0, 300), max_size=8),
)
def test_what_is_composed_is_read_again(
    payloads: list[bytes], trailers: list[bytes], cuts: list[int]
) -> None:
    body = b"".join(map(compose_chunk, payloads)) + compose_last_chunk(trailers) + b"next"
    assert outcome(pieces_of(body, cuts)) == (b"".join(payloads), (b"next", tuple(trailers)))


@pytest.mark.parametrize(
    "line", [b"X-Forwarded-Client-Cert: 1", b"x_forwarded_for: 1", b"X-Forwarded-Ssl: on"]
)
def test_a_client_cannot_claim_in_a_trailer_what_it_may_not_in_a_field(line: bytes) -> None:
    _, reader = read(b"0\r\n" + line + b"\r\nChecksum: 1\r\n\r\n")
    assert reader.trailers == [b"Checksum: 1"]
