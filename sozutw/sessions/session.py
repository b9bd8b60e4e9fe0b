"""A session: all that is held for one accepted client."""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple, Protocol

from sozutw.sessions.tokens import Token


class Doing(NamedTuple):
    """What a client's connection is about, for whoever looks on."""

    listener: str
    """The address that it came in at; empty when it has left."""
    protocol: str
    """HTTP, HTTPS, WS or WSS."""
    state: str
    """``idle``, ``exchange``, ``tunnel``, ``draining`` or ``closing``."""
    cluster_id: str = ""
    backend_id: str = ""
    backend_address: str = ""
    """Of the exchange or tunnel, as far as they are known."""


NOTHING: Final = Doing("", "", "closing")


class Client(Protocol):
    """What a session may ask of the client's connection."""

    def came_in_at(self, listener: object) -> bool:
        """Return whether this is the listener, by identity, that accepted the client."""

    def doing(self) -> Doing:
        """Return what it is about now."""

    def is_idle(self) -> bool:
        """Return whether no exchange is under way."""

    def active_at(self) -> float:
        """Return when the client last did anything, in the clock's seconds."""

    def patience_seconds(self) -> float:
        """Return how long the client may be silent now; 0 if its silence is our doing."""

    def drain(self) -> None:
        """Let the next answer be the last; a client that asks for nothing is kept as always."""

    def abort(self) -> None:
        """Close at once."""


class Gone:
    """In the place of the connection of a client that has left."""

    def came_in_at(self, listener: object) -> bool:  # noqa: ARG002
        """Return False: whoever went with the listener is gone already."""
        return False

    def doing(self) -> Doing:
        """Return nothing."""
        return NOTHING

    def is_idle(self) -> bool:
        """Return False: there is nothing left to close."""
        return False

    def active_at(self) -> float:
        """Return no time."""
        return inf

    def patience_seconds(self) -> float:
        """Return no patience."""
        return 0.0

    def drain(self) -> None:
        """Nothing is under way."""

    def abort(self) -> None:
        """Nothing is open."""


GONE: Final = Gone()
NOWHERE: Final = frozenset[str]()
"""The clusters where most sessions hold a place: one value for all of them, 200 bytes less each."""


class Session:
    """
    One accepted client, from accept to close.

    ``token`` is None before admission and after the end. ``leases`` are the tokens of the
    backend connections it holds now; only the SessionManager writes either.
    """

    __slots__ = ("clusters", "connection", "id_text", "leases", "peer", "since", "source", "token")

    def __init__(
        self, connection: Client, source: str, peer: str, since: float, id_text: bytes
    ) -> None:
        self.connection = connection
        """GONE after the end: nothing reaches a client by its old session, and the two are no
        cycle for the collector."""
        self.source = source
        """The client's IP address as text; it keys the limits by address."""
        self.peer = peer
        """The client's address and port as text, for logs."""
        self.since = since
        self.id_text = id_text
        """Names the session in access logs."""
        self.token: Token | None = None
        self.leases: set[Token] = set()
        self.clusters = NOWHERE
        """The clusters where this session holds a place (sessions.limits.AddressCounts)."""


SessionOf = Callable[[Token], Session | None]
