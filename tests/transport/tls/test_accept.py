from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.transport.tls.accept import tls_transport_of
from sozutw.transport.tls.contexts import ServerContexts
from sozutw.transport.tls.stream import TlsTransport
from tests.fakes.benches import Recorder, tcp_pair
from tests.fakes.certificates import NOW, chained, leaf
from tests.fakes.loops import HandRunLoop, loop_named

LISTENER = HttpListener(InetAddress("127.0.0.1", 8443))


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


def context_of(name: str) -> SSL.Context:
    https = HttpsListener(LISTENER, certificate=chained(leaf(name)))
    return ServerContexts(https, lambda: NOW).context


def shown(loop: HandRunLoop, make: Any) -> str:
    """Accept a client, shake hands with it, and return whose certificate it was shown."""
    ours, peer = tcp_pair()
    ours.setblocking(False)
    protocol = Recorder()
    address = IPv4Address("TCP", "127.0.0.1", 1)
    transport = make(loop.reactor, ours, protocol, address, address)
    assert type(transport) is TlsTransport
    transport.resumeProducing()
    protocol.makeConnection(transport)
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), peer)
    client.set_connect_state()

    def is_over() -> bool:
        with suppress(SSL.WantReadError):
            client.do_handshake()
        return transport.tls is not None

    loop.run_until(is_over)
    certificate = client.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    transport.abortConnection()
    loop.settle()
    peer.close()
    return certificate.subject.rfc4514_string()


def test_each_client_is_served_with_the_context_of_its_moment(loop: HandRunLoop) -> None:
    contexts = [context_of("b.example"), context_of("a.example")]
    make = tls_transport_of(contexts.pop)
    assert shown(loop, make) == "CN=a.example"
    assert shown(loop, make) == "CN=b.example"
    assert contexts == []
