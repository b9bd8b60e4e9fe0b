"""
The zygotes that workers are forked from: one of the program as it is, and older ones.

A worker comes from the newest, unless that was given up because a worker of it could not take
another's place. An older one stays as long as workers of it live, since it takes them along when
it ends.
"""

import socket
from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults, inlineCallbacks, succeed
from twisted.logger import Logger

from sozutw.process.system.program import program_identity
from sozutw.process.zygote.nursery import Nursery, NurseryError

_log = Logger()


class CannotForkError(OSError):
    """There can be no worker of this program; the text says why."""


class _Zygote:
    """A zygote, of which program it is, and its workers that live."""

    def __init__(self, nursery: Nursery, identity: str) -> None:
        self.nursery = nursery
        self.identity = identity
        self.workers: set[int] = set()
        self.asked = 0
        """Forks that it was asked for and has not answered yet."""


class ZygoteForks:
    """Begins the processes of workers; ``ended`` hears of each that ended, and how."""

    def __init__(self, reactor: Any, *, survive: bool = False) -> None:
        self._reactor = reactor
        self._survive = survive
        """Whether workers live on when this process has gone."""
        self.ended: Callable[[int, int], None] = lambda _pid, _status: None
        self._newest: _Zygote | None = None
        self._waiting: list[Deferred[None]] = []
        self._every: list[_Zygote] = []
        self._proved: set[str] = set()
        """Programs of which a worker took the place of another."""
        self._is_over = False

    def start(self) -> "Deferred[None]":
        """Have a zygote of the program as it is now; fails with CannotForkError."""
        if self._is_over:
            return fail(CannotForkError("the process is stopping"))
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        if len(self._waiting) == 1:
            self._start().addCallbacks(self._started, self._not_started)
        return done

    @inlineCallbacks
    def _start(self) -> Generator["Deferred[None]", None, _Zygote]:
        identity = program_identity()

        def lost(why: str) -> None:
            self._lost(zygote, why)

        def ended(pid: int, status: int) -> None:
            self._ended(zygote, pid, status)

        zygote = _Zygote(Nursery(self._reactor, ended, lost), identity)
        self._every.append(zygote)
        try:
            yield zygote.nursery.start()
            if self._survive:
                zygote.nursery.survive()
        except (NurseryError, OSError):
            self._let_go(zygote)
            raise
        if self._is_over:
            raise NurseryError("the process is stopping")
        return zygote

    def _started(self, zygote: _Zygote) -> None:
        before, self._newest = self._newest, zygote
        if before is not None:
            self._let_go(before)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)

    def _not_started(self, failure: Any) -> None:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.errback(CannotForkError(failure.getErrorMessage()))

    def renew(self) -> "Deferred[None]":
        """Have a zygote of the program as it is now, if the newest is of another."""
        newest = self._newest
        if newest is not None and newest.identity == program_identity():
            return succeed(None)
        return self.start()

    def prove(self) -> None:
        """Note that a worker of the newest took the place of another."""
        if self._newest is not None:
            self._proved.add(self._newest.identity)

    def go_back(self) -> None:
        """
        Fork from the one before the newest again, if there is one and no worker proved the newest.

        Who died would be begun from a program that never came to serve, again and again.
        """
        newest = self._newest
        older = [zygote for zygote in self._every if zygote is not newest]
        if newest is None or newest.identity in self._proved or not older:
            return
        _log.warn("workers are forked from the program as it was before")
        self._newest = older[-1]
        self._let_go(newest)

    @inlineCallbacks
    def fork(self, channel: socket.socket) -> Generator["Deferred[Any]", Any, int]:
        """Begin a worker with this channel, and fire with its process id; the channel is closed."""
        if self._newest is None:
            # None was started yet, or it is lost.
            try:
                yield self.start()
            except CannotForkError:
                channel.close()
                raise
        zygote = self._newest
        assert zygote is not None
        zygote.asked += 1
        try:
            pid: int = yield zygote.nursery.fork(channel)
            zygote.workers.add(pid)
        except NurseryError as error:
            raise CannotForkError(str(error)) from None
        finally:
            zygote.asked -= 1
            if zygote is not self._newest:
                self._let_go(zygote)
        return pid

    def stop(self) -> "Deferred[None]":
        """End all zygotes, and what is left of their workers; there are none any more."""
        self._is_over = True
        stopped = [zygote.nursery.stop() for zygote in self._every]
        self._newest = None
        return gatherResults(stopped).addCallback(lambda _: None)

    def _ended(self, zygote: _Zygote, pid: int, status: int) -> None:
        zygote.workers.discard(pid)
        if zygote is not self._newest:
            self._let_go(zygote)
        self.ended(pid, status)

    def _let_go(self, zygote: _Zygote) -> None:
        """End an older zygote when its last worker has ended."""
        if not zygote.workers and not zygote.asked and zygote in self._every:
            self._every.remove(zygote)
            zygote.nursery.stop()

    def _lost(self, zygote: _Zygote, why: str) -> None:
        _log.error(
            "the zygote is lost: {why}; its workers live on, and the next has another", why=why
        )
        if zygote in self._every:
            self._every.remove(zygote)
        if zygote is self._newest:
            self._newest = None
