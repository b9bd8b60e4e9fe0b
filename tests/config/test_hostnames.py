"""Host names and patterns, in the form in which they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.hostnames import (
    ascii_name,
    canonical_pattern,
    is_affinity,
    is_cookie_value,
    is_name,
    is_token,
)


def every_regex_is_fine(_: str) -> str | None:
    return None


def canonical(pattern: str) -> str:
    return canonical_pattern(pattern, every_regex_is_fine)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("*", "*"),
        ("lolcatho.st", "lolcatho.st"),
        ("LOLcatho.ST", "lolcatho.st"),
        ("*.Example.com", "*.example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::0001]", "[::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.BÜCHER.example", "*.xn--bcher-kva.example"),
        ("my_app", "my_app"),
        (r"/cdn\D+[0-9.]*/.Example.com", r"/cdn\D+[0-9.]*/.example.com"),
        (r"www./(?i)A.B/", r"www./(?i)A.B/"),
        (r"/a/./b/.c", r"/a/./b/.c"),
        (r"*./a/.c", r"*./a/.c"),
    ],
)
def test_a_pattern_is_compared_in_one_form(written: str, compared: str) -> None:
    assert canonical(written) == compared
    assert canonical(compared) == compared


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("", "no empty part"),
        ("example.com.", "nor a dot at its end"),
        ("a..b", "no empty part"),
        ("www.*.com", "as the first part"),
        ("*.*.com", "as the first part"),
        ("a*.com", "cannot be part of a host name"),
        ("-a.com", "cannot be part of a host name"),
        ("a b.com", "letters, digits and - are meant"),
        ("example.com:8080", "the port is told by address"),
        ("/cdn[0-9]+.example.com", "ends with a slash"),
        ("/cdn/example.com", "after /cdn/ a dot or the end is meant"),
        ("//.example.com", "between the slashes"),
        ("/a/.", "no empty part"),
        ("cdn/a/.com", "cannot be part of a host name"),
        ("[::1", "between the brackets"),
        ("[::g]", "between the brackets"),
        ("a" * 64 + ".com", "cannot be part of a host name"),
        (".".join(["a" * 60] * 5), "at most 253 letters"),
        ("ü" * 64 + ".com", "cannot be part of a host name"),
    ],
)
def test_what_can_be_no_host_is_refused_with_what_is_meant(pattern: str, meant: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        canonical(pattern)
    assert meant in str(caught.value)


def test_each_regular_expression_is_checked_without_its_slashes() -> None:
    asked = []

    def check(regex: str) -> str | None:
        asked.append(regex)
        return "unbalanced" if "(" in regex else None

    with pytest.raises(ValueError, match=r"^/\(x/ cannot be used: unbalanced$"):
        canonical_pattern("/a.b/.www./(x/.com", check)
    assert asked == ["a.b", "(x"]


def test_a_long_regular_expression_is_no_long_host_name() -> None:
    pattern = "/" + "a" * 300 + "/.com"
    assert canonical(pattern) == pattern


@pytest.mark.parametrize("name", ["localhost", "my-app.internal", "my_app"])
def test_a_name_for_dialling_may_be_any_name(name: str) -> None:
    assert ascii_name(name.upper()) == name


def test_a_name_for_dialling_has_its_bounds() -> None:
    with pytest.raises(ValueError, match="at most 253"):
        ascii_name(".".join(["a" * 60] * 5))


@given(st.text())
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        compared = canonical(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017  # either outcome is right
    else:
        assert canonical(compared) == compared


@pytest.mark.parametrize(
    ("affinity", "is_one"),
    [
        ("source", True),
        ("header:X-User", True),
        ("cookie:session", True),
        ("path[0]", True),
        ("header:", False),
        ("header:a b", False),
        ("path[]", False),
        ("path[x]", False),
        ("sources", False),
        ("", False),
    ],
)
def test_affinity_has_four_forms(affinity: str, is_one: bool) -> None:
    assert is_affinity(affinity) is is_one


def test_tokens_and_cookie_values_are_what_the_rfc_says() -> None:
    assert is_token("Sozu-Id")
    assert not is_token("Sozu Id")
    assert not is_token("")
    assert is_cookie_value("MyApp-0-127.0.0.1:1026")
    assert not is_cookie_value("a;b")
    assert not is_cookie_value("a b")
    assert is_name("Überall 1")
    assert not is_name("")
    assert not is_name("a\nb")


def test_a_bare_ipv6_address_hints_at_brackets() -> None:
    with pytest.raises(ValueError, match=r"in brackets, as in \[::1\]"):
        canonical_pattern("::1", lambda _regex: None)
    with pytest.raises(ValueError, match="the port is told by address"):
        canonical_pattern("a:b:c", lambda _regex: None)
