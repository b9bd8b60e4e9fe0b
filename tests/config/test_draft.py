"""A Draft, by example and against the plainest model there is."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sozutw.config.draft import Draft, apply
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
    PathType,
    Position,
    UnixAddress,
)
from sozutw.config.pem import fingerprint_of
from sozutw.config.policies import HealthCheck
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
    Request,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import AlreadySoError, ConfigState, RefusedRequestError
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8080)
THERE = InetAddress("127.0.0.1", 8081)
ONE = InetAddress("127.0.0.1", 9001)
SOCKET = UnixAddress("/run/app.sock")


def state_with(*requests: Request) -> ConfigState:
    state = ConfigState()
    for request in requests:
        apply(state, request)
        state.check_invariants()
    return state


def refusal(state: ConfigState, request: Request) -> str:
    before = seen(state)
    with pytest.raises(RefusedRequestError) as caught:
        apply(state, request)
    assert seen(state) == before
    return str(caught.value)


def seen(state: ConfigState) -> object:
    return (
        state.listeners,
        [state.is_active(a) for a in (HERE, THERE)],
        state.clusters,
        [state.frontends(a) for a in (HERE, THERE)],
        [state.backends(c) for c in ("a", "b")],
        [state.certificates(a) for a in (HERE, THERE)],
    )


def test_a_listener_is_added_once() -> None:
    listener = HttpListener(HERE)
    state = state_with(AddHttpListener(listener))
    assert state.listeners == (listener,)
    assert state.listener(HERE) is listener
    assert state.listener(THERE) is None
    assert "already a listener at 127.0.0.1:8080" in refusal(state, AddHttpListener(listener))


def test_a_listener_is_active_only_between_the_two_requests() -> None:
    state = state_with(AddHttpListener(HttpListener(HERE)))
    assert not state.is_active(HERE)
    apply(state, ActivateListener(HERE))
    apply(state, ActivateListener(HERE))
    assert state.is_active(HERE)
    apply(state, DeactivateListener(HERE))
    assert not state.is_active(HERE)


def test_a_removed_listener_is_active_no_more_when_it_comes_back() -> None:
    listener = HttpListener(HERE)
    state = state_with(AddHttpListener(listener), ActivateListener(HERE), RemoveListener(HERE))
    assert state.listeners == ()
    apply(state, AddHttpListener(listener))
    assert not state.is_active(HERE)


@pytest.mark.parametrize("verb", [RemoveListener, ActivateListener, DeactivateListener])
def test_an_unknown_listener_cannot_be_changed(verb: type[RemoveListener]) -> None:
    assert "no listener at 127.0.0.1:8080" in refusal(ConfigState(), verb(HERE))


def test_adding_a_cluster_again_replaces_it() -> None:
    better = Cluster("a", LoadBalancing.MAGLEV)
    state = state_with(AddCluster(Cluster("a")), AddCluster(Cluster("b")), AddCluster(better))
    assert state.cluster("a") is better
    assert [c.cluster_id for c in state.clusters] == ["a", "b"]


def test_a_removed_cluster_leaves_its_backends_for_when_it_returns() -> None:
    backend = Backend("a", "a-0", ONE)
    state = state_with(AddCluster(Cluster("a")), AddBackend(backend), RemoveCluster("a"))
    assert state.cluster("a") is None
    assert state.backends("a") == (backend,)
    assert "no cluster 'a'" in refusal(state, RemoveCluster("a"))


def test_adding_a_backend_again_replaces_its_options() -> None:
    better = Backend("a", "a-0", ONE, weight=7)
    state = state_with(AddBackend(Backend("a", "a-0", ONE)), AddBackend(better))
    assert state.backends("a") == (better,)


def test_the_same_name_at_another_address_is_another_backend() -> None:
    first, second = Backend("a", "a-0", ONE), Backend("a", "a-0", SOCKET)
    state = state_with(AddBackend(first), AddBackend(second))
    assert state.backends("a") == (first, second)
    apply(state, RemoveBackend("a", "a-0", ONE))
    assert state.backends("a") == (second,)


@pytest.mark.parametrize(
    "request_",
    [
        RemoveBackend("b", "a-0", ONE),
        RemoveBackend("a", "a-1", ONE),
        RemoveBackend("a", "a-0", SOCKET),
    ],
)
def test_an_unknown_backend_cannot_be_removed(request_: RemoveBackend) -> None:
    state = state_with(AddBackend(Backend("a", "a-0", ONE)))
    assert "has no backend" in refusal(state, request_)


def test_rules_keep_the_order_in_which_they_came() -> None:
    first = FrontendRule(HERE, "z.example", cluster_id="a")
    second = FrontendRule(HERE, "a.example", cluster_id="a")
    state = state_with(
        AddHttpListener(HttpListener(HERE)), AddHttpFrontend(first), AddHttpFrontend(second)
    )
    assert state.frontends(HERE) == (first, second)
    assert state.frontends(THERE) == ()


def test_a_rule_needs_its_listener() -> None:
    rule_ = FrontendRule(HERE, "a.example")
    assert "no listener" in refusal(ConfigState(), AddHttpFrontend(rule_))


def test_two_equals_rules_for_one_path_are_duplicates() -> None:
    rule_ = FrontendRule(HERE, "a.example", "/x", PathType.EQUALS, "GET", cluster_id="a")
    state = state_with(AddHttpListener(HttpListener(HERE)), AddHttpFrontend(rule_))
    other = FrontendRule(HERE, "a.example", "/x", PathType.EQUALS, "GET", cluster_id="b")
    text = refusal(state, AddHttpFrontend(other))
    assert text == (
        "GET a.example EQUALS '/x' (TREE) at 127.0.0.1:8080 already leads to cluster 'a'; "
        "remove that frontend first"
    )
    apply(state, RemoveHttpFrontend(other))
    assert state.frontends(HERE) == ()


def test_a_denying_rule_says_so_when_it_is_in_the_way() -> None:
    rule_ = FrontendRule(HERE, "a.example")
    state = state_with(AddHttpListener(HttpListener(HERE)), AddHttpFrontend(rule_))
    assert "a.example (TREE) at 127.0.0.1:8080 already denies" in refusal(
        state, AddHttpFrontend(rule_)
    )


@pytest.mark.parametrize(
    "other",
    [
        FrontendRule(THERE, "a.example", "/x"),
        FrontendRule(HERE, "b.example", "/x"),
        FrontendRule(HERE, "a.example", "/y"),
        FrontendRule(HERE, "a.example", "/x", PathType.REGEX),
        FrontendRule(HERE, "a.example", "/x", method="GET"),
        FrontendRule(HERE, "a.example", "/x", position=Position.PRE),
    ],
)
def test_what_differs_in_any_part_of_the_key_is_another_rule(other: FrontendRule) -> None:
    rule_ = FrontendRule(HERE, "a.example", "/x")
    state = state_with(
        AddHttpListener(HttpListener(HERE)),
        AddHttpListener(HttpListener(THERE)),
        AddHttpFrontend(rule_),
    )
    assert "no frontend" in refusal(state, RemoveHttpFrontend(other))
    apply(state, AddHttpFrontend(other))
    apply(state, RemoveHttpFrontend(other))
    assert state.frontends(HERE) == (rule_,)


PLAIN, TLS = HttpListener(HERE), HttpsListener(HttpListener(HERE))
ONE_HELD, OTHER_HELD = (CertificateAndKey(pem(name), "the key") for name in ("one", "other"))
NO_CERTIFICATE = CertificateAndKey("nothing", "the key")


def known_by(held: CertificateAndKey) -> str:
    return fingerprint_of(held.certificate)


def tls_state(*held: CertificateAndKey) -> ConfigState:
    return state_with(AddHttpsListener(TLS), *(AddCertificate(HERE, one) for one in held))


@pytest.mark.parametrize(
    ("listener", "request_"),
    [
        (AddHttpsListener(TLS), AddHttpFrontend(FrontendRule(HERE, "a.example"))),
        (AddHttpListener(PLAIN), AddHttpsFrontend(FrontendRule(HERE, "a.example"))),
        (AddHttpListener(PLAIN), AddCertificate(HERE, ONE_HELD)),
        (AddHttpListener(PLAIN), ReplaceCertificate(HERE, ONE_HELD, known_by(ONE_HELD))),
        (AddHttpListener(PLAIN), ReplaceDefaultCertificate(HERE, ONE_HELD)),
    ],
)
def test_what_belongs_to_the_other_kind_of_listener_is_refused(
    listener: Request, request_: Request
) -> None:
    text = refusal(state_with(listener), request_)
    assert text.startswith("the listener at 127.0.0.1:8080 speaks ")
    assert ("speaks TLS" in text) == isinstance(listener, AddHttpsListener)


@pytest.mark.parametrize(
    "request_",
    [
        AddHttpsFrontend(FrontendRule(HERE, "a.example")),
        AddCertificate(HERE, ONE_HELD),
        ReplaceCertificate(HERE, ONE_HELD, known_by(ONE_HELD)),
        ReplaceDefaultCertificate(HERE, ONE_HELD),
    ],
)
def test_what_belongs_to_tls_needs_its_listener(request_: Request) -> None:
    assert "no listener at 127.0.0.1:8080" in refusal(ConfigState(), request_)


def test_rules_of_tls_are_added_and_removed_as_others_are() -> None:
    rule_ = FrontendRule(HERE, "a.example", cluster_id="a")
    state = state_with(AddHttpsListener(TLS), AddHttpsFrontend(rule_))
    assert state.frontends(HERE) == (rule_,)
    assert "already leads to cluster 'a'" in refusal(state, AddHttpsFrontend(rule_))
    assert "no frontend" in refusal(state, RemoveHttpFrontend(rule_))
    apply(state, RemoveHttpsFrontend(rule_))
    state.check_invariants()
    assert state.frontends(HERE) == ()


@pytest.mark.parametrize(
    ("first", "rule_of", "second", "told"),
    [
        (AddHttpsListener(TLS), AddHttpsFrontend, AddHttpListener(PLAIN), "are for TLS"),
        (AddHttpListener(PLAIN), AddHttpFrontend, AddHttpsListener(TLS), "are not for TLS"),
    ],
)
def test_what_was_led_over_tls_is_never_led_in_the_clear(
    first: Request, rule_of: type[AddHttpFrontend], second: Request, told: str
) -> None:
    rule_ = FrontendRule(HERE, "a.example")
    state = state_with(first, rule_of(rule_), RemoveListener(HERE))
    assert f"the frontends at 127.0.0.1:8080 {told}; remove them" in refusal(state, second)
    apply(state, first)
    assert state.frontends(HERE) == (rule_,)


def test_an_address_without_rules_may_change_its_kind() -> None:
    rule_ = FrontendRule(HERE, "a.example")
    state = state_with(
        AddHttpListener(PLAIN),
        AddHttpFrontend(rule_),
        RemoveListener(HERE),
        RemoveHttpFrontend(rule_),
        AddHttpsListener(TLS),
    )
    assert state.listener(HERE) is TLS


def test_certificates_keep_the_order_in_which_they_came() -> None:
    state = tls_state(OTHER_HELD, ONE_HELD)
    assert state.certificates(HERE) == (OTHER_HELD, ONE_HELD)
    assert state.certificates(THERE) == ()


def test_a_known_certificate_stays_as_it_is() -> None:
    again = CertificateAndKey(pem("one") + pem("its issuer"), "another key")
    state = tls_state(ONE_HELD, again)
    assert state.certificates(HERE) == (ONE_HELD,)


@pytest.mark.parametrize(
    "request_",
    [
        AddCertificate(HERE, NO_CERTIFICATE),
        ReplaceCertificate(HERE, NO_CERTIFICATE, known_by(ONE_HELD)),
        ReplaceDefaultCertificate(HERE, NO_CERTIFICATE),
    ],
)
def test_what_is_no_certificate_changes_nothing(request_: Request) -> None:
    text = refusal(tls_state(ONE_HELD), request_)
    assert text == "that is no certificate: there is no certificate in it"


@pytest.mark.parametrize("fingerprint", [known_by(OTHER_HELD), "", "zz"])
def test_an_unknown_fingerprint_is_refused(fingerprint: str) -> None:
    state = tls_state(ONE_HELD)
    for request_ in (
        RemoveCertificate(HERE, fingerprint),
        RemoveCertificate(THERE, known_by(ONE_HELD)),
        ReplaceCertificate(HERE, OTHER_HELD, fingerprint),
    ):
        assert "has no certificate with fingerprint" in refusal(state, request_)


def test_a_fingerprint_is_known_in_capitals_too() -> None:
    state = tls_state(ONE_HELD, OTHER_HELD)
    apply(state, RemoveCertificate(HERE, known_by(ONE_HELD).upper()))
    assert state.certificates(HERE) == (OTHER_HELD,)
    apply(state, RemoveCertificate(HERE, known_by(OTHER_HELD)))
    state.check_invariants()
    assert state.certificates(HERE) == ()


def test_a_certificate_is_replaced_in_one_step() -> None:
    state = tls_state(ONE_HELD)
    apply(state, ReplaceCertificate(HERE, OTHER_HELD, known_by(ONE_HELD).upper()))
    state.check_invariants()
    assert state.certificates(HERE) == (OTHER_HELD,)


def test_a_certificate_may_be_replaced_by_itself_with_another_chain() -> None:
    again = CertificateAndKey(pem("one"), "the key", (pem("issuer"),))
    state = tls_state(ONE_HELD, OTHER_HELD)
    apply(state, ReplaceCertificate(HERE, again, known_by(ONE_HELD)))
    assert state.certificates(HERE) == (OTHER_HELD, again)


def test_a_certificate_may_be_replaced_by_one_that_is_there_already() -> None:
    state = tls_state(ONE_HELD, OTHER_HELD)
    apply(state, ReplaceCertificate(HERE, OTHER_HELD, known_by(ONE_HELD)))
    assert state.certificates(HERE) == (OTHER_HELD,)


def test_the_default_of_a_listener_is_replaced_and_nothing_else_of_it() -> None:
    state = state_with(
        AddHttpsListener(HttpsListener(HttpListener(HERE, sticky_name="MINE"))),
        ActivateListener(HERE),
        ReplaceDefaultCertificate(HERE, ONE_HELD),
    )
    (listener,) = state.listeners
    assert listener == HttpsListener(HttpListener(HERE, sticky_name="MINE"), certificate=ONE_HELD)
    assert state.is_active(HERE)
    assert state.certificates(HERE) == ()


def test_certificates_wait_for_their_listener_to_return() -> None:
    state = tls_state(ONE_HELD)
    apply(state, RemoveListener(HERE))
    state.check_invariants()
    assert state.certificates(HERE) == (ONE_HELD,)
    apply(state, AddHttpsListener(TLS))
    assert state.certificates(HERE) == (ONE_HELD,)


def test_what_waits_can_be_removed_without_a_listener() -> None:
    rule_ = FrontendRule(HERE, "a.example")
    state = tls_state(ONE_HELD)
    apply(state, AddHttpsFrontend(rule_))
    apply(state, RemoveListener(HERE))
    apply(state, RemoveCertificate(HERE, known_by(ONE_HELD)))
    apply(state, RemoveHttpsFrontend(rule_))
    state.check_invariants()
    assert (state.certificates(HERE), state.frontends(HERE)) == ((), ())


ADDRESSES = st.sampled_from([HERE, THERE])
CLUSTERS = st.sampled_from(["a", "b"])
BACKENDS = st.builds(
    Backend,
    CLUSTERS,
    st.sampled_from(["0", "1"]),
    st.sampled_from([ONE, SOCKET]),
    weight=st.integers(1, 2),
)
RULES = st.builds(
    FrontendRule,
    ADDRESSES,
    st.sampled_from(["x.example", "*"]),
    st.sampled_from(["", "/p"]),
    st.sampled_from(list(PathType)),
    cluster_id=st.none() | CLUSTERS,
)


class StateAgainstModel(RuleBasedStateMachine):
    """The model is four plain lists, searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ConfigState()
        self.listeners: list[HttpListener] = []
        self.active: list[InetAddress] = []
        self.clusters: list[Cluster] = []
        self.frontends: list[FrontendRule] = []
        self.backends: list[Backend] = []

    def ask(self, request: Request, *, is_fine: bool) -> None:
        if is_fine:
            apply(self.state, request)
        else:
            refusal(self.state, request)

    @rule(address=ADDRESSES, name=st.sampled_from(["S", "T"]))
    def add_listener(self, address: InetAddress, name: str) -> None:
        listener = HttpListener(address, sticky_name=name)
        is_new = all(known.address != address for known in self.listeners)
        self.ask(AddHttpListener(listener), is_fine=is_new)
        self.listeners += [listener] * is_new

    @rule(address=ADDRESSES)
    def remove_listener(self, address: InetAddress) -> None:
        found = [known for known in self.listeners if known.address == address]
        self.ask(RemoveListener(address), is_fine=bool(found))
        self.listeners = [known for known in self.listeners if known not in found]
        self.active = [a for a in self.active if a != address]

    @rule(address=ADDRESSES)
    def activate(self, address: InetAddress) -> None:
        is_known = any(known.address == address for known in self.listeners)
        self.ask(ActivateListener(address), is_fine=is_known)
        self.active += [address] * is_known

    @rule(address=ADDRESSES)
    def deactivate(self, address: InetAddress) -> None:
        is_known = any(known.address == address for known in self.listeners)
        self.ask(DeactivateListener(address), is_fine=is_known)
        self.active = [a for a in self.active if a != address]

    @rule(cluster_id=CLUSTERS, policy=st.sampled_from(list(LoadBalancing)))
    def add_cluster(self, cluster_id: str, policy: LoadBalancing) -> None:
        cluster = Cluster(cluster_id, policy)
        apply(self.state, AddCluster(cluster))
        ids = [known.cluster_id for known in self.clusters]
        if cluster_id in ids:
            self.clusters[ids.index(cluster_id)] = cluster
        else:
            self.clusters.append(cluster)

    @rule(cluster_id=CLUSTERS)
    def remove_cluster(self, cluster_id: str) -> None:
        found = [known for known in self.clusters if known.cluster_id == cluster_id]
        self.ask(RemoveCluster(cluster_id), is_fine=bool(found))
        self.clusters = [known for known in self.clusters if known not in found]

    @rule(wanted=RULES)
    def add_frontend(self, wanted: FrontendRule) -> None:
        has_listener = any(known.address == wanted.address for known in self.listeners)
        is_new = all(not is_same_rule(known, wanted) for known in self.frontends)
        self.ask(AddHttpFrontend(wanted), is_fine=has_listener and is_new)
        self.frontends += [wanted] * (has_listener and is_new)

    @precondition(lambda self: self.frontends)
    @rule(wanted=RULES)
    def remove_frontend(self, wanted: FrontendRule) -> None:
        found = [known for known in self.frontends if is_same_rule(known, wanted)]
        self.ask(RemoveHttpFrontend(wanted), is_fine=bool(found))
        self.frontends = [known for known in self.frontends if known not in found]

    @rule(wanted=BACKENDS)
    def add_backend(self, wanted: Backend) -> None:
        apply(self.state, AddBackend(wanted))
        for index, known in enumerate(self.backends):
            if is_same_backend(known, wanted):
                self.backends[index] = wanted
                return
        self.backends.append(wanted)

    @precondition(lambda self: self.backends)
    @rule(wanted=BACKENDS)
    def remove_backend(self, wanted: Backend) -> None:
        found = [known for known in self.backends if is_same_backend(known, wanted)]
        request = RemoveBackend(wanted.cluster_id, wanted.backend_id, wanted.address)
        self.ask(request, is_fine=bool(found))
        self.backends = [known for known in self.backends if known not in found]

    @invariant()
    def state_and_model_agree(self) -> None:
        self.state.check_invariants()
        assert self.state.listeners == tuple(self.listeners)
        assert self.state.clusters == tuple(self.clusters)
        for address in (HERE, THERE):
            assert self.state.is_active(address) == (address in self.active)
            rules = tuple(known for known in self.frontends if known.address == address)
            assert self.state.frontends(address) == rules
        for cluster_id in ("a", "b"):
            backends = tuple(known for known in self.backends if known.cluster_id == cluster_id)
            assert self.state.backends(cluster_id) == backends


