"""Clusters, health checks and backends as messages tell them."""

from typing import Any

import pytest

from sozutw.config.model import Cluster, LoadBalancing, LoadMetric
from sozutw.config.requests import AddBackend, AddCluster
from sozutw.control.proto import command_pb2 as pb
from tests.fakes import certificates as made
from tests.fakes.messages import (
    backend,
    certificate,
    cluster,
    health_check,
    over_the_wire,
    refusal,
    set_health_check,
)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (cluster(cluster_id=""), 'cluster_id is ""; a name that can be printed is meant'),
        (cluster(cluster_id="a\n"), "cluster_id is "),
        (pb.Request(remove_cluster=""), 'remove_cluster is ""'),
        (cluster(https_redirect_port=0), "https_redirect_port is 0; a whole number from 1 to"),
        (cluster(https_redirect_port=65_536), "https_redirect_port is 65536"),
        (cluster(http2=True), "http2 is not served yet: "),
        (cluster(authorized_hashes=["a"]), "authorized_hashes is not served yet: "),
        (cluster(www_authenticate="x"), "www_authenticate is not served yet: "),
        (cluster(answer_503="x"), "the template for 503 cannot be used: "),
        (
            cluster(extras=pb.ClusterExtras(affinity="moon")),
            'extras.affinity is "moon"; source, header:NAME, cookie:NAME or path[N] is meant',
        ),
        (cluster(extras=pb.ClusterExtras(back_timeout=0.0)), "back_timeout is "),
        (
            cluster(health_check=health_check(uri="x")),
            "health_check.uri is 'x'; a path that begins",
        ),
        (
            cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(authorities="x"))),
            "extras.backend_tls.authorities cannot be used: ",
        ),
        (
            cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(server_name="a b"))),
            'extras.backend_tls.server_name is "a b"; ',
        ),
        (
            cluster(
                extras=pb.ClusterExtras(
                    backend_tls=pb.BackendTls(certificate=certificate(key="none"))
                )
            ),
            "extras.backend_tls.certificate cannot be used: ",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(tcp_port=0))),
            "udp.health.tcp_port is 0",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(rise=0))),
            "udp.health.rise is 0",
        ),
        (
            cluster(udp=pb.UdpClusterConfig(health=pb.UdpHealthConfig(udp_probe_payload=b"\xff"))),
            "udp.health.udp_probe_payload is no valid UTF-8",
        ),
        (set_health_check(uri=""), "config.uri is missing; a path such as"),
        (set_health_check(uri="/\r\nX: y"), "config.uri is "),
        (set_health_check(interval=0), "config.interval is 0; 1 or more is meant"),
        (set_health_check(timeout=0), "config.timeout is 0"),
        (set_health_check(healthy_threshold=0), "config.healthy_threshold is 0"),
        (set_health_check(unhealthy_threshold=0), "config.unhealthy_threshold is 0"),
        (set_health_check(tcp=True), "config.uri has no meaning beside tcp"),
        (pb.Request(remove_health_check=""), 'remove_health_check is ""'),
        (
            backend(load_balancing_parameters=pb.LoadBalancingParams(weight=-1)),
            "load_balancing_parameters.weight is -1; a whole number from 0 to 255 is meant",
        ),
        (
            backend(load_balancing_parameters=pb.LoadBalancingParams(weight=256)),
            "load_balancing_parameters.weight is 256",
        ),
        (backend(sticky_id="a;b"), 'sticky_id is "a;b"; the value of a cookie is meant'),
        (backend(backend_id=""), 'backend_id is ""'),
        (backend(cluster_id=""), 'cluster_id is ""'),
    ],
)
def test_what_cannot_be_of_a_cluster_is_refused(message: pb.Request, text: str) -> None:
    told = refusal(message)
    assert told.startswith(text), told


@pytest.mark.parametrize(
    ("told", "meant"),
    [(None, 100), (0, 100), (1, 1), (255, 255)],
)
def test_a_weight_of_0_is_none(told: int | None, meant: int) -> None:
    weights: dict[str, Any] = {}
    if told is not None:
        weights["load_balancing_parameters"] = pb.LoadBalancingParams(weight=told)
    order = over_the_wire(backend(**weights))
    assert isinstance(order, AddBackend)
    assert order.backend.weight == meant


def test_more_than_the_least_is_read() -> None:
    order = over_the_wire(
        cluster(
            load_balancing=pb.LEAST_LOADED,
            load_metric=pb.REQUESTS,
            proxy_protocol=pb.SEND_HEADER,
            max_connections_per_ip=0,
            retry_after=7,
        )
    )
    assert order == AddCluster(
        Cluster(
            "app",
            load_balancing=LoadBalancing.LEAST_LOADED,
            load_metric=LoadMetric.REQUESTS,
            send_proxy=True,
            max_connections_per_ip=0,
            retry_after=7,
        )
    )


def test_a_certificate_towards_backends_may_have_expired_since() -> None:
    gone = made.chained(made.expired("a.example"))
    shown = certificate(certificate=gone.certificate, key=gone.key)
    message = cluster(extras=pb.ClusterExtras(backend_tls=pb.BackendTls(certificate=shown)))
    assert isinstance(over_the_wire(message), AddCluster)
