"""
State files: read and written whole or not at all.

They hold private keys, so nobody but their owner may read them. A file is written beside its
place, brought to the disk, and then put there in one step.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from typing_extensions import override

from sozutw.config.requests import (
    AddCertificate,
    AddCluster,
    AddHttpsListener,
    Request,
)
from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.records import read_records, write_records
from sozutw.control.messages.translate import message_of, request_of

BYTES_MAX: Final = 1 << 30
"""What a state file may hold; a million frontends are about half of it."""
_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_FILE_MODE: Final = 0o600
_RECORDS_PER_WRITE: Final = 64


def read_state(path: str, user: int | None = None) -> bytes:
    """
    Return what a state file holds; raises RefusedRequestError with what is meant instead.

    ``user`` is who the process will be, and may have written it, if that is another than now.
    """
    own = os.geteuid() if user is None else user
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise RefusedRequestError(f"{path} is no file")
            if about.st_mode & _FOR_OTHERS:
                mode = stat.S_IMODE(about.st_mode)
                raise RefusedRequestError(
                    f"{path} may be read by others (mode {mode:04o}) and may hold private keys; "
                    f"chmod 600 {path} is meant"
                )
            if about.st_uid not in (0, own):
                raise RefusedRequestError(
                    f"{path} belongs to user {about.st_uid}, who could write anything into it; "
                    f"user {own} or root is meant"
                )
            if about.st_size > BYTES_MAX:
                raise RefusedRequestError(f"{path} has more than {BYTES_MAX} bytes")
            return file.read()
    except FileNotFoundError:
        raise RefusedRequestError(f"Cannot find file at path {path}") from None
    except OSError as error:
        raise RefusedRequestError(
            f"Cannot open file at path {path}: {error.strerror or error}"
        ) from None
    except ValueError:
        raise RefusedRequestError("a path has no NUL in it") from None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open what may be a FIFO, on which a thread would wait for ever for its other end."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def requests_in(data: bytes) -> Iterator[Request | RefusedRequestError]:
    """
    Give the orders that a state file holds; in the place of one that is refused, the refusal.

    Raises BadRecordError at what is no record.
    """
    for message in read_records(data):
        try:
            if isinstance(message, RefusedRequestError):
                raise message
            yield request_of(message, skip_unsupported=True)
        except RefusedRequestError as refusal:
            yield refusal


class Withheld:
    """Which keys were left out of a file."""

    def __init__(self) -> None:
        self.certificates = 0
        """Certificates that cannot be served without their key."""
        self.defaults = 0
        """Listeners that lost their own certificate, and clusters that lost theirs."""

    def without_keys(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Give these requests, without any private key, and without what is of no use then."""
        for request in requests:
            match request:
                case AddCertificate():
                    self.certificates += 1
                case AddHttpsListener(listener) if listener.certificate is not None:
                    self.defaults += 1
                    yield AddHttpsListener(replace(listener, certificate=None))
                case AddCluster(cluster) if cluster.backend_tls and cluster.backend_tls.certificate:
                    self.defaults += 1
                    tls = replace(cluster.backend_tls, certificate=None)
                    yield AddCluster(replace(cluster, backend_tls=tls))
                case _:
                    yield request

    @override
    def __str__(self) -> str:
        return (
            f"without {self.certificates} certificates of frontends and {self.defaults} of "
            "listeners and clusters, whose keys were not asked for"
        )


class StateFile:
    """
    One file being written: ``steps`` in slices, then ``settle``, which may wait for the disk.

    Until ``settle`` has returned, what stood at the path before stands there. Raises OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.records = 0
        self._beside = f"{path}.{os.getpid()}.new"

    def steps(self, requests: Iterable[Request]) -> Generator[None, None, None]:
        """Write the records, some at a time."""
        _spare_what_is_no_file(self.path)
        with suppress(FileNotFoundError):
            os.unlink(self._beside)  # Of one who died with our number.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._beside, flags, _FILE_MODE)
        try:
            with open(fd, "wb") as file:
                messages = map(message_of, requests)
                for record in write_records(messages):
                    file.write(record)
                    self.records += 1
                    if self.records % _RECORDS_PER_WRITE == 0:
                        yield
        except BaseException:
            self.abandon()
            raise

    def settle(self) -> None:
        """Bring it to the disk and put it in its place; may be called in a thread."""
        try:
            fd = os.open(self._beside, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(self._beside, self.path)
            _sync_folder(Path(self.path).parent)
        except OSError:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leave nothing of it."""
        with suppress(OSError):
            os.unlink(self._beside)


def _spare_what_is_no_file(path: str) -> None:
    """Raise OSError for a device or the like: root could put a file in the place of /dev/null."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except ValueError:
        raise OSError(errno.EINVAL, "a path has no NUL in it") from None
    if not stat.S_ISREG(mode):
        raise OSError(errno.EEXIST, "there is something of that name that is no file")


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, where the file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
