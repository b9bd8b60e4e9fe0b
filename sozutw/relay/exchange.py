"""
The exchange: one HTTP request and its response, retries included, or the tunnel they open.

It decides; the two sides do. It must not know sockets, the pool or how time passes. States,
who drives them and who pauses whom are told in relay/LIFECYCLE.md; the rules R1 to R11 that it
keeps are told there too.
"""

from collections.abc import Sequence
from typing import Final

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.relay.account import Stage
from sozutw.relay.edits import compose_request, compose_start, framing_of, with_hsts
from sozutw.relay.ending import BAD_GATEWAY, GATEWAY_TIMED_OUT, UNAVAILABLE
from sozutw.relay.ports import BackSide, DialFailure, FrontSide
from sozutw.relay.route import Route
from sozutw.relay.tunnel import Tunnelling
from sozutw.routing.affinity import cookie_value
from sozutw.wire.http1.body import compose_chunk, compose_last_chunk
from sozutw.wire.http1.grammar import CRLF
from sozutw.wire.message import UNKNOWN_LENGTH, ResponseHead
from sozutw.wire.tls import covers

IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
"""Methods that may be sent twice (RFC 9110, 9.2.2)."""

SWITCHING: Final = 101
NOT_FOUND: Final = 404
MISDIRECTED: Final = 421
TIMED_OUT: Final = 408


