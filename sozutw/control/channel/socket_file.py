"""The command socket in the file system: made for its owner alone, and removed with care."""

import errno
import os
import socket
import stat
from typing import Final

from typing_extensions import override

from sozutw.control.faults import PATH_BYTES_MAX

MODE: Final = 0o600
BACKLOG: Final = 64


class CannotOpenError(OSError):
    """A path on which no command socket can be opened; its text can be shown to an operator."""

    def __init__(self, path: str, number: int, text: str) -> None:
        super().__init__(number, text, path)

    @override
    def __str__(self) -> str:
        return f"cannot open the command socket {self.filename}: {self.strerror}"


class SocketFile:
    """
    A socket that listens on a path, bound here, and its file.

    The file has mode 0600 from the moment it exists. One that is there already is removed if it
    is a socket on which nobody answers. With ``listening``, a socket that another process has
    bound there is ours from now on. Raises CannotOpenError.
    """

    def __init__(self, path: str, listening: socket.socket | None = None) -> None:
        self.path = path
        self.sock = listening or self._bound(path)
        try:
            found = os.lstat(path)
        except OSError as fault:
            number = fault.errno or 0
            raise CannotOpenError(path, number, _why(path, number)) from fault
        self._identity = (found.st_dev, found.st_ino)

    @staticmethod
    def _bound(path: str) -> socket.socket:
        size = len(os.fsencode(path))
        if size > PATH_BYTES_MAX:
            text = f"its path has {size} bytes, where {PATH_BYTES_MAX} are the most"
            raise CannotOpenError(path, errno.ENAMETOOLONG, text)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _remove_stale(path)
            # Linux takes the mode of the file from that of the socket; unlike the umask, that
            # concerns no other thread. Nobody can connect before it listens.
            os.fchmod(sock.fileno(), MODE)
            sock.bind(path)
            sock.listen(BACKLOG)
        except OSError as fault:
            sock.close()
            if isinstance(fault, CannotOpenError):
                raise
            number = fault.errno or 0
            raise CannotOpenError(path, number, _why(path, number)) from fault
        return sock

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have the file; raises OSError if it cannot be."""
        # Opened first, and then the same file changed: its name may be another's by now.
        fd = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(fd)
            if (found.st_dev, found.st_ino) != self._identity:
                text = "another process took that name just now"
                raise CannotOpenError(self.path, errno.EEXIST, text)
            os.chown(f"/proc/self/fd/{fd}", uid, gid)
        finally:
            os.close(fd)

    def remove(self) -> None:
        """
        Remove the file, unless another one has its name now; raises OSError if it cannot be.

        To be called while the socket is open: so long no other file can have its inode.
        """
        assert self.sock.fileno() >= 0
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return
        if (found.st_dev, found.st_ino) == self._identity:
            os.unlink(self.path)


class HandedSocketFile(SocketFile):
    """
    A socket that was handed to us, whose file belongs to whoever made it.

    Raises CannotOpenError when everybody may connect to it, unless ``is_guarded``.
    """

    def __init__(self, path: str, sock: socket.socket, *, is_guarded: bool) -> None:
        self.path = path
        self.sock = sock
        try:
            is_open = bool(os.stat(path).st_mode & stat.S_IWOTH)
        except OSError as fault:
            sock.close()
            number = fault.errno or 0
            raise CannotOpenError(path, number, os.strerror(number)) from fault
        if is_open and not is_guarded:
            sock.close()
            text = (
                "everybody may connect to the socket that was handed over; SocketMode=0600 is "
                "meant, or command_allowed_uids"
            )
            raise CannotOpenError(path, errno.EPERM, text)

    @override
    def give_to(self, uid: int, gid: int) -> None:
        """Leave the file to whoever made it: the socket stays open to us all the same."""

    @override
    def remove(self) -> None:
        """Leave the file to whoever made it."""


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        text = "there is something of that name that is no socket; it is left alone"
        raise CannotOpenError(path, errno.EEXIST, text)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
        number = asking.connect_ex(path)
    if number == errno.ECONNREFUSED:
        os.unlink(path)
    elif number in (0, errno.EAGAIN):
        text = "another sozutw answers there; stop it, or set another command_socket"
        raise CannotOpenError(path, errno.EADDRINUSE, text)
    elif number != errno.ENOENT:
        text = f"whether another sozutw answers there cannot be found out: {os.strerror(number)}"
        raise CannotOpenError(path, number, text)


def _why(path: str, number: int) -> str:
    folder = os.path.dirname(path) or "."
    if number == errno.ENOENT:
        return f"there is no folder {folder}"
    if number in (errno.EACCES, errno.EPERM):
        return f"{os.strerror(number)}: this user may not write in {folder}"
    if number == errno.EADDRINUSE:
        return "another process took that name just now"
    return os.strerror(number)
