"""The difference between what is in force and what a file asks for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

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
    Position,
    Settings,
)
from sozutw.config.requests import (
    AddCertificate,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveHttpsFrontend,
    RemoveListener,
    requests_of,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState
from sozutw.control.changes.reload import Difference
from tests.config.conftest import pem

PLACES = [InetAddress("127.0.0.1", port) for port in (8080, 8081)]
CLUSTERS = st.sampled_from(["a", "b"])


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A configuration that a file could ask for: nothing in it refers to what is missing."""
    plain, secure = [], []
    for address in PLACES:
        kind = draw(st.sampled_from(["none", "http", "https"]))
        listener = HttpListener(address, sticky_name=draw(st.sampled_from(["S", "T"])))
        if kind == "http":
            plain.append(listener)
        elif kind == "https":
            secure.append(HttpsListener(listener))

    def rules(addresses: list[InetAddress]) -> tuple[FrontendRule, ...]:
        if not addresses:
            return ()
        every = st.builds(
            FrontendRule,
            st.sampled_from(addresses),
            st.sampled_from(["x.test", "y.test"]),
            position=st.sampled_from(Position),
            cluster_id=CLUSTERS,
            tags=st.sampled_from([{}, {"owner": "me"}]),
        )
        found = draw(
            st.lists(every, max_size=5, unique_by=lambda r: (r.address, r.hostname, r.position))
        )
        return tuple(found)

    backends = st.builds(
        Backend, CLUSTERS, st.sampled_from("01"), st.just(PLACES[0]), weight=st.integers(1, 2)
    )
    return Config(
        Settings(activate_listeners=draw(st.booleans())),
        listeners=tuple(plain),
        https_listeners=tuple(secure),
        clusters=tuple(
            Cluster(name, sticky_session=draw(st.booleans())) for name in draw(st.sets(CLUSTERS))
        ),
        frontends=rules([one.address for one in plain]),
        https_frontends=rules([one.address for one in secure]),
        backends=tuple(
            draw(st.lists(backends, max_size=3, unique_by=lambda b: (b.cluster_id, b.backend_id)))
        ),
    )


def state_of(config: Config) -> ConfigState:
    state = ConfigState()
    apply(state, *requests_of(config))
    return state


def done(state: ConfigState, config: Config, *, keeps: bool = False) -> Difference:
    difference = Difference(state, config, keeps=keeps)
    apply(state, *[request for request in list(difference.steps()) if request is not None])
    state.check_invariants()
    return difference


@given(configs(), configs())
def test_a_reload_makes_the_file_true_and_a_second_one_changes_nothing(
    old: Config, new: Config
) -> None:
    state = state_of(old)
    done(state, new)
    assert state.is_same_as(state_of(new))
    assert done(state, new).requests == []


@given(configs(), configs())
def test_with_keep_all_of_the_file_holds_and_the_rest_stays(old: Config, new: Config) -> None:
    state = state_of(old)
    done(state, new, keeps=True)
    assert set(new.clusters) <= set(state.clusters)
    for listener in (*new.listeners, *new.https_listeners):
        assert state.listener(listener.address) == listener
    for rule in (*new.frontends, *new.https_frontends):
        assert rule in state.frontends(rule.address)
    for backend in new.backends:
        assert backend in state.backends(backend.cluster_id)
    names = {cluster.cluster_id for cluster in state.clusters}
    assert names >= {cluster.cluster_id for cluster in old.clusters}
    for listener in (*old.listeners, *old.https_listeners):
        assert state.listener(listener.address) is not None
    assert done(state, new, keeps=True).requests == []


def test_with_keep_what_waits_for_its_listener_stays() -> None:
    http = HttpListener(PLACES[0])
    rule, held = FrontendRule(PLACES[0], "x.test"), CertificateAndKey(pem("one"), "key")
    state = ConfigState()
    add = AddHttpsListener(HttpsListener(http))
    apply(state, add, AddHttpsFrontend(rule), AddCertificate(PLACES[0], held))
    apply(state, RemoveListener(PLACES[0]))
    assert done(state, Config(), keeps=True).requests == []
    assert state.frontends(PLACES[0]) == (rule,)
    assert state.certificates(PLACES[0]) == (held,)
    # A plain listener there has no use for certificates, which wait on.
    apply(state, RemoveHttpsFrontend(rule), AddHttpListener(http))
    done(state, Config(clusters=(Cluster("a"),)), keeps=True)
    assert state.certificates(PLACES[0]) == (held,)
    assert not done(state, Config(listeners=(http,))).state.certificates(PLACES[0])


def test_a_large_file_is_compared_in_small_steps() -> None:
    many = Config(clusters=tuple(Cluster(str(n)) for n in range(1000)))
    assert list(Difference(state_of(many), many).steps()).count(None) >= 15
    assert list(Difference(state_of(many), many, keeps=True).steps()).count(None) >= 15


def test_a_certificate_with_another_chain_takes_the_place_of_the_one_that_is_kept() -> None:
    here = PLACES[0]
    one = CertificateAndKey(pem("one"), "key")
    other = replace(one, chain=(pem("root"),))
    https = HttpsListener(HttpListener(here))
    config = Config(https_listeners=(https,), certificates=(Certificate(here, one),))
    state = state_of(config)
    done(state, replace(config, certificates=(Certificate(here, other),)), keeps=True)
    assert state.certificates(here) == (other,)
