import gc
import sys
import weakref
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.logger import capturedLogs, formatEvent

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.config.security import ClientAuth, TlsOptions
from sozutw.transport.tls import contexts as module
from sozutw.transport.tls.certificates import CertificateError, LoadedCertificate, load
from sozutw.transport.tls.contexts import BUILT_IN_NAME, ServerContexts
from sozutw.transport.tls.names import TlsOptionError
from sozutw.transport.tls.selfsigned import make
from sozutw.transport.tls.store import Served
from tests.fakes import certificates as made
from tests.fakes.certificates import NOW, Issued, chained, client, intermediate, leaf, root
from tests.fakes.handshakes import Outcome, Wanted, greet, pump, shake_hands

ADDRESS = InetAddress("127.0.0.1", 8443)
BOTH = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]
ECDSA_ONLY = "ecdsa_secp256r1_sha256"
RSA_ONLY = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"


def listener(**changes: Any) -> HttpsListener:
    return replace(HttpsListener(HttpListener(ADDRESS), alpn_protocols=("http/1.1",)), **changes)


def contexts_of(*held: LoadedCertificate, **changes: Any) -> ServerContexts:
    contexts = ServerContexts(listener(**changes), lambda: NOW)
    for one in held:
        contexts.add(one)
    return contexts


def loaded(issued: Issued, *names: str) -> LoadedCertificate:
    return load(replace(chained(issued), names=names), NOW)


def ask(contexts: ServerContexts, name: bytes | None, **more: Any) -> Outcome:
    return shake_hands(contexts.context, Wanted(sni=name, **more))


def served(outcome: Outcome) -> Served:
    told = outcome.server.get_app_data()
    assert isinstance(told, Served)
    return told


A, B, WILD = leaf("a.example"), leaf("b.example", "127.0.0.1"), leaf("*.wild.example")
A_RSA = leaf("a.example", "rsa.example", kind="RSA")
DEFAULT = leaf("default.example")


# Which certificate.


@pytest.mark.parametrize("version", BOTH)
def test_each_name_gets_its_certificate_with_its_chain(version: int) -> None:
    contexts = contexts_of(loaded(A), loaded(B), loaded(WILD))
    for name, issued in ((b"a.example", A), (b"b.example", B), (b"x.wild.example", WILD)):
        outcome = ask(contexts, name, version_max=version, trusts=root())
        assert outcome.is_done
        assert outcome.shown == issued.fingerprint
        assert outcome.chain_length == 2
        assert not served(outcome).is_default
    assert contexts.default_served == 0
    assert contexts.warnings == ()


def test_what_was_served_is_told_by_the_connection() -> None:
    contexts = contexts_of(loaded(B), loaded(WILD))
    assert served(ask(contexts, b"b.example")) == Served(
        frozenset(("b.example", "127.0.0.1")), is_default=False
    )
    assert served(ask(contexts, b"x.wild.example")).names == {"*.wild.example"}


@pytest.mark.parametrize("name", [b"A.EXAMPLE", b"a.example."])
def test_a_name_is_the_same_in_any_spelling(name: bytes) -> None:
    assert ask(contexts_of(loaded(A)), name).shown == A.fingerprint


@pytest.mark.parametrize(
    "name",
    [
        None,
        b"unknown.example",
        b"a.example:443",
        b"127.0.0.1",
        b"*.wild.example",
        b"a" * 254,
        b"\xff",
    ],
)
def test_the_listeners_certificate_is_served_to_whoever_asks_for_nothing_that_is_there(
    name: bytes | None,
) -> None:
    contexts = contexts_of(loaded(A), loaded(B), loaded(WILD), certificate=chained(DEFAULT))
    outcome = ask(contexts, name, trusts=root())
    assert outcome.is_done
    assert outcome.shown == DEFAULT.fingerprint
    assert served(outcome) == Served(frozenset(("default.example",)), is_default=False)
    assert contexts.default_served == 0


