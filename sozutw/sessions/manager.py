"""
The SessionManager: which token names which session, and how many sessions there may be.

It owns both tables: client tokens and lease tokens map to the session that holds them. It
does no I/O of its own; what it closes, it closes by asking the session's connection. Its story
is told in sessions/LIFECYCLE.md.
"""

import heapq
from collections.abc import Callable, Iterable

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from typing_extensions import override

from sozutw.metrics.counters import WorkerCounters
from sozutw.sessions.limits import AddressCounts, evicted_at_once, resume_below
from sozutw.sessions.session import GONE, NOWHERE, Session
from sozutw.sessions.tokens import Token, Tokens


class SessionManager(Service):
    """
    Admit sessions, name them and their leases, and see them out.

    ``admit`` answers with a value: None means that there is no place. ``on_room`` is called
    when a full worker can accept again.
    """

    def __init__(
        self,
        clock: IReactorTime,
        tokens: Tokens,
        counters: WorkerCounters,
        sessions_max: int,
        *,
        evicts: bool = False,
        zombie_seconds: float = 1800.0,
        grace_seconds: float = 30.0,
    ) -> None:
        self._clock = clock
        self.tokens = tokens
        self._counters = counters
        self._sessions_max = sessions_max
        self._resume_below = resume_below(sessions_max)
        self._evicts = evicts
        self._zombie_seconds = zombie_seconds
        self.grace_seconds: float | None = grace_seconds
        """How long a drain waits; None: as long as it takes."""
        self._by_token: dict[Token, Session] = {}
        self._admitted: dict[Session, None] = {}
        self._was_full = False
        self._leaving: set[Session] = set()
        """Evicted, but not gone yet: an abort is heard of a turn later."""
        self._awaits_room = False
        self.is_draining = False
        self.address_counts = AddressCounts()
        self.on_room: Callable[[], None] = lambda: None
        self._sweep = LoopingCall(self.sweep_zombies)
        self._sweep.clock = clock
        self._emptied: Deferred[None] | None = None
        self._grace: IDelayedCall | None = None

    @override
    def startService(self) -> None:
        super().startService()
        if self._zombie_seconds > 0:
            _ = self._sweep.start(self._zombie_seconds, now=False)

    @override
    def stopService(self) -> Deferred[None]:
        """Drain: the Deferred fires when the last session is gone or the grace period is over."""
        super().stopService()
        if self._sweep.running:
            self._sweep.stop()
        return self.drain()

    def drain(self) -> Deferred[None]:
        """
        Admit nobody, and let each client go with its next answer; a second call only waits.

        Who asks for nothing stays until the grace period is over.
        """
        done: Deferred[None] = Deferred()
        if self._emptied is None:
            self.is_draining = True
            self._emptied = Deferred()
            if self.grace_seconds is not None:
                self._grace = self._clock.callLater(self.grace_seconds, self.abort_all)
            for session in list(self._admitted):
                session.connection.drain()
            if not self._admitted:
                self._report_empty()
        self._emptied.addBoth(lambda _: done.callback(None))
        return done

    def drain_within(self, seconds: float) -> None:
        """Let a drain that is under way be over in so many seconds at most; else nothing."""
        if self._emptied is None or self._emptied.called:
            return
        end = self._clock.seconds() + seconds
        if self._grace is not None and self._grace.active():
            if self._grace.getTime() <= end:
                return
            self._grace.cancel()
        self._grace = self._clock.callLater(seconds, self.abort_all)

    def seconds_left(self) -> float | None:
        """
        Return how long a drain may still take; None: as long as it takes.

        0 if its time is over, or none is under way.
        """
        grace = self._grace
        if self.is_draining and self.grace_seconds is None and grace is None:
            return None
        if grace is None or not grace.active():
            return 0.0
        return max(0.0, grace.getTime() - self._clock.seconds())

    def abort_all(self) -> None:
        """Close every session at once, whatever it is doing."""
        for session in list(self._admitted):
            session.connection.abort()

    def drain_of(self, listener: object) -> None:
        """
        Let the clients of a listener that is gone have one more answer, then go.

        Nothing but their own patience bounds that: ``front_timeout`` between two requests.
        """
        for session in list(self._admitted):
            if session.connection.came_in_at(listener):
                session.connection.drain()

    def has_room(self) -> bool:
        """
        Return whether a client may be accepted now.

        A full worker evicts its longest idle sessions, if it is told to; there is room when
        the first of them has gone. Otherwise it stays full until fewer than nine places in
        ten are taken.
        """
        taken = len(self._admitted)
        if self.is_draining:
            return False
        if taken < (self._resume_below if self._was_full else self._sessions_max):
            return True
        if self._evicts and self._evict():
            self._was_full = False
            self._awaits_room = len(self._admitted) >= self._sessions_max
            return not self._awaits_room
        self._was_full = True
        return False

    def admit(self, session: Session) -> Token | None:
        """Name a new session, or return None when there is no place for it."""
        assert session.token is None
        if len(self._admitted) >= self._sessions_max or self.is_draining:
            return None
        token = self.tokens.issue()
        session.token = token
        self._by_token[token] = session
        self._admitted[session] = None
        return token

    def register(self, token: Token, session: Session) -> None:
        """Let a lease's token name its session, before any event of the lease can arrive."""
        assert token not in self._by_token
        assert session.token is not None
        self._by_token[token] = session
        session.leases.add(token)

    def forget(self, token: Token) -> None:
        """Retire a lease's token: from now on it names nothing, for ever."""
        session = self._by_token.pop(token)
        session.leases.remove(token)

    def dismiss(self, session: Session) -> None:
        """
        The session is over; its leases were given back before.

        Whoever waits for a place, or for the last session to end, is told.
        """
        token = session.token
        assert token is not None
        assert not session.leases
        del self._by_token[token]
        del self._admitted[session]
        session.token = None
        session.connection = GONE
        if session.clusters:
            self.address_counts.leave(session.clusters, session.source)
            session.clusters = NOWHERE
        self._leaving.discard(session)
        if self._was_full and len(self._admitted) < self._resume_below:
            self._was_full = False
            self.on_room()
        elif self._awaits_room:
            self._awaits_room = False
            self.on_room()
        if self.is_draining and not self._admitted:
            self._report_empty()

    def find(self, token: Token) -> Session | None:
        """Return the session that a token names, or None when the token is retired or unknown."""
        return self._by_token.get(token)

    def sessions(self) -> Iterable[Session]:
        """Return the sessions that are admitted now, oldest first."""
        return tuple(self._admitted)

    def __len__(self) -> int:
        return len(self._admitted)

    def sweep_zombies(self) -> None:
        """
        Close sessions that are overdue: silent for longer than they may be, by an interval.

        A tunnel may be quiet for longer than the interval; its own patience says so.
        """
        overdue_since = self._clock.seconds() - self._zombie_seconds
        for session in list(self._admitted):
            connection = session.connection
            if connection.active_at() + connection.patience_seconds() < overdue_since:
                self._counters.zombies += 1
                session.connection.abort()

    def check_invariants(self) -> None:
        """Every token names a session that knows the token; nothing else is in the tables."""
        assert len(self._admitted) <= self._sessions_max
        named = 0
        for session in self._admitted:
            assert session.token is not None
            assert self._by_token[session.token] is session
            named += 1
            for token in session.leases:
                assert self._by_token[token] is session
                assert token != session.token
                named += 1
        assert named == len(self._by_token)
        assert self._leaving <= self._admitted.keys()
        self.address_counts.check_invariants()

    def _evict(self) -> bool:
        """Return whether sessions give way; those that were idle for longest do."""
        leaving = self._leaving
        if leaving:
            return True
        idle = [s for s in self._admitted if s.connection.is_idle()]
        count = evicted_at_once(self._sessions_max)
        evicted = heapq.nsmallest(count, idle, key=lambda s: s.connection.active_at())
        leaving.update(evicted)
        for session in evicted:
            self._counters.sessions_evicted += 1
            session.connection.abort()
        return bool(evicted)

    def _report_empty(self) -> None:
        if self._grace is not None and self._grace.active():
            self._grace.cancel()
        self._grace = None
        assert self._emptied is not None
        if not self._emptied.called:
            self._emptied.callback(None)
