"""Files that tell the world which process this is."""

import os
from collections.abc import Iterable

from sozutw.process.signals import say_on_stderr


class PidFiles:
    """
    The files that hold this process's id while it serves, for example ``pid_file_path``.

    A successor writes its own into the same files, and one that fails is written over again.
    """

    def __init__(self, paths: Iterable[str | None]) -> None:
        self._paths = list(dict.fromkeys(os.path.abspath(path) for path in paths if path))

    def write(self) -> None:
        """Tell that it is this process; raises OSError."""
        for path in self._paths:
            try:
                descriptor = _opened(path)
            except PermissionError:
                # It may be root's, whom this process was before; in a folder of its own it gives
                # place to another file all the same.
                os.unlink(path)
                descriptor = _opened(path)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")

    def restore(self) -> None:
        """Tell so again, where a process that came to nothing has told otherwise."""
        for path in self._paths:
            try:
                if _told_in(path) != str(os.getpid()):
                    PidFiles([path]).write()
            except OSError as error:
                say_on_stderr(f"pid file: {error}")

    def remove(self) -> None:
        """Take back what was told, unless another process has told its own."""
        for path in self._paths:
            try:
                if _told_in(path) == str(os.getpid()):
                    os.unlink(path)
            except OSError as error:
                say_on_stderr(f"pid file: {error}")


def _opened(path: str) -> int:
    # A link could lead root to any file, if its folder is another's.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o644)


def _told_in(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(64).strip()
    except FileNotFoundError:
        return None
