"""Questions about the whole, and what each is answered."""

from typing import Any

import pytest

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
)
from sozutw.config.policies import HealthCheck
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    ListenerPatch,
    RemoveListener,
    UpdateListener,
)
from sozutw.config.state import ConfigState
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.queries import (
    PROCESSING,
    RequestCounts,
    configured_counts,
    connection_limit,
    frontends,
    health_checks,
    listeners,
    status,
    workers,
)
from tests.fakes.steps import counted, whole
from tests.fakes.worker import LISTENER, FakeWorld

TLS = InetAddress("::1", 8443)


def world() -> FakeWorld:
    """A plain listener that is active, one of TLS that is not, and a rule at each."""
    scene = FakeWorld("A", "B", cluster=Cluster("app", health_check=HealthCheck("/health")))
    scene.apply(
        AddHttpsListener(HttpsListener(HttpListener(TLS))),
        AddHttpsFrontend(FrontendRule(TLS, "Secure.example", cluster_id="app")),
        AddHttpFrontend(FrontendRule(LISTENER, "deny.example")),
        AddCluster(Cluster("unprobed")),
    )
    return scene


def state() -> ConfigState:
    return world().applier.state


def check(response: pb.Response, message: str, kind: str) -> Any:
    """Demand a whole OK; return its content."""
    assert response.status == pb.OK
    assert response.message == message
    assert response.SerializeToString()
    assert response.content.WhichOneof("content_type") == kind
    return getattr(response.content, kind)


def filters(**wish: Any) -> pb.FrontendFilters:
    return pb.FrontendFilters(**{"http": False, "https": False, "tcp": False, **wish})


def hosts(told: pb.ListedFrontends) -> tuple[list[str], list[str]]:
    http, https = told.http_frontends, told.https_frontends
    return [rule.hostname for rule in http], [rule.hostname for rule in https]


RUNNING = pb.WorkerInfo(id=0, pid=42, run_state=pb.RUNNING)


def leaving(worker: int, seconds_left: float | None, **drain: float) -> pb.WorkerInfo:
    whole = {"idle": 0, "exchange": 0, "tunnel": 0, "closing": 0, "oldest_seconds": 0.0} | drain
    state = pb.DrainState(**whole, seconds_left=seconds_left)
    return pb.WorkerInfo(id=worker, pid=43, run_state=pb.STOPPING, drain=state)


def test_workers_are_told_as_they_are() -> None:
    listed = check(workers([RUNNING]), "Successfully listed workers", "workers")
    assert list(listed.vec) == [RUNNING]
    text = "Successfully collected the status of workers"
    assert list(check(status([RUNNING]), text, "workers").vec) == [RUNNING]


def test_whom_several_wait_for_is_told_together() -> None:
    one = leaving(0, 5.0, idle=1, tunnel=1, oldest_seconds=3.0)
    other = leaving(1, 7.0, exchange=2, closing=1, oldest_seconds=9.0)
    text = (
        "Successfully collected the status of workers: stopping, 5 connections left "
        "(1 idle, 2 in an exchange, 1 tunnel, 1 closing), the oldest for 9 s, at most 7 s more"
    )
    told = check(status([RUNNING, one, other]), text, "workers")
    assert list(told.vec) == [RUNNING, one, other]
    endless = leaving(0, None, idle=1, oldest_seconds=12.0)
    text = "Successfully collected the status of workers: stopping, 4 connections left "
    text += "(1 idle, 2 in an exchange, 1 closing), the oldest for 12 s, no deadline"
    check(status([RUNNING, endless, other]), text, "workers")


