"""What can go wrong between a client and the command socket, in words that say what to do."""

import errno
import os
import pwd
import stat
from typing import Final

from sozutw.control.proto import command_pb2 as pb

PATH_BYTES_MAX: Final = 107
"""What ``sun_path`` holds on Linux, without the zero at its end."""


class ClientError(Exception):
    """A request has no good answer; its text can be shown to an operator."""


class UnreachableError(ClientError):
    """Nobody could be asked; nothing was changed."""


class RefusedError(ClientError):
    """The answer is FAILURE, and this is its text."""

    def __init__(self, message: str, response: pb.Response) -> None:
        super().__init__(message)
        self.message = message
        self.response = response
        """The whole answer."""


class TimedOutError(ClientError):
    """The answer did not come in time; whether the request is carried out is not known."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(
            f"no answer on {path} for {seconds:g} s; whether the request is carried out is not"
            " known: look before repeating it, or allow more time"
        )


class BrokenChannelError(ClientError):
    """The connection ended, or what came is no answer; the request may be carried out or not."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"the conversation on {path} broke off: {why}; whether the request is carried out"
            " is not known"
        )


def unreachable(path: str, number: int) -> UnreachableError:
    """Return what to tell when connecting to ``path`` failed with this ``errno``."""
    if number == errno.ENOENT:
        text = (
            f"there is no command socket {path}: is sozutw running, and is this the"
            " command_socket of its configuration?"
        )
    elif number == errno.ECONNREFUSED:
        if _is_socket(path):
            text = f"nobody answers on {path}: sozutw is not running; start it"
        else:
            text = f"{path} is no socket; give the command_socket of sozutw's configuration"
    elif number in (errno.EACCES, errno.EPERM):
        text = f"this user may not open {path}: become {_owner(path)}"
    elif number == errno.EAGAIN:
        text = f"whoever listens on {path} accepts nobody now; try again, or look at its log"
    else:
        text = f"cannot connect to {path}: {os.strerror(number)}"
    return UnreachableError(text)


def too_long(path: str) -> UnreachableError:
    """Return what to tell when a path cannot be that of a socket."""
    return UnreachableError(
        f"{path} is too long for a socket: {len(os.fsencode(path))} bytes, where"
        f" {PATH_BYTES_MAX} are the most"
    )


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _owner(path: str) -> str:
    try:
        name = pwd.getpwuid(os.stat(path).st_uid).pw_name
    except (OSError, KeyError):
        return "the user that sozutw runs as, or root"
    return "root" if name == "root" else f"{name}, the user that sozutw runs as, or root"
