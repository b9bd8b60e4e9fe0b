"""The Connector: what is leased, replaced, kept and closed; and what a dial may come to."""

from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure

from sozutw.backend.factory import CheckedConnector, Connector, Http1BackendFactory, failure_of
from sozutw.config.model import Backend, UnixAddress
from sozutw.relay.ports import DialFailure
from tests.backend.owners import Bench
from tests.balancing.witnesses import Witness

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


# Leasing.


def test_a_fresh_connection_is_in_both_tables_before_it_is_dialled():
    bench = Bench()
    owner = bench.owner()
    seen = []

    def dial(address: Any, factory: Any, seconds: float, tls: Any) -> Any:
        assert tls is None
        (token,) = owner.session.leases
        seen.append((bench.pool.find(token) is not None, bench.sessions.find(token), seconds))

    bench.dialler.dial = dial  # type: ignore[method-assign]
    connection = bench.lease(owner)
    assert seen == [(True, owner.session, 3.0)]
    assert not connection.is_open
    assert not connection.is_reused
    assert (bench.state.connections, bench.state.active_requests) == (1, 1)
    assert (bench.state.counters.pool_misses, bench.state.counters.pool_hits) == (1, 0)


def test_an_idle_connection_is_leased_under_a_name_of_its_own():
    bench = Bench()
    idle, transport = bench.idle()
    owner = bench.owner()
    assert bench.lease(owner) is idle
    assert idle.is_open
    assert idle.is_reused
    assert idle.owner is owner
    assert len(bench.dialler.dials) == 1
    assert owner.session.leases == {idle.token}
    assert (bench.state.counters.pool_misses, bench.state.counters.pool_hits) == (1, 1)
    assert not transport.disconnecting


def test_no_token_is_used_twice():
    bench = Bench()
    seen = set()
    for _ in range(5):
        owner = bench.owner()
        connection = bench.lease(owner)
        if bench.dialler.pending:
            bench.dialler.complete()
        assert connection.token not in seen
        seen.add(connection.token)
        owner.send()
        bench.dialler.dials[0].transport.receive(EMPTY)
        bench.give_back(owner)
        assert connection.token is None
    assert len(bench.dialler.dials) == 1


def test_two_exchanges_never_share_a_connection():
    bench = Bench()
    bench.idle()
    first, second = bench.owner(), bench.owner()
    assert bench.lease(first) is not bench.lease(second)
    assert len(bench.dialler.pending) == 1


@pytest.mark.parametrize("sure", [False, True])
def test_only_who_cannot_ask_twice_looks_before(sure: bool):
    bench = Bench()
    idle, transport = bench.idle()
    transport.still_open = False  # it hung up, and the loop has not told us
    owner = bench.owner()
    connection = bench.lease(owner, sure=sure)
    assert (connection is idle) is not sure
    assert transport.disconnecting is sure
    assert len(bench.dialler.pending) == sure
    assert len(owner.session.leases) == 1


def test_of_several_idle_ones_the_first_that_is_open_is_taken():
    bench = Bench()
    owners = [bench.open() for _ in range(3)]
    for owner, _, transport in owners:
        owner.send()
        transport.receive(EMPTY)
        bench.give_back(owner)
    for _, _, transport in owners[1:]:
        transport.still_open = False
    connection = bench.lease(bench.owner(), sure=True)
    assert connection is owners[0][1]
    assert [transport.disconnecting for _, _, transport in owners] == [False, True, True]
    assert len(bench.pool) == 1


def test_a_backend_over_a_unix_socket_is_dialled_like_any():
    bench = Bench(forget_name=pytest.fail)
    state = bench.cluster.upsert(Backend("app", "U", UnixAddress("/run/x.sock")))
    owner = bench.owner()
    bench.lease(owner, state)
    assert bench.dialler.dials[0].address == UnixAddress("/run/x.sock")
    bench.dialler.fail()
    assert owner.take() == ["failed: refused"]


# What a dial comes to.


