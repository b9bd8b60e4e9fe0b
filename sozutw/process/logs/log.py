"""
The log of a process: Twisted's events as lines, filtered by module and level.

Nothing here is on the path of a request; that is told by ``process.logs.reporting``.
"""

import os
from typing import Any, Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import implementer

from sozutw.config.log_filter import Level, LogFilter
from sozutw.config.targets import parse_target
from sozutw.process.logs.reporting import open_writer
from sozutw.process.logs.writers import Writer
from sozutw.relay.access import utc_text

_LEVELS: Final = {
    LogLevel.debug: Level.DEBUG,
    LogLevel.info: Level.INFO,
    LogLevel.warn: Level.WARN,
    LogLevel.error: Level.ERROR,
    LogLevel.critical: Level.ERROR,
}
_COLORS: Final = {Level.DEBUG: 34, Level.INFO: 32, Level.WARN: 33, Level.ERROR: 31}
TEXT_CHARACTERS_MAX: Final = 16_384


@implementer(ILogObserver)
class LineObserver:
    """
    Writes each event that the filter admits as one line; a traceback's lines follow, indented.

    A line begins with the time, nanoseconds since 1970, the process's id, the level and the
    tag; a TAB ends this. No text can begin a line of its own.
    """

    def __init__(
        self, writer: Writer, log_filter: LogFilter, tag: str, *, is_colored: bool = False
    ) -> None:
        self.writer = writer
        self.log_filter = log_filter
        """May be replaced while it runs."""
        self._label = f"{os.getpid()} %s {tag}\t"
        self._is_colored = is_colored

    def __call__(self, event: LogEvent) -> None:
        """Write the event; never raise."""
        level = _LEVELS.get(event.get("log_level", LogLevel.info), Level.INFO)
        if not self.log_filter.admits(str(event.get("log_namespace", "")), level):
            return
        ns = int(event.get("log_time", 0.0) * 1_000_000) * 1000
        name = f"\x1b[{_COLORS[level]}m{level.name}\x1b[0m" if self._is_colored else level.name
        lines = _text_of(event).split("\n")
        first = f"{utc_text(ns)} {ns} {self._label % name}{lines[0]}"
        text = "\n\t".join([first, *lines[1:]]) + "\n"
        self.writer.write(text.encode("utf-8", "backslashreplace"))


def _text_of(event: LogEvent) -> str:
    # Only a traceback has lines; a line end in the text itself came from who knows where.
    text = formatEvent(event).rstrip("\n").replace("\n", "\\x0a")
    failure = event.get("log_failure")
    if failure is not None:
        try:
            traceback = failure.getTraceback().rstrip("\n")
        except Exception as error:  # noqa: BLE001  # An exception may have a faulty __str__.
            traceback = f"(a failure that cannot be shown: {type(error).__name__})"
        text = f"{text}\n{traceback}" if text else traceback
    if len(text) > TEXT_CHARACTERS_MAX:
        text = text[:TEXT_CHARACTERS_MAX] + "..."
    return "\n".join(_printable(line) for line in text.split("\n"))


def _printable(line: str) -> str:
    """Leave letters of all languages; escape controls, and marks that turn a text around."""
    if line.isprintable():
        return line
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line
    )


def make_observer(
    reactor: Any, target: str, level: str, *, tag: str = "MAIN", is_colored: bool = False
) -> LineObserver:
    """
    Open the log that these settings ask for.

    Raises ValueError for a target or level that is none, OSError if it cannot be opened.
    """
    log_filter = LogFilter.parse(level)
    where = parse_target(target)
    # Lines that are lost are not told in the log, which could not take that either.
    writer = open_writer(where, reactor, lambda _lines: None)
    return LineObserver(writer, log_filter, tag, is_colored=is_colored and target == "stdout")


def set_log_filter(observer: LineObserver | None, text: str) -> bool:
    """
    Change which lines are written from now on, and return whether that could be done.

    It could not where the log is twistd's own, which has no filter: then there is no observer.
    Raises ValueError, and changes nothing, for a text that is no filter.
    """
    log_filter = LogFilter.parse(text)
    if observer is None:
        return False
    observer.log_filter = log_filter
    return True


def begin_logging(observer: LineObserver) -> None:
    """
    Send the events of this process to the observer, those from before it too.

    Only where twistd does not do it: under twistd, give the observer to its ``logger`` option.
    """
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
