"""The access log of a process: records are gathered, and written in batches off the hot path."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import AccessLogFormat
from sozutw.config.targets import FileTarget, StdoutTarget, Target, TcpTarget, parse_target
from sozutw.metrics.counters import WorkerCounters
from sozutw.process.logs.tcp_writer import TcpWriter
from sozutw.process.logs.writers import (
    DatagramWriter,
    FileSink,
    LinesLost,
    SharedSink,
    StreamWriter,
    Writer,
)
from sozutw.relay.access import AccessRow, render_ascii, render_json

WRITE_SECONDS: Final = 0.2
"""How long a record waits at most before it is written."""
RECORDS_PER_WRITE: Final = 250
"""About a millisecond's work."""
PAUSE_SECONDS: Final = 0.001
"""What lies between two writes when one did not do, so that events get their turn."""

Render = Callable[[Sequence[AccessRow]], bytes]

_log = Logger()


def open_writer(target: Target, reactor: Any, lost: LinesLost) -> Writer:
    """
    Make the writer for a target; a file or standard output is opened at once.

    Raises OSError if that cannot be. The others are reached with their first line, and
    again whenever they were lost.
    """
    if isinstance(target, StdoutTarget | FileTarget):
        open_sink = (
            SharedSink if isinstance(target, StdoutTarget) else partial(FileSink, target.path)
        )
        writer = StreamWriter(open_sink, lost)
        writer.open()
        return writer
    if isinstance(target, TcpTarget):
        return TcpWriter(reactor, target, lost)
    return DatagramWriter(target, lost)


def choose_render(form: AccessLogFormat, tag: str, *, is_colored: bool = False) -> Render:
    """Choose how records become lines in this process."""
    if form is AccessLogFormat.JSON:
        return partial(render_json, pid=os.getpid(), tag=tag)
    return partial(render_ascii, pid=os.getpid(), tag=tag, is_colored=is_colored)


class AccessLog(Service):
    """
    Writes what was appended, at the latest after 0.2 seconds.

    Hot: ``append`` is a list's own method, so that a record costs no frame. Nobody is told
    that one came; so the log looks, five times a second.
    """

    name = "access log"

    def __init__(
        self,
        reactor: Any,
        target: str,
        form: AccessLogFormat = AccessLogFormat.ASCII,
        *,
        tag: str = "MAIN",
        is_colored: bool = False,
    ) -> None:
        """Raise ValueError for a target that is none; open it when the service starts."""
        self._target = parse_target(target)
        is_colored = is_colored and isinstance(self._target, StdoutTarget)
        self._render = choose_render(form, tag, is_colored=is_colored)
        self._records: list[AccessRow] = []
        self.append: Callable[[AccessRow], None] = self._records.append
        self.counters = WorkerCounters()
        """Where lines are counted; whoever has the worker's puts them here."""
        self._reactor = reactor
        self._writer: Writer | None = None
        self._next: IDelayedCall | None = None

    @override
    def startService(self) -> None:
        """Open the target; OSError if a file or standard output cannot be."""
        self._writer = open_writer(self._target, self._reactor, self._lost)
        super().startService()
        self._next = self._reactor.callLater(WRITE_SECONDS, self._write_some)

    @override
    def stopService(self) -> "Deferred[None]":
        """Write all that is left; fires when the target has it."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self.flush()
        writer, self._writer = self._writer, None
        return succeed(None) if writer is None else writer.close()

    def flush(self) -> None:
        """Write all there is now."""
        while self._records:
            self._write_batch()

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have the file, if it is one; raises OSError if it cannot be."""
        if isinstance(self._writer, StreamWriter):
            self._writer.give_to(uid, gid)

    def reopen(self) -> None:
        """Write what belongs to the old file, then go on in the new one."""
        self.flush()
        if self._writer is None:
            return
        try:
            self._writer.reopen()
        except OSError as error:
            _log.error(
                "the access log goes on as it was; it cannot be reopened: {error}", error=error
            )

    def _write_some(self) -> None:
        if self._records:
            self._write_batch()
        seconds = PAUSE_SECONDS if self._records else WRITE_SECONDS
        self._next = self._reactor.callLater(seconds, self._write_some)

    def _write_batch(self) -> None:
        batch = self._records[:RECORDS_PER_WRITE]
        # Cleared in place: ``append`` belongs to this very list.
        del self._records[:RECORDS_PER_WRITE]
        self.counters.access_logs += len(batch)
        if self._writer is None:
            self._lost(len(batch))
            return
        try:
            lines = self._render(batch)
        except Exception:  # noqa: BLE001  # A fault of ours in a log must not stop traffic.
            self._lost(len(batch))
            _log.failure("access records could not be written")
            return
        self._writer.write(lines)

    def _lost(self, lines: int) -> None:
        self.counters.unsent_access_logs += lines
