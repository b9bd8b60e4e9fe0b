"""Install the reactor that serves best here; ``twistd --reactor sozutw`` calls ``install``."""

import os
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from zope.interface import implementer

_log = Logger()


def install() -> None:
    """
    Install our epoll reactor, or Twisted's own choice, with a warning, where ours cannot work.

    Everything runs on any POSIX reactor of Twisted; ours takes less time.
    """
    reactor = make_direct_reactor()
    if reactor is not None:
        installReactor(reactor)  # type: ignore[no-untyped-call]
        return
    _log.warn(
        "sozutw's own reactor does not work with this system or this Twisted; slower one used"
    )
    from twisted.internet import default  # noqa: PLC0415  # it imports the reactor it chooses

    default.install()


def make_direct_reactor() -> Any:
    """Return an instance of our reactor that was seen to work, or None."""
    try:
        from sozutw.transport.epoll import DirectEPollReactor  # noqa: PLC0415  # Linux only
    except ImportError:
        return None
    try:
        reactor = DirectEPollReactor()
        return reactor if works(reactor) else None
    except Exception:  # noqa: BLE001  # whatever a future Twisted changed
        return None


def works(reactor: Any) -> bool:
    """Whether a descriptor gets its events while registered, and its end when it asks for it."""
    reading, writing = os.pipe()
    probe = _Probe(reading)
    try:
        os.write(writing, b"!")
        reactor.doPoll(0)
        before = probe.wake_ups
        reactor.addReader(probe)
        reactor.doPoll(0)
        during = probe.wake_ups
        reactor.removeReader(probe)
        reactor.doPoll(0)
        after = probe.wake_ups
        probe.outcome = ConnectionDone()
        reactor.addReader(probe)
        reactor.doPoll(0)
        return (before, during, after, probe.is_lost) == (0, 1, 1, True)
    finally:
        reactor.removeReader(probe)
        os.close(reading)
        os.close(writing)


@implementer(IReadDescriptor)
class _Probe:
    """A descriptor that counts its wake-ups."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.wake_ups = 0
        self.outcome: Exception | None = None
        self.is_lost = False

    def fileno(self) -> int:
        return self.descriptor

    def logPrefix(self) -> str:
        return "probe"

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002
        self.is_lost = True

    def doRead(self) -> Any:
        self.wake_ups += 1
        return self.outcome
