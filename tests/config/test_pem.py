"""Blocks are found in whatever stands around them."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.pem import CERTIFICATE, blocks, fingerprint_of
from tests.config.conftest import pem


def test_blocks_come_in_their_order_with_their_labels() -> None:
    text = "a comment\n" + pem("key", "EC PRIVATE KEY") + "\n" + pem("leaf") + pem("issuer")
    assert blocks(text) == [
        ("EC PRIVATE KEY", b"key"),
        (CERTIFICATE, b"leaf"),
        (CERTIFICATE, b"issuer"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pem("leaf").replace("\n", "\r\n"),
        pem("leaf").replace("bGVh", "b G\nVh "),
        pem("leaf").replace("CATE-----\n", "CATE-----  \n", 1),
        "Subject: x" + pem("leaf") + "trailer",
    ],
)
def test_line_ends_and_spaces_make_no_difference(text: str) -> None:
    assert blocks(text) == [(CERTIFICATE, b"leaf")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no block",
        pem("leaf").replace("END CERT", "END OTHER CERT"),
        pem("leaf").replace("bGVhZg==", "bGVhZg="),
        pem("leaf").replace("bGVhZg==", "bGV!hZg=="),
        pem("leaf").replace("-----END", ""),
        pem("leaf", "CERT+IFICATE"),
        pem("leaf", "A" * 65),
    ],
)
def test_what_is_no_whole_block_is_none(text: str) -> None:
    assert blocks(text) == []
    with pytest.raises(ValueError, match="there is no certificate in it"):
        fingerprint_of(text)


def test_a_broken_block_does_not_hide_the_next() -> None:
    assert blocks(pem("a").replace("YQ==", "YQ") + pem("leaf")) == [(CERTIFICATE, b"leaf")]


def test_a_fingerprint_is_that_of_the_first_certificate() -> None:
    text = pem("key", "PRIVATE KEY") + pem("leaf") + pem("issuer")
    assert fingerprint_of(text) == sha256(b"leaf").hexdigest()


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_what_was_written_is_read(contents: list[bytes]) -> None:
    text = "x\n".join(pem(content.hex()) for content in contents)
    assert [der for _label, der in blocks(text)] == [c.hex().encode() for c in contents]


def test_a_text_that_only_seems_to_hold_blocks_is_not_read_for_ever() -> None:
    opened = "-----BEGIN CERTIFICATE-----\n" * 20_000
    assert blocks(opened) == []
    assert blocks(opened + "A" * 500_000) == []
