"""What a handshake settled, and which kind of endpoint is made."""

import pytest
from OpenSSL import SSL

from sozutw.transport.tls import library
from sozutw.transport.tls.binding import as_file
from sozutw.transport.tls.direct import DirectEndpoint
from sozutw.transport.tls.library import facts
from sozutw.transport.tls.store import Served
from tests.fakes.certificates import END, client, leaf, root
from tests.fakes.handshakes import Outcome, Wanted, shake_hands
from tests.fakes.tls import fresh_server_context


@pytest.fixture
def context() -> SSL.Context:
    return fresh_server_context(leaf("shop.example"))


def facts_of(outcome: Outcome) -> library.TlsFacts:
    assert outcome.is_done, (outcome.server_fault, outcome.client_fault)
    return facts(outcome.server, is_server=True)


def test_the_quickest_kind_is_made() -> None:
    assert library.IS_DIRECT
    assert library.Endpoint is DirectEndpoint


def test_the_facts_of_a_plain_handshake(context: SSL.Context) -> None:
    told = facts_of(shake_hands(context))
    assert told.version == "TLSv1.3"
    assert told.cipher.startswith("TLS_")
    assert (told.sni, told.alpn, told.names, told.client) == ("", "", frozenset(), None)
    assert not told.is_resumed


def test_handshakes_that_are_alike_share_their_facts(context: SSL.Context) -> None:
    assert facts_of(shake_hands(context)) is facts_of(shake_hands(context))


def test_what_was_asked_for_is_told(context: SSL.Context) -> None:
    context.set_alpn_select_callback(lambda _, offered: offered[0])
    served = Served(frozenset({"shop.example"}), is_default=False)
    context.set_tlsext_servername_callback(lambda connection: connection.set_app_data(served))
    wanted = Wanted(sni=b"Shop.Example", alpn=[b"http/1.1"], version_max=SSL.TLS1_2_VERSION)
    told = facts_of(shake_hands(context, wanted))
    assert told.version == "TLSv1.2"
    assert told.sni == "shop.example"
    assert told.alpn == "http/1.1"
    assert told.names == {"shop.example"}


def test_a_clients_certificate_is_told_by_subject_and_fingerprint(context: SSL.Context) -> None:
    context.set_verify(SSL.VERIFY_PEER)
    with as_file(root().pem) as path:
        context.load_verify_locations(path)
    told = facts_of(shake_hands(context, Wanted(shows=client("alice"))))
    assert told.client is not None
    assert told.client.subject == "CN=alice"
    assert told.client.fingerprint == client("alice").fingerprint


def test_a_backends_certificate_is_no_clients(context: SSL.Context) -> None:
    outcome = shake_hands(context)
    assert facts(outcome.client, is_server=False).client is None


def test_a_session_that_is_resumed_is_told(context: SSL.Context) -> None:
    wanted = Wanted()
    wanted.context = wanted.client_context()
    first = shake_hands(context, wanted)  # to be kept: its end without a word spoils the session
    wanted.session = first.client.get_session()
    assert facts_of(shake_hands(context, wanted)).is_resumed


def test_a_clients_certificate_that_expired_since_its_session_began_is_refused(
    context: SSL.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.set_verify(SSL.VERIFY_PEER)
    with as_file(root().pem) as path:
        context.load_verify_locations(path)
    outcome = shake_hands(context, Wanted(shows=client("alice")))
    monkeypatch.setattr(library, "now", lambda: END.timestamp() + 1)
    with pytest.raises(library.TlsError, match="expired"):
        facts_of(outcome)
