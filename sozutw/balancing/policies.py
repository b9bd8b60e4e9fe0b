"""
The six ways to choose among backends, each an object over the members that it was made for.

A policy does not ask who may be chosen: it is told. It is made anew when members come, go
or change their weight, which keeps the choice itself short.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, cycle
from math import gcd
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar, assert_never

from typing_extensions import override

from sozutw.balancing.health import PeakEwma
from sozutw.balancing.hrw import Weighed, rendezvous
from sozutw.balancing.maglev import MaglevTable, build
from sozutw.config.model import LoadBalancing, LoadMetric

SCHEDULE_TURNS_MAX: Final = 65_536
"""Above so many turns a round, weights are rounded: ten thousand odd weights need not be exact."""

Random = Callable[[], float]
"""Gives a number in [0, 1)."""


class Candidate(Weighed, Protocol):
    """What a policy must know of a backend."""

    connections: int
    active_requests: int
    connect_seconds: PeakEwma


C = TypeVar("C", bound=Candidate)


class Policy(ABC, Generic[C]):
    """A way to choose; ``members`` are all that it may ever answer with."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[C]) -> None:
        assert members
        self.members = tuple(members)

    @abstractmethod
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        """
        One of ``eligible``: a part of ``members``, in their order, and not empty.

        When all are eligible pass ``members`` itself, which is what the quick ways look for.
        """

    @abstractmethod
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        """Return whom ``pick`` may return: one, unless chance decides. It changes nothing."""


class RoundRobin(Policy[C]):
    """Each in turn, the heavy more often, spread evenly over the round."""

    __slots__ = ("_turn", "_turns")

    def __init__(self, members: Sequence[C]) -> None:
        super().__init__(members)
        turns = schedule(self.members)
        self._turns = len(turns)
        self._turn: Iterator[C] = cycle(turns)

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        if eligible is self.members:
            return next(self._turn)
        allowed = frozenset(eligible)
        for _ in range(self._turns):
            member = next(self._turn)
            if member in allowed:
                return member
        raise AssertionError("nobody eligible is a member")

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        allowed = frozenset(eligible)
        # After a whole round it is the same one's turn as before.
        turns = [next(self._turn) for _ in range(self._turns)]
        return [next(member for member in turns if member in allowed)]


class WeightedRandom(Policy[C]):
    """Drawn by lot, in proportion to the weights."""

    __slots__ = ("_sums",)

    def __init__(self, members: Sequence[C]) -> None:
        super().__init__(members)
        self._sums = _sums(self.members)

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        sums = self._sums if eligible is self.members else _sums(eligible)
        return eligible[bisect_right(sums, int(random() * sums[-1]))]

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        return eligible


class LeastLoaded(Policy[C]):
    """The one with the smallest load, the first in the list on a tie."""

    __slots__ = ("_metric",)

    def __init__(self, members: Sequence[C], metric: LoadMetric) -> None:
        super().__init__(members)
        self._metric = metric

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        return min(eligible, key=_load(self._metric, now))

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        return [min(eligible, key=_load(self._metric, now))]


class PowerOfTwo(Policy[C]):
    """The less loaded of two drawn by lot, the first drawn on a tie."""

    __slots__ = ("_metric",)

    def __init__(self, members: Sequence[C], metric: LoadMetric) -> None:
        super().__init__(members)
        self._metric = metric

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        count = len(eligible)
        if count == 1:
            return eligible[0]
        first = int(random() * count)
        # Drawn from the others, so that they are always two.
        second = (first + 1 + int(random() * (count - 1))) % count
        return min(eligible[first], eligible[second], key=_load(self._metric, now))

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        return eligible


class Rendezvous(Policy[C]):
    """By the key's ranking of the backends; in turn without a key."""

    __slots__ = ("_keyless",)

    def __init__(self, members: Sequence[C]) -> None:
        super().__init__(members)
        # It shares the tuple, so that "all are eligible" looks the same to it.
        self._keyless = RoundRobin(self.members)

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        if key is None:
            return self._keyless.pick(eligible, now, None, random)
        return rendezvous(key, eligible)

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        if key is None:
            return self._keyless.likely(eligible, now, None)
        return [rendezvous(key, eligible)]


