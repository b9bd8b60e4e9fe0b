from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sozutw.wire.errors import WireError
from sozutw.wire.http1 import request
from sozutw.wire.http1.grammar import HEAD_BYTES_MAX, LINE_BYTES_MAX, METHOD_BYTES_MAX
from sozutw.wire.http1.request import FIELDS_MAX, parse_request_head
from sozutw.wire.message import UNKNOWN_LENGTH, RequestHead


def read(buffer: bytes) -> RequestHead:
    head = parse_request_head(buffer)
    assert head is not None
    return head


def read_with(*lines: bytes, version: bytes = b"HTTP/1.1") -> RequestHead:
    return read(b"\r\n".join((b"POST /p " + version, b"Host: h", *lines, b"", b"")))


def refused(buffer: bytes) -> int:
    with pytest.raises(WireError) as caught:
        parse_request_head(buffer)
    return caught.value.status


def refused_with(*lines: bytes, version: bytes = b"HTTP/1.1") -> int:
    return refused(b"\r\n".join((b"POST /p " + version, b"Host: h", *lines, b"", b"")))


# What a whole head says.


def test_a_plain_request() -> None:
    buffer = (
        b"GET /a?b=c HTTP/1.1\r\nHost: Example.com:8080\r\nUser-Agent: curl\r\nA: b\r\n\r\nrest"
    )
    head = read(buffer)
    assert (head.method, head.target, head.minor) == (b"GET", b"/a?b=c", 1)
    assert (head.authority, head.host) == (b"Example.com:8080", b"example.com")
    assert (head.keeps_alive, head.body_length) == (True, 0)
    assert buffer[head.size :] == b"rest"
    fields = head.fields
    assert fields.lines == [b"User-Agent: curl", b"A: b"]
    assert (fields.host, fields.host_name) == (b"Example.com:8080", b"example.com")
    assert fields.user_agent == b"curl"
    assert fields.block == b"Host: Example.com:8080\r\nUser-Agent: curl\r\nA: b"
    assert (fields.length, fields.is_chunked, fields.connection) == (None, False, frozenset())


def test_fields_of_the_proxy_are_taken_out_of_the_lines() -> None:
    fields = read_with(
        *(b"Cookie: a=1", b"X-Forwarded-For: 1.1.1.1", b"cookie: b=2", b"X-FORWARDED-FOR:2.2.2.2 "),
        *(b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 443", b"X-Forwarded-Host: e"),
        *(b"Forwarded: for=1.1.1.1", b"X-Real-IP: 3.3.3.3", b"X-Real-Ip: 4.4.4.4"),
        *(b"X-Request-Id: one", b"X-Request-ID: two", b"Accept: */*"),
    ).fields
    assert fields.lines == [b"Accept: */*"]
    assert fields.cookies == (b"a=1", b"b=2")
    assert fields.x_forwarded_for == (b"1.1.1.1", b"2.2.2.2")
    assert fields.x_forwarded_proto == (b"https",)
    assert fields.x_forwarded_port == (b"443",)
    assert fields.x_forwarded_host == (b"e",)
    assert fields.forwarded == (b"for=1.1.1.1",)
    assert fields.x_real_ip == (b"3.3.3.3", b"4.4.4.4")
    assert fields.x_request_id == b"one"


def test_an_empty_request_id_is_none() -> None:
    assert read_with(b"X-Request-Id: ").fields.x_request_id is None


def test_the_first_user_agent_counts() -> None:
    fields = read_with(b"User-Agent: a ", b"User-Agent: b").fields
    assert fields.user_agent == b"a"
    assert fields.lines == [b"User-Agent: a ", b"User-Agent: b"]


def test_hop_by_hop_fields_are_removed() -> None:
    fields = read_with(
        *(b"Connection: x-hop", b"Keep-Alive: timeout=5", b"Proxy-Connection: close", b"TE: gzip"),
        *(b"Proxy-Authorization: Basic x", b"Proxy-Authenticate: y", b"Upgrade: websocket"),
        *(b"HTTP2-Settings: AAMAAABkAAQAAP__", b"X-Hop: 1", b"Trailer: X-T", b"Content-Length: 0"),
    ).fields
    assert fields.lines == [b"Trailer: X-T"]
    assert fields.upgrade is None


def test_naming_a_field_that_matters_in_connection_is_harmless() -> None:
    head = read_with(
        b"Connection: host, content-length, cookie, authorization, x-forwarded-for",
        *(b"Content-Length: 3", b"Cookie: a", b"Authorization: b", b"X-Forwarded-For: c"),
    )
    assert (head.authority, head.body_length) == (b"h", 3)
    assert (head.fields.cookies, head.fields.x_forwarded_for) == ((b"a",), (b"c",))
    assert head.fields.lines == [b"Authorization: b"]
    assert head.fields.connection == frozenset()


def test_an_underscore_makes_another_field_that_is_not_passed_on_if_it_imitates_one() -> None:
    head = read_with(b"Transfer_Encoding: chunked", b"Content_Length: 4", b"My_Own: 1")
    assert head.body_length == 0
    assert head.fields.lines == [b"My_Own: 1"]


# Framing (hardening 3.1).


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"POST"])
def test_a_body_stays_a_body_whatever_the_method(method: bytes) -> None:
    head = read(method + b" / HTTP/1.1\r\nHost: h\r\nContent-Length: 33\r\n\r\nGET /smug")
    assert head.body_length == 33


