"""
The Connector: leases backend connections to exchanges, idle ones first, dialled ones else.

It is the one place where pool and SessionManager change together, so that a token is in both
or in neither. It must not know what an exchange is for. Its story is told in
backend/LIFECYCLE.md.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from twisted.internet import error
from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.backend.http1 import Http1BackendConnection
from sozutw.backend.pool import ConnectionPool
from sozutw.balancing.backends import BackendState
from sozutw.config.model import BackendAddress, InetAddress
from sozutw.config.security import BackendTls
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.ports import BackOwner, BackSide, DialFailure
from sozutw.sessions.manager import SessionManager
from sozutw.transport.losses import OUT_OF_DESCRIPTORS, NotSecuredError
from sozutw.transport.patience import Wheel
from sozutw.transport.socket_facts import is_still_open

LOOK_AFTER_SECONDS: Final = 0.05
"""An idle connection is looked at before its next request when it was idle for so long."""


_log = Logger()


class Dialler(Protocol):
    """What begins a connect; ``transport.dial.StreamDialler``, or a fake."""

    def dial(
        self,
        address: BackendAddress,
        factory: Any,
        seconds_max: float,
        tls: BackendTls | None = None,
    ) -> Any:
        """Begin; the factory hears of the outcome from the loop, unless ``cancel`` came first."""


class Http1BackendFactory(ClientFactory):
    """Hand the socket of one dial to the connection that waits for it."""

    noisy = False

    def __init__(
        self, connection: Http1BackendConnection, ended: Callable[[BackendState, bool], None]
    ) -> None:
        self._connection = connection
        self._ended = ended

    @override
    def buildProtocol(self, addr: IAddress | None) -> Http1BackendConnection | None:
        connection = self._connection
        if connection.owner is None:
            return None  # Given up; a late success must not come back to life.
        self._ended(connection.state, True)
        return connection

    @override
    def clientConnectionFailed(self, connector: IConnector | None, reason: Failure) -> None:
        connection = self._connection
        if connection.owner is None:
            return
        failure = failure_of(reason)
        if failure is not DialFailure.NO_DESCRIPTOR:  # that is our own fault
            self._ended(connection.state, False)
        text = str(reason.value) if failure is DialFailure.NOT_SECURED else ""
        connection.dial_failed(failure, text)


def failure_of(reason: Failure) -> DialFailure:
    """Return what a failed dial means for the exchange."""
    if isinstance(reason.value, error.TimeoutError | error.UserError):
        return DialFailure.TIMED_OUT
    if isinstance(reason.value, OSError) and reason.value.errno in OUT_OF_DESCRIPTORS:
        return DialFailure.NO_DESCRIPTOR  # A name that is not found is an OSError too.
    if isinstance(reason.value, NotSecuredError):
        return DialFailure.NOT_SECURED
    return DialFailure.REFUSED


class Connector:
    """Lease, replace and retire connections; provides ``relay.ports.Connector``."""

    def __init__(  # noqa: PLR0913 - all that it works with is put in here
        self,
        dialler: Dialler,
        pool: ConnectionPool[Http1BackendConnection],
        sessions: SessionManager,
        wheel: Wheel,
        counters: WorkerCounters,
        random: Callable[[], float],
        *,
        idle_seconds_max: float = 30.0,
        head_bytes_max: int = 16_393,
        forget_name: Callable[[str], None] | None = None,
        connections_max: int = 10_000,
    ) -> None:
        self._dialler = dialler
        self.pool = pool
        self.sessions = sessions
        self._wheel = wheel
        self._counters = counters
        self._random = random
        self._idle_seconds_max = idle_seconds_max
        self._head_bytes_max = head_bytes_max
        self._forget_name = forget_name
        self._connections_max = connections_max
        self._issue = sessions.tokens.issue
        self._now = wheel.now

    def lease(
        self, state: BackendState, owner: BackOwner, seconds: float, *, sure: bool
    ) -> BackSide:
        """Return an idle connection that is open, or a new one that is being dialled."""
        while state.idle:
            token = self._issue()
            connection = self.pool.check_out(state, token)
            assert connection is not None
            self.sessions.register(token, owner.session)
            idle_since = connection.patience.touched
            if (sure or self._now() - idle_since >= LOOK_AFTER_SECONDS) and not is_still_open(
                connection.transport
            ):
                connection.drop()  # It hung up, or said more, and nobody had told us yet.
                continue
            connection.owner = owner
            state.counters.pool_hits += 1
            return connection
        state.counters.pool_misses += 1
        if len(self.pool) >= self._connections_max:
            # Descriptors are planned for one a client: those that rest elsewhere give way.
            resting = self.pool.some_idle()
            if resting is not None:
                resting.drop()
        connection = self._fresh(state)
        token = self._issue()
        self.pool.lease(connection, token)
        self.sessions.register(token, owner.session)
        return self._dial(connection, owner, seconds)

    def replace(
        self, hung_up: BackSide, state: BackendState, owner: BackOwner, seconds: float
    ) -> BackSide:
        """
        Drop ``hung_up`` and register a fresh connection under a fresh token, in one step.

        The old one is detached first: no event, timer or command can reach its successor.
        """
        assert isinstance(hung_up, Http1BackendConnection)
        assert hung_up.token is not None
        self.sessions.forget(hung_up.token)
        self._note_loss(hung_up)
        hung_up.detach()
        connection = self._fresh(state)
        token = self._issue()
        self.pool.replace(hung_up, connection, token)
        self._count()
        left = hung_up.state
        if left.is_retired and not left.connections:
            self._vacated(left)
        self.sessions.register(token, owner.session)
        return self._dial(connection, owner, seconds)

    def retire(self, state: BackendState) -> None:
        """
        A backend was removed: its idle connections close now, the leased ones when they end.

        ``state.is_retired`` must be set already, so that none comes back.
        """
        assert state.is_retired
        if not state.connections:
            self._vacated(state)
        for connection in self.pool.idle(state):
            connection.drop()

    def close_all_idle(self) -> None:
        """Close every idle connection: the worker stops."""
        for connection in self.pool.idle_connections():
            connection.drop()

    def close_all(self) -> None:
        """Close everything, leased connections too; their exchanges hear nothing."""
        self.close_all_idle()
        for _, connection in self.pool.leased():
            connection.drop()

    def check_invariants(self) -> None:
        """Pool and SessionManager tell the same story: every lease has its session."""
        self.pool.check_invariants()
        self.sessions.check_invariants()
        leased = dict(self.pool.leased())
        held = {token for session in self.sessions.sessions() for token in session.leases}
        assert held == leased.keys()
        for token, connection in leased.items():
            assert connection.owner is not None
            assert connection.owner.session is self.sessions.find(token)

    def _fresh(self, state: BackendState) -> Http1BackendConnection:
        return Http1BackendConnection(
            state,
            self._wheel,
            self._head_bytes_max,
            self.dropped,
        )

    def _dial(
        self, connection: Http1BackendConnection, owner: BackOwner, seconds: float
    ) -> BackSide:
        connection.owner = owner
        self._count()
        began = self._now()

        def ended(state: BackendState, succeeded: bool) -> None:
            now = self._now()
            if succeeded:
                self._succeeded(state, now, now - began)
            else:
                self._failed(state, now)

        factory = Http1BackendFactory(connection, ended)
        state = connection.state
        tls = state.cluster.cluster.backend_tls
        connection.dial = self._dialler.dial(state.address, factory, seconds, tls)
        return connection

    def _succeeded(self, state: BackendState, now: float, seconds: float) -> None:
        state.counters.connection_time.add(int(seconds * 1e6))
        if state.connect_succeeded(now, seconds):
            state.counters.up += 1
            _log.info(
                "{backend} of {cluster} is up", backend=state.backend_id, cluster=state.cluster
            )
            state.cluster.witness.backend_come_up(state)

    def _failed(self, state: BackendState, now: float) -> None:
        state.counters.connect_errors += 1
        if state.connect_failed(now, self._random()):
            state.counters.down += 1
            _log.error(
                "{backend} of {cluster} is down: it could not be reached for many times",
                backend=state.backend_id,
                cluster=state.cluster,
            )
            state.cluster.witness.backend_gone_down(state)
        address = state.address
        if self._forget_name is not None and isinstance(address, InetAddress):
            self._forget_name(address.host)

    def give_back(self, back: BackSide) -> None:
        """
        A lease ended well: its token is retired, its connection idle, if it can be used again.

        Hot: what the connection has to forget is forgotten here, which saves a frame.
        """
        connection = cast("Http1BackendConnection", back)
        token = connection.token
        assert token is not None
        if not connection.is_reusable or connection.is_full:
            connection.drop()  # The next request may not wait behind an upload that nobody reads.
            return
        connection.owner = None
        connection.is_reused = True
        connection.is_reusable = False
        patience = connection.patience  # It was touched by the last bytes, in this very turn.
        if patience.seconds != self._idle_seconds_max:
            patience.allow(self._idle_seconds_max)
        if connection.is_paused:
            connection.read_on()
        surplus = self.pool.check_in(connection)
        self.sessions.forget(token)
        if surplus is not None:
            surplus.drop()

    def dropped(self, connection: Http1BackendConnection) -> None:
        """A connection is gone, leased or idle."""
        token = connection.token
        if token is not None:
            self.sessions.forget(token)
        self._note_loss(connection)
        self.pool.drop(connection)
        self._count()
        state = connection.state
        if state.is_retired and not state.connections:
            self._vacated(state)

    def _vacated(self, state: BackendState) -> None:
        """Tell that a retired backend has no connection left, unless it has come back meanwhile."""
        cluster = state.cluster
        if not cluster.has(state.backend_id, state.address):
            cluster.witness.backend_vacated(state)

    def _note_loss(self, connection: Http1BackendConnection) -> None:
        """A backend may say in the language of TLS, after its handshake, that it refuses us."""
        if connection.loss_text:
            self._failed(connection.state, self._now())

    def _count(self) -> None:
        self._counters.backend_connections = len(self.pool)


class CheckedConnector(Connector):
    """A Connector that sweeps all invariants after each change; for tests and development."""

    @override
    def lease(
        self, state: BackendState, owner: BackOwner, seconds: float, *, sure: bool
    ) -> BackSide:
        side = super().lease(state, owner, seconds, sure=sure)
        self.check_invariants()
        return side

    @override
    def replace(
        self, hung_up: BackSide, state: BackendState, owner: BackOwner, seconds: float
    ) -> BackSide:
        side = super().replace(hung_up, state, owner, seconds)
        self.check_invariants()
        return side

    @override
    def give_back(self, back: BackSide) -> None:
        super().give_back(back)
        self.check_invariants()

    @override
    def dropped(self, connection: Http1BackendConnection) -> None:
        super().dropped(connection)
        self.pool.check_invariants()
        self.sessions.check_invariants()
