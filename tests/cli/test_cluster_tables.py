"""Clusters are told as the main process has them, and who has them otherwise."""

from pathlib import Path

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, answered, content
from tests.cli.test_frontend import rule


def by_process(**told: pb.ResponseContent) -> pb.Response:
    held = {who.removeprefix("worker_"): answer for who, answer in told.items()}
    return content(worker_responses=pb.WorkerResponses(map=held))


def hashes(**held: int) -> pb.ResponseContent:
    return pb.ResponseContent(cluster_hashes=pb.ClusterHashes(map=held))


def clusters(*held: pb.ClusterInformation) -> pb.ResponseContent:
    return pb.ResponseContent(clusters=pb.ClusterInformations(vec=held))


def test_clusters_that_differ_are_pointed_out(tmp_path: Path) -> None:
    answer = by_process(
        main=hashes(a=1, b=2), worker_0=hashes(a=1, b=3), worker_1=hashes(a=1, b=2, c=9)
    )
    assert answered(tmp_path, answer, "cluster", "list").output.splitlines() == [
        "CLUSTER  HASH  IN ALL PROCESSES",
        "a           1  same",
        "b           2  differs: 0",
        "c           -  differs: 1",
    ]


def test_hashes_of_one_process_are_told_too(tmp_path: Path) -> None:
    answer = content(cluster_hashes=pb.ClusterHashes(map={"a": 1}))
    assert "a           1  same" in answered(tmp_path, answer, "cluster", "list").output


FULL = pb.ClusterInformation(
    configuration=pb.Cluster(
        cluster_id="shop",
        sticky_session=True,
        https_redirect=True,
        https_redirect_port=8443,
        load_balancing=pb.LEAST_LOADED,
        load_metric=pb.REQUESTS,
        http2=True,
        proxy_protocol=pb.SEND_HEADER,
        max_connections_per_ip=0,
        retry_after=5,
        authorized_hashes=["ann:00", "bob:00"],
        www_authenticate="Basic",
        answer_503="x",
        answers={"404": "y"},
        health_check=pb.HealthCheckConfig(
            uri="/up",
            interval=10,
            timeout=5,
            healthy_threshold=3,
            unhealthy_threshold=3,
            expected_status=0,
        ),
        extras=pb.ClusterExtras(
            affinity="source_ip", back_timeout=2.5, backend_tls=pb.BackendTls(insecure=True)
        ),
    ),
    http_frontends=[rule(cluster_id="shop")],
    backends=[
        pb.AddBackend(cluster_id="shop", backend_id="b1", address=LOOPBACK),
        pb.AddBackend(
            cluster_id="shop",
            backend_id="b2",
            address=LOOPBACK,
            sticky_id="x",
            backup=True,
            load_balancing_parameters=pb.LoadBalancingParams(weight=7),
        ),
    ],
)


def test_all_of_a_cluster_is_told(tmp_path: Path) -> None:
    answer = by_process(main=clusters(FULL), worker_0=clusters(FULL))
    assert answered(tmp_path, answer, "cluster", "list", "-i", "shop").output.splitlines() == [
        "cluster             shop",
        "load balancing      least_loaded",
        "load metric         requests",
        "sticky sessions     yes",
        "redirect to HTTPS   yes, port 8443",
        "HTTP/2 to backends  yes",
        "PROXY protocol      send_header",
        "affinity            source_ip",
        "back timeout        2.5 s",
        "TLS to backends     not verified",
        "health check        /up every 10 s",
        "connections per IP  no limit",
        "Retry-After         5 s",
        "users               ann, bob",
        "WWW-Authenticate    Basic",
        "answers of its own  404, 503",
        "",
        "HTTP frontends",
        "  LISTENER        HOSTNAME   PATH  METHOD  POSITION  DOES  TAGS",
        "  127.0.0.1:8080  a.example  /*    any     tree      -     -",
        "",
        "Backends",
        "  BACKEND  ADDRESS         WEIGHT  STICKY ID  BACKUP",
        "  b1       127.0.0.1:8080     100  -          no",
        "  b2       127.0.0.1:8080       7  x          yes",
    ]


def test_who_has_it_otherwise_is_told(tmp_path: Path) -> None:
    two = [pb.ClusterInformation(backends=FULL.backends[:1]), pb.ClusterInformation()]
    answer = by_process(main=clusters(*two), worker_0=clusters(*two), worker_1=clusters())
    told = answered(tmp_path, answer, "cluster", "list", "-d", "a.example").output
    assert told.splitlines()[-1] == "Processes that have it otherwise: 1 (-j tells how)"


def test_no_cluster_is_said_to_be_none(tmp_path: Path) -> None:
    answer = by_process(main=clusters(), worker_0=clusters())
    told = answered(tmp_path, answer, "cluster", "list", "-i", "shop").output
    assert told == "There is no such cluster.\n"
