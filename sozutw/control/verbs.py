"""
The desk of a process: which verb does what, and what is written down of it.

``control.channel.connection`` asks it request by request; it must not know sockets.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sozutw.control.audit import AuditTrail, Fanout
from sozutw.control.changes.apply import Applier
from sozutw.control.changes.changes import MISSED, Changes
from sozutw.control.channel.reading import UnreadableRequestError, read_request
from sozutw.control.crew import Crew
from sozutw.control.desk import Actor, Tell
from sozutw.control.events import Events
from sozutw.control.gathering import Gathering
from sozutw.control.host import Host
from sozutw.control.messages.translate import CHANGES
from sozutw.control.messages.unserved import VERBS as UNSERVED
from sozutw.control.messages.unserved import unserved
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.certificate_queries import NamesOf, certificates_of_state
from sozutw.control.questions.cluster_queries import (
    cluster_by_id,
    cluster_hashes,
    clusters_by_domain,
)
from sozutw.control.questions.metrics_verbs import MetricVerbs
from sozutw.control.questions.queries import (
    PROCESSING,
    RequestCounts,
    connection_limit,
    frontends,
    health_checks,
    listeners,
    workers,
)
from sozutw.control.replies import failure, processing
from sozutw.control.running import Running
from sozutw.control.slowly import Slowly

_log = Logger()


class Parts(NamedTuple):
    """What the verbs work with."""

    applier: Applier
    changes: Changes
    counts: RequestCounts
    metrics: MetricVerbs
    running: Running
    crew: Crew
    events: Events
    host: Host
    names_of: NamesOf


Verb = Callable[[Any, Actor, Tell], Any]
"""Takes what the request's field holds; returns a Response, a Deferred of one, or Steps to one."""


