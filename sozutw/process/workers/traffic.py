"""
What serves clients where the main process has workers: all of them, as the tree sees them.

The main process applies each change first, which judges it and binds its sockets, and so keeps
the configuration; the workers are told what it has committed. It serves nobody itself.
"""

import os
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from sozutw.config.model import InetAddress, Settings
from sozutw.config.requests import Request
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.control.crew import Crew
from sozutw.control.events import Events
from sozutw.control.host import Host
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.slowly import Slowly, Steps
from sozutw.listen.certificates import Certificates
from sozutw.listen.handed import HandedSockets
from sozutw.listen.limits import plan_descriptors
from sozutw.metrics.render import Reports
from sozutw.metrics.transfer import Reader, TransferError
from sozutw.process.live_settings import Knobs, LiveSettings
from sozutw.process.logs.reporting import AccessLog
from sozutw.process.workers.beginning import Beginning
from sozutw.process.workers.crew import FleetCrew
from sozutw.process.workers.entries import Entries
from sozutw.process.workers.fleet import Fleet
from sozutw.process.workers.forks import CannotForkError, ZygoteForks
from sozutw.process.workers.member import Member
from sozutw.process.workers.policy import WAIT_SECONDS, Policy
from sozutw.process.workers.sockets import MainSockets

_log = Logger()


@dataclass(slots=True)
class MainKnobs:
    """What a main process keeps of the settings that can be turned; a ``serving.Knobs``."""

    places_per_address: int
    retry_after: int
    replays: bool
    dials_max: int


class _NoPool:
    """The main process has no connections to backends."""

    def retire(self, state: object) -> None:
        """There is none to close."""


