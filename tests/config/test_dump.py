"""The order of a dump is Sōzu's; that it makes the same again is told in test_diff."""

from sozutw.config.draft import apply
from sozutw.config.dump import dump, remove_frontend
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    Request,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState
from tests.config.conftest import pem

PLAIN, TLS, GONE = (InetAddress("127.0.0.1", port) for port in (8080, 8443, 8081))


def test_it_has_sozus_order_and_leaves_out_what_waits() -> None:
    rule = FrontendRule(PLAIN, "a.test", cluster_id="app")
    tls_rule = FrontendRule(TLS, "a.test", cluster_id="app")
    held = CertificateAndKey(pem("one"), "key")
    wanted: list[Request] = [
        AddHttpListener(HttpListener(PLAIN)),
        ActivateListener(PLAIN, ListenerKind.HTTP),
        AddHttpsListener(HttpsListener(HttpListener(TLS))),
        ActivateListener(TLS, ListenerKind.HTTPS),
        AddCluster(Cluster("app")),
        AddHttpFrontend(rule),
        AddCertificate(TLS, held),
        AddHttpsFrontend(tls_rule),
        AddBackend(Backend("app", "0", PLAIN)),
    ]
    order = (2, 4, 7, 6, 0, 8, 5, 1, 3)
    state = ConfigState()
    apply(state, *(wanted[index] for index in order))
    gone = FrontendRule(GONE, "gone.test")
    apply(state, AddHttpListener(HttpListener(GONE)), AddHttpFrontend(gone), RemoveListener(GONE))
    apply(state, AddHttpsListener(HttpsListener(HttpListener(InetAddress("::1", 1)))))
    apply(state, AddCertificate(InetAddress("::1", 1), held), RemoveListener(InetAddress("::1", 1)))
    idle = AddHttpListener(HttpListener(InetAddress("::1", 2)))
    apply(state, idle)
    wanted.insert(2, idle)
    assert list(dump(state)) == wanted


def test_a_rule_is_taken_from_a_listener_of_its_kind() -> None:
    rule = FrontendRule(PLAIN, "a.test")
    assert remove_frontend(rule, ListenerKind.HTTP) == RemoveHttpFrontend(rule)
    assert remove_frontend(rule, ListenerKind.HTTPS) == RemoveHttpsFrontend(rule)