@pytest.mark.parametrize("name", [None, b"unknown.example"])
def test_without_one_the_built_in_certificate_is_served_and_counted(name: bytes | None) -> None:
    contexts = contexts_of(loaded(A))
    outcome = ask(contexts, name)
    assert outcome.is_done
    assert served(outcome) == Served(frozenset((BUILT_IN_NAME,)), is_default=True)
    assert outcome.client.get_peer_certificate(as_cryptography=True).issuer == made.name(
        BUILT_IN_NAME
    )
    assert contexts.default_served == 1
    ask(contexts, b"a.example")
    assert contexts.default_served == 1


def hello_with(sni: bytes) -> bytes:
    """A ClientHello with a name of the same length put in the place of the one that was made."""
    client = SSL.Connection(Wanted().client_context(), None)
    client.set_connect_state()
    placeholder = b"x" * len(sni)
    client.set_tlsext_host_name(placeholder)
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    hello = client.bio_read(1 << 16)
    assert hello.count(placeholder) == 1
    return hello.replace(placeholder, sni)


@pytest.mark.parametrize("sni", [b"a.exa\x00mple", b"\x00" * 9, b"a.example\x00"])
def test_a_name_with_a_zero_in_it_is_refused(sni: bytes) -> None:
    outcome = greet(contexts_of(loaded(A)).context, hello_with(sni))
    assert isinstance(outcome.server_fault, SSL.Error)
    assert outcome.server.get_app_data() is None


@pytest.mark.parametrize("sni", [b"\xff\xfe\x80", b"%s\r\n", b"a.example ", b"../../x"])
def test_a_name_that_is_none_gets_the_default_and_no_fault(sni: bytes) -> None:
    outcome = greet(contexts_of(loaded(A)).context, hello_with(sni))
    assert outcome.server_fault is None
    assert served(outcome).is_default


# Two kinds of keys.


@pytest.mark.parametrize("version", BOTH)
def test_each_client_gets_the_kind_that_it_can_use_each_with_its_own_chain(version: int) -> None:
    other_root = made.root("Other root")
    other = made.intermediate("Other intermediate", "Other root")
    above = made.sign("Second", made.key("P-256", 9), other, is_authority=True)
    rsa = made.sign("a.example", made.key("RSA"), above, names=("a.example", "rsa.example"))
    contexts = contexts_of(loaded(A), load(rsa.held(above.pem, other.pem), NOW))
    ecdsa_client = ask(
        contexts,
        b"a.example",
        version_max=version,
        signatures=ECDSA_ONLY,
        trusts=root(),
    )
    assert ecdsa_client.is_done
    assert (ecdsa_client.shown, ecdsa_client.chain_length) == (A.fingerprint, 2)
    # A chain that is signed by ECDSA is verified by a client that has it for chains only.
    rsa_client = ask(
        contexts,
        b"a.example",
        version_max=version,
        signatures=f"{RSA_ONLY}:{ECDSA_ONLY}",
        ciphers=b"ECDHE-RSA-AES128-GCM-SHA256",
        trusts=other_root,
    )
    if version == SSL.TLS1_2_VERSION:
        assert rsa_client.is_done
        assert (rsa_client.shown, rsa_client.chain_length) == (rsa.fingerprint, 3)
    only_rsa = ask(contexts, b"a.example", version_max=version, signatures=RSA_ONLY)
    assert (only_rsa.shown, only_rsa.chain_length) == (rsa.fingerprint, 3)
    # Only what both are for is promised, for nobody knows beforehand which one it will be.
    assert served(only_rsa).names == {"a.example"}


def test_of_two_kinds_the_cheaper_one_is_preferred() -> None:
    contexts = contexts_of(loaded(A_RSA), loaded(A))
    assert ask(contexts, b"a.example").shown == A.fingerprint


def test_of_two_of_a_kind_the_one_that_expires_last_is_served() -> None:
    sooner = leaf("a.example", end=made.END.replace(year=2080), serial=1)
    contexts = contexts_of(loaded(sooner), loaded(A))
    assert ask(contexts, b"a.example").shown == A.fingerprint
    contexts.remove(A.fingerprint)
    assert ask(contexts, b"a.example").shown == sooner.fingerprint


# Changes.


def test_the_next_handshake_sees_what_was_added_and_removed() -> None:
    contexts = contexts_of()
    assert served(ask(contexts, b"a.example")).is_default
    contexts.add(loaded(A))
    assert ask(contexts, b"a.example").shown == A.fingerprint
    assert contexts.remove(A.fingerprint)
    assert served(ask(contexts, b"a.example")).is_default
    assert not contexts.remove(A.fingerprint)


