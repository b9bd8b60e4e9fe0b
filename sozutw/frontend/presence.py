"""
Presence: what the session manager and whoever looks on may ask of a client's connection.

Nothing here is on the path of a request.
"""

from math import inf

from sozutw.frontend.closing import Closing
from sozutw.relay.route import ListenerState
from sozutw.sessions.session import Doing


class Presence(Closing):
    """A client's connection as its session shows it; ``sessions.session.Client``."""

    __slots__ = ("_listener", "is_draining")

    is_draining: bool
    _listener: ListenerState

    def came_in_at(self, listener: object) -> bool:
        """Return whether this is our listener."""
        return listener is self._listener

    def doing(self) -> Doing:
        """Return what goes on here now."""
        listener = self._listener
        at = str(listener.listener.address)
        if self._exchange is not None:
            return self._exchange.doing(at, is_draining=self.is_draining)
        return Doing(at, listener.protocol, "closing" if self._is_over else "idle")

    def is_idle(self) -> bool:
        """Return whether no exchange is under way."""
        return self._exchange is None

    def active_at(self) -> float:
        """Return when the client last gave a sign of life."""
        return self.patience.touched

    def patience_seconds(self) -> float:
        """Return how long the client may be silent now; 0 if its silence is our doing."""
        seconds = self.patience.seconds
        return seconds if seconds < inf else 0.0

    def drain(self) -> None:
        """
        Let the next answer be the last, and tell the client in it.

        Who waits between two requests is kept: a request of his may be on its way, and what
        closes now would lose it. His patience ends as always.
        """
        self.is_draining = True
