"""
What is known of a cluster and of each of its backends while requests flow to them.

Configured values (``config.model``) are frozen and replaced; the states here stay, so that
a change of weight forgets neither a back-off nor a connection.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

from typing_extensions import override

from sozutw.balancing.health import PeakEwma
from sozutw.balancing.hrw import digest
from sozutw.balancing.policies import Maglev, Policy, Random, make_policy
from sozutw.balancing.retry import Backoff
from sozutw.balancing.witness import NOBODY, Witness
from sozutw.config.model import Backend, BackendAddress, Cluster, LoadBalancing
from sozutw.metrics.counters import BackendCounters, ClusterCounters
from sozutw.wire.message import RequestHead

Affinity = Callable[[RequestHead, bytes], bytes | None]
"""From a request's head and its client's address to the key that HRW and MAGLEV go by."""

_KEYED = frozenset({LoadBalancing.HRW, LoadBalancing.MAGLEV})


def by_source(head: RequestHead, peer: bytes) -> bytes | None:  # noqa: ARG001
    """The affinity of a cluster that asks for none: the client's address."""
    return peer


class BackendState:
    """
    One backend: what is going on with it. Identity is the object.

    It lives as long as anyone holds it: after ``is_retired`` it takes no new exchange, and
    those under way end as they would.
    """

    __slots__ = (
        "active_requests",
        "address",
        "address_text",
        "backend",
        "backend_id",
        "backoff",
        "cluster",
        "connect_seconds",
        "connections",
        "counters",
        "idle",
        "is_healthy",
        "is_retired",
        "seed",
        "sticky_value",
        "weight",
    )

    def __init__(self, backend: Backend, cluster: "ClusterState") -> None:
        self.cluster = cluster
        self.backend_id = backend.backend_id
        self.address: BackendAddress = backend.address
        self.address_text = str(backend.address)
        """As the access log tells it."""
        self.is_retired = False
        """Removed from the configuration; set once, by ClusterState."""
        self.is_healthy = True
        """The verdict of the health checks; changed by ``set_health`` only."""
        self.active_requests = 0
        """Leases."""
        self.connections = 0
        """Sockets open or opening."""
        self.idle: dict[Any, None] = {}
        """Belongs to ``backend.pool``."""
        self.backoff = Backoff()
        self.connect_seconds = PeakEwma()
        self.counters = BackendCounters()
        self.seed = digest(f"{backend.backend_id} {backend.address}".encode())
        self.reconfigured(backend)

    @override
    def __repr__(self) -> str:
        signs = ", retired" * self.is_retired + ", unhealthy" * (not self.is_healthy)
        return f"<BackendState {self.backend_id} {self.address}{signs}>"

    def reconfigured(self, backend: Backend) -> None:
        """Take over a new value for the same id and address; for ClusterState to call."""
        assert (backend.backend_id, backend.address) == (self.backend_id, self.address)
        self.backend = backend
        self.weight = max(1, backend.weight)
        self.sticky_value = (backend.sticky_id or backend.backend_id).encode()

    def is_available(self, now: float) -> bool:
        """Whether it may be chosen in the ordinary way: configured, healthy, not backing off."""
        return self.is_healthy and not self.is_retired and now >= self.backoff.until

    def connect_failed(self, now: float, random: float) -> bool:
        """A dial failed. True if the backend is down from now on: the caller counts and tells."""
        went_down = self.backoff.failed(now, random)
        self.cluster.backend_changed(self)
        return went_down

    def connect_succeeded(self, now: float, seconds: float) -> bool:
        """A dial took so long and succeeded. True if the backend was down until now."""
        self.connect_seconds.observed(now, seconds)
        if not self.backoff.failures:
            return False
        came_up = self.backoff.succeeded()
        self.cluster.backend_changed(self)
        return came_up

    def set_health(self, is_healthy: bool) -> bool:
        """Set the health checks' verdict. True if that changed it."""
        if self.is_healthy is is_healthy:
            return False
        self.is_healthy = is_healthy
        self.cluster.health_changed(self)
        return True


