"""
Which services a process has, and in which order they stop: the one place that puts all together.

Starting goes up the list and stopping goes down it, each waiting for the one before: listeners,
then sessions, then the pool, then the access log, then the command socket with its audit trail,
then the admin address. (A MultiService would stop them all at once.)
"""

import os
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from typing_extensions import override

from sozutw.balancing.backends import ClusterState
from sozutw.config.model import Config, InetAddress
from sozutw.config.requests import (
    AddCertificate,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    requests_of,
)
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.listen.limits import plan_descriptors, probes_max_of, queue_max_of
from sozutw.listen.listeners import ListenerService
from sozutw.process.assembly import Worker
from sozutw.process.counts import Counts
from sozutw.process.draining import DrainReport
from sozutw.process.host import NO_SOURCE, ProcessHost, Source
from sozutw.process.inheritance import Inheritance
from sozutw.process.log import LineObserver, set_log_filter
from sozutw.process.reporting import AccessLog
from sozutw.process.succession import Succession
from sozutw.process.watch import CertificateWatch, Renewed
from sozutw.process.writers import SharedSink, StreamWriter
from sozutw.sessions.tally import count_now
from sozutw.transport.dial import StreamDialler
from sozutw.transport.names import Names

if TYPE_CHECKING:
    from sozutw.process.admin import AdminService
    from sozutw.process.control_plane import ControlPlane

_log = Logger()

FRESH_SECONDS: Final = 60.0
"""For so long a process counts as new that has taken over from another."""