class CommandDesk:
    """Answers every verb, and leaves a line in the audit trail for each privileged one."""

    def __init__(self, parts: Parts, audit: AuditTrail, clock: IReactorTime) -> None:
        self._parts = parts
        self._audit = audit
        self._clock = clock
        self._slowly = Slowly(clock)
        self._verbs = _questions(parts, self._slowly) | _actions(parts)

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        """Answer with one OK or FAILURE; the Deferred fails only if it is cancelled."""
        verb = request.WhichOneof("request_type") or ""
        began = self._clock.seconds()
        if verb == "subscribe_events":
            return self._subscribe(request, actor, tell)
        if verb in CHANGES:
            answered = maybeDeferred(self._parts.changes.order, request, tell)
        elif verb in UNSERVED:
            answered = maybeDeferred(lambda: failure(str(unserved(*UNSERVED[verb]))))
        elif verb in self._verbs:
            if verb in PROCESSING:
                tell(processing(PROCESSING[verb]))
            answered = maybeDeferred(self._verbs[verb], getattr(request, verb), actor, tell)
        else:
            answered = maybeDeferred(lambda: failure(f"the verb {verb!r} is not known here"))
        answered.addCallback(self._taken).addErrback(_failed, verb)
        return answered.addCallback(self._noted, request, actor, began)

    def _taken(self, answer: Any) -> Any:
        """Take the steps to an answer that takes long."""
        return self._slowly.run(answer) if isinstance(answer, Generator) else answer

    def turned_away(self, message: bytes, actor: Actor, refusal: pb.Response) -> None:
        """Leave a line of what somebody asked for who may ask for nothing."""
        try:
            request = read_request(message)
        except UnreadableRequestError:
            return
        self._audit.note(request, actor, refusal, 0.0, error_code="unauthorized")

    def _subscribe(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        subscribed = self._parts.events.subscribe(tell, actor)
        if not subscribed.called:
            begun = pb.Response(status=pb.OK, message="")
            self._audit.note(request, actor, begun, 0.0)
        return subscribed

    def _noted(
        self, response: pb.Response, request: pb.Request, actor: Actor, began: float
    ) -> pb.Response:
        fanout = None
        if request.WhichOneof("request_type") in CHANGES:
            fanout = self._fanout_of(response)
        self._audit.note(request, actor, response, self._clock.seconds() - began, fanout=fanout)
        return response

    def _fanout_of(self, response: pb.Response) -> Fanout:
        """Tell how many of the workers took an order."""
        counted = {pb.RUNNING, pb.NOT_ANSWERING}
        expected = sum(info.run_state in counted for info in self._parts.crew.roll())
        if response.status == pb.OK:
            return Fanout(ok=expected, err=0, expected=expected)
        told = response.message.splitlines()
        # Refused by the main process, no worker has heard of it.
        missed = min(len(told) - 1, expected) if told[:1] == [MISSED] else expected
        return Fanout(ok=expected - missed, err=missed, expected=expected)


def _failed(fault: Failure, verb: str) -> pb.Response:
    """Our own fault must not end the conversation, nor be kept from the log."""
    _log.failure("{verb} could not be served", failure=fault, verb=verb)
    return failure(f"internal error in {verb}; the log has more")


def _without_content(response: pb.Response) -> pb.Response:
    """Sōzu's client takes a content that it does not know for none, but writes no JSON for it."""
    response.ClearField("content")
    return response


def _questions(parts: Parts, slowly: Slowly) -> dict[str, Verb]:
    """Return what only looks."""
    applier, host, crew = parts.applier, parts.host, parts.crew
    state = applier.state
    return {
        "count_requests": lambda _asked, _actor, _tell: parts.counts.answer(),
        "list_workers": lambda _asked, _actor, _tell: workers(crew.roll()),
        "status": lambda _asked, _actor, _tell: parts.running.status(),
        "list_frontends": lambda asked, _actor, _tell: frontends(state, asked),
        "list_listeners": lambda _asked, _actor, _tell: listeners(state),
        "query_certificates_from_the_state": lambda asked, _actor, _tell: certificates_of_state(
            state, asked, parts.names_of
        ),
        "query_metrics": lambda asked, _actor, _tell: parts.metrics.query(asked),
        "query_health_checks": lambda asked, _actor, _tell: health_checks(
            state, asked.cluster_id if asked.HasField("cluster_id") else None
        ),
        "query_max_connections_per_ip": lambda _asked, _actor, _tell: connection_limit(
            host.get_places_per_address()
        ),
        **_questions_to_workers(parts, slowly),
    }


def _questions_to_workers(parts: Parts, slowly: Slowly) -> dict[str, Verb]:
    """Return what the workers are asked, some of it beside the main process."""
    applier, gathering = parts.applier, Gathering(parts.crew)
    state = applier.state
    return {
        "query_cluster_by_id": lambda asked, _actor, _tell: gathering.beside(
            pb.Request(query_cluster_by_id=asked), cluster_by_id(state, asked)
        ),
        "query_clusters_by_domain": lambda asked, _actor, _tell: gathering.beside(
            pb.Request(query_clusters_by_domain=asked),
            clusters_by_domain(state, applier.listeners.values(), asked),
        ),
        "query_clusters_hashes": lambda asked, _actor, _tell: slowly.run(
            cluster_hashes(state)
        ).addCallback(lambda own: gathering.beside(pb.Request(query_clusters_hashes=asked), own)),
        "query_certificates_from_workers": lambda asked, _actor, _tell: gathering.certificates(
            pb.Request(query_certificates_from_workers=asked)
        ),
        "explain": lambda asked, _actor, _tell: gathering.any(pb.Request(explain=asked)),
        "list_sessions": lambda asked, _actor, _tell: gathering.list_sessions(
            pb.Request(list_sessions=asked)
        ),
        "kill_session": lambda asked, _actor, _tell: gathering.kill_session(asked),
    }


def _actions(parts: Parts) -> dict[str, Verb]:
    """Return what does something, the orders to the configuration aside."""
    changes, running, metrics = parts.changes, parts.running, parts.metrics
    return {
        "batch": lambda asked, _actor, tell: changes.batch(asked, tell),
        "save_state": lambda asked, _actor, _tell: changes.save_state(asked),
        "save_state_as": lambda asked, _actor, _tell: changes.save_state(
            asked.path, without_keys=asked.without_keys
        ),
        "load_state": lambda asked, _actor, tell: changes.load_state(asked, tell),
        "reload_configuration": lambda asked, _actor, tell: changes.configure(
            pb.ApplyConfiguration(path=asked), tell
        ).addCallback(_without_content),
        "apply_configuration": lambda asked, _actor, tell: changes.configure(asked, tell),
        "configure_metrics": lambda asked, _actor, _tell: metrics.configure(asked),
        "set_metric_detail": lambda asked, actor, _tell: metrics.set_detail(asked, actor),
        "Logging": lambda asked, _actor, _tell: running.set_log_filter(asked),
        "set_max_connections_per_ip": (
            lambda asked, _actor, _tell: running.set_connection_limit(asked)
        ),
        "upgrade_main": lambda _asked, _actor, tell: changes.upgrade(tell),
        "upgrade_worker": lambda asked, _actor, tell: running.upgrade_worker(asked, tell),
        "soft_stop": lambda _asked, _actor, tell: running.stop(tell, is_hard=False),
        "hard_stop": lambda _asked, _actor, tell: running.stop(tell, is_hard=True),
    }
