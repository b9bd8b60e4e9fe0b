"""Real reactors for tests, made anew, run by hand, never installed."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor

from sozutw.transport.epoll import DirectEPollReactor

LOOPS = ("direct", "epoll", "poll", "asyncio")


class HandRunLoop:
    """A reactor, and the means to run it until something is true."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reactor: Any
        if name == "asyncio":
            self._asyncio = asyncio.new_event_loop()
            self.reactor = AsyncioSelectorReactor(self._asyncio)
        else:
            kinds = {"direct": DirectEPollReactor, "epoll": EPollReactor, "poll": PollReactor}
            self.reactor = kinds[name]()

    def turn(self, seconds_max: float = 0.0) -> None:
        """Deliver what is there; wait at most ``seconds_max`` for something."""
        if self.name == "asyncio":
            self._asyncio.call_soon(self._asyncio.stop)
            self._asyncio.run_forever()
            self._asyncio.call_soon(self._asyncio.stop)
            self._asyncio.run_forever()
            return
        self.reactor.runUntilCurrent()
        timeout = self.reactor.timeout()
        self.reactor.doIteration(seconds_max if timeout is None else min(timeout, seconds_max))
        self.reactor.runUntilCurrent()

    def run_until(self, is_true: Callable[[], object], seconds_max: float = 10.0) -> None:
        """Run until ``is_true``; fail when that takes longer than ``seconds_max``."""
        give_up_at = time.monotonic() + seconds_max
        while not is_true():
            assert time.monotonic() < give_up_at, "did not come to pass in time"
            self.turn(0.02)

    def settle(self, turns: int = 5) -> None:
        """Deliver whatever is on its way over the loopback."""
        for _ in range(turns):
            self.turn(0.002)

    def close(self) -> None:
        """Let what is put off to the next turn happen, and free the descriptors."""
        self.settle(3)
        self.reactor.removeAll()
        self.reactor._uninstallHandler() if hasattr(self.reactor, "_uninstallHandler") else None
        if self.reactor.waker is not None:
            self.reactor.removeReader(self.reactor.waker)
            self.reactor.waker.connectionLost(None)
        if self.name == "asyncio":
            self._asyncio.close()
        elif hasattr(self.reactor, "_poller") and hasattr(self.reactor._poller, "close"):
            self.reactor._poller.close()
        if self.reactor.threadpool is not None:
            self.reactor.threadpool.stop()


@contextmanager
def loop_named(name: str) -> Iterator[HandRunLoop]:
    """Give a loop, and close it."""
    loop = HandRunLoop(name)
    try:
        yield loop
    finally:
        loop.close()
