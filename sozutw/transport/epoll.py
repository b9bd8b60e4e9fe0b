"""
Twisted's epoll reactor with a shorter way from an event to its descriptor.

The stock loop runs each event inside a logging context, which costs 10 µs a request. This one
calls ``doRead`` and ``doWrite`` directly. It also never delivers an event to a descriptor that was
registered after the event was collected: the kernel gives a closed number to the next socket at
once, and a stale event must not reach a stranger.

It uses private names of Twisted; ``transport.reactor`` looks whether they still mean what they did.
"""

import errno
import select
from collections.abc import Callable
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT
from typing import Any

from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from typing_extensions import override

_log = Logger()

EVENTS_MAX = 512
"""Events for one poll. The kernel's array is allocated anew for each poll, 12 bytes an event."""

EPOLLEXCLUSIVE: int | None = getattr(select, "EPOLLEXCLUSIVE", None)
_GONE = EPOLLERR | EPOLLHUP


class DirectEPollReactor(EPollReactor):
    """The epoll reactor of Twisted, to be used in its place."""

    delivers_by_identity = True
    """An event only reaches the descriptor that it was collected for."""

    def __init__(self) -> None:
        self.soon: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        """What shall be called after the events at hand; see ``transport.loop.call_soon``."""
        super().__init__()  # type: ignore[no-untyped-call]

    @override
    def doPoll(self, timeout: float | None) -> None:  # noqa: C901  # a call saved for each event
        """
        Collect events, and deliver them.

        Hot: no frame of ours for an event but the descriptor's own.
        """
        selectables: Any = self._selectables
        try:
            ready = self._poller.poll(
                0 if self.soon else -1 if timeout is None else timeout,
                min(len(selectables), EVENTS_MAX) or 1,
            )
        except OSError as fault:
            if fault.errno == errno.EINTR:
                return
            raise
        reads = self._reads
        writes = self._writes
        # Who each event was meant for is settled before any of them is delivered, and the batch
        # keeps them alive, so that `is` below cannot be fooled by a reused address either.
        batch = [(selectables[fd], fd, event) for fd, event in ready if fd in selectables]
        for selectable, fd, event in batch:
            # Closed meanwhile, and perhaps another one has its number: that one gets its own
            # events at the next poll, since epoll tells levels.
            if selectables.get(fd) is not selectable:
                continue
            why: Any = None
            in_read = False
            try:
                if event & EPOLLIN:
                    # Paused by an earlier event of this batch: must not read.
                    if fd in reads:
                        in_read = True
                        why = selectable.doRead()
                elif event & _GONE:
                    # What was sent has been read: for a reader this is an end in order.
                    in_read = fd in reads
                    why = main.CONNECTION_DONE if in_read else main.CONNECTION_LOST
                if (
                    event & EPOLLOUT
                    and not why
                    and fd in writes
                    and selectables.get(fd) is selectable
                ):
                    in_read = False
                    why = selectable.doWrite()
            except BaseException as fault:  # noqa: BLE001  # Twisted's own loop does the same
                why = fault
                _log.failure("{descriptor} failed", descriptor=selectable)
            if why:
                self._disconnect(selectable, why, in_read)
        if self.soon:
            self._call_those_of_soon()

    doIteration = doPoll  # noqa: N815

    @override
    def addReader(self, reader: Any) -> None:
        """
        Call ``reader.doRead`` whenever there is something to read.

        Hot: the first thing that a new connection asks for; Twisted's way takes 3 µs more.
        """
        fd = reader.fileno()
        selectables: Any = self._selectables
        if fd in selectables:
            super().addReader(reader)  # type: ignore[no-untyped-call]
            return
        try:
            self._poller.register(fd, EPOLLIN)
        except OSError:  # a file, which epoll does not take
            super().addReader(reader)  # type: ignore[no-untyped-call]
            return
        reads: Any = self._reads
        reads.add(fd)
        selectables[fd] = reader

    def add_reader_in_turns(self, reader: Any) -> None:
        """
        Call ``reader.doRead``, but be woken up only if nobody sleeps who watches it for longer.

        It is for a listening socket that other processes have too, and that is only ever read.
        """
        fd = reader.fileno()
        selectables: Any = self._selectables
        if fd in selectables or EPOLLEXCLUSIVE is None:
            self.addReader(reader)
            return
        try:
            self._poller.register(fd, EPOLLIN | EPOLLEXCLUSIVE)
        except OSError:  # a kernel before 4.5
            self.addReader(reader)
            return
        reads: Any = self._reads
        reads.add(fd)
        selectables[fd] = reader

    def forget(self, fd: int) -> None:
        """A descriptor is about to be closed, which takes it out of the kernel's set too."""
        reads: Any = self._reads
        writes: Any = self._writes
        selectables: Any = self._selectables
        reads.discard(fd)
        writes.discard(fd)
        selectables.pop(fd, None)

    def _call_those_of_soon(self) -> None:
        calls, self.soon = self.soon, []
        for call, args in calls:
            try:
                call(*args)
            except BaseException:  # noqa: BLE001  # the others are blameless
                _log.failure("{call} failed", call=call)

    def _disconnect(self, selectable: Any, why: BaseException, in_read: bool) -> None:
        try:
            self._disconnectSelectable(selectable, why, in_read)  # type: ignore[no-untyped-call]
        except BaseException:  # noqa: BLE001  # the rest of the batch is blameless
            _log.failure("{descriptor} failed at its end", descriptor=selectable)
