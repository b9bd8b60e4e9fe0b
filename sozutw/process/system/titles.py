"""What a process is called in lists of processes."""

from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = Path("/proc/self/comm")


def set_title(text: str) -> None:
    """
    Tell ``ps`` and ``top`` what this process is.

    Without the package setproctitle only the name is told, of which the kernel keeps 15 bytes, and
    the command line stays as it was; where there is no /proc nothing is.
    """
    try:
        from setproctitle import setproctitle  # noqa: PLC0415
    except ImportError:
        with suppress(OSError):
            _NAME.write_bytes(text.encode())
    else:
        setproctitle(text)