def test_listeners_are_told_by_address_active_or_not() -> None:
    told = check(listeners(state()), "Successfully listed listeners", "listeners_list")
    assert {name: one.active for name, one in told.http_listeners.items()} == {str(LISTENER): True}
    assert {name: one.active for name, one in told.https_listeners.items()} == {"[::1]:8443": False}


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, (["*", "deny.example"], ["secure.example"])),
        ({"http": True, "https": True}, (["*", "deny.example"], ["secure.example"])),
        ({"http": True}, (["*", "deny.example"], [])),
        ({"https": True}, ([], ["secure.example"])),
        ({"tcp": True}, ([], [])),
        ({"domain": "Y.Exam"}, (["deny.example"], [])),
        ({"domain": "example"}, (["deny.example"], ["secure.example"])),
        ({"domain": "example", "https": True}, ([], ["secure.example"])),
        ({"domain": "nowhere"}, ([], [])),
    ],
)
def test_frontends_are_told_by_kind_and_part_of_the_host(wish: Any, expected: Any) -> None:
    response = whole(frontends(state(), filters(**wish)))
    told = check(response, "Successfully listed frontends", "frontend_list")
    http, https = hosts(told)
    assert (http, [host.lower() for host in https]) == expected


def test_frontends_whose_listener_is_gone_are_told_by_what_they_were_for() -> None:
    scene = world()
    scene.apply(RemoveListener(TLS, ListenerKind.HTTPS))
    http, https = hosts(whole(frontends(scene.applier.state, filters())).content.frontend_list)
    assert (len(http), len(https)) == (2, 1)


def test_health_checks_are_told_of_all_that_are_probed_or_of_one() -> None:
    text = "Successfully listed health check configurations"
    held = state()
    for cluster_id in (None, "app"):
        told = check(health_checks(held, cluster_id), text, "health_checks_list")
        assert {name: one.uri for name, one in told.map.items()} == {"app": "/health"}
    assert not check(health_checks(held, "unprobed"), text, "health_checks_list").map
    missing = f"{text}; there is no cluster 'nope'"
    assert not check(health_checks(held, "nope"), missing, "health_checks_list").map


@pytest.mark.parametrize(("limit", "what"), [(5, "at most 5"), (0, "any number of")])
def test_the_limit_is_told_in_the_content_and_in_the_message(limit: int, what: str) -> None:
    text = f"Successfully applied request to all workers: {what} connections"
    text += " for each cluster and address"
    told = check(connection_limit(limit), text, "max_connections_per_ip_limit")
    assert told.limit == limit


def test_how_much_is_configured_is_told_under_sozus_names() -> None:
    assert configured_counts(state()) == {
        "configuration.clusters": 2,
        "configuration.backends": 2,
        "configuration.frontends": 3,
    }


def test_requests_are_counted_by_kind_from_nothing() -> None:
    counts = RequestCounts()
    text = "Successfully counted requests received by the state"
    assert not check(counts.answer(), text, "request_counts").map
    patch = ListenerPatch(sticky_name="S")
    counts.count(AddHttpListener(HttpListener(LISTENER)), AddCluster(Cluster("a")))
    counts.count(AddCluster(Cluster("b")), UpdateListener(LISTENER, ListenerKind.HTTP, patch))
    counts.count(UpdateListener(TLS, ListenerKind.HTTPS, patch), ActivateListener(LISTENER))
    counts.count(AddBackend(FakeWorld().backend_value("A")))
    assert dict(counts.answer().content.request_counts.map) == {
        "AddHttpListener": 1,
        "AddCluster": 2,
        "UpdateHttpListener": 1,
        "UpdateHttpsListener": 1,
        "ActivateListener": 1,
        "AddBackend": 1,
    }


def test_what_is_told_before_an_answer_belongs_to_a_request_there_is() -> None:
    assert PROCESSING.keys() <= {field.name for field in pb.Request.DESCRIPTOR.fields}


def test_many_frontends_are_told_in_small_steps() -> None:
    scene = world()
    rules = [FrontendRule(LISTENER, f"h{number}.example") for number in range(200)]
    scene.apply(*map(AddHttpFrontend, rules))
    pauses, response = counted(frontends(scene.applier.state, filters(domain=".example")))
    assert pauses == 3
    assert len(response.content.frontend_list.http_frontends) == 201