class ClusterState:
    """
    One cluster: its backends, and which of them is next.

    Changes only mark the policies stale; the next choice makes them anew, so that a batch
    of changes costs one. MAGLEV's table alone is built aside: see ``rebuild``.
    """

    __slots__ = (
        "_backends",
        "_backups",
        "_by_key",
        "_by_sticky_value",
        "_compile_affinity",
        "_everyone",
        "_is_out",
        "_is_stale",
        "_primaries",
        "_troubled",
        "_unhealthy_total",
        "_version",
        "affinity",
        "cluster",
        "counters",
        "needs_rebuild",
        "quick_pick",
        "witness",
    )

    def __init__(
        self,
        cluster: Cluster,
        compile_affinity: Callable[[str | None], Affinity] = lambda _spec: by_source,
        witness: Witness = NOBODY,
    ) -> None:
        self.cluster = cluster
        self.witness = witness
        self.counters = ClusterCounters()
        self.needs_rebuild = False
        """A table of MAGLEV is out of date; ``rebuild`` makes it anew."""
        self._compile_affinity = compile_affinity
        self.affinity: Affinity | None = None
        """None if the policy goes by no key."""
        self._by_key: dict[tuple[str, BackendAddress], BackendState] = {}
        self._backends: tuple[BackendState, ...] = ()
        self._by_sticky_value: dict[bytes, list[BackendState]] = {}
        self._primaries: Policy[BackendState] | None = None
        self._backups: Policy[BackendState] | None = None
        self._everyone: Policy[BackendState] | None = None
        self._is_stale = False
        self._version = 0
        # Those unhealthy or with a failure since their last success. While there are none, nobody
        # must be asked whether he is available.
        self._troubled: set[BackendState] = set()
        self._unhealthy_total = 0
        self._is_out = False
        self.quick_pick: Callable[[float, bytes | None, Random], BackendState] | None = None
        """
        Hot: ``choose`` without its frame, for who has nobody to avoid. None while anything is
        wrong or new; look each time, and keep no copy.
        """
        """What chooses while nothing is wrong, for callers that count frames; else ``choose``."""
        self._compile()

    @override
    def __repr__(self) -> str:
        return f"<ClusterState {self.cluster.cluster_id}: {len(self._by_key)} backends>"

    # Configuration

    def reconfigure(self, cluster: Cluster) -> None:
        """Take over a new value for the same cluster; its backends and their states stay."""
        assert cluster.cluster_id == self.cluster.cluster_id
        self.cluster = cluster
        self._compile()
        self._changed()

    def upsert(self, backend: Backend) -> BackendState:
        """Add a backend, or change the one with that id and address, whose state stays."""
        assert backend.cluster_id == self.cluster.cluster_id
        key = (backend.backend_id, backend.address)
        state = self._by_key.get(key)
        if state is None:
            state = self._by_key[key] = BackendState(backend, self)
        else:
            state.reconfigured(backend)
        self._changed()
        return state

    def adopt(self, state: BackendState) -> None:
        """Take in the state of a new backend that was made aside; its key is free."""
        key = (state.backend_id, state.address)
        assert state.cluster is self
        assert key not in self._by_key
        self._by_key[key] = state
        self._changed()

    def remove(self, backend_id: str, address: BackendAddress) -> list[BackendState]:
        """
        Retire the backend with that id and address, or raise KeyError.

        Sōzu removes every backend at the address, whatever its id; here the others stay.
        """
        state = self._by_key.pop((backend_id, address), None)
        if state is None:
            known = (
                f"cluster {self.cluster.cluster_id!r} has no backend {backend_id!r} at {address}"
            )
            raise KeyError(known)
        state.is_retired = True
        self._troubled.discard(state)
        self._unhealthy_total -= not state.is_healthy
        self._changed()
        return [state]

    def dissolve(self) -> list[BackendState]:
        """
        Retire every backend: the cluster is removed. What is under way keeps those that it has.

        Nothing of it leads in a circle afterwards, so that no collector has to look for it.
        """
        retired = list(self._by_key.values())
        for state in retired:
            state.is_retired = True
        self._by_key.clear()
        self._troubled.clear()
        self._unhealthy_total = 0
        self._version += 1
        # What ``_settle`` would come to; tens of thousands may go in one turn of the loop.
        self._backends = ()
        self._by_sticky_value = {}
        self._primaries = self._backups = self._everyone = self.quick_pick = None
        self._is_stale = self.needs_rebuild = False
        return retired

    def renew(self) -> list[BackendState]:
        """
        Retire every backend, and go on with fresh ones of the same values, in the same order.

        For a change that no connection of before may outlive.
        """
        retired = list(self._by_key.values())
        for state in retired:
            self.remove(state.backend_id, state.address)
            self.upsert(state.backend)
        return retired

    def rebuild(self) -> Iterator[None]:
        """
        Build what MAGLEV needs, about a millisecond between two yields; the old serves meanwhile.

        Changes made while it runs make it begin again. It yields nothing when there is
        nothing to build, so that it may be called after every batch of changes.
        """
        while self.needs_rebuild:
            self._settle()
            self.needs_rebuild = False
            version = self._version
            policies = [p for p in (self._primaries, self._backups) if isinstance(p, Maglev)]
            for _ in chain.from_iterable(policy.rebuild() for policy in policies):
                yield
                if self._version != version:
                    break

    # Choice

    def choose(
        self,
        now: float,
        key: bytes | None,
        random: Random,
        avoid: Collection[BackendState] = (),
    ) -> BackendState | None:
        """
        The backend for one dial; None only when the cluster has none.

        Available primaries come first, then available backups, then unhealthy ones whose
        back-off is over, and then the one whose back-off ends first. Within each of these
        those in ``avoid`` are taken only when nobody else is there.
        """
        # Hot: no list is made, and nobody is asked, while nothing is wrong.
        if self.quick_pick is not None and not avoid:
            return self.quick_pick(now, key, random)
        return self._choose_with_care(now, key, random, avoid)

    def sticky(self, now: float, value: bytes) -> BackendState | None:
        """The available backend that a client's cookie names, if there is one."""
        self._settle()
        for backend in self._by_sticky_value.get(value, ()):
            if backend.is_available(now):
                return backend
        return None

    def likely(self, now: float, key: bytes | None) -> Sequence[BackendState]:
        """
        Return whom ``choose`` would return now: one, or several if chance decides among them.

        Nothing is changed by asking: nobody's turn passes, and nothing is counted. Empty only
        when the cluster has no backend.
        """
        self._settle()
        if not self._backends:
            return ()
        for policy in (self._primaries, self._backups):
            if policy is not None:
                eligible = tuple(backend for backend in policy.members if backend.is_available(now))
                if eligible:
                    return policy.likely(eligible, now, key)
        ready = tuple(backend for backend in self._backends if backend.backoff.is_over(now))
        if not ready:
            return (min(self._backends, key=lambda b: b.backoff.until),)
        everyone = self._everyone or self._policy(self._backends, None)
        assert everyone is not None
        return everyone.likely(ready, now, key)

    def has(self, backend_id: str, address: BackendAddress) -> bool:
        """Return whether a backend with that id and address is configured."""
        return (backend_id, address) in self._by_key

    @property
    def backends(self) -> tuple[BackendState, ...]:
        """All that are configured, in the order in which they were added."""
        self._settle()
        return self._backends

    def available_count(self, now: float) -> int:
        """How many may be chosen in the ordinary way, backups included."""
        if not self._troubled:
            return len(self._by_key)
        return sum(backend.is_available(now) for backend in self._by_key.values())

    def total_count(self) -> int:
        """How many are configured."""
        return len(self._by_key)

    def healthy_count(self) -> int:
        """How many pass their health checks; all where nobody checks."""
        return len(self._by_key) - self._unhealthy_total

    def health_changed(self, backend: BackendState) -> None:
        """Count a verdict that is another now; for BackendState to call."""
        if not backend.is_retired:
            self._unhealthy_total += -1 if backend.is_healthy else 1
            self.backend_changed(backend)

    def backend_changed(self, backend: BackendState) -> None:
        """Look at a backend's troubles anew; for BackendState to call."""
        assert backend.cluster is self
        if backend.is_retired:
            return
        if backend.backoff.failures or not backend.is_healthy:
            self._troubled.add(backend)
            self.quick_pick = None
        else:
            self._troubled.discard(backend)

    def check_invariants(self) -> None:
        """Assert what always holds; for tests and development runs."""
        for key, backend in self._by_key.items():
            assert key == (backend.backend_id, backend.address)
            assert backend.cluster is self
            assert not backend.is_retired
            assert backend.active_requests >= 0
            assert backend.connections >= len(backend.idle)
            is_troubled = backend.backoff.failures > 0 or not backend.is_healthy
            assert is_troubled == (backend in self._troubled)
        assert self._troubled <= set(self._by_key.values())
        healthy = sum(backend.is_healthy for backend in self._by_key.values())
        assert healthy == self.healthy_count()
        if self.quick_pick is not None:
            assert not self._troubled
            assert not self._is_stale
        if not self._is_stale:
            assert self._backends == tuple(self._by_key.values())

    # Inside

    def _compile(self) -> None:
        cluster = self.cluster
        is_keyed = cluster.load_balancing in _KEYED
        self.affinity = self._compile_affinity(cluster.affinity) if is_keyed else None

    def _changed(self) -> None:
        self._version += 1
        self._is_stale = True
        self.quick_pick = None
        self.needs_rebuild = self.cluster.load_balancing is LoadBalancing.MAGLEV

    def _settle(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        self._backends = backends = tuple(self._by_key.values())
        self._by_sticky_value = {}
        for backend in backends:
            self._by_sticky_value.setdefault(backend.sticky_value, []).append(backend)
        primaries = [backend for backend in backends if not backend.backend.backup]
        backups = [backend for backend in backends if backend.backend.backup]
        self._primaries = self._policy(primaries, self._primaries)
        self._backups = self._policy(backups, self._backups)
        self._everyone = None

    def _policy(
        self, members: Sequence[BackendState], previous: Policy[BackendState] | None
    ) -> Policy[BackendState] | None:
        if not members:
            return None
        policy = make_policy(self.cluster.load_balancing, self.cluster.load_metric, members)
        if isinstance(policy, Maglev) and isinstance(previous, Maglev):
            policy.table = previous.table
        return policy

    def _choose_with_care(
        self, now: float, key: bytes | None, random: Random, avoid: Collection[BackendState]
    ) -> BackendState | None:
        self._settle()
        if not self._backends:
            return None
        for policy in (self._primaries, self._backups):
            if policy is None:
                continue
            if not self._troubled and self.quick_pick is None:
                self.quick_pick = partial(policy.pick, policy.members)
            eligible = [backend for backend in policy.members if backend.is_available(now)]
            if eligible:
                self._recovered()
                return _pick(policy, eligible, avoid, now, key, random)
        return self._choose_in_need(now, key, random, avoid)

    def _choose_in_need(
        self, now: float, key: bytes | None, random: Random, avoid: Collection[BackendState]
    ) -> BackendState:
        if not self._is_out:
            self._is_out = True
            self.counters.no_available_backends += 1
            self.witness.backends_run_out(self)
        eligible = [backend for backend in self._backends if backend.backoff.is_over(now)]
        if not eligible:
            # Ours: better one dial too early than a 503 without any.
            return min(_untried(self._backends, avoid), key=lambda b: b.backoff.until)
        self.counters.fail_open += 1
        if self._everyone is None:
            self._everyone = self._policy(self._backends, None)
        assert self._everyone is not None
        return _pick(self._everyone, eligible, avoid, now, key, random)

    def _recovered(self) -> None:
        if self._is_out:
            self._is_out = False
            self.counters.available_recovered += 1
            self.witness.cluster_recovered(self)


def _pick(
    policy: Policy[BackendState],
    eligible: Sequence[BackendState],
    avoid: Collection[BackendState],
    now: float,
    key: bytes | None,
    random: Random,
) -> BackendState:
    chosen = _untried(eligible, avoid)
    # A policy knows "all" by the tuple itself.
    is_all = len(chosen) == len(policy.members)
    return policy.pick(policy.members if is_all else chosen, now, key, random)


def _untried(
    backends: Sequence[BackendState], avoid: Iterable[BackendState]
) -> Sequence[BackendState]:
    tried = frozenset(avoid)
    return [backend for backend in backends if backend not in tried] or backends
