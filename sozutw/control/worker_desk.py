"""
What a worker answers about itself, be it asked by its main process or within its own.

It must not know who asks, nor that there are other workers.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.config.state import RefusedRequestError
from sozutw.control.changes.apply import Applier
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.certificate_queries import NamesOf, certificates_of_worker
from sozutw.control.questions.cluster_queries import (
    cluster_by_id,
    cluster_hashes,
    clusters_by_domain,
)
from sozutw.control.questions.explain import Explainer
from sozutw.control.questions.session_queries import kill_session, list_sessions
from sozutw.control.replies import failure, ok
from sozutw.control.slowly import Slowly, Steps
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.tally import count

_log = Logger()


class WorkerParts(NamedTuple):
    """What a worker's answers are made of."""

    applier: Applier
    sessions: SessionManager
    explainer: Explainer
    names_of: NamesOf
    set_log_filter: Callable[[str], None]
    """Raises RefusedRequestError."""
    set_places_per_address: Callable[[int], None]
    is_stopping: Callable[[], bool]


Answer = Callable[[pb.Request], Any]
"""Returns a Response, a Deferred of one, or Steps to one."""


class WorkerDesk:
    """Answers questions to one worker, as requests of the command socket."""

    def __init__(self, parts: WorkerParts, clock: IReactorTime) -> None:
        self._parts = parts
        self._clock = clock
        self._slowly = Slowly(clock)
        self._answers = self._make_answers()

    def answer(self, question: pb.Request) -> "Deferred[pb.Response]":
        """Answer with one OK or FAILURE; the Deferred never fails."""
        verb = question.WhichOneof("request_type") or ""
        answer = self._answers.get(verb)
        if answer is None:
            return maybeDeferred(lambda: failure(f"a worker does not answer {verb!r}"))
        answered: Deferred[Any] = maybeDeferred(answer, question)
        return answered.addCallback(self._taken).addErrback(_failed, verb)

    def _taken(self, answer: Any) -> Any:
        """Take the steps to an answer that takes long."""
        return self._slowly.run(answer) if isinstance(answer, Generator) else answer

    def _make_answers(self) -> dict[str, Answer]:
        applier, sessions = self._parts.applier, self._parts.sessions
        state = applier.state
        return {
            "status": lambda _asked: self._status(),
            "query_cluster_by_id": lambda asked: cluster_by_id(state, asked.query_cluster_by_id),
            "query_clusters_by_domain": lambda asked: clusters_by_domain(
                state, applier.listeners.values(), asked.query_clusters_by_domain
            ),
            "query_clusters_hashes": lambda _asked: cluster_hashes(state),
            "query_certificates_from_workers": lambda asked: certificates_of_worker(
                state, asked.query_certificates_from_workers, self._parts.names_of
            ),
            "explain": lambda asked: self._parts.explainer.explain(asked.explain),
            "list_sessions": lambda _asked: list_sessions(sessions, self._clock.seconds()),
            "kill_session": lambda asked: kill_session(sessions, asked.kill_session),
            "Logging": lambda asked: self._set_log_filter(asked.Logging),
            "set_max_connections_per_ip": lambda asked: self._set_places(
                asked.set_max_connections_per_ip
            ),
        }

    def _status(self) -> Steps[pb.Response]:
        """Tell whom a stop that is under way waits for."""
        response = ok("")
        if self._parts.is_stopping():
            sessions = self._parts.sessions
            tally = yield from count(sessions.sessions(), self._clock.seconds())
            info = response.content.workers.vec.add(id=0, pid=0, run_state=pb.STOPPING)
            left = sessions.seconds_left()
            info.drain.CopyFrom(pb.DrainState(**tally._asdict(), seconds_left=left))
        return response

    def _set_log_filter(self, text: str) -> pb.Response:
        try:
            self._parts.set_log_filter(text)
        except RefusedRequestError as error:
            return failure(str(error))
        return ok("")

    def _set_places(self, limit: int) -> pb.Response:
        self._parts.set_places_per_address(limit)
        return ok("")


def _failed(fault: Failure, verb: str) -> pb.Response:
    _log.failure("{verb} could not be answered", failure=fault, verb=verb)
    return failure(f"internal error in {verb}; the log has more")
