"""Each order has its line."""

import pytest

from sozutw.cli.changes import change
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK
from tests.cli.test_certificate import PRINT, sent
from tests.cli.test_frontend import path, rule

TCP = pb.RequestTcpFrontend(cluster_id="game", address=LOOPBACK)
AT = "127.0.0.1:8080"


def cluster() -> pb.Cluster:
    return pb.Cluster(
        cluster_id="shop", sticky_session=False, https_redirect=False, load_balancing=pb.HRW
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "~ nothing"),
        ({"add_cluster": cluster()}, "+ cluster shop"),
        ({"remove_cluster": "shop"}, "- cluster shop"),
        (
            {"add_http_frontend": rule(cluster_id="shop", **path(pb.PREFIX, "/a"))},
            f"+ http frontend {AT} a.example/a* to shop",
        ),
        (
            {"remove_https_frontend": rule(method="GET")},
            f"- https frontend {AT} GET a.example/* to nobody",
        ),
        ({"add_tcp_frontend": TCP}, f"+ tcp frontend {AT} to game"),
        (
            {"remove_backend": pb.RemoveBackend(cluster_id="c", backend_id="b", address=LOOPBACK)},
            f"- backend c/b {AT}",
        ),
        ({"add_http_listener": pb.HttpListenerConfig(address=LOOPBACK)}, f"+ http listener {AT}"),
        (
            {"update_https_listener": pb.UpdateHttpsListenerConfig(address=LOOPBACK)},
            f"~ https listener {AT}",
        ),
        (
            {"remove_listener": pb.RemoveListener(address=LOOPBACK, proxy=pb.HTTPS)},
            f"- listener https {AT}",
        ),
        (
            {"activate_listener": pb.ActivateListener(address=LOOPBACK, proxy=pb.HTTP)},
            f"~ activate listener http {AT}",
        ),
        (
            {"deactivate_listener": pb.DeactivateListener(address=LOOPBACK, proxy=pb.TCP)},
            f"~ deactivate listener tcp {AT}",
        ),
        (
            {"add_certificate": pb.AddCertificate(address=LOOPBACK, certificate=sent())},
            f"+ certificate {PRINT} of {AT}",
        ),
        (
            {"remove_certificate": pb.RemoveCertificate(address=LOOPBACK, fingerprint="aa")},
            f"- certificate aa of {AT}",
        ),
        (
            {
                "replace_certificate": pb.ReplaceCertificate(
                    address=LOOPBACK, new_certificate=sent(), old_fingerprint="aa"
                )
            },
            f"~ certificate aa of {AT} with {PRINT}",
        ),
        (
            {
                "replace_default_certificate": pb.ReplaceDefaultCertificate(
                    address=LOOPBACK, certificate=sent()
                )
            },
            f"~ default certificate {PRINT} of {AT}",
        ),
        (
            {"set_health_check": pb.SetHealthCheck(cluster_id="shop", config={})},
            "~ set health check of shop",
        ),
        ({"remove_health_check": "shop"}, "- health check shop"),
        ({"set_max_connections_per_ip": 7}, "~ set max connections per ip 7"),
        ({"Logging": "in\x1bfo"}, "~ logging in\ufffdfo"),
        ({"status": pb.Status()}, "~ status"),
    ],
    # A certificate is another one in every process that runs tests.
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_its_line(fields: dict[str, object], line: str) -> None:
    assert change(pb.Request(**fields)) == line  # type: ignore[arg-type]
