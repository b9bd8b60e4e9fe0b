import pytest

from sozutw.wire.errors import WireError
from sozutw.wire.http1.fields import (
    OTHER_CLAIMS,
    check_chunked,
    read_connection,
    read_length,
    read_options,
    read_upgrade,
    sort_fields,
    sort_of_fields,
)
from sozutw.wire.message import FieldBlock

TABLE = sort_of_fields({b"host", b"x-own"})


def _sort(block: bytes) -> tuple[dict[bytes, tuple[bytes, ...]], list[bytes]]:
    kept: list[bytes] = []
    return sort_fields(block, TABLE, 4, kept), kept


def test_fields_are_sorted_into_found_and_kept() -> None:
    found, kept = _sort(b"Host: h\r\nAccept: */*\r\nX-Other:\r\nhOSt:i ")
    assert found == {b"host": (b" h", b"i ")}
    assert kept == [b"Accept: */*", b"X-Other:"]


def test_a_field_may_be_both_found_and_kept() -> None:
    kept: list[bytes] = []
    found = sort_fields(b"X-Own: 1\r\nX-OWN: 2", TABLE, 4, kept, frozenset({b"x-own"}))
    assert found == {b"x-own": (b" 1", b" 2")}
    assert kept == [b"X-Own: 1", b"X-OWN: 2"]


@pytest.mark.parametrize("name", [b"HOST", b"host", b"Host", b"hOsT"])
def test_a_name_is_known_in_every_spelling(name: bytes) -> None:
    assert _sort(name + b":h") == ({b"host": (b"h",)}, [])


@pytest.mark.parametrize("value", [b"a\tb", b"\x80\xff", b"", b":", b" ", b"a:b", b"\x21\x7e"])
def test_a_value_may_hold_what_the_grammar_lets_it(value: bytes) -> None:
    assert _sort(b"X:" + value) == ({}, [b"X:" + value])


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"Accept",
            b"no colon",
            b":",
            b": v",
            b"X : v",
            b"X\t: v",
            b" X: v",
            b"\tX: v",
            b"X Y: v",
        ),
        *(
            b"Host : h",
            b"Host\t:h",
            b"\x01Host: h",
            b"Host\0: h",
            b"Host\x0b: h",
            b"H\xc3\xb6st: h",
        ),
        *(b"X(: v", b'"X": v', b"X/Y: v", b"X@: v", b"[X]: v"),
        *(b"X: a\0b", b"X: a\x01", b"X: \x7f", b"X: \x0b", b"X: \x0c", b"X: \x1f", b"X: \x1c"),
        *(b"X: a\rb", b"X: a\nb", b"X: a\n\rb", b"X: a\r", b"X: a\n", b"\nX: a", b"\rX: a"),
        *(b"X: a\r\r\nY: b", b"X: a\r\n b", b"X: a\r\n\tb", b"X: a\r\n\r\nY: b", b"X: a\n b"),
        b"X: y\rHost: evil",
        b"X: y\nHost: evil",
    ],
)
def test_a_line_that_two_readers_may_read_differently_is_refused(line: bytes) -> None:
    with pytest.raises(WireError) as caught:
        _sort(b"Accept: */*\r\n" + line)
    assert caught.value.status == 400


def test_fields_are_counted() -> None:
    _sort(b"\r\n".join([b"X: 1"] * 4))
    with pytest.raises(WireError, match="too many") as caught:
        _sort(b"\r\n".join([b"X: 1"] * 5))
    assert caught.value.status == 431


def test_a_length_is_one_number() -> None:
    assert read_length((b" 12\t",)) == 12


@pytest.mark.parametrize(
    "values", [(b"5", b"5"), (b"5, 5",), (b"5", b"6"), (b"",), (b"+5",), (b"5\x0b",), (b"1" * 20,)]
)
def test_any_other_length_is_refused(values: tuple[bytes, ...]) -> None:
    with pytest.raises(WireError, match="Content-Length"):
        read_length(values)


@pytest.mark.parametrize("value", [b"chunked", b" chunked ", b"\tChunked", b"CHUNKED"])
def test_chunked_is_the_one_transfer_encoding(value: bytes) -> None:
    check_chunked((value,), FieldBlock())


@pytest.mark.parametrize(
    "values",
    [
        *(
            (value,)
            for value in (b"xchunked", b"chunkedx", b"identity", b'"chunked"', b"", b"gzip")
        ),
        *((value,) for value in (b"chunked;q=1", b"chunked, gzip", b"gzip, chunked", b"chunked,")),
        *((value,) for value in (b", chunked", b"chunked, chunked", b"\x0bchunked", b"chunked\0")),
        *((value,) for value in (b"\xa0chunked", b"\x85chunked", b"chunked\x1c", b"chun ked")),
        (b"chunked", b"chunked"),
        (b"chunked", b"identity"),
    ],
)
def test_any_other_transfer_encoding_is_refused(values: tuple[bytes, ...]) -> None:
    with pytest.raises(WireError, match="not chunked"):
        check_chunked(values, FieldBlock())


def test_chunked_beside_a_length_is_refused() -> None:
    fields = FieldBlock()
    fields.length = 0
    with pytest.raises(WireError, match="both"):
        check_chunked((b"chunked",), fields)


