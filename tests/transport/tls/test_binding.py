import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from sozutw.transport.tls import binding
from sozutw.transport.tls.certificates import load
from tests.fakes.certificates import NOW, leaf
from tests.fakes.handshakes import Wanted, shake_hands


def server_context() -> SSL.Context:
    held = load(leaf("a.example").held(), NOW)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    with binding.as_file(held.leaf) as path:
        context.use_certificate_chain_file(path)
    with binding.as_file(held.key) as path:
        context.use_privatekey_file(path)
    return context


def test_a_text_can_be_read_as_a_file_for_a_while() -> None:
    text = "x" * 200_000
    with binding.as_file(text) as path:
        assert Path(path).read_text() == text
        assert Path(path).read_text() == text
    assert not os.path.exists(path)


def test_it_is_gone_even_after_a_fault() -> None:
    with pytest.raises(ValueError, match="mine"), binding.as_file("x") as path:
        raise ValueError("mine")
    assert not os.path.exists(path)


def test_lists_are_taken_or_not_and_no_error_is_left_behind() -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    assert binding.has_lists()
    assert binding.set_groups(context, "X25519:P-256")
    assert not binding.set_groups(context, "nonsense")
    assert binding.lib.ERR_peek_error() == 0
    assert binding.set_signature_algorithms(context, "ed25519")
    assert not binding.set_signature_algorithms(context, "nonsense")
    assert binding.lib.ERR_peek_error() == 0


def test_a_binding_without_the_calls_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "lib", object())
    assert not binding.has_lists()
    assert not binding.set_groups(SSL.Context(SSL.TLS_METHOD), "X25519")


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        ((b"http/1.1",), [b"http/1.1"], b"http/1.1"),
        ((b"http/1.1",), [b"h2", b"http/1.1"], b"http/1.1"),
        ((b"h2", b"http/1.1"), [b"http/1.1", b"h2"], b"h2"),
        ((b"http/1.1",), [], b""),
    ],
)
def test_our_first_protocol_that_the_client_offers_is_chosen(
    ours: tuple[bytes, ...], theirs: list[bytes], chosen: bytes
) -> None:
    context = server_context()
    binding.alpn_choice(ours)(context)
    outcome = shake_hands(context, Wanted(alpn=theirs))
    assert outcome.is_done
    assert outcome.client.get_alpn_proto_negotiated() == chosen
    assert outcome.server.get_alpn_proto_negotiated() == chosen


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_client_that_offers_none_of_ours_gets_the_alert_for_it(version: int) -> None:
    context = server_context()
    binding.alpn_choice((b"http/1.1",))(context)
    outcome = shake_hands(context, Wanted(alpn=[b"h2", b"acme-tls/1"], version_max=version))
    assert not outcome.is_done
    assert "alert no application protocol" in str(outcome.client_fault)
    assert shake_hands(context).is_done


@given(st.lists(st.binary(min_size=1, max_size=255), max_size=9))
def test_each_protocol_of_an_offer_is_found_where_it_is(protocols: list[bytes]) -> None:
    offer = b"".join(bytes((len(protocol),)) + protocol for protocol in protocols)
    places = binding.offered_protocols(offer)
    assert set(places) == set(protocols)
    for protocol, at in places.items():
        assert offer[at : at + len(protocol)] == protocol


@given(st.binary(max_size=40))
def test_no_offer_leads_beyond_its_end_without_end(offer: bytes) -> None:
    assert len(binding.offered_protocols(offer)) <= len(offer)


def test_why_a_chain_was_refused_can_be_read_off_the_connection() -> None:
    outcome = shake_hands(server_context(), Wanted(trusts=leaf("b.example")))
    assert not outcome.is_done
    assert binding.verification_failure(outcome.client) == "unable to get local issuer certificate"
    assert binding.verification_failure(shake_hands(server_context()).server) is None