def test_a_replacement_is_served_at_once_and_what_is_open_keeps_the_old_one() -> None:
    contexts = contexts_of(loaded(A))
    before = ask(contexts, b"a.example")
    new = leaf("a.example", serial=2)
    assert contexts.replace(loaded(new), A.fingerprint)
    assert ask(contexts, b"a.example").shown == new.fingerprint
    assert before.shown == A.fingerprint
    before.server.send(b"still here")
    before.client.bio_write(before.server.bio_read(1 << 16))
    assert before.client.recv(99) == b"still here"
    assert not contexts.replace(loaded(new), "unknown")
    assert contexts.replace(loaded(new), new.fingerprint)
    assert ask(contexts, b"a.example").shown == new.fingerprint


def test_a_key_that_was_removed_is_kept_for_open_connections_only() -> None:
    contexts = contexts_of(loaded(A), loaded(B))
    outcome = ask(contexts, b"a.example")
    ask(contexts, b"b.example")
    context = weakref.ref(outcome.server.get_context())
    contexts.remove(A.fingerprint)
    gc.collect()
    assert context() is not None
    assert len(contexts._contexts) == 1
    del outcome
    gc.collect()
    assert context() is None


def test_the_listeners_certificate_can_be_replaced_too() -> None:
    contexts = contexts_of(certificate=chained(DEFAULT))
    ask(contexts, None)
    new = leaf("new-default.example")
    contexts.replace_default(loaded(new))
    assert ask(contexts, None).shown == new.fingerprint
    assert ask(contexts, b"unknown.example").shown == new.fingerprint
    assert served(ask(contexts, None)).names == {"new-default.example"}


def test_a_handshake_under_way_goes_on_when_all_around_it_is_gone() -> None:
    """A client that is asked for another group says hello twice; in between all is removed."""
    contexts = contexts_of(
        loaded(A), tls=TlsOptions(groups_list=("P-384",), tls_versions=("TLS_V13",))
    )
    client = SSL.Connection(Wanted(groups="X25519:P-384").client_context(), None)
    client.set_connect_state()
    client.set_tlsext_host_name(b"a.example")
    server = SSL.Connection(contexts.context, None)
    server.set_accept_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    server.bio_write(client.bio_read(1 << 16))
    with pytest.raises(SSL.WantReadError):
        server.do_handshake()
    client.bio_write(server.bio_read(1 << 16))
    contexts.remove(A.fingerprint)
    gone = weakref.ref(contexts)
    del contexts
    gc.collect()
    outcome = Outcome(server, client)
    pump(outcome)
    assert outcome.is_done
    assert served(outcome).is_default, "the certificate was removed before the second hello"
    del outcome, server, client
    gc.collect()
    assert gone() is None


def test_a_second_hello_is_counted_as_one_handshake() -> None:
    contexts = contexts_of(tls=TlsOptions(groups_list=("P-384",)))
    outcome = ask(contexts, None, groups="X25519:P-384")
    assert outcome.is_done
    assert contexts.default_served == 1


def test_contexts_are_made_once_and_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONTEXTS_MAX", 2)
    issued = [leaf(f"{number}.example") for number in range(3)]
    contexts = contexts_of(*(loaded(one) for one in issued))

    def context_for(number: int) -> SSL.Context:
        outcome = ask(contexts, f"{number}.example".encode())
        assert outcome.shown == issued[number].fingerprint
        return outcome.server.get_context()

    first = context_for(0)
    context_for(1)
    assert context_for(0) is first
    context_for(2)
    assert context_for(0) is first
    context_for(1)
    context_for(2)
    assert context_for(0) is not first


def test_the_first_to_expire_is_known_with_and_without_a_default() -> None:
    soon = leaf("soon.example", end=made.END.replace(year=2050))
    sooner = leaf("sooner.example", end=made.END.replace(year=2040))
    contexts = contexts_of()
    assert contexts.min_expires_at() is None
    contexts.add(loaded(soon))
    assert contexts.min_expires_at() == made.END.replace(year=2050).timestamp()
    contexts = contexts_of(certificate=chained(sooner))
    assert contexts.min_expires_at() == made.END.replace(year=2040).timestamp()
    contexts.add(loaded(soon))
    assert contexts.min_expires_at() == made.END.replace(year=2040).timestamp()
    contexts.replace_default(loaded(A))
    assert contexts.min_expires_at() == made.END.replace(year=2050).timestamp()


