"""
From requests to the live objects: what was asked of the configuration becomes true.

All of a batch or nothing of it; and nothing that it does not name is touched. What is under
way keeps the Route that it started with.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.balancing.backends import ClusterState
from sozutw.balancing.witness import NOBODY, Witness
from sozutw.config.model import InetAddress
from sozutw.config.requests import Request
from sozutw.config.state import AlreadySoError, ConfigState, RefusedRequestError
from sozutw.control.changes.collector import without_collector
from sozutw.control.changes.live import (
    Certificates,
    ClusterFollower,
    ListenerFollower,
    Live,
    Pool,
    Sockets,
)
from sozutw.control.changes.plan import Plan
from sozutw.control.slowly import SLICE, in_short_turns
from sozutw.relay.route import ListenerState

_log = Logger()


@dataclass(slots=True)
class Outcome:
    """What became of many requests that were applied in small steps."""

    applied: int = 0
    unchanged: int = 0
    """Those that asked for what was so already."""
    refused: list[tuple[int, str]] = field(default_factory=list)
    """The number of each request that was passed over, from 0, and the reason."""

    @property
    def total(self) -> int:
        """How many requests there were so far."""
        return self.applied + self.unchanged + len(self.refused)


Asked = Request | RefusedRequestError | None


def _take(
    plan: Plan, request: Request | RefusedRequestError, outcome: Outcome, skips_refused: bool
) -> None:
    try:
        if isinstance(request, RefusedRequestError):
            raise request
        plan.take(request)
        outcome.applied += 1
    except AlreadySoError:
        if not skips_refused:
            raise
        outcome.unchanged += 1
    except (RefusedRequestError, OSError) as error:
        if not skips_refused:
            raise
        outcome.refused.append((outcome.total, str(error)))


def _nothing(_orders: list[Request]) -> None:
    """Nobody is told."""


class Applier:
    """Apply requests to the configuration and to the live objects, as one."""

    def __init__(
        self,
        state: ConfigState,
        sockets: Sockets,
        pool: Pool,
        clock: IReactorTime,
        certificates: Certificates,
    ) -> None:
        self.state = state
        self.witness: Witness = NOBODY
        """Whom the clusters that come from now on tell of rare turns."""
        self._live = Live()
        self._sockets = sockets
        self._pool = pool
        self._certificates = certificates
        self._cooperator = in_short_turns(clock)
        self._under_way: Iterator[None] | None = None
        self.committed: Callable[[list[Request]], None] = _nothing
        """Hears what has come into force, in its order, before anybody who follows."""
        self.cluster_followers: list[ClusterFollower] = []
        self.listener_followers: list[ListenerFollower] = []

    @property
    def clusters(self) -> dict[str, ClusterState]:
        """The live clusters; to be read only."""
        return self._live.clusters

    @property
    def listeners(self) -> dict[InetAddress, ListenerState]:
        """The live listeners; to be read only."""
        return self._live.listeners

    def apply(self, *requests: Request) -> None:
        """
        Apply requests in their order, all or none, before this returns.

        Raises RefusedRequestError for the first that cannot be, or OSError for an address that
        cannot be listened on.
        """
        self._finish()
        for _ in self._steps(requests, None):
            pass

    def apply_passing_over(self, requests: Iterable[Asked]) -> Outcome:
        """Apply requests as one before this returns; those that cannot be are passed over."""
        self._finish()
        outcome = Outcome()
        for _ in self._steps(requests, outcome, skips_refused=True):
            pass
        return outcome

    def apply_slowly(
        self, requests: Iterable[Asked], *, skips_refused: bool = False
    ) -> "Deferred[Outcome]":
        """
        Apply many requests: made aside in small steps, while others are served, then all at once.

        With ``skips_refused`` those that cannot be are passed over, and told; otherwise the
        first of them fails it all with RefusedRequestError or OSError. Whoever raises out of
        ``requests`` ends it likewise. A refusal among them stands for a request that could not
        even be read, and None for a pause. One at a time; ``apply`` meanwhile finishes it first.
        """
        assert self._under_way is None, "one after the other"
        outcome = Outcome()
        faults: list[Failure] = []

        def steps() -> Iterator[None]:
            try:
                yield from self._steps(requests, outcome, skips_refused=skips_refused)
            except Exception:  # noqa: BLE001  # told below; whoever else drives this is not to hear it
                faults.append(Failure())
            finally:
                self._under_way = None

        self._under_way = steps()
        ended = self._cooperator.coiterate(self._under_way)
        return ended.addCallback(lambda _: faults[0] if faults else outcome)

    def _finish(self) -> None:
        """Do what is left of a slow change now: it came first."""
        for _ in self._under_way or ():
            pass

    def _steps(
        self, requests: Iterable[Asked], outcome: Outcome | None, *, skips_refused: bool = False
    ) -> Iterator[None]:
        with without_collector():
            yield from self._planned(requests, outcome or Outcome(), skips_refused=skips_refused)

    def _planned(
        self, requests: Iterable[Asked], outcome: Outcome, *, skips_refused: bool
    ) -> Iterator[None]:
        plan = Plan(self.state, self._live, self._sockets, self._certificates, self.witness)
        try:
            since = 0
            for request in requests:
                if request is not None:
                    _take(plan, request, outcome, skips_refused)
                since += 1
                if request is None or since == SLICE:
                    since = 0
                    yield
            yield from plan.prepare()
        except BaseException:
            plan.abandon()
            raise
        plan.commit()
        if plan.taken:
            _tell(self.committed, plan.taken)
        self._follow(plan)

    def _follow(self, plan: Plan) -> None:
        """Tell who follows; a defect of one of them undoes no change, and is kept from nobody."""
        for state in plan.retired:
            self._pool.retire(state)
        clusters = self._live.clusters
        for cluster_id in plan.followed:
            cluster = clusters.get(cluster_id)
            for follow in self.cluster_followers:
                _tell(follow, cluster_id, cluster)
            if cluster is not None and cluster.needs_rebuild:
                self._cooperator.cooperate(cluster.rebuild())
        for listener in plan.left:
            for leave in self.listener_followers:
                _tell(leave, listener)


def _tell(who: Callable[..., object], *what: object) -> None:
    try:
        who(*what)
    except Exception:  # noqa: BLE001  # the change holds, whatever becomes of who hears of it
        _log.failure("{who} did not follow a change", who=repr(who))
