"""The main process's side of the zygote: start it, have workers forked, hear of their ends."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.process.zygote.packets import VERSION, PacketError, encoded, receive

START_SECONDS_MAX: Final = 30.0
FORK_SECONDS_MAX: Final = 30.0
"""A zygote that does not answer for so long is killed."""
END_SECONDS_MAX: Final = 5.0
"""How long it may take to end once its socket has; it gives its children one second."""
_DESCRIPTOR: Final = 3
"""Which the socket is in the zygote."""
_PACKETS_A_TURN: Final = 64


class NurseryError(Exception):
    """There is no zygote, or it did not fork; the text says why."""


Command = Callable[[int], list[str]]
"""From the descriptor of the zygote's socket to the command that starts it."""


def command_of(descriptor: int) -> list[str]:
    """Return how the zygote is started: by the interpreter that runs this process."""
    # -P: what lies in the working directory is not taken for our modules.
    return [sys.executable, "-P", "-m", "sozutw.process.zygote.zygote", str(descriptor)]


@implementer(IReadDescriptor)
class Nursery:
    """
    One zygote, from its start to its end; another one needs another Nursery.

    ``ended(pid, status)`` is called for each worker that ended, with a signal as a negative
    status; ``lost(why)`` when the zygote died unasked, after what it had still said was heard and
    each fork that waited has failed. Its workers live on then, but nobody tells of their ends.
    """

    def __init__(
        self,
        reactor: Any,
        ended: Callable[[int, int], None],
        lost: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._ended = ended
        self._lost = lost
        self.command: Command = command_of
        self.pid = 0
        """The zygote's; 0 while there is none that is ready."""
        self._sock: socket.socket | None = None
        self._process: Any = None
        self._starting: Deferred[None] | None = None
        self._forks: dict[int, Deferred[int]] = {}
        self._numbers = 0
        self._deadlines: dict[int, IDelayedCall] = {}
        """By the number of the fork that is waited for."""
        self._end_deadline: IDelayedCall | None = None
        self._is_reading = False
        self._stopping: list[Deferred[None]] | None = None
        self._why = ""
        """Why the zygote was killed, or why there is none any more."""

    def start(self) -> "Deferred[None]":
        """Start it, once; fire when it is ready, or fail with NurseryError."""
        assert self._sock is None
        assert not self._why
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = self.command(_DESCRIPTOR)
        descriptors = {0: 0, 1: 1, 2: 2, _DESCRIPTOR: theirs.fileno()}
        with theirs:
            try:
                self._process = self._reactor.spawnProcess(
                    _Process(self._process_ended), command[0], command, None, childFDs=descriptors
                )
            except OSError as error:
                ours.close()
                self._why = f"the zygote cannot be started: {error}"
                return fail(NurseryError(self._why))
        ours.setblocking(False)
        self._sock = ours
        self._is_reading = True
        self._reactor.addReader(self)
        self._wait_at_most(START_SECONDS_MAX, 0)
        starting: Deferred[None] = Deferred()
        self._starting = starting
        return starting

    def fork(self, channel: socket.socket) -> "Deferred[int]":
        """
        Have a worker forked at the other end of a channel; fire with its pid.

        This end of ``channel`` is closed in every case. Fails with NurseryError.
        """
        with channel:
            if self._sock is None or not self.pid:
                return fail(NurseryError(self._why or "there is no zygote to fork a worker"))
            if self._stopping is not None:
                return fail(NurseryError("the zygote is to end, and forks no more"))
            self._numbers += 1
            packet = encoded({"fork": self._numbers})
            try:
                socket.send_fds(self._sock, [packet], [channel.fileno()])
            except OSError as error:
                return fail(NurseryError(f"the zygote cannot be told to fork: {error.strerror}"))
        self._wait_at_most(FORK_SECONDS_MAX, self._numbers)
        forked = self._forks[self._numbers] = Deferred()
        return forked

    def survive(self) -> None:
        """Let the workers live on when the zygote ends; raises NurseryError if it cannot know."""
        if self._sock is None:
            raise NurseryError(self._why or "there is no zygote")
        try:
            self._sock.send(encoded({"survive": True}))
        except OSError as error:
            raise NurseryError(f"the zygote cannot be told: {error.strerror}") from None

    def stop(self) -> "Deferred[None]":
        """
        End the zygote, and with it the workers unless they are to survive; fire when it has ended.

        The ends of workers are told until then.
        """
        if self._sock is None:
            return succeed(None)
        if self._stopping is None:
            self._stopping = []
            # Only this half: what it has to say about the last of its children is still heard.
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
            self._expect_end()
        stopped: Deferred[None] = Deferred()
        self._stopping.append(stopped)
        return stopped

    # What the reactor calls.

    def fileno(self) -> int:
        """Return the descriptor, -1 once closed."""
        return -1 if self._sock is None else self._sock.fileno()

    def logPrefix(self) -> str:
        """Name it in logs."""
        return "nursery"

    def doRead(self) -> None:
        """The zygote has said something, perhaps much."""
        for _ in range(_PACKETS_A_TURN):
            if not self._read():
                return

    def connectionLost(self, reason: object) -> None:  # noqa: ARG002
        """The reactor gave us up."""
        self._stop_reading()

    # What is heard.

    def _read(self) -> bool:
        """Take one packet; return whether there may be more."""
        if self._sock is None or not self._is_reading:
            return False
        try:
            with receive(self._sock) as packet:
                self._hear(packet.value)
        except BlockingIOError:
            return False
        except EOFError:
            self._stop_reading()
        except PacketError as error:
            self._give_up(f"the zygote said what makes no sense: {error}")
            self._stop_reading()
        return self._is_reading

    def _hear(self, value: Any) -> None:
        match value:
            case {"zygote": version} if self._starting is not None and version != VERSION:
                self._give_up(f"the zygote is of version {str(version)[:20]}, and not {VERSION}")
            case {"zygote": _, "pid": int(pid)} if self._starting is not None:
                self.pid = pid
                self._answered(0)
                starting, self._starting = self._starting, None
                starting.callback(None)
            case {"forked": int(number), "pid": int(pid)} if number in self._forks:
                self._answered(number)
                self._forks.pop(number).callback(pid)
            case {"failed": int(number), "why": str(why)} if number in self._forks:
                self._answered(number)
                self._forks.pop(number).errback(NurseryError(f"no worker was forked: {why}"))
            case {"ended": int(pid), "status": int(status)}:
                self._ended(pid, status)
            case _:
                raise PacketError(str(value)[:100])

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._reactor.removeReader(self)
            self._expect_end()

    # How it ends.

    def _wait_at_most(self, seconds: float, number: int) -> None:
        def missed() -> None:
            del self._deadlines[number]
            self._give_up(f"the zygote did not answer in {seconds:g} s, and was killed")

        self._deadlines[number] = self._reactor.callLater(seconds, missed)

    def _answered(self, number: int) -> None:
        deadline = self._deadlines.pop(number, None)
        if deadline is not None:
            deadline.cancel()

    def _expect_end(self) -> None:
        def missed() -> None:
            self._end_deadline = None
            self._give_up(f"the zygote did not end in {END_SECONDS_MAX:g} s, and was killed")

        if self._end_deadline is None:
            self._end_deadline = self._reactor.callLater(END_SECONDS_MAX, missed)

    def _give_up(self, why: str) -> None:
        """Kill it; the rest happens when it has ended."""
        self._why = self._why or why
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")

    def _process_ended(self, how: str) -> None:
        while self._read():
            continue
        assert self._sock is not None
        was_ready, self.pid = bool(self.pid), 0
        self._stop_reading()
        self._sock.close()
        self._sock = None
        if self._end_deadline is not None:
            self._end_deadline.cancel()
            self._end_deadline = None
        for number in list(self._deadlines):
            self._answered(number)
        stopping, self._stopping = self._stopping, None
        self._why = self._why or f"the zygote ended ({how})"
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.errback(NurseryError(self._why))
        forks, self._forks = self._forks, {}
        for forked in forks.values():
            forked.errback(NurseryError(self._why))
        if stopping is None and was_ready:
            self._lost(self._why)
        for stopped in stopping or ():
            stopped.callback(None)


class _Process(ProcessProtocol):
    """The zygote as Twisted sees it."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended

    @override
    def processEnded(self, reason: Failure) -> None:
        ended: Any = reason.value
        signal, status = ended.signal, ended.exitCode
        self._ended(f"exit status {status}" if signal is None else f"signal {signal}")
