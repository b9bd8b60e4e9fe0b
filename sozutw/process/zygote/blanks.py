"""
TLS contexts made before a fork: all workers forked afterwards have the keys of their tickets.

OpenSSL draws the keys of a context's tickets when it makes the context, and its binding has no
call to set them. So a session that one worker gave a ticket for is resumed by another only if
both serve the listener with copies of one context.
"""

from typing import Final

from sozutw.transport.tls.contexts import Blank, blank

BLANKS_MAX: Final = 256
"""So many are made: 14 ms and 3.6 MiB (one takes 55 µs and 14 KiB), and workers share the memory.
Listeners beyond that are served all the same, each worker with keys of its own."""


class Blanks:
    """Blank contexts by number, from 0 on, each given once in a process."""

    def __init__(self, count: int) -> None:
        self._left: dict[int, Blank] = {number: blank() for number in range(count)}

    def take(self, number: int) -> Blank | None:
        """Return the context of this number; None if there is none, or if it was taken before."""
        return self._left.pop(number, None)
