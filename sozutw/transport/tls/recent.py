"""What was used lately, up to a limit: the longest unused goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that never holds more than ``size_max`` entries."""

    __slots__ = ("_entries", "_size_max")

    def __init__(self, size_max: int) -> None:
        assert size_max > 0
        self._size_max = size_max
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what was put under ``key``, and take note that it is in use."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Remember ``value``; what was used least lately may have to go for it."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size_max:
            self._entries.popitem(last=False)

    def drop_if(self, is_dropped: Callable[[K], bool]) -> None:
        """Forget each entry of which the key is so; looks at all of them."""
        for key in [key for key in self._entries if is_dropped(key)]:
            del self._entries[key]