# How TLS is spoken.


@pytest.mark.parametrize("version", BOTH)
def test_versions_are_as_configured(version: int) -> None:
    word = {SSL.TLS1_2_VERSION: "TLS_V12", SSL.TLS1_3_VERSION: "TLS_V13"}[version]
    contexts = contexts_of(loaded(A), tls=TlsOptions(tls_versions=(word,)))
    outcome = ask(contexts, b"a.example")
    assert outcome.client.get_protocol_version() == version
    if version == SSL.TLS1_3_VERSION:
        refused = ask(contexts, b"a.example", version_max=SSL.TLS1_2_VERSION)
        assert not refused.is_done
        assert "protocol version" in str(refused.client_fault)


def test_ciphers_and_groups_are_as_configured_whatever_the_client_prefers() -> None:
    options = TlsOptions(
        cipher_list=("TLS13_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        groups_list=("secp384r1",),
    )
    contexts = contexts_of(loaded(A), tls=options)
    outcome = ask(contexts, b"a.example")
    assert outcome.client.get_cipher_name() == "TLS_CHACHA20_POLY1305_SHA256"
    assert outcome.client.get_group_name() == "secp384r1"
    outcome = ask(contexts, b"a.example", version_max=SSL.TLS1_2_VERSION)
    assert outcome.client.get_cipher_name() == "ECDHE-ECDSA-AES128-GCM-SHA256"
    preferring = ask(
        contexts_of(loaded(A)),
        b"a.example",
        version_max=SSL.TLS1_2_VERSION,
        ciphers=b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
    )
    assert preferring.client.get_cipher_name() == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_signature_algorithms_are_as_configured() -> None:
    options = TlsOptions(signature_algorithms=("ECDSA_NISTP384_SHA384",))
    assert not ask(contexts_of(loaded(A), tls=options), b"a.example").is_done
    large = leaf("a.example", kind="P-384")
    assert ask(contexts_of(loaded(large), tls=options), b"a.example").is_done


def test_weak_ciphers_are_refused_by_default() -> None:
    refused = ask(
        contexts_of(loaded(A)),
        b"a.example",
        version_max=SSL.TLS1_2_VERSION,
        ciphers=b"ECDHE-ECDSA-AES256-SHA384:AES128-SHA",
    )
    assert "handshake failure" in str(refused.client_fault)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([b"http/1.1"], b"http/1.1"), ([b"h2", b"http/1.1"], b"http/1.1"), ([], b"")],
)
def test_http_1_1_is_spoken_whatever_else_is_offered(offered: list[bytes], chosen: bytes) -> None:
    for name in (b"a.example", None):
        outcome = ask(contexts_of(loaded(A)), name, alpn=offered)
        assert outcome.is_done
        assert outcome.server.get_alpn_proto_negotiated() == chosen


@pytest.mark.parametrize("name", [b"a.example", None])
def test_who_offers_only_something_else_gets_an_alert_that_says_so(name: bytes | None) -> None:
    refused = ask(contexts_of(loaded(A)), name, alpn=[b"h2", b"foo"])
    assert not refused.is_done
    assert "no application protocol" in str(refused.client_fault)


def test_what_is_not_spoken_yet_is_warned_about() -> None:
    (warning,) = contexts_of(alpn_protocols=("h2",)).warnings
    assert warning == "alpn_protocols: h2 is not spoken yet, http/1.1 is"
    assert ServerContexts(HttpsListener(HttpListener(ADDRESS)), lambda: NOW).warnings == ()
    options = TlsOptions(groups_list=("P-256", "curve9000"))
    (warning,) = contexts_of(tls=options).warnings
    assert "curve9000" in warning