class Maglev(Policy[C]):
    """
    By a table from keys to backends; in turn without a key.

    ``table`` may be that of an earlier membership, which serves until ``rebuild`` is done,
    or None, when the key's ranking serves.
    """

    __slots__ = ("_keyless", "table")

    def __init__(self, members: Sequence[C], table: MaglevTable[C] | None = None) -> None:
        super().__init__(members)
        # It shares the tuple, so that "all are eligible" looks the same to it.
        self._keyless = RoundRobin(self.members)
        self.table = table

    def rebuild(self) -> Iterator[None]:
        """Build the table for the present members, a slice at a time."""
        for table in build(self.members):
            if table is not None:
                self.table = table
            yield

    @override
    def pick(self, eligible: Sequence[C], now: float, key: bytes | None, random: Random) -> C:
        if key is None:
            return self._keyless.pick(eligible, now, None, random)
        table = self.table
        if table is None:
            return rendezvous(key, eligible)
        if eligible is self.members and table.members == self.members:
            return table.find(key)
        return table.find_among(key, frozenset(eligible)) or rendezvous(key, eligible)

    @override
    def likely(self, eligible: Sequence[C], now: float, key: bytes | None) -> Sequence[C]:
        if key is None:
            return self._keyless.likely(eligible, now, None)
        is_all = len(eligible) == len(self.members)
        return [self.pick(self.members if is_all else eligible, now, key, _no_chance)]


def _no_chance() -> float:
    raise AssertionError("what goes by a key leaves nothing to chance")


def make_policy(
    load_balancing: LoadBalancing, load_metric: LoadMetric, members: Sequence[C]
) -> Policy[C]:
    """The policy of that name over these members."""
    match load_balancing:
        case LoadBalancing.ROUND_ROBIN:
            return RoundRobin(members)
        case LoadBalancing.RANDOM:
            return WeightedRandom(members)
        case LoadBalancing.LEAST_LOADED:
            return LeastLoaded(members, load_metric)
        case LoadBalancing.POWER_OF_TWO:
            return PowerOfTwo(members, load_metric)
        case LoadBalancing.HRW:
            return Rendezvous(members)
        case LoadBalancing.MAGLEV:
            return Maglev(members)
        case _:
            assert_never(load_balancing)


def schedule(members: Sequence[C]) -> list[C]:
    """
    One round: each member as often as its weight says, its turns evenly spread.

    Weights are reduced by their common divisor, so that equal ones make a round of one turn each.
    """
    divisor = gcd(*(member.weight for member in members))
    turns = [member.weight // divisor for member in members]
    total = sum(turns)
    if total > SCHEDULE_TURNS_MAX:
        turns = [max(1, count * SCHEDULE_TURNS_MAX // total) for count in turns]
    # The k-th of n turns belongs at k/n of the round. The members start a little apart, else
    # the single turns of all light ones would fall on one spot.
    count = len(members)
    places = [
        ((k + (index + 0.5) / count) / n, index) for index, n in enumerate(turns) for k in range(n)
    ]
    places.sort()
    return [members[index] for _, index in places]


def _sums(members: Sequence[C]) -> list[int]:
    return list(accumulate(member.weight for member in members))


_connections = attrgetter("connections")
_active_requests = attrgetter("active_requests")


def _load(metric: LoadMetric, now: float) -> Callable[[Candidate], float]:
    match metric:
        case LoadMetric.CONNECTIONS:
            return _connections
        case LoadMetric.REQUESTS:
            return _active_requests
        case LoadMetric.CONNECTION_TIME:
            # One more than there are: the cost of the connection that would be added.
            return lambda member: member.connect_seconds.at(now) * (member.connections + 1)
        case _:
            assert_never(metric)
