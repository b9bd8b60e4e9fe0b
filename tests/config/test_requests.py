"""In which order a configuration is asked for."""

from sozutw.config.draft import apply
from sozutw.config.model import (
    Backend,
    Certificate,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Settings,
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
    requests_of,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8080)
LISTENER = HttpListener(HERE)
A, B = Cluster("a"), Cluster("b")
TO_A = FrontendRule(HERE, "a.example", cluster_id="a")
TO_B = FrontendRule(HERE, "b.example", cluster_id="b")
DENY = FrontendRule(HERE, "*")
A_0 = Backend("a", "a-0", InetAddress("127.0.0.1", 9000))
B_0 = Backend("b", "b-0", InetAddress("127.0.0.1", 9001))
CONFIG = Config(
    listeners=(LISTENER,),
    clusters=(A, B),
    frontends=(DENY, TO_B, TO_A),
    backends=(B_0, A_0),
)


def test_listeners_come_first_and_are_activated_last() -> None:
    assert requests_of(CONFIG) == [
        AddHttpListener(LISTENER),
        AddCluster(A),
        AddHttpFrontend(TO_A),
        AddBackend(A_0),
        AddCluster(B),
        AddHttpFrontend(TO_B),
        AddBackend(B_0),
        AddHttpFrontend(DENY),
        ActivateListener(HERE),
    ]


def test_listeners_stay_silent_when_they_are_not_to_be_activated() -> None:
    config = Config(Settings(activate_listeners=False), (LISTENER,))
    assert requests_of(config) == [AddHttpListener(LISTENER)]


def test_what_refers_to_no_cluster_is_asked_for_all_the_same() -> None:
    config = Config(listeners=(LISTENER,), frontends=(TO_A,), backends=(A_0,))
    assert AddHttpFrontend(TO_A) in requests_of(config)
    assert AddBackend(A_0) in requests_of(config)


def test_listeners_of_tls_have_their_certificates_before_anyone_is_let_in() -> None:
    there = InetAddress("127.0.0.1", 8443)
    tls = HttpsListener(HttpListener(there))
    held = CertificateAndKey(pem("one"), "the key")
    to_a = FrontendRule(there, "a.example", cluster_id="a")
    config = Config(
        listeners=(LISTENER,),
        https_listeners=(tls,),
        clusters=(A,),
        frontends=(TO_A,),
        https_frontends=(to_a,),
        certificates=(Certificate(there, held),),
    )
    assert requests_of(config) == [
        AddHttpListener(LISTENER),
        AddHttpsListener(tls),
        AddCertificate(there, held),
        AddCluster(A),
        AddHttpFrontend(TO_A),
        AddHttpsFrontend(to_a),
        ActivateListener(HERE),
        ActivateListener(there),
    ]


def test_an_empty_state_takes_all_of_them() -> None:
    state = ConfigState()
    for request in requests_of(CONFIG):
        apply(state, request)
    assert state.listeners == CONFIG.listeners
    assert state.clusters == CONFIG.clusters
    assert set(state.frontends(HERE)) == set(CONFIG.frontends)
    assert state.backends("a") + state.backends("b") == (A_0, B_0)
