"""Messages become orders, and orders messages: each verb, its refusals, and the law of both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
    LoadMetric,
    PathType,
    Position,
    Redirect,
    Timeouts,
    UnixAddress,
)
from sozutw.config.policies import HealthCheck, Http2Limits
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    DeactivateListener,
    ListenerPatch,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHealthCheck,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.security import Hsts
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import (
    CHANGES,
    Order,
    UnservedRequestError,
    listener_message,
    message_of,
    request_of,
    warnings_of,
)
from sozutw.control.unserved import VERBS
from tests.fakes import certificates as made
from tests.fakes.requests import by_order, template

HERE = InetAddress("127.0.0.1", 8080)
THERE = InetAddress("::1", 8443)
LEAF = made.chained(made.leaf("a.example"))
BY_ORDER = by_order()
PRINT = made.leaf("a.example").fingerprint


def here(port: int = 8080) -> pb.SocketAddress:
    return pb.SocketAddress(ip=pb.IpAddress(v4=0x7F000001), port=port)


def there() -> pb.SocketAddress:
    return pb.SocketAddress(ip=pb.IpAddress(v6=pb.Uint128(low=1, high=0)), port=8443)


def certificate(**others: Any) -> pb.CertificateAndKey:
    values = {
        "certificate": LEAF.certificate,
        "key": LEAF.key,
        "certificate_chain": LEAF.chain,
    }
    return pb.CertificateAndKey(**(values | others))


def http_listener(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "address": here(),
        "expect_proxy": False,
        "sticky_name": "SOZUBALANCEID",
        "front_timeout": 60,
        "back_timeout": 30,
        "connect_timeout": 3,
        "request_timeout": 10,
        "active": False,
    }
    return pb.Request(add_http_listener=pb.HttpListenerConfig(**(values | others)))


def https_listener(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "address": there(),
        "expect_proxy": False,
        "sticky_name": "SOZUBALANCEID",
        "front_timeout": 60,
        "back_timeout": 30,
        "connect_timeout": 3,
        "request_timeout": 10,
        "active": False,
        "send_tls13_tickets": 4,
    }
    return pb.Request(add_https_listener=pb.HttpsListenerConfig(**(values | others)))


def http_update(**others: Any) -> pb.Request:
    return pb.Request(update_http_listener=pb.UpdateHttpListenerConfig(address=here(), **others))


def https_update(**others: Any) -> pb.Request:
    return pb.Request(update_https_listener=pb.UpdateHttpsListenerConfig(address=there(), **others))


def cluster(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "cluster_id": "app",
        "sticky_session": False,
        "https_redirect": False,
        "load_balancing": pb.ROUND_ROBIN,
    }
    return pb.Request(add_cluster=pb.Cluster(**(values | others)))


def rule(**others: Any) -> pb.RequestHttpFrontend:
    values: dict[str, Any] = {
        "address": here(),
        "hostname": "a.example",
        "path": pb.PathRule(kind=pb.PREFIX, value=""),
        "position": pb.TREE,
        "cluster_id": "app",
    }
    values |= others
    return pb.RequestHttpFrontend(
        **{field: value for field, value in values.items() if value is not None}
    )


def frontend(**others: Any) -> pb.Request:
    return pb.Request(add_http_frontend=rule(**others))


def https_frontend(**others: Any) -> pb.Request:
    return pb.Request(add_https_frontend=rule(**({"address": there()} | others)))


def backend(**others: Any) -> pb.Request:
    values: dict[str, Any] = {"cluster_id": "app", "backend_id": "b", "address": here()}
    return pb.Request(add_backend=pb.AddBackend(**(values | others)))


def health_check(**others: Any) -> pb.HealthCheckConfig:
    values: dict[str, Any] = {
        "uri": "/health",
        "interval": 10,
        "timeout": 5,
        "healthy_threshold": 3,
        "unhealthy_threshold": 3,
        "expected_status": 0,
    }
    return pb.HealthCheckConfig(**(values | others))


def set_health_check(**others: Any) -> pb.Request:
    config = health_check(**others)
    return pb.Request(set_health_check=pb.SetHealthCheck(cluster_id="app", config=config))


def over_the_wire(message: pb.Request, *, skip_unsupported: bool = False) -> Order:
    parsed = pb.Request.FromString(message.SerializePartialToString())
    return request_of(parsed, skip_unsupported=skip_unsupported)


def refusal(message: pb.Request) -> str:
    with pytest.raises(RefusedRequestError) as caught:
        over_the_wire(message)
    return str(caught.value)


PLAIN_RULE = FrontendRule(HERE, "a.example", cluster_id="app")
TLS_RULE = FrontendRule(THERE, "a.example", cluster_id="app")

VERBS_AND_ORDERS: list[tuple[pb.Request, Order]] = [
    (http_listener(), AddHttpListener(HttpListener(HERE))),
    (https_listener(), AddHttpsListener(HttpsListener(HttpListener(THERE)))),
    (
        pb.Request(remove_listener=pb.RemoveListener(address=here(), proxy=pb.HTTP)),
        RemoveListener(HERE, ListenerKind.HTTP),
    ),
    (
        pb.Request(
            activate_listener=pb.ActivateListener(address=there(), proxy=pb.HTTPS, from_scm=False)
        ),
        ActivateListener(THERE, ListenerKind.HTTPS),
    ),
    (
        pb.Request(
            deactivate_listener=pb.DeactivateListener(address=here(), proxy=pb.HTTP, to_scm=False)
        ),
        DeactivateListener(HERE, ListenerKind.HTTP),
    ),
    (
        http_update(front_timeout=7),
        UpdateListener(HERE, ListenerKind.HTTP, ListenerPatch(front_timeout=7.0)),
    ),
    (
        https_update(strict_sni_binding=False),
        UpdateListener(THERE, ListenerKind.HTTPS, ListenerPatch(strict_sni_binding=False)),
    ),
    (cluster(), AddCluster(Cluster("app"))),
    (pb.Request(remove_cluster="app"), RemoveCluster("app")),
    (frontend(), AddHttpFrontend(PLAIN_RULE)),
    (pb.Request(remove_http_frontend=rule()), RemoveHttpFrontend(PLAIN_RULE)),
    (https_frontend(), AddHttpsFrontend(TLS_RULE)),
    (
        pb.Request(remove_https_frontend=rule(address=there())),
        RemoveHttpsFrontend(TLS_RULE),
    ),
    (
        pb.Request(add_certificate=pb.AddCertificate(address=there(), certificate=certificate())),
        AddCertificate(THERE, LEAF),
    ),
    (
        pb.Request(
            replace_certificate=pb.ReplaceCertificate(
                address=there(), new_certificate=certificate(), old_fingerprint=PRINT
            )
        ),
        ReplaceCertificate(THERE, LEAF, PRINT),
    ),
    (
        pb.Request(remove_certificate=pb.RemoveCertificate(address=there(), fingerprint=PRINT)),
        RemoveCertificate(THERE, PRINT),
    ),
    (
        pb.Request(
            replace_default_certificate=pb.ReplaceDefaultCertificate(
                address=there(), certificate=certificate()
            )
        ),
        ReplaceDefaultCertificate(THERE, LEAF),
    ),
    (backend(), AddBackend(Backend("app", "b", HERE))),
    (
        pb.Request(
            remove_backend=pb.RemoveBackend(cluster_id="app", backend_id="b", address=here())
        ),
        RemoveBackend("app", "b", HERE),
    ),
    (set_health_check(), SetHealthCheck("app", HealthCheck("/health"))),
    (pb.Request(remove_health_check="app"), RemoveHealthCheck("app")),
]


@pytest.mark.parametrize(
    ("message", "order"), VERBS_AND_ORDERS, ids=[type(o).__name__ for _m, o in VERBS_AND_ORDERS]
)
def test_a_verb_is_an_order(message: pb.Request, order: Order) -> None:
    assert over_the_wire(message) == order
    assert warnings_of(message) == []


def test_each_verb_that_changes_something_is_shown_above() -> None:
    shown = {message.WhichOneof("request_type") for message, _order in VERBS_AND_ORDERS}
    assert shown == CHANGES


@pytest.mark.parametrize("kind", BY_ORDER, ids=lambda kind: kind.__name__)
def test_an_order_comes_back_from_its_message(kind: type[Order]) -> None:
    @given(BY_ORDER[kind])
    def check(order: Order) -> None:
        message = message_of(order)
        assert request_of(pb.Request.FromString(message.SerializeToString())) == order
        assert all(isinstance(text, str) for text in warnings_of(message))

    check()


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_not_served_is_refused_by_name(verb: str) -> None:
    message = pb.Request()
    field = pb.Request.DESCRIPTOR.fields_by_name[verb]
    if field.message_type is not None:
        getattr(message, verb).SetInParent()
    else:
        setattr(message, verb, 7 if verb == "upgrade_worker" else "x")
    with pytest.raises(UnservedRequestError) as caught:
        request_of(message)
    name, instead = VERBS[verb]
    assert str(caught.value) == f"{name} is not served yet: {instead}"
    assert name == "".join(part.capitalize() for part in verb.split("_"))


def known(proxy: int) -> pb.Request:
    listener = pb.RemoveListener(address=here(), proxy=proxy)  # type: ignore[arg-type]
    return pb.Request(remove_listener=listener)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (pb.Request(), "the request asks for nothing"),
        (pb.Request(status=pb.Status()), "status changes nothing of the configuration"),
        (pb.Request(batch=pb.Batch()), "batch changes nothing of the configuration"),
        (known(pb.TCP), "a listener of tcp is not served yet: "),
        (known(pb.UDP), "a listener of udp is not served yet: "),
        # Addresses.
        (http_listener(address=here(0)), "address has port 0; a port from 1 to 65535 is meant"),
        (http_listener(address=here(65_536)), "address has port 65536"),
        (
            http_listener(address=pb.SocketAddress(ip=pb.IpAddress(), port=80)),
            "address has no IP address; v4 or v6 is meant in its ip",
        ),
        (
            http_listener(address=pb.SocketAddress(ip=pb.IpAddress(), port=0, other="a.b:80")),
            'address is "a.b:80"; ',
        ),
        (http_listener(public_address=here(0)), "public_address has port 0"),
        (
            backend(address=pb.SocketAddress(ip=pb.IpAddress(), port=0, other="unix:")),
            'address is "unix:"; unix: and the path of a socket is meant',
        ),
        (backend(address=here(70_000)), "address has port 70000"),
        # Listeners.
        (http_listener(expect_proxy=True), "expect_proxy is not served yet: "),
        (http_listener(sticky_name="a b"), 'sticky_name is "a b"; the name of a cookie is meant'),
        (http_listener(sticky_name=""), 'sticky_name is ""'),
        (http_listener(sozu_id_header="a:"), 'sozu_id_header is "a:"; the name of a field'),
        (http_listener(front_timeout=0), "front_timeout is "),
        (
            http_listener(extras=pb.ListenerExtras(front_timeout=1.5)),
            "front_timeout is 60; extras has 1.5 for it, which is another; one of them is meant",
        ),
        (http_listener(extras=pb.ListenerExtras(tunnel_timeout=-1.0)), "tunnel_timeout is "),
        (
            http_listener(extras=pb.ListenerExtras(tunnel_timeout=float("nan"))),
            'tunnel_timeout is "nan"; a number of seconds',
        ),
        (
            http_listener(extras=pb.ListenerExtras(trusted_proxies=["10.0.0.1/8"])),
            'extras.trusted_proxies is "10.0.0.1/8"; ',
        ),
        (http_listener(answers={"404": "nonsense"}), "the template for 404 cannot be used: "),
        (http_listener(answers={"404": ""}), "the template for 404 cannot be used: "),
        (
            http_listener(http_answers=pb.CustomHttpAnswers(answer_502=template(503))),
            "the template for 502 cannot be used: its status line says 503",
        ),
        (http_listener(h2_max_glitch_count=0), "h2_max_glitch_count is 0; at least 1 is meant"),
        (https_listener(disable_http11=True), "disable_http11 is not served yet: "),
        (https_listener(alpn_protocols=["h3"]), 'alpn_protocols is "h3"; h2 or http/1.1 is meant'),
        (https_listener(versions=[pb.SSL_V3]), "tls_versions: no version is left"),
        (https_listener(cipher_list=["NONE"]), "cipher_list: the library has none of these"),
        (https_listener(certificate=LEAF.certificate), "certificate stands without key"),
        (https_listener(key=LEAF.key), "key stands without certificate"),
        (https_listener(certificate_chain=["x"]), "certificate_chain has no certificate to lead"),
        (
            https_listener(certificate="x", key=LEAF.key),
            "certificate cannot be used: there is no certificate in it; the PEM text of one",
        ),
        (https_listener(hsts=pb.HstsConfig(max_age=1)), "hsts does not say enabled"),
        (
            https_listener(extras=pb.ListenerExtras(client_auth="perhaps")),
            'extras.client_auth is "perhaps"; one of none, optional, require is meant',
        ),
        (
            https_listener(extras=pb.ListenerExtras(client_auth="require")),
            "extras.client_auth is require without client_authorities; both are meant",
        ),
        (
            https_listener(extras=pb.ListenerExtras(client_authorities="x")),
            "extras.client_authorities asks no client for anything",
        ),
        (
            https_listener(
                extras=pb.ListenerExtras(client_auth="optional", client_authorities="x")
            ),
            "extras.client_authorities cannot be used: there is no certificate in it",
        ),
        # Updates of listeners.
        (http_update(expect_proxy=True), "expect_proxy is not served yet: "),
        (http_update(connect_timeout=0), "connect_timeout is "),
        (http_update(h2_initial_connection_window=0), "h2_initial_connection_window is 0"),
        (https_update(disable_http11=True), "disable_http11 is not served yet: "),
        (https_update(alpn_protocols=pb.AlpnProtocols(values=["x"])), 'alpn_protocols is "x"'),
        (https_update(hsts=pb.HstsConfig()), "hsts does not say enabled"),
        (https_update(sozu_id_header=""), 'sozu_id_header is ""'),
        # Clusters.
        (cluster(cluster_id=""), 'cluster_id is ""; a name that can be printed is meant'),
        (cluster(cluster_id="a\n"), "cluster_id is "),
        (pb.Request(remove_cluster=""), 'remove_cluster is ""'),
        (cluster(https_redirect_port=0), "https_redirect_port is 0; a whole number from 1 to"),
        (cluster(https_redirect_port=65_536), "https_redirect_port is 65536"),
        (cluster(http2=True), "http2 is not served yet: "),
        (cluster(authorized_hashes=["a"]), "authorized_hashes is not served yet: "),
        (cluster(www_authenticate="x"), "www_authenticate is not served yet: "),
        (cluster(answer_503="x"), "the template for 503 cannot be used: "),
        (
            cluster(extras=pb.ClusterExtras(affinity="moon")),
            'extras.affinity is "moon"; source, header:NAME, cookie:NAME or path[N] is meant',
        ),
        (cluster(extras=pb.ClusterExtras(back_timeout=0.0)), "back_timeout is "),
        (cluster(health_check=health_check(uri="x")), 'health_check.uri is "x"; a path that'),
        (
            cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(authorities="x"))),
            "extras.backend_tls.authorities cannot be used: ",
        ),
        (
            cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(server_name="a b"))),
            'extras.backend_tls.server_name is "a b"; ',
        ),
        (
            cluster(
                extras=pb.ClusterExtras(
                    backend_tls=pb.BackendTls(certificate=certificate(key="none"))
                )
            ),
            "extras.backend_tls.certificate cannot be used: ",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(tcp_port=0))),
            "udp.health.tcp_port is 0",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(rise=0))),
            "udp.health.rise is 0",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(udp_probe_payload=b"\xff"))),
            "udp.health.udp_probe_payload is no valid UTF-8",
        ),
        # Health checks.
        (set_health_check(uri=""), 'config.uri is ""; a path that begins with / is meant'),
        (set_health_check(uri="/\r\nX: y"), "config.uri is "),
        (set_health_check(interval=0), "config.interval is 0; a whole number from 1 to"),
        (set_health_check(timeout=0), "config.timeout is 0"),
        (set_health_check(healthy_threshold=0), "config.healthy_threshold is 0"),
        (set_health_check(unhealthy_threshold=0), "config.unhealthy_threshold is 0"),
        (set_health_check(tcp=True), 'config.uri is "/health"; nothing is asked for with tcp'),
        (pb.Request(remove_health_check=""), 'remove_health_check is ""'),
        # Backends.
        (
            backend(load_balancing_parameters=pb.LoadBalancingParams(weight=-1)),
            "load_balancing_parameters.weight is -1; a whole number from 0 to 255 is meant",
        ),
        (
            backend(load_balancing_parameters=pb.LoadBalancingParams(weight=256)),
            "load_balancing_parameters.weight is 256",
        ),
        (backend(sticky_id="a;b"), 'sticky_id is "a;b"; the value of a cookie is meant'),
        (backend(backend_id=""), 'backend_id is ""'),
        (backend(cluster_id=""), 'cluster_id is ""'),
        # Frontends.
        (frontend(hostname=""), 'hostname is ""; a host name has no empty part'),
        (frontend(hostname="a b"), 'hostname is "a b"; '),
        (frontend(hostname="/[/.example"), "hostname is "),
        (frontend(cluster_id=""), 'cluster_id is ""'),
        (frontend(method="G T"), 'method is "G T"; a method such as GET is meant'),
        (
            frontend(path=pb.PathRule(kind=pb.REGEX, value="(")),
            "path.value is no regular expression that can be used: ",
        ),
        (frontend(rewrite_host="x"), "rewrite_host is not served yet: "),
        (frontend(rewrite_path="x"), "rewrite_path is not served yet: "),
        (frontend(rewrite_port=80), "rewrite_port is not served yet: "),
        (
            frontend(headers=[pb.Header(position=pb.BOTH, key="a", val="b")]),
            "headers is not served yet: ",
        ),
        (frontend(redirect_template="x"), "redirect_template is not served yet: "),
        (frontend(required_auth=True), "required_auth is not served yet: "),
        (
            frontend(hsts=pb.HstsConfig(enabled=True)),
            "hsts has no place at an http listener; https is meant",
        ),
        (https_frontend(hsts=pb.HstsConfig()), "hsts does not say enabled"),
        # Certificates.
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(certificate="none")
                )
            ),
            "certificate cannot be used: there is no certificate in it",
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(names=[""])
                )
            ),
            'certificate.names is ""; a name that can be printed is meant',
        ),
        (
            pb.Request(remove_certificate=pb.RemoveCertificate(address=there(), fingerprint="ab")),
            'fingerprint is "ab"; the 64 hexadecimal digits',
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(), new_certificate=certificate(), old_fingerprint="x" * 64
                )
            ),
            "old_fingerprint is ",
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(),
                    new_certificate=certificate(certificate="x"),
                    old_fingerprint=PRINT,
                )
            ),
            "new_certificate cannot be used: ",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_meant(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


def test_what_is_not_whole_is_refused() -> None:
    message = pb.Request()
    message.add_cluster.cluster_id = "app"
    with pytest.raises(RefusedRequestError) as caught:
        request_of(message)
    assert str(caught.value) == (
        "the request is not whole; add_cluster.sticky_session, add_cluster.https_redirect, "
        "add_cluster.load_balancing is missing"
    )


def test_a_long_value_is_told_in_part() -> None:
    told = refusal(backend(sticky_id="ä" * 1000))
    assert len(told) < 120
    assert "…" in told


@pytest.mark.parametrize(
    ("told", "meant"),
    [(None, 100), (0, 100), (1, 1), (255, 255)],
)
def test_a_weight_of_0_is_none(told: int | None, meant: int) -> None:
    weights: dict[str, Any] = {}
    if told is not None:
        weights["load_balancing_parameters"] = pb.LoadBalancingParams(weight=told)
    order = over_the_wire(backend(**weights))
    assert isinstance(order, AddBackend)
    assert order.backend.weight == meant


def test_templates_are_read_from_both_places_and_the_map_wins() -> None:
    old = pb.CustomHttpAnswers(answer_404=template(404) + "old", answer_503=template(503))
    order = over_the_wire(http_listener(http_answers=old, answers={"404": template(404)}))
    assert isinstance(order, AddHttpListener)
    assert order.listener.answers == {"404": template(404), "503": template(503)}
    order = over_the_wire(
        cluster(answer_503=template(503), answers={"503": template(503) + "new", "418": "tea"})
    )
    assert isinstance(order, AddCluster)
    assert order.cluster.answers == {"503": template(503) + "new"}


def test_templates_are_written_to_both_places() -> None:
    listener = HttpListener(HERE, answers={"404": template(404), "500": template(500)})
    message = message_of(AddHttpListener(listener)).add_http_listener
    assert message.answers == {"404": template(404), "500": template(500)}
    assert message.http_answers == pb.CustomHttpAnswers(answer_404=template(404))
    answered = message_of(AddCluster(Cluster("app", answers={"503": template(503)})))
    assert answered.add_cluster.answer_503 == template(503)


def test_an_update_may_take_the_built_in_answer_back() -> None:
    order = over_the_wire(http_update(answers={"404": ""}))
    patch = ListenerPatch(answers={"404": ""})
    assert order == UpdateListener(HERE, ListenerKind.HTTP, patch)


def test_what_sozu_has_no_place_for_is_nearly_told() -> None:
    timeouts = Timeouts(front=0.2, back=30.0, connect=2.5, request=4294967295.0, tunnel=7.0)
    message = message_of(AddHttpListener(HttpListener(HERE, timeouts=timeouts)))
    told = message.add_http_listener
    assert (told.front_timeout, told.back_timeout, told.connect_timeout) == (1, 30, 3)
    assert told.extras == pb.ListenerExtras(
        front_timeout=0.2, connect_timeout=2.5, tunnel_timeout=7.0
    )
    plain = message_of(AddHttpListener(HttpListener(HERE))).add_http_listener
    assert not plain.HasField("extras")
    for address, other in (
        (UnixAddress("/run/a"), "unix:/run/a"),
        (InetAddress("b.example", 80), "b.example:80"),
    ):
        added = message_of(AddBackend(Backend("app", "b", address))).add_backend
        assert added.address == pb.SocketAddress(ip=pb.IpAddress(v4=0), port=0, other=other)
    assert not message_of(AddCluster(Cluster("app"))).add_cluster.HasField("extras")


@pytest.mark.parametrize(
    ("versions", "names"),
    [((), ()), (("TLS_V13",), ()), (("TLS_V12", "TLS_V13"), ("b.example",))],
)
def test_a_listeners_own_certificate_keeps_what_it_was_told(
    versions: tuple[str, ...], names: tuple[str, ...]
) -> None:
    held = replace(LEAF, versions=versions, names=names)
    order = AddHttpsListener(HttpsListener(HttpListener(THERE), certificate=held))
    message = message_of(order)
    assert message.add_https_listener.extras.HasField("certificate_use")
    assert over_the_wire(message) == order


def test_a_certificate_without_more_is_for_the_versions_of_its_listener() -> None:
    order = over_the_wire(
        https_listener(certificate=LEAF.certificate, key=LEAF.key, versions=[pb.TLS_V1_3])
    )
    assert isinstance(order, AddHttpsListener)
    assert order.listener.certificate == replace(LEAF, chain=(), versions=("TLS_V13",))
    assert not message_of(order).add_https_listener.HasField("extras")


def test_four_tickets_are_what_nobody_asked_for() -> None:
    order = over_the_wire(https_listener())
    assert isinstance(order, AddHttpsListener)
    assert order.listener.tls.send_tls13_tickets is None
    order = over_the_wire(https_listener(send_tls13_tickets=2))
    assert isinstance(order, AddHttpsListener)
    assert order.listener.tls.send_tls13_tickets == 2


def test_a_listener_is_told_as_active_or_not() -> None:
    for listener in (HttpListener(HERE), HttpsListener(HttpListener(THERE))):
        for active in (True, False):
            message = listener_message(listener, active=active)
            assert message.active is active
            assert message.IsInitialized()
    assert over_the_wire(http_listener(active=True)) == AddHttpListener(HttpListener(HERE))


def test_an_order_about_a_listener_tells_its_kind() -> None:
    with pytest.raises(AssertionError, match="kind"):
        message_of(RemoveListener(HERE))


def test_more_than_the_least_is_read() -> None:
    order = over_the_wire(
        cluster(
            load_balancing=pb.LEAST_LOADED,
            load_metric=pb.REQUESTS,
            proxy_protocol=pb.SEND_HEADER,
            max_connections_per_ip=0,
            retry_after=7,
        )
    )
    assert order == AddCluster(
        Cluster(
            "app",
            load_balancing=LoadBalancing.LEAST_LOADED,
            load_metric=LoadMetric.REQUESTS,
            send_proxy=True,
            max_connections_per_ip=0,
            retry_after=7,
        )
    )
    order = over_the_wire(
        https_frontend(
            hostname="BÜCHER.example",
            path=pb.PathRule(kind=pb.EQUALS, value="/x"),
            method="GET",
            position=pb.POST,
            tags={"owner": "ä"},
            redirect=pb.FOUND,
            hsts=pb.HstsConfig(enabled=True),
            cluster_id=None,
        )
    )
    assert order == AddHttpsFrontend(
        FrontendRule(
            THERE,
            "xn--bcher-kva.example",
            "/x",
            PathType.EQUALS,
            "GET",
            Position.POST,
            None,
            tags={"owner": "ä"},
            redirect=Redirect.FOUND,
            hsts=Hsts(enabled=True),
        )
    )
    limited = over_the_wire(http_listener(h2_graceful_shutdown_deadline_seconds=0))
    assert isinstance(limited, AddHttpListener)
    assert limited.listener.http2 == Http2Limits(h2_graceful_shutdown_deadline_seconds=0)


def test_a_rule_to_be_removed_may_be_one_that_is_not_served() -> None:
    headers = [pb.Header(position=pb.REQUEST, key="X-A", val="b")]
    message = rule(required_auth=True, rewrite_port=81, headers=headers)
    order = over_the_wire(pb.Request(remove_http_frontend=message))
    assert isinstance(order, RemoveHttpFrontend)
    assert (order.frontend.required_auth, order.frontend.rewrite_port) == (True, 81)
    assert request_of(message_of(order)) == order


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (pb.Header(position=pb.HEADER_POSITION_UNSPECIFIED, key="a", val=""), "headers.position"),
        (pb.Header(position=pb.BOTH, key="a b", val=""), 'headers.key is "a b"'),
        (pb.Header(position=pb.BOTH, key="a", val="\n"), "headers.val is "),
    ],
)
def test_an_edit_of_a_field_is_judged(header: pb.Header, text: str) -> None:
    assert refusal(pb.Request(remove_http_frontend=rule(headers=[header]))).startswith(text)


def test_what_can_be_served_in_part_is_so_if_that_is_wanted() -> None:
    unserved = {"http2": True, "authorized_hashes": ["a:b"], "www_authenticate": "x"}
    message = cluster(**unserved)
    order = over_the_wire(message, skip_unsupported=True)
    assert order == AddCluster(
        Cluster("app", http2=True, authorized_hashes=("a:b",), www_authenticate="x")
    )
    assert warnings_of(message) == [f"{field} is not served yet" for field in unserved]
    assert message_of(order) == message
    message = frontend(required_auth=True, redirect_template="x")
    order = over_the_wire(message, skip_unsupported=True)
    assert isinstance(order, AddHttpFrontend)
    assert order.frontend.redirect is Redirect.UNAUTHORIZED
    assert warnings_of(message)[0] == "required_auth is not served yet"
    with pytest.raises(UnservedRequestError, match="rewrite_host"):
        over_the_wire(frontend(rewrite_host="x"), skip_unsupported=True)


def test_a_certificate_towards_backends_may_have_expired_since() -> None:
    gone = made.chained(made.expired("a.example"))
    shown = certificate(certificate=gone.certificate, key=gone.key)
    message = cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(certificate=shown)))
    assert isinstance(over_the_wire(message), AddCluster)


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        (
            cluster(
                proxy_protocol=pb.EXPECT_HEADER,
                udp=pb.UdpClusterConfig(),
                load_metric=pb.CONNECTIONS,
                extras=pb.ClusterExtras(
                    affinity="source", backend_tls=pb.BackendTls(insecure=True)
                ),
                answers={"418": "tea"},
            ),
            [
                "proxy_protocol has no effect",
                "udp has no effect",
                "load_metric has no effect",
                "affinity has no effect",
                "backend_tls is insecure",
                "answers has 418",
            ],
        ),
        (http_listener(h2_max_glitch_count=1), ["h2_max_glitch_count has no effect"]),
        (
            https_listener(
                alpn_protocols=["h2"],
                send_tls13_tickets=9,
                hsts=pb.HstsConfig(enabled=False, max_age=1),
            ),
            [
                "alpn_protocols has h2",
                "hsts.max_age has no effect beside enabled = false",
                "send_tls13_tickets = 9",
            ],
        ),
        (
            https_update(
                alpn_protocols=pb.AlpnProtocols(values=["h2"]),
                hsts=pb.HstsConfig(enabled=True, preload=True, max_age=1),
            ),
            ["alpn_protocols has h2", "preload is of no use", "max_age is 1"],
        ),
        (
            frontend(
                hostname="*",
                method="get",
                path=pb.PathRule(kind=pb.PREFIX, value="a"),
                redirect_scheme=pb.USE_HTTP,
            ),
            ["hostname *", 'path is "a"', 'method is "get"', "redirect_scheme has no effect"],
        ),
        (
            pb.Request(
                add_certificate=pb.AddCertificate(
                    address=there(), certificate=certificate(), expired_at=1
                )
            ),
            ["expired_at has no effect"],
        ),
        (
            pb.Request(
                replace_certificate=pb.ReplaceCertificate(
                    address=there(),
                    new_certificate=certificate(),
                    old_fingerprint=PRINT,
                    new_expired_at=1,
                )
            ),
            ["new_expired_at has no effect"],
        ),
        (
            pb.Request(
                activate_listener=pb.ActivateListener(address=here(), proxy=pb.HTTP, from_scm=True)
            ),
            ["from_scm has no effect"],
        ),
        (
            pb.Request(
                deactivate_listener=pb.DeactivateListener(
                    address=here(), proxy=pb.HTTP, to_scm=True
                )
            ),
            ["to_scm has no effect"],
        ),
    ],
)
def test_what_has_no_effect_is_told(message: pb.Request, texts: list[str]) -> None:
    over_the_wire(message)
    told = warnings_of(message)
    assert len(told) == len(texts), told
    for text, begin in zip(told, texts, strict=True):
        assert text.startswith(begin), text


def test_what_a_later_version_says_is_told_unless_it_says_nothing() -> None:
    def later(change: Callable[[pb.Cluster], bytes]) -> pb.Request:
        body = change(cluster().add_cluster)
        return pb.Request.FromString(b"\x6a" + bytes((len(body),)) + body)

    silent = later(lambda message: message.SerializeToString() + b"\xa0\x06\x00")
    assert warnings_of(silent) == []
    loud = later(lambda message: message.SerializeToString() + b"\xa0\x06\x01")
    assert request_of(loud) == AddCluster(Cluster("app"))
    assert warnings_of(loud) == ["field 100 of add_cluster is not known here, and has no effect"]
