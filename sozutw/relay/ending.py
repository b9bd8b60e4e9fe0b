"""
How an exchange ends without a whole response: an answer of our own, or a cut.

It knows the words; ``relay.exchange`` knows when.
"""

from typing import Final

from sozutw.relay.account import Account, Stage
from sozutw.relay.answers import location
from sozutw.relay.ports import BackSide, DialFailure
from sozutw.relay.route import Route

UNAUTHORIZED: Final = 401
TOO_MANY: Final = 429
BAD_GATEWAY: Final = 502
UNAVAILABLE: Final = 503
GATEWAY_TIMED_OUT: Final = 504


class Ending(Account):
    """What an exchange says in the backend's place, and how it lets go of the backend."""

    def _give_up(self) -> None:
        """Every dial that was allowed has failed."""
        route = self._route
        assert route is not None
        assert route.cluster is not None
        route.cluster.counters.retries_exhausted += 1
        if self._failure is DialFailure.TIMED_OUT:
            self._refuse(GATEWAY_TIMED_OUT, "backend_timeout")
        elif self._failure is DialFailure.NOT_SECURED:
            self._refuse(BAD_GATEWAY, f"backend tls: {self._failure_text}")
        elif self._failure is not None:
            self._refuse(UNAVAILABLE, "no backend could be reached")
        elif self._failure_text:
            self._refuse(BAD_GATEWAY, f"backend tls: {self._failure_text}")
        else:
            self._refuse(BAD_GATEWAY, "backend closed before its response")

    def _refuse_by_rule(self, route: Route) -> None:
        """A rule, not a failure, says that no backend is asked."""
        head = self._head
        status = route.answer_status
        if status == UNAUTHORIZED or (status == 0 and route.rule.cluster_id is None):
            self._refuse(UNAUTHORIZED)
        elif status:
            host = head.host
            to = location(route.location_scheme, host, route.location_port, head.target)
            self._refuse(status, redirect_location=to)
        else:
            self._refuse(UNAVAILABLE, "no such cluster")

    def _refuse_for_now(self, route: Route) -> None:
        """The client's address has as many connections to this cluster as it may."""
        assert route.cluster is not None
        route.cluster.counters.rejected_per_ip += 1
        seconds = self._means.retry_after if route.retry_after is None else route.retry_after
        self._refuse(TOO_MANY, retry_after=b"%d" % seconds)

    def _refuse(
        self, status: int, message: str = "", *, closes: bool = False, **variables: bytes
    ) -> None:
        """Answer in the backend's place."""
        assert self._stage in (Stage.CONNECTING, Stage.WAITING), self._stage
        head = self._head
        front = self._front
        route = self._route
        back = self._back
        self._drop_back()
        self._status = status
        may_go_on = self._request_ended or front.body_is_short()
        must_close = closes or front.is_draining or not (head.keeps_alive and may_go_on)
        id_line = b"%b: %b" % (self._provenance.id_name, self._request_id)
        answers = self._listener.answers if route is None else route.answers
        answer = answers.compose(
            status,
            must_close,
            head.method == b"HEAD",
            head.minor,
            id_line,
            hsts_line=b"" if route is None else route.hsts_line,
            route=b"%b %b%b" % (head.method, head.host, head.target),
            request_id=self._request_id,
            cluster_id=b"" if route is None else route.cluster_id.encode(),
            backend_id=b"" if back is None else back.state.backend_id.encode(),
            message=message.encode(),
            **variables,
        )
        own = self._means.counters.answers
        own[status] = own.get(status, 0) + 1
        if route is not None and route.cluster is not None:
            own = route.cluster.counters.answers
            own[status] = own.get(status, 0) + 1
        self._bytes_out += len(answer.data)
        front.write(answer.data)
        self._end(message, is_error=status >= BAD_GATEWAY)
        front.exchange_ended(keeps_alive=not answer.closes)

    def _cut(self, message: str) -> None:
        """The response cannot be completed, and must not look whole (R5)."""
        self._drop_back()
        front = self._front
        self._end(message, is_error=True)
        front.cut()

    def _count_body(self, back: BackSide) -> None:
        """Remember how much of a body, or of a tunnel, went to the client."""
        if self._first_at is not None:
            self._body_bytes = back.response_bytes - self._head_bytes

    def _drop_back(self) -> None:
        back, self._back = self._back, None
        if back is not None:
            self._count_body(back)
            back.drop()
