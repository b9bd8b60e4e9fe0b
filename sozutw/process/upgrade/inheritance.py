"""What a process begins with that takes over from another: sockets, state, and the last words."""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sozutw.config.model import InetAddress
from sozutw.config.requests import Request


def _nothing() -> None:
    """Nobody waits for it."""


@dataclass(slots=True)
class Inheritance:
    """All that is different for a process that is not the first."""

    requests: Iterable[Request]
    """What is in force, in the place of what the file says."""
    sockets: dict[InetAddress, socket.socket] = field(default_factory=dict)
    """Listening sockets; one is taken out when it is used."""
    command_path: str | None = None
    command: socket.socket | None = None
    handed: list[socket.socket] = field(default_factory=list)
    """Those that somebody had handed to the process before, and keeps open."""
    pid_file: str | None = None
    """One to keep beside the one that the configuration names."""
    ready: Callable[[], None] = _nothing
    """Called when all is bound and loaded; serving begins when it returns."""
    served: Callable[[], None] = _nothing
    """Called when all has begun, and the loop runs."""
