"""Questions about the clients of one worker, and the order to cut one off."""

from collections.abc import Mapping
from typing import Any, Final

from sozutw.control.messages.session_numbers import SessionName, number_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure, ok
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.tokens import Token

SESSIONS_LISTED_MAX: Final = 10_000


def list_sessions(sessions: SessionManager, now: float) -> pb.Response:
    """Tell who is connected to this worker, oldest first."""
    every = list(sessions.sessions())
    listed = [_told(session, now) for session in every[:SESSIONS_LISTED_MAX]]
    return ok("", sessions=pb.SessionInfos(vec=listed, total=len(every)))


def listed(answers: Mapping[SessionName, pb.Response]) -> pb.Response:
    """Put the sessions of several workers together; each name has the token 0."""
    every: list[pb.SessionInfo] = []
    total = 0
    for name, answer in answers.items():
        total += answer.content.sessions.total
        for told in answer.content.sessions.vec:
            told.token = number_of(name._replace(token=told.token))
            every.append(told)
    every.sort(key=lambda told: -told.age_seconds)
    more = total - SESSIONS_LISTED_MAX
    text = f"{total} sessions"
    if more > 0:
        text += f"; the oldest {SESSIONS_LISTED_MAX} are listed"
    infos = pb.SessionInfos(vec=every[:SESSIONS_LISTED_MAX], total=total)
    return ok(text, sessions=infos)


def kill_session(sessions: SessionManager, number: int) -> pb.Response:
    """Cut one client off."""
    session = sessions.find(Token(number))
    if session is None:
        return failure(f"there is no session {number}")
    session.connection.abort()
    return ok(session.peer)


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