def test_a_dial_that_succeeds_is_measured_and_ends_a_back_off():
    bench = Bench()
    for _ in range(3):
        bench.state.connect_failed(bench.clock.seconds(), 0.5)
    bench.advance(60)
    owner = bench.owner()
    bench.lease(owner)
    bench.clock.advance(0.5)
    bench.dialler.complete()
    assert owner.take() == ["connected"]
    counters = bench.state.counters
    assert counters.connection_time.sum_us == 500_000
    assert not bench.state.backoff.failures
    assert bench.state.is_available(bench.clock.seconds())


@pytest.mark.parametrize(
    ("reason", "failure", "is_blamed"),
    [
        (error.ConnectionRefusedError(), DialFailure.REFUSED, True),
        (error.NoRouteError(), DialFailure.REFUSED, True),
        (error.ConnectError(), DialFailure.REFUSED, True),
        (error.TimeoutError(), DialFailure.TIMED_OUT, True),
        (error.UserError(), DialFailure.TIMED_OUT, True),
        (OSError(24, "Too many open files"), DialFailure.NO_DESCRIPTOR, False),
    ],
)
def test_a_dial_that_fails_is_told_and_blamed_on_whose_fault_it_is(
    reason: Exception, failure: DialFailure, is_blamed: bool
):
    forgotten: list[str] = []
    bench = Bench(forget_name=forgotten.append)
    owner = bench.owner()
    connection = bench.lease(owner)
    bench.dialler.fail(reason=reason)
    assert owner.take() == [f"failed: {failure.value}"]
    assert bench.state.counters.connect_errors == is_blamed
    assert bool(bench.state.backoff.failures) is is_blamed
    assert forgotten == (["10.1.0.1"] if is_blamed else [])
    assert connection.token is None
    assert len(bench.pool) == 0
    assert owner.session.leases == set()
    bench.check()


def test_every_reason_means_something():
    assert failure_of(Failure(ValueError())) is DialFailure.REFUSED


def test_a_backend_that_goes_down_and_comes_up_is_counted():
    bench = Bench()
    owner = bench.owner()
    for _ in range(8):
        bench.lease(owner)
        bench.dialler.fail()
        bench.clock.advance(1000)
    counters = bench.state.counters
    assert (counters.connect_errors, counters.down, counters.up) == (8, 1, 0)
    bench.lease(owner)
    bench.dialler.complete()
    assert (counters.down, counters.up) == (1, 1)


def test_a_dial_that_is_given_up_is_cancelled_and_its_outcome_finds_nobody():
    bench = Bench()
    owner = bench.owner()
    connection = bench.lease(owner)
    factory = bench.dialler.dials[0].factory
    connection.drop()
    assert bench.dialler.dials[0].is_cancelled
    assert len(bench.pool) == 0
    # Even from a dialler that forgets to cancel.
    assert factory.buildProtocol(IPv4Address("TCP", "10.1.0.1", 80)) is None
    factory.clientConnectionFailed(None, Failure(error.ConnectionRefusedError()))
    assert owner.take() == []
    assert bench.state.counters.connect_errors == 0
    bench.check()


def test_the_factory_of_a_dial_is_quiet():
    assert Http1BackendFactory.noisy is False


# Giving back.


def test_what_is_given_back_is_idle_and_for_so_long():
    bench = Bench(idle_seconds_max=5.0)
    connection, transport = bench.idle()
    assert connection.owner is None
    assert bench.pool.idle(bench.state) == (connection,)
    bench.advance(4.75)
    assert not transport.disconnecting
    bench.advance(1)
    assert transport.disconnected
    assert len(bench.pool) == 0


def test_each_idle_time_begins_anew():
    bench = Bench(idle_seconds_max=5.0)
    _, transport = bench.idle()
    for _ in range(3):
        bench.advance(4)
        owner = bench.owner()
        bench.lease(owner)
        owner.send()
        transport.receive(EMPTY)
        bench.give_back(owner)
    assert not transport.disconnecting
    assert len(bench.dialler.dials) == 1


