"""
Which services a process has, and in which order they stop: the one place that puts all together.

Starting goes up the list and stopping goes down it, each waiting for the one before: listeners,
then sessions, then the pool, then the logs. (A MultiService would stop them all at once.)
"""

import os
import time
from collections.abc import Generator
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import Config
from sozutw.config.requests import (
    AddCertificate,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    requests_of,
)
from sozutw.config.state import ConfigState
from sozutw.control.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.listen.limits import plan_descriptors, probes_max_of, queue_max_of
from sozutw.listen.listeners import ListenerService
from sozutw.metrics.render import BackendReport, ClusterReport, as_json
from sozutw.process.assembly import Worker
from sozutw.process.reporting import AccessLog
from sozutw.process.watch import CertificateWatch, Renewed
from sozutw.process.writers import SharedSink, StreamWriter
from sozutw.transport.dial import StreamDialler
from sozutw.transport.names import Names

_log = Logger()


class ProxyService(Service):
    """A whole proxy in one process."""

    def __init__(self, config: Config, reactor: Any) -> None:
        settings = config.settings
        self._config = config
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
        self.watch = CertificateWatch(config.watched, self._renewed, reactor)
        self._started_at = reactor.seconds()
        self._stdout = StreamWriter(SharedSink, _tell_lost)
        """Whoever reads the counters may be slow; no client is to wait for that."""
        self._stopped: Deferred[None] | None = None

    @override
    def privilegedStartService(self) -> None:
        """Bind: low ports need the privileges that twistd drops afterwards."""
        self.applier.apply(*requests_of(self._config))
        for cluster in self._config.clusters:
            if cluster.backend_tls is not None:
                self._dialler.prepare(cluster.backend_tls)

    @override
    def startService(self) -> None:
        super().startService()
        self.access_log.startService()
        self.worker.sessions.startService()
        self.listeners.startService()
        for cluster_id, cluster in self.applier.clusters.items():
            self.worker.health.follow(cluster_id, cluster)
        self.worker.health.startService()
        self.watch.startService()
        self.certificates.is_telling = True

    @override
    def stopService(self) -> Deferred[None]:
        """Stop softly; the Deferred fires when all is over."""
        super().stopService()
        return self.stop_softly()

    def stop_softly(self) -> Deferred[None]:
        """Accept no more, let what is under way end in time, then close the rest."""
        if self._stopped is None:
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
        yield self.worker.sessions.stopService()
        self.worker.connector.close_all()
        yield self.access_log.stopService()
        yield self._stdout.close()

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

    def count_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self.worker.sessions)

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""
        self.access_log.reopen()

    def report_counters(self) -> None:
        """Write all counters to descriptor 1, as one line of JSON."""
        now = self._reactor.seconds()
        worker = self.worker
        counters = worker.counters
        counters.client_connections = len(worker.sessions)
        counters.http_sessions = counters.client_connections - counters.tls.https_sessions
        self.certificates.count(counters.tls)
        counters.pool_size = worker.connector.pool.idle_total
        acceptors = self.listeners.acceptors.values()
        counters.accept_queue_connections = sum(acceptor.waiting for acceptor in acceptors)
        counters.accept_queue_backpressure = int(any(acceptor.is_full for acceptor in acceptors))
        listeners_told = {
            str(address): listener.counters for address, listener in self.applier.listeners.items()
        }
        clusters_told = {
            cluster_id: ClusterReport(
                cluster.counters,
                [
                    (
                        state.backend_id,
                        BackendReport(
                            state.address_text,
                            state.counters,
                            state.is_available(now),
                            state.is_healthy,
                        ),
                    )
                    for state in cluster.backends
                ],
            )
            for cluster_id, cluster in self.applier.clusters.items()
        }
        text = as_json(counters, listeners_told, clusters_told, now - self._started_at)
        self._stdout.write(text.encode() + b"\n")


def _tell_lost(lines: int) -> None:
    _log.warn("{lines} lines of counters could not be written", lines=lines)


def make_tree(config: Config, reactor: Any) -> ProxyService:
    """Return the services of a process that serves ``config``."""
    return ProxyService(config, reactor)
