"""
Which services a process has, and in which order they stop: the one place that puts all together.

Starting goes up the list and stopping goes down it, each waiting for the one before: listeners,
then sessions, then the pool, then the access log, then the command socket with its audit trail,
then the admin address. (A MultiService would stop them all at once.)
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import Config, InetAddress
from sozutw.config.requests import (
    AddCertificate,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    requests_of,
)
from sozutw.config.state import RefusedRequestError
from sozutw.listen.handed import HandedSockets
from sozutw.process.host import NO_SOURCE, ProcessHost, Source
from sozutw.process.inheritance import Inheritance
from sozutw.process.log import LineObserver, set_log_filter
from sozutw.process.watch import CertificateWatch, Renewed
from sozutw.process.writers import SharedSink, StreamWriter

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
        self.admin = self._make_admin(settings.admin_address)
        self._stdout = StreamWriter(SharedSink, _tell_lost)
        """Whoever reads the counters may be slow; no client is to wait for that."""
        self._stopped: Deferred[None] | None = None
        self._is_serving = False
        self.stop_begun: Callable[[], None] = lambda: None
        """Called when the process begins to stop."""
        self._traffic_ended: list[Deferred[None]] = []
        self.host = ProcessHost(reactor, settings, self.serving.knobs, source)
        self.host.live.set_filter = partial(set_log_filter, log)
        self.host.stop_process = self._stop_unasked
        self.host.when_sessions_end = self._when_traffic_ends
        self.host.configured = self._configured
        self.host.hand_over = self._hand_over
        self.leave: Callable[[], None] = self._leave_unasked
        """Ends the process when the last client has; bound by who looks after it."""
        self.control = self._make_control()

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
            self._let_go_of_sockets()
        except BaseException:
            self.handed.close()
            if self.admin is not None:
                self.admin.stopService()
            raise

    def _let_go_of_sockets(self) -> None:
        """Close sockets that nobody wants: who connects there would wait for ever."""
        unasked = self.handed.close_unasked(kept=self.applier.listeners)
        if unasked:
            _log.warn(
                "sockets that were handed over, and that no listener of the configuration asks"
                " for, are closed: {unasked}",
                unasked=", ".join(unasked),
            )

    @override
    def startService(self) -> None:
        super().startService()
        self.serving.start().addCallbacks(self._could_serve, self._could_not_serve)
        self.watch.startService()
        if self.admin is not None:
            self.admin.startService()
        if self.control is not None:
            self.control.startService()

    def _could_serve(self, _started: None) -> None:
        self._is_serving = True
        self.serving.serve()
        self.ready()

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
        self.handed.close()
        yield self.serving.stop()
        for waiting in self._traffic_ended:
            waiting.callback(None)
        if self.control is not None:
            yield self.control.stopService()
        if self.admin is not None:
            yield self.admin.stopService()
        yield self._stdout.close()

    def _take_over(self, inherited: Inheritance) -> None:
        """Begin with the sockets of the process before; what nobody asks for is closed with it."""
        self.serving.inherit(inherited.sockets)
        if self.admin is not None and self._config.settings.admin_address is not None:
            self.admin.inherited = inherited.sockets.pop(self._config.settings.admin_address, None)
        self.host.fresh_until = self._reactor.seconds() + FRESH_SECONDS
        control = self.control
        if control is not None and inherited.command is not None:
            if control.path == inherited.command_path:
                control.adopt(inherited.command)
            else:
                inherited.command.close()

    @inlineCallbacks
    def _hand_over(self) -> Generator["Deferred[int]", int, int]:
        """Start a process that takes over; once it serves, take nobody new, and see all out."""
        # With protobuf, for the state.
        from sozutw.process.upgrade import Upgrade, UpgradeFailedError, offer_of  # noqa: PLC0415

        offer = offer_of(self._source, self.serving, self.control, self.admin)
        if offer is None:
            raise RefusedRequestError("only a process that began with a file can be replaced")
        upgrade = Upgrade(self._reactor, self.applier.state, *offer)
        try:
            pid = yield upgrade.run()
        except UpgradeFailedError as error:
            _log.error("the upgrade failed: {error}", error=str(error))
            raise RefusedRequestError(str(error)) from None
        _log.info("process {pid} serves in our place; what is under way here ends first", pid=pid)
        self.serving.outlive_deadlines()
        if self.control is not None:
            self.control.hand_over()
        # After the answer to whoever asked for it.
        self._reactor.callLater(0, self.leave)
        return pid

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

    def _when_traffic_ends(self) -> Deferred[None]:
        ended: Deferred[None] = Deferred()
        self._traffic_ended.append(ended)
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
            self._reactor, address, self.why_not_ready, self._metrics_text, self.handed
        )

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

    def report_counters(self) -> None:
        """Write all counters to descriptor 1, as one line of JSON."""
        self._stdout.write(self.counts.as_json().encode() + b"\n")


def _make_serving(config: Config, reactor: Any, handed: HandedSockets) -> Serving:
    """Return what serves clients: this process, or workers."""
    settings = config.settings
    listeners = len(config.listeners) + len(config.https_listeners)
    if settings.worker_count == 0:
        return Traffic(settings, reactor, listeners, handed)
    from sozutw.process.workers.traffic import WorkersTraffic  # noqa: PLC0415  # with protobuf

    return WorkersTraffic(settings, reactor, handed)


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
