"""
One probe of a backend: a connection of its own, at most one question, one outcome.

It is in no table of the pool or of the sessions, and counts as nothing that a policy looks at.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.backend.factory import failure_of
from sozutw.balancing.probes import Probe
from sozutw.config.model import BackendAddress, InetAddress
from sozutw.config.policies import HealthCheck
from sozutw.relay.ports import DialFailure
from sozutw.wire.errors import WireError
from sozutw.wire.http1.response import parse_response_head

ANSWER_BYTES_MAX: Final = 4096
"""What a head and the interim ones before it may have together."""

_FINAL: Final = 200
_SWITCHING: Final = 101
_GOOD: Final = range(200, 300)


class Outcome(NamedTuple):
    """What a probe came to."""

    succeeded: bool | None
    """None: nothing is known, for a reason of our own."""
    reason: str = ""
    """Why it did not succeed, for an operator."""
    is_unreachable: bool = False
    """There was no connection at all."""


def question_of(check: HealthCheck, address: BackendAddress) -> bytes:
    """Return the request that a backend is asked with."""
    host = str(address) if isinstance(address, InetAddress) else "localhost"
    return (
        f"GET {check.uri} HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "User-Agent: sozutw/health-check\r\n"
        "Accept: */*\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode()


def judge(check: HealthCheck, status: int) -> Outcome | None:
    """Return what a status means; None if it is that of an interim response that says nothing."""
    if status == check.expected_status:
        return Outcome(True)
    if status < _FINAL and status != _SWITCHING:
        return None
    if not check.expected_status and status in _GOOD:
        return Outcome(True)
    return Outcome(False, f"it answers {status}")


class ProbeConnection(Protocol):
    """
    Who waits for the dial of one probe, and for the answer on the socket that comes of it.

    ``ended`` is called once, from the loop, unless ``give_up`` came before.
    """

    def __init__(self, probe: Probe, ended: Callable[["ProbeConnection", Outcome], None]) -> None:
        self.probe = probe
        self._ended: Callable[[ProbeConnection, Outcome], None] | None = ended
        self._data = b""
        self._room = ANSWER_BYTES_MAX
        self.dial: Any = None
        """Set by who dials."""

    def expire(self) -> None:
        """Its time is up: that is its outcome."""
        is_connected = self.transport is not None
        missed = "answer" if is_connected else "connection"
        told = f"there is no {missed} within {self.probe.check.timeout} s"
        self._end(Outcome(False, told, is_unreachable=not is_connected))

    def give_up(self) -> None:
        """Want no outcome any more: the dial is cancelled, or the socket closed."""
        self._ended = None
        self._data = b""
        dial, self.dial = self.dial, None
        if dial is not None:
            dial.cancel()
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    # What the dialler calls.

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:  # noqa: ARG002
        """Own the socket, if an outcome is still wanted."""
        return None if self._ended is None else self

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:  # noqa: ARG002
        """There is no connection."""
        if failure_of(reason) is DialFailure.NO_DESCRIPTOR:
            self._end(Outcome(None))
        else:
            told = f"it cannot be reached: {reason.getErrorMessage()}"
            self._end(Outcome(False, told, is_unreachable=True))

    # What the transport calls.

    @override
    def connectionMade(self) -> None:
        probe = self.probe
        if probe.check.is_tcp:
            self._end(Outcome(True))
            return
        transport: Any = self.transport
        transport.write(question_of(probe.check, probe.state.address))

    @override
    def dataReceived(self, data: bytes) -> None:
        self._data += data
        try:
            while self._ended is not None:
                head = parse_response_head(self._data, b"GET", self._room)
                if head is None:
                    return
                outcome = judge(self.probe.check, head.status)
                if outcome is not None:
                    self._end(outcome)
                self._data = self._data[head.size :]
                self._room -= head.size
        except WireError as fault:
            self._end(Outcome(False, f"its answer cannot be read: {fault}"))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.transport = None
        self._end(Outcome(False, "it hung up without a whole answer"))

    def _end(self, outcome: Outcome) -> None:
        ended = self._ended
        if ended is not None:
            self.give_up()
            ended(self, outcome)
