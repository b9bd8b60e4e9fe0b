"""
Which services a process has, and in which order they stop: the one place that puts all together.

Starting goes up the list and stopping goes down it, each waiting for the one before: what serves
clients (listeners, sessions, the pool, the access log; or the workers), then the command socket
with its audit trail, then the admin address. (A MultiService would stop them all at once.)
"""

import os
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.config.model import Config, InetAddress
from sozutw.config.requests import (
    AddCertificate,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    requests_of,
)
from sozutw.listen.handed import HandedSockets
from sozutw.process.host import NO_SOURCE, ProcessHost, Source
from sozutw.process.logs.log import LineObserver, set_log_filter
from sozutw.process.logs.writers import SharedSink, StreamWriter
from sozutw.process.serving import Serving
from sozutw.process.totals import Totals
from sozutw.process.traffic import Traffic
from sozutw.process.upgrade.inheritance import Inheritance
from sozutw.process.upgrade.succession import Succession
from sozutw.process.watching.watch import CertificateWatch, Renewed

if TYPE_CHECKING:
    from sozutw.process.admin import AdminService
    from sozutw.process.control_plane import ControlPlane

_log = Logger()

FRESH_SECONDS: Final = 60.0
"""For so long a process counts as new that has taken over from another."""


def _nothing() -> None:
    """Nobody has bound it."""


