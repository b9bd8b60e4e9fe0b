"""How workers are looked after, and who begins their processes."""

import socket
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from sozutw.config.model import Settings
from sozutw.control.proto import command_pb2 as pb

LOOK_SECONDS: Final = 1.0
"""How often each worker is asked whether it lives."""
WAIT_SECONDS: Final = 10.0
"""Where ``worker_timeout`` is 0, nobody waits longer than this for a worker that is silent."""
HARD_SECONDS: Final = 2.0
"""Who was told to end at once has so long for it."""
LATE_SECONDS: Final = 10.0
"""And who was told to end in time, so long beyond that time."""

BEHIND_MAX: Final = 1000
"""So many changes are kept for a worker that is silent, and no more."""


class CannotReplaceError(Exception):
    """A worker is as it was; the text says why."""


class Forks(Protocol):
    """Who begins the processes; ``process.workers.forks``."""

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        """Begin a worker with this channel, and fire with its process id; the channel is closed."""


class Policy(NamedTuple):
    """How workers are looked after."""

    workers: int
    settings: Callable[[], Settings]
    """Those of the file that holds now."""
    turned: Callable[[], Sequence[pb.Request]] = tuple
    """What commands can set otherwise, as it holds now."""
    restarts: bool = True
    timeout: float = 10.0
    """Without a word for so many seconds a worker counts as not answering; 0: it never does."""
    hang_timeout: float = 30.0
    """And for so many it is killed; 0: never."""
    survives_main: bool = False
    processors: Sequence[int] = ()
    """Those to stay on, one for each worker in turn; none: anywhere."""
