"""From a URL to the request that a client would send, or why nobody could."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.asked import Asked, UnaskableError, asked_of


def asked(url: str, **more: Any) -> Asked:
    return asked_of(pb.Explain(url=url, **more))


def test_a_url_is_taken_apart_as_a_client_does() -> None:
    made = asked("https://Shop.Example:8443/a/b?c=d#e", method="POST", source="10.0.0.9")
    assert (made.is_secure, made.host, made.port, made.is_port_told) == (
        True,
        "shop.example",
        8443,
        True,
    )
    assert made.is_by_name
    assert made.source == "10.0.0.9"
    head = made.head
    assert (head.method, head.target) == (b"POST", b"/a/b?c=d")
    assert (head.authority, head.host) == (b"shop.example:8443", b"shop.example")


@pytest.mark.parametrize(
    ("url", "host", "port", "is_secure"),
    [
        ("http://a.example", b"a.example", 80, False),
        ("https://a.example", b"a.example", 443, True),
        ("a.example/x", b"a.example", 80, False),
        ("http://127.0.0.1:8080", b"127.0.0.1", 8080, False),
        ("http://[::1]:8080/", b"[::1]", 8080, False),
        ("http://bücher.example/", b"xn--bcher-kva.example", 80, False),
    ],
)
def test_ports_and_hosts(url: str, host: bytes, port: int, is_secure: bool) -> None:
    made = asked(url)
    assert (made.head.host, made.port, made.is_secure) == (host, port, is_secure)
    assert made.head.method == b"GET"


def test_an_address_is_no_name() -> None:
    assert not asked("http://127.0.0.1/").is_by_name
    assert asked("http://[::1]/").host == "::1"


def test_what_a_client_escapes_is_escaped() -> None:
    assert asked("http://a.example/ä b%20").head.target == b"/%C3%A4%20b%20"
    assert asked("http://a.example?q").head.target == b"/?q"


def test_headers_come_along_and_host_may_be_another() -> None:
    made = asked("http://a.example/", headers=["Host: b.example", "Cookie: S=1"])
    assert made.head.host == b"b.example"
    assert made.host == "a.example"
    assert made.head.fields.cookies == (b"S=1",)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"url": "ftp://a.example/"}, "neither of http nor of https"),
        ({"url": "http://a.example:99999/"}, "is no URL"),
        ({"url": "http://a..b/"}, "is no URL"),
        ({"url": "http:///x"}, "is no URL"),
        ({"url": "http://[::1/"}, "is no URL"),
        ({"url": "http://me:secret@a.example/"}, "a user or a password"),
        ({"url": "a.example", "source": "me"}, "no IP address of a client"),
        ({"url": "a.example", "method": "GET\r\nX: y"}, "over the end of its line"),
        ({"url": "a.example", "headers": ["A: b\nC: d"]}, "over the end of its line"),
        ({"url": "a.example", "headers": ["nonsense"]}, "NAME: VALUE is meant"),
        ({"url": "a.example", "headers": ["Host: a b"]}, "refused with 400: Host is not a host"),
        ({"url": "a.example", "method": "CONNECT"}, "refused with 405"),
        ({"url": "a.example", "method": ""}, "refused with 400"),
        ({"url": "a.example", "headers": [f"X{n}: y" for n in range(200)]}, "refused with 4"),
        ({"url": "a.example/" + "x" * 100_000}, "refused with 4"),
    ],
)
def test_what_nobody_could_ask_is_told_with_its_reason(wish: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnaskableError, match=reason):
        asked_of(pb.Explain(**wish))


@given(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.text(st.characters(codec="utf-8"), max_size=30),
)
def test_whatever_is_written_is_a_request_or_a_reason(url: str, method: str, header: str) -> None:
    for wish in (
        pb.Explain(url=url, method=method, headers=[header]),
        pb.Explain(url=f"http://a.example/{url}", headers=[f"X: {header}"]),
        pb.Explain(url=f"http://{url}/"),
    ):
        try:
            made = asked_of(wish)
        except UnaskableError:
            continue
        assert made.head.host
