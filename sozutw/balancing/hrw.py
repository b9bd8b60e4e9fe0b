"""
Rendezvous hashing: each key ranks all backends, and the highest rank wins.

When a backend goes, only its own keys move; when one comes, it takes its share from all.
Nothing here is seeded by the process, so that every worker agrees on every key.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from typing import Final, Protocol, TypeVar

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
_UNIT: Final = 1.0 / (1 << 52)


class Weighed(Protocol):
    """What hashing must know of a backend."""

    weight: int
    """At least 1."""
    seed: int
    """64 bits that name the backend: ``digest`` of its id and address."""


W = TypeVar("W", bound=Weighed)


def digest(data: bytes) -> int:
    """64 bits of a hash that is the same in every process."""
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def mixed(bits: int) -> int:
    """64 bits, each of which depends on all given ones (the finaliser of splitmix64)."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return bits ^ (bits >> 31)


def rendezvous(key: bytes, candidates: Sequence[W]) -> W:
    """
    The candidate that ranks highest for this key.

    Over many keys each wins in proportion to its weight. The order given does not matter.
    """
    assert candidates
    hashed = digest(key)
    best = candidates[0]
    best_score = 0.0
    for candidate in candidates:
        # 52 bits and a half: never 0 nor 1, so that the logarithm is finite and below 0.
        unit = ((mixed(hashed ^ candidate.seed) >> 12) + 0.5) * _UNIT
        score = candidate.weight / -log(unit)
        if score > best_score:
            best = candidate
            best_score = score
    return best
