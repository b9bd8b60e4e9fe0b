"""
What would become of a request, step by step, and why not something else; nothing is sent.

Everything is read off the live objects by the functions that serve requests, and none of them
is changed: nobody's turn passes, and nothing is counted.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from sozutw.balancing.backends import BackendState
from sozutw.config.model import FrontendRule, InetAddress, Redirect
from sozutw.config.state import ConfigState
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.asked import Asked, UnaskableError, asked_of
from sozutw.control.questions.explain_backends import backend_step, spelt
from sozutw.control.questions.explain_entrance import certificate_step, listener_step
from sozutw.control.questions.explain_rules import frontend_step
from sozutw.control.replies import failure, ok
from sozutw.listen.certificates import Certificates
from sozutw.relay.answers import location
from sozutw.relay.ports import Means
from sozutw.relay.route import ListenerState, Route
from sozutw.routing.affinity import cookie_value
from sozutw.wire.tls import covers

EXPLAINED: Final = "Successfully explained the request"
_DENIED: Final = 401


class Explainer:
    """Answers Explain."""

    def __init__(
        self,
        state: ConfigState,
        listeners: Mapping[InetAddress, ListenerState],
        certificates: Certificates,
        means: Means,
    ) -> None:
        self._state = state
        self._listeners = listeners
        self._certificates = certificates
        self._means = means

    def explain(self, wish: pb.Explain) -> pb.Response:
        """Tell the steps, up to the first that answers; a FAILURE if nobody could ask so."""
        try:
            asked = asked_of(wish)
        except UnaskableError as error:
            return failure(str(error))
        return ok(EXPLAINED, explanation=pb.Explanation(steps=self._steps(asked)))

    def _steps(self, asked: Asked) -> Iterator[pb.ExplanationStep]:
        chosen, step = listener_step(asked, self._listeners.values(), self._state)
        yield step
        if chosen is None:
            return
        if asked.is_secure:
            address = chosen.listener.address
            names, step = certificate_step(asked, address, self._state, self._certificates)
            yield step
            if chosen.is_strict and _is_misdirected(asked, names):
                yield _policy(
                    "421 Misdirected Request",
                    "strict_sni_binding: the certificate is not for the Host that is asked for",
                )
                return
        head = asked.head
        yield frontend_step(chosen.router, head)
        route = chosen.router.find(head.host, head.target, head.method)
        if route is not None:
            yield from self._led(asked, route)

    # Where the rule leads

    def _led(self, asked: Asked, route: Route) -> Iterator[pb.ExplanationStep]:
        step = _answer_step(asked, route)
        if step is not None:
            yield step
            return
        cluster = route.cluster
        if cluster is None:
            because = f"no cluster {route.cluster_id!r} is configured: the answer is 503"
            yield pb.ExplanationStep(kind="cluster", because=because)
            return
        yield from self._limit(asked, route)
        now, head = self._means.now(), asked.head
        bound = None
        if route.sticky_name is not None:
            value = cookie_value(head.fields.cookies, route.sticky_name)
            bound = None if value is None else cluster.sticky(now, value)
            yield _policy("sticky", _sticky_because(route.sticky_name, value, bound))
        policy = cluster.cluster.load_balancing.value
        counts = f"{cluster.available_count(now)} of {cluster.total_count()} backends available"
        yield pb.ExplanationStep(
            kind="cluster",
            chosen=route.cluster_id,
            because=f"the rule leads to it: {policy}, {counts}",
        )
        affinity = cluster.affinity
        key = None if affinity is None else affinity(head, asked.source.encode())
        yield backend_step(cluster, now, key, bound, is_key_unknown=key == b"")

    def _limit(self, asked: Asked, route: Route) -> Iterator[pb.ExplanationStep]:
        places = route.places_max
        whose = "the cluster's"
        if places is None:
            places, whose = self._means.places_per_address, "the process's"
        if not places:
            return
        limit = f"{whose} max_connections_per_ip is {places}"
        if not asked.source:
            yield _policy("connection limit", f"{limit}; the client's address was not told")
            return
        taken = self._means.address_counts.taken(route.cluster_id, asked.source)
        because = f"{limit}, and {asked.source} has {taken} of them"
        if taken >= places:
            yield _policy("429 Too Many Requests", f"{because}: one that is new is refused")
        else:
            yield _policy("connection limit", because)


def _is_misdirected(asked: Asked, names: frozenset[str]) -> bool:
    """Return whether the relay would answer 421, given what the certificate is for."""
    host = asked.head.host.decode("latin-1").strip("[]")
    return host != (asked.host if asked.is_by_name else "") and not covers(names, host)


def _answer_step(asked: Asked, route: Route) -> pb.ExplanationStep | None:
    """Return what the rule itself answers; None if it leads on."""
    rule, status = route.rule, route.answer_status
    if not status:
        return None
    if status == _DENIED:
        denies = "the rule leads to no cluster: it denies"
        return _policy("401 Unauthorized", denies if rule.cluster_id is None else _redirects(rule))
    head = asked.head
    to = location(route.location_scheme, head.host, route.location_port, head.target)
    is_forward = rule.redirect is Redirect.FORWARD
    because = "the cluster's https_redirect is on" if is_forward else _redirects(rule)
    return _policy(f"{status} to {to.decode('latin-1')}", because)


def _redirects(rule: FrontendRule) -> str:
    return f"the rule's redirect is {rule.redirect.value}"


def _sticky_because(name: bytes, value: bytes | None, bound: BackendState | None) -> str:
    cookie = name.decode()
    if value is None:
        return f"the request brings no cookie {cookie}: its response sets one"
    if bound is None:
        return f"the cookie {cookie} names no backend that is available"
    return f"the cookie {cookie} names {spelt(bound)}"


def _policy(chosen: str, because: str) -> pb.ExplanationStep:
    return pb.ExplanationStep(kind="policy", chosen=chosen, because=because)
