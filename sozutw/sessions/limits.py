"""
How many clients there may be: in all, and from one address to one cluster.

Counting is by session: a client counts once for a cluster, however many requests it sends
there, and until it leaves.
"""

from collections.abc import Iterable
from typing import Final

RESUME_SHARE: Final = 0.9
"""Accepting resumes when fewer than this share of the places are taken (Sōzu's 90 %)."""

EVICTED_SHARE: Final = 100
"""One session in this many is evicted at a time when the worker is full."""


def resume_below(sessions_max: int) -> int:
    """Return the number of sessions below which a full worker accepts again; at least 1."""
    assert sessions_max > 0
    return max(1, int(sessions_max * RESUME_SHARE))


def evicted_at_once(sessions_max: int) -> int:
    """Return how many of the longest idle sessions give way at a time; at least 1."""
    assert sessions_max > 0
    return max(1, sessions_max // EVICTED_SHARE)


class AddressCounts:
    """How many sessions of one source address are at one cluster."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def enter(self, cluster_id: str, source: str, places_max: int) -> bool:
        """
        Take a place at the cluster, or return False when all are taken.

        The caller remembers that it entered, so that it enters once and leaves once.
        """
        assert places_max > 0
        key = cluster_id, source
        taken = self._counts.get(key, 0)
        if taken >= places_max:
            return False
        self._counts[key] = taken + 1
        return True

    def leave(self, cluster_ids: Iterable[str], source: str) -> None:
        """Give back the places that one session took, one for each cluster."""
        for cluster_id in cluster_ids:
            key = cluster_id, source
            taken = self._counts[key]
            assert taken > 0
            if taken == 1:
                del self._counts[key]
            else:
                self._counts[key] = taken - 1

    def taken(self, cluster_id: str, source: str) -> int:
        """Return how many places at one cluster this source has."""
        return self._counts.get((cluster_id, source), 0)

    def total(self) -> int:
        """Return how many places are taken in all."""
        return sum(self._counts.values())

    def check_invariants(self) -> None:
        """Nobody is counted who is not there: an empty count is no entry."""
        for taken in self._counts.values():
            assert taken > 0
