"""Messages of the command socket, each right unless it is told otherwise."""

from typing import Any

import pytest

from sozutw.config.model import InetAddress
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.translate import Order, request_of
from tests.fakes import certificates as made

HERE = InetAddress("127.0.0.1", 8080)
THERE = InetAddress("::1", 8443)
LEAF = made.chained(made.leaf("a.example"))
PRINT = made.leaf("a.example").fingerprint


def here(port: int = 8080) -> pb.SocketAddress:
    return pb.SocketAddress(ip=pb.IpAddress(v4=0x7F000001), port=port)


def there() -> pb.SocketAddress:
    return pb.SocketAddress(ip=pb.IpAddress(v6=pb.Uint128(low=1, high=0)), port=8443)


def certificate(**others: Any) -> pb.CertificateAndKey:
    values = {
        "certificate": LEAF.certificate,
        "key": LEAF.key,
        "certificate_chain": LEAF.chain,
    }
    return pb.CertificateAndKey(**(values | others))


def http_listener(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "address": here(),
        "expect_proxy": False,
        "sticky_name": "SOZUBALANCEID",
        "front_timeout": 60,
        "back_timeout": 30,
        "connect_timeout": 3,
        "request_timeout": 10,
        "active": False,
    }
    return pb.Request(add_http_listener=pb.HttpListenerConfig(**(values | others)))


def https_listener(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "address": there(),
        "expect_proxy": False,
        "sticky_name": "SOZUBALANCEID",
        "front_timeout": 60,
        "back_timeout": 30,
        "connect_timeout": 3,
        "request_timeout": 10,
        "active": False,
        "send_tls13_tickets": 4,
    }
    return pb.Request(add_https_listener=pb.HttpsListenerConfig(**(values | others)))


def http_update(**others: Any) -> pb.Request:
    return pb.Request(update_http_listener=pb.UpdateHttpListenerConfig(address=here(), **others))


def https_update(**others: Any) -> pb.Request:
    return pb.Request(update_https_listener=pb.UpdateHttpsListenerConfig(address=there(), **others))


def cluster(**others: Any) -> pb.Request:
    values: dict[str, Any] = {
        "cluster_id": "app",
        "sticky_session": False,
        "https_redirect": False,
        "load_balancing": pb.ROUND_ROBIN,
    }
    return pb.Request(add_cluster=pb.Cluster(**(values | others)))


def rule(**others: Any) -> pb.RequestHttpFrontend:
    values: dict[str, Any] = {
        "address": here(),
        "hostname": "a.example",
        "path": pb.PathRule(kind=pb.PREFIX, value=""),
        "position": pb.TREE,
        "cluster_id": "app",
    }
    values |= others
    return pb.RequestHttpFrontend(
        **{field: value for field, value in values.items() if value is not None}
    )


def frontend(**others: Any) -> pb.Request:
    return pb.Request(add_http_frontend=rule(**others))


def https_frontend(**others: Any) -> pb.Request:
    return pb.Request(add_https_frontend=rule(**({"address": there()} | others)))


def backend(**others: Any) -> pb.Request:
    values: dict[str, Any] = {"cluster_id": "app", "backend_id": "b", "address": here()}
    return pb.Request(add_backend=pb.AddBackend(**(values | others)))


def health_check(**others: Any) -> pb.HealthCheckConfig:
    values: dict[str, Any] = {
        "uri": "/health",
        "interval": 10,
        "timeout": 5,
        "healthy_threshold": 3,
        "unhealthy_threshold": 3,
        "expected_status": 0,
    }
    return pb.HealthCheckConfig(**(values | others))


def set_health_check(**others: Any) -> pb.Request:
    config = health_check(**others)
    return pb.Request(set_health_check=pb.SetHealthCheck(cluster_id="app", config=config))


def over_the_wire(message: pb.Request, *, skip_unsupported: bool = False) -> Order:
    parsed = pb.Request.FromString(message.SerializePartialToString())
    return request_of(parsed, skip_unsupported=skip_unsupported)


def refusal(message: pb.Request) -> str:
    with pytest.raises(RefusedRequestError) as caught:
        over_the_wire(message)
    return str(caught.value)
