"""The order of a dump is Sōzu's; that it makes the same again is told in test_diff."""

from sozutw.config.diff import diff
from sozutw.config.draft import apply
from sozutw.config.dump import dump, dump_all, remove_frontend
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


def test_certificates_are_of_no_use_to_a_plain_listener() -> None:
    held = CertificateAndKey(pem("one"), "key")
    state = ConfigState()
    apply(state, AddHttpsListener(HttpsListener(HttpListener(TLS))), AddCertificate(TLS, held))
    plain = AddHttpListener(HttpListener(TLS))
    apply(state, RemoveListener(TLS), plain)
    assert list(dump(state)) == [plain]
    assert list(filter(None, diff(ConfigState(), state))) == [plain]


def test_who_goes_on_elsewhere_is_told_what_outlives_listeners_too() -> None:
    held = CertificateAndKey(pem("one"), "key")
    state = ConfigState()
    # Of TLS with rules and a certificate; of TLS and then plain, with rules, and gone as well.
    apply(state, AddHttpsListener(HttpsListener(HttpListener(TLS))), AddCertificate(TLS, held))
    apply(state, AddHttpsFrontend(FrontendRule(TLS, "a.test")), RemoveListener(TLS))
    apply(state, AddHttpsListener(HttpsListener(HttpListener(GONE))), AddCertificate(GONE, held))
    apply(state, RemoveListener(GONE), AddHttpListener(HttpListener(GONE)))
    apply(state, AddHttpFrontend(FrontendRule(GONE, "a.test", cluster_id="app")))
    apply(state, RemoveListener(GONE), AddHttpListener(HttpListener(PLAIN)))
    assert list(dump(state)) == [AddHttpListener(HttpListener(PLAIN))]
    other = ConfigState()
    apply(other, *dump_all(state))
    assert list(dump(other)) == list(dump(state))
    assert other.hash_of("app") == state.hash_of("app")
    for one in (state, other):
        apply(one, AddHttpsListener(HttpsListener(HttpListener(TLS))))
        apply(one, AddHttpListener(HttpListener(GONE)))
    assert list(dump(other)) == list(dump(state))
    assert other.certificates(GONE) == (held,)
    # With all of them back, only that certificate outlives its listener, which is a plain one now.
    third = ConfigState()
    apply(third, *dump_all(state))
    assert list(dump(third)) == list(dump(state))
    assert third.certificates(GONE) == (held,)
    assert len(list(dump_all(state))) == len(list(dump(state))) + 3


def test_a_rule_is_taken_from_a_listener_of_its_kind() -> None:
    rule = FrontendRule(PLAIN, "a.test")
    assert remove_frontend(rule, ListenerKind.HTTP) == RemoveHttpFrontend(rule)
    assert remove_frontend(rule, ListenerKind.HTTPS) == RemoveHttpsFrontend(rule)
