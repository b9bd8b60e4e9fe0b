"""What each request is about, in a few words, and never a secret."""

from typing import Any

import pytest

from sozutw.config.model import InetAddress, UnixAddress
from sozutw.control.messages.targets import target_of
from sozutw.control.messages.translate import address_message
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.certificates import chained, leaf

HERE = address_message(InetAddress("127.0.0.1", 8080))
OWN = leaf("a.example")
HELD = pb.CertificateAndKey(certificate=OWN.pem, key=chained(OWN).key)
NO_CERTIFICATE = pb.CertificateAndKey(certificate="x", key="secret")
CHECK = pb.HealthCheckConfig(uri="/")


def rule(**more: Any) -> pb.RequestHttpFrontend:
    path = pb.PathRule(kind=pb.PREFIX, value=more.pop("path", ""))
    return pb.RequestHttpFrontend(address=HERE, hostname="a.example", path=path, **more)


@pytest.mark.parametrize(
    ("verb", "value", "expected"),
    [
        ("save_state", "/var/s", "state:/var/s"),
        ("reload_configuration", "", "configuration"),
        ("remove_cluster", "app", "cluster:app"),
        ("set_max_connections_per_ip", 0, "connection_limit:0"),
        ("kill_session", 17, "session:17"),
        ("Logging", "debug", "logging:debug"),
        ("add_cluster", pb.Cluster(cluster_id="app", authorized_hashes=["secret"]), "cluster:app"),
        ("set_health_check", pb.SetHealthCheck(cluster_id="app", config=CHECK), "cluster:app"),
        (
            "add_http_frontend",
            rule(cluster_id="app", path="/x", method="GET"),
            "frontend:127.0.0.1:8080 GET a.example /x -> app",
        ),
        ("remove_https_frontend", rule(), "frontend:127.0.0.1:8080 a.example -> (deny)"),
        (
            "add_tcp_frontend",
            pb.RequestTcpFrontend(cluster_id="db", address=HERE),
            "frontend:127.0.0.1:8080 -> db",
        ),
        (
            "add_backend",
            pb.AddBackend(
                cluster_id="app", backend_id="b", address=address_message(UnixAddress("/run/b"))
            ),
            "backend:app/b unix:/run/b",
        ),
        (
            "remove_backend",
            pb.RemoveBackend(cluster_id="app", backend_id="b", address=pb.SocketAddress()),
            "backend:app/b (no address)",
        ),
        (
            "add_certificate",
            pb.AddCertificate(address=HERE, certificate=HELD),
            f"certificate:127.0.0.1:8080 {OWN.fingerprint}",
        ),
        (
            "replace_default_certificate",
            pb.ReplaceDefaultCertificate(address=HERE, certificate=NO_CERTIFICATE),
            "certificate:127.0.0.1:8080 (no certificate)",
        ),
        (
            "remove_certificate",
            pb.RemoveCertificate(address=HERE, fingerprint="ab12"),
            "certificate:127.0.0.1:8080 ab12",
        ),
        (
            "replace_certificate",
            pb.ReplaceCertificate(address=HERE, new_certificate=HELD, old_fingerprint="ab12"),
            f"certificate:127.0.0.1:8080 ab12 -> {OWN.fingerprint}",
        ),
        ("configure_metrics", pb.CLEAR, "metrics:CLEAR"),
        (
            "set_metric_detail",
            pb.SetMetricDetail(client_id="top", detail=pb.DETAIL_BACKEND),
            "metrics:top DETAIL_BACKEND",
        ),
        ("set_metric_detail", pb.SetMetricDetail(client_id="top", clear=True), "metrics:top clear"),
        ("save_state_as", pb.SaveState(path="/s", without_keys=True), "state:/s without keys"),
        (
            "apply_configuration",
            pb.ApplyConfiguration(path="/c", dry_run=True),
            "configuration:/c (dry run)",
        ),
        ("batch", pb.Batch(requests=[pb.Request()] * 3), "batch:3 requests"),
        (
            "activate_listener",
            pb.ActivateListener(address=HERE, proxy=pb.HTTP, from_scm=False),
            "listener:127.0.0.1:8080",
        ),
        (
            "update_http_listener",
            pb.UpdateHttpListenerConfig(address=HERE),
            "listener:127.0.0.1:8080",
        ),
        ("soft_stop", pb.SoftStop(), "soft_stop"),
    ],
    # A certificate is another one in every process that runs tests.
    ids=lambda value: value if isinstance(value, str) and OWN.fingerprint not in value else "",
)
def test_a_request_is_about_something(verb: str, value: Any, expected: str) -> None:
    assert target_of(pb.Request(**{verb: value})) == expected


def test_no_request_is_about_nothing() -> None:
    assert target_of(pb.Request()) == "nothing"


@pytest.mark.parametrize("field", list(pb.Request.DESCRIPTOR.fields), ids=lambda field: field.name)
def test_every_request_is_about_something_even_an_empty_one(field: Any) -> None:
    request = pb.Request()
    if field.message_type is None:
        setattr(request, field.name, "" if field.type == field.TYPE_STRING else 0)
    else:
        getattr(request, field.name).SetInParent()
    assert target_of(request)


@pytest.mark.parametrize("verb", ["add_certificate", "replace_default_certificate"])
def test_a_key_is_never_told(verb: str) -> None:
    request = pb.Request()
    getattr(request, verb).certificate.CopyFrom(HELD)
    told = target_of(request)
    assert "BEGIN" not in told
    assert HELD.key.splitlines()[1] not in told
