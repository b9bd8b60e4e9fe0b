"""The life of one process: the reactor is chosen, the services start, signals end them."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.model import Config
from sozutw.listen.limits import TooFewDescriptorsError
from sozutw.process.configuration import EX_CONFIG
from sozutw.process.host import NO_SOURCE, Source
from sozutw.process.logs.log import LineObserver, begin_logging, make_observer
from sozutw.process.logs.writers import StreamWriter
from sozutw.process.signals import Signals, say_on_stderr
from sozutw.process.system.activation import take_handed_sockets
from sozutw.process.system.itself import name_itself, pin_itself
from sozutw.process.system.notify import LifeSigns, Notifier, take_notifier
from sozutw.process.system.pid_file import PidFiles
from sozutw.process.system.privileges import Account, account_of, become
from sozutw.process.tree import ProxyService, make_tree
from sozutw.process.upgrade.inheritance import Inheritance
from sozutw.process.upgrade.succession import Succession
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


class CannotStartError(SystemExit):
    """The end of a process that the world keeps from starting; ``why`` was told already."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status)
        self.why = why


@implementer(IService)
class ProcessService(Service):
    """
    What a process is: a proxy, its log, and the signals that tell it what to do.

    A start that fails for a reason in the world (a port that is taken) ends the process with one
    line and status 1: a traceback would hide the line.
    """

    def __init__(
        self,
        reactor: Any,
        proxy: ProxyService,
        grace_seconds_max: float,
        observer: LineObserver | None = None,
        say: Callable[[str], None] = say_on_stderr,
        notifier: Notifier | None = None,
        account: Account | None = None,
        is_pinned: bool = False,
    ) -> None:
        """Become ``account`` when all is open, and stay on one processor if ``is_pinned``."""
        self._reactor = reactor
        self._proxy = proxy
        self._observer = observer
        reopen_log = observer.writer.reopen if observer is not None else _nothing
        self._signals = Signals(reactor, proxy, grace_seconds_max, say, reopen_log)
        proxy.host.stop_process = self._signals.stop
        proxy.leave = self._signals.leave
        self._life = LifeSigns(notifier or Notifier(), reactor, proxy, grace_seconds_max)
        proxy.host.reload_begun = self._life.reload_begun
        proxy.host.reload_ended = self._life.reload_ended
        proxy.stop_begun = self._life.stop_begun
        proxy.succession.replaced_by = self._life.replaced_by
        proxy.succession.environment = self._life.environment
        proxy.serves = self._serves
        proxy.failed = self._failed
        self._failure: Failure | None = None
        self._served: Callable[[], None] = _nothing
        self._say = say
        self._account = account
        self._is_pinned = is_pinned

    @property
    def succession(self) -> Succession:
        """How the process is replaced."""
        return self._proxy.succession

    @override
    def setServiceParent(self, parent: Any) -> None:
        """Give our log to the application: twistd looks for it there."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

    def begin_logging(self) -> None:
        """Send this process's log where the configuration says; twistd does so by itself."""
        if self._observer is not None:
            begin_logging(self._observer)

    @override
    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._signals.hold()
        name_itself()
        with told(self._say):
            self._proxy.privilegedStartService()

    @override
    def startService(self) -> None:
        super().startService()
        # The reactor installs its own answers as it starts; ours replace them just after.
        self._reactor.callWhenRunning(self._signals.install)
        self._reactor.callWhenRunning(calm_collector)
        with told(self._say):
            if self._is_pinned:
                pin_itself()
            self._proxy.startService()
            # From here on it may open no more than this user may; clients are served after it.
            if self._account is not None:
                self._become(self._account)

    def inherit(self, inheritance: Inheritance, pid_files: PidFiles) -> None:
        """Let the process before know how far this one has come; only its word lets it serve."""

        def agree() -> None:
            inheritance.ready()
            with told(self._say):
                pid_files.write()

        self._proxy.could_serve = agree
        self._served = inheritance.served
        self._life.is_successor = True

    def _serves(self) -> None:
        # Not before all has begun: the process before goes then, and cannot come back.
        self._reactor.callWhenRunning(self._served)
        # Whoever is told that it is ready may send clients, or a signal.
        self._reactor.callWhenRunning(self._life.ready)

    def _failed(self, failure: Failure) -> None:
        """It will never serve: end, and let ``raise_failure`` tell why."""
        self._failure = failure
        self._signals.stop(is_hard=True)

    def raise_failure(self) -> None:
        """Raise what kept the process from serving, if something did."""
        if self._failure is not None:
            with told(self._say):
                self._failure.raiseException()

    def _become(self, account: Account) -> None:
        uid, gid, _name = account
        if os.geteuid() != uid or os.getegid() != gid:
            self._proxy.give_to(uid, gid)
            writer = self._observer.writer if self._observer is not None else None
            if isinstance(writer, StreamWriter):
                writer.give_to(uid, gid)
        become(account)

    @override
    def stopService(self) -> "Deferred[None] | None":
        super().stopService()
        stopped: Deferred[None] | None = self._proxy.stopService()
        if stopped is None:
            self._life.close()
            return None
        return stopped.addBoth(self._over)

    def _over(self, result: Any) -> Any:
        self._life.close()
        return result


