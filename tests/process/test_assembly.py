"""A worker put together: every setting reaches the part that it is for."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock

from sozutw.backend.factory import CheckedConnector, Connector
from sozutw.config.model import HttpListener, InetAddress, Settings
from sozutw.process.assembly import Worker
from sozutw.relay.route import ListenerState
from sozutw.sessions.session import Session
from tests.fakes.transport import FakeDialler, FakeTransport
from tests.fakes.worker import FakeWorld, NoChance, ok

ADDRESS = InetAddress("10.0.0.1", 8080)


def make(settings: Settings | None = None, **options) -> Worker:
    return Worker(settings or Settings(), Clock(), FakeDialler(), lambda _: None, **options)


def test_settings_reach_the_means():
    worker = make(
        Settings(
            replay=False,
            dials_max=7,
            buffer_size=20_000,
            max_connections_per_ip=5,
            retry_after=9,
        )
    )
    means = worker.means
    assert means.replays is False
    assert means.dials_max == 7
    assert means.head_bytes_max == 20_000
    assert means.places_per_address == 5
    assert means.retry_after == 9
    assert means.counters is worker.counters
    assert means.connector is worker.connector
    assert means.address_counts is worker.sessions.address_counts


def test_the_limit_on_sessions_is_kept_and_told():
    worker = make(sessions_max=3)
    assert worker.counters.client_connections_max == 3
    factory = worker.factory_of(ListenerState(HttpListener(ADDRESS)))
    transports = []
    for port in range(4):
        address = IPv4Address("TCP", "192.0.2.1", 1000 + port)
        transports.append(FakeTransport(peer=address).connect(factory.buildProtocol(address)))
    assert len(worker.sessions) == 3
    assert [transport.is_aborted for transport in transports] == [False, False, False, True]
    worker.check_invariants()


def test_chance_is_the_caller_s_or_a_new_one():
    chance = NoChance()
    assert make(chance=chance).means.random() == 0.5
    drawn = {make().means.random() for _ in range(5)}
    assert len(drawn) == 5
    assert all(0 <= value < 1 for value in drawn)


def test_ids_are_ulids_of_this_moment():
    one, other = make().means, make().means
    ids = [one.new_id(), one.new_id(), other.new_id()]
    assert len(set(ids)) == 3
    assert {len(name) for name in ids} == {26}


@pytest.mark.parametrize(("is_checked", "kind"), [(False, Connector), (True, CheckedConnector)])
def test_invariants_are_swept_where_that_was_asked(is_checked: bool, kind: type):
    assert type(make(is_checked=is_checked).connector) is kind


def test_the_sweep_looks_at_pool_and_sessions_together():
    worker = make()
    worker.check_invariants()
    session = Session(None, "a", "a:1", 0.0, b"")  # type: ignore[arg-type]
    worker.sessions.admit(session)
    worker.check_invariants()
    worker.sessions.register(worker.sessions.tokens.issue(), session)
    with pytest.raises(AssertionError):  # a lease of no connection
        worker.check_invariants()


def test_every_kind_of_address_gets_a_connection():
    worker = make()
    listener = ListenerState(HttpListener(ADDRESS))
    factory = worker.factory_of(listener)
    for address, source, peer in [
        (IPv4Address("TCP", "192.0.2.1", 1234), "192.0.2.1", "192.0.2.1:1234"),
        (IPv6Address("TCP", "2001:db8::1", 1234), "2001:db8::1", "[2001:db8::1]:1234"),
        (UNIXAddress(b"/run/x.sock"), "unix", "unix:0"),
    ]:
        connection = factory.buildProtocol(address)
        FakeTransport(peer=address).connect(connection)
        assert (connection.session.source, connection.session.peer) == (source, peer)
    assert listener.counters.accepted == 3
    assert listener.counters.connections == 3


def test_the_pool_keeps_as_many_as_the_settings_say():
    world = FakeWorld("A", settings=Settings(backend_idle_connections_max=1))
    clients = [world.client() for _ in range(3)]
    transports = []
    for client in clients:
        client.get()
        transports.append(world.connect())
    for transport in transports:
        transport.receive(ok(b"1"))
    assert world.worker.connector.pool.idle_total == 1
    assert [transport.disconnecting for transport in transports] == [True, True, False]
    world.assert_baseline()


def test_an_idle_connection_is_kept_as_long_as_the_settings_say():
    world = FakeWorld("A", settings=Settings(backend_idle_timeout=5.0))
    client = world.client()
    client.get()
    transport = world.connect()
    transport.receive(ok(b"1"))
    world.advance(4.5)
    assert not transport.disconnecting
    world.advance(1.0)
    assert transport.disconnected
    world.assert_baseline()


def test_what_stops_gives_the_sessions_their_grace_and_no_more():
    world = FakeWorld("A", settings=Settings(graceful_shutdown_timeout=4.0))
    client = world.client()
    client.get()
    world.connect()
    outcome: list[object] = []
    world.worker.sessions.drain().addBoth(outcome.append)
    world.advance(3.5)
    assert outcome == []
    world.advance(1.0)
    assert outcome == [None]
    assert client.is_closed
    world.assert_baseline()


def test_a_full_worker_evicts_if_the_settings_say_so():
    world = FakeWorld("A", settings=Settings(evict_on_queue_full=True), sessions_max=2)
    clients = [world.client() for _ in range(2)]
    world.advance(1.0)
    assert not world.worker.sessions.has_room()  # an abort is heard of a turn later
    world.turn()
    assert world.worker.sessions.has_room()
    assert clients[0].is_closed
    assert not clients[1].is_closed
    assert world.worker.counters.sessions_evicted == 1
    world.assert_baseline()


def test_a_name_whose_server_refused_is_asked_for_again():
    forgotten: list[str] = []
    world = FakeWorld("A")
    world.worker.connector._forget_name = forgotten.append
    client = world.client()
    client.get()
    world.refuse()
    assert forgotten == ["10.1.0.1"]
    client.reset()
    world.assert_baseline()
