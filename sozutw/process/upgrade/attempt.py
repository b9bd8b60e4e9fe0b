"""
Hand over to a new process: the same program started anew, perhaps of another version.

The new one is given the listening sockets, the command socket and the state. Until it says that it
serves with them, this process is in charge, and serves; whatever goes wrong before leaves it so.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from sozutw.config.dump import dump_all
from sozutw.config.model import InetAddress
from sozutw.config.state import ConfigState
from sozutw.control.messages.records import write_records
from sozutw.control.messages.translate import message_of
from sozutw.control.slowly import SLICE, in_short_turns
from sozutw.process.host import Source
from sozutw.process.upgrade.conversation import Conversation
from sozutw.wire.handover import Handover, HandoverError, Word

STEP_SECONDS_MAX: Final = 60.0
"""For each step of the new process: to start, to load the state, to serve."""
_END_SECONDS: Final = 5.0
"""How long a new process that failed is waited for before it is killed."""

_STOPPING: Final = "this process was told to stop meanwhile"


class UpgradeFailedError(Exception):
    """The new process did not take over; the text says why. This one is in charge as before."""


Command = Callable[[int], list[str]]
"""From the descriptor of the conversation to the command that starts the new process."""


def command_of(descriptor: int) -> list[str]:
    """Return how the new process is started: by the interpreter that runs this one."""
    # -P: what lies in the working directory is not taken for our modules.
    return [sys.executable, "-P", "-m", "sozutw.process.upgrade.takeover", str(descriptor)]


class Listening(Protocol):
    """Whoever has one listening socket."""

    @property
    def descriptor(self) -> int:
        """The socket; -1 if there is none."""


class Named(Listening, Protocol):
    """Whoever has a command socket."""

    @property
    def path(self) -> str | None:
        """Its path; None if there is none."""


class Accepting(Protocol):
    """Whoever has the listening sockets of clients."""

    def descriptors(self) -> dict[InetAddress, int]:
        """Return them by their addresses."""


class Handed(Protocol):
    """Whoever has sockets that were handed to this process."""

    def descriptors(self) -> list[int]:
        """Return them."""


class Addressed(Listening, Protocol):
    """Whoever listens at one address."""

    address: InetAddress


def offer_of(
    source: Source,
    listeners: Accepting,
    control: Named | None,
    admin: Addressed | None,
    pid_file: str | None = None,
    handed: Handed | None = None,
) -> tuple[Handover, list[int]] | None:
    """Return what can be handed over now; None where there is no file to take settings from."""
    if not source.path:
        return None
    accepting = listeners.descriptors()
    descriptors = list(accepting.values())
    command_path = admin_address = None
    if control is not None and control.descriptor >= 0:
        command_path = control.path
        descriptors.append(control.descriptor)
    if admin is not None and admin.descriptor >= 0:
        admin_address = str(admin.address)
        descriptors.append(admin.descriptor)
    listening = tuple(map(str, accepting))
    kept = [] if handed is None else handed.descriptors()
    descriptors += kept
    handover = Handover(
        source.path,
        source.skips_unsupported,
        listening,
        command_path,
        admin_address,
        None if pid_file is None else os.path.abspath(pid_file),
        len(kept),
    )
    return handover, descriptors


class Upgrade:
    """One attempt. It gives up what it began if it fails."""

    def __init__(
        self, reactor: Any, state: ConfigState, handover: Handover, descriptors: list[int]
    ) -> None:
        self._reactor = reactor
        self._state = state
        self._handover = handover
        self._descriptors = descriptors
        self.command: Command = command_of
        self.environment: dict[str, str] = {}
        """What is added to that of this process."""
        self.seconds_max = STEP_SECONDS_MAX
        self._lock = threading.Lock()
        self._conversation: Conversation | None = None
        self._is_abandoned = False
        self._is_decided = False
        """Whether the new process was told to serve: no way back from then on."""

    def abandon(self) -> None:
        """Give up, unless the new process was told to serve already; ``run`` fails soon then."""
        with self._lock:
            self._is_abandoned = not self._is_decided
            if self._is_abandoned and self._conversation is not None:
                self._conversation.interrupt()

    @inlineCallbacks
    def run(self) -> Generator["Deferred[Any]", Any, int]:
        """Fire with the new process's id once it serves; fails with UpgradeFailedError."""
        records = os.memfd_create("sozutw state", os.MFD_CLOEXEC)
        pool = ThreadPool(0, 1, "upgrade")
        pool.start()
        try:
            yield in_short_turns(self._reactor).coiterate(self._write_state(records))
            pid: int = yield deferToThreadPool(self._reactor, pool, lambda: self._talk(records))
        finally:
            os.close(records)
            pool.stop()
        return pid

    def _write_state(self, records: int) -> Generator[None, None, None]:
        with open(os.dup(records), "wb") as file:
            messages = map(message_of, list(dump_all(self._state)))
            for number, record in enumerate(write_records(messages)):
                file.write(record)
                if number % SLICE == SLICE - 1:
                    yield
        os.lseek(records, 0, os.SEEK_SET)

    def _talk(self, records: int) -> int:
        """Start the new process, and lead the conversation; in a thread."""
        ours, theirs = socket.socketpair()
        conversation = Conversation(ours, self.seconds_max)
        with self._lock:
            self._conversation = conversation
        try:
            with theirs:
                self._check()
                process = subprocess.Popen(  # noqa: S603  # our own interpreter
                    self.command(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **self.environment},
                )
        except OSError as error:
            self._close(conversation)
            raise UpgradeFailedError(f"the new process cannot be started: {error}") from None
        except UpgradeFailedError:
            self._close(conversation)
            raise
        try:
            # One that refuses already may have closed; why, it has said before.
            with suppress(BrokenPipeError, ConnectionResetError):
                conversation.offer(self._handover, [records, *self._descriptors])
            conversation.hear("ready")
            self._decide()
            conversation.say(Word("take"))
            conversation.hear("taken")
        except (OSError, EOFError, HandoverError, UpgradeFailedError) as error:
            self._close(conversation)
            status = _ended(process)
            if isinstance(error, UpgradeFailedError) or self._is_abandoned:
                raise UpgradeFailedError(_STOPPING) from None
            raise UpgradeFailedError(_why(error, status)) from None
        # Not closed: its end, with this process, tells the new one that it is alone.
        _KEPT.append((conversation, process))
        atexit.register(conversation.close)
        # It may end before this process does, and must not stay behind as a zombie.
        with suppress(RuntimeError):  # No thread is to be had: it serves all the same.
            threading.Thread(target=process.wait, daemon=True).start()
        return process.pid

    def _check(self) -> None:
        """Go on, unless somebody has given up."""
        if self._is_abandoned:
            raise UpgradeFailedError(_STOPPING)

    def _decide(self) -> None:
        """Go on likewise; from here on nobody can give up."""
        with self._lock:
            self._check()
            self._is_decided = True

    def _close(self, conversation: Conversation) -> None:
        # Never while another thread might still interrupt it: its descriptor could be another's.
        with self._lock:
            self._conversation = None
            conversation.close()


_KEPT: list[tuple[Conversation, "subprocess.Popen[bytes]"]] = []
"""What must stay open, and must not be waited for, until this process ends."""


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """Return the exit status of a process that failed, which is made to end."""
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            process.kill()
        return process.wait()


def _why(error: Exception, status: int) -> str:
    if isinstance(error, HandoverError):
        return f"the new process refused: {error}"
    if isinstance(error, TimeoutError):
        return "the new process did not answer in time, and was killed"
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"the new process ended before it served ({how}); its log or stderr says why"
