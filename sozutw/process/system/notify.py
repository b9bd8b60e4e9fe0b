"""
What whoever started the process is told of it, in systemd's way: a datagram to $NOTIFY_SOCKET.

Nothing here waits or raises: who does not listen must not hold up a proxy.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

_log = Logger()

STATUS_SECONDS: Final = 5.0
"""How often it is looked whether something else is to be told."""
DRAIN_STATUS_SECONDS: Final = 1.0
STATUS_LENGTH_MAX: Final = 400
MARGIN_SECONDS: Final = 15.0
"""What a stop may take beyond the grace that its clients have."""
_WAITING_MAX: Final = 16
_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """
    Sends states to a socket of datagrams; to none if ``address`` is empty.

    An address is a path, or @ and a name in the abstract namespace.
    """

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        self.address = address
        """For a successor of this process, who is to be heard too."""
        self.watchdog_seconds = watchdog_seconds
        """How long this process may be silent before it is taken for dead; None: for ever."""
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque(maxlen=_WAITING_MAX)
        """What the receiver had no room for yet."""

    @property
    def is_heard(self) -> bool:
        """Whether there is somebody to tell."""
        return bool(self.address)

    @property
    def is_waiting(self) -> bool:
        """Whether something has not been told yet."""
        return bool(self._waiting)

    def tell(self, *assignments: str) -> None:
        """Send these assignments as one message, now or when there is room."""
        if self.address:
            self._waiting.append("\n".join(assignments).encode("utf-8", "backslashreplace"))
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        while self._waiting:
            try:
                if self._socket is None:
                    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
                    self._socket = socket.socket(socket.AF_UNIX, kind)
                self._socket.sendto(self._waiting[0], _kernel_address(self.address))
            except BlockingIOError:
                return
            except OSError as error:
                self._waiting.clear()
                _log.debug("{address} is not told: {error}", address=self.address, error=error)
                return
            self._waiting.popleft()

    def environment(self) -> dict[str, str]:
        """Return what lets a successor of this process be heard too."""
        told = {"NOTIFY_SOCKET": self.address} if self.address else {}
        if self.address and self.watchdog_seconds is not None:
            told["WATCHDOG_USEC"] = str(round(self.watchdog_seconds * 1_000_000))
        return told

    def close(self) -> None:
        """Tell nothing more."""
        self.address = ""
        self._waiting.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def take_notifier(environment: MutableMapping[str, str]) -> Notifier:
    """Make a notifier of what the environment says, and take that out for our children's sake."""
    address, watchdog, pid = (environment.pop(name, "") for name in _VARIABLES)
    if not address:
        return Notifier()
    if address[0] not in "/@" or len(address) == 1 or "\0" in address:
        _log.warn("NOTIFY_SOCKET is {address}, which is no path and no @name", address=address)
        return Notifier()
    seconds = None
    if watchdog.isdecimal() and int(watchdog) > 0 and pid in ("", str(os.getpid())):
        seconds = int(watchdog) / 1_000_000
    return Notifier(address, seconds)


