"""The life of one process: the reactor is chosen, the services start, signals end them."""

import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.model import Config
from sozutw.process.signals import Signals, say_on_stderr
from sozutw.process.tree import ProxyService, make_tree
from sozutw.transport import reactor as our_reactor

EX_START = 1
"""The exit status when a good configuration could not be put to work."""


def choose_reactor() -> Any:
    """
    Return the reactor of this process: ours, unless one was chosen before.

    Twisted has one reactor a process, and the first import of it chooses. ``twistd --reactor``
    comes earlier and is respected.
    """
    if "twisted.internet.reactor" not in sys.modules:
        our_reactor.install()
    from twisted.internet import reactor  # noqa: PLC0415, TID251  # the import is the choice

    return reactor


@implementer(IService)
class ProcessService(Service):
    """
    What a process is: a proxy, and the signals that tell it what to do.

    A start that fails for a reason in the world (a port that is taken) ends the process with one
    line and status 1: a traceback would hide the line.
    """

    def __init__(
        self,
        reactor: Any,
        proxy: ProxyService,
        grace_seconds_max: float,
        say: Callable[[str], None] = say_on_stderr,
    ) -> None:
        self._reactor = reactor
        self._proxy = proxy
        self._say = say
        self._signals = Signals(reactor, proxy, grace_seconds_max, say)

    @override
    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._start(self._proxy.privilegedStartService)

    @override
    def startService(self) -> None:
        super().startService()
        self._start(self._proxy.startService)
        # The reactor installs its own answers as it starts; ours replace them just after.
        self._reactor.callWhenRunning(self._signals.install)

    @override
    def stopService(self) -> "Deferred[None] | None":
        super().stopService()
        stopped: Deferred[None] | None = self._proxy.stopService()
        return stopped

    def _start(self, start: Callable[[], object]) -> None:
        try:
            start()
        except (OSError, CannotListenError) as error:
            self._say(f"sozutw cannot start: {error}")
            raise SystemExit(EX_START) from None


def make_process(config: Config, reactor: Any) -> ProcessService:
    """Return the service that serves a configuration."""
    return ProcessService(
        reactor, make_tree(config, reactor), config.settings.graceful_shutdown_timeout
    )


def run_in_foreground(
    config: Config, reactor: Any, started: Callable[[], None] = lambda: None
) -> None:
    """Serve a configuration until a signal ends it; ``started`` is called once it listens."""
    service = make_process(config, reactor)
    pid_file = config.settings.pid_file_path
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    if pid_file:
        write_pid_file(pid_file)
    started()
    try:
        reactor.run()
    finally:
        if pid_file:
            remove_pid_file(pid_file)


def write_pid_file(path: str) -> None:
    """Tell the world which process this is, or stop here and say why that cannot be."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        say_on_stderr(f"sozutw cannot start: pid_file_path: {error}")
        raise SystemExit(EX_START) from None


def remove_pid_file(path: str) -> None:
    """Take back what ``write_pid_file`` told; a file that is gone already is as good."""
    try:
        os.unlink(path)
    except OSError as error:
        say_on_stderr(f"pid_file_path: {error}")
