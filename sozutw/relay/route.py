"""
What a listener's connections read of it, and what the router finds: ListenerState and Route.

Both are made by ``control.apply`` with everything looked up beforehand, so that a request
looks nothing up twice. A Route is never changed: a new one is put in its place.
"""

from collections.abc import Mapping
from typing import Final

from sozutw.balancing.backends import ClusterState
from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    Redirect,
    RedirectScheme,
    Timeouts,
)
from sozutw.metrics.counters import ListenerCounters
from sozutw.relay.access import NO_TAGS, Tags
from sozutw.relay.answers import Answers
from sozutw.routing.router import Router
from sozutw.wire.message import RequestFields

_REDIRECTS: Final[Mapping[Redirect, int]] = {
    Redirect.FORWARD: 0,
    Redirect.PERMANENT: 301,
    Redirect.FOUND: 302,
    Redirect.PERMANENT_REDIRECT: 308,
    Redirect.UNAUTHORIZED: 401,
}


class Route:
    """
    Where a request goes: a cluster, with its options as they hold on this listener.

    ``answer_status`` is not 0 when the proxy answers itself: a redirect or a 401.
    """

    __slots__ = (
        "answer_status",
        "answers",
        "back_seconds",
        "cluster",
        "cluster_id",
        "connect_seconds",
        "front_seconds",
        "location_port",
        "location_scheme",
        "places_max",
        "request_seconds",
        "retry_after",
        "rule",
        "sticky_name",
        "tags",
        "tunnel_seconds",
    )

    def __init__(
        self,
        rule: FrontendRule,
        listener: HttpListener,
        cluster: ClusterState | None,
        answers: Answers,
    ) -> None:
        self.rule = rule
        self.cluster = cluster
        """None when the rule denies, or when its cluster is not configured: then 503."""
        self.cluster_id = rule.cluster_id or ""
        self.tags = Tags(rule.tags) if rule.tags else NO_TAGS
        self.answers = answers
        self.answer_status = _REDIRECTS[rule.redirect]
        self.location_scheme = (
            b"https" if rule.redirect_scheme is RedirectScheme.USE_HTTPS else b"http"
        )
        settings = cluster.cluster if cluster is not None else None
        if self.answer_status == 0 and rule.cluster_id is None:
            self.answer_status = 401
        if settings is not None and settings.https_redirect and self.answer_status == 0:
            self.answer_status = 301
            self.location_scheme = b"https"
        public = listener.public_address or listener.address
        self.location_port: int | None = public.port
        if self.location_scheme == b"https":
            self.location_port = settings.https_redirect_port if settings is not None else None
        self.places_max = settings.max_connections_per_ip if settings is not None else None
        self.retry_after = settings.retry_after if settings is not None else None
        self.sticky_name = (
            listener.sticky_name.encode()
            if settings is not None and settings.sticky_session
            else None
        )
        self._set_seconds(listener.timeouts, settings)

    def _set_seconds(self, own: Timeouts, cluster: Cluster | None) -> None:
        def pick(override: float | None, otherwise: float) -> float:
            return otherwise if override is None else override

        if cluster is None:
            cluster = Cluster("")
        self.front_seconds = pick(cluster.front_timeout, own.front)
        self.back_seconds = pick(cluster.back_timeout, own.back)
        self.connect_seconds = pick(cluster.connect_timeout, own.connect)
        self.request_seconds = pick(cluster.request_timeout, own.request)
        self.tunnel_seconds = pick(cluster.tunnel_timeout, own.tunnel)


class ListenerState:
    """
    One listener as its connections see it; replaced piece by piece, each piece whole.

    An exchange reads ``router`` once, when it starts, and keeps the Route that it found.
    """

    __slots__ = (
        "answers",
        "by",
        "counters",
        "id_name",
        "known",
        "listener",
        "port",
        "port_and_proto",
        "router",
    )

    def __init__(self, listener: HttpListener) -> None:
        self.counters = ListenerCounters()
        self.router: Router[Route] = Router()
        self.known: RequestFields | None = None
        """The fields that a client sent last; the parser knows them again byte for byte."""
        self.reconfigure(listener)

    def reconfigure(self, listener: HttpListener) -> None:
        """Take over a new value for the same address; new connections see it."""
        self.listener = listener
        self.answers = Answers(listener.answers)
        self.id_name = listener.sozu_id_header.encode()
        public = listener.public_address or listener.address
        self.port = public.port
        by = public.host.encode()
        self.by = b'"[%b]"' % by if b":" in by else by
        """How Forwarded names us."""
        self.port_and_proto = b"X-Forwarded-Port: %d\r\nX-Forwarded-Proto: http\r\n" % self.port
