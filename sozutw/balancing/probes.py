"""
When which backend is probed, and what the outcomes make of it: health checks without a socket.

Every cluster that is checked has rounds: its interval apart, and the part of it longer that
hangs on the cluster's id, so that clusters are not probed in step. A round asks every backend
that is not being asked already. Who probes asks here for what is to begin, and tells here how
it ended. The time is an argument.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Final, NamedTuple

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.balancing.hrw import digest
from sozutw.config.policies import HealthCheck

BEGUN_AT_ONCE_MAX: Final = 32
"""How many probes begin before others of the loop have their turn."""
JITTER_MAX: Final = 0.2
"""The part of the interval that may be added to it."""

_ROUNDING: Final = 1e-6
"""A clock that adds floats may be short by so much of what it promised."""
_LEFTOVERS_MAX: Final = 64


def jitter_of(cluster_id: str) -> float:
    """Return the part of its interval that is added for this cluster, the same in every process."""
    return digest(cluster_id.encode()) / 2**64 * JITTER_MAX


class Followed(NamedTuple):
    """What a change of the configuration brought at once."""

    given_up: list["Probe"]
    """Probes under way whose outcome means nothing any more."""
    recovered: list[BackendState]
    """Those that were unhealthy under a check that is no more: they count as healthy now."""


@dataclass(slots=True, eq=False)
class Probe:
    """One question to one backend, from its begin until its outcome or until it is given up."""

    state: BackendState
    check: HealthCheck
    due: float
    """When it has failed."""
    watch: "_Watch"
    is_over: bool = False


@dataclass(slots=True, eq=False)
class _Watch:
    """One cluster under one check; with another check it is another."""

    cluster: ClusterState
    check: HealthCheck
    seconds: float
    """From one round to the next."""
    is_over: bool = False
    asked: dict[BackendState, Probe | None] = field(default_factory=dict)
    """Who is being probed; None: who waits for it."""
    contrary: dict[BackendState, int] = field(default_factory=dict)
    """How many outcomes in a row, the last ones, speak against what a backend counts as."""


class Probes:
    """All that is probed in one worker; at most ``under_way_max`` at a time."""

    def __init__(self, under_way_max: int) -> None:
        assert under_way_max > 0
        self._under_way_max = under_way_max
        self._watches: dict[str, _Watch] = {}
        self._under_way: dict[Probe, None] = {}
        self._waiting: deque[tuple[_Watch, BackendState]] = deque()
        self._agenda: list[tuple[float, int, _Watch | Probe]] = []
        """When rounds begin and probes are overdue; what is over is left in it for a while."""
        self._number: Callable[[], int] = count().__next__

    def __len__(self) -> int:
        """How many probes are under way."""
        return len(self._under_way)

    def follow(self, cluster_id: str, cluster: ClusterState | None, now: float) -> Followed:
        """
        Probe the cluster with that id as it is configured now; None: there is none.

        It may be called after any change, and does nothing where nothing of this changed.
        Under another check every count begins anew, and what a backend counts as stays until
        the counts say otherwise. Without a check all count as healthy.
        """
        check = None if cluster is None else cluster.cluster.health_check
        watch = self._watches.get(cluster_id)
        followed = Followed([], [])
        if watch is not None:
            if watch.cluster is cluster and watch.check == check:
                return followed
            del self._watches[cluster_id]
            followed.given_up.extend(self._give_up(watch))
            if cluster is not None and check is None:
                followed.recovered.extend(s for s in cluster.backends if s.set_health(True))
                for state in followed.recovered:
                    state.counters.health_up += 1
        if cluster is not None and check is not None:
            jitter = check.interval * jitter_of(cluster_id)
            watch = _Watch(cluster, check, check.interval + jitter)
            self._watches[cluster_id] = watch
            self._plan(now + jitter, watch)
        return followed

    def watches(self, cluster_id: str) -> bool:
        """Whether the cluster with that id is probed."""
        return cluster_id in self._watches

    def clear(self) -> list[Probe]:
        """Probe nothing any more; return the probes that are given up."""
        watches, self._watches = self._watches, {}
        given_up = [probe for watch in watches.values() for probe in self._give_up(watch)]
        self._waiting.clear()
        self._agenda.clear()
        return given_up

    def advance(self, now: float) -> list[Probe]:
        """Let it be ``now``; return the probes that are overdue, each for the caller to end."""
        overdue: list[Probe] = []
        while self._agenda and self._agenda[0][0] <= now + _ROUNDING:
            _, _, item = heapq.heappop(self._agenda)
            if item.is_over:
                continue
            if isinstance(item, Probe):
                overdue.append(item)
            else:
                self._begin_round(item, now)
        return overdue

    def begin(self, now: float) -> list[Probe]:
        """Return the probes that begin now: as many as there is room for, and not too many."""
        begun: list[Probe] = []
        while self._has_work() and len(begun) < BEGUN_AT_ONCE_MAX:
            watch, state = self._waiting.popleft()
            if watch.is_over:
                continue
            if state.is_retired:
                del watch.asked[state]
                continue
            probe = Probe(state, watch.check, now + watch.check.timeout, watch)
            watch.asked[state] = probe
            self._under_way[probe] = None
            self._plan(probe.due, probe)
            begun.append(probe)
        return begun

    def ended(self, probe: Probe, succeeded: bool | None) -> bool:
        """
        Take the outcome of a probe; True if its backend counts as something else from now on.

        None: there is no outcome, for a reason of our own. What was given up, and what a
        retired backend does, changes nothing.
        """
        if probe.is_over:
            return False
        self._leave(probe)
        state = probe.state
        if succeeded is None or state.is_retired:
            return False
        if succeeded:
            state.counters.health_successes += 1
        else:
            state.counters.health_failures += 1
        return self._judge(probe, state, succeeded)

    def next_due(self) -> float:
        """Return when there is something to do: ``inf`` for never, ``-inf`` for at once."""
        if self._has_work():
            return -inf
        agenda = self._agenda
        while agenda and agenda[0][2].is_over:
            heapq.heappop(agenda)
        return agenda[0][0] if agenda else inf

    def check_invariants(self) -> None:
        """Assert what always holds; for tests and development runs."""
        assert len(self._under_way) <= self._under_way_max
        for probe in self._under_way:
            assert not probe.is_over
            assert probe.watch.asked[probe.state] is probe
        waiting = {(watch, state) for watch, state in self._waiting if not watch.is_over}
        planned = {item for _, _, item in self._agenda if not item.is_over}
        asked = 0
        for watch in self._watches.values():
            assert not watch.is_over
            assert watch in planned
            for state, under_way in watch.asked.items():
                asked += under_way is not None
                assert (under_way is None) == ((watch, state) in waiting)
        assert asked == len(self._under_way)

    # Inside

    def _has_work(self) -> bool:
        return bool(self._waiting) and len(self._under_way) < self._under_way_max

    def _begin_round(self, watch: _Watch, now: float) -> None:
        for state in [state for state in watch.contrary if state.is_retired]:
            del watch.contrary[state]
        for state in watch.cluster.backends:
            if state not in watch.asked:
                watch.asked[state] = None
                self._waiting.append((watch, state))
        self._plan(now + watch.seconds, watch)

    def _judge(self, probe: Probe, state: BackendState, succeeded: bool) -> bool:
        contrary = probe.watch.contrary
        if succeeded is state.is_healthy:
            contrary.pop(state, None)
            return False
        check = probe.check
        counted = contrary.pop(state, 0) + 1
        if counted < (check.healthy_threshold if succeeded else check.unhealthy_threshold):
            contrary[state] = counted
            return False
        if succeeded:
            state.counters.health_up += 1
        else:
            state.counters.health_down += 1
        return state.set_health(succeeded)

    def _give_up(self, watch: _Watch) -> list[Probe]:
        watch.is_over = True
        given_up = [probe for probe in watch.asked.values() if probe is not None]
        for probe in given_up:
            self._leave(probe)
        return given_up

    def _leave(self, probe: Probe) -> None:
        probe.is_over = True
        del self._under_way[probe]
        del probe.watch.asked[probe.state]

    def _plan(self, due: float, item: _Watch | Probe) -> None:
        heapq.heappush(self._agenda, (due, self._number(), item))
        if len(self._agenda) > 2 * (len(self._watches) + len(self._under_way)) + _LEFTOVERS_MAX:
            self._agenda = [entry for entry in self._agenda if not entry[2].is_over]
            heapq.heapify(self._agenda)