def test_renegotiation_is_refused() -> None:
    outcome = ask(contexts_of(loaded(A)), b"a.example", version_max=SSL.TLS1_2_VERSION)
    assert outcome.client.renegotiate()
    with pytest.raises(SSL.WantReadError):
        outcome.client.do_handshake()
    outcome.server.bio_write(outcome.client.bio_read(1 << 16))
    with pytest.raises(SSL.WantReadError):
        outcome.server.recv(1)
    outcome.client.bio_write(outcome.server.bio_read(1 << 16))
    with pytest.raises(SSL.Error, match="no renegotiation"):
        outcome.client.do_handshake()


# Sessions.


@pytest.mark.parametrize("version", BOTH)
def test_a_session_is_resumed_by_its_name_and_what_was_served_is_known(version: int) -> None:
    contexts = contexts_of(loaded(A), loaded(B))
    context = Wanted(version_max=version).client_context()
    first = ask(contexts, b"a.example", context=context)
    again = ask(contexts, b"a.example", context=context, session=first.client.get_session())
    assert again.is_done
    assert module.binding.lib.SSL_session_reused(again.server._ssl) == 1
    assert served(again).names == {"a.example"}


def is_resumed_at(first: ServerContexts, second: ServerContexts, **wanted: Any) -> bool:
    """Whether a session of ``first`` is resumed by ``second``, if both had the same ticket keys."""
    context = Wanted(**wanted).client_context()
    before = ask(first, b"a.example", context=context)
    session = before.client.get_session()
    # As if workers shared the keys: the entry context of one with the policy of the other.
    first.context._used = False
    first.context.set_session_id(second._session_context)
    first._contexts.drop_if(lambda _: True)
    first._session_context = second._session_context
    again = ask(first, b"a.example", context=context, session=session)
    assert again.is_done
    return bool(module.binding.lib.SSL_session_reused(again.server._ssl))


@pytest.mark.parametrize("version", BOTH)
def test_no_session_is_resumed_past_a_policy(version: int) -> None:
    def plain() -> ServerContexts:
        return contexts_of(loaded(A))

    strict = contexts_of(client_auth=ClientAuth.OPTIONAL, client_authorities=root().pem)
    stricter = contexts_of(client_auth=ClientAuth.REQUIRE, client_authorities=root().pem)
    others = contexts_of(client_auth=ClientAuth.REQUIRE, client_authorities=intermediate().pem)
    elsewhere = contexts_of(http=HttpListener(InetAddress("127.0.0.1", 9443)))
    assert is_resumed_at(plain(), plain(), version_max=version)
    for other in (strict, stricter, others, elsewhere):
        assert not is_resumed_at(plain(), other, version_max=version)
    policies = {one._session_context for one in (plain(), strict, stricter, others, elsewhere)}
    assert len(policies) == 5


# Client certificates.


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("name", [b"a.example", None])
def test_a_client_that_shows_a_certificate_is_verified(version: int, name: bytes | None) -> None:
    for auth in (ClientAuth.OPTIONAL, ClientAuth.REQUIRE):
        contexts = contexts_of(loaded(A), client_auth=auth, client_authorities=root().pem)
        outcome = ask(contexts, name, version_max=version, shows=client())
        assert outcome.is_done
        shown = outcome.server.get_peer_certificate(as_cryptography=True)
        assert shown == client().certificate
        refused = ask(contexts, name, version_max=version, shows=client("eve", "Other root"))
        assert refused.server_fault is not None
        assert "unknown ca" in str(refused.client_fault)


@pytest.mark.parametrize("version", BOTH)
def test_a_client_without_a_certificate_is_refused_only_where_one_is_required(version: int) -> None:
    for name in (b"a.example", None):
        optional = contexts_of(
            loaded(A), client_auth=ClientAuth.OPTIONAL, client_authorities=root().pem
        )
        outcome = ask(optional, name, version_max=version)
        assert outcome.is_done
        assert outcome.server.get_peer_certificate(as_cryptography=True) is None
        required = contexts_of(
            loaded(A), client_auth=ClientAuth.REQUIRE, client_authorities=root().pem
        )
        refused = ask(required, name, version_max=version)
        assert refused.server_fault is not None
        assert "peer did not return a certificate" in str(refused.server_fault)


