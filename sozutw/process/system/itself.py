"""What a process makes of itself: its name among the processes, and its processor."""

import os
from typing import Final

from twisted.logger import Logger

_log = Logger()

NAME: Final = "sozutw"
_NAME_FILE: Final = "/proc/self/comm"


def name_itself(path: str = _NAME_FILE) -> None:
    """Be called sozutw by ``ps`` and ``top``, whatever program began it; where that can be had."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(NAME)
    except OSError as error:
        _log.debug("the process keeps its name: {error}", error=error)


def pin_itself() -> int:
    """
    Run on one processor from now on, the first of those that are allowed; return its number.

    Threads that begin later stay there too. Raises OSError if it cannot be.
    """
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processor})
    _log.info("handle_process_affinity: this process runs on processor {cpu}", cpu=processor)
    return processor
