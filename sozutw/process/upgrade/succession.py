"""How this process is replaced by the next, and what it does then: the old one's side."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.logger import Logger

from sozutw.config.state import ConfigState, RefusedRequestError
from sozutw.listen.handed import HandedSockets
from sozutw.process.host import ProcessHost, Source

if TYPE_CHECKING:
    from sozutw.process.admin import AdminService
    from sozutw.process.control_plane import ControlPlane
    from sozutw.process.serving import Serving
    from sozutw.process.upgrade.attempt import Upgrade

_log = Logger()


def _nothing() -> None:
    """Nobody has bound it."""


class Succession:
    """
    Hands over to a new process, one attempt at a time; ``host`` keeps them apart.

    ``leave`` ends this process when its last client has gone. ``replaced`` is called when another
    process serves in the place of this one, ``stayed`` when one has failed to.
    """

    def __init__(
        self,
        reactor: Any,
        source: Source,
        state: ConfigState,
        serving: "Serving",
        host: ProcessHost,
        leave: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._source = source
        self._state = state
        self._serving = serving
        self._host = host
        self._leave = leave
        self.control: ControlPlane | None = None
        self.admin: AdminService | None = None
        self.handed: HandedSockets | None = None
        """Sockets that whoever started the process keeps open too."""
        self.pid_file: str | None = None
        """A file, beside ``pid_file_path``, that tells of this process; the next one keeps it."""
        self.replaced: Callable[[], None] = _nothing
        self.replaced_by: Callable[[int], None] = lambda _pid: None
        self.environment: Callable[[], dict[str, str]] = dict
        """What the next process is told by its environment."""
        self.stayed: Callable[[], None] = _nothing
        self.upgrade: Upgrade | None = None
        """The attempt that is under way."""
        self._waiting: list[Deferred[None]] = []

    @inlineCallbacks
    def hand_over(self) -> Generator["Deferred[int]", int, int]:
        """
        Start a process that takes over; once it serves, take nobody new, and see all out.

        Fires with its id, or fails with RefusedRequestError; then nothing is different.
        """
        # With protobuf, for the state.
        from sozutw.process.upgrade.attempt import Upgrade, UpgradeFailedError, offer_of  # noqa: PLC0415

        offer = offer_of(
            self._source, self._serving, self.control, self.admin, self.pid_file, self.handed
        )
        if offer is None:
            raise RefusedRequestError("only a process that began with a file can be replaced")
        self.upgrade = Upgrade(self._reactor, self._state, *offer)
        self.upgrade.environment = self.environment()
        try:
            pid = yield self.upgrade.run()
        except (UpgradeFailedError, OSError) as error:
            # Names of files need not be UTF-8, and an answer must be.
            why = str(error).encode("utf-8", "backslashreplace").decode()
            _log.error("the upgrade failed: {error}", error=why)
            self.stayed()
            raise RefusedRequestError(why) from None
        finally:
            self.upgrade = None
            # Whoever asked for it has the answer first.
            self._reactor.callLater(0, self._ended)
        if self._host.is_stopping:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            raise RefusedRequestError("the stop that was asked for ends the new process too")
        _log.info("process {pid} serves in our place; what is under way here ends first", pid=pid)
        self._replaced(pid)
        return pid

    def give_up(self) -> "Deferred[None]":
        """
        This process stops: let an attempt fail, and fire when it is over.

        If it is too late for that, the new process is told to stop.
        """
        if self.upgrade is None:
            return succeed(None)
        self.upgrade.abandon()
        ended: Deferred[None] = Deferred()
        self._waiting.append(ended)
        return ended

    def _replaced(self, pid: int) -> None:
        # At once: whatever stops this process from here on must leave the sockets as they are.
        self._serving.leave_to_others()
        self.replaced()
        self.replaced_by(pid)
        self._host.is_stopping = True
        if self.control is not None:
            self.control.hand_over()
        if self.admin is not None:
            self.admin.hand_over()
        # After the answer to whoever asked for it.
        self._reactor.callLater(0, self._leave)

    def _ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)
