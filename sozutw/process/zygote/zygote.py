"""
The zygote: a small process that forks the workers.

``python -m sozutw.process.zygote.zygote DESCRIPTOR`` is started by the main process, in
``process.zygote.nursery``. It has loaded all that a worker needs and made the blank contexts of
TLS, so that each worker begins at once, and all with the same ticket keys. It never has a
reactor: none could be forked.

Each packet on the socket is one JSON object. It says ``{"zygote": 1, "pid": PID}`` when it is
ready, and takes:

- ``{"fork": NUMBER}`` with the descriptor of a worker's channel, and answers ``{"forked": NUMBER,
  "pid": PID}`` or ``{"failed": NUMBER, "why": TEXT}``; later, when the worker has ended,
  ``{"ended": PID, "status": STATUS}``, where a signal counts as negative;
- ``{"survive": true}``: its children live on when it ends;
- the end of the socket: it waits a moment for its children, kills those that are left, and ends.
"""

import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from time import monotonic
from typing import Final, NoReturn

from sozutw.listen.shares import Share, Shares
from sozutw.process.signals import say_on_stderr
from sozutw.process.system.titles import set_title
from sozutw.process.zygote.blanks import BLANKS_MAX, Blanks
from sozutw.process.zygote.fork_signals import ForkSignals
from sozutw.process.zygote.packets import VERSION, Outbox, Packet, PacketError, receive

END_SECONDS_MAX: Final = 1.0
"""How long its children may take to see that the main process has gone."""
EX_SOFTWARE: Final = 70
"""The exit status of a worker that an exception ended."""
_EX_NONSENSE: Final = 1
_WORKER: Final = "sozutw.process.worker.process"
_ANSWERS_MAX: Final = 256
"""So many may wait to be sent before more is asked of it; what ends is always told."""

Serve = Callable[[socket.socket, Blanks, Share | None], int]
"""What a child does: serve until it is told to end on its channel; returns its exit status."""


def main(arguments: list[str]) -> int:
    """
    Fork workers until the socket ends; the arguments are its descriptor, and where ``serve`` is.

    Returns 0, or 1 when the main process said what makes no sense: then the children live on.
    """
    descriptor, worker = (*arguments, _WORKER)[:2]
    with ForkSignals() as signals, socket.socket(fileno=int(descriptor)) as sock:
        sock.setblocking(False)
        sock.set_inheritable(False)
        set_title("sozutw zygote")
        serve: Serve = import_module(worker).serve
        blanks = Blanks(BLANKS_MAX)
        assert "twisted.internet.reactor" not in sys.modules, "a reactor cannot be forked"
        # All that is there now stays. A collector that does not look at it leaves its pages as
        # they are, shared by all workers.
        gc.collect()
        gc.freeze()
        try:
            Zygote(sock, signals, lambda channel, share: serve(channel, blanks, share)).run()
        except PacketError as error:
            say_on_stderr(f"sozutw: the zygote was told what makes no sense, and ends: {error}")
            return _EX_NONSENSE
    return 0


class Zygote:
    """What the process does from the moment that it is ready."""

    def __init__(
        self,
        sock: socket.socket,
        signals: ForkSignals,
        serve: Callable[[socket.socket, Share | None], int],
    ) -> None:
        self._sock = sock
        self._signals = signals
        self._serve = serve
        self._outbox = Outbox(sock)
        self._children: dict[int, Share | None] = {}
        self._shares = Shares()
        self._survives = False
        self._is_over = False

    def run(self) -> None:
        """Serve until the socket has ended, and see the children out; raises PacketError."""
        self._outbox.put({"zygote": VERSION, "pid": os.getpid()})
        while not self._is_over:
            if self._wait(None):
                self._read()
            self._reap()
        if not self._survives:
            self._see_children_out()
        self._say_the_rest()

    def _wait(self, seconds_max: float | None) -> bool:
        """Send what there is room for, and wait; return whether there is something to read."""
        self._outbox.send()
        poll = select.poll()
        poll.register(self._signals.wake, select.POLLIN)
        wanted = select.POLLOUT if len(self._outbox) else 0
        # Whoever does not listen is not asked what else it wants.
        if not self._is_over and len(self._outbox) < _ANSWERS_MAX:
            wanted |= select.POLLIN
        if wanted:
            poll.register(self._sock, wanted)
        events = dict(poll.poll(None if seconds_max is None else seconds_max * 1000))
        if self._signals.wake.fileno() in events:
            self._signals.heard()
        return bool(events.get(self._sock.fileno(), 0) & select.POLLIN)

    def _read(self) -> None:
        try:
            packet = receive(self._sock)
        except EOFError:
            self._is_over = True
            return
        with packet:
            self._obey(packet)

    def _obey(self, packet: Packet) -> None:
        match packet.value, len(packet.descriptors):
            case {"fork": int(number), **rest}, 1 if not rest:
                with packet.take_socket() as channel:
                    self._fork(number, channel)
            case {"survive": True, **rest}, 0 if not rest:
                self._survives = True
            case value, count:
                raise PacketError(f"{str(value)[:100]}, with {count} descriptors")

    def _fork(self, number: int, channel: socket.socket) -> None:
        share = self._shares.give()
        try:
            # A signal for the child must not come while the child still ignores it.
            with self._signals.held():
                pid = os.fork()
                if not pid:
                    self._become_worker(channel, share)
        except OSError as error:
            self._shares.take_back(share)
            self._outbox.put({"failed": number, "why": f"cannot fork: {error.strerror}"})
            return
        self._children[pid] = share
        self._outbox.put({"forked": number, "pid": pid})

    def _become_worker(self, channel: socket.socket, share: Share | None) -> NoReturn:
        """Be the child: of the zygote only what was loaded and made is left."""

        def live() -> int:
            self._sock.close()
            self._signals.forget()
            return self._serve(channel, share)

        status = EX_SOFTWARE
        try:
            status = _status_of(live)
        finally:
            # What is below on the stack is the zygote's, and must not be gone back to.
            os._exit(status)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._tell_end(pid, status)

    def _tell_end(self, pid: int, status: int) -> None:
        self._shares.take_back(self._children.pop(pid, None))
        self._outbox.put({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _see_children_out(self) -> None:
        """Return when all have ended, by themselves or not."""
        deadline = monotonic() + END_SECONDS_MAX
        while self._children and (seconds_left := deadline - monotonic()) > 0:
            self._wait(seconds_left)
            self._reap()
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        while self._children:
            self._tell_end(*os.waitpid(-1, 0))

    def _say_the_rest(self) -> None:
        """Give a main process that is still there the time to hear of all that ended."""
        self._outbox.send()
        deadline = monotonic() + END_SECONDS_MAX
        while len(self._outbox) and (seconds_left := deadline - monotonic()) > 0:
            self._wait(seconds_left)


def _status_of(live: Callable[[], int]) -> int:
    """Return the exit status as the interpreter would, had this been a whole program."""
    try:
        status = int(live())
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            say_on_stderr(leaving.code)
    except BaseException:  # noqa: BLE001  # there is nobody further up to tell of it
        traceback.print_exc()
        status = EX_SOFTWARE
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
