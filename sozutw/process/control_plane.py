"""
The control plane of a process: the command socket, the verbs that answer on it, and their means.

``control`` knows what each verb does; here it is put together, and tied to this process.
"""

import os
import socket
import time
from collections.abc import Callable, Generator
from functools import partial
from importlib.metadata import version
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from typing_extensions import override

from sozutw.config.model import Settings
from sozutw.config.requests import Request
from sozutw.config.state import RefusedRequestError
from sozutw.control.audit import AuditTrail
from sozutw.control.changes.autosave import AutomaticSave
from sozutw.control.changes.changes import Changes, details
from sozutw.control.changes.state_file import read_state, requests_in
from sozutw.control.channel.server import CommandService
from sozutw.control.events import Events
from sozutw.control.messages.records import BadRecordError
from sozutw.control.questions.metrics_verbs import MetricVerbs
from sozutw.control.questions.queries import RequestCounts, configured_counts
from sozutw.control.running import Running
from sozutw.control.verbs import CommandDesk, Parts
from sozutw.listen.handed import HandedSockets
from sozutw.process.host import ProcessHost
from sozutw.process.logs.writers import FileSink, StreamWriter
from sozutw.process.reload import FileReload
from sozutw.process.serving import Serving

_log = Logger()


class ControlPlane(Service):
    """
    Answers on the command socket, if the configuration names one.

    Binding raises OSError, unless the path is the one that is taken when none is written: then
    the process goes on without a command socket, and says so.
    """

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        host: ProcessHost,
        serving: Serving,
        handed: HandedSockets | None = None,
    ) -> None:
        self._settings = settings
        self._applier = applier = serving.applier
        self._host = host
        asked = RequestCounts()
        events = Events()
        serving.tell_events(events)
        crew = serving.make_crew(host)
        self.changes = Changes(applier, host, crew, events, asked, reactor)
        self._autosave = AutomaticSave(self.changes.save_state, reactor, _saved_to(settings))
        self.changes.on_change = self._autosave.changed
        self._metrics = MetricVerbs(
            serving.gather,
            serving.clear,
            lambda: sorted({str(info.id) for info in crew.roll()}),
            lambda: configured_counts(applier.state),
            events,
            reactor,
            settings.metrics.detail,
            tells_clusters=not settings.disable_cluster_metrics,
        )
        text = _writer(settings.audit_logs_target)
        as_json = _writer(settings.audit_logs_json_target)
        self._writers = [writer for writer in (text, as_json) if writer is not None]
        self._audit = AuditTrail(time.time, version("sozutw"), text, as_json)
        parts = Parts(
            applier=applier,
            changes=self.changes,
            counts=asked,
            metrics=self._metrics,
            running=Running(host, crew, events),
            crew=crew,
            events=events,
            host=host,
            names_of=serving.certificates.names_of,
        )
        self.desk = CommandDesk(parts, self._audit, reactor)
        self._reload = FileReload(self.desk, host.configuration_path)
        self._service: CommandService | None = None
        if settings.command_socket is not None:
            self._service = CommandService(
                reactor,
                os.path.abspath(settings.command_socket),  # links stay
                self.desk,
                settings.command_allowed_uids,
                settings.max_command_buffer_size,
                handed=handed,
            )
        host.live.followers["saved_state"] = self._take_saved_state
        host.live.followers["automatic_state_save"] = self._take_saved_state

    @property
    def path(self) -> str | None:
        """Where the command socket is; None if there is none."""
        return None if self._service is None else self._service.path

    @override
    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        if self._service is None:
            return
        try:
            self._service.privilegedStartService()
        except OSError as error:
            if not self._settings.command_socket_is_default:
                raise
            _log.warn(
                "no command socket: {error}; command_socket names another path",
                error=str(error),
            )
            self._service = None

    @property
    def descriptor(self) -> int:
        """The command socket, to be handed over; -1 if there is none."""
        return -1 if self._service is None else self._service.descriptor

    def save_soon(self) -> None:
        """Save the state as if it had changed: the process before may have left that undone."""
        self._autosave.changed()

    def adopt(self, sock: socket.socket) -> None:
        """Answer on a command socket that another process has made; raises OSError."""
        assert self._service is not None
        self._service.adopt(sock)

    def hand_over(self) -> None:
        """Another process answers on the command socket now, and saves the state."""
        self._autosave.give_up()
        if self._service is not None:
            self._service.hand_over()

    def load_saved_state(self) -> None:
        """Put in force what ``saved_state`` holds, beside what the file asks for."""
        path = self._settings.saved_state
        if path is None:
            return
        if not os.path.exists(path):
            _log.info("saved_state: {path} is not there yet", path=path)
            return
        try:
            outcome = self._applier.apply_passing_over(
                requests_in(read_state(path, self._host.user))
            )
        except (RefusedRequestError, BadRecordError, OSError) as error:
            _log.error("saved_state is left out: {path}: {error}", path=path, error=str(error))
            return
        _log.info(
            "saved_state: {applied} orders of {path} applied{details}",
            applied=outcome.applied,
            path=path,
            details=details(outcome),
        )

    @override
    def startService(self) -> None:
        super().startService()
        if self._service is not None:
            self._service.startService()
            _log.info("commands are taken at {path}", path=self._service.path)

    @override
    def stopService(self) -> "Deferred[None]":
        """Let answers that are under way be given, then be gone."""
        super().stopService()
        return self._stop()

    @inlineCallbacks
    def _stop(self) -> Generator["Deferred[None]", None, None]:
        self._metrics.stop()
        if self._service is not None:
            yield self._service.stopService()
        yield self._autosave.stop()
        self._host.close()
        yield self._audit.close()  # Last: what came until here is in it.

    def applied(self, request: Request) -> None:
        """Something was applied that nobody asked for: subscribers hear of it, and it is saved."""
        self.changes.applied(request)

    def give_to(self, uid: int, gid: int) -> None:
        """Let a user have what is open of ours; raises OSError if it cannot be."""
        for writer in self._writers:
            writer.give_to(uid, gid)
        if self._service is not None:
            self._service.give_to(uid, gid)

    def reload(self) -> None:
        """Read the file of the start again, and do what differs; without one there is nothing."""
        if self._host.configuration_path:
            self._reload.ask()

    def reopen_logs(self) -> None:
        """Go on with the audit trail in files that may be new."""
        self._audit.reopen()

    def _take_saved_state(self, settings: Settings) -> None:
        self._autosave.path = _saved_to(settings)


def _saved_to(settings: Settings) -> str | None:
    return settings.saved_state if settings.automatic_state_save else None


def _writer(path: str | None) -> StreamWriter | None:
    if path is None:
        return None
    open_sink: Callable[[], FileSink] = partial(FileSink, path)
    writer = StreamWriter(open_sink, partial(_tell_lost, path))
    writer.open()
    return writer


def _tell_lost(path: str, lines: int) -> None:
    _log.warn("{lines} lines of the audit trail are lost: {path}", lines=lines, path=path)
