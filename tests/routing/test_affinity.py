"""Keys for HRW and MAGLEV, and cookies read and taken away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.routing.affinity import compile_affinity, cookie_value, without_cookie
from sozutw.wire.message import RequestFields, RequestHead

PEER = b"192.0.2.1"


def head(target=b"/a/bc?d/e", lines=(), host=b"a.b", **more) -> RequestHead:
    fields = RequestFields()
    fields.lines = list(lines)
    for name, value in more.items():
        setattr(fields, name, value)
    return RequestHead(b"GET", target, 1, host, host, fields, True, 0)


@pytest.mark.parametrize("spec", [None, "source"])
def test_the_source_is_the_clients_address(spec):
    assert compile_affinity(spec)(head(), PEER) == PEER


@pytest.mark.parametrize(
    ("spec", "given_head", "key"),
    [
        ("header:X-User", head(lines=[b"Accept: */*", b"x-uSer:  7 "]), b"7"),
        ("header:X-User", head(lines=[b"X-User2: 7", b"X-User:"]), PEER),
        ("header:X-User", head(lines=[b"X-Us: 7"]), PEER),
        ("header:Host", head(), b"a.b"),
        ("header:Host", head(host=b""), PEER),
        ("header:Cookie", head(cookies=(b"a=1", b"b=2")), b"a=1, b=2"),
        ("header:X-Forwarded-For", head(x_forwarded_for=(b"10.0.0.1",)), b"10.0.0.1"),
        ("header:X-Forwarded-For", head(), PEER),
        ("header:X-Request-Id", head(x_request_id=b"r"), b"r"),
        ("header:X-Request-Id", head(), PEER),
        ("cookie:id", head(cookies=(b"a=1; id=9",)), b"9"),
        ("cookie:id", head(cookies=(b"a=1; id=",)), PEER),
        ("cookie:id", head(), PEER),
        ("path[0]", head(), b"a"),
        ("path[1]", head(), b"bc"),
        ("path[2]", head(), PEER),
        ("path[0]", head(b"/?/x"), PEER),
        ("path[0]", head(b"*"), PEER),
    ],
)
def test_a_request_is_keyed_by_what_is_named_else_by_its_source(spec, given_head, key):
    assert compile_affinity(spec)(given_head, PEER) == key


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "sauce",
        "header",
        "header:",
        "cookie:",
        "query:a",
        "path[]",
        "path[-1]",
        "path[1",
        "path[²]",
        "path[٣]",
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name(spec):
    with pytest.raises(ValueError, match="unknown affinity"):
        compile_affinity(spec)


@pytest.mark.parametrize(
    ("cookies", "value"),
    [
        ((), None),
        ((b"a=1",), None),
        ((b"id=7",), b"7"),
        ((b"a=1; id=7; id=8",), b"7"),
        ((b"a=1", b"b=2;\tid = 7 "), b"7"),
        ((b"xid=7; b=id=7; id",), None),
        ((b"id=a=b",), b"a=b"),
    ],
)
def test_the_first_cookie_of_the_name_counts(cookies, value):
    assert cookie_value(cookies, b"id") == value


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ((), []),
        ((b"a=1",), [b"a=1"]),
        ((b"id=7",), []),
        ((b"id",), []),
        ((b"a=1; id=7; b=2",), [b"a=1; b=2"]),
        ((b"id=7; b=2", b"c=3"), [b"b=2", b"c=3"]),
        ((b"b=2; id=7",), [b"b=2"]),
        ((b"xid=7;  b=id",), [b"xid=7;  b=id"]),
    ],
)
def test_a_cookie_taken_away_leaves_the_others_as_they_were(cookies, kept):
    assert without_cookie(cookies, b"id") == kept


@given(st.lists(st.text("id=; a7\t", max_size=12).map(str.encode)).map(tuple))
def test_what_was_taken_away_is_not_there_any_more(cookies):
    assert cookie_value(tuple(without_cookie(cookies, b"id")), b"id") is None
