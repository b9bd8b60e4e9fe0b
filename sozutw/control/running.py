"""The verbs about the process that runs: its log, its limits, its clients, its end."""

from typing import Any

from twisted.internet.defer import Deferred

from sozutw.config.state import RefusedRequestError
from sozutw.control.desk import Tell
from sozutw.control.events import MAIN, Events
from sozutw.control.host import Host
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.queries import status
from sozutw.control.replies import failure, ok, processing
from sozutw.control.slowly import Steps
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.tokens import Token

_SESSIONS_LISTED_MAX = 10_000


class Running:
    """Look at what runs, and turn its few knobs."""

    def __init__(self, host: Host, sessions: SessionManager, events: Events, clock: Any) -> None:
        self._host = host
        self._sessions = sessions
        self._events = events
        self._clock = clock

    def set_log_filter(self, text: str) -> pb.Response:
        """Log what this filter admits."""
        try:
            self._host.set_log_filter(text)
        except RefusedRequestError as error:
            return failure(f"Error parsing logging filter: {error}")
        self._events.publish(pb.LOGGING_LEVEL_CHANGED, origin=MAIN)
        return ok("Successfully applied request to all workers")

    def set_connection_limit(self, limit: int) -> pb.Response:
        """Let so many connections of one address to a cluster be; 0: no limit."""
        self._host.set_places_per_address(limit)
        return ok("Successfully applied request to all workers")

    def status(self, pid: int) -> Steps[pb.Response]:
        """Tell whether the process runs or stops, and whom it waits for."""
        now = self._clock.seconds()
        return status(pid, self._sessions, now, is_stopping=self._host.is_stopping)

    def list_sessions(self) -> pb.Response:
        """Tell who is connected, oldest first."""
        now = self._clock.seconds()
        every = list(self._sessions.sessions())
        listed = [_told(session, now) for session in every[:_SESSIONS_LISTED_MAX]]
        more = len(every) - len(listed)
        text = f"{len(every)} sessions" + (f"; the oldest {len(listed)} are listed" if more else "")
        return ok(text, sessions=pb.SessionInfos(vec=listed))

    def kill_session(self, number: int) -> pb.Response:
        """Cut one client off."""
        session = self._sessions.find(Token(number))
        if session is None:
            return failure(f"there is no session {number}")
        session.connection.abort()
        return ok(f"session {number} ({session.peer}) is cut off")

    def upgrade_worker(self, number: int, _tell: Tell) -> pb.Response:
        """Say how the one worker there is, which is the main process too, is replaced."""
        if number != 0:
            return failure(f"Worker {number} does not exist, or is stopping / stopped")
        if self._host.is_fresh:
            # Sōzu's client asks for each worker after the main process was replaced.
            return ok("Upgrade successful: worker 0 came with the new main process")
        return failure(
            "worker 0 is the main process too: UpgradeMain replaces both (`sozutw upgrade`)"
        )

    def stop(self, tell: Tell, *, is_hard: bool) -> "Deferred[pb.Response]":
        """End the process, once what is under way has ended, or now."""
        kind = "hard" if is_hard else "soft"
        tell(processing(f"Performing {kind} stop..."))
        self._events.publish(pb.SOZU_STOP_REQUESTED, origin=MAIN)
        stopped = self._host.stop(is_hard=is_hard)
        text = "Successfully closed 1 workers, 0 errors, stopping the main process..."
        return stopped.addCallback(lambda _: ok(text))


def _told(session: Any, now: float) -> pb.SessionInfo:
    doing = session.connection.doing()
    return pb.SessionInfo(
        token=session.token or 0,
        listener=doing.listener,
        peer=session.peer,
        protocol=doing.protocol,
        age_seconds=max(0.0, now - session.since),
        idle_seconds=max(0.0, now - session.connection.active_at()),
        state=doing.state,
        cluster_id=doing.cluster_id or None,
        backend_id=doing.backend_id or None,
        backend_address=doing.backend_address or None,
        ulid=session.id_text.decode("ascii"),
    )
