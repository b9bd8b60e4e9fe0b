"""
A mapping that is never changed: a change makes another one, which shares nearly all with it.

It is cut into buckets of some hundred entries, of which a change copies only those it
touches. So a listener with 100,000 names takes one more in microseconds.
"""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

BUCKET_ENTRIES_MAX: Final = 512
"""On average; above it the buckets become four times as many."""

V = TypeVar("V")


class PersistentMap(Generic[V]):
    """
    Bytes to values.

    Hot: who looks up for each request may keep ``buckets`` and ``mask`` and write
    ``buckets[hash(key) & mask].get(key)`` in place of a call. The hash is Python's own, differs
    from process to process, and shows nowhere but in the order of iteration.
    """

    __slots__ = ("buckets", "mask", "size")

    def __init__(self, buckets: tuple[dict[bytes, V], ...] = ({},), size: int = 0) -> None:
        assert len(buckets) & (len(buckets) - 1) == 0, "a power of two"
        self.buckets = buckets
        self.mask = len(buckets) - 1
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[bytes, V]]:
        for bucket in self.buckets:
            yield from bucket.items()

    def get(self, key: bytes) -> V | None:
        """The value, or None."""
        return self.buckets[hash(key) & self.mask].get(key)

    def draft(self) -> "MapDraft[V]":
        """Begin a batch of changes; this map stays as it is."""
        return MapDraft(self)


class MapDraft(Generic[V]):
    """Changes to a PersistentMap, until ``freeze``; not to be used after it."""

    __slots__ = ("_buckets", "_mask", "_owned", "_size")

    def __init__(self, start: PersistentMap[V]) -> None:
        self._buckets = list(start.buckets)
        self._mask = start.mask
        self._size = start.size
        self._owned: set[int] = set()
        """Indexes of the buckets that are copies of our own already."""

    def get(self, key: bytes) -> V | None:
        """The value as changed so far, or None."""
        return self._buckets[hash(key) & self._mask].get(key)

    def put(self, key: bytes, value: V) -> None:
        """Add a key, or give it another value."""
        bucket = self._own(key)
        self._size += key not in bucket
        bucket[key] = value
        if self._size > BUCKET_ENTRIES_MAX * len(self._buckets):
            self._grow()

    def remove(self, key: bytes) -> None:
        """Take a key away, which must be there."""
        del self._own(key)[key]
        self._size -= 1

    def freeze(self) -> PersistentMap[V]:
        """The map with all changes."""
        return PersistentMap(tuple(self._buckets), self._size)

    def _own(self, key: bytes) -> dict[bytes, V]:
        index = hash(key) & self._mask
        if index not in self._owned:
            self._owned.add(index)
            self._buckets[index] = self._buckets[index].copy()
        return self._buckets[index]

    def _grow(self) -> None:
        count = len(self._buckets) * 4
        buckets: list[dict[bytes, V]] = [{} for _ in range(count)]
        for old in self._buckets:
            for key, value in old.items():
                buckets[hash(key) & (count - 1)][key] = value
        self._buckets = buckets
        self._mask = count - 1
        self._owned = set(range(count))