class ProxyService(Service):
    """
    A whole proxy: the process that is told what to do, and what serves clients by it.

    ``could_serve`` is called when all is ready, before the first client is taken, and may raise
    what ends the process; ``serves`` after it. ``failed`` hears what kept it from serving, unless
    ``startService`` raises that itself.
    """

    def __init__(
        self,
        config: Config,
        reactor: Any,
        log: LineObserver | None = None,
        source: Source = NO_SOURCE,
        inheritance: Inheritance | None = None,
        handed: HandedSockets | None = None,
    ) -> None:
        """
        Take our log, or None where the log is twistd's; and where the configuration is from.

        Sockets that were ``handed`` to the process are used in place of our own.
        """
        self.handed = handed or HandedSockets()
        settings = config.settings
        self._config = config
        self._inheritance = inheritance
        self._source = source
        self._reactor = reactor
        self.serving: Serving = _make_serving(config, reactor, self.handed)
        self.applier = self.serving.applier
        self.watch = CertificateWatch(config.watched, self._renewed, reactor)
        self.totals = Totals(self.serving.gather, reactor)
        self.admin = self._make_admin(settings.admin_address)
        self._stdout = StreamWriter(SharedSink, _tell_lost)
        """Whoever reads the counters may be slow; no client is to wait for that."""
        self._stopped: Deferred[None] | None = None
        self._is_serving = False
        self._is_starting = False
        self._failure: Failure | None = None
        self.could_serve: Callable[[], None] = _nothing
        self.serves: Callable[[], None] = _nothing
        self.failed: Callable[[Failure], None] = self._failed_unasked
        self.stop_begun: Callable[[], None] = _nothing
        """Called when the process begins to stop."""
        self._traffic_ended: list[Deferred[None]] = []
        self.host = ProcessHost(reactor, settings, self.serving.knobs, source)
        self.host.live.set_filter = partial(set_log_filter, log)
        self.host.stop_process = self._stop_unasked
        self.host.when_sessions_end = self._when_traffic_ends
        self.host.configured = self._configured
        self.serving.settings_of(self.host.live)
        self.leave: Callable[[], None] = self._leave_unasked
        """Ends the process when the last client has; bound by who looks after it."""
        self.control = self._make_control()
        self.succession = self._make_succession()

    # It starts.

    @override
    def privilegedStartService(self) -> None:
        """Bind: low ports need the privileges that twistd drops afterwards."""
        inherited = self._inheritance
        if inherited is not None:
            self._take_over(inherited)
        if self.admin is not None:
            self.admin.privilegedStartService()
        try:
            with self.serving.bound():
                requests = requests_of(self._config) if inherited is None else inherited.requests
                # What the process before serves is taken over, expired or not.
                self.serving.certificates.judges_time = inherited is None
                self.applier.apply(*requests)
                self.serving.certificates.judges_time = True
                if self.control is not None:
                    # Last of what can fail: no socket file is to tell of a process that never was.
                    self.control.privilegedStartService()
                    if inherited is None:
                        self.control.load_saved_state()
                self._let_go_of_sockets()
        except BaseException:
            self.handed.close()
            if self.admin is not None:
                self.admin.stopService()
            raise

    def _let_go_of_sockets(self) -> None:
        """Close sockets that nobody wants: who connects there would wait for ever."""
        self.serving.close_unused()
        kept: list[InetAddress | str] = list(self.applier.listeners)
        if self.admin is not None:
            kept.append(self.admin.address)
        if self.control is not None and self.control.path is not None:
            kept.append(os.path.realpath(self.control.path))
        unasked = self.handed.close_unasked(kept)
        if unasked:
            _log.warn(
                "sockets that were handed over, and that no listener of the configuration asks"
                " for, are closed: {unasked}",
                unasked=", ".join(unasked),
            )

    @override
    def startService(self) -> None:
        super().startService()
        self._is_starting = True
        is_first = self._inheritance is None
        started = self.serving.start()
        started.addCallback(self._started).addErrback(self._not_started)
        self._is_starting = False
        if self._failure is not None:
            self._failure.raiseException()
        if is_first:
            self._start_the_rest()

    def _start_the_rest(self) -> None:
        self.watch.startService()
        if self.admin is not None:
            self.admin.startService()
        if self.control is not None:
            self.control.startService()

    def _started(self, _result: None) -> None:
        if self._stopped is not None:
            return
        self.could_serve()
        if self._inheritance is not None:
            # Until now the process before has answered, and would have gone on to.
            self._start_the_rest()
            self._take_the_rest(self._inheritance)
        self._is_serving = True
        self.serving.serve()
        self.serves()

    def _not_started(self, failure: Failure) -> None:
        self._failure = failure
        if not self._is_starting:
            self.failed(failure)

    def _failed_unasked(self, failure: Failure) -> None:
        _log.failure("it could not start", failure=failure)

    # It stops.

    @override
    def stopService(self) -> Deferred[None]:
        """Stop softly; the Deferred fires when all is over."""
        super().stopService()
        return self.stop_softly()

    def stop_softly(self) -> Deferred[None]:
        """Accept no more, let what is under way end in time, then close the rest."""
        if self._stopped is None:
            self.host.is_stopping = True
            self.stop_begun()
            self._stopped = self._stop()
        done: Deferred[None] = Deferred()
        self._stopped.addBoth(lambda _: done.callback(None))
        return done

    def stop_now(self) -> None:
        """Cut what is under way; a soft stop that waits for it is over with that."""
        self.serving.stop_now()

    @inlineCallbacks
    def _stop(self) -> Generator[Deferred[None], None, None]:
        self.watch.stopService()
        given_up = self.succession.give_up()
        self.handed.close()
        yield self.serving.stop()
        for waiting in self._traffic_ended:
            waiting.callback(None)
        yield given_up
        if self.control is not None:
            yield self.control.stopService()
        if self.admin is not None:
            yield self.admin.stopService()
        yield self._stdout.close()

    def _when_traffic_ends(self) -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        self._traffic_ended.append(ended)
        return ended

    def _stop_unasked(self, is_hard: bool) -> None:
        """Stop where nobody looks after the process."""
        self.stop_softly()
        if is_hard:
            self.stop_now()

    # It takes over, and is replaced.

    def _take_over(self, inherited: Inheritance) -> None:
        """Begin with the sockets of the process before; what nobody asks for is closed with it."""
        self.serving.inherit(inherited.sockets)
        if self.admin is not None and self._config.settings.admin_address is not None:
            self.admin.inherited = inherited.sockets.pop(self._config.settings.admin_address, None)
        self.host.fresh_until = self._reactor.seconds() + FRESH_SECONDS
        control, command = self.control, inherited.command
        if control is not None and command is not None and control.path == inherited.command_path:
            try:
                control.adopt(command)
            except OSError:
                # Somebody has removed its file: nobody can connect there, and it is made anew.
                command.close()
            inherited.command = None
        command, path = inherited.command, inherited.command_path
        if command is not None and path is not None and self.handed.is_kept(os.path.realpath(path)):
            # Its file is for whoever made it to remove.
            command.close()
            inherited.command = None

    def _take_the_rest(self, inherited: Inheritance) -> None:
        """Remove what the process before had for itself alone, and finish what it had begun."""
        if inherited.command is not None and inherited.command_path is not None:
            # The configuration names another command socket now.
            from sozutw.control.channel.socket_file import SocketFile  # noqa: PLC0415  # seldom

            with suppress(OSError):
                SocketFile(inherited.command_path, inherited.command).remove()
            inherited.command.close()
            inherited.command = None
        if self.control is not None:
            self.control.save_soon()
        self._inheritance = None

    def _leave_unasked(self) -> None:
        self.stop_softly()

    def _make_succession(self) -> Succession:
        succession = Succession(
            self._reactor,
            self._source,
            self.applier.state,
            self.serving,
            self.host,
            lambda: self.leave(),  # noqa: PLW0108  # it is bound later
        )
        succession.control, succession.admin = self.control, self.admin
        succession.handed = self.handed
        self.host.hand_over = succession.hand_over
        return succession

    # What comes of itself.

    def _renewed(self, renewed: Renewed) -> None:
        """Files hold another certificate than before: the next handshake sees it."""
        address, certificate = renewed.address, renewed.certificate
        request: Request
        if renewed.is_default:
            request = ReplaceDefaultCertificate(address, certificate)
        elif renewed.old_fingerprint is None:
            request = AddCertificate(address, certificate)
        else:
            request = ReplaceCertificate(address, certificate, renewed.old_fingerprint)
        self.applier.apply(request)
        if self.control is not None:
            self.control.applied(request)

    def _configured(self, config: Config) -> None:
        """Another file is in force: watch the files that it names."""
        if self.host.is_stopping:
            return  # It was being put in force when the stop began; nobody watches any more.
        self._config = config
        self.watch.stopService()
        self.watch = CertificateWatch(config.watched, self._renewed, self._reactor)
        self.watch.startService()

    # Its parts.

    def _make_control(self) -> "ControlPlane | None":
        if self._config.settings.command_socket is None:
            return None
        from sozutw.process.control_plane import ControlPlane  # noqa: PLC0415  # with protobuf

        return ControlPlane(
            self._reactor, self._config.settings, self.host, self.serving, self.handed
        )

    def _make_admin(self, address: InetAddress | None) -> "AdminService | None":
        if address is None:
            return None
        from sozutw.process.admin import AdminService  # noqa: PLC0415  # with twisted.web

        return AdminService(
            self._reactor, address, self.why_not_ready, self.totals.as_prometheus, self.handed
        )

    # What is told of it.

    def why_not_ready(self) -> str | None:
        """Say why no client should be sent here; None if one may be."""
        if self._stopped is not None:
            return "draining"
        if not self.running or not self._is_serving:
            return "starting"
        return self.serving.why_not_ready()

    def describe(self) -> str:
        """Say in a line what is served, and to how many."""
        schemes = {a: state.scheme.decode() for a, state in self.applier.listeners.items()}
        where = ", ".join(f"{schemes[a]}://{a}" for a in self.serving.accepting)
        left = self.count_connections()
        clients = "1 client" if left == 1 else f"{left} clients"
        return f"{clients} at {where}" if where else f"{clients}; no listener is active"

    def count_connections(self) -> int:
        """Return how many clients are connected."""
        return self.serving.count_connections()

    def tell_connections(self) -> str:
        """Tell how many clients are connected, and what they do."""
        return self.serving.tell_connections()

    def report_counters(self) -> None:
        """Write all counters to descriptor 1, as one line of JSON."""
        told = self.totals.as_json().addCallback(
            lambda line: self._stdout.write(f"{line}\n".encode())
        )
        told.addErrback(lambda fault: _log.failure("the counters could not be told", failure=fault))

    # What it is asked to do.

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have our files, before this process is that user; raises OSError."""
        self.serving.give_to(uid, gid)
        if self.control is not None:
            self.control.give_to(uid, gid)

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""
        self.serving.reopen_logs()
        if self.control is not None:
            self.control.reopen_logs()

    def reload(self) -> None:
        """Make the file of the start true again, unless the end has begun; the log tells of it."""
        if self.control is not None and not self.host.is_stopping:
            self.control.reload()


def _make_serving(config: Config, reactor: Any, handed: HandedSockets) -> Serving:
    """Return what serves clients: this process, or workers."""
    settings = config.settings
    listeners = len(config.listeners) + len(config.https_listeners)
    if settings.worker_count == 0:
        return Traffic(settings, reactor, listeners, handed)
    from sozutw.process.workers.traffic import WorkersTraffic  # noqa: PLC0415  # with protobuf

    return WorkersTraffic(settings, reactor, listeners, handed)


def _tell_lost(lines: int) -> None:
    _log.warn("{lines} lines of counters could not be written", lines=lines)


def make_tree(
    config: Config,
    reactor: Any,
    log: LineObserver | None = None,
    source: Source = NO_SOURCE,
    inheritance: Inheritance | None = None,
    handed: HandedSockets | None = None,
) -> ProxyService:
    """Return the services of a process that serves ``config``; without ``log`` it is twistd's."""
    return ProxyService(config, reactor, log, source, inheritance, handed)