def _nothing() -> None:
    """There is no log of ours to reopen, or no process before this one to tell."""


@contextmanager
def told(say: Callable[[str], None] = say_on_stderr) -> Iterator[None]:
    """
    Turn what the world refuses into one line and an exit status.

    1 for a port or a file; 78 for more connections than there may be descriptors, which is the
    configuration's fault.
    """
    try:
        yield
    except TooFewDescriptorsError as error:
        say(f"sozutw cannot start: {error}")
        raise CannotStartError(EX_CONFIG, str(error)) from None
    except (OSError, CannotListenError) as error:
        say(f"sozutw cannot start: {error}")
        raise CannotStartError(EX_START, str(error)) from None


def calm_collector() -> None:
    """
    Let the collector of cycles look at new objects only, and seldom.

    The data path makes no cycles that last, and what was loaded at the start stays; a walk
    through all of it took 10 ms, in which nobody is served.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def make_process(
    config: Config,
    reactor: Any,
    source: Source = NO_SOURCE,
    inheritance: Inheritance | None = None,
    *,
    logs: bool = True,
) -> ProcessService:
    """Return the service that serves a configuration; without ``logs`` another writes the log."""
    settings = config.settings
    with told():
        account = account_of(settings.user, settings.group)
        if account is not None:
            source = source._replace(user=account.uid)
        observer = None
        if logs:
            observer = make_observer(
                reactor,
                settings.log_target,
                settings.log_level,
                is_colored=settings.log_colored,
            )
        handed = take_handed_sockets(os.environ)
        for sock in () if inheritance is None else inheritance.handed:
            handed.add(sock)
        proxy = make_tree(config, reactor, observer, source, inheritance, handed)
    return ProcessService(
        reactor,
        proxy,
        settings.graceful_shutdown_timeout,
        observer,
        notifier=take_notifier(os.environ),
        account=account,
        # Workers are pinned each to its own.
        is_pinned=settings.handle_process_affinity and settings.worker_count == 0,
    )


def run_in_foreground(
    config: Config,
    reactor: Any,
    started: Callable[[], None] = lambda: None,
    source: Source = NO_SOURCE,
    inheritance: Inheritance | None = None,
) -> None:
    """Serve a configuration until a signal ends it; ``started`` is called once it listens."""
    service = make_process(config, reactor, source, inheritance)
    service.begin_logging()
    inherited_file = None if inheritance is None else inheritance.pid_file
    pid_files = PidFiles([config.settings.pid_file_path, inherited_file])
    service.succession.stayed = pid_files.restore
    service.succession.pid_file = inherited_file
    # The port first: whoever finds it taken must not touch the pid file of its owner.
    service.privilegedStartService()
    try:
        if inheritance is None:
            with told():
                pid_files.write()
        else:
            service.inherit(inheritance, pid_files)
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        started()
        reactor.run()
        service.raise_failure()
    finally:
        pid_files.remove()