class ProxyService(Service):
    """A whole proxy in one process."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        log: LineObserver | None = None,
        source: Source = NO_SOURCE,
        inheritance: Inheritance | None = None,
    ) -> None:
        """Take our log, or None where the log is twistd's; and where the configuration is from."""
        settings = config.settings
        self._config = config
        self._inheritance = inheritance
        self._source = source
        self._reactor = reactor
        self.access_log = AccessLog(
            reactor,
            settings.access_logs_target or settings.log_target,
            settings.access_logs_format,
            is_colored=bool(settings.access_logs_colored),
        )
        listeners = len(config.listeners) + len(config.https_listeners)
        plan = plan_descriptors(settings.max_connections, listeners)
        names = Names(reactor)
        self._dialler = StreamDialler(reactor, names)
        self.worker = Worker(
            settings,
            reactor,
            self._dialler,
            self.access_log.append,
            sessions_max=plan.sessions_max,
            probes_max=probes_max_of(plan, listeners),
            forget_name=names.forget,
            is_checked=os.environ.get("SOZUTW_CHECK") == "1",
        )
        self.certificates = Certificates(time.time)
        self.listeners = ListenerService(
            reactor,
            self.worker.sessions,
            self.worker.factory_of,
            queue_max=queue_max_of(plan.sessions_max),
            queue_seconds_max=settings.accept_queue_timeout,
            counters=self.worker.counters,
            context_of=self.certificates.context_of,
        )
        self.access_log.counters = self.worker.counters
        self.worker.sessions.on_room = self.listeners.room_made
        self.applier = Applier(
            ConfigState(), self.listeners, self.worker.connector, reactor, self.certificates
        )
        self.applier.listener_followers.append(self.worker.sessions.drain_of)
        self.applier.cluster_followers += [self.worker.health.follow, self._prepare_dials]
        self.watch = CertificateWatch(config.watched, self._renewed, reactor)
        self.counts = Counts(self.worker, self.listeners, self.applier, self.certificates, reactor)
        self.admin = self._make_admin(settings.admin_address)
        self._stdout = StreamWriter(SharedSink, _tell_lost)
        """Whoever reads the counters may be slow; no client is to wait for that."""
        self._stopped: Deferred[None] | None = None
        self._sessions_ended: list[Deferred[None]] = []
        self.host = ProcessHost(reactor, settings, self.worker.means, source)
        self.host.set_filter = partial(set_log_filter, log)
        self.host.stop_process = self._stop_unasked
        self.host.when_sessions_end = self._when_sessions_end
        self.host.configured = self._configured
        self.leave: Callable[[], None] = self._leave_unasked
        """Ends the process when the last client has; bound by who looks after it."""
        self.control = self._make_control()
        self.succession = self._make_succession()

    @override
    def privilegedStartService(self) -> None:
        """Bind: low ports need the privileges that twistd drops afterwards."""
        inherited = self._inheritance
        if inherited is not None:
            self._take_over(inherited)
        if self.admin is not None:
            self.admin.privilegedStartService()
        try:
            requests = requests_of(self._config) if inherited is None else inherited.requests
            self.applier.apply(*requests)
            if self.control is not None:
                # Last of what can fail: no socket file is to tell of a process that never was.
                self.control.privilegedStartService()
                if inherited is None:
                    self.control.load_saved_state()
            if inherited is not None:
                self.listeners.close_unused()
        except BaseException:
            self.listeners.stopService()
            if self.admin is not None:
                self.admin.stopService()
            raise

    def _prepare_dials(self, _cluster_id: str, cluster: ClusterState | None) -> None:
        """The first request of a cluster is not to wait for what its handshakes need."""
        if cluster is not None and cluster.cluster.backend_tls is not None:
            self._dialler.prepare(cluster.cluster.backend_tls)

    @override
    def startService(self) -> None:
        super().startService()
        self.access_log.startService()
        self.worker.sessions.startService()
        self.listeners.startService()
        self.worker.health.startService()
        self.watch.startService()
        if self.admin is not None:
            self.admin.startService()
        if self.control is not None:
            self.control.startService()
        if self._inheritance is not None:
            self._take_the_rest(self._inheritance)
        self.certificates.is_telling = True

    @override
    def stopService(self) -> Deferred[None]:
        """Stop softly; the Deferred fires when all is over."""
        super().stopService()
        return self.stop_softly()

    def stop_softly(self) -> Deferred[None]:
        """Accept no more, let what is under way end in time, then close the rest."""
        if self._stopped is None:
            self.host.is_stopping = True
            self._stopped = self._stop()
        done: Deferred[None] = Deferred()
        self._stopped.addBoth(lambda _: done.callback(None))
        return done

    def stop_now(self) -> None:
        """Cut what is under way; a soft stop that waits for it is over with that."""
        self.worker.sessions.abort_all()

    @inlineCallbacks
    def _stop(self) -> Generator[Deferred[None], None, None]:
        self.watch.stopService()
        self.worker.health.stopService()
        self.listeners.stopService()
        given_up = self.succession.give_up()
        sessions = self.worker.sessions
        yield DrainReport(self._reactor, sessions).until(sessions.stopService())
        self.worker.connector.close_all()
        yield self.access_log.stopService()
        for waiting in self._sessions_ended:
            waiting.callback(None)
        yield given_up
        if self.control is not None:
            yield self.control.stopService()
        if self.admin is not None:
            yield self.admin.stopService()
        yield self._stdout.close()

    def _take_over(self, inherited: Inheritance) -> None:
        """Begin with the sockets of the process before; what nobody asks for is closed with it."""
        self.listeners.inherited = inherited.sockets
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

    def _leave_to_another(self) -> None:
        """Another process serves: nothing but the clients themselves bounds how long they stay."""
        self.worker.sessions.grace_seconds = None
        self.leave()

    def _leave_unasked(self) -> None:
        self.stop_softly()

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

    def _when_sessions_end(self) -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        self._sessions_ended.append(ended)
        return ended

    def _stop_unasked(self, is_hard: bool) -> None:
        """Stop where nobody looks after the process."""
        self.stop_softly()
        if is_hard:
            self.stop_now()

    def _configured(self, config: Config) -> None:
        """Another file is in force: watch the files that it names."""
        if self.host.is_stopping:
            return  # It was being put in force when the stop began; nobody watches any more.
        self._config = config
        self.watch.stopService()
        self.watch = CertificateWatch(config.watched, self._renewed, self._reactor)
        self.watch.startService()

    def _make_succession(self) -> Succession:
        succession = Succession(
            self._reactor,
            self._source,
            self.applier.state,
            self.listeners,
            self.host,
            self._leave_to_another,
        )
        succession.control, succession.admin = self.control, self.admin
        self.host.hand_over = succession.hand_over
        return succession

    def _make_control(self) -> "ControlPlane | None":
        if self._config.settings.command_socket is None:
            return None
        from sozutw.process.control_plane import ControlPlane  # noqa: PLC0415  # with protobuf

        return ControlPlane(
            self._reactor,
            self._config.settings,
            self.host,
            self.applier,
            self.worker,
            self.certificates,
            self.counts,
        )

    def _make_admin(self, address: InetAddress | None) -> "AdminService | None":
        if address is None:
            return None
        from sozutw.process.admin import AdminService  # noqa: PLC0415  # with twisted.web

        return AdminService(self._reactor, address, self.why_not_ready, self.counts.as_prometheus)

    def why_not_ready(self) -> str | None:
        """Say why no client should be sent here; None if one may be."""
        if self._stopped is not None:
            return "draining"
        if not self.running:
            return "starting"
        configured = len(self.applier.listeners)
        if configured and not self.listeners.acceptors:
            return f"no listener is active, of {configured} that are configured"
        return None

    def count_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self.worker.sessions)

    def tell_connections(self) -> str:
        """Tell how many clients are connected, and what they do."""
        return count_now(self.worker.sessions.sessions(), self._reactor.seconds()).words

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""
        self.access_log.reopen()
        if self.control is not None:
            self.control.reopen_logs()

    def reload(self) -> None:
        """Make the file of the start true again, unless the end has begun; the log tells of it."""
        if self.control is not None and not self.host.is_stopping:
            self.control.reload()

    def report_counters(self) -> None:
        """Write all counters to descriptor 1, as one line of JSON."""
        self._stdout.write(self.counts.as_json().encode() + b"\n")


def _tell_lost(lines: int) -> None:
    _log.warn("{lines} lines of counters could not be written", lines=lines)


def make_tree(
    config: Config,
    reactor: Any,
    log: LineObserver | None = None,
    source: Source = NO_SOURCE,
    inheritance: Inheritance | None = None,
) -> ProxyService:
    """Return the services of a process that serves ``config``; without ``log`` it is twistd's."""
    return ProxyService(config, reactor, log, source, inheritance)
