"""Messages become orders, and orders messages: each verb, and the law of both."""

import pytest
from hypothesis import given

from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    ListenerKind,
    Redirect,
)
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
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import (
    CHANGES,
    Order,
    UnservedRequestError,
    message_of,
    request_of,
    warnings_of,
)
from tests.fakes.messages import (
    HERE,
    LEAF,
    PRINT,
    THERE,
    backend,
    certificate,
    cluster,
    frontend,
    here,
    http_listener,
    http_update,
    https_frontend,
    https_listener,
    https_update,
    over_the_wire,
    refusal,
    rule,
    set_health_check,
    there,
)
from tests.fakes.requests import by_order

BY_ORDER = by_order()


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
    ],
)
def test_what_is_no_order_is_refused(message: pb.Request, text: str) -> None:
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
