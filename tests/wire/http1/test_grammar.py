import pytest

from sozutw.wire.errors import WireError
from sozutw.wire.http1.grammar import (
    CONTROLS,
    TOKEN_LOWER,
    check_ends,
    is_token,
    read_authority,
    read_number,
)


def test_a_token_has_the_bytes_of_rfc_9110_and_no_other() -> None:
    tokens = {byte for byte in range(256) if is_token(bytes([byte]))}
    delimiters = set(b'"(),/:;<=>?@[\\]{}')
    assert tokens == set(range(0x21, 0x7F)) - delimiters
    assert not is_token(b"")
    assert not is_token(b"a b")


def test_a_token_is_lowered_by_its_table() -> None:
    assert b"Content-MD5_!".translate(TOKEN_LOWER) == b"content-md5_!"
    assert b"a b".translate(TOKEN_LOWER) == b"a\0b"


def test_controls_are_all_but_the_tab() -> None:
    assert set(CONTROLS) == {*range(0x09), *range(0x0A, 0x20), 0x7F}


@pytest.mark.parametrize(
    ("value", "number"),
    [(b"0", 0), (b"5", 5), (b"0005", 5), (b"9" * 19, 10**19 - 1)],
)
def test_a_number_is_one_to_nineteen_digits(value: bytes, number: int) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"+5", b"-5", b"-0", b"0x5", b"5.0", b"5e0", b"1_0", "٥".encode(), b"\xb2", b"5 5"),
        *(b"5;a", b"five", b"5\0", b"5\x0b", b"5\x1f", b'"5"', b" 5", b"5\n", b"5,5"),
        *(b"1" * 20, b"9" * 5000),
    ],
)
def test_anything_else_is_no_number(value: bytes) -> None:
    assert read_number(value) is None


@pytest.mark.parametrize(
    ("value", "authority", "host"),
    [
        (b"example.com", b"example.com", b"example.com"),
        (b" \tExample.COM\t ", b"Example.COM", b"example.com"),
        (b"h:1", b"h:1", b"h"),
        (b"h:65535", b"h:65535", b"h"),
        (b"a_b-c.1", b"a_b-c.1", b"a_b-c.1"),
        (b"example.com.", b"example.com.", b"example.com."),
        (b"127.0.0.1:8080", b"127.0.0.1:8080", b"127.0.0.1"),
        (b"[::1]", b"[::1]", b"[::1]"),
        (b"[2001:DB8::A]:443", b"[2001:DB8::A]:443", b"[2001:db8::a]"),
        (b"[::ffff:1.2.3.4]", b"[::ffff:1.2.3.4]", b"[::ffff:1.2.3.4]"),
        (b"a" * 255, b"a" * 255, b"a" * 255),
    ],
)
def test_an_authority_gives_its_host(value: bytes, authority: bytes, host: bytes) -> None:
    assert read_authority(value) == (authority, host)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" ", b":80", b"h/x", b"h@evil", b"h, evil", b"h x", b"h:80a", b"h:80:80", b"h:-1"),
        *(b"h\0", b'h"', b"h\\evil", b"h:", b"h:0", b"h:65536", b"h:99999", b"h:080", b"h: 80"),
        *(b"h\x0b", b"\xa0h", b"\xc3\xa9", b"h:\xb2", b"h%41", b"user:pw@h", b"h#", b"h?", b"h;x"),
        *(b".", b"..", b".h", b"a..b", b"h..", b"*", b"*.h", b"a" * 256, b"h\x7f"),
        *(b"[H]", b"[]", b"[::1", b"::1", b"[::1]x", b"[::1]80", b"[::1]:", b"[::1]:0", b"[::1%1]"),
        *(
            b"[::1%25eth0]",
            b"[1.2.3.4]",
            b"[:::]",
            b"[::1]]",
            b"[[::1]]",
            b"[v1.x]",
            b"[::1]:80:80",
        ),
        *(b"[::1 ]", b"[::\xb2]", b"]", b"["),
    ],
)
def test_what_is_no_host_is_refused(value: bytes) -> None:
    with pytest.raises(WireError):
        read_authority(value)


@pytest.mark.parametrize("text", [b"", b"a", b"a\r\n", b"a\r\nb\r\n\r\n", b"a\r", b"\r\n\r"])
def test_line_ends_in_pairs_pass(text: bytes) -> None:
    check_ends(text)


@pytest.mark.parametrize("text", [b"\n", b"a\nb", b"\n\r", b"\r\r", b"\ra", b"a\r\n\n", b"\r\r\n"])
def test_a_cr_or_lf_by_itself_is_refused(text: bytes) -> None:
    with pytest.raises(WireError, match="by itself"):
        check_ends(text)
