"""Whether the program on disk is still the one that a process was started with."""

import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Final

_PACKAGE: Final = "sozutw"
_PROGRAM: Final = (".py", ".cnf")
_DEPENDENCIES: Final = ("twisted", "OpenSSL", "cryptography", "google.protobuf")
_DIGITS: Final = 16


def program_identity() -> str:
    """
    Return a short text, which is another one when the program on disk is another.

    The program is the interpreter, sozutw's own files, and the packages that it rests on. Those
    are known by the times of the folders in which they are installed: each installer touches
    these, but an edit of a file in place goes unseen.
    """
    digest = sha256()
    for fact in _facts():
        digest.update(f"{len(fact)}:{fact}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:_DIGITS]


def _facts() -> Iterator[str]:
    interpreter = os.path.realpath(sys.executable)
    yield f"{interpreter} {_stat(interpreter)}"
    for folder in _folders(_PACKAGE):
        yield folder
        yield from _files(folder)
    for name in _DEPENDENCIES:
        for folder in _folders(name):
            # One above the package, or above the namespace that it is in.
            above = os.path.abspath(os.path.join(folder, *[".."] * (name.count(".") + 1)))
            yield f"{above} {_stat(above)}"


def _folders(name: str) -> list[str]:
    """Return the folders of a package; none if it is not installed."""
    try:
        spec: ModuleSpec | None = find_spec(name)
    except (ImportError, ValueError):
        spec = None
    return [] if spec is None else sorted(spec.submodule_search_locations or ())


def _files(folder: str) -> Iterator[str]:
    """Yield size and time of each file of the program, in an order that is always the same."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        # In the middle of an installation, perhaps: its files are missed, and it is another one.
        return
    for entry in entries:
        if entry.name.endswith(_PROGRAM):
            yield f"{entry.path} {_stat(entry.path)}"
        elif entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
            yield from _files(entry.path)


def _stat(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError as error:
        return f"error {error.errno}"
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"
