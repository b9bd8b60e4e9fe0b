"""
The tunnel that an exchange may become: from the 101 until both ends have said all.

From then on the bytes are not ours to read; they pass from side to side without coming here.
"""

from sozutw.relay.account import Stage
from sozutw.relay.edits import compose_start
from sozutw.relay.ending import BAD_GATEWAY, Ending
from sozutw.relay.ports import BackSide, FrontSide
from sozutw.routing.affinity import cookie_value
from sozutw.wire.http1.grammar import CRLF
from sozutw.wire.message import ResponseHead


class Tunnelling(Ending):
    """What an exchange does when its client asked for another protocol."""

    def _switch(self, head: ResponseHead) -> None:
        """A 101: from here on the bytes are not ours, if the client asked for that."""
        back = self._back
        route = self._route
        front = self._front
        assert back is not None
        assert route is not None
        asked = self._head.fields.upgrade
        if asked is None or head.fields.upgrade is None or not self._request_ended:
            self._means.counters.backend_parse_errors += 1
            self._refuse(BAD_GATEWAY, "a 101 that nobody asked for")
            return
        self._stage = Stage.TUNNEL
        self._response_seen = back.response_bytes
        if self._listener.https is None:
            self._means.counters.websocket_sessions += 1
        else:
            self._means.counters.tls.websocket_sessions += 1
        line = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.fields.upgrade
        added = b"%b: %b\r\n" % (self._provenance.id_name, self._request_id)
        data = compose_start(head, line) + self._sticky_line(back) + added + CRLF
        self._bytes_out += len(data)
        front.write(data)
        early = back.tunnel(front.write, route.tunnel_seconds)
        if early:
            front.write(early)
        front.tunnel(back.write, route.tunnel_seconds)

    def front_finished(self) -> None:
        """In a tunnel: the client half-closed."""
        self._tunnel_half_ended(self._back)

    def back_finished(self) -> None:
        """In a tunnel: the backend half-closed."""
        self._tunnel_half_ended(self._front)

    def _tunnel_half_ended(self, other: FrontSide | BackSide | None) -> None:
        """One end of the tunnel has said all; the other may still speak."""
        assert self._stage is Stage.TUNNEL
        assert other is not None
        assert self._ends_open > 0
        self._ends_open -= 1
        if self._ends_open == 0:
            # What both said last may still be on its way.
            route = self._route
            back, self._back = self._back, None
            assert route is not None
            assert back is not None
            self._count_body(back)
            back.close(route.back_seconds)
            self._end_tunnel("")
        else:
            other.finish()

    def _client_silent_in_tunnel(self) -> None:
        """The client sent nothing, which is well as long as it is sent something."""
        back = self._back
        route = self._route
        assert back is not None
        assert route is not None
        if back.response_bytes > self._response_seen:
            self._response_seen = back.response_bytes
            self._front.wait(route.tunnel_seconds)
        else:
            self._end_tunnel("frontend socket timeout")

    def _end_tunnel(self, message: str) -> None:
        self._drop_back()
        front = self._front
        self._end(message, is_error=False)
        front.exchange_ended(keeps_alive=False)

    def _sticky_line(self, back: BackSide) -> bytes:
        """Return the cookie that binds the client to this backend, if it does not have it."""
        route = self._route
        assert route is not None
        name = route.sticky_name
        value = back.state.sticky_value
        if name is None or cookie_value(self._head.fields.cookies, name) == value:
            return b""
        return b"Set-Cookie: %b=%b; Path=/\r\n" % (name, value)
