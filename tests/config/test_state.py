"""What a state tells of itself: views, hashes, and when two are the same."""

import pytest

from sozutw.config.draft import Draft, apply
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    Position,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsListener,
    RemoveCluster,
    RemoveHttpFrontend,
    Request,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8080)
ONE = InetAddress("127.0.0.1", 9001)
HELD = CertificateAndKey(pem("one"), "key")


def rule(host: str = "a.test", cluster_id: str | None = "app", **options: object) -> FrontendRule:
    return FrontendRule(HERE, host, cluster_id=cluster_id, **options)  # type: ignore[arg-type]


def some(*more: Request) -> ConfigState:
    state = ConfigState()
    apply(
        state,
        AddHttpListener(HttpListener(HERE)),
        AddCluster(Cluster("app")),
        AddHttpFrontend(rule()),
        AddHttpFrontend(rule("denied.test", None)),
        AddBackend(Backend("app", "app-0", ONE)),
        ActivateListener(HERE),
        *more,
    )
    state.check_invariants()
    return state


def test_rules_are_found_by_what_they_lead_to() -> None:
    state = some()
    assert state.frontends_of("app") == (rule(),)
    assert state.frontends_of(None) == (rule("denied.test", None),)
    assert state.frontends_of("nobody") == ()
    apply(state, RemoveHttpFrontend(rule(cluster_id="not asked")))
    assert state.frontends_of("app") == ()
    state.check_invariants()


def test_it_tells_which_addresses_and_clusters_hold_something() -> None:
    state = some()
    assert state.addresses_of_frontends() == (HERE,)
    assert state.kind_at(HERE) is ListenerKind.HTTP
    assert state.kind_at(ONE) is None
    assert state.addresses_of_certificates() == ()
    assert [one.address for one in state.listeners] == [HERE]
    assert state.is_active(HERE)
    assert not state.is_active(ONE)
    apply(state, AddHttpsListener(HttpsListener(HttpListener(ONE))), AddCertificate(ONE, HELD))
    state.check_invariants()
    assert state.addresses_of_certificates() == (ONE,)
    assert state.certificates(ONE) == (HELD,)
    assert state.listener(ONE) is not None
    assert state.clusters_of_backends() == ("app",)


@pytest.mark.parametrize(
    "request_",
    [
        AddCluster(Cluster("app", sticky_session=True)),
        RemoveCluster("app"),
        AddHttpFrontend(rule("b.test")),
        RemoveHttpFrontend(rule()),
        AddBackend(Backend("app", "app-0", ONE, weight=7)),
        AddBackend(Backend("app", "app-1", ONE)),
        AddHttpFrontend(rule("tagged.test", tags={"owner": "me"})),
    ],
)
def test_a_hash_differs_when_anything_of_its_cluster_does(request_: Request) -> None:
    state = some()
    other = some(AddCluster(Cluster("other")))
    before = state.hash_of("app")
    assert other.hash_of("app") == before
    assert other.hash_of("other") != before
    apply(state, request_)
    assert state.hash_of("app") != before


def test_tags_are_part_of_a_hash_and_their_order_is_not() -> None:
    one = some(AddHttpFrontend(rule("b.test", tags={"a": "1", "b": "2"})))
    same = some(AddHttpFrontend(rule("b.test", tags={"b": "2", "a": "1"})))
    other = some(AddHttpFrontend(rule("b.test", tags={"a": "1", "b": "3"})))
    assert one.hash_of("app") == same.hash_of("app")
    assert one.hash_of("app") != other.hash_of("app")


def test_what_another_cluster_does_leaves_a_hash_as_it_is() -> None:
    state = some()
    before = state.hash_of("app")
    apply(state, AddCluster(Cluster("other")), AddBackend(Backend("other", "0", ONE)))
    assert state.hash_of("app") == before


def test_the_order_counts_only_where_it_decides() -> None:
    a, b = AddHttpFrontend(rule("x.test", "app")), AddHttpFrontend(rule("y.test", "app"))
    assert some(a, b).is_same_as(some(b, a))
    assert not some(a).is_same_as(some(b))
    pre = [AddHttpFrontend(rule(host, position=Position.PRE)) for host in ("x.test", "y.test")]
    assert not some(*pre).is_same_as(some(*reversed(pre)))
    one_host = [AddHttpFrontend(rule("x.test", path=path)) for path in ("/a", "/b")]
    assert not some(*one_host).is_same_as(some(*reversed(one_host)))


def test_a_draft_is_a_view_and_the_state_waits_for_its_commit() -> None:
    state = some()
    before = state.hash_of("app")
    draft = Draft(state)
    draft.apply(AddCluster(Cluster("new")))
    draft.apply(RemoveHttpFrontend(rule()))
    assert [cluster.cluster_id for cluster in draft.clusters] == ["app", "new"]
    assert draft.frontends(HERE) == (rule("denied.test", None),)
    assert state.cluster("new") is None
    assert state.hash_of("app") == before
    draft.commit()
    assert state.cluster("new") is not None
    assert state.hash_of("app") != before