def is_same_rule(one: FrontendRule, other: FrontendRule) -> bool:
    parts = ("address", "hostname", "path", "path_type", "method", "position")
    return all(getattr(one, part) == getattr(other, part) for part in parts)


def is_same_backend(one: Backend, other: Backend) -> bool:
    parts = ("cluster_id", "backend_id", "address")
    return all(getattr(one, part) == getattr(other, part) for part in parts)


TestStateAgainstModel = StateAgainstModel.TestCase


def test_a_draft_tells_what_its_commit_will_change() -> None:
    state = state_with(
        AddHttpListener(HttpListener(HERE)),
        AddHttpsListener(HttpsListener(HttpListener(THERE))),
        AddCluster(Cluster("a")),
        AddCertificate(THERE, ONE_HELD),
        AddBackend(Backend("a", "0", ONE)),
    )
    draft = Draft(state)
    rule_ = FrontendRule(HERE, "x.example", cluster_id="a")
    for request in (
        RemoveCluster("a"),
        AddHttpFrontend(rule_),
        ActivateListener(HERE),
        RemoveCertificate(THERE, known_by(ONE_HELD)),
        RemoveBackend("a", "0", ONE),
        UpdateListener(HERE, ListenerKind.HTTP, ListenerPatch(sticky_name="S")),
    ):
        draft.apply(request)
    (listener,) = draft.changed_listeners()
    assert (listener.key, listener.new.sticky_name) == (HERE, "S")
    assert [(c.key, c.old, c.new) for c in draft.changed_activity()] == [(HERE, None, True)]
    assert [(c.key, c.new) for c in draft.changed_clusters()] == [("a", None)]
    ((address, rules),) = draft.changed_frontends()
    assert (address, [c.new for c in rules]) == (HERE, [rule_])
    ((_, certificates),) = draft.changed_certificates()
    assert [(c.old, c.new) for c in certificates] == [(ONE_HELD, None)]
    ((cluster_id, backends),) = draft.changed_backends()
    assert (cluster_id, [c.new for c in backends]) == ("a", [None])
    assert state.cluster("a") is not None


