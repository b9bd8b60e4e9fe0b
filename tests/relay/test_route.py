import pytest

from sozutw.balancing.backends import ClusterState
from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Redirect,
    RedirectScheme,
    Timeouts,
)
from sozutw.config.security import Hsts
from sozutw.relay.access import NO_TAGS
from sozutw.relay.answers import Answers
from sozutw.relay.route import ListenerState, Route, hsts_line

ADDRESS = InetAddress("10.0.0.1", 8080)
ANSWERS = Answers({})


def route(
    cluster: Cluster | None = None, listener: HttpListener | None = None, **rule_options
) -> Route:
    cluster_id = cluster.cluster_id if cluster is not None else rule_options.pop("cluster_id", None)
    rule = FrontendRule(ADDRESS, "example.com", cluster_id=cluster_id, **rule_options)
    state = None if cluster is None else ClusterState(cluster)
    return Route(rule, listener or HttpListener(ADDRESS), state, ANSWERS)


def test_a_rule_leads_to_its_cluster():
    found = route(Cluster("app"))
    assert found.cluster is not None
    assert found.cluster.cluster.cluster_id == found.cluster_id == found.rule.cluster_id == "app"
    assert found.answer_status == 0
    assert found.answers is ANSWERS
    assert found.tags is NO_TAGS
    assert found.sticky_name is None
    assert found.places_max is None
    assert found.retry_after is None


def test_a_rule_without_a_cluster_denies():
    found = route()
    assert found.answer_status == 401
    assert found.cluster is None
    assert found.cluster_id == ""


def test_a_rule_whose_cluster_is_not_configured_is_no_denial():
    found = route(cluster_id="app")
    assert found.cluster is None
    assert found.answer_status == 0
    assert found.cluster_id == "app"


@pytest.mark.parametrize(
    ("redirect", "status"),
    [
        (Redirect.FORWARD, 0),
        (Redirect.PERMANENT, 301),
        (Redirect.FOUND, 302),
        (Redirect.PERMANENT_REDIRECT, 308),
        (Redirect.UNAUTHORIZED, 401),
    ],
)
def test_what_a_rule_answers_itself(redirect: Redirect, status: int):
    assert route(Cluster("app"), redirect=redirect).answer_status == status


def test_every_redirect_has_a_status():
    for redirect in Redirect:
        assert route(Cluster("app"), redirect=redirect).answer_status >= 0


def test_a_redirect_needs_no_cluster():
    assert route(redirect=Redirect.FOUND).answer_status == 302


@pytest.mark.parametrize(
    ("wanted", "scheme"),
    [
        (RedirectScheme.USE_SAME, b"http"),
        (RedirectScheme.USE_HTTP, b"http"),
        (RedirectScheme.USE_HTTPS, b"https"),
    ],
)
def test_the_scheme_of_a_redirect(wanted: RedirectScheme, scheme: bytes):
    found = route(Cluster("app"), redirect=Redirect.FOUND, redirect_scheme=wanted)
    assert found.location_scheme == scheme
    # Ours for http; the scheme's own for https, when no https_redirect_port was told.
    assert found.location_port == (8080 if scheme == b"http" else None)


def test_a_redirect_to_http_does_not_go_to_the_port_of_https():
    cluster = Cluster("app", https_redirect_port=8443)
    assert route(cluster, redirect=Redirect.FOUND).location_port == 8080
    to_https = route(cluster, redirect=Redirect.FOUND, redirect_scheme=RedirectScheme.USE_HTTPS)
    assert to_https.location_port == 8443


def test_a_cluster_may_send_everybody_to_https():
    found = route(Cluster("app", https_redirect=True, https_redirect_port=8443))
    assert found.answer_status == 301
    assert found.location_scheme == b"https"
    assert found.location_port == 8443


def test_a_rule_s_own_answer_comes_before_the_cluster_s_redirect():
    cluster = Cluster("app", https_redirect=True)
    assert route(cluster, redirect=Redirect.UNAUTHORIZED).answer_status == 401
    found = route(cluster, redirect=Redirect.FOUND)
    assert found.answer_status == 302
    assert found.location_scheme == b"http"


def test_limits_are_the_cluster_s():
    found = route(Cluster("app", max_connections_per_ip=0, retry_after=5))
    assert found.places_max == 0  # unlimited, whatever the process says
    assert found.retry_after == 5


def test_a_sticky_cluster_uses_the_listener_s_cookie():
    listener = HttpListener(ADDRESS, sticky_name="ROUTE")
    assert route(Cluster("app", sticky_session=True), listener).sticky_name == b"ROUTE"
    assert route(Cluster("app"), listener).sticky_name is None


def test_tags_are_those_of_the_rule():
    found = route(Cluster("app"), tags={"owner": "me"})
    assert found.tags is not NO_TAGS
    assert found.tags.mapping == {"owner": "me"}


OWN = Timeouts(front=1.0, back=2.0, connect=3.0, request=4.0, tunnel=5.0)


def seconds(found: Route) -> tuple[float, ...]:
    return (
        found.front_seconds,
        found.back_seconds,
        found.connect_seconds,
        found.request_seconds,
        found.tunnel_seconds,
    )


