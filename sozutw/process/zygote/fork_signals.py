"""The signals of a process that forks: which it hears, and what its children inherit of that."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Final, Self

_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""A terminal's reach the whole group, and it is the main process that decides."""


class ForkSignals:
    """
    Within a ``with`` statement: what asks a process to end is ignored, the end of a child is heard.

    There is no way back, but in a child: the process that does this does nothing else.
    """

    def __init__(self) -> None:
        self.wake, self._waker = socket.socketpair()
        """Readable when a child has ended."""
        self.wake.setblocking(False)
        self._waker.setblocking(False)

    def __enter__(self) -> Self:
        # Whoever started this process may have held signals back.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        # Without an answer of Python's nothing is written.
        signal.signal(signal.SIGCHLD, _answer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def heard(self) -> None:
        """Make ``wake`` unreadable until another child ends."""
        with suppress(BlockingIOError):
            self.wake.recv(4096)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let signals wait, even those that are ignored: the kernel keeps what is blocked."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _IGNORED)

    def forget(self) -> None:
        """
        Answer signals as a fresh process does, and those that were held; called in a child.

        But for SIGINT, which stays ignored: Ctrl-C reaches the child too.
        """
        for number in (*_IGNORED, signal.SIGCHLD):
            if number != signal.SIGINT:
                signal.signal(number, signal.SIG_DFL)
        self._close()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        self.wake.close()
        self._waker.close()


def _answer(_number: int, _frame: FrameType | None) -> None:
    """What matters is written to the socket by then."""
