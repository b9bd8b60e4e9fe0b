"""A plan is prepared aside, and committed or abandoned whole; ``test_apply`` has the rest."""

import pytest

from sozutw.config import requests as orders
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
)
from sozutw.config.state import RefusedRequestError
from sozutw.control.changes.plan import Plan
from sozutw.control.slowly import SLICE
from sozutw.relay.route import ListenerState
from tests.control.changes.test_apply import HERE, THERE, Reserved, Scene, listener, running
from tests.fakes.certificates import chained, leaf


def plan_of(scene: Scene, *requests: orders.Request) -> Plan:
    applier = scene.applier
    plan = Plan(scene.state, applier._live, scene.sockets, scene.certificates)
    for request in requests:
        plan.take(request)
    return plan


def test_an_abandoned_plan_leaves_no_socket_and_no_trace() -> None:
    scene = running()
    plan = plan_of(scene, orders.AddHttpListener(listener(THERE)), orders.ActivateListener(THERE))
    (_, reserved) = scene.sockets.reserved
    assert not reserved.is_closed
    plan.abandon()
    assert reserved.is_closed
    scene.check()


def test_a_socket_is_reserved_once_and_not_where_there_is_one() -> None:
    scene = running()
    plan = plan_of(
        scene,
        orders.AddHttpListener(listener(THERE)),
        orders.ActivateListener(THERE),
        orders.DeactivateListener(THERE),
        orders.ActivateListener(THERE),
        orders.DeactivateListener(HERE),
        orders.ActivateListener(HERE),
    )
    assert len(scene.sockets.reserved) == 2
    for _ in plan.prepare():
        pass
    plan.commit()
    scene.check()
    assert set(scene.sockets.open) == {HERE, THERE}


def test_a_socket_that_is_not_needed_in_the_end_is_closed() -> None:
    scene = running()
    plan = plan_of(
        scene,
        orders.AddHttpListener(listener(THERE)),
        orders.ActivateListener(THERE),
        orders.RemoveListener(THERE),
    )
    for _ in plan.prepare():
        pass
    plan.commit()
    scene.check()
    assert scene.sockets.reserved[-1].is_closed


def test_an_activation_that_fails_leaves_the_plan_as_it_was() -> None:
    scene = running()
    plan = plan_of(scene, orders.AddHttpListener(listener(THERE)))
    scene.sockets.fault = OSError("in use")
    with pytest.raises(OSError, match="in use"):
        plan.take(orders.ActivateListener(THERE))
    with pytest.raises(RefusedRequestError):
        plan.take(orders.RemoveCluster("nobody"))
    for _ in plan.prepare():
        pass
    plan.commit()
    scene.check()
    assert THERE in scene.applier.listeners


def test_large_changes_are_prepared_in_small_steps() -> None:
    scene = running()
    added = [
        orders.AddBackend(Backend("app", str(n), InetAddress("10.9.0.1", 1000 + n)))
        for n in range(10 * SLICE)
    ]
    rules = [
        orders.AddHttpFrontend(FrontendRule(HERE, f"h{n}.test", cluster_id="app"))
        for n in range(10 * SLICE)
    ]
    assert len(list(plan_of(scene, *added).prepare())) >= 10
    assert len(list(plan_of(scene, *rules).prepare())) >= 10
    scene.apply(*rules)
    changed = orders.AddCluster(Cluster("app", sticky_session=True))
    assert len(list(plan_of(scene, changed).prepare())) >= 10
    new = [
        orders.AddCluster(Cluster("new")),
        *[
            orders.AddBackend(Backend("new", str(n), InetAddress("10.9.0.1", 1000 + n)))
            for n in range(10 * SLICE)
        ],
    ]
    assert len(list(plan_of(scene, *new).prepare())) >= 10


def test_a_certificate_is_read_once_and_served_with_its_listener() -> None:
    scene = running()
    own, other = leaf("a.example"), leaf("b.example")
    secure = HttpsListener(HttpListener(THERE), certificate=chained(own))
    scene.apply(orders.AddHttpsListener(secure), orders.AddCertificate(THERE, chained(other)))
    before = scene.certificates._contexts[THERE]
    # What does not concern how TLS is spoken keeps its contexts, and so its sessions.
    patch = orders.ListenerPatch(strict_sni_binding=False)
    scene.apply(orders.UpdateListener(THERE, orders.ListenerKind.HTTPS, patch))
    assert scene.certificates._contexts[THERE] is before
    scene.apply(orders.ReplaceDefaultCertificate(THERE, chained(other)))
    assert scene.certificates._contexts[THERE] is before
    changed = HttpsListener(HttpListener(THERE), certificate=None)
    scene.apply(orders.RemoveListener(THERE), orders.AddHttpsListener(changed))
    fresh = scene.certificates._contexts[THERE]
    assert fresh is not before
    assert scene.certificates.names_of(chained(other)) == ("b.example",)
    assert isinstance(scene.applier.listeners[THERE], ListenerState)
    scene.apply(orders.RemoveListener(THERE))
    assert THERE not in scene.certificates._contexts
    assert Reserved().is_closed is False


@pytest.mark.parametrize("is_also_added", [False, True])
def test_a_listener_is_given_one_blank_also_if_its_own_certificate_is_added_too(
    is_also_added: bool,
) -> None:
    # As where a file names one certificate for the listener and for a host.
    scene = running()
    given: list[InetAddress] = []
    scene.certificates.blank_for = given.append
    own = chained(leaf("a.example"))
    added = [orders.AddCertificate(THERE, own)] if is_also_added else []
    secure = HttpsListener(HttpListener(THERE), certificate=own)
    scene.apply(orders.AddHttpsListener(secure), *added)
    assert given == [THERE]


def test_a_default_certificate_that_comes_in_the_same_change_is_served() -> None:
    scene = running()
    own = chained(leaf("a.example"))
    secure = HttpsListener(HttpListener(THERE))
    scene.apply(orders.AddHttpsListener(secure), orders.ReplaceDefaultCertificate(THERE, own))
    assert [shown.names for shown in scene.certificates.shown(THERE, "x.example")] == [
        ("a.example",)
    ]
