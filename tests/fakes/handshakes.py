"""Handshakes in memory, between a context of ours and pyOpenSSL's client."""

from dataclasses import dataclass, field
from typing import Any

from OpenSSL import SSL

from sozutw.transport.tls import binding
from tests.fakes.certificates import Issued


@dataclass
class Outcome:
    """What a handshake came to."""

    server: SSL.Connection
    client: Any
    server_fault: Exception | None = None
    client_fault: Exception | None = None
    is_done: bool = False

    @property
    def shown(self) -> str:
        """The fingerprint of what the server showed."""
        certificate = self.client.get_peer_certificate(as_cryptography=True)
        return Issued(certificate, None).fingerprint

    @property
    def chain_length(self) -> int:
        """How many certificates the server sent, its own among them."""
        return len(self.client.get_peer_cert_chain(as_cryptography=True))


@dataclass
class Wanted:
    """What a client asks for."""

    sni: bytes | None = None
    alpn: list[bytes] = field(default_factory=list)
    version_max: int = 0
    signatures: str = ""
    ciphers: bytes = b""
    groups: str = ""
    shows: Issued | None = None
    session: SSL.Session | None = None
    trusts: Issued | None = None
    context: SSL.Context | None = None

    def client_context(self) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if self.version_max:
            context.set_max_proto_version(self.version_max)
        if self.alpn:
            context.set_alpn_protos(self.alpn)
        if self.signatures:
            assert binding.set_signature_algorithms(context, self.signatures)
        if self.ciphers:
            context.set_cipher_list(self.ciphers)
        if self.groups:
            assert binding.set_groups(context, self.groups)
        if self.shows is not None:
            context.use_certificate(self.shows.certificate)
            context.use_privatekey(self.shows.key)
        if self.trusts is not None:
            context.set_verify(SSL.VERIFY_PEER)
            with binding.as_file(self.trusts.pem) as path:
                context.load_verify_locations(path)
        return context


def shake_hands(server_context: SSL.Context, wanted: Wanted | None = None) -> Outcome:
    """Run a handshake between a context of ours and pyOpenSSL's client."""
    wanted = wanted or Wanted()
    client = SSL.Connection(wanted.context or wanted.client_context(), None)
    client.set_connect_state()
    if wanted.sni is not None:
        client.set_tlsext_host_name(wanted.sni)
    if wanted.session is not None:
        client.set_session(wanted.session)
    server = SSL.Connection(server_context, None)
    server.set_accept_state()
    outcome = Outcome(server, client)
    pump(outcome)
    return outcome


def step(connection: SSL.Connection, is_client: bool, outcome: Outcome) -> bool:
    """Go on with one side; True if it is done."""
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return False
    except Exception as fault:  # noqa: BLE001  # whatever a callback raised
        if is_client:
            outcome.client_fault = outcome.client_fault or fault
        else:
            outcome.server_fault = outcome.server_fault or fault
        return False
    return True


def carry(origin: SSL.Connection, target: SSL.Connection) -> int:
    """Bring what one side has written to the other."""
    try:
        data = origin.bio_read(1 << 16)
    except SSL.WantReadError:
        return 0
    return target.bio_write(data)


def pump(outcome: Outcome) -> None:
    """Carry bytes until nothing moves."""
    for _ in range(20):
        client_done = step(outcome.client, True, outcome)
        if client_done:
            read_on(outcome)
        moved = carry(outcome.client, outcome.server)
        server_done = step(outcome.server, False, outcome)
        moved += carry(outcome.server, outcome.client)
        if client_done and server_done:
            read_on(outcome)
            outcome.is_done = True
        if not moved:
            return


def read_on(outcome: Outcome) -> None:
    """Let a client of 1.3 read what comes after its handshake: tickets, or a refusal."""
    try:
        outcome.client.recv(1)
    except SSL.WantReadError:
        pass
    except SSL.Error as fault:
        outcome.client_fault = outcome.client_fault or fault


def greet(server_context: SSL.Context, hello: bytes) -> Outcome:
    """Give a server bytes that no client of ours would send."""
    server = SSL.Connection(server_context, None)
    server.set_accept_state()
    outcome = Outcome(server, None)
    server.bio_write(hello)
    step(server, False, outcome)
    return outcome
