import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from OpenSSL import SSL

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.config.security import BackendTls, CertificateAndKey, ClientAuth
from sozutw.transport.tls import client as module
from sozutw.transport.tls.certificates import CertificateError
from sozutw.transport.tls.client import ClientContexts
from sozutw.transport.tls.contexts import ServerContexts
from sozutw.transport.tls.library import Endpoint, TlsError, facts
from tests.fakes import certificates as made
from tests.fakes.certificates import NOW, chained, client, intermediate, leaf, root
from tests.fakes.handshakes import Wanted, shake_hands

TRUSTING = BackendTls(authorities=root().pem)


@dataclass
class Meeting:
    """Two endpoints whose handshake is over, or what it failed with."""

    ours: Endpoint
    theirs: Endpoint
    fault: OSError | None = None
    their_fault: OSError | None = None
    refusal: CertificateError | None = None

    @property
    def is_resumed(self) -> bool:
        return facts(self.ours.connection, is_server=False).is_resumed

    def talk(self) -> None:
        """Let a byte come over, and tickets before it."""
        self.theirs.write(b"x")
        for _ in range(9):
            with suppress(BlockingIOError):
                assert self.ours.read(99) == b"x"
                return
        raise AssertionError("nothing came")


class Backends:
    """Backends on the loopback, and connections of ours to them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.contexts = ClientContexts(lambda: NOW)

    def address(self) -> socket.socket:
        return self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serving(self, held: CertificateAndKey, **changes: Any) -> ServerContexts:
        listener = HttpsListener(
            HttpListener(InetAddress("127.0.0.1", 1)), certificate=held, **changes
        )
        return ServerContexts(listener, lambda: NOW)

    def meet(
        self,
        server: ServerContexts,
        tls: BackendTls = TRUSTING,
        host: str = "a.example",
        at: socket.socket | None = None,
    ) -> Meeting:
        at = at or self.address()
        mine = self._stack.enter_context(socket.create_connection(at.getsockname()))
        yours = self._stack.enter_context(at.accept()[0])
        for sock in (mine, yours):
            sock.setblocking(False)
            # Else a byte would wait in the kernel for the receipt of what went before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours, verify = self.contexts.begin(tls, host, mine)
        meeting = Meeting(ours, Endpoint(server.context, yours, is_server=True))
        self._run(meeting)
        if meeting.fault is None:
            try:
                verify(ours.connection)
            except CertificateError as refusal:
                meeting.refusal = refusal
        return meeting

    def _run(self, meeting: Meeting) -> None:
        done = [False, False]
        for _ in range(100):
            if not done[0]:
                try:
                    meeting.ours.handshake()
                    done[0] = True
                except BlockingIOError:
                    pass
                except OSError as fault:
                    meeting.fault = fault
                    return
            if not done[1]:
                try:
                    meeting.theirs.handshake()
                    done[1] = True
                except BlockingIOError:
                    pass
                except OSError as fault:
                    meeting.their_fault = fault
                    done[1] = True
            if all(done):
                return
        raise AssertionError("the handshake did not come to an end")


@pytest.fixture
def backends() -> Iterator[Backends]:
    with ExitStack() as stack:
        yield Backends(stack)


def reason(meeting: Meeting) -> str:
    assert isinstance(meeting.fault, TlsError)
    assert meeting.fault.cause == "invalid_certificate"
    return str(meeting.fault.strerror)


A = leaf("a.example", "*.wild.example")


# Who it is.


@pytest.mark.parametrize("host", ["a.example", "A.example", "x.wild.example"])
def test_a_backend_with_the_right_certificate_is_who_it_should_be(
    backends: Backends, host: str
) -> None:
    meeting = backends.meet(backends.serving(chained(A)), host=host)
    assert (meeting.fault, meeting.refusal) == (None, None)
    told = facts(meeting.theirs.connection, is_server=True)
    assert told.sni == host.lower()
    assert told.alpn == "http/1.1"
    assert told.version == "TLSv1.3"


@pytest.mark.parametrize("host", ["b.example", "wild.example", "x.y.wild.example"])
def test_a_backend_of_another_name_is_refused_and_its_names_are_told(
    backends: Backends, host: str
) -> None:
    meeting = backends.meet(backends.serving(chained(A)), host=host)
    assert str(meeting.refusal) == (
        f"the backend's certificate is for a.example, *.wild.example, not for {host}"
    )


def test_the_configured_name_counts_and_not_that_of_the_host(backends: Backends) -> None:
    named = replace(TRUSTING, server_name="a.example")
    for host in ("b.example", "127.0.0.1", ""):
        meeting = backends.meet(backends.serving(chained(A)), named, host)
        assert (meeting.fault, meeting.refusal) == (None, None)
        assert facts(meeting.theirs.connection, is_server=True).sni == "a.example"
    meeting = backends.meet(
        backends.serving(chained(A)), replace(TRUSTING, server_name="b.example"), "a.example"
    )
    assert meeting.refusal is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_backend_by_address_is_verified_by_its_address(backends: Backends, host: str) -> None:
    meeting = backends.meet(backends.serving(chained(leaf("z.example", host))), host=host)
    assert (meeting.fault, meeting.refusal) == (None, None)
    assert facts(meeting.theirs.connection, is_server=True).sni == ""
    meeting = backends.meet(backends.serving(chained(A)), host=host)
    assert str(meeting.refusal).endswith(f"not for {host}")


def test_a_common_name_is_nothing_to_rely_on(backends: Backends) -> None:
    nameless = made.sign("a.example", made.key(), intermediate())
    meeting = backends.meet(backends.serving(chained(nameless)))
    assert meeting.refusal is not None


def test_of_many_names_a_few_are_told(backends: Backends) -> None:
    many = leaf(*(f"{number}.example" for number in range(9)))
    meeting = backends.meet(backends.serving(chained(many)), host="a.example")
    assert "4.example and more, not for a.example" in str(meeting.refusal)


def test_a_name_that_no_certificate_can_be_for_is_refused(backends: Backends) -> None:
    meeting = backends.meet(backends.serving(chained(A)), host="my_backend.example")
    assert meeting.refusal is not None


def test_a_path_needs_a_configured_name(backends: Backends) -> None:
    with pytest.raises(CertificateError, match="backend_server_name is needed"):
        backends.meet(backends.serving(chained(A)), host="")


def test_who_shows_nothing_is_nobody() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _, verify = ClientContexts(lambda: NOW).begin(TRUSTING, "a.example", ours)
    with pytest.raises(CertificateError, match="has shown no certificate"):
        verify(SSL.Connection(SSL.Context(SSL.TLS_METHOD), None))


# Who signed for it.


def test_an_unknown_authority_is_refused_in_the_handshake(backends: Backends) -> None:
    other = BackendTls(authorities=made.root("Other root").pem)
    meeting = backends.meet(backends.serving(chained(A)), other)
    assert reason(meeting).endswith("unable to get local issuer certificate")


def test_an_expired_certificate_is_refused_in_the_handshake(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = HttpsListener(
        HttpListener(InetAddress("127.0.0.1", 1)), certificate=chained(made.expired("a.example"))
    )
    server = ServerContexts(listener, lambda: made.EXPIRED.timestamp() - 1)
    meeting = backends.meet(server)
    assert reason(meeting).endswith("certificate has expired")


def test_a_self_signed_certificate_is_refused_unless_it_is_trusted_itself(
    backends: Backends,
) -> None:
    alone = made.sign("a.example", made.key(), names=("a.example",))
    server = backends.serving(alone.held())
    assert "self-signed certificate" in reason(backends.meet(server))
    meeting = backends.meet(server, BackendTls(authorities=alone.pem))
    assert (meeting.fault, meeting.refusal) == (None, None)


def test_an_authority_below_a_root_can_be_trusted(backends: Backends) -> None:
    below = BackendTls(authorities=intermediate().pem)
    meeting = backends.meet(backends.serving(A.held()), below)
    assert (meeting.fault, meeting.refusal) == (None, None)
    assert reason(backends.meet(backends.serving(A.held()), TRUSTING))


def test_without_authorities_those_of_the_system_are_asked(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(context: SSL.Context) -> None:
        asked.append(context)

    monkeypatch.setattr(SSL.Context, "set_default_verify_paths", note)
    meeting = backends.meet(backends.serving(chained(A)), BackendTls())
    assert asked == [meeting.ours.connection.get_context()]
    assert reason(meeting)


def test_an_insecure_backend_is_taken_whoever_it_is(backends: Backends) -> None:
    alone = made.sign("z.example", made.key(), names=("z.example",))
    meeting = backends.meet(backends.serving(alone.held()), BackendTls(is_insecure=True))
    assert (meeting.fault, meeting.refusal) == (None, None)
    path = backends.meet(backends.serving(alone.held()), BackendTls(is_insecure=True), host="")
    assert (path.fault, path.refusal) == (None, None)


def test_versions_that_are_too_old_are_not_spoken() -> None:
    old = SSL.Context(SSL.TLS_SERVER_METHOD)
    old.set_min_proto_version(SSL.TLS1_VERSION)
    old.set_max_proto_version(SSL.TLS1_1_VERSION)
    mine = ClientContexts(lambda: NOW)._context_of(TRUSTING)
    outcome = shake_hands(old, Wanted(context=mine))
    assert not outcome.is_done
    assert "protocol version" in str(outcome.client_fault)


def test_weak_ciphers_are_not_spoken() -> None:
    weak = SSL.Context(SSL.TLS_SERVER_METHOD)
    weak.use_certificate(A.certificate)
    weak.use_privatekey(A.key)
    weak.set_max_proto_version(SSL.TLS1_2_VERSION)
    mine = ClientContexts(lambda: NOW)._context_of(BackendTls(is_insecure=True))
    assert shake_hands(weak, Wanted(context=mine)).is_done
    weak._used = False
    weak.set_cipher_list(b"ECDHE-ECDSA-AES256-SHA384")
    assert not shake_hands(weak, Wanted(context=mine)).is_done


# What we show.


@pytest.mark.parametrize("auth", [ClientAuth.OPTIONAL, ClientAuth.REQUIRE])
def test_our_certificate_is_shown_to_a_backend_that_asks(
    backends: Backends, auth: ClientAuth
) -> None:
    server = backends.serving(chained(A), client_auth=auth, client_authorities=root().pem)
    mine = made.sign("proxy", made.key("P-256", 55), intermediate())
    meeting = backends.meet(server, replace(TRUSTING, certificate=chained(mine)))
    assert (meeting.fault, meeting.their_fault, meeting.refusal) == (None, None, None)
    told = facts(meeting.theirs.connection, is_server=True).client
    assert told is not None
    assert told.fingerprint == mine.fingerprint
    without = backends.meet(server)
    assert (without.their_fault is not None) == (auth is ClientAuth.REQUIRE)


def test_what_cannot_be_used_is_told_before_any_connection(backends: Backends) -> None:
    expired = replace(TRUSTING, certificate=made.expired("proxy").held())
    with pytest.raises(CertificateError, match="it expired on 2026-01-02"):
        backends.contexts.prepare(expired)
    with pytest.raises(CertificateError, match="there is no certificate in it"):
        backends.contexts.prepare(BackendTls(authorities=""))
    backends.contexts.prepare(replace(TRUSTING, certificate=client().held()))


# Sessions.


def keep(backends: Backends, meeting: Meeting, tls: BackendTls, host: str = "a.example") -> None:
    meeting.talk()
    backends.contexts.keep_session(tls, host, meeting.ours)
    meeting.ours.close()


@pytest.mark.parametrize("versions", [("TLS_V12",), ("TLS_V13",)])
def test_a_session_is_resumed_and_the_name_is_verified_again(
    backends: Backends, versions: tuple[str, ...]
) -> None:
    from sozutw.config.security import TlsOptions

    server = backends.serving(chained(A), tls=TlsOptions(tls_versions=versions))
    at = backends.address()
    first = backends.meet(server, at=at)
    assert not first.is_resumed
    keep(backends, first, TRUSTING)
    second = backends.meet(server, at=at)
    assert second.is_resumed
    assert second.refusal is None
    keep(backends, second, TRUSTING)
    assert backends.meet(server, at=at).is_resumed


def test_no_session_serves_another_backend_or_another_way_to_speak_to_it(
    backends: Backends,
) -> None:
    server = backends.serving(chained(A))
    at = backends.address()
    insecure = BackendTls(is_insecure=True)
    keep(backends, backends.meet(server, insecure, at=at), insecure)
    assert backends.meet(server, insecure, at=at).is_resumed
    assert not backends.meet(server, TRUSTING, at=at).is_resumed
    assert not backends.meet(server, insecure, at=backends.address()).is_resumed
    assert not backends.meet(server, insecure, host="b.example", at=at).is_resumed
    named = replace(insecure, server_name="b.example")
    assert not backends.meet(server, named, at=at).is_resumed


def test_contexts_and_sessions_are_kept_up_to_a_limit(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONTEXTS_MAX", 1)
    monkeypatch.setattr(module, "SESSIONS_MAX", 1)
    backends.contexts = ClientContexts(lambda: NOW)
    server = backends.serving(chained(A))
    at, elsewhere = backends.address(), backends.address()
    keep(backends, backends.meet(server, at=at), TRUSTING)
    context = backends.meet(server, at=at).ours.connection.get_context()
    named = replace(TRUSTING, server_name="b.example")
    assert backends.meet(server, named, at=at).ours.connection.get_context() is context
    keep(backends, backends.meet(server, at=elsewhere), TRUSTING)
    assert not backends.meet(server, at=at).is_resumed
    assert backends.meet(server, at=elsewhere).is_resumed
    backends.contexts.prepare(BackendTls(is_insecure=True))
    # The session's own context had to go, and it is of no use with another.
    assert not backends.meet(server, at=elsewhere).is_resumed


def test_what_never_shook_hands_leaves_no_session(backends: Backends) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        endpoint, _ = backends.contexts.begin(TRUSTING, "a.example", ours)
        endpoint.close()
    backends.contexts.keep_session(TRUSTING, "a.example", endpoint)
    assert len(backends.contexts._sessions) == 0