def test_a_chunked_body_has_no_known_length() -> None:
    head = read_with(b"Transfer-Encoding: Chunked ")
    assert head.body_length == UNKNOWN_LENGTH
    assert head.fields.is_chunked
    assert head.fields.lines == []


@pytest.mark.parametrize(
    "lines",
    [
        (b"Content-Length: 44", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Content-Length: 44"),
        (b"Transfer-Encoding: xchunked",),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        (b"Transfer-Encoding : chunked",),
        (b"Transfer-Encoding\t: chunked",),
        (b"\x01Transfer-Encoding: chunked",),
        (b"Transfer-Encoding:", b" chunked"),
        (b"X: y\rTransfer-Encoding: chunked",),
        (b"X: y\nTransfer-Encoding: chunked",),
        (b"Content-Length: +5",),
        (b"Content-Length: 18446744073709551621",),
        (b"Content-Length: " + b"1" * 5000,),
        (b"Content-Length: 5", b"Content-Length: 5"),
        (b"Content-Length: 5", b"content-length: 6"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length:",),
    ],
)
def test_doubtful_framing_is_refused(lines: tuple[bytes, ...]) -> None:
    assert refused_with(*lines) == 400


def test_a_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert refused_with(b"Transfer-Encoding: chunked", version=b"HTTP/1.0") == 400


# The request line (hardening 3.2).


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET  /x  HTTP/1.1", 400),
        (b"GET  HTTP/1.1", 400),
        (b"GET\t/x\tHTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"/ HTTP/1.1", 400),
        (b"GET /", 400),
        (b"GET", 400),
        (b" / HTTP/1.1", 400),
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.10", 400),
        (b"GET / HTTP/01.1", 400),
        (b"GET / HTTP/257.1", 400),
        (b"GET / HTTP/1,1", 400),
        (b"GET / HTTP/a.1", 400),
        (b"GET / HTTP/1.\xb2", 400),
        (b"GET / HTTP/1.", 400),
        (b"GET / http/1.1", 400),
        (b"GET / HTTP/1.1x", 400),
        (b"GET / HTTP/1.1\r", 400),
        (b"GET / HTTP/2.0\r", 400),
        (b"GET / XTTP/1.1", 400),
        (b"GET / ", 400),
        (b"G\0T / HTTP/1.1", 400),
        (b"G(T) / HTTP/1.1", 400),
        (b"GET: / HTTP/1.1", 400),
        (b"G\xc9T / HTTP/1.1", 400),
        (b"M" * (METHOD_BYTES_MAX + 1) + b" / HTTP/1.1", 400),
        (b"M" * 20_000 + b" / HTTP/1.1", 400),
        (b"CONNECT H:443 HTTP/1.1", 405),
        (b"connect H:443 HTTP/1.1", 405),
        (b"CONNECT H:443 HTTP/1.1\r", 400),
        (b"CONNECT / HTTP/2.0", 405),
        (b"GET /\0 HTTP/1.1", 400),
        (b"GET /\x01 HTTP/1.1", 400),
        (b"GET /\x7f HTTP/1.1", 400),
        (b"GET /\r HTTP/1.1", 400),
        (b"GET /\n HTTP/1.1", 400),
        (b"GET /\t HTTP/1.1", 400),
        (b"GET /#frag HTTP/1.1", 400),
        (b"GET /\xc3\xa9 HTTP/1.1", 400),
        (b"GET x HTTP/1.1", 400),
        (b"GET * HTTP/1.1", 400),
        (b"OPTIONS ** HTTP/1.1", 400),
        (b"GET h:80 HTTP/1.1", 400),
        (b"GET ftp://h/ HTTP/1.1", 400),
        (b"GET http:/h/ HTTP/1.1", 400),
        (b"GET http:// HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"GET http://u@h/ HTTP/1.1", 400),
        (b"GET http://u:p@h/ HTTP/1.1", 400),
        (b"GET http://h\\evil/ HTTP/1.1", 400),
        (b"GET http://h:0/ HTTP/1.1", 400),
        (b"GET /" + b"a" * LINE_BYTES_MAX + b" HTTP/1.1", 414),
        (b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1", 414),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"", 400),
    ],
)
def test_a_bad_request_line_is_refused(line: bytes, status: int) -> None:
    assert refused(line + b"\r\nHost: h\r\n\r\n") == status


@pytest.mark.parametrize(
    ("line", "minor"),
    [
        (b"GET / HTTP/1.0", 0),
        (b"GET / HTTP/1.1", 1),
        (b"GET / HTTP/1.2", 1),
        (b"GET / HTTP/1.9", 1),
    ],
)
def test_what_is_newer_is_served_as_1_1(line: bytes, minor: int) -> None:
    assert read(line + b"\r\nHost: h\r\n\r\n").minor == minor


@pytest.mark.parametrize("method", [b"get", b"M-SEARCH", b"PROPFIND", b"M" * METHOD_BYTES_MAX])
def test_a_method_is_any_token_and_keeps_its_case(method: bytes) -> None:
    assert read(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n").method == method


@pytest.mark.parametrize(
    "target",
    [b"/%00", b"/%zz", b"//private", b"/a/../b", b"/%2e%2e/", b"/;x", b'/"<>\\^`{|}', b"/?a?b/://"],
)
def test_a_path_is_kept_as_it_is(target: bytes) -> None:
    assert read(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n").target == target


def test_a_line_of_the_greatest_length_is_read() -> None:
    target = b"/" + b"a" * (LINE_BYTES_MAX - len(b"GET / HTTP/1.1"))
    assert read(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n").target == target
    assert refused(b"GET " + target + b"a HTTP/1.1\r\nHost: h\r\n\r\n") == 414


@pytest.mark.parametrize(
    ("method", "url", "target", "authority", "host"),
    [
        (b"GET", b"http://A.com/x?y", b"/x?y", b"A.com", b"a.com"),
        (b"GET", b"HTTPS://a:8443/x", b"/x", b"a:8443", b"a"),
        (b"GET", b"http://a", b"/", b"a", b"a"),
        (b"GET", b"http://a?q=/", b"/?q=/", b"a", b"a"),
        (b"GET", b"http://a/?q", b"/?q", b"a", b"a"),
        (b"OPTIONS", b"http://a", b"*", b"a", b"a"),
        (b"OPTIONS", b"http://a/", b"/", b"a", b"a"),
        (b"OPTIONS", b"http://a?q", b"/?q", b"a", b"a"),
        (b"GET", b"http://[::1]:80/", b"/", b"[::1]:80", b"[::1]"),
    ],
)
def test_the_authority_of_an_absolute_target_wins(
    method: bytes, url: bytes, target: bytes, authority: bytes, host: bytes
) -> None:
    head = read(method + b" " + url + b" HTTP/1.1\r\nHost: evil\r\n\r\n")
    assert (head.target, head.authority, head.host) == (target, authority, host)
    assert head.fields.host == b"evil"


def test_options_may_ask_for_the_whole_server() -> None:
    assert read(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").target == b"*"


@given(
    line=st.builds(
        b" ".join,
        st.tuples(
            st.sampled_from([b"GET", b"PATCH", b"OPTIONS", b"CONNECT", b"get", b"GE T", b""]),
            st.one_of(
                st.sampled_from([b"/", b"*", b"http://h/", b"/a?b"]),
                st.binary(max_size=3).map(lambda tail: b"/" + tail),
            ),
            st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.1\n"]),
        ),
    )
)
def test_the_quick_look_at_a_line_sees_what_the_long_one_sees(line: bytes) -> None:
    if (usual := request._read_usual_line(line)) is not None:
        assert (*usual.groups(), 1, None) == request._read_line(line)


# Host.


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize(
    "fields",
    [b"", b"Accept: a\r\n", b"Host: h\r\nHost: h\r\n", b"Host: h\r\nhost: i\r\n", b"Host:\r\n"],
)
def test_there_is_exactly_one_host(version: bytes, fields: bytes) -> None:
    assert refused(b"GET / " + version + b"\r\n" + fields + b"\r\n") == 400


def test_a_request_without_host_is_refused_even_if_its_target_has_one() -> None:
    assert refused(b"GET http://h/ HTTP/1.1\r\n\r\n") == 400


# Connection, Upgrade and Expect (hardening 3.3).


@pytest.mark.parametrize(
    ("version", "lines", "keeps_alive"),
    [
        (b"HTTP/1.1", (), True),
        (b"HTTP/1.1", (b"Connection: keep-alive",), True),
        (b"HTTP/1.1", (b"Connection: close",), False),
        (b"HTTP/1.1", (b"Connection: foo, CLOSE",), False),
        (b"HTTP/1.1", (b"Connection: keep-alive", b"Connection: close"), False),
        (b"HTTP/1.0", (), False),
        (b"HTTP/1.0", (b"Connection: Keep-Alive",), True),
        (b"HTTP/1.0", (b"Connection: keep-alive, close",), False),
    ],
)
def test_who_keeps_the_connection(
    version: bytes, lines: tuple[bytes, ...], keeps_alive: bool
) -> None:
    assert read_with(*lines, version=version).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    ("version", "lines", "upgrade"),
    [
        (b"HTTP/1.1", (b"Connection: Upgrade", b"Upgrade: websocket"), b"websocket"),
        (b"HTTP/1.1", (b"Connection: keep-alive, upgrade", b"Upgrade: a"), b"a"),
        (b"HTTP/1.1", (b"Upgrade: websocket",), None),
        (b"HTTP/1.1", (b"Connection: upgrade",), None),
        (b"HTTP/1.0", (b"Connection: Upgrade", b"Upgrade: websocket"), None),
        (b"HTTP/1.1", (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"), None),
    ],
)
def test_an_upgrade_is_asked_for_in_1_1_and_by_connection(
    version: bytes, lines: tuple[bytes, ...], upgrade: bytes | None
) -> None:
    fields = read_with(*lines, version=version).fields
    assert fields.upgrade == upgrade
    assert fields.lines == []


def test_an_expectation_of_100_continue_is_passed_on() -> None:
    fields = read_with(b"Expect: 100-Continue", b"Content-Length: 1").fields
    assert fields.expects_continue
    assert fields.lines == [b"Expect: 100-Continue"]


def test_an_expectation_in_http_1_0_is_dropped() -> None:
    fields = read_with(b"A: b", b"expect: 100-continue", b"C: d", version=b"HTTP/1.0").fields
    assert not fields.expects_continue
    assert fields.lines == [b"A: b", b"C: d"]


@pytest.mark.parametrize(
    "lines",
    [
        (b"Expect: y 100-continue",),
        (b"Expect: 100-continue, y",),
        (b"Expect:",),
        (b"Expect: 100-continue", b"Expect: 100-continue"),
    ],
)
def test_any_other_expectation_is_refused(lines: tuple[bytes, ...]) -> None:
    assert refused_with(*lines) == 417


# Limits.


def _padded(size: int) -> bytes:
    head = b"GET / HTTP/1.1\r\nHost: h\r\nX: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


def test_a_head_of_the_greatest_size_is_read() -> None:
    assert read(_padded(HEAD_BYTES_MAX) + b"body").size == HEAD_BYTES_MAX
    assert refused(_padded(HEAD_BYTES_MAX + 1)) == 431
    assert refused(_padded(2_000_000)) == 431


def test_a_head_too_large_is_refused_before_its_end() -> None:
    assert parse_request_head(_padded(2 * HEAD_BYTES_MAX)[:HEAD_BYTES_MAX]) is None
    assert refused(_padded(2 * HEAD_BYTES_MAX)[: HEAD_BYTES_MAX + 1]) == 431


def test_the_limit_is_given_by_the_caller() -> None:
    assert parse_request_head(_padded(100), head_bytes_max=100) is not None
    with pytest.raises(WireError) as caught:
        parse_request_head(_padded(101), head_bytes_max=100)
    assert caught.value.status == 431


def test_fields_are_bounded_in_number() -> None:
    read_with(*[b"X: 1"] * (FIELDS_MAX - 1))
    assert refused_with(*[b"X: 1"] * FIELDS_MAX) == 431


# Heads that are not whole.


@pytest.mark.parametrize(
    "buffer",
    [
        b"",
        b"\r",
        b"\r\n",
        b"G",
        b"GET",
        b"GET /",
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r",
        b"GET / H\r",
    ],
)
def test_a_head_is_waited_for(buffer: bytes) -> None:
    assert parse_request_head(buffer) is None


@pytest.mark.parametrize(
    ("buffer", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"\n", 400),
        (b"\r\n\r", 400),
        (b"\rG", 400),
        (b"GET(", 400),
        (b"M" * (METHOD_BYTES_MAX + 1), 400),
        (b"GET /\n", 400),
        (b"GET / HTTP/1.1\nHost: h\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\rX", 400),
        (b"GET / HTTP/3.0\r\n", 505),
        (b"CONNECT h:443 HTTP/1.1\r\n", 405),
        (b"GET /" + b"a" * LINE_BYTES_MAX, 414),
    ],
)
def test_what_cannot_become_a_head_is_refused_at_once(buffer: bytes, status: int) -> None:
    assert refused(buffer) == status


def test_one_empty_line_may_come_first() -> None:
    head = read(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nrest")
    assert (head.method, head.size) == (b"GET", len(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"))
    assert refused(b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n") == 400


# Fields that were read before.


def test_fields_known_byte_for_byte_are_shared() -> None:
    first = read(b"GET /a HTTP/1.1\r\nHost: H\r\nX: y\r\n\r\n")
    second = parse_request_head(b"PUT /b HTTP/1.1\r\nHost: H\r\nX: y\r\n\r\n", first.fields)
    assert second is not None
    assert second.fields is first.fields
    assert (second.method, second.target, second.host) == (b"PUT", b"/b", b"h")
    third = parse_request_head(b"GET http://z/ HTTP/1.1\r\nHost: H\r\nX: y\r\n\r\n", first.fields)
    assert third is not None
    assert (third.fields, third.host) == (first.fields, b"z")


def test_fields_that_differ_are_read_again() -> None:
    first = read(b"GET / HTTP/1.1\r\nHost: H\r\nX: y\r\n\r\n")
    second = parse_request_head(b"GET / HTTP/1.1\r\nHost: H\r\nX: Y\r\n\r\n", first.fields)
    assert second is not None
    assert second.fields is not first.fields


def test_known_fields_do_not_outlive_their_version() -> None:
    first = read_with(b"Transfer-Encoding: chunked")
    with pytest.raises(WireError):
        parse_request_head(
            b"POST / HTTP/1.0\r\n" + first.fields.block + b"\r\n\r\n", known=first.fields
        )
    old = read_with(b"Connection: upgrade", b"Upgrade: a", version=b"HTTP/1.0")
    new = parse_request_head(b"GET / HTTP/1.1\r\n" + old.fields.block + b"\r\n\r\n", old.fields)
    assert new is not None
    assert (old.fields.upgrade, new.fields.upgrade) == (None, b"a")


# Any bytes at all, cut anywhere.


@dataclass(frozen=True)
class Outcome:
    status: int | None
    head: tuple[object, ...] | None


def outcome(buffer: bytes) -> Outcome:
    try:
        head = parse_request_head(buffer, head_bytes_max=400)
    except WireError as error:
        return Outcome(error.status, None)
    if head is None:
        return Outcome(None, None)
    said = (head.method, head.target, head.minor, head.authority, head.host, head.keeps_alive)
    return Outcome(None, (*said, head.size, head.body_length, vars(head.fields)))


WORDS = [
    *(
        b"GET",
        b"OPTIONS",
        b"CONNECT",
        b" ",
        b"  ",
        b"/",
        b"*",
        b"http://",
        b"h",
        b"h:80",
        b"?q",
        b"#",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET / HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n\r\n"),
    *(b"\r\n", b"\r", b"\n", b"\0", b":", b"\t", b"\xff", b"x" * 90, b"Host", b"Content-Length: 5"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close, x\r\n",
        b"Expect: 1\r\n",
        b"X: y\r\n",
    ),
    *(b"Upgrade: h2c\r\n", b"Cookie: a\r\n", b"Expect: 100-continue\r\n", b"X: y\r\n" * 30),
]
BUFFERS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join),
    st.lists(st.sampled_from(WORDS), max_size=8).map(
        lambda words: b"GET / HTTP/1.1\r\nHost: h\r\n" + b"".join(words) + b"\r\n\r\n"
    ),
    st.binary(max_size=60),
)


@given(buffer=BUFFERS, data=st.data())
@example(buffer=b"CONNECT x HTTP/1.1\r\r\n\r\n", data=None)
@example(buffer=b"GET /\n HTTP/2.0\r\n\r\n", data=None)
@example(buffer=b"GET / HTTP/1.1\r\nX: " + b"x" * 400 + b"\nY: z\r\n\r\n", data=None)
@example(buffer=b"GET http://u@h/ HTTP/1.1\r\nHost: h\r\nExpect: 1\r\n\r\n", data=None)
def test_a_head_is_the_same_wherever_it_is_cut(buffer: bytes, data: st.DataObject | None) -> None:
    whole = outcome(buffer)
    cuts = (
        range(len(buffer))
        if data is None
        else [data.draw(st.integers(0, max(len(buffer) - 1, 0))) for _ in range(4)]
    )
    for cut in cuts:
        part = outcome(buffer[:cut])
        assert part in (Outcome(None, None), whole)


@given(buffer=BUFFERS)
def test_a_head_that_is_read_leaves_nothing_in_doubt(buffer: bytes) -> None:
    status = outcome(buffer).status
    if status is not None:
        assert status in {400, 405, 414, 417, 431, 505}
        return
    head = parse_request_head(buffer)
    if head is None:
        return
    assert head.size <= len(buffer)
    assert head.target.startswith(b"/") or (head.target, head.method) == (b"*", b"OPTIONS")
    assert not (head.fields.is_chunked and head.fields.length is not None)
    names = {line.partition(b":")[0].lower() for line in head.fields.lines}
    assert not names & {b"host", b"connection", b"content-length", b"transfer-encoding", b"te"}
    for text in (head.method, head.target, head.authority, *head.fields.lines):
        assert not set(text) & {0, 10, 13}


def test_other_x_forwarded_fields_are_kept_apart_as_lines() -> None:
    head = parse_request_head(b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Ssl: on\r\n\r\n")
    assert head is not None
    assert head.fields.x_forwarded_others == (b"X-Forwarded-Ssl: on",)
    assert head.fields.lines == []
