"""
LastWords: what was written to a backend still goes out, though nobody waits for it any more.

It succeeds a connection that is in no table any more, when both ends of its tunnel said all.
"""

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.transport.patience import Patience, Wheel


class LastWords(Protocol):
    """Close ``transport`` when all is out, and within ``seconds`` at the latest."""

    def __init__(self, transport: Any, wheel: Wheel, seconds: float) -> None:
        self._patience = Patience(wheel, transport.abortConnection)
        self._patience.allow(seconds)
        transport.protocol = self
        transport.loseConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._patience.cancel()
