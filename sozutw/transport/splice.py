"""
Move bytes from one socket to another inside the kernel.

A GiB costs 0.35 CPU-seconds in place of 0.6 to 0.9. The bytes go through a pipe, which is the
whole of what is buffered here. The loan of the transports is told in LIFECYCLE.md.
"""

import errno
import os
from collections.abc import Callable
from typing import Any

from twisted.internet import error
from twisted.python.failure import Failure

from sozutw.transport.losses import failure
from sozutw.transport.pipes import PIPES, PipePool
from sozutw.transport.stream import StreamTransport

_splice: Any = getattr(os, "splice", None)
_FLAGS = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)


def is_available(source: object, sink: object, pipes: PipePool = PIPES) -> bool:
    """Whether a Splice between these two can be made now."""
    return (
        _splice is not None
        and isinstance(source, StreamTransport)
        and isinstance(sink, StreamTransport)
        and source.can_lend_reading
        and sink.can_lend_writing
        and pipes.has_one()
    )


class Splice:
    """
    Move exactly ``length`` bytes from source to sink, or all until the source ends.

    What was written to the sink before goes out first. ``moved`` is told how many bytes the sink
    has taken; ``ended`` is called once, from the loop: with None when all was moved, else with the
    reason, and then the protocol of whoever was lost is told after it. Both transports are back in
    ordinary use when ``ended`` is called, reading as they did before. Until then nothing may be
    written to the sink. At most one pipe of bytes is under way.
    """

    __slots__ = (
        "_ended",
        "_held",
        "_is_sink_full",
        "_left",
        "_moved",
        "_pipe",
        "_pipes",
        "_reason",
        "_sink",
        "_source",
        "_source_ended",
    )

    def __init__(
        self,
        source: StreamTransport,
        sink: StreamTransport,
        length: int | None,
        moved: Callable[[int], None],
        ended: Callable[[Failure | None], None],
        pipes: PipePool = PIPES,
    ) -> None:
        assert length is None or length > 0
        assert source is not sink
        self._source = source
        self._sink = sink
        self._left = length
        self._moved = moved
        self._ended: Callable[[Failure | None], None] | None = ended
        self._pipes = pipes
        self._pipe = pipes.take()
        self._held = 0
        self._source_ended = False
        self._reason: Failure | None = None
        source.lend_reading(self)
        sink.lend_writing(self)
        # What was written before is sent first; the transport tells when it is out.
        self._is_sink_full = sink.buffered_bytes > 0
        if self._is_sink_full:
            source.reactor.removeReader(source)
        else:
            source.reactor.addReader(source)

    @property
    def is_over(self) -> bool:
        """Whether it ended or was stopped."""
        return self._ended is None

    @property
    def is_sink_full(self) -> bool:
        """Whether the sink takes nothing now, so that the source's silence is our doing."""
        return self._is_sink_full

    def stop(self) -> int:
        """
        End without calling ``ended``; both transports are back in ordinary use.

        Return how many bytes were taken from the source and not given to the sink: they are lost.
        """
        held = self._held
        if not self.is_over:
            self._give_back()
        return held

    # What the transports tell (Borrower).

    def source_readable(self) -> None:
        """Take from the source what fits, and pass it on."""
        room = self._pipe.bytes_max - self._held
        if self._left is not None:
            room = min(room, self._left)
        if self._is_sink_full or room <= 0:
            self._source.reactor.removeReader(self._source)
            return
        try:
            taken = _splice(self._source.fileno(), self._pipe.writing, room, flags=_FLAGS)
        except OSError as fault:
            if fault.errno == errno.EAGAIN:
                return  # or the pipe has no slot left: not with its bytes passed on at once
            self._break(self._source, fault)
            return
        if taken == 0:
            self._source_ended = True
            if self._left is not None:
                self._reason = failure(error.ConnectionDone())
        elif self._left is not None:
            self._left -= taken
            assert self._left >= 0
        self._held += taken
        self._pass_on()

    def sink_writable(self) -> None:
        """Pass on what the sink did not take before."""
        self._is_sink_full = False
        self._pass_on()
        if not self.is_over and not self._is_sink_full:
            self._sink.reactor.removeWriter(self._sink)
            self._source.reactor.addReader(self._source)

    def side_lost(self, reason: Failure) -> None:
        """Either side is gone; its protocol hears of it next."""
        self._end(reason)

    # How it goes on.

    def _pass_on(self) -> None:
        passed = 0
        while self._held:
            try:
                given = _splice(self._pipe.reading, self._sink.fileno(), self._held, flags=_FLAGS)
            except OSError as fault:
                if fault.errno == errno.EAGAIN:
                    self._wait_for_room()
                    break
                self._break(self._sink, fault)
                return
            self._held -= given
            passed += given
        if passed:
            self._moved(passed)
        if self._held == 0 and (self._source_ended or self._left == 0) and not self.is_over:
            self._end(self._reason)

    def _wait_for_room(self) -> None:
        self._is_sink_full = True
        self._source.reactor.removeReader(self._source)
        self._sink.reactor.addWriter(self._sink)

    def _break(self, side: StreamTransport, fault: OSError) -> None:
        side.broke(fault)
        self._end(failure(error.ConnectionLost(f"[Errno {fault.errno}] {fault.strerror}")))

    def _end(self, reason: Failure | None) -> None:
        ended = self._ended
        if ended is not None:
            self._give_back()
            ended(reason)

    def _give_back(self) -> None:
        self._ended = None
        self._pipes.give_back(self._pipe, is_empty=self._held == 0)
        self._source.take_reading_back(self)
        self._sink.take_writing_back(self)
