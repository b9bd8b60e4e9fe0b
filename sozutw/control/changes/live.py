"""
What the applier changes: the live objects, and the ports through which it reaches the rest.

Each port is provided by another package and named there; a test provides its own.
"""

import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import HttpsListener, InetAddress
from sozutw.config.security import CertificateAndKey
from sozutw.relay.route import ListenerState


class Sockets(Protocol):
    """Who opens and closes listening sockets; ``listen.listeners.ListenerService``."""

    def reserve(self, address: InetAddress) -> socket.socket:
        """Bind an address, so that it can be accepted on later; raises OSError."""

    def activate(self, listener: ListenerState, reserved: socket.socket) -> None:
        """Accept on what was reserved; it cannot fail any more."""

    def exchange(self, listener: ListenerState) -> None:
        """Go on accepting on the same socket, for another listener at its address."""

    def deactivate(self, address: InetAddress) -> None:
        """Accept no more; connections stay."""


class Pool(Protocol):
    """Who holds the connections of backends; ``backend.factory.Connector``."""

    def retire(self, state: BackendState) -> None:
        """Close its idle connections now, and its leased ones when they end."""


class Certificates(Protocol):
    """Who serves certificates; ``listen.certificates.Certificates``."""

    def prepare_listener(self, listener: HttpsListener) -> Any:
        """Judge a listener of TLS; raises RefusedRequestError, and changes nothing."""

    def prepare(self, held: CertificateAndKey) -> Any:
        """Judge a certificate; raises RefusedRequestError, and changes nothing."""

    def prepare_known(self, held: Iterable[CertificateAndKey]) -> list[Any]:
        """Judge certificates that were taken before; those that may not be served any more fall."""

    def open(self, address: InetAddress, contexts: Any) -> None:
        """Serve at this address with what ``prepare_listener`` returned."""

    def close(self, address: InetAddress) -> None:
        """Serve there no more."""

    def add(self, address: InetAddress, held: Any) -> None:
        """Serve what ``prepare`` returned too."""

    def remove(self, address: InetAddress, fingerprint: str) -> None:
        """Serve it no more."""

    def replace_default(self, address: InetAddress, held: Any) -> None:
        """Serve it where no other certificate has the name that was asked for."""


class Live:
    """The live objects, by what the configuration calls them."""

    def __init__(self) -> None:
        self.clusters: dict[str, ClusterState] = {}
        self.listeners: dict[InetAddress, ListenerState] = {}


ClusterFollower = Callable[[str, ClusterState | None], None]
"""Hears of each cluster that came, changed in any way, or (None) went."""
ListenerFollower = Callable[[ListenerState], None]
"""Hears of each listener that went, and may let its clients go."""
