"""How a worker comes to be: a channel, a process at its other end, and all that is configured."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.process.workers.batches import Batches
from sozutw.process.workers.member import Member, Overseer
from sozutw.process.workers.policy import Forks, Policy

Adopt = Callable[[socket.socket, Protocol], None]
"""Connects a protocol to a socket of a pair, which is closed or taken over; or raises OSError."""

_log = Logger()


class Newcomers:
    """Begins workers, and hears from whoever forks them which have ended."""

    def __init__(
        self, reactor: Any, forks: Forks, batches: Batches, policy: Policy, adopt: Adopt | None
    ) -> None:
        self._reactor = reactor
        self._forks = forks
        self._batches = batches
        self._policy = policy
        self._adopt = adopt or _adopted_by(reactor)
        self._processes: dict[int, Member] = {}
        """Those whose end was not told yet."""

    def begin(self, worker_id: int, generation: int, overseer: Overseer) -> Member:
        """Begin a worker; if that fails, its overseer hears later that it is lost."""
        member = Member(worker_id, generation, overseer, self._reactor)
        try:
            channel = self._connected(member)
        except OSError as error:
            member.kill(f"it could not be begun: {error}")
            return member
        self._forks.fork(channel).addCallbacks(
            self._has_process, self._not_forked, callbackArgs=(member,), errbackArgs=(member,)
        )
        return member

    def _connected(self, member: Member) -> socket.socket:
        """Tell it what it will need, and return the worker's end of its channel."""
        ours, theirs = socket.socketpair()
        processors = self._policy.processors
        try:
            self._adopt(ours, member.link)
            member.begin(
                self._policy.settings(),
                self._batches.whole(),
                self._batches.listeners,
                processors[member.id % len(processors)] if processors else None,
                survives=self._policy.survives_main,
            )
            for question in self._policy.turned():
                member.ask(question)
        except OSError:
            theirs.close()
            raise
        return theirs

    def _has_process(self, pid: int, member: Member) -> None:
        self._processes[pid] = member
        member.has_process(pid)

    def _not_forked(self, why: Failure, member: Member) -> None:
        member.kill(f"its process could not be begun: {why.getErrorMessage()}")

    def ended(self, pid: int, status: int) -> None:
        """Tell how a process ended; its channel has told that it did, or is about to."""
        member = self._processes.pop(pid, None)
        if member is not None:
            member.has_ended()
        name = "a worker" if member is None else member.name
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        tell = _log.info if status == 0 else _log.warn
        tell("process {pid} of {name} ended ({how})", pid=pid, name=name, how=how)


def _adopted_by(reactor: Any) -> Adopt:
    """Return what connects a protocol to a socket by this reactor."""

    def adopt(sock: socket.socket, protocol: Protocol) -> None:
        sock.setblocking(False)
        with sock:
            factory = Factory.forProtocol(lambda: protocol)
            factory.noisy = False
            reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, factory)

    return adopt