def test_timeouts_are_the_listener_s():
    listener = HttpListener(ADDRESS, timeouts=OWN)
    assert seconds(route(Cluster("app"), listener)) == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert seconds(route(None, listener)) == (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize(
    ("name", "index"), [("front", 0), ("back", 1), ("connect", 2), ("request", 3), ("tunnel", 4)]
)
@pytest.mark.parametrize("value", [99.0, 0.0])
def test_each_timeout_may_be_overridden_by_the_cluster(name: str, index: int, value: float):
    listener = HttpListener(ADDRESS, timeouts=OWN)
    cluster = Cluster("app", **{f"{name}_timeout": value})
    expected = [1.0, 2.0, 3.0, 4.0, 5.0]
    expected[index] = value
    assert list(seconds(route(cluster, listener))) == expected


def test_a_listener_s_state_is_made_from_its_value():
    state = ListenerState(HttpListener(ADDRESS, sozu_id_header="X-Id"))
    assert state.id_name == b"X-Id"
    assert state.port == 8080
    assert len(state.router) == 0
    assert state.router.find(b"example.com", b"/", b"GET") is None
    assert state.counters.connections == 0


def test_a_listener_behind_another_address_tells_that_one_s_port():
    public = InetAddress("203.0.113.1", 443)
    assert ListenerState(HttpListener(ADDRESS, public_address=public)).port == 443


def test_a_listener_takes_over_a_new_value_and_keeps_rules_and_counts():
    state = ListenerState(HttpListener(ADDRESS))
    state.counters.accepted = 3
    rule = FrontendRule(ADDRESS, "example.com", cluster_id="app")
    state.router = state.router.with_rule(rule, route(Cluster("app")))
    before = state.answers
    text = "HTTP/1.1 404 Not Found\r\n\r\nnobody\n"
    state.reconfigure(HttpListener(ADDRESS, sozu_id_header="X-Id", answers={"404": text}))
    assert state.id_name == b"X-Id"
    assert state.answers is not before
    assert state.answers.compose(404, False, False, 1, b"").data.endswith(b"nobody\r\n")
    assert len(state.router) == 1
    assert state.counters.accepted == 3


# Over TLS.


def secure_route(cluster: Cluster, hsts: Hsts | None = None, **rule_options) -> Route:
    rule = FrontendRule(ADDRESS, "example.com", cluster_id="app", **rule_options)
    https = HttpsListener(HttpListener(ADDRESS), hsts=hsts)
    return Route(rule, https.http, ClusterState(cluster), ANSWERS, https)


def test_who_came_over_tls_is_not_sent_to_https():
    cluster = Cluster("app", https_redirect=True, https_redirect_port=8443)
    assert route(cluster).answer_status == 301
    assert secure_route(cluster).answer_status == 0


@pytest.mark.parametrize(
    ("wanted", "port", "scheme", "told"),
    [
        (RedirectScheme.USE_SAME, None, b"https", 8080),
        (RedirectScheme.USE_SAME, 8443, b"https", 8443),
        (RedirectScheme.USE_HTTPS, None, b"https", 8080),
        (RedirectScheme.USE_HTTP, 8443, b"http", None),
    ],
)
def test_where_a_redirect_over_tls_goes(
    wanted: RedirectScheme, port: int | None, scheme: bytes, told: int | None
):
    cluster = Cluster("app", https_redirect_port=port)
    found = secure_route(cluster, redirect=Redirect.FOUND, redirect_scheme=wanted)
    assert (found.location_scheme, found.location_port) == (scheme, told)


def test_transport_security_is_the_rule_s_then_the_listener_s_and_never_told_in_the_clear():
    cluster = Cluster("app")
    short, long = Hsts(True, 60), Hsts(True, 600, force_replace_backend=True)
    assert secure_route(cluster).hsts_line == b""
    assert secure_route(cluster, short).hsts_line.endswith(b"max-age=60")
    assert not secure_route(cluster, short).hsts_replaces
    own = Route(
        FrontendRule(ADDRESS, "example.com", cluster_id="app", hsts=long),
        HttpListener(ADDRESS),
        ClusterState(cluster),
        ANSWERS,
        HttpsListener(HttpListener(ADDRESS), hsts=short),
    )
    assert own.hsts_line.endswith(b"max-age=600")
    assert own.hsts_replaces
    assert route(cluster, hsts=long).hsts_line == b""


@pytest.mark.parametrize(
    ("hsts", "line"),
    [
        (Hsts(True), b"Strict-Transport-Security: max-age=31536000"),
        (Hsts(True, 1, True), b"Strict-Transport-Security: max-age=1; includeSubDomains"),
        (
            Hsts(True, 1, True, True),
            b"Strict-Transport-Security: max-age=1; includeSubDomains; preload",
        ),
        (Hsts(False, 1, True, True), b""),
    ],
)
def test_how_transport_security_is_told(hsts: Hsts, line: bytes):
    assert hsts_line(hsts) == line


def test_a_listener_of_tls_says_so():
    state = ListenerState(HttpsListener(HttpListener(ADDRESS)))
    assert (state.scheme, state.protocol, state.tunnel_protocol) == (b"https", "HTTPS", "WSS")
    assert state.is_strict
    assert state.counters.is_secure
    assert b"X-Forwarded-Proto: https\r\n" in state.port_and_proto
    lax = ListenerState(HttpsListener(HttpListener(ADDRESS), strict_sni_binding=False))
    assert not lax.is_strict
    plain = ListenerState(HttpListener(ADDRESS))
    assert (plain.scheme, plain.protocol, plain.https) == (b"http", "HTTP", None)
    assert not plain.is_strict
    assert not plain.counters.is_secure
