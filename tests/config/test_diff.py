"""A difference makes one configuration into another, and names nothing that stays."""

from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.diff import diff
from sozutw.config.draft import apply
from sozutw.config.dump import dump
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
    Position,
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
    DeactivateListener,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveListener,
    Request,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState, RefusedRequestError
from tests.config.conftest import pem

PLACES = [InetAddress("127.0.0.1", port) for port in (8080, 8081, 8443)]
ADDRESSES = st.sampled_from(PLACES)
CLUSTERS = st.sampled_from(["a", "b", "c"])
HELD = [CertificateAndKey(pem(name), "key") for name in ("one", "two", "three")]
RULES = st.builds(
    FrontendRule,
    ADDRESSES,
    st.sampled_from(["x.example", "y.example", "*"]),
    st.sampled_from(["", "/p"]),
    position=st.sampled_from(Position),
    cluster_id=st.none() | CLUSTERS,
    tags=st.sampled_from([{}, {"owner": "me"}]),
)
HTTP = st.builds(HttpListener, ADDRESSES, sticky_name=st.sampled_from(["S", "T"]))
REQUESTS = st.one_of(
    st.builds(AddHttpListener, HTTP),
    st.builds(
        AddHttpsListener,
        st.builds(HttpsListener, HTTP, strict_sni_binding=st.booleans()),
    ),
    st.builds(RemoveListener, ADDRESSES),
    st.builds(ActivateListener, ADDRESSES),
    st.builds(DeactivateListener, ADDRESSES),
    st.builds(AddCluster, st.builds(Cluster, CLUSTERS, st.sampled_from(LoadBalancing))),
    st.builds(RemoveCluster, CLUSTERS),
    st.builds(AddHttpFrontend, RULES),
    st.builds(AddHttpsFrontend, RULES),
    st.builds(RemoveHttpFrontend, RULES),
    st.builds(AddCertificate, ADDRESSES, st.sampled_from(HELD)),
    st.builds(
        AddBackend,
        st.builds(
            Backend, CLUSTERS, st.sampled_from(["0", "1"]), ADDRESSES, weight=st.integers(1, 2)
        ),
    ),
    st.builds(RemoveBackend, CLUSTERS, st.sampled_from(["0", "1"]), ADDRESSES),
)


def made_of(requests: list[Request]) -> ConfigState:
    state = ConfigState()
    for request in requests:
        try:
            apply(state, request)
        except RefusedRequestError:
            continue
    return state


def requests_from(old: ConfigState, new: ConfigState) -> list[Request]:
    return [request for request in diff(old, new) if request is not None]


LISTENERS: list[Request] = [
    AddHttpListener(HttpListener(PLACES[0])),
    AddHttpListener(HttpListener(PLACES[1])),
    AddHttpsListener(HttpsListener(HttpListener(PLACES[2]))),
]
STATES = st.lists(REQUESTS, max_size=30).flatmap(
    lambda some: st.sampled_from([some, LISTENERS + some])
)


@given(STATES, STATES)
def test_it_makes_the_one_into_the_other(first: list[Request], second: list[Request]) -> None:
    old = made_of(first)
    new = ConfigState()
    apply(new, *dump(made_of(second)))  # Without what waits for its listener.
    apply(old, *requests_from(old, new))
    old.check_invariants()
    assert old.is_same_as(new)
    assert requests_from(old, new) == []


@given(STATES)
def test_what_is_dumped_makes_the_same_again(requests: list[Request]) -> None:
    state = made_of(requests)
    once = ConfigState()
    apply(once, *dump(state))
    once.check_invariants()
    again = ConfigState()
    apply(again, *dump(once))
    assert again.is_same_as(once)
    assert list(dump(again)) == list(dump(once))
    assert set(once.listeners) == set(state.listeners)
    assert once.clusters == state.clusters


def test_only_what_differs_is_named() -> None:
    rules = [FrontendRule(PLACES[0], f"{n}.example", cluster_id="a") for n in range(5)]
    common: list[Request] = [*LISTENERS, AddCluster(Cluster("a")), AddCluster(Cluster("b"))]
    old = made_of([*common, *map(AddHttpFrontend, rules[:4]), ActivateListener(PLACES[0])])
    new = made_of([*common, *map(AddHttpFrontend, rules[1:]), ActivateListener(PLACES[1])])
    assert requests_from(old, new) == [
        RemoveHttpFrontend(rules[0]),
        DeactivateListener(PLACES[0], ListenerKind.HTTP),
        AddHttpFrontend(rules[4]),
        ActivateListener(PLACES[1], ListenerKind.HTTP),
    ]


def test_of_rules_that_compete_those_behind_the_difference_come_again() -> None:
    rules = [
        FrontendRule(PLACES[0], f"{n}.example", cluster_id="a", position=Position.PRE)
        for n in range(4)
    ]
    old = made_of([*LISTENERS, *map(AddHttpFrontend, [rules[0], rules[2], rules[3]])])
    new = made_of([*LISTENERS, *map(AddHttpFrontend, rules)])
    assert requests_from(old, new) == [
        RemoveHttpFrontend(rules[2]),
        RemoveHttpFrontend(rules[3]),
        *map(AddHttpFrontend, rules[1:]),
    ]


def test_certificates_that_are_not_wanted_any_more_go() -> None:
    tls = PLACES[2]
    old = made_of([*LISTENERS, AddCertificate(tls, HELD[0]), AddCertificate(tls, HELD[1])])
    new = made_of([*LISTENERS, AddCertificate(tls, HELD[1])])
    ((removal),) = requests_from(old, new)
    assert isinstance(removal, RemoveCertificate)


def test_certificates_that_outlive_their_listener_are_nothing_to_add() -> None:
    tls = PLACES[2]
    state = made_of([*LISTENERS, AddCertificate(tls, HELD[0]), RemoveListener(tls)])
    plain = AddHttpListener(HttpListener(tls))
    apply(state, plain)
    assert list(dump(state)) == [*LISTENERS[:2], plain]
    assert requests_from(ConfigState(), state) == [*LISTENERS[:2], plain]


def test_there_is_a_pause_now_and_then() -> None:
    many = [AddCluster(Cluster(str(n))) for n in range(1000)]
    assert list(diff(made_of([*many]), made_of([*many]))).count(None) >= 3


def test_what_waits_for_its_listener_cannot_be_added_and_is_left_out() -> None:
    rule = FrontendRule(PLACES[0], "x.example", cluster_id="a")
    new = made_of(
        [
            *LISTENERS,
            AddHttpFrontend(rule),
            AddCertificate(PLACES[2], HELD[0]),
            RemoveListener(PLACES[0]),
            RemoveListener(PLACES[2]),
        ]
    )
    assert requests_from(made_of(LISTENERS[1:2]), new) == []
