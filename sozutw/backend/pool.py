"""
The ConnectionPool: which backend connections are idle, and which are leased under which token.

It does no I/O and knows no time; every operation is O(1). Whoever calls it closes what it
says to close. Idle connections stand in their BackendState, last in, first out: the one that
was used last is the one least likely to have been closed. Its story is told in
backend/LIFECYCLE.md.
"""

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from sozutw.balancing.backends import BackendState
from sozutw.sessions.tokens import Token


class Pooled(Protocol):
    """What the pool knows of a connection. Only the pool writes ``token``."""

    state: BackendState
    token: Token | None
    """Under which it is leased; None while it is idle, and after it was dropped."""


C = TypeVar("C", bound=Pooled)


class ConnectionPool(Generic[C]):
    """Every connection is idle under its own backend, or leased under its own token."""

    __slots__ = ("_idle_max", "_leased", "_states", "idle_total")

    def __init__(self, idle_max: int) -> None:
        assert idle_max >= 0
        self._idle_max = idle_max
        self._leased: dict[Token, C] = {}
        self._states: dict[BackendState, int] = {}
        self.idle_total = 0

    def lease(self, connection: C, token: Token) -> None:
        """Register a fresh connection under a fresh token, before any event of it can come."""
        assert connection.token is None
        assert token not in self._leased
        connection.token = token
        self._leased[token] = connection
        state = connection.state
        state.connections += 1
        state.active_requests += 1
        self._states[state] = self._states.get(state, 0) + 1

    def check_out(self, state: BackendState, token: Token) -> C | None:
        """
        Take the connection that went idle last, under a fresh token; None when there is none.

        It has left the idle ones when this returns: two requests cannot take it.
        """
        assert token not in self._leased
        if not state.idle:
            return None
        connection: C = state.idle.popitem()[0]
        assert connection.token is None
        assert connection.state is state
        self.idle_total -= 1
        connection.token = token
        self._leased[token] = connection
        state.active_requests += 1
        return connection

    def check_in(self, connection: C) -> C | None:
        """
        End a lease and keep the connection idle; its token is retired.

        Returns a connection to close: this one if its backend takes nothing new or keeps
        none, the one that has been idle for longest if there are too many; it is still idle,
        and closing it must drop it.
        """
        token = connection.token
        assert token is not None
        state = connection.state
        del self._leased[token]
        connection.token = None
        state.active_requests -= 1
        state.idle[connection] = None
        self.idle_total += 1
        if state.is_retired:
            return connection
        if len(state.idle) > self._idle_max:
            oldest: C = next(iter(state.idle))
            return oldest
        return None

    def drop(self, connection: C) -> None:
        """Nobody may find this connection again; it was idle or leased, and is neither now."""
        state = connection.state
        token = connection.token
        if token is not None:
            del self._leased[token]
            connection.token = None
            state.active_requests -= 1
        else:
            del state.idle[connection]
            self.idle_total -= 1
        state.connections -= 1
        left = self._states[state] - 1
        if left:
            self._states[state] = left
        else:
            del self._states[state]

    def replace(self, hung_up: C, fresh: C, token: Token) -> None:
        """
        Drop the connection that hung up and register ``fresh``, in one step.

        ``token`` is new: a late event, timer or command that names the old one finds nothing,
        and can never reach the successor.
        """
        assert fresh is not hung_up
        assert token != hung_up.token
        self.drop(hung_up)
        self.lease(fresh, token)

    def find(self, token: Token) -> C | None:
        """Return the connection that is leased under ``token``; None when it is retired."""
        return self._leased.get(token)

    def idle(self, state: BackendState) -> tuple[C, ...]:
        """Return a backend's idle connections, the longest idle first."""
        return tuple(state.idle)

    def some_idle(self) -> C | None:
        """Return an idle connection of whichever backend, one that has rested long; or None."""
        for state in self._states:
            for connection in state.idle:
                oldest: C = connection
                return oldest
        return None

    def leased(self) -> Iterable[tuple[Token, C]]:
        """Return all leases, as they are now."""
        return tuple(self._leased.items())

    def idle_connections(self) -> Iterable[C]:
        """Return all idle connections, as they are now."""
        return tuple(connection for state in self._states for connection in state.idle)

    def __len__(self) -> int:
        return len(self._leased) + self.idle_total

    def check_invariants(self) -> None:
        """Sweep everything: what the class says is true, and the counts agree with it."""
        leased: dict[BackendState, int] = {}
        for token, connection in self._leased.items():
            assert connection.token == token
            assert connection not in connection.state.idle
            leased[connection.state] = leased.get(connection.state, 0) + 1
        idle_total = 0
        for state, total in self._states.items():
            for connection in state.idle:
                assert connection.state is state
                assert connection.token is None
            idle_total += len(state.idle)
            assert state.active_requests == leased.get(state, 0)
            assert state.connections == total == len(state.idle) + state.active_requests
        assert idle_total == self.idle_total
        assert leased.keys() <= self._states.keys()
