"""
What a listener's connections read of it, and what the router finds: ListenerState and Route.

Both are made by ``control.changes.apply`` with everything looked up beforehand, so that a request
looks nothing up twice. A Route is never changed: a new one is put in its place.
"""

from collections.abc import Mapping
from typing import Final

from sozutw.balancing.backends import ClusterState
from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    Redirect,
    RedirectScheme,
    Timeouts,
)
from sozutw.config.security import Hsts
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

    ``answer_status`` is not 0 when the proxy answers itself: a redirect or a 401. ``settings`` are
    the cluster's options if they are about to be others than those in force.
    """

    __slots__ = (
        "answer_status",
        "answers",
        "back_seconds",
        "cluster",
        "cluster_id",
        "connect_seconds",
        "front_seconds",
        "hsts_line",
        "hsts_replaces",
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
        https: HttpsListener | None = None,
        settings: Cluster | None = None,
    ) -> None:
        self.rule = rule
        self.cluster = cluster
        """None when the rule denies, or when its cluster is not configured: then 503."""
        self.cluster_id = rule.cluster_id or ""
        self.tags = Tags(rule.tags) if rule.tags else NO_TAGS
        self.answers = answers
        self.answer_status = _REDIRECTS[rule.redirect]
        scheme = rule.redirect_scheme
        is_same = scheme is RedirectScheme.USE_SAME and https is not None
        self.location_scheme = (
            b"https" if is_same or scheme is RedirectScheme.USE_HTTPS else b"http"
        )
        hsts = None if https is None else rule.hsts or https.hsts
        self.hsts_line = b"" if hsts is None else hsts_line(hsts)
        """Without its line end; empty where nothing is told."""
        self.hsts_replaces = hsts is not None and hsts.force_replace_backend
        if settings is None and cluster is not None:
            settings = cluster.cluster
        if self.answer_status == 0 and rule.cluster_id is None:
            self.answer_status = 401
        is_moved = settings is not None and settings.https_redirect and https is None
        if is_moved and self.answer_status == 0:
            self.answer_status = 301
            self.location_scheme = b"https"
        public = listener.public_address or listener.address
        self.location_port: int | None = public.port
        if (self.location_scheme == b"https") is (https is None):
            # To the other scheme: our port for it is only known if somebody told it.
            self.location_port = None
        if self.location_scheme == b"https" and settings is not None:
            self.location_port = settings.https_redirect_port or self.location_port
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


def hsts_line(hsts: Hsts) -> bytes:
    """Return the field (RFC 6797, 6.1) without its line end, or nothing when it is off."""
    if not hsts.enabled:
        return b""
    return b"Strict-Transport-Security: max-age=%d%b%b" % (
        hsts.max_age,
        b"; includeSubDomains" if hsts.include_subdomains else b"",
        b"; preload" if hsts.preload else b"",
    )


class ListenerState:
    """
    One listener as its connections see it; replaced piece by piece, each piece whole.

    An exchange reads ``router`` once, when it starts, and keeps the Route that it found.
    """

    __slots__ = (
        "answers",
        "by",
        "counters",
        "https",
        "id_name",
        "is_strict",
        "known",
        "listener",
        "port",
        "port_and_proto",
        "protocol",
        "router",
        "scheme",
        "tunnel_protocol",
    )

    def __init__(self, listener: HttpListener | HttpsListener) -> None:
        self.counters = ListenerCounters()
        self.router: Router[Route] = Router()
        self.known: RequestFields | None = None
        """The fields that a client sent last; the parser knows them again byte for byte."""
        self.reconfigure(listener)

    def reconfigure(self, listener: HttpListener | HttpsListener) -> None:
        """Take over a new value for the same address; new connections see it."""
        self.https: HttpsListener | None = None
        """None on a plain listener."""
        if isinstance(listener, HttpsListener):
            self.https = listener
            listener = listener.http
        self.scheme = b"http" if self.https is None else b"https"
        self.counters.is_secure = self.https is not None
        self.is_strict = self.https is not None and self.https.strict_sni_binding
        """Whether a request must be for a host that the served certificate is for."""
        self.protocol = "HTTP" if self.https is None else "HTTPS"
        self.tunnel_protocol = "WS" if self.https is None else "WSS"
        """As the access log names them."""
        self.listener = listener
        self.answers = Answers(listener.answers)
        self.id_name = listener.sozu_id_header.encode()
        public = listener.public_address or listener.address
        self.port = public.port
        by = public.host.encode()
        self.by = b'"[%b]"' % by if b":" in by else by
        """How Forwarded names us."""
        self.port_and_proto = b"X-Forwarded-Port: %d\r\nX-Forwarded-Proto: %b\r\n" % (
            self.port,
            self.scheme,
        )
