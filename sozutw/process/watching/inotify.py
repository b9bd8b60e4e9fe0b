"""
Hear from the kernel what changes in folders: Linux's inotify(7), through libc.

Twisted's own ``inotify`` closes itself when one folder of many is deleted, and loses an
overflow without a word.
"""

import ctypes
import os
import struct
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

_IN_ATTRIB: Final = 0x00000004
_IN_CLOSE_WRITE: Final = 0x00000008
_IN_MOVED_FROM: Final = 0x00000040
_IN_MOVED_TO: Final = 0x00000080
_IN_CREATE: Final = 0x00000100
_IN_DELETE: Final = 0x00000200
_IN_Q_OVERFLOW: Final = 0x00004000
_IN_IGNORED: Final = 0x00008000
_IN_ONLYDIR: Final = 0x01000000
_WATCHED: Final = (
    (_IN_ATTRIB | _IN_CLOSE_WRITE | _IN_CREATE | _IN_DELETE)
    | (_IN_MOVED_FROM | _IN_MOVED_TO)
    | _IN_ONLYDIR
)
_EVENT: Final = struct.Struct("iIII")
_READ_BYTES: Final = 65_536


class NoInotifyError(Exception):
    """This system has no inotify, or none to spare; the text says which."""


@implementer(IReadDescriptor)
class Inotify:
    """
    Watches folders, and tells of each change by folder and name.

    ``told(folder, name)`` is called in the reactor's turn; ``overflowed()`` when events were
    lost, so that anything may have changed.
    """

    def __init__(
        self,
        reactor: Any,
        told: Callable[[str, str], None],
        overflowed: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._told = told
        self._overflowed = overflowed
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._descriptor: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError:
            raise NoInotifyError("this system has no inotify") from None
        if self._descriptor < 0:
            raise NoInotifyError(os.strerror(ctypes.get_errno()))
        self._folders: dict[int, str] = {}
        self._watches: dict[str, int] = {}
        reactor.addReader(self)

    def watch(self, folder: str) -> None:
        """Tell of changes in a folder from now on; raises OSError if that cannot be."""
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _WATCHED)
        if watch < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
        known = self._watches.get(folder)
        if known is not None and known != watch:
            # Another folder has taken its name.
            self.ignore(folder)
        self._watches[folder] = watch
        self._folders[watch] = folder

    def ignore(self, folder: str) -> None:
        """Tell nothing more of a folder."""
        watch = self._drop(folder)
        if watch is not None:
            self._libc.inotify_rm_watch(self._descriptor, watch)

    def close(self) -> None:
        """Watch nothing more."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1

    # What the reactor calls.

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Name it in logs."""
        return "inotify"

    def doRead(self) -> None:
        """Something has changed, perhaps much."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            watch, mask, _cookie, size = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = os.fsdecode(data[offset : offset + size].rstrip(b"\0"))
            offset += size
            folder = self._folders.get(watch)
            if mask & _IN_Q_OVERFLOW:
                self._overflowed()
            elif folder is None:
                continue  # What was still on its way when the folder was dropped.
            elif mask & _IN_IGNORED:
                self._drop(folder)
            elif name:
                self._told(folder, name)

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002
        """The reactor gave us up."""
        self.close()

    def _drop(self, folder: str) -> int | None:
        watch = self._watches.pop(folder, None)
        if watch is not None:
            self._folders.pop(watch, None)
        return watch