def test_a_client_whose_certificate_expired_or_is_a_servers_is_refused() -> None:
    contexts = contexts_of(loaded(A), client_auth=ClientAuth.REQUIRE, client_authorities=root().pem)
    expired = made.sign("old", made.key(), root(), end=made.EXPIRED)
    server = made.sign("server", made.key(), root(), usages=(x509.ExtendedKeyUsageOID.SERVER_AUTH,))
    assert "expired" in str(ask(contexts, b"a.example", shows=expired).client_fault)
    refused = ask(contexts, b"a.example", shows=server)
    assert refused.server_fault is not None


def test_who_may_have_signed_is_told_to_the_client_and_may_be_below_a_root() -> None:
    contexts = contexts_of(
        loaded(A), client_auth=ClientAuth.REQUIRE, client_authorities=intermediate().pem
    )
    below = made.sign("bob", made.key(), intermediate())
    for name in (b"a.example", None):
        outcome = ask(contexts, name, shows=below, version_max=SSL.TLS1_2_VERSION)
        assert outcome.is_done
        (told,) = outcome.client.get_client_ca_list(as_cryptography=True)
        assert told == intermediate().certificate.subject


def test_nobody_is_asked_for_a_certificate_without_need() -> None:
    outcome = ask(contexts_of(loaded(A)), b"a.example", shows=client())
    assert outcome.is_done
    assert outcome.server.get_peer_certificate(as_cryptography=True) is None


# Refusals and faults.


def test_a_listener_that_cannot_be_served_is_refused_with_the_reason() -> None:
    with pytest.raises(CertificateError, match="it expired on 2026-01-02"):
        contexts_of(certificate=made.expired("a.example").held())
    with pytest.raises(TlsOptionError, match="tls_versions"):
        contexts_of(tls=TlsOptions(tls_versions=("TLS_V11",)))
    with pytest.raises(TlsOptionError, match="client_ca"):
        contexts_of(client_auth=ClientAuth.REQUIRE)
    with pytest.raises(CertificateError, match="there is no certificate in it"):
        contexts_of(client_auth=ClientAuth.REQUIRE, client_authorities="")


def broken(one: LoadedCertificate) -> LoadedCertificate:
    """What OpenSSL does not take, though it was loaded."""
    return replace(one, key="nonsense")


def test_what_openssl_does_not_take_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load", lambda held, now: broken(load(held, now)))
    with pytest.raises(CertificateError, match="OpenSSL does not take it"):
        contexts_of(certificate=chained(A))


def test_a_certificate_that_cannot_be_used_is_an_alert_and_never_another_one_is_served() -> None:
    contexts = contexts_of(broken(loaded(A)), loaded(B))
    with capturedLogs() as events:
        for _ in range(2):
            outcome = ask(contexts, b"a.example")
            assert not outcome.is_done
            assert "handshake failure" in str(outcome.client_fault)
    (event,) = events
    assert formatEvent(event).startswith("a.example cannot be served: ")
    assert ask(contexts, b"b.example").is_done


def test_a_fault_of_ours_while_a_name_is_looked_up_is_an_alert(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *fault: told.append(fault))
    contexts = contexts_of(loaded(A))
    monkeypatch.setattr(contexts, "_prepared", None)
    outcome = ask(contexts, b"a.example")
    assert not outcome.is_done
    assert "unrecognized name" in str(outcome.client_fault)
    assert len(told) == 1


def test_another_chain_under_the_same_leaf_is_served() -> None:
    contexts = contexts_of(loaded(A))
    bare = replace(loaded(A), chain="")
    contexts.replace(bare, A.fingerprint)
    assert ask(contexts, b"a.example").chain_length == 1
    assert contexts.replace(loaded(A), A.fingerprint)
    assert ask(contexts, b"a.example").chain_length == 2


def test_another_chain_under_the_default_s_leaf_is_served() -> None:
    contexts = contexts_of(certificate=A.held())
    assert ask(contexts, b"nobody.example").chain_length == 1
    contexts.replace_default(loaded(A))
    assert ask(contexts, b"nobody.example").chain_length == 2


def test_a_certificate_made_on_the_spot_can_be_served() -> None:
    contexts = contexts_of(load(make(("demo.example",), NOW), NOW))
    assert served(ask(contexts, b"demo.example")).names == {"demo.example"}
