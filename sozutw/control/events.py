"""
Events: what happens is told to whoever subscribed to it.

Each event goes to each subscriber as a response that is PROCESSING and never ends; its message
says where it happened, by the number of a worker or as ``main``.
"""

from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import BackendAddress
from sozutw.control.desk import Actor, Tell
from sozutw.control.messages.translate import address_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure

SUBSCRIBERS_MAX: Final = 32
"""Half of those who may be connected: they stay for long, and give way to nobody."""
MAIN: Final = "main"
WORKER: Final = "0"


class Events:
    """Who subscribed, and how they are told."""

    def __init__(self) -> None:
        self._subscribers: dict[Deferred[pb.Response], tuple[Tell, Actor]] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, tell: Tell, client: Actor) -> "Deferred[pb.Response]":
        """
        Tell this client of all that happens from now on, its own subscription first.

        Returns what fires at once with a FAILURE when there are SUBSCRIBERS_MAX already, and
        else never: whoever sees the client leave cancels it, and hears CancelledError.
        """
        if len(self._subscribers) >= SUBSCRIBERS_MAX:
            text = f"{SUBSCRIBERS_MAX} clients subscribe to events already; end one of them first"
            return succeed(failure(text))
        subscription: Deferred[pb.Response] = Deferred(self._unsubscribe)
        self._subscribers[subscription] = (tell, client)
        self.publish(pb.EVENTS_SUBSCRIBED, origin=MAIN)
        return subscription

    def publish(
        self,
        kind: pb.EventKind,
        *,
        cluster_id: str | None = None,
        backend_id: str | None = None,
        address: BackendAddress | None = None,
        metric_detail: pb.MetricDetailTransition | None = None,
        origin: str = WORKER,
    ) -> None:
        """Tell all subscribers; what is None is not part of the event."""
        if not self._subscribers:
            return
        event = event_message(kind, cluster_id=cluster_id, backend_id=backend_id, address=address)
        if metric_detail is not None:
            event.metric_detail.CopyFrom(metric_detail)
        self.pass_on(event, origin)

    def pass_on(self, event: pb.Event, origin: str) -> None:
        """Tell all subscribers of what happened there."""
        response = pb.Response(
            status=pb.PROCESSING, message=origin, content=pb.ResponseContent(event=event)
        )
        # To be told may make a client leave.
        for tell, _ in tuple(self._subscribers.values()):
            tell(response)

    def _unsubscribe(self, subscription: "Deferred[Any]") -> None:
        self._subscribers.pop(subscription, None)


def event_message(
    kind: pb.EventKind,
    *,
    cluster_id: str | None = None,
    backend_id: str | None = None,
    address: BackendAddress | None = None,
) -> pb.Event:
    """Return an event; what is None is not part of it."""
    event = pb.Event(kind=kind, cluster_id=cluster_id, backend_id=backend_id)
    if address is not None:
        event.address.CopyFrom(address_message(address))
    return event


class Publisher(Protocol):
    """Who tells of what happens; ``Events``, or a worker that tells its main process."""

    def publish(
        self,
        kind: pb.EventKind,
        *,
        cluster_id: str | None = None,
        backend_id: str | None = None,
        address: BackendAddress | None = None,
    ) -> None:
        """Tell of it; what is None is not part of it."""


class EventWitness:
    """Publishes what only the path of requests knows; a ``balancing.witness.Witness``."""

    def __init__(self, events: Publisher) -> None:
        self._events = events

    def backend_gone_down(self, backend: BackendState) -> None:
        """So many dials failed in a row that it counts as down."""
        self._tell_of(backend, pb.BACKEND_DOWN)

    def backend_come_up(self, backend: BackendState) -> None:
        """A dial succeeded to one that was down."""
        self._tell_of(backend, pb.BACKEND_UP)

    def backends_run_out(self, cluster: ClusterState) -> None:
        """None was available for a request."""
        self._events.publish(pb.NO_AVAILABLE_BACKENDS, cluster_id=cluster.cluster.cluster_id)

    def cluster_recovered(self, cluster: ClusterState) -> None:
        """One was, for a later request."""
        self._events.publish(pb.CLUSTER_RECOVERED, cluster_id=cluster.cluster.cluster_id)

    def backend_vacated(self, backend: BackendState) -> None:
        """It was removed, and has no connection any more."""
        self._tell_of(backend, pb.REMOVED_BACKEND_HAS_NO_CONNECTIONS)

    def backend_turned_healthy(self, state: BackendState) -> None:
        """Publish HEALTH_CHECK_HEALTHY."""
        self._tell_of(state, pb.HEALTH_CHECK_HEALTHY)

    def backend_turned_unhealthy(self, state: BackendState) -> None:
        """Publish HEALTH_CHECK_UNHEALTHY."""
        self._tell_of(state, pb.HEALTH_CHECK_UNHEALTHY)

    def _tell_of(self, backend: BackendState, kind: pb.EventKind) -> None:
        self._events.publish(
            kind,
            cluster_id=backend.cluster.cluster.cluster_id,
            backend_id=backend.backend_id,
            address=backend.address,
        )
