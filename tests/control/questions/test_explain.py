"""What is explained is what happens: the same request is sent, and meets what was foretold."""

from typing import Any

import pytest

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    LoadBalancing,
    Position,
    Redirect,
    Settings,
)
from sozutw.config.requests import (
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveCluster,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.explain import Explainer
from tests.fakes.certificates import chained, leaf
from tests.fakes.worker import LISTENER, FakeWorld, ok

URL = "http://10.0.0.1:8080"
TLS = InetAddress("10.0.0.1", 8443)
CLIENT = "192.0.2.1"


def explainer(world: FakeWorld) -> Explainer:
    applier = world.applier
    return Explainer(applier.state, applier.listeners, world.certificates, world.worker.means)


def steps(world: FakeWorld, url: str = f"{URL}/", **wish: Any) -> list[pb.ExplanationStep]:
    response = explainer(world).explain(pb.Explain(url=url, **wish))
    assert response.status == pb.OK
    assert response.message == "Successfully explained the request"
    assert response.SerializeToString()
    return list(response.content.explanation.steps)


def kinds(told: list[pb.ExplanationStep]) -> list[str]:
    return [step.kind for step in told]


def rule(host: str, **more: Any) -> FrontendRule:
    return FrontendRule(LISTENER, host, **{"position": Position.PRE, **more})


def test_a_request_is_followed_from_the_listener_to_the_backend() -> None:
    world = FakeWorld("A", "B")
    told = steps(world, f"{URL}/x", method="POST")
    assert kinds(told) == ["listener", "frontend", "cluster", "backend"]
    assert [step.chosen for step in told] == [
        "10.0.0.1:8080",
        "* (POST) -> app",
        "app",
        "A at 10.1.0.1:80",
    ]
    assert told[2].because == "the rule leads to it: ROUND_ROBIN, 2 of 2 backends available"


def test_nothing_is_changed_by_asking() -> None:
    world = FakeWorld("A", "B", "C")
    client = world.client()
    for expected in "ABCABC":
        for _ in range(4):
            assert steps(world)[-1].chosen.startswith(expected)
        client.get()
        dials = [dial for dial in world.dials if world.name_of(dial) == expected]
        backend = world.connect(expected) if dials else None
        if backend is None:
            backend = next(
                dial.transport
                for dial in world.dialler.dials
                if world.name_of(dial) == expected and dial.transport is not None
            )
        backend.receive(ok(b"x"))
        assert client.answer() == (200, b"x")
    assert world.worker.counters.requests == 6
    assert world.applier.clusters["app"].counters.requests == 6


def test_nobody_listens_there() -> None:
    told = steps(FakeWorld("A"), "http://10.0.0.1:81/")
    assert kinds(told) == ["listener"]
    assert not told[0].HasField("chosen")


def test_no_rule_fits() -> None:
    scene = FakeWorld("A")
    scene.apply(AddHttpsListener(HttpsListener(HttpListener(TLS), strict_sni_binding=False)))
    told = steps(scene, "https://a.example:8443/")
    assert kinds(told) == ["listener", "certificate", "frontend"]
    assert not told[2].HasField("chosen")


@pytest.mark.parametrize(
    ("made", "cluster", "chosen", "because"),
    [
        (
            rule("*"),
            Cluster("app"),
            "401 Unauthorized",
            "the rule leads to no cluster: it denies",
        ),
        (
            rule("*", cluster_id="app", redirect=Redirect.UNAUTHORIZED),
            Cluster("app"),
            "401 Unauthorized",
            "the rule's redirect is unauthorized",
        ),
        (
            rule("*", cluster_id="app", redirect=Redirect.FOUND),
            Cluster("app"),
            "302 to http://10.0.0.1:8080/x?y",
            "the rule's redirect is found",
        ),
        (
            rule("*", cluster_id="app"),
            Cluster("app", https_redirect=True),
            "301 to https://10.0.0.1/x?y",
            "the cluster's https_redirect is on",
        ),
    ],
)
def test_what_the_rule_answers_itself_is_told_and_is_what_is_answered(
    made: FrontendRule, cluster: Cluster, chosen: str, because: str
) -> None:
    world = FakeWorld("A", cluster=cluster)
    world.apply(AddHttpFrontend(made))
    told = steps(world, f"{URL}/x?y")
    assert kinds(told) == ["listener", "frontend", "policy"]
    assert (told[2].chosen, told[2].because) == (chosen, because)
    client = world.client()
    client.get(b"/x?y", host=b"10.0.0.1")
    data = client.received()
    status, _, location = chosen.partition(" to ")
    assert data.startswith(b"HTTP/1.1 " + status[:3].encode())
    if location:
        assert b"\r\nLocation: " + location.encode() + b"\r\n" in data


def test_a_cluster_that_is_not_there_is_told_as_a_503() -> None:
    world = FakeWorld("A")
    world.apply(RemoveCluster("app"))
    told = steps(world)
    assert kinds(told) == ["listener", "frontend", "cluster"]
    assert not told[2].HasField("chosen")
    assert told[2].because == "no cluster 'app' is configured: the answer is 503"


def test_a_cookie_binds_to_its_backend() -> None:
    world = FakeWorld("A", "B", cluster=Cluster("app", sticky_session=True))
    without = steps(world)
    assert kinds(without) == ["listener", "frontend", "policy", "cluster", "backend"]
    assert without[2].chosen == "sticky"
    text = "the request brings no cookie SOZUBALANCEID: its response sets one"
    assert without[2].because == text
    told = steps(world, headers=["Cookie: SOZUBALANCEID=B"])
    assert told[2].because == "the cookie SOZUBALANCEID names B at 10.1.0.2:80"
    assert told[4].chosen == "B at 10.1.0.2:80"
    assert told[4].because == "the client's cookie names it"
    lost = steps(world, headers=["Cookie: SOZUBALANCEID=Z"])
    assert lost[2].because == "the cookie SOZUBALANCEID names no backend that is available"


def test_the_limit_for_an_address_is_told_with_what_is_taken() -> None:
    world = FakeWorld("A", cluster=Cluster("app", max_connections_per_ip=1))
    told = steps(world)
    assert (told[2].kind, told[2].chosen) == ("policy", "connection limit")
    limit = "the cluster's max_connections_per_ip is 1"
    assert told[2].because == f"{limit}; the client's address was not told"
    assert steps(world, source=CLIENT)[2].because == f"{limit}, and {CLIENT} has 0 of them"
    client = world.client()
    client.get()
    world.connect()
    full = steps(world, source=CLIENT)[2]
    assert full.chosen == "429 Too Many Requests"
    assert full.because == f"{limit}, and {CLIENT} has 1 of them: one that is new is refused"
    another = world.client()
    another.get()
    assert another.received().startswith(b"HTTP/1.1 429")


def test_the_limit_of_the_process_holds_where_the_cluster_has_none() -> None:
    world = FakeWorld("A", settings=Settings(max_connections_per_ip=3))
    assert steps(world, source=CLIENT)[2].because.startswith("the process's max")
    unlimited = FakeWorld(
        "A",
        settings=Settings(max_connections_per_ip=3),
        cluster=Cluster("app", max_connections_per_ip=0),
    )
    assert "policy" not in kinds(steps(unlimited))


def test_a_key_needs_the_client_s_address() -> None:
    world = FakeWorld("A", "B", "C", cluster=Cluster("app", load_balancing=LoadBalancing.HRW))
    assert steps(world)[-1].chosen.startswith("one of A ")
    foretold = steps(world, source=CLIENT)[-1].chosen
    world.client().get()
    assert foretold.startswith(f"{world.dialled()[0]} at")
    by_path = Cluster("app", load_balancing=LoadBalancing.HRW, affinity="header:X-User")
    world.apply(AddCluster(by_path))
    told = steps(world, headers=["X-User: me"])[-1]
    assert told.because == "HRW chooses it by the request's key among those available"


def secure(**more: Any) -> FakeWorld:
    world = FakeWorld("A")
    world.apply(
        AddHttpsListener(HttpsListener(HttpListener(TLS), **more)),
        AddCertificate(TLS, chained(leaf("a.example", "*.a.example"))),
        AddHttpsFrontend(FrontendRule(TLS, "*", position=Position.POST, cluster_id="app")),
    )
    return world


@pytest.mark.parametrize(
    ("url", "headers", "is_misdirected"),
    [
        ("https://a.example:8443/", [], False),
        ("https://a.example:8443/", ["Host: www.a.example"], False),
        ("https://a.example:8443/", ["Host: b.example"], True),
        ("https://b.example:8443/", [], False),
        ("https://10.0.0.1:8443/", [], True),
    ],
)
def test_a_host_that_the_certificate_is_not_for_is_misdirected(
    url: str, headers: list[str], is_misdirected: bool
) -> None:
    told = steps(secure(), url, headers=headers)
    assert kinds(told)[:2] == ["listener", "certificate"]
    if is_misdirected:
        assert kinds(told)[2:] == ["policy"]
        assert told[2].chosen == "421 Misdirected Request"
    else:
        assert kinds(told)[2:] == ["frontend", "cluster", "backend"]
    lax = steps(secure(strict_sni_binding=False), url, headers=headers)
    assert kinds(lax)[2:] == ["frontend", "cluster", "backend"]


def test_what_nobody_could_ask_is_a_failure() -> None:
    response = explainer(FakeWorld()).explain(pb.Explain(url="ftp://a.example/"))
    assert response.status == pb.FAILURE
    assert response.message == "'ftp://a.example/' is neither of http nor of https"
