"""
One client of the command socket: its requests are read, served and answered in order.

What a verb does is the desk's business. How long anything is kept for a client has a bound:
while a request is served no further one is read, nor while answers wait to be fetched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.control.channel.reading import UnreadableRequestError, read_request
from sozutw.control.desk import Actor, Desk
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure
from sozutw.wire.channel import FrameError, FrameReader, frame

_log = Logger()

BACKLOG_BYTES_MAX: Final = 4 << 20
"""How much a client may leave unread before word of progress or events is kept from it."""
LINGER_SECONDS: Final = 5.0
"""How long a client whose connection ends has to fetch what was written."""
INTERNAL_ERROR: Final = "internal error; the log of sozutw tells more"

_ASK_INSTEAD: Final = {
    "list_frontends": "ask for one kind, or for a domain",
    "query_metrics": "ask for some names, clusters or backends, or for none of the clusters",
    "query_certificates_from_the_state": "ask for a domain or a fingerprint",
    "query_certificates_from_workers": "ask for a domain or a fingerprint",
    "query_clusters_hashes": "ask for one cluster by its id",
    "query_clusters_by_domain": "ask for one cluster by its id",
    "query_health_checks": "ask for one cluster",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all clients of a command socket."""

    clock: Any  # IReactorTime, which has no types
    desk: Desk
    allowed_uids: frozenset[int] | None
    """Who may ask; None: everybody who can open the socket."""
    frame_bytes_max: int
    """How long a request or an answer may be, as it is on the wire."""


class Conversation:
    """One request, until its last response."""

    __slots__ = ("is_subscription", "pending", "verb")

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.is_subscription = verb == "subscribe_events"
        self.pending: Deferred[None] | None = None


