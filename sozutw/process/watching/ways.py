"""
The ways to files: which folders are watched for them, and whom a change in one concerns.

Several files share most of their way, so a folder is watched as long as anyone needs it.
"""

import errno
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final, Protocol

from twisted.logger import Logger

from sozutw.process.watching.paths import Place, places_of

UNWATCHED_TOLD_MAX: Final = 8
"""Where the system has no watches left, thousands of folders may lack one."""

_log = Logger()


class Notifier(Protocol):
    """Who hears of changes in folders; ``process.watching.inotify.Inotify``."""

    def watch(self, folder: str) -> None:
        """Tell of changes from now on; raises OSError if that cannot be."""

    def ignore(self, folder: str) -> None:
        """Tell nothing more."""

    def close(self) -> None:
        """Watch nothing more."""


class Ways:
    """Owners, known by numbers, and the places on the way to their files."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._places: dict[int, tuple[Place, ...]] = {}
        self._concerned: dict[Place, set[int]] = {}
        self._folders: Counter[str] = Counter()
        """How many owners each folder is watched for."""
        self._unwatched: set[str] = set()
        """Folders that cannot be watched, as far as they were logged."""

    def concerned(self, folder: str, name: str) -> Collection[int]:
        """Return the owners whose way leads through this name."""
        return self._concerned.get((folder, name), ())

    def follow(self, owner: int, paths: Iterable[str], looked_up: dict[Place, str | None]) -> None:
        """
        Watch each folder on the way to an owner's files, as the way is now, and no others.

        ``looked_up`` is for ``places_of``.
        """
        before = self._places.get(owner, ())
        places = dict.fromkeys(place for path in paths for place in places_of(path, looked_up))
        for folder in {folder for folder, _name in places}:
            # Also one that is watched: another folder may have taken its name.
            self._watch(folder)
            self._folders[folder] += 1
        for folder in {folder for folder, _name in before}:
            self._folders[folder] -= 1
            if not self._folders[folder]:
                del self._folders[folder]
                self._unwatched.discard(folder)
                self._notifier.ignore(folder)
        for place in before:
            if place not in places:
                self._concerned[place].discard(owner)
                if not self._concerned[place]:
                    del self._concerned[place]
        for place in places:
            self._concerned.setdefault(place, set()).add(owner)
        self._places[owner] = tuple(places)

    def check_invariants(self) -> None:
        """Sweep all tables; for tests."""
        concerned: dict[Place, set[int]] = {}
        folders: Counter[str] = Counter()
        for owner, places in self._places.items():
            folders.update({folder for folder, _name in places})
            for place in places:
                concerned.setdefault(place, set()).add(owner)
        assert concerned == self._concerned
        assert folders == self._folders
        assert self._unwatched <= folders.keys()

    def _watch(self, folder: str) -> None:
        try:
            self._notifier.watch(folder)
        except OSError as error:
            # One that has just gone will be told of by the folder it was in.
            if error.errno in (errno.ENOENT, errno.ENOTDIR) or folder in self._unwatched:
                return
            if len(self._unwatched) < UNWATCHED_TOLD_MAX:
                self._unwatched.add(folder)
                _log.warn(
                    "what changes in {folder} will not be noticed: {reason}",
                    folder=folder,
                    reason=error.strerror,
                )
        else:
            self._unwatched.discard(folder)
