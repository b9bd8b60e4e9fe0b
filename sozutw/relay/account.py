"""
What one exchange adds up to: its times, its bytes, and the record that it leaves.

``relay.exchange`` decides what happens and writes the figures down here; the end is told
once, in ``_end``.
"""

from enum import Enum

from sozutw.balancing.backends import BackendState
from sozutw.relay.access import NO_TAGS
from sozutw.relay.edits import Provenance
from sozutw.relay.ports import BackSide, DialFailure, FrontSide, Means
from sozutw.relay.route import ListenerState, Route
from sozutw.sessions.session import Doing, Session
from sozutw.wire.message import RequestHead


class Stage(Enum):
    """Where an exchange is."""

    CONNECTING = "connecting"
    WAITING = "waiting"  # for the response's head
    RELAYING = "relaying"  # its body
    TUNNEL = "tunnel"
    OVER = "over"


class Account:
    """The state of an exchange, and the sum of it."""

    # What an exchange begins with. Hot: these are class attributes and not slots, so that a
    # new exchange stores nine values and not thirty, 0.8 µs less.
    _stage = Stage.CONNECTING
    _route: Route | None = None
    _back: BackSide | None = None
    _last: BackSide | None = None
    """The connection that was used last, also when it is not held any more."""
    _request = b""
    """What was built for the backend; empty as long as no cluster counts this exchange."""
    _request_ended = False
    _body_kept = 0
    """So much of the request's body is in ``_request``."""
    _body_seen = 0
    """How much of it had come when the backend's silence was last looked at."""
    _response_seen = 0
    """In a tunnel: what had come from the backend when the client's silence was looked at."""
    _dials = 0
    _tried: tuple[BackendState, ...] = ()
    _failure: DialFailure | None = None
    _failure_text = ""
    _had_interim = False
    _is_chunked = False
    _sent_at = 0.0
    _first_at: float | None = None
    _status = 0
    _reason = b""
    _bytes_out = 0
    _head_bytes = 0
    _body_bytes = 0
    _ends_open = 2

    def __init__(
        self,
        front: FrontSide,
        session: Session,
        listener: ListenerState,
        provenance: Provenance,
        means: Means,
        head: RequestHead,
        began: float,
    ) -> None:
        self._front = front
        self.session = session
        self._listener = listener
        self._provenance = provenance
        self._means = means
        self._head = head
        self._began = began
        self._keeps_alive = head.keeps_alive
        self._request_id = means.new_id()

    @property
    def may_be_followed(self) -> bool:
        """Whether the client may send another request behind this one: it asked for no close."""
        return self._head.keeps_alive

    def doing(self, listener: str, *, is_draining: bool) -> Doing:
        """Return what this exchange is about, for whoever looks on."""
        is_tunnel = self._stage is Stage.TUNNEL
        back = self._last
        own = self._listener
        return Doing(
            listener,
            own.tunnel_protocol if is_tunnel else own.protocol,
            "tunnel" if is_tunnel else "draining" if is_draining else "exchange",
            "" if self._route is None else self._route.cluster_id,
            "" if back is None else back.state.backend_id,
            "" if back is None else back.state.address_text,
        )

    def _end(self, message: str, *, is_error: bool) -> None:  # noqa: PLR0915 - Hot
        """
        The end, once: one access record, and every count that it belongs in.

        Hot: all in one frame, for it is done for every exchange.
        """
        assert self._stage is not Stage.OVER
        means = self._means
        now = means.now()
        was_tunnel = self._stage is Stage.TUNNEL
        self._stage = Stage.OVER
        head = self._head
        fields = head.fields
        route = self._route
        session = self.session
        counters = means.counters
        status = self._status
        bytes_in = head.size + self._front.body_bytes
        bytes_out = self._bytes_out + self._body_bytes
        request_us = service_us = int((now - self._began) * 1e6)
        response_us = None
        counters.active_requests -= 1
        counters.bytes_in += bytes_in
        counters.bytes_out += bytes_out
        counters.statuses[status] += 1
        if is_error:
            counters.errors += 1
        if was_tunnel:
            if self._listener.https is None:
                counters.websocket_sessions -= 1
            else:
                counters.tls.websocket_sessions -= 1
        backend_id = address = ""
        backend_rtt_us = 0
        if route is not None and self._request:
            assert route.cluster is not None
            cluster = route.cluster.counters
            cluster.active_requests -= 1
            cluster.bytes_in += bytes_in
            cluster.bytes_out += bytes_out
            cluster.responses[status // 100] += 1
            timer = cluster.request_time
            timer.buckets[request_us.bit_length()] += 1
            timer.sum_us += request_us
        back = self._last
        if back is not None:
            state = back.state
            backend_id = state.backend_id
            address = state.address_text
            backend_rtt_us = back.round_trip_us
            own = state.counters
            own.bytes_in += bytes_in
            own.bytes_out += bytes_out
            if self._first_at is not None:
                response_us = int((self._first_at - self._sent_at) * 1e6)
                service_us -= response_us
                timer = own.response_time
                timer.buckets[response_us.bit_length()] += 1
                timer.sum_us += response_us
        means.log(
            (
                means.wall_ns(),
                session.id_text,
                self._request_id,
                "" if route is None else route.cluster_id,
                backend_id,
                session.peer,
                address,
                request_us,
                service_us,
                response_us,
                self._front.round_trip_us,
                backend_rtt_us,
                bytes_in,
                bytes_out,
                NO_TAGS if route is None else route.tags,
                fields.user_agent,
                self._listener.tunnel_protocol if was_tunnel else self._listener.protocol,
                head.method,
                head.authority,
                head.target,
                status,
                self._reason,
                message,
                is_error,
                fields.x_request_id or self._request_id,
                b", ".join(fields.x_forwarded_for) if fields.x_forwarded_for else b"",
                self._front.tls,
            )
        )