def test_a_listener_is_updated_in_place_and_by_its_kind() -> None:
    state = state_with(AddHttpListener(HttpListener(HERE)))
    patch = ListenerPatch(sticky_name="S")
    apply(state, UpdateListener(HERE, ListenerKind.HTTP, patch))
    (listener,) = state.listeners
    assert isinstance(listener, HttpListener)
    assert listener.sticky_name == "S"
    for verb in (RemoveListener, ActivateListener, DeactivateListener):
        text = refusal(state, verb(HERE, ListenerKind.HTTPS))
        assert text == f"the listener at {HERE} is for http and not for https; name another"
    assert "https" in refusal(state, UpdateListener(HERE, ListenerKind.HTTPS, patch))
    assert "add it first" in refusal(state, UpdateListener(THERE, ListenerKind.HTTP, patch))


def test_a_health_check_is_set_and_removed() -> None:
    state = state_with(AddCluster(Cluster("a")))
    apply(state, SetHealthCheck("a", HealthCheck("/up")))
    assert state.cluster("a") == Cluster("a", health_check=HealthCheck("/up"))
    apply(state, RemoveHealthCheck("a"))
    assert state.cluster("a") == Cluster("a")
    assert "no health check" in refusal(state, RemoveHealthCheck("a"))
    assert "add it first" in refusal(state, SetHealthCheck("b", HealthCheck("/up")))