def _kernel_address(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


class Clock(Protocol):
    """What is needed of the reactor."""

    def callLater(  # noqa: D102  # Twisted's name and signature
        self, delay: float, called: Callable[[], object], /
    ) -> IDelayedCall: ...


class Proxy(Protocol):
    """What is told of."""

    def describe(self) -> str:
        """Say in a line what is served."""

    def count_connections(self) -> int:
        """Return how many clients are connected."""


class LifeSigns:
    """
    Tells a notifier how the process is: ready, reloading, stopping; what it serves; that it lives.

    The sign of life comes out of the loop: of a loop that hangs there is none. After ``stopping``
    nothing says any more that it is ready.
    """

    def __init__(
        self, notifier: Notifier, clock: Any, proxy: Proxy, grace_seconds_max: float
    ) -> None:
        self._notifier = notifier
        self._clock: Clock = clock
        self._proxy = proxy
        self._grace_seconds_max = grace_seconds_max
        self._status = ""
        self.is_successor = False
        """Whether another process tells how the service is until this one is ready."""
        self._is_ready = self._is_stopping = False
        self._next_status: IDelayedCall | None = None
        self._next_sign: IDelayedCall | None = None

    def ready(self) -> None:
        """It listens, and its loop runs."""
        if not self._notifier.is_heard or self._is_stopping:
            return
        self._is_ready = True
        self._notifier.tell("READY=1", f"MAINPID={os.getpid()}", self._new_status())
        self._next_status = self._clock.callLater(STATUS_SECONDS, self._look_again)
        if self._notifier.watchdog_seconds is not None:
            self._give_sign(self._notifier.watchdog_seconds / 2)

    def reload_begun(self) -> None:
        """Another configuration is put in force from now on."""
        if self._is_ready and not self._is_stopping:
            # systemd tells by the time which of its own requests this is about.
            self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reload_ended(self) -> None:
        """One configuration is in force, the other or still the old one."""
        if self._is_ready and not self._is_stopping:
            self._notifier.tell("READY=1", self._new_status())

    def stop_begun(self) -> None:
        """Nobody new is accepted; it ends with its last client, or when its grace is over."""
        if not self._notifier.is_heard or self._is_stopping:
            return
        self._is_stopping = True
        if self.is_successor and not self._is_ready:
            return  # The other one goes on; where NotifyAccess is not main this one would be heard.
        microseconds = int((self._grace_seconds_max + MARGIN_SECONDS) * 1_000_000)
        # Whatever TimeoutStopSec is: it must not cut short what the configuration grants.
        self._notifier.tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={microseconds}", self._new_status())
        if self._next_status is not None:
            self._next_status.cancel()
        self._next_status = self._clock.callLater(DRAIN_STATUS_SECONDS, self._look_again)

    def replaced_by(self, pid: int) -> None:
        """
        Another process serves, and tells how it is; this one tells nothing more.

        Only the main process is heard (NotifyAccess=main): so it is this one that names it.
        """
        told = [f"MAINPID={pid}"]
        if self._notifier.watchdog_seconds is not None:
            # The successor's own first sign may have come when it was not the main process yet.
            told.append("WATCHDOG=1")
        self._cancel_calls()
        self._is_stopping = True
        self._notifier.tell(*told)
        self._tell_the_last()

    def _tell_the_last(self) -> None:
        """Whoever does not hear of the successor takes the service for ended with this process."""
        self._notifier.flush()
        if self._notifier.is_waiting:
            self._next_status = self._clock.callLater(DRAIN_STATUS_SECONDS, self._tell_the_last)
        else:
            self.close()

    def environment(self) -> dict[str, str]:
        """Return what lets a successor of this process be heard too."""
        return self._notifier.environment()

    def _new_status(self) -> str:
        if self._is_stopping:
            left = self._proxy.count_connections()
            text = (
                "stopping: 1 connection left" if left == 1 else f"stopping: {left} connections left"
            )
        else:
            text = " ".join(self._proxy.describe().splitlines())
        if len(text) > STATUS_LENGTH_MAX:
            text = text[: STATUS_LENGTH_MAX - 1] + "…"
        self._status = f"STATUS={text}"
        return self._status

    def _look_again(self) -> None:
        self._notifier.flush()
        before = self._status
        if self._new_status() != before:
            self._notifier.tell(self._status)
        seconds = DRAIN_STATUS_SECONDS if self._is_stopping else STATUS_SECONDS
        self._next_status = self._clock.callLater(seconds, self._look_again)

    def _give_sign(self, seconds: float) -> None:
        self._notifier.tell("WATCHDOG=1")
        self._next_sign = self._clock.callLater(seconds, lambda: self._give_sign(seconds))

    def close(self) -> None:
        """Tell nothing more."""
        self._cancel_calls()
        self._notifier.close()

    def _cancel_calls(self) -> None:
        for call in (self._next_status, self._next_sign):
            if call is not None and call.active():
                call.cancel()
        self._next_status = self._next_sign = None
