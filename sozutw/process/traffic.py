"""
All that serves clients in one process: listening sockets, sessions, backend connections, checks.

A process that serves by itself has one, and so has each worker; the main process of workers has
none (``process.workers.traffic`` stands in its place). It must not know how the process is told
what to do.
"""

import os
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed

from sozutw.balancing.backends import ClusterState
from sozutw.config.model import InetAddress, Settings
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.listen.handed import HandedSockets
from sozutw.listen.limits import plan_descriptors, probes_max_of, queue_max_of
from sozutw.listen.listeners import ListenerService
from sozutw.metrics.render import Reports
from sozutw.process.assembly import Worker
from sozutw.process.counts import Counts
from sozutw.process.draining import DrainReport
from sozutw.process.live_settings import Knobs, LiveSettings
from sozutw.process.logs.reporting import AccessLog
from sozutw.process.totals import OnlyWorker
from sozutw.sessions.tally import count_now
from sozutw.transport.dial import StreamDialler
from sozutw.transport.names import Names

if TYPE_CHECKING:
    from sozutw.control.crew import Crew
    from sozutw.control.events import Events
    from sozutw.control.host import Host
    from sozutw.control.worker_desk import WorkerDesk


class Traffic:
    """Serves clients in this process. What ``applier`` applies holds for them."""

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        listeners: int,
        handed: HandedSockets | None = None,
        tag: str = "MAIN",
        *,
        tells_limits: bool = True,
    ) -> None:
        """Make room for so many listeners; sockets that were ``handed`` go before our own."""
        self._reactor = reactor
        self.access_log = AccessLog(
            reactor,
            settings.access_logs_target or settings.log_target,
            settings.access_logs_format,
            tag=tag,
            is_colored=bool(settings.access_logs_colored),
        )
        plan = plan_descriptors(settings.max_connections, listeners, is_told=tells_limits)
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
        self.knobs: Knobs = self.worker.means
        self.certificates = Certificates(time.time)
        self.listeners = ListenerService(
            reactor,
            self.worker.sessions,
            self.worker.factory_of,
            queue_max=queue_max_of(plan.sessions_max),
            queue_seconds_max=settings.accept_queue_timeout,
            counters=self.worker.counters,
            context_of=self.certificates.context_of,
            handed=handed,
        )
        self.access_log.counters = self.worker.counters
        self.worker.sessions.on_room = self.listeners.room_made
        self.applier = Applier(
            ConfigState(), self.listeners, self.worker.connector, reactor, self.certificates
        )
        self.applier.listener_followers.append(self.worker.sessions.drain_of)
        self.applier.cluster_followers += [self.worker.health.follow, self._prepare_dials]
        self.counts = Counts(self.worker, self.listeners, self.applier, self.certificates, reactor)
        self._counted = OnlyWorker(self.counts, reactor)

    def _prepare_dials(self, _cluster_id: str, cluster: ClusterState | None) -> None:
        """The first request of a cluster is not to wait for what its handshakes need."""
        if cluster is not None and cluster.cluster.backend_tls is not None:
            self._dialler.prepare(cluster.cluster.backend_tls)

    # Its life.

    @contextmanager
    def bound(self) -> Iterator[None]:
        """What is bound meanwhile is closed again if it fails."""
        try:
            yield
        except BaseException:
            self.listeners.stopService()
            raise

    def start(self) -> "Deferred[None]":
        """Open the access log and begin to serve; OSError if the log cannot be opened."""
        self.access_log.startService()
        self.worker.sessions.startService()
        self.listeners.startService()
        self.worker.health.startService()
        self.certificates.is_telling = True
        return succeed(None)

    def serve(self) -> None:
        """Take clients, which are taken already unless the sockets are another process's still."""
        self.listeners.is_left_to_others = False
        self.listeners.let_in()

    @inlineCallbacks
    def stop(self) -> Generator["Deferred[None]", None, None]:
        """Accept no more, let what is under way end in time, and close the rest."""
        self.worker.health.stopService()
        self.listeners.stopService()
        sessions = self.worker.sessions
        yield DrainReport(self._reactor, sessions).until(sessions.stopService())
        self.worker.connector.close_all()
        yield self.access_log.stopService()

    def stop_now(self) -> None:
        """Cut what is under way; a soft stop that waits for it is over with that."""
        self.worker.sessions.abort_all()

    def leave_to_others(self) -> None:
        """Others go on with our sockets: nothing but the clients bounds how long a stop takes."""
        self.listeners.is_left_to_others = True
        self.worker.sessions.grace_seconds = None

    # What there is.

    @property
    def accepting(self) -> Collection[InetAddress]:
        """Where clients are accepted."""
        return self.listeners.acceptors

    def descriptors(self) -> dict[InetAddress, int]:
        """Return the descriptor of each listening socket, to be handed over."""
        return self.listeners.descriptors()

    def inherit(self, sockets: Any) -> None:
        """Begin with sockets that another process has opened; one is taken out when it is used."""
        self.listeners.inherited = sockets
        # Until this process serves, the other one does, and goes on if this one gives up.
        self.listeners.is_left_to_others = True
        self.listeners.hold()

    def close_unused(self) -> None:
        """Close what was inherited and nobody asked for: its clients would wait in vain."""
        self.listeners.close_unused()

    def settings_of(self, live: LiveSettings) -> None:
        """It has been told them already."""

    def count_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self.worker.sessions)

    def tell_connections(self) -> str:
        """Tell how many clients are connected, and what they do."""
        return count_now(self.worker.sessions.sessions(), self._reactor.seconds()).words

    def gather(self) -> "Deferred[dict[str, Reports]]":
        """Bring all counters together, in short turns; the one worker has the id 0."""
        return self._counted.gather()

    def clear(self) -> "Deferred[None]":
        """Begin anew at zero with all that only grows, in short turns."""
        return self._counted.clear_all()

    def why_not_ready(self) -> str | None:
        """Say why no client should be sent here; None if one may be."""
        configured = len(self.applier.listeners)
        if configured and not self.listeners.acceptors:
            return f"no listener is active, of {configured} that are configured"
        return None

    # Its files.

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have our files, before this process is that user; raises OSError."""
        self.access_log.give_to(uid, gid)

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""
        self.access_log.reopen()

    # What the control plane needs of it; with protobuf, which not every process loads.

    def make_desk(
        self, set_log_filter: Callable[[str], None], is_stopping: Callable[[], bool]
    ) -> "WorkerDesk":
        """Return what answers questions about what is here."""
        from sozutw.control.questions.explain import Explainer  # noqa: PLC0415
        from sozutw.control.worker_desk import WorkerDesk, WorkerParts  # noqa: PLC0415

        explainer = Explainer(
            self.applier.state, self.applier.listeners, self.certificates, self.worker.means
        )
        parts = WorkerParts(
            applier=self.applier,
            sessions=self.worker.sessions,
            explainer=explainer,
            names_of=self.certificates.names_of,
            set_log_filter=set_log_filter,
            set_places_per_address=self._set_places,
            is_stopping=is_stopping,
        )
        return WorkerDesk(parts, self._reactor)

    def _set_places(self, limit: int) -> None:
        self.knobs.places_per_address = limit

    def make_crew(self, host: "Host") -> "Crew":
        """Return the workers as the verbs see them: this process alone."""
        from sozutw.control.alone import Alone  # noqa: PLC0415

        # The host's filter has been set already when the desk is asked to.
        desk = self.make_desk(lambda _text: None, lambda: host.is_stopping)
        return Alone(desk, host, os.getpid)

    def tell_events(self, events: "Events") -> None:
        """Publish what happens on the path of requests."""
        from sozutw.control.events import EventWitness  # noqa: PLC0415

        self.watch_with(EventWitness(events))

    def watch_with(self, witness: Any) -> None:
        """Let this one hear what happens on the path of requests."""
        self.applier.witness = witness
        self.worker.health.observer = witness
