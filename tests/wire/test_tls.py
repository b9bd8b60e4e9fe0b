"""What a certificate is for."""

import pytest

from sozutw.wire.tls import TlsFacts, covers


@pytest.mark.parametrize(
    ("names", "host", "is_covered"),
    [
        ({"a.example"}, "a.example", True),
        ({"a.example"}, "A.Example", True),
        ({"a.example"}, "a.example.", True),
        ({"a.example"}, "b.example", False),
        ({"a.example"}, "a.example.org", False),
        ({"a.example", "b.example"}, "b.example", True),
        (set(), "a.example", False),
        ({"*.example.com"}, "www.example.com", True),
        ({"*.example.com"}, "WWW.example.com.", True),
        ({"*.example.com"}, "example.com", False),
        ({"*.example.com"}, "a.b.example.com", False),
        ({"*.example.com"}, ".example.com", False),
        ({"*.example"}, "a.example", True),
        ({"*."}, "a.", False),
        ({"*."}, "a..", False),
        ({"*"}, "localhost", False),
        ({"w*.example.com"}, "www.example.com", False),
        ({"localhost"}, "localhost", True),
        ({"127.0.0.1"}, "127.0.0.1", True),
        ({"*.0.0.1"}, "127.0.0.1", False),
        ({"::1"}, "::1", True),
        ({""}, "", True),
        ({"a.example"}, "", False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(
    names: set[str], host: str, is_covered: bool
) -> None:
    assert covers(names, host) is is_covered


def test_nothing_is_settled_but_version_and_cipher() -> None:
    facts = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert (facts.sni, facts.alpn, facts.client, facts.is_resumed) == ("", "", None, False)
    assert facts.names == frozenset()