def test_what_is_so_already_is_no_change_and_is_told_apart() -> None:
    rule_ = FrontendRule(HERE, "x.example", cluster_id="a")
    first = [
        AddHttpListener(HttpListener(HERE)),
        AddCluster(Cluster("a")),
        AddBackend(Backend("a", "0", ONE)),
        AddHttpFrontend(rule_),
    ]
    state = state_with(*first)
    draft = Draft(state)
    for again in (first[0], first[3]):
        with pytest.raises(AlreadySoError):
            draft.apply(again)
    draft.apply(first[1])
    draft.apply(first[2])
    assert list(draft.changed_clusters()) == []
    assert [list(changes) for _, changes in draft.changed_backends()] == [[]]
    other = AddHttpListener(HttpListener(HERE, sticky_name="S"))
    with pytest.raises(RefusedRequestError) as caught:
        draft.apply(other)
    assert not isinstance(caught.value, AlreadySoError)


def test_a_draft_that_was_settled_comes_to_the_same_and_changes_nothing_before():
    requests = [
        AddHttpListener(HttpListener(HERE)),
        AddCluster(Cluster("app")),
        *(AddHttpFrontend(FrontendRule(HERE, f"h{n}.test", cluster_id="app")) for n in range(600)),
        *(AddBackend(Backend("app", f"b{n}", InetAddress("10.0.0.1", n + 1))) for n in range(600)),
    ]
    plain = state_with(*requests)
    state = ConfigState()
    before = state.hash_of("app")
    draft = Draft(state)
    for request in requests:
        draft.apply(request)
    assert sum(1 for _ in draft.settle()) >= 6
    assert state.is_same_as(ConfigState())
    draft.commit()
    state.check_invariants()
    assert state.is_same_as(plain)
    assert before != state.hash_of("app") == plain.hash_of("app")


def test_a_large_draft_is_settled_in_small_steps_and_comes_to_the_same() -> None:
    state = state_with(AddHttpListener(HttpListener(HERE)))
    draft = Draft(state)
    for n in range(300):
        draft.apply(AddHttpFrontend(FrontendRule(HERE, f"h{n}.example", cluster_id=str(n))))
        draft.apply(AddBackend(Backend(str(n), "0", ONE)))
    assert sum(1 for _ in draft.settle()) > 1
    assert state.frontends(HERE) == ()
    draft.commit()
    state.check_invariants()
    assert len(state.frontends(HERE)) == 300
    assert state.backends("299") == (Backend("299", "0", ONE),)
