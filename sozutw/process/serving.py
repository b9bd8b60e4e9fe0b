"""
What serves clients, as the tree of a process sees it: the process itself, or its workers.

``process.traffic`` is the one, ``process.workers.traffic`` the other.
"""

import socket
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred

from sozutw.config.model import InetAddress
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.metrics.render import Reports

if TYPE_CHECKING:
    from sozutw.control.crew import Crew
    from sozutw.control.events import Events
    from sozutw.control.host import Host
    from sozutw.process.live_settings import Knobs, LiveSettings


class Serving(Protocol):
    """Serves clients by what its ``applier`` has applied."""

    applier: Applier
    certificates: Certificates
    knobs: "Knobs"

    def bound(self) -> AbstractContextManager[None]:
        """What is bound meanwhile is closed again if it fails."""

    def inherit(self, sockets: dict[InetAddress, socket.socket]) -> None:
        """Begin with sockets that another process has opened; one is taken out when it is used."""

    def close_unused(self) -> None:
        """Close what was inherited and nobody asked for: its clients would wait in vain."""

    def settings_of(self, live: "LiveSettings") -> None:
        """Know where to look for the settings that hold."""

    def start(self) -> "Deferred[None]":
        """Begin, and fire when clients could be served; raises OSError, or fails."""

    def serve(self) -> None:
        """Take clients from now on."""

    def stop(self) -> "Deferred[None]":
        """Accept no more, let what is under way end in time, and close the rest."""

    def stop_now(self) -> None:
        """Cut what is under way; a soft stop that waits for it is over with that."""

    def leave_to_others(self) -> None:
        """Others go on with our sockets: nothing but the clients bounds how long a stop takes."""

    @property
    def accepting(self) -> Collection[InetAddress]:
        """Where clients are accepted."""

    def descriptors(self) -> dict[InetAddress, int]:
        """Return the descriptor of each listening socket, to be handed over."""

    def count_connections(self) -> int:
        """Return how many clients are connected."""

    def tell_connections(self) -> str:
        """Tell how many clients are connected, and what they do as far as it is known."""

    def why_not_ready(self) -> str | None:
        """Say why no client should be sent here; None if one may be."""

    def gather(self) -> "Deferred[dict[str, Reports]]":
        """Bring all counters together, by the id of the worker that has them."""

    def clear(self) -> "Deferred[None]":
        """Begin anew at zero with all that only grows."""

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have our files, before this process is that user; raises OSError."""

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""

    def make_crew(self, host: "Host") -> "Crew":
        """Return the workers as the verbs see them."""

    def tell_events(self, events: "Events") -> None:
        """Publish what happens on the path of requests."""