def test_chunked_in_http_1_0_is_refused() -> None:
    fields = FieldBlock()
    fields.minor = 0
    with pytest.raises(WireError, match=r"1\.0"):
        check_chunked((b"chunked",), fields)


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ((b" keep-alive",), {b"keep-alive"}),
        ((b" Close",), {b"close"}),
        ((b"\tCLOSE ",), {b"close"}),
        ((b"a", b" B"), {b"a", b"b"}),
        ((b", a,, b ,",), {b"a", b"b"}),
        ((b"",), set()),
    ],
)
def test_options_are_lower_case_tokens(values: tuple[bytes, ...], options: set[bytes]) -> None:
    assert read_options(values, []) == options


@pytest.mark.parametrize("value", [b"a b", b"a;b", b'"close"', b"close\x0b", b"a, \xa0", b"a/b"])
def test_options_that_are_no_tokens_are_refused(value: bytes) -> None:
    with pytest.raises(WireError, match="Connection"):
        read_options((value,), [])


def test_fields_named_in_connection_are_taken_out() -> None:
    lines = [b"X-Hop: 1", b"Accept: a", b"x-hop:2", b"X-Hop-Not: 3"]
    read_options((b"close, x-HOP",), lines)
    assert lines == [b"Accept: a", b"X-Hop-Not: 3"]


@pytest.mark.parametrize(
    "name",
    [
        *(b"Host", b"Content-Length", b"Transfer-Encoding", b"Cookie", b"Authorization", b"Expect"),
        *(b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Port", b"X-Forwarded-Host"),
        *(b"Forwarded", b"X-Real-IP", b"X-Request-Id", b"Set-Cookie", b"Content-Type"),
    ],
)
def test_fields_that_matter_cannot_be_named_away(name: bytes) -> None:
    lines = [name + b": 1"]
    assert read_options((name + b", close",), lines) == {b"close"}
    assert lines == [name + b": 1"]


@pytest.mark.parametrize(
    ("values", "upgrade"),
    [
        ((b" websocket",), b"websocket"),
        ((b"WebSocket, IRC/6.9 ",), b"WebSocket, IRC/6.9"),
        ((b"a", b"b"), b"a, b"),
        ((b"h2c",), None),
        ((b"websocket, H2C",), None),
        ((b"websocket", b"h2c"), None),
        ((b"HTTP/2.0",), None),
        ((b"h2",), None),
        ((b"h2cx",), b"h2cx"),
    ],
)
def test_an_upgrade_is_a_list_of_protocols_but_never_http(
    values: tuple[bytes, ...], upgrade: bytes | None
) -> None:
    assert read_upgrade(values) == upgrade


@pytest.mark.parametrize(
    "value", [b"", b"a,,b", b'"h2c"', b"h2c;q=1", b"a b", b"a/b/c", b"\xa0h2c"]
)
def test_an_upgrade_that_is_no_list_of_protocols_is_refused(value: bytes) -> None:
    with pytest.raises(WireError, match="Upgrade"):
        read_upgrade((value,))


@pytest.mark.parametrize(
    ("value", "minor", "upgrade"),
    [
        (b"upgrade", 1, b"websocket"),
        (b"keep-alive, Upgrade", 1, b"websocket"),
        (b"upgrade", 0, None),
        (b"keep-alive", 1, None),
    ],
)
def test_an_upgrade_is_asked_for_by_connection_and_not_in_1_0(
    value: bytes, minor: int, upgrade: bytes | None
) -> None:
    fields = FieldBlock()
    fields.lines, fields.minor = [], minor
    read_connection(fields, {b"connection": (value,), b"upgrade": (b" websocket",)})
    assert fields.upgrade == upgrade
    read_connection(fields, {b"connection": (value,)})
    assert fields.connection == set(value.lower().split(b", "))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("value", "after"),
    [(b"close", False), (b"keep-alive", True), (b"keep-alive, close", False), (b"x", None)],
)
def test_connection_may_say_how_long_it_lives(
    before: bool, value: bytes, after: bool | None
) -> None:
    fields = FieldBlock()
    fields.lines, fields.keeps_alive = [], before
    read_connection(fields, {b"connection": (value,)})
    assert fields.keeps_alive is (before if after is None else after)


def test_other_x_forwarded_fields_are_set_apart_where_they_matter() -> None:
    lines: list[bytes] = []
    requests = sort_of_fields({OTHER_CLAIMS})
    found = sort_fields(b"X-Forwarded-Ssl: on\r\nX-A: 1\r\nx-forwarded-q: 2", requests, 9, lines)
    assert found == {OTHER_CLAIMS: (b"X-Forwarded-Ssl: on", b"x-forwarded-q: 2")}
    assert lines == [b"X-A: 1"]
    responses = sort_of_fields(())
    assert sort_fields(b"X-Forwarded-Ssl: on", responses, 9, lines) == {}
    assert lines == [b"X-A: 1", b"X-Forwarded-Ssl: on"]


@pytest.mark.parametrize(
    "line",
    [b"X_Real_IP: 1", b"x_forwarded_for: 1", b"X-Forwarded_Client-Cert: 1", b"Content_Length: 5"],
)
def test_a_field_that_imitates_one_that_counts_is_set_apart(line: bytes) -> None:
    lines: list[bytes] = []
    table = sort_of_fields({OTHER_CLAIMS, b"x-real-ip", b"content-length", b"x-forwarded-for"})
    assert sort_fields(line + b"\r\nMy_Own: 1", table, 9, lines) == {OTHER_CLAIMS: (line,)}
    assert lines == [b"My_Own: 1"]