@implementer(IHalfCloseableProtocol, IPushProducer)
class CommandConnection(Protocol):
    """
    A client's connection.

    ``actor_of`` tells who is at the other end of a transport; ``ended`` is called when the
    connection is lost.
    """

    transport: Any  # Several interfaces at once; nothing says that.

    def __init__(
        self,
        terms: Terms,
        actor_of: Callable[[Any], Actor],
        ended: "Callable[[CommandConnection], object]",
    ) -> None:
        self._terms = terms
        self._actor_of = actor_of
        self._actor: Actor
        self._ended = ended
        self._reader = FrameReader(terms.frame_bytes_max)
        self._under_way: Conversation | None = None
        self._next: IDelayedCall | None = None
        """The next request's turn, when it has come already."""
        self._linger: IDelayedCall | None = None
        self._is_full = False
        """The client has not fetched what was written."""
        self._backlog_bytes = 0
        """How much was written since then."""
        self._is_half_closed = False
        self._is_finishing = False
        """What is under way is the last."""
        self._is_ending = False
        self._heard_at: float = terms.clock.seconds()

    @property
    def idle_seconds(self) -> float:
        """For how long nothing was asked; 0 while something is under way."""
        if self._under_way is not None or self._next is not None:
            return 0.0
        return float(self._terms.clock.seconds()) - self._heard_at

    def finish(self) -> None:
        """End after the answer that is under way, or now."""
        self._is_finishing = True
        if self._under_way is None or self._under_way.is_subscription:
            self._end()

    def abort(self) -> None:
        """End now, whatever is under way or unread."""
        self._is_ending = True
        self.transport.abortConnection()

    # What the transport calls.

    @override
    def connectionMade(self) -> None:
        self._actor = self._actor_of(self.transport)
        self.transport.registerProducer(self, True)

    @override
    def dataReceived(self, data: bytes) -> None:
        now = self._under_way
        if self._is_ending or (now is not None and now.is_subscription):
            # After SubscribeEvents nothing is ever answered. It is read all the same, so that
            # the end of the connection is noticed.
            return
        self._reader.feed(data)
        if now is None and self._next is None:
            self._go_on()

    def readConnectionLost(self) -> None:
        """The client says no more; it still gets its answers, unless it subscribed: it has left."""
        self._is_half_closed = True
        now = self._under_way
        if self._next is None and (now is None or now.is_subscription):
            self._end()

    def writeConnectionLost(self) -> None:
        """We never close this half alone."""

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_ending = True
        self._cancel_calls()
        left, self._under_way = self._under_way, None
        if left is not None and left.is_subscription and left.pending is not None:
            left.pending.cancel()
        self._ended(self)

    def pauseProducing(self) -> None:
        """Much that was written waits for the client to fetch it."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """The client has fetched all."""
        self._is_full = False
        self._backlog_bytes = 0
        if self._under_way is None and self._next is None and not self._is_ending:
            self._continue()

    def stopProducing(self) -> None:
        """The transport is going; ``connectionLost`` follows."""

    # One request after the other.

    def _go_on(self) -> None:
        self._next = None
        assert self._under_way is None
        try:
            message = self._reader.take()
        except FrameError as fault:
            _log.warn("{actor} broke off: {fault}", actor=self._actor, fault=fault)
            self._write(failure(f"{fault}; the connection is closed"), "")
            self._end()
            return
        if message is not None:
            self._heard_at = self._terms.clock.seconds()
            self._serve(message)
        elif self._is_half_closed:
            self._end()
        else:
            self.transport.resumeProducing()

    def _serve(self, message: bytes) -> None:
        terms = self._terms
        uid = self._actor.uid
        if terms.allowed_uids is not None and uid not in terms.allowed_uids:
            _log.warn("{actor} is not in command_allowed_uids", actor=self._actor)
            refusal = failure(f"unauthorized: actor UID {uid} not in command_allowed_uids")
            terms.desk.turned_away(message, self._actor, refusal)
            self._answer(refusal, "")
            return
        try:
            request = read_request(message)
        except UnreadableRequestError as fault:
            self._answer(failure(str(fault)), "")
            return
        now = Conversation(request.WhichOneof("request_type") or "")
        self._under_way = now
        if not now.is_subscription:
            self.transport.pauseProducing()
        pending = maybeDeferred(
            terms.desk.serve, request, self._actor, lambda response: self._tell(now, response)
        )
        now.pending = pending.addErrback(self._failed, now).addCallback(self._served, now)

    def _tell(self, told: Conversation, response: pb.Response) -> None:
        assert response.status == pb.PROCESSING, "the last one is returned"
        if self._under_way is not told or self._is_ending:
            return
        if self._backlog_bytes <= BACKLOG_BYTES_MAX:
            self._write(response, told.verb)
        elif told.is_subscription:
            _log.warn(
                "{actor} does not fetch its events: {count} bytes wait; disconnected",
                actor=self._actor,
                count=self._backlog_bytes,
            )
            self.abort()

    def _failed(self, fault: Failure, failed: Conversation) -> pb.Response:
        if self._under_way is failed or fault.check(CancelledError) is None:
            _log.failure("{verb} failed", fault, verb=failed.verb)
        return failure(INTERNAL_ERROR)

    def _served(self, response: pb.Response, served: Conversation) -> None:
        if self._under_way is not served:
            return  # The client has left.
        self._under_way = None
        if not _is_answer(response):
            _log.error("{verb} was answered by {what}", verb=served.verb, what=repr(response)[:200])
            response = failure(INTERNAL_ERROR)
        # What came during a subscription was not kept: the next request's beginning is lost.
        self._is_finishing |= served.is_subscription
        self._answer(response, served.verb)

    def _answer(self, response: pb.Response, verb: str) -> None:
        self._heard_at = self._terms.clock.seconds()
        self._write(response, verb)
        if self._is_finishing:
            self._end()
        else:
            self._continue()

    def _continue(self) -> None:
        """Take up the next request, in its turn, if the client fetches its answers."""
        assert self._under_way is None
        assert self._next is None
        if self._is_full:
            self.transport.pauseProducing()
        elif len(self._reader):
            # Others have their turn between two requests of this client.
            self.transport.pauseProducing()
            self._next = self._terms.clock.callLater(0, self._go_on)
        elif self._is_half_closed:
            self._end()
        else:
            self.transport.resumeProducing()

    def _write(self, response: pb.Response, verb: str) -> None:
        data = frame(response.SerializeToString())
        if len(data) > self._terms.frame_bytes_max:
            if response.status == pb.PROCESSING:
                _log.warn("a response to {verb} is too long to be sent", verb=verb)
                return
            data = frame(failure(self._too_long(verb, len(data))).SerializeToString())
        self.transport.write(data)
        if self._is_full:
            self._backlog_bytes += len(data)

    def _too_long(self, verb: str, size: int) -> str:
        return (
            f"the answer to {verb} has {size} bytes, above the {self._terms.frame_bytes_max} of"
            f" max_command_buffer_size: {_ASK_INSTEAD.get(verb, 'make that larger')}"
        )

    def _end(self) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        self._cancel_calls()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._linger = self._terms.clock.callLater(LINGER_SECONDS, self.transport.abortConnection)

    def _cancel_calls(self) -> None:
        for call in (self._next, self._linger):
            if call is not None and call.active():
                call.cancel()
        self._next = self._linger = None


def _is_answer(response: object) -> bool:
    return (
        isinstance(response, pb.Response)
        and response.IsInitialized()
        and response.status != pb.PROCESSING
    )