class Exchange(Tunnelling):
    """
    One request and its response.

    At any moment before the end a deadline of one of the sides is armed, and a dial, a
    connection or an answer is under way (I4). It ends once, in one access record (I5).
    """

    # The client's side reports.

    def start(self, body: bytes, ended: bool, trailers: Sequence[bytes]) -> None:
        """The client asked; ``body`` is what came with the head, without framing."""
        means = self._means
        head = self._head
        counters = means.counters
        counters.requests += 1
        counters.active_requests += 1
        self._request_ended = ended
        listener = self._listener
        if listener.is_strict and head.host != self._front.covered_host and self._is_misdirected():
            counters.tls.misdirected += 1
            self._refuse(MISDIRECTED)
            return
        route = self._route = listener.router.find(head.host, head.target, head.method)
        if route is None:
            counters.failed_backend_matching += 1
            self._refuse(NOT_FOUND)
            return
        cluster = route.cluster
        if cluster is None or route.answer_status:
            self._refuse_by_rule(route)
            return
        if (route.places_max or means.places_per_address) and not self._enter(route):
            self._refuse_for_now(route)
            return
        cluster.counters.requests += 1
        cluster.counters.active_requests += 1
        request = compose_request(head, self._provenance, self._request_id, route.sticky_name)
        if body:
            request += compose_chunk(body) if head.fields.is_chunked else body
        if ended and head.fields.is_chunked:
            request += compose_last_chunk(trailers)
        self._request = request
        self._body_kept = self._body_seen = len(body)
        front = self._front
        if front.patience.seconds != route.front_seconds:
            front.wait(route.front_seconds)  # The limit for a head is not one for its answer.
        front.request_seconds = route.request_seconds  # For the next head on this connection.
        self._connect(None)

    def start_broken(self, reason: str, status: int) -> None:
        """The head was good, but the body that came with it is not one."""
        counters = self._means.counters
        counters.requests += 1
        counters.active_requests += 1
        counters.frontend_parse_errors += 1
        self._refuse(status, reason, closes=True)

    def request_ended(self, trailers: Sequence[bytes]) -> None:
        """The last byte of the request's body was handed over."""
        assert not self._request_ended
        self._request_ended = True
        back = self._back
        if back is None:
            return
        self._body_seen = self._front.body_bytes
        back.touch()
        if self._head.fields.is_chunked:
            last = compose_last_chunk(trailers)
            if self._body_seen == self._body_kept:
                self._request += last  # It is still whole, and may be sent again.
            back.write(last)

    def request_broken(self, reason: str, status: int) -> None:
        """What came as the request's body is not one."""
        if self._stage in (Stage.CONNECTING, Stage.WAITING):
            self._means.counters.frontend_parse_errors += 1
            self._refuse(status, reason, closes=True)
        else:
            self._cut(reason)

    def request_lost(self) -> None:
        """The client is gone (R9); nothing is said about the backend's health."""
        if self._stage is Stage.OVER:
            return
        self._drop_back()
        self._end("session close", is_error=self._status == 0)

    def request_timed_out(self) -> None:
        """The client was silent, or took nothing, for too long."""
        match self._stage:
            case Stage.TUNNEL:
                self._client_silent_in_tunnel()
            case Stage.RELAYING:
                self._client_silent_in_response()
            case _ if not self._request_ended:
                self._refuse(TIMED_OUT, "client_timeout", closes=True)
            case Stage.CONNECTING:
                self._refuse(UNAVAILABLE, "client_timeout")
            case _:
                self._refuse(GATEWAY_TIMED_OUT, "client_timeout_during_response")

    def _client_silent_in_response(self) -> None:
        """The client took nothing for so long, which is well if there was nothing to take."""
        route = self._route
        back = self._back
        assert route is not None
        assert back is not None
        if self._front.has_taken_all() and not back.is_held_up():
            self._front.wait(route.front_seconds)  # It is the backend's turn.
        else:
            self._cut("client_timeout_during_response")

    def front_filled(self) -> None:
        """The client cannot take more bytes now: its response pauses."""
        if self._back is not None:
            self._means.counters.flow_control_paused += 1
            self._back.pause()

    def front_drained(self) -> None:
        """The client can take bytes again."""
        back = self._back
        if back is not None:
            back.resume()
            if back.is_full:
                self._front.pause()  # Both were full: now its silence is our doing again.

    # The backend's side reports.

    def backend_connected(self) -> None:
        """The dial succeeded."""
        assert self._stage is Stage.CONNECTING
        self._send()

    def backend_failed(self, failure: DialFailure, text: str = "") -> None:
        """The dial failed (R6, R7)."""
        assert self._stage is Stage.CONNECTING
        back = self._back
        assert back is not None
        self._failure = failure
        self._failure_text = text
        self._tried += (back.state,)
        if failure is DialFailure.NO_DESCRIPTOR:
            self._refuse(UNAVAILABLE, "no descriptor left")
            return
        self._connect(back)

    def response_interim(self, head: ResponseHead) -> None:
        """A 1xx came: HTTP/1.1 clients are told (RFC 9110, 15.2)."""
        assert self._stage is Stage.WAITING
        self._had_interim = True
        if self._head.minor:
            data = compose_start(head, b"") + CRLF
            self._bytes_out += len(data)
            self._front.write(data)

    def response_started(  # noqa: C901, PLR0912, PLR0915 - Hot: composed in one frame
        self, head: ResponseHead, body: bytes, ended: bool
    ) -> None:
        """The response's head came: from here on nothing is sent to another backend."""
        assert self._stage is Stage.WAITING
        means = self._means
        self._first_at = means.now()
        front = self._front
        minor = self._head.minor
        status = self._status = head.status
        self._reason = head.reason
        self._head_bytes = head.size + len(body)
        if status == SWITCHING:
            self._switch(head)
            return
        back = self._back
        route = self._route
        assert back is not None
        assert route is not None
        if head.body_length == UNKNOWN_LENGTH:
            if minor:
                self._is_chunked = True
            else:
                self._keeps_alive = False
        added = b"%b: %b\r\n" % (self._provenance.id_name, self._request_id)
        if route.sticky_name is not None:
            added = self._sticky_line(back) + added
        if not self._keeps_alive or front.is_draining or not self._request_ended:
            added += self._closing(front)
        elif not minor:
            added += b"Connection: keep-alive\r\n"
        # A head that the backend repeats byte for byte is the same object: begun once.
        start = head.start
        if not start or not minor:
            start = head.start = compose_start(head, framing_of(head, minor))
            if not minor:
                head.start = b""
        if route.hsts_line:
            start = with_hsts(start, route.hsts_line, replaces=route.hsts_replaces)
        data = b"%b%b\r\n" % (start, added)
        if body:
            # The head and the first bytes of the body leave in one write.
            data += compose_chunk(body) if self._is_chunked else body
        self._bytes_out += len(data)
        if ended:
            if self._keeps_alive:
                front.write(data)
            else:
                front.write_last(data)
            self._complete()
            return
        front.write(data)
        self._stage = Stage.RELAYING
        left = head.body_length - len(body)
        if self._is_chunked:
            back.take_body(front.write_chunk)
        else:
            back.take_body(front.write)
            if left > 0:
                _ = back.join(front, left)

    def response_ended(self, trailers: Sequence[bytes]) -> None:
        """The body is complete."""
        assert self._stage is Stage.RELAYING
        if self._is_chunked:
            last = compose_last_chunk(trailers)
            self._bytes_out += len(last)
            self._front.write(last)
        self._complete()

    def response_broken(self, reason: str, status: int = BAD_GATEWAY) -> None:
        """The backend's bytes are not HTTP: never relayed, never retried."""
        self._means.counters.backend_parse_errors += 1
        if self._stage is Stage.RELAYING:
            self._cut(reason)
        else:
            self._refuse(status, reason)

    def response_lost(self, *, cleanly: bool) -> None:  # noqa: ARG002
        """The backend hung up before its response was complete (R3, R4, R5)."""
        match self._stage:
            case Stage.TUNNEL:
                self._end_tunnel("")
            case Stage.RELAYING:
                self._means.counters.backend_eof_before_message_complete += 1
                self._cut("backend closed in the middle of its response")
            case _:
                self._hung_up()

    def response_timed_out(self) -> None:
        """The backend was silent for too long, unless it was listening all the while."""
        back = self._back
        route = self._route
        assert back is not None
        assert route is not None
        body_bytes = self._front.body_bytes
        if body_bytes > self._body_seen:
            # No chunk of an upload tells the backend's timer of itself: it is asked here.
            self._body_seen = body_bytes
            is_tunnel = self._stage is Stage.TUNNEL
            back.wait(route.tunnel_seconds if is_tunnel else route.back_seconds)
            return
        match self._stage:
            case Stage.TUNNEL:
                self._end_tunnel("backend socket timeout")
            case Stage.RELAYING:
                self._cut("backend_response_timeout")
            case _:
                self._refuse(GATEWAY_TIMED_OUT, "backend_timeout")

    def back_filled(self) -> None:
        """The backend cannot take more bytes now: the client's body pauses."""
        assert self._back is not None
        self._means.counters.flow_control_paused += 1
        self._front.pause()

    def back_drained(self) -> None:
        """The backend can take bytes again."""
        route = self._route
        back = self._back
        assert route is not None
        assert back is not None
        is_tunnel = self._stage is Stage.TUNNEL
        self._front.resume(route.tunnel_seconds if is_tunnel else route.front_seconds)
        if self._front.is_full:
            back.pause()  # Both were full: now its silence is our doing again.

    # Getting a backend.

    def _is_misdirected(self) -> bool:
        """
        Return whether the served certificate is not for the host that is asked for.

        The client may have been led to us by another name (RFC 9110, 15.5.20). What it named
        in its handshake was accepted there already.
        """
        front = self._front
        tls = front.tls
        head = self._head
        assert tls is not None
        host = head.host.decode("latin-1").strip("[]")
        if host != tls.sni and not covers(tls.names, host):
            return True
        front.covered_host = head.host
        return False

    def _enter(self, route: Route) -> bool:
        """Take a place at the cluster for this client's address, if places are limited."""
        places = route.places_max
        if places is None:
            places = self._means.places_per_address
        session = self.session
        if not places or route.cluster_id in session.clusters:
            return True
        if not self._means.address_counts.enter(route.cluster_id, session.source, places):
            return False
        session.clusters |= {route.cluster_id}
        return True

    def _connect(self, hung_up: BackSide | None) -> None:
        """
        Choose a backend and get a connection to it, in the place of one that hung up.

        Hot: the request that finds an idle connection leaves from this very frame.
        """
        route = self._route
        means = self._means
        assert route is not None
        cluster = route.cluster
        assert cluster is not None
        if hung_up is not None:
            self._connect_again(hung_up, route, cluster)
            return
        pick = cluster.quick_pick
        if pick is not None and route.sticky_name is None and cluster.affinity is None:
            state: BackendState | None = pick(self._began, None, means.random)
        else:
            state = self._choose(route, cluster)
        if state is None:
            self._refuse(UNAVAILABLE, "no backend")
            return
        is_replayable = self._request_ended and means.replays and self._head.method in IDEMPOTENT
        back = means.connector.lease(state, self, route.connect_seconds, sure=not is_replayable)
        self._back = self._last = back
        if back.is_open:
            self._send()
        else:
            self._dials += 1

    def _connect_again(self, hung_up: BackSide, route: Route, cluster: ClusterState) -> None:
        """Replace a connection that hung up, or that could not be made, while that is allowed."""
        means = self._means
        now = means.now()
        if self._dials >= means.dials_max or now - self._began > route.back_seconds:
            self._give_up()
            return
        state = self._choose(route, cluster)
        if state is None:
            self._refuse(UNAVAILABLE, "no backend")
        elif state in self._tried and not state.is_available(now):
            self._give_up()  # Nobody is left but those that have just failed.
        else:
            self._stage = Stage.CONNECTING
            self._dials += 1
            # The client may have been paused for the one that hung up.
            if not self._request_ended:
                self._front.hold_body()
            self._front.resume(route.front_seconds)
            back = means.connector.replace(hung_up, state, self, route.connect_seconds)
            self._back = self._last = back

    def _choose(self, route: Route, cluster: ClusterState) -> BackendState | None:
        """Return the backend that this request shall go to, or None if there is none at all."""
        means = self._means
        head = self._head
        now = means.now()
        if route.sticky_name is not None and not self._tried:
            value = cookie_value(head.fields.cookies, route.sticky_name)
            if value is not None:
                state = cluster.sticky(now, value)
                if state is not None:
                    return state
        affinity = cluster.affinity
        key = None if affinity is None else affinity(head, self._provenance.ip)
        return cluster.choose(now, key, means.random, self._tried)

    def _send(self) -> None:
        """Send the request, built before, to the connection that is open now."""
        back = self._back
        route = self._route
        front = self._front
        head = self._head
        assert back is not None
        assert route is not None
        self._stage = Stage.WAITING
        self._sent_at = self._means.now()
        back.state.counters.requests += 1
        back.send_request(self._request, head.method, route.back_seconds)
        if not self._request_ended:
            sink = back.write_chunk if head.fields.is_chunked else back.write
            front.take_body(sink, back)
            if not back.is_full:
                front.resume(route.front_seconds)  # It was paused while the body was held.

    def _is_replayable(self) -> bool:
        """Return whether the request can be sent again: it does no harm and is all here."""
        return (
            self._means.replays
            and self._head.method in IDEMPOTENT
            and self._front.body_bytes == self._body_kept
        )

    def _hung_up(self) -> None:
        """The backend hung up while its response was awaited: another one, or a 502 (R3)."""
        assert self._stage is Stage.WAITING
        back = self._back
        assert back is not None
        if not self._request_ended:
            self._front.hold_body()  # A splice may have taken bytes that are lost now.
        is_untouched = not self._had_interim and back.response_bytes == 0
        if is_untouched and (
            self._is_replayable()
            or (back.has_sent_nothing() and self._front.body_bytes == self._body_kept)
        ):
            self._tried += (back.state,)
            self._failure = None
            self._failure_text = back.loss_text
            self._connect(back)
            return
        tls = back.loss_text
        reason = f"backend tls: {tls}" if tls else "backend closed before its response"
        self._refuse(BAD_GATEWAY, reason)

    # Ending well.

    def _closing(self, front: FrontSide) -> bytes:
        """Return the line that tells the client that this is the last response, if it is."""
        if self._keeps_alive and not front.is_draining and front.body_is_short():
            return b"" if self._head.minor else b"Connection: keep-alive\r\n"
        self._keeps_alive = False
        return b"Connection: close\r\n"

    def _complete(self) -> None:
        """The response is out, as far as we are concerned."""
        back = self._back
        assert back is not None
        self._body_bytes = back.response_bytes - self._head_bytes
        self._back = None
        if self._request_ended:
            self._means.connector.give_back(back)
        else:
            self._means.counters.early_response_closes += 1
            back.drop()
        front = self._front
        self._end("", is_error=False)
        # As its head has said: a client that drains since then may have sent its next request.
        front.exchange_ended(keeps_alive=self._keeps_alive)
