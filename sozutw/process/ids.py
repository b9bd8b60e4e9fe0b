"""ULIDs: names for requests and sessions that sort by time (github.com/ulid/spec)."""

from collections.abc import Callable
from typing import Final

_ALPHABET: Final = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(bytes((high, low)) for high in _ALPHABET for low in _ALPHABET)
"""Two digits for each ten bits."""
_DRAWN_BITS: Final = 40
_COUNTED: Final = 10**8


class Ulids:
    """
    Make ULIDs: 10 digits of time, 16 that are unique.

    The last eight digits count upwards from a random start, in decimal, which costs half as
    much; the eight before them are drawn anew for every millisecond, so that no two are alike.
    An id is a name, not a secret: who knows one may guess its neighbours.
    """

    __slots__ = ("_count", "_ms", "_now_ns", "_prefix", "_random_bits")

    def __init__(self, now_ns: Callable[[], int], random_bits: Callable[[int], int]) -> None:
        self._now_ns = now_ns
        self._random_bits = random_bits
        self._count = random_bits(_DRAWN_BITS) % _COUNTED
        self._ms = -1
        self._prefix = b""

    def next(self) -> bytes:
        """Return a new ULID, 26 bytes. Hot: one frame, 0.3 µs within the same millisecond."""
        ms = self._now_ns() // 1_000_000
        if ms != self._ms:
            self._ms = ms
            drawn = self._random_bits(_DRAWN_BITS)
            self._prefix = b"".join(
                [
                    _PAIRS[(ms >> 40) & 1023],
                    _PAIRS[(ms >> 30) & 1023],
                    _PAIRS[(ms >> 20) & 1023],
                    _PAIRS[(ms >> 10) & 1023],
                    _PAIRS[ms & 1023],
                    _PAIRS[drawn >> 30],
                    _PAIRS[(drawn >> 20) & 1023],
                    _PAIRS[(drawn >> 10) & 1023],
                    _PAIRS[drawn & 1023],
                ]
            )
        count = self._count = (self._count + 1) % _COUNTED
        return b"%b%08d" % (self._prefix, count)
