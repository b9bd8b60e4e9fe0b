"""The factory of one listener: a connection for each client that is accepted."""

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from typing_extensions import override

from sozutw.frontend.http1 import Entrance, Http1FrontendConnection


class Http1FrontendFactory(Factory):
    """Make an Http1FrontendConnection for each client of one listener."""

    noisy = False

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    @override
    def buildProtocol(self, addr: IAddress | None) -> Http1FrontendConnection:
        counters = self._entrance.listener.counters
        counters.accepted += 1
        peer: Any = addr
        host = getattr(peer, "host", "unix")
        return Http1FrontendConnection(self._entrance, host, getattr(peer, "port", 0))
