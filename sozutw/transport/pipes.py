"""Pipes for splicing, kept for the next transfer: making one costs 10 µs and two descriptors."""

import fcntl
import os
from collections.abc import Callable

PIPE_BYTES = 1024 * 1024
_SMALLER_BYTES = (PIPE_BYTES, 256 * 1024)
"""An ordinary user gets few large pipes (pipe-user-pages-soft); then a smaller one must do."""


class KernelPipe:
    """A non-blocking pipe and how much it holds at most."""

    __slots__ = ("bytes_max", "reading", "writing")

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.bytes_max = 65536
        for size in _SMALLER_BYTES:
            try:
                self.bytes_max = fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, size)
            except OSError:  # EPERM: over the user's share
                continue
            break

    def close(self) -> None:
        """Free both descriptors, and what is still inside."""
        os.close(self.reading)
        os.close(self.writing)


class PipePool:
    """
    At most ``pipes_max`` pipes, of which at most ``idle_max`` are kept for later.

    ``descriptors`` tells how many descriptors all of them hold now.
    """

    def __init__(
        self, pipes_max: int = 64, idle_max: int = 16, make: Callable[[], KernelPipe] = KernelPipe
    ) -> None:
        self.pipes_max = pipes_max
        self.idle_max = idle_max
        self.open = 0
        self._make = make
        self._idle: list[KernelPipe] = []

    @property
    def descriptors(self) -> int:
        """The descriptors held by all pipes, idle or in use."""
        return 2 * self.open

    @property
    def idle(self) -> int:
        """How many pipes wait for a transfer."""
        return len(self._idle)

    def has_one(self) -> bool:
        """Whether ``take`` will succeed now; a pipe is made ahead for that."""
        if self._idle:
            return True
        if self.open >= self.pipes_max:
            return False
        try:
            self._idle.append(self._make())
        except OSError:  # out of descriptors
            return False
        self.open += 1
        return True

    def take(self) -> KernelPipe:
        """Return an empty pipe; ``has_one`` must have said so."""
        assert self._idle, "has_one was not asked"
        return self._idle.pop()

    def give_back(self, pipe: KernelPipe, *, is_empty: bool) -> None:
        """Keep the pipe for later; one that holds bytes of a stranger is never kept."""
        assert self.open > 0
        if is_empty and len(self._idle) < self.idle_max:
            self._idle.append(pipe)
        else:
            pipe.close()
            self.open -= 1

    def close_idle(self) -> None:
        """Close all that wait."""
        while self._idle:
            self._idle.pop().close()
            self.open -= 1


PIPES = PipePool()
"""The pipes of this process."""
