"""Questions about clusters, answered of the main process and of its worker alike."""

from typing import Any

import pytest

from sozutw.config.model import (
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    PathType,
    Position,
)
from sozutw.config.requests import (
    AddCluster,
    AddHttpFrontend,
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveCluster,
)
from sozutw.config.security import BackendTls, CertificateAndKey
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.cluster_queries import (
    cluster_by_id,
    cluster_hashes,
    clusters_by_domain,
)
from tests.config.conftest import pem
from tests.fakes.steps import counted, whole
from tests.fakes.worker import LISTENER, FakeWorld

TLS = InetAddress("10.0.0.1", 8443)


def content_of(response: pb.Response, kind: str) -> Any:
    assert response.status == pb.OK
    assert response.SerializeToString()
    assert response.content.WhichOneof("content_type") == kind
    return getattr(response.content, kind)


def rule(host: str, cluster_id: str | None, path: str = "", **more: Any) -> FrontendRule:
    return FrontendRule(LISTENER, host, path, cluster_id=cluster_id, **more)


def world() -> FakeWorld:
    """FakeWorld's own rule leads all that no other does to ``app``."""
    scene = FakeWorld("A")
    scene.apply(
        *(AddCluster(Cluster(name)) for name in ("api", "posts", "shop", "wild", "secure")),
        AddHttpFrontend(rule("shop.example", "shop")),
        AddHttpFrontend(rule("shop.example", "api", "/api")),
        AddHttpFrontend(rule("shop.example", "posts", "/api", method="POST")),
        AddHttpFrontend(rule("shop.example", None, "/secret", path_type=PathType.EQUALS)),
        AddHttpFrontend(rule("shop.example", "posts", "/mine", method="GET")),
        AddHttpFrontend(rule("*.example", "wild")),
        AddHttpsListener(HttpsListener(HttpListener(TLS))),
        AddHttpsFrontend(FrontendRule(TLS, "shop.example", cluster_id="secure")),
    )
    return scene


def found(hostname: str, path: str | None = None) -> list[str]:
    scene = world()
    query = pb.QueryClusterByDomain(hostname=hostname, path=path)
    listeners = scene.applier.listeners.values()
    told = content_of(clusters_by_domain(scene.applier.state, listeners, query), "clusters")
    return [one.configuration.cluster_id for one in told.vec]


def test_a_cluster_is_told_with_its_frontends_and_backends() -> None:
    scene = world()
    response = cluster_by_id(scene.applier.state, "app")
    assert response.message == "Successfully queried clusters"
    (app,) = content_of(response, "clusters").vec
    assert app.configuration.cluster_id == "app"
    assert [one.hostname for one in app.http_frontends] == ["*"]
    assert [one.backend_id for one in app.backends] == ["A"]
    (secure,) = content_of(cluster_by_id(scene.applier.state, "secure"), "clusters").vec
    assert [one.hostname for one in secure.https_frontends] == ["shop.example"]
    assert not secure.http_frontends


def test_a_cluster_that_is_gone_is_told_by_what_it_left() -> None:
    scene = world()
    scene.apply(RemoveCluster("app"))
    (app,) = content_of(cluster_by_id(scene.applier.state, "app"), "clusters").vec
    assert not app.HasField("configuration")
    assert len(app.backends) == len(app.http_frontends) == 1


@pytest.mark.parametrize("cluster_id", ["nope", ""])
def test_an_unknown_cluster_is_nothing_and_the_message_says_so(cluster_id: str) -> None:
    response = cluster_by_id(world().applier.state, cluster_id)
    assert not content_of(response, "clusters").vec
    assert f"; there is no cluster {cluster_id!r}, nor a frontend" in response.message


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        ("shop.example", ["shop", "api", "posts", "app", "secure"]),
        ("SHOP.example", ["shop", "api", "posts", "app", "secure"]),
        ("x.example", ["wild", "app"]),
        ("*.example", ["wild", "app"]),
        ("else", ["app"]),
        ("[::1]", ["app"]),
        ("ä.example", ["wild", "app"]),
    ],
)
def test_without_a_path_all_that_the_host_may_be_led_to_are_told(
    hostname: str, expected: list[str]
) -> None:
    assert sorted(found(hostname)) == sorted(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ["shop", "secure"]),
        ("/api/x", ["api", "posts", "secure"]),
        ("/secret", ["secure"]),
        ("/mine", ["posts", "shop", "secure"]),
        ("", ["shop", "secure"]),
    ],
)
def test_with_a_path_those_that_win_for_it_are_told(path: str, expected: list[str]) -> None:
    assert sorted(found("shop.example", path)) == sorted(expected)


def test_a_host_that_nothing_leads_anywhere_is_told_as_that() -> None:
    scene = world()
    query = pb.QueryClusterByDomain(hostname="shop.example", path="/x")
    response = clusters_by_domain(scene.applier.state, [], query)
    assert response.message.endswith("; no frontend leads 'shop.example/x' to a cluster")
    assert not content_of(response, "clusters").vec
    assert found("a..b") == []
    assert found("") == []
    plain = FakeWorld()
    plain.apply(AddHttpFrontend(rule("no.example", None, position=Position.PRE)))
    query = pb.QueryClusterByDomain(hostname="no.example", path="/")
    listeners = plain.applier.listeners.values()
    told = content_of(clusters_by_domain(plain.applier.state, listeners, query), "clusters")
    assert not told.vec


def test_each_cluster_has_a_hash_that_changes_with_it() -> None:
    scene = world()
    before = dict(content_of(whole(cluster_hashes(scene.applier.state)), "cluster_hashes").map)
    assert set(before) == {"app", "api", "posts", "shop", "wild", "secure"}
    scene.add_backend("B")
    after = dict(content_of(whole(cluster_hashes(scene.applier.state)), "cluster_hashes").map)
    assert {name for name in before if before[name] != after[name]} == {"app"}


def test_the_key_that_is_shown_to_backends_is_not_told() -> None:
    here = world()
    tls = BackendTls(certificate=CertificateAndKey(pem("one"), "SECRET"))
    here.apply(AddCluster(Cluster("app", backend_tls=tls)))
    response = cluster_by_id(here.applier.state, "app")
    (told,) = content_of(response, "clusters").vec
    assert told.configuration.extras.backend_tls.certificate.certificate == pem("one")
    assert b"SECRET" not in response.SerializeToString()


def test_many_hashes_are_made_in_small_steps_and_told_of_one_moment() -> None:
    scene = world()
    scene.apply(*(AddCluster(Cluster(f"c{number}")) for number in range(200)))
    steps = cluster_hashes(scene.applier.state)
    next(steps)
    scene.apply(RemoveCluster("c0"), AddCluster(Cluster("c1", sticky_session=True)))
    pauses, response = counted(steps)
    assert pauses >= 2
    told = content_of(response, "cluster_hashes").map
    assert "c0" not in told
    assert told["c1"] == scene.applier.state.hash_of("c1")
