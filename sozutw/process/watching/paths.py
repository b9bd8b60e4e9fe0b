"""What lies on the way to a file, links followed; and small files, read without waiting."""

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

LINKS_MAX: Final = 40
"""As many links as Linux itself follows."""
FILE_BYTES_MAX: Final = 1_048_576

Place = tuple[str, str]
"""A real folder, and a name that is looked up in it."""


def places_of(path: str, looked_up: dict[Place, str | None]) -> Iterable[Place]:
    """
    Give each name that is looked up on the way to a file, links followed, in its real folder.

    The way ends where something is missing. ``looked_up`` keeps what was found, for the next.
    """
    left = os.path.join(os.getcwd(), path).split("/")[::-1]
    folder = "/"
    links = 0
    while left:
        name = left.pop()
        if name in ("", "."):
            continue
        if name == "..":
            folder = os.path.dirname(folder)
            continue
        place = (folder, name)
        yield place
        if place not in looked_up:
            looked_up[place] = _target_of(os.path.join(folder, name))
        target = looked_up[place]
        if target is None:
            folder = os.path.join(folder, name)
            continue
        links += 1
        if not target or links > LINKS_MAX:
            return
        if target.startswith("/"):
            folder = "/"
        left += target.split("/")[::-1]


def _target_of(path: str) -> str | None:
    """Return what a link leads to, None if it is no link, and nothing if it is not there."""
    try:
        return os.readlink(path)
    except OSError as error:
        return None if error.errno == errno.EINVAL else ""


def read_small_file(path: str) -> str:
    """Return the text of a regular file that is not large, and never wait for it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        data = os.read(descriptor, FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(data) > FILE_BYTES_MAX:
        raise OSError(errno.EFBIG, f"it has more than {FILE_BYTES_MAX} bytes")
    return data.decode("utf-8")
