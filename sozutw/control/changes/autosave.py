"""``automatic_state_save``: what changed is on the disk a moment later."""

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure

QUIET_SECONDS: Final = 1.0
"""Changes that come together are saved together."""
AGAIN_SECONDS: Final = 10.0
"""After a save that failed."""

_log = Logger()

Save = Callable[[str], "Deferred[pb.Response]"]


class AutomaticSave:
    """Saves to ``path`` after each change; to none while there is no path."""

    def __init__(self, save: Save, clock: IReactorTime, path: str | None) -> None:
        self._save = save
        self._clock = clock
        self.path = path
        self._due: IDelayedCall | None = None
        self._under_way: Deferred[None] | None = None

    def changed(self) -> None:
        """The configuration is not what was saved any more."""
        self._arm(QUIET_SECONDS)

    def _arm(self, seconds: float) -> None:
        if self.path is not None and self._due is None:
            self._due = self._clock.callLater(seconds, self._save_now)

    def stop(self) -> "Deferred[None]":
        """Save what is not saved yet; fires when that is done, or has failed."""
        if self._due is not None:
            self._due.cancel()
            saved = self._save_now()
        elif self._under_way is not None:
            saved = Deferred()
            self._under_way.addCallback(saved.callback)
        else:
            return succeed(None)
        self.path = None  # Nobody would wait for another try.
        return saved

    def give_up(self) -> None:
        """Save no more: another process has the state now, and saves it."""
        self.path = None
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _save_now(self) -> "Deferred[None]":
        self._due = None
        if self.path is None:
            return succeed(None)
        under_way = self._save(self.path).addErrback(_failed).addCallback(self._saved)
        self._under_way = None if under_way.called else under_way
        return under_way

    def _saved(self, response: pb.Response) -> None:
        self._under_way = None
        if response.status != pb.OK and self.path is not None:
            _log.error("automatic_state_save: {why}", why=response.message)
            self._arm(AGAIN_SECONDS)


def _failed(fault: Failure) -> pb.Response:
    """Our own fault is no reason to stop saving, nor to stop the rest of a stop."""
    _log.failure("the state could not be saved", failure=fault)
    return failure("an internal error")