def test_what_cannot_be_used_again_is_closed():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.receive(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    bench.give_back(owner)
    assert transport.disconnecting
    assert len(bench.pool) == 0


def test_what_still_waits_to_send_an_upload_is_closed():
    bench = Bench()
    owner, _, transport = bench.asked()
    transport.fill()
    transport.receive(EMPTY)
    bench.give_back(owner)
    assert transport.disconnecting


def test_what_was_paused_is_read_again_so_that_its_end_is_seen():
    bench = Bench()
    owner, connection, transport = bench.asked()
    connection.pause()
    transport.is_reading = True  # these bytes were read before
    transport.receive(EMPTY)
    transport.is_reading = False
    bench.give_back(owner)
    assert transport.is_reading
    transport.hang_up()
    assert transport.disconnecting
    assert len(bench.pool) == 0


def test_the_longest_idle_one_makes_room():
    bench = Bench(idle_max=1)
    one, two = bench.open(), bench.open()
    for owner, _, transport in (one, two):
        owner.send()
        transport.receive(EMPTY)
        bench.give_back(owner)
    assert one[2].disconnecting
    assert not two[2].disconnecting
    assert bench.pool.idle(bench.state) == (two[1],)


def test_a_removed_backend_s_connections_are_closed_idle_at_once_and_leased_in_the_end():
    bench = Bench()
    one, two = bench.asked(), bench.asked()
    one[2].receive(EMPTY)
    bench.give_back(one[0])
    assert len(bench.pool) == 2
    bench.cluster.remove("A", bench.state.address)
    bench.connector.retire(bench.state)
    assert one[2].disconnecting
    assert not two[2].disconnecting
    two[2].receive(EMPTY)
    assert two[0].take() == ["started 200 and ended"]
    bench.give_back(two[0])
    assert two[2].disconnecting
    assert len(bench.pool) == 0
    assert bench.state.connections == 0


def test_a_witness_hears_when_the_last_connection_of_a_removed_backend_is_gone():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    one, two = bench.asked(), bench.asked()
    one[2].receive(EMPTY)
    bench.give_back(one[0])
    two[2].receive(EMPTY)
    bench.cluster.remove("A", bench.state.address)
    bench.connector.retire(bench.state)
    assert heard.heard == []
    bench.give_back(two[0])
    assert heard.heard == [("vacated", "A")]


def test_a_witness_hears_it_at_once_of_one_that_had_no_connection():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    bench.cluster.remove("A", bench.state.address)
    bench.connector.retire(bench.state)
    assert heard.heard == [("vacated", "A")]


def test_a_witness_hears_it_once_of_one_whose_connections_were_all_idle():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    bench.idle()
    bench.cluster.remove("A", bench.state.address)
    bench.connector.retire(bench.state)
    assert heard.heard == [("vacated", "A")]


def test_a_backend_that_came_back_meanwhile_is_not_told_as_gone():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    owner, _connection, transport = bench.asked()
    retired = bench.state
    bench.cluster.remove("A", retired.address)
    bench.connector.retire(retired)
    bench.backend("A")
    transport.receive(EMPTY)
    bench.give_back(owner)
    assert retired.connections == 0
    assert heard.heard == []


def test_a_witness_hears_it_of_one_whose_last_connection_is_replaced_by_another_s():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    other = bench.backend("B")
    owner, connection, _transport = bench.asked()
    bench.cluster.remove("A", bench.state.address)
    bench.connector.retire(bench.state)
    assert heard.heard == []
    owner.back = bench.connector.replace(connection, other, owner, 3.0)
    assert heard.heard == [("vacated", "A")]


def test_a_witness_hears_of_one_that_is_down_and_of_its_return():
    bench = Bench()
    heard = bench.cluster.witness = Witness()
    while not bench.state.backoff.is_down():
        owner = bench.owner()
        bench.lease(owner)
        bench.dialler.fail()
        owner.back.drop()
        assert heard.heard == ([("down", "A")] if bench.state.backoff.is_down() else [])
        bench.advance(65.0)
    bench.open()
    assert heard.heard == [("down", "A"), ("up", "A")]
    bench.open()
    assert heard.heard == [("down", "A"), ("up", "A")]


def test_what_is_still_configured_is_not_retired():
    bench = Bench()
    with pytest.raises(AssertionError):
        bench.connector.retire(bench.state)


def test_idle_connections_can_be_closed_of_all_backends():
    bench = Bench()
    other = bench.backend("B")
    transports = [bench.idle(state)[1] for state in (bench.state, other)]
    bench.connector.close_all_idle()
    assert [transport.disconnecting for transport in transports] == [True, True]
    assert len(bench.pool) == 0
    bench.check()


def test_everything_can_be_closed():
    bench = Bench()
    _, idle = bench.idle()
    other = bench.backend("B")
    owner, _, busy = bench.open(other)
    dialling = bench.lease(bench.owner(), other)
    bench.connector.close_all()
    assert idle.disconnecting
    assert busy.disconnecting
    assert bench.dialler.dials[-1].is_cancelled
    assert dialling.token is None
    assert owner.take() == []
    assert len(bench.pool) == 0
    bench.check()


# Replacing.


def test_what_hung_up_is_replaced_in_one_step():
    bench = Bench()
    owner, hung_up, transport = bench.asked()
    old = hung_up.token
    fresh = bench.connector.replace(hung_up, bench.state, owner, 3.0)
    owner.back = fresh
    bench.check()
    assert bench.sessions.find(old) is None
    assert bench.pool.find(old) is None
    assert fresh.token is not None
    assert fresh.token > old
    assert owner.session.leases == {fresh.token}
    assert hung_up.owner is None
    assert transport.is_aborted
    assert (bench.state.connections, bench.state.active_requests) == (1, 1)


def test_what_replaces_may_be_at_another_backend():
    bench = Bench()
    other = bench.backend("B")
    owner, hung_up, _ = bench.asked()
    owner.back = bench.connector.replace(hung_up, other, owner, 3.0)
    bench.check()
    assert (bench.state.connections, bench.state.active_requests) == (0, 0)
    assert (other.connections, other.active_requests) == (1, 1)


def test_nothing_late_of_what_hung_up_reaches_its_successor():
    bench = Bench()
    owner, hung_up, transport = bench.asked()
    owner.back = bench.connector.replace(hung_up, bench.state, owner, 3.0)
    hung_up.dataReceived(EMPTY)
    hung_up.pauseProducing()
    hung_up.resumeProducing()
    hung_up.resume()
    hung_up.write(b"late")
    hung_up.readConnectionLost()
    transport.turn()
    bench.advance(0.25)
    assert transport.disconnected
    assert owner.take() == []
    hung_up.drop()
    bench.check()
    assert len(bench.pool) == 1


def test_the_old_deadline_is_gone_and_the_fresh_dial_has_its_own():
    bench = Bench()
    owner, hung_up, _ = bench.asked()
    bench.advance(29)
    owner.back = bench.connector.replace(hung_up, bench.state, owner, 3.0)
    bench.advance(2)
    assert owner.take() == []
    bench.advance(1.25)
    assert owner.take() == ["failed: timed out"]


# The sweep.


def test_the_checked_one_sweeps_after_each_change(monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    swept: list[str] = []
    monkeypatch.setattr(Connector, "check_invariants", lambda self: swept.append("both"))
    monkeypatch.setattr(type(bench.pool), "check_invariants", lambda self: swept.append("pool"))
    assert isinstance(bench.connector, CheckedConnector)
    owner, connection, transport = bench.open()
    assert "both" in swept
    swept.clear()
    owner.send()
    transport.receive(EMPTY)
    bench.connector.give_back(connection)
    assert swept == ["both"]
    swept.clear()
    connection.drop()
    assert swept == ["pool"]
    owner.back = bench.connector.lease(bench.state, owner, 3.0, sure=False)
    swept.clear()
    bench.connector.replace(owner.back, bench.state, owner, 3.0)
    assert swept == ["both"]


@pytest.mark.parametrize("spoil", ["lease without session", "owner gone", "another's owner"])
def test_the_sweep_sees_what_the_two_tables_tell_differently(spoil: str):
    bench = Bench()
    owner, connection, _ = bench.open()
    match spoil:
        case "lease without session":
            bench.sessions.forget(connection.token)
        case "owner gone":
            connection.owner = None
        case "another's owner":
            connection.owner = bench.owner()
    assert owner.session.token is not None
    with pytest.raises(AssertionError):
        bench.connector.check_invariants()
