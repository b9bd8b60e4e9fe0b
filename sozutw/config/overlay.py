"""
Changes of a dictionary, kept beside it until they are committed, or forgotten.

Making one costs nothing, reading goes through to what is below, and to commit costs as much as
was changed: so a batch of orders on a large configuration can be tried out, and dropped.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

from typing_extensions import override

K = TypeVar("K")
V = TypeVar("V")
S = TypeVar("S")

SLICE: Final = 256
"""So many keys are settled between two pauses."""
_COPIED_PER_CHANGE: Final = 16
_GONE: Final[Any] = object()


class Change(NamedTuple, Generic[K, V]):
    """What a commit does, or did, to one key."""

    key: K
    old: V | None
    """None: it was not there."""
    new: V | None
    """None: it is not there any more."""
    is_moved: bool
    """It was taken away and put back: it is the last now, even if its value is the same."""


class Overlay(MutableMapping[K, V]):
    """
    A dictionary as it will be; the one below stays as it is until ``commit``.

    It has the order that the commit will make: a key that is overwritten keeps its place, and
    one that was taken away and is put back is the last.
    """

    def __init__(self, below: dict[K, V]) -> None:
        self._below = below
        self._written: dict[K, V] = {}
        """A value or _GONE, in the order in which new keys came."""
        self._moved: set[K] = set()
        self._added = 0
        """How many more keys there are than below."""

    @override
    def __getitem__(self, key: K) -> V:
        value = self._written.get(key)
        if value is None:
            return self._below[key]
        if value is _GONE:
            raise KeyError(key)
        return value

    @override
    def __setitem__(self, key: K, value: V) -> None:
        assert value is not None, "None means that nothing is there"
        known = self._written.get(key)
        if known is _GONE:
            # A key of below that comes back, as the last.
            del self._written[key]
            self._moved.add(key)
            self._added += 1
        elif known is None and key not in self._below:
            self._added += 1
        self._written[key] = value

    @override
    def __delitem__(self, key: K) -> None:
        known = self._written.get(key)
        if known is _GONE or (known is None and key not in self._below):
            raise KeyError(key)
        self._moved.discard(key)
        self._added -= 1
        if key in self._below:
            self._written[key] = _GONE
        else:
            del self._written[key]

    @override
    def __contains__(self, key: object) -> bool:
        known = self._written.get(key)  # type: ignore[arg-type]
        return key in self._below if known is None else known is not _GONE

    @override
    def __iter__(self) -> Iterator[K]:
        written, moved, below = self._written, self._moved, self._below
        for key in below:
            if key not in moved and written.get(key) is not _GONE:
                yield key
        for key, value in written.items():
            if value is not _GONE and (key in moved or key not in below):
                yield key

    @override
    def __len__(self) -> int:
        return len(self._below) + self._added

    def changes(self) -> Iterator[Change[K, V]]:
        """Give what a commit would do; to be asked before it."""
        below, moved = self._below, self._moved
        for key, value in self._written.items():
            new = None if value is _GONE else value
            yield Change(key, below.get(key), new, key in moved)

    @property
    def changed_keys(self) -> Iterable[K]:
        """The keys that a commit is about."""
        return self._written.keys()

    def settled(self) -> Generator[None, None, dict[K, V]]:
        """Return a copy of the dictionary below as a commit would leave it, made step by step."""
        copy = self._below.copy()
        gone, moved = _GONE, self._moved
        for number, (key, value) in enumerate(self._written.items()):
            if value is gone or key in moved:
                del copy[key]
            if value is not gone:
                copy[key] = value
            if number % SLICE == SLICE - 1:
                yield
        return copy

    def is_mostly_new(self) -> bool:
        """Whether it is not much more work to copy the dictionary below than to change it."""
        return len(self._below) <= _COPIED_PER_CHANGE * len(self._written)

    def commit(self) -> dict[K, V]:
        """Change the dictionary below, and return it; the overlay is of no more use."""
        below, moved, written = self._below, self._moved, self._written
        # What is only added or overwritten goes in as one, without a key hashed again.
        going = [key for key, value in written.items() if value is _GONE]
        for key in (*going, *moved):
            del below[key]
        for key in going:
            del written[key]
        below.update(written)
        return below


class Shelves(Mapping[S, Mapping[K, V]]):
    """
    Dictionaries by a first key, as they will be; an empty one is none.

    ``shelf`` gives the overlay of one for changing it.
    """

    def __init__(self, below: dict[S, dict[K, V]]) -> None:
        self._below = below
        self._touched: dict[S, Overlay[K, V]] = {}
        self._settled: dict[S, dict[K, V]] | None = None
        """The dictionaries that a commit will put in, where that is prepared."""

    def shelf(self, first: S) -> Overlay[K, V]:
        """Return the overlay of one dictionary, which may be empty below."""
        assert self._settled is None, "what is settled is not changed any more"
        shelf = self._touched.get(first)
        if shelf is None:
            shelf = self._touched[first] = Overlay(self._below.get(first, {}))
        return shelf

    @override
    def __getitem__(self, first: S) -> Mapping[K, V]:
        shelf = self._touched.get(first)
        if shelf is None:
            return self._below[first]
        if not shelf:
            raise KeyError(first)
        return shelf

    @override
    def __iter__(self) -> Iterator[S]:
        touched = self._touched
        for first in self._below:
            if first not in touched or touched[first]:
                yield first
        for first, shelf in touched.items():
            if first not in self._below and shelf:
                yield first

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)

    def changes(self) -> Iterator[tuple[S, Iterator[Change[K, V]]]]:
        """Give what a commit would do to each dictionary that was touched."""
        for first, shelf in self._touched.items():
            yield first, shelf.changes()

    @property
    def changed_keys(self) -> Iterable[S]:
        """The keys of dictionaries that a commit is about."""
        return self._touched.keys()

    def settle(self) -> Iterator[None]:
        """
        Do aside, step by step, most of what the commit of a large change would have to do.

        Nothing may be changed after it. A commit without it does the same.
        """
        settled: dict[S, dict[K, V]] = {}
        since = 0
        for first, shelf in self._touched.items():
            if shelf.is_mostly_new():
                settled[first] = yield from shelf.settled()
                since += 1
                if since % SLICE == 0:
                    yield
        self._settled = settled

    def commit(self) -> None:
        """Change the dictionaries below."""
        below, settled = self._below, self._settled or {}
        for first, shelf in self._touched.items():
            if first not in settled:
                settled[first] = shelf.commit()
        # As one, in the order of the first touch; a key that was there keeps its place.
        below.update(settled)
        for first, table in settled.items():
            if not table:
                del below[first]