class WorkersTraffic:
    """Serves clients by workers; a ``process.serving.Serving``."""

    def __init__(
        self, settings: Settings, reactor: Any, listeners: int, handed: HandedSockets
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self.knobs: Knobs = MainKnobs(
            settings.max_connections_per_ip,
            settings.retry_after,
            settings.replay,
            settings.dials_max,
        )
        # Each worker has one of its own; this one is for finding out that it can be opened.
        self._access_log = AccessLog(
            reactor,
            settings.access_logs_target or settings.log_target,
            settings.access_logs_format,
        )
        # What each worker plans for itself; here it is judged, and told once.
        plan_descriptors(settings.max_connections, listeners)
        self.certificates = Certificates(time.time)
        self.sockets = MainSockets(handed)
        entries = Entries()
        self.certificates.opened, self.certificates.closed = entries.opened, entries.closed
        state = ConfigState()
        self.applier = Applier(state, self.sockets, _NoPool(), reactor, self.certificates)
        self._live: LiveSettings | None = None
        self.forks = ZygoteForks(reactor, survive=settings.worker_survive_main)
        policy = Policy(
            workers=settings.worker_count,
            settings=self._settings_now,
            turned=self._turned,
            restarts=settings.worker_automatic_restart,
            timeout=settings.worker_timeout,
            hang_timeout=settings.worker_hang_timeout,
            survives_main=settings.worker_survive_main,
            processors=_processors() if settings.handle_process_affinity else (),
        )
        self.fleet = Fleet(reactor, self.forks, state, self.sockets, entries, policy)
        self.forks.ended = self.fleet.ended
        self.applier.committed = self._committed
        self._is_begun = False
        self._is_loaded = False
        self._beginning = Beginning(reactor, settings.worker_timeout or WAIT_SECONDS)
        self._is_over = False
        self._waiting: list[Deferred[None]] = []
        """Stops that wait for the workers."""
        self._grace_seconds: float | None = settings.graceful_shutdown_timeout

    def _settings_now(self) -> Settings:
        return self._settings if self._live is None else self._live.in_force

    def _turned(self) -> list[pb.Request]:
        """
        Return what commands can set, as it holds.

        Also where that is what the file says: since a worker was begun it may have been set back.
        """
        live = self._live
        if live is None:
            return []
        return [
            pb.Request(Logging=live.log_level),
            pb.Request(set_max_connections_per_ip=live.places),
        ]

    def _committed(self, orders: list[Request]) -> None:
        if self._is_begun:  # Else nobody is there, and who comes is told all.
            self.fleet.committed(orders)

    # Its life.

    @contextmanager
    def bound(self) -> Iterator[None]:
        """What is bound meanwhile is closed again if it fails."""
        try:
            yield
        except BaseException:
            self.sockets.close()
            raise

    def inherit(self, sockets: dict[InetAddress, socket]) -> None:
        """Begin with sockets that another process has opened; one is taken out when it is used."""
        self.sockets.inherited = sockets
        # Until this process serves, the other one does, and goes on if this one gives up.
        self.sockets.is_left_to_others = True

    def close_unused(self) -> None:
        """Close what was inherited and nobody asked for: its clients would wait in vain."""
        self.sockets.close_unused()

    def settings_of(self, live: LiveSettings) -> None:
        """Know where to look for the settings that hold."""
        self._live = live

    def start(self) -> "Deferred[None]":
        """Begin the workers once the loop runs, and fire when they could serve."""
        self._access_log.startService()
        self.certificates.is_telling = True
        started: Deferred[None] = Deferred()
        # By then the process is who it is going to be: it may begin as root.
        self._reactor.callWhenRunning(lambda: self._begin().chainDeferred(started))
        return started

    @inlineCallbacks
    def _begin(self) -> Generator["Deferred[Any]", Any, None]:
        yield self._access_log.stopService()
        try:
            if not self._is_over:
                yield self.forks.start()
            # A stop may have come meanwhile.
            if self._has_ended():
                return
            self._is_begun = True
            yield self.fleet.start()
            self._is_loaded = True
        except CannotForkError:
            self._beginning.over()
            if not self._has_ended():
                raise
        finally:
            self._wait_no_more()

    def _has_ended(self) -> bool:
        return self._is_over

    def _wait_no_more(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    def serve(self) -> None:
        """Let the workers take clients from now on."""
        self.sockets.is_left_to_others = False
        self.fleet.serve()
        self._beginning.over()
        _log.info("{count} workers serve", count=self.fleet.roster.serving)

    @inlineCallbacks
    def stop(self) -> Generator["Deferred[None]", None, None]:
        """Let the workers accept no more and end in time, and close what is left."""
        if self._is_begun and not self._is_loaded:
            # Whoever has connected waits for the workers that come, and is served.
            loaded: Deferred[None] = Deferred()
            self._waiting.append(loaded)
            yield loaded
            self.fleet.serve()
        self._is_over = True
        self._beginning.over()
        self.sockets.close()
        yield self._access_log.stopService()
        if self._is_begun:
            yield self.fleet.stop(is_hard=False, seconds=self._grace_seconds)
        yield self.forks.stop()

    def stop_now(self) -> None:
        """Let the workers end at once."""
        self._wait_no_more()
        if self._is_begun:
            self.fleet.stop(is_hard=True, seconds=None)

    def leave_to_others(self) -> None:
        """Others go on with our sockets: nothing but the clients bounds how long a stop takes."""
        self.sockets.is_left_to_others = True
        self._grace_seconds = None

    # What there is.

    @property
    def accepting(self) -> Collection[InetAddress]:
        """Where clients are accepted."""
        return self.sockets.every()

    def descriptors(self) -> dict[InetAddress, int]:
        """Return the descriptor of each listening socket, to be handed over."""
        return {address: sock.fileno() for address, sock in self.sockets.every().items()}

    def count_connections(self) -> int:
        """Return how many clients the workers had a moment ago."""
        return self.fleet.roster.count_sessions()

    def tell_connections(self) -> str:
        """Tell how many clients the workers had a moment ago."""
        left = self.count_connections()
        return "1 connection left" if left == 1 else f"{left} connections left"

    def why_not_ready(self) -> str | None:
        """Say why no client should be sent here; None if one may be."""
        if not self.fleet.roster.serving:
            return "no worker serves"
        configured = len(self.applier.listeners)
        if configured and not self.accepting:
            return f"no listener is active, of {configured} that are configured"
        return None

    def gather(self) -> "Deferred[dict[str, Reports]]":
        """Ask all workers for their counters, in short turns."""
        slowly = Slowly(self._reactor)
        counted = self.fleet.roster.count()
        return counted.addCallback(lambda pieces: slowly.run(_read(pieces)))

    def clear(self) -> "Deferred[None]":
        """Let all workers begin anew at zero with all that only grows."""
        return self.fleet.roster.clear_counters()

    # Its files.

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have our files, before this process is that user; raises OSError."""
        self._access_log.give_to(uid, gid)

    def reopen_logs(self) -> None:
        """Go on writing under the same names, in files that may be new."""
        self.fleet.reopen_logs()

    # What the control plane needs of it.

    def make_crew(self, host: Host) -> Crew:
        """Return the workers as the verbs see them."""
        return FleetCrew(self.fleet, self.forks, host, self._beginning.wait)

    def tell_events(self, events: Events) -> None:
        """Publish what happens in the workers, and to them."""

        def happened(event: pb.Event, worker: str) -> None:
            events.pass_on(event, worker)

        def died(member: Member) -> None:
            events.publish(pb.WORKER_KILLED, origin=str(member.id))

        def came(member: Member) -> None:
            events.publish(pb.WORKER_RELAUNCHED, origin=str(member.id))

        self.fleet.happened, self.fleet.died, self.fleet.came = happened, died, came


def _processors() -> list[int]:
    """Return those that this process may run on; where they cannot be told, none."""
    return sorted(os.sched_getaffinity(0))


def _read(pieces: dict[str, list[bytes]]) -> Steps[dict[str, Reports]]:
    reports = {}
    for worker, told in pieces.items():
        reader = Reader()
        try:
            for piece in told:
                reader.feed(piece)
                yield
            reports[worker] = reader.take()
        except TransferError as error:
            _log.error("the counters of worker {id} are left out: {why}", id=worker, why=error)
    return reports
