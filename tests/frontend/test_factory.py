import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from sozutw.frontend.factory import Http1FrontendFactory
from sozutw.frontend.http1 import Entrance, Http1FrontendConnection
from tests.fakes.worker import LISTENER, FakeWorld


def make(world: FakeWorld) -> Http1FrontendFactory:
    worker = world.worker
    listener = world.applier.listeners[LISTENER]
    return Http1FrontendFactory(Entrance(listener, worker.means, worker.sessions, worker.wheel))


@pytest.mark.parametrize(
    ("address", "source", "peer"),
    [
        (IPv4Address("TCP", "192.0.2.1", 1234), "192.0.2.1", "192.0.2.1:1234"),
        (IPv6Address("TCP", "2001:db8::1", 1234), "2001:db8::1", "[2001:db8::1]:1234"),
        (UNIXAddress(b"/run/client.sock"), "unix", "unix:0"),
        (UNIXAddress(None), "unix", "unix:0"),
        (None, "unix", "unix:0"),
    ],
)
def test_a_client_is_known_by_its_address(address, source: str, peer: str):
    connection = make(FakeWorld("A")).buildProtocol(address)
    assert type(connection) is Http1FrontendConnection
    assert connection.session.source == source
    assert connection.session.peer == peer


def test_each_client_gets_a_connection_and_a_name_of_its_own_and_is_counted():
    world = FakeWorld("A")
    factory = make(world)
    made = [factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", n)) for n in range(3)]
    assert len({id(one) for one in made}) == 3
    assert len({one.session.id_text for one in made}) == 3
    counters = world.applier.listeners[LISTENER].counters
    assert counters.accepted == 3
    assert counters.connections == 0  # nobody is connected before makeConnection


def test_it_is_quiet():
    assert Http1FrontendFactory.noisy is False
