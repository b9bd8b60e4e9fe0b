"""
Maglev's look-up table: a key costs one hash and one index, however many backends there are.

Building it takes some 30 ms, so that it is built in slices; see ``build``.
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Generic

from sozutw.balancing.hrw import W, Weighed, digest, mixed

SLOTS: Final = 65_537
"""A prime, so that every step walks over all slots."""
SLICE_SLOTS: Final = 2_048
"""Slots filled between two yields: about 1 ms."""
PROBES_MAX: Final = 1_024
_BYTE_VALUES: Final = 256


class MaglevTable(Generic[W]):
    """A finished table over the members that it was built for; never changed after."""

    __slots__ = ("_slots", "members")

    def __init__(self, members: Sequence[W], slots: "array[int]") -> None:
        assert len(slots) == SLOTS
        self.members = tuple(members)
        self._slots = slots

    def find(self, key: bytes) -> W:
        """The member that owns this key."""
        return self.members[self._slots[digest(key) % SLOTS]]

    def find_among(self, key: bytes, eligible: Collection[W]) -> W | None:
        """The first eligible member from the key's slot onwards; None if none is near."""
        slots = self._slots
        members = self.members
        start = digest(key) % SLOTS
        for probe in range(start, start + PROBES_MAX):
            member = members[slots[probe % SLOTS]]
            if member in eligible:
                return member
        return None

    def shares(self) -> list[int]:
        """How many slots each member owns, in the order of ``members``."""
        counts = [0] * len(self.members)
        for index in self._slots:
            counts[index] += 1
        return counts


def build(members: Sequence[W]) -> Iterator[MaglevTable[W] | None]:
    """
    Yield None after each slice of work, and the table at last.

    Each member walks the slots in an order of its own and takes the first free one, the
    heavy more often than the light, until none is free.
    """
    assert members
    count = len(members)
    # One byte a slot for nearly every cluster: 64 KiB instead of 512.
    slots = array("B" if count <= _BYTE_VALUES else "I", bytes(SLOTS * _item_bytes(count)))
    is_free = bytearray(b"\x01") * SLOTS
    walks = [_walk(member) for member in members]
    heaviest = max(member.weight for member in members)
    credit = [0] * count
    filled = 0
    while True:
        for index, member in enumerate(members):
            credit[index] += member.weight
            if credit[index] < heaviest:
                continue
            credit[index] -= heaviest
            place, step = walks[index]
            while not is_free[place]:
                place = (place + step) % SLOTS
            is_free[place] = 0
            slots[place] = index
            walks[index] = (place, step)
            filled += 1
            if filled == SLOTS:
                yield MaglevTable(members, slots)
                return
            if filled % SLICE_SLOTS == 0:
                yield None


def _item_bytes(count: int) -> int:
    return 1 if count <= _BYTE_VALUES else array("I").itemsize


def _walk(member: Weighed) -> tuple[int, int]:
    seed = mixed(member.seed)
    return seed % SLOTS, mixed(seed) % (SLOTS - 1) + 1
