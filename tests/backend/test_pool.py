"""The ConnectionPool: each operation, and all of them against the simplest model there is."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sozutw.backend.pool import ConnectionPool
from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import Backend, Cluster, InetAddress
from sozutw.sessions.tokens import Token, Tokens

IDLE_MAX = 2


class Connection:
    """A connection that is nothing but itself."""

    def __init__(self, state: BackendState) -> None:
        self.state = state
        self.token: Token | None = None


Pool = ConnectionPool[Connection]


def backend(name: str = "A") -> BackendState:
    cluster = ClusterState(Cluster("app"))
    return cluster.upsert(Backend("app", name, InetAddress("10.1.0.1", 80)))


def leased(pool: Pool, state: BackendState, token: int) -> Connection:
    connection = Connection(state)
    pool.lease(connection, Token(token))
    pool.check_invariants()
    return connection


def went_idle(pool: Pool, state: BackendState, token: int) -> Connection:
    connection = leased(pool, state, token)
    assert pool.check_in(connection) is None
    pool.check_invariants()
    return connection


def counts(state: BackendState) -> tuple[int, int, int]:
    return state.connections, state.active_requests, len(state.idle)


# One operation at a time.


def test_a_new_pool_holds_nothing():
    pool = Pool(IDLE_MAX)
    assert len(pool) == pool.idle_total == 0
    assert pool.find(Token(1)) is None
    assert pool.check_out(backend(), Token(1)) is None
    assert tuple(pool.leased()) == tuple(pool.idle_connections()) == ()
    pool.check_invariants()


def test_a_fresh_connection_is_leased_under_its_token():
    pool, state = Pool(IDLE_MAX), backend()
    connection = leased(pool, state, 1)
    assert pool.find(Token(1)) is connection
    assert tuple(pool.leased()) == ((1, connection),)
    assert counts(state) == (1, 1, 0)
    assert len(pool) == 1


def test_a_connection_checked_in_is_idle_and_its_token_names_nothing():
    pool, state = Pool(IDLE_MAX), backend()
    connection = went_idle(pool, state, 1)
    assert connection.token is None
    assert pool.find(Token(1)) is None
    assert pool.idle(state) == tuple(pool.idle_connections()) == (connection,)
    assert counts(state) == (1, 0, 1)
    assert (len(pool), pool.idle_total) == (1, 1)


def test_a_connection_checked_out_is_idle_no_more():
    pool, state = Pool(IDLE_MAX), backend()
    connection = went_idle(pool, state, 1)
    assert pool.check_out(state, Token(2)) is connection
    assert pool.check_out(state, Token(3)) is None
    assert pool.find(Token(2)) is connection
    assert counts(state) == (1, 1, 0)
    pool.check_invariants()


def test_the_connection_that_was_used_last_is_taken_first():
    pool, state = Pool(IDLE_MAX), backend()
    older, newer = leased(pool, state, 1), leased(pool, state, 2)
    pool.check_in(older)
    pool.check_in(newer)
    assert pool.idle(state) == (older, newer)
    assert pool.check_out(state, Token(3)) is newer
    assert pool.check_out(state, Token(4)) is older


def test_some_idle_connection_is_found_whosever_it_is():
    pool = Pool(4)
    a, b = backend("A"), backend("B")
    assert pool.some_idle() is None
    leased(pool, a, 1)
    assert pool.some_idle() is None
    older = went_idle(pool, b, 2)
    went_idle(pool, b, 3)
    assert pool.some_idle() is older


def test_one_backend_s_idle_connections_are_no_other_s():
    pool, a, b = Pool(IDLE_MAX), backend("A"), backend("B")
    went_idle(pool, a, 1)
    assert pool.check_out(b, Token(2)) is None
    assert pool.idle(b) == ()


def test_the_longest_idle_one_is_to_be_closed_when_there_are_too_many():
    pool, state = Pool(IDLE_MAX), backend()
    oldest, older, newest = (leased(pool, state, n) for n in (1, 2, 3))
    assert pool.check_in(oldest) is None
    assert pool.check_in(older) is None
    assert pool.check_in(newest) is oldest
    # It is still there: closing it drops it, and not before.
    assert counts(state) == (3, 0, 3)
    pool.drop(oldest)
    assert pool.idle(state) == (older, newest)
    pool.check_invariants()


def test_a_pool_that_keeps_none_gives_back_each():
    pool, state = Pool(0), backend()
    connection = leased(pool, state, 1)
    assert pool.check_in(connection) is connection
    pool.drop(connection)
    assert len(pool) == 0
    assert counts(state) == (0, 0, 0)
    pool.check_invariants()


def test_a_retired_backend_keeps_none():
    pool, state = Pool(IDLE_MAX), backend()
    connection = leased(pool, state, 1)
    state.is_retired = True
    assert pool.check_in(connection) is connection
    pool.drop(connection)
    assert len(pool) == 0
    pool.check_invariants()


@pytest.mark.parametrize("is_idle", [True, False])
def test_a_dropped_connection_is_nowhere(is_idle: bool):
    pool, state = Pool(IDLE_MAX), backend()
    connection = (went_idle if is_idle else leased)(pool, state, 1)
    pool.drop(connection)
    assert connection.token is None
    assert pool.find(Token(1)) is None
    assert pool.idle(state) == ()
    assert pool.check_out(state, Token(2)) is None
    assert counts(state) == (0, 0, 0)
    assert (len(pool), pool.idle_total) == (0, 0)
    pool.check_invariants()


def test_dropping_one_leaves_its_neighbours():
    pool, state = Pool(IDLE_MAX), backend()
    idle, busy = went_idle(pool, state, 1), leased(pool, state, 3)
    pool.drop(leased(pool, state, 4))
    assert pool.idle(state) == (idle,)
    assert tuple(pool.leased()) == ((3, busy),)
    assert counts(state) == (2, 1, 1)
    pool.check_invariants()


@pytest.mark.parametrize("is_idle", [True, False])
def test_nothing_is_dropped_twice(is_idle: bool):
    pool = Pool(IDLE_MAX)
    connection = (went_idle if is_idle else leased)(pool, backend(), 1)
    pool.drop(connection)
    with pytest.raises(KeyError):
        pool.drop(connection)


def test_what_replaces_a_connection_has_another_name():
    pool, state = Pool(IDLE_MAX), backend()
    hung_up = leased(pool, state, 1)
    fresh = Connection(state)
    pool.replace(hung_up, fresh, Token(2))
    assert pool.find(Token(1)) is None
    assert pool.find(Token(2)) is fresh
    assert hung_up.token is None
    assert counts(state) == (1, 1, 0)
    pool.check_invariants()


def test_what_replaces_a_connection_may_lead_to_another_backend():
    pool, a, b = Pool(IDLE_MAX), backend("A"), backend("B")
    hung_up = leased(pool, a, 1)
    pool.replace(hung_up, Connection(b), Token(2))
    assert counts(a) == (0, 0, 0)
    assert counts(b) == (1, 1, 0)
    pool.check_invariants()


def test_an_old_name_is_not_given_to_a_successor():
    pool, state = Pool(IDLE_MAX), backend()
    hung_up = leased(pool, state, 1)
    with pytest.raises(AssertionError):
        pool.replace(hung_up, Connection(state), Token(1))
    with pytest.raises(AssertionError):
        pool.replace(hung_up, hung_up, Token(2))


def test_a_token_names_one_connection():
    pool, state = Pool(IDLE_MAX), backend()
    went_idle(pool, state, 1)
    leased(pool, state, 2)
    with pytest.raises(AssertionError):
        pool.lease(Connection(state), Token(2))
    with pytest.raises(AssertionError):
        pool.check_out(state, Token(2))


def test_a_connection_has_one_token():
    pool, state = Pool(IDLE_MAX), backend()
    connection = leased(pool, state, 1)
    with pytest.raises(AssertionError):
        pool.lease(connection, Token(2))


def test_an_idle_connection_cannot_be_checked_in_again():
    pool, state = Pool(IDLE_MAX), backend()
    connection = went_idle(pool, state, 1)
    with pytest.raises(AssertionError):
        pool.check_in(connection)


# What the sweep sees.


def spoil_token(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    busy.token = Token(99)


def spoil_idle_token(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    idle.token = Token(99)


def spoil_both_places(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    state.idle[busy] = None


def spoil_place(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    idle.state = backend("B")


def spoil_requests(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    state.active_requests += 1


def spoil_connections(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    state.connections -= 1


def spoil_idle_total(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    pool.idle_total += 1


def spoil_states(pool: Pool, state: BackendState, busy: Connection, idle: Connection) -> None:
    pool._states.clear()
    pool.idle_total = 0


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_token,
        spoil_idle_token,
        spoil_both_places,
        spoil_place,
        spoil_requests,
        spoil_connections,
        spoil_idle_total,
        spoil_states,
    ],
)
def test_the_sweep_sees_what_does_not_agree(spoil: Callable[..., None]):
    pool, state = Pool(IDLE_MAX), backend()
    idle, busy = went_idle(pool, state, 1), leased(pool, state, 2)
    spoil(pool, state, busy, idle)
    with pytest.raises(AssertionError):
        pool.check_invariants()


# All of it against a model: two lists and a set of names that were retired.


class PoolModel(RuleBasedStateMachine):
    """What the pool shall be: ``busy`` by token, ``idle`` by backend in their order."""

    make: ClassVar[Callable[[], Any]] = lambda: Pool(IDLE_MAX)

    def __init__(self) -> None:
        super().__init__()
        self.pool: Any = type(self).make()
        self.tokens = Tokens()
        self.cluster = ClusterState(Cluster("app"))
        self.serial = 0
        self.backends = [self.new_backend() for _ in range(2)]
        self.all_backends = list(self.backends)
        self.busy: dict[Token, Connection] = {}
        self.idle: dict[BackendState, list[Connection]] = {}
        self.gone: list[Connection] = []
        self.retired_tokens: set[Token] = set()

    def new_backend(self) -> BackendState:
        self.serial += 1
        address = InetAddress("10.1.0.1", 80 + self.serial)
        return self.cluster.upsert(Backend("app", "A", address))

    def known(self) -> list[Connection]:
        idle = [connection for entries in self.idle.values() for connection in entries]
        return [*self.busy.values(), *idle]

    def forget(self, connection: Connection) -> Token | None:
        """Take a connection out of the model; return its token, if it was leased."""
        self.gone.append(connection)
        for token, leased_one in self.busy.items():
            if leased_one is connection:
                del self.busy[token]
                self.retired_tokens.add(token)
                return token
        self.idle[connection.state].remove(connection)
        return None

    @rule(index=st.integers(0, 9))
    def lease(self, index: int) -> None:
        connection = Connection(self.backends[index % len(self.backends)])
        token = self.tokens.issue()
        self.pool.lease(connection, token)
        self.busy[token] = connection

    @rule(index=st.integers(0, 9))
    def check_out(self, index: int) -> None:
        state = self.backends[index % len(self.backends)]
        token = self.tokens.issue()
        found = self.pool.check_out(state, token)
        entries = self.idle.get(state, [])
        assert found is (entries.pop() if entries else None)
        if found is not None:
            self.busy[token] = found

    @precondition(lambda self: self.busy)
    @rule(index=st.integers(0, 9))
    def check_in(self, index: int) -> None:
        token, connection = list(self.busy.items())[index % len(self.busy)]
        del self.busy[token]
        self.retired_tokens.add(token)
        entries = self.idle.setdefault(connection.state, [])
        entries.append(connection)
        surplus = self.pool.check_in(connection)
        if connection.state.is_retired:
            assert surplus is connection
        elif len(entries) > IDLE_MAX:
            assert surplus is entries[0]
        else:
            assert surplus is None
        if surplus is not None:
            self.pool.drop(surplus)
            self.forget(surplus)

    @precondition(lambda self: self.known())
    @rule(index=st.integers(0, 9))
    def drop(self, index: int) -> None:
        known = self.known()
        lost = known[index % len(known)]
        self.forget(lost)
        self.pool.drop(lost)

    @precondition(lambda self: self.known())
    @rule(index=st.integers(0, 9), other=st.integers(0, 9))
    def hang_up(self, index: int, other: int) -> None:
        """Idle or leased: what hung up is replaced, perhaps by a connection elsewhere."""
        known = self.known()
        lost = known[index % len(known)]
        retired = self.forget(lost)
        successor = Connection(self.backends[other % len(self.backends)])
        token = self.tokens.issue()
        self.pool.replace(lost, successor, token)
        self.busy[token] = successor
        assert retired is None or self.pool.find(retired) is None

    @rule(index=st.integers(0, 9))
    def retire(self, index: int) -> None:
        """A backend leaves the configuration, and another comes; leases end as they will."""
        state = self.backends.pop(index % len(self.backends))
        state.is_retired = True
        self.cluster.remove(state.backend_id, state.address)
        for connection in self.pool.idle(state):
            self.pool.drop(connection)
            self.forget(connection)
        self.backends.append(self.new_backend())
        self.all_backends.append(self.backends[-1])

    @invariant()
    def the_sweep_agrees(self) -> None:
        self.pool.check_invariants()

    @invariant()
    def the_model_agrees(self) -> None:
        pool = self.pool
        assert dict(pool.leased()) == self.busy
        for token, connection in self.busy.items():
            assert pool.find(token) is connection
            assert connection.token == token
        for token in self.retired_tokens:
            assert pool.find(token) is None
        idle_total = 0
        for state in self.all_backends:
            idle = self.idle.get(state, [])
            idle_total += len(idle)
            assert list(pool.idle(state)) == idle
            busy = sum(1 for connection in self.busy.values() if connection.state is state)
            assert state.active_requests == busy
            assert state.connections == busy + len(idle)
            assert len(idle) <= IDLE_MAX
            assert not (state.is_retired and idle)
        assert pool.idle_total == idle_total
        assert sorted(map(id, pool.idle_connections())) == sorted(
            id(connection) for entries in self.idle.values() for connection in entries
        )
        assert len(pool) == idle_total + len(self.busy)
        for connection in self.gone:
            assert connection.token is None


TestPoolModel = PoolModel.TestCase
TestPoolModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


# Defects, each put in on purpose: the model must notice every one of them, and without the help
# of the pool's own sweep, which would have been broken by the same hand.


class Unswept(ConnectionPool[Connection]):
    def check_invariants(self) -> None:
        pass


class TokenKeptAlive(Unswept):
    """``drop`` forgets the connection and not its name."""

    def drop(self, connection: Connection) -> None:
        token = connection.token
        super().drop(connection)
        if token is not None:
            self._leased[token] = connection


class TokenKeptAliveByCheckIn(Unswept):
    def check_in(self, connection: Connection) -> Connection | None:
        token = connection.token
        assert token is not None
        surplus = super().check_in(connection)
        self._leased[token] = connection
        return surplus


class OldNameForTheSuccessor(Unswept):
    """``replace`` registers the successor under the old name too."""

    def replace(self, hung_up: Connection, fresh: Connection, token: Token) -> None:
        old = hung_up.token
        super().replace(hung_up, fresh, token)
        if old is not None:
            self._leased[old] = fresh


class IdleEntryKept(Unswept):
    """``drop`` of an idle connection leaves it for the next request."""

    def drop(self, connection: Connection) -> None:
        was_idle = connection.token is None
        super().drop(connection)
        if was_idle:
            connection.state.idle[connection] = None


class IdleEntryKeptByReplace(Unswept):
    def replace(self, hung_up: Connection, fresh: Connection, token: Token) -> None:
        was_idle = hung_up.token is None
        super().replace(hung_up, fresh, token)
        if was_idle:
            hung_up.state.idle[hung_up] = None


class CheckedOutAndStillIdle(Unswept):
    """``check_out`` does not remove: two requests take the same connection."""

    def check_out(self, state: BackendState, token: Token) -> Connection | None:
        connection = super().check_out(state, token)
        if connection is not None:
            state.idle[connection] = None
        return connection


class OldestTakenFirst(Unswept):
    def check_out(self, state: BackendState, token: Token) -> Connection | None:
        idle = list(state.idle)
        state.idle.clear()
        state.idle.update(dict.fromkeys(reversed(idle)))
        return super().check_out(state, token)


class CounterDecrementedTwice(Unswept):
    """``drop`` of a leased connection ends two requests."""

    def drop(self, connection: Connection) -> None:
        was_leased = connection.token is not None
        super().drop(connection)
        if was_leased:
            connection.state.active_requests -= 1


class ConnectionCountedTwice(Unswept):
    def check_out(self, state: BackendState, token: Token) -> Connection | None:
        connection = super().check_out(state, token)
        if connection is not None:
            state.connections += 1
        return connection


class IdleTotalDrifts(Unswept):
    def drop(self, connection: Connection) -> None:
        was_idle = connection.token is None
        super().drop(connection)
        self.idle_total += was_idle


class RetiredBackendKept(Unswept):
    """``check_in`` keeps a connection to a backend that is configured no more."""

    def check_in(self, connection: Connection) -> Connection | None:
        surplus = super().check_in(connection)
        return None if connection.state.is_retired else surplus


class SurplusKept(Unswept):
    def check_in(self, connection: Connection) -> Connection | None:
        surplus = super().check_in(connection)
        return surplus if connection.state.is_retired else None


@pytest.mark.parametrize(
    "broken",
    [
        TokenKeptAlive,
        TokenKeptAliveByCheckIn,
        OldNameForTheSuccessor,
        IdleEntryKept,
        IdleEntryKeptByReplace,
        CheckedOutAndStillIdle,
        OldestTakenFirst,
        CounterDecrementedTwice,
        ConnectionCountedTwice,
        IdleTotalDrifts,
        RetiredBackendKept,
        SurplusKept,
    ],
)
def test_the_model_kills_a_broken_pool(broken: type[Unswept]):
    class Broken(PoolModel):
        make = lambda: broken(IDLE_MAX)  # noqa: E731

    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(
            Broken,
            settings=settings(
                max_examples=300,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
