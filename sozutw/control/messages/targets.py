"""What a request is about, in one short text that never shows a key or a certificate."""

from collections.abc import Callable
from typing import Any, Final

from sozutw.config.pem import fingerprint_of
from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.addresses import backend_address_of
from sozutw.control.proto import command_pb2 as pb

_NAMED: Final = {
    "save_state": "state",
    "load_state": "state",
    "launch_worker": "worker",
    "upgrade_worker": "worker",
    "reload_configuration": "configuration",
    "remove_cluster": "cluster",
    "remove_health_check": "cluster",
    "query_cluster_by_id": "cluster",
    "Logging": "logging",
    "set_max_connections_per_ip": "connection_limit",
    "kill_session": "session",
}
"""Requests that are a text or a number, and what that stands for."""


def target_of(request: pb.Request) -> str:
    """Return kind and name of what a request is about; its kind alone where it has no name."""
    verb = request.WhichOneof("request_type")
    if verb is None:
        return "nothing"
    value: Any = getattr(request, verb)
    if verb in _NAMED:
        return f"{_NAMED[verb]}:{value}" if value != "" else _NAMED[verb]
    if verb == "configure_metrics":
        return f"metrics:{pb.MetricsConfiguration.Name(value)}"
    if verb.endswith("_listener"):
        return f"listener:{_spelt(value.address)}"
    write = _WRITERS.get(type(value))
    return verb if write is None else write(value)


def _frontend(rule: pb.RequestHttpFrontend) -> str:
    method = f"{rule.method} " if rule.HasField("method") else ""
    leads = rule.cluster_id if rule.HasField("cluster_id") else "(deny)"
    place = f"{_spelt(rule.address)} {method}{rule.hostname} {rule.path.value}".rstrip()
    return f"frontend:{place} -> {leads}"


def _spelt(address: pb.SocketAddress) -> str:
    try:
        return str(backend_address_of(address))
    except RefusedRequestError:
        return "(no address)"


def _fingerprint(held: pb.CertificateAndKey) -> str:
    try:
        return fingerprint_of(held.certificate)
    except ValueError:
        return "(no certificate)"


def _stream_frontend(rule: pb.RequestTcpFrontend | pb.RequestUdpFrontend) -> str:
    return f"frontend:{_spelt(rule.address)} -> {rule.cluster_id}"


def _backend(backend: pb.AddBackend | pb.RemoveBackend) -> str:
    return f"backend:{backend.cluster_id}/{backend.backend_id} {_spelt(backend.address)}"


def _certificate(added: pb.AddCertificate | pb.ReplaceDefaultCertificate) -> str:
    return f"certificate:{_spelt(added.address)} {_fingerprint(added.certificate)}"


def _replaced_certificate(replaced: pb.ReplaceCertificate) -> str:
    change = f"{replaced.old_fingerprint} -> {_fingerprint(replaced.new_certificate)}"
    return f"certificate:{_spelt(replaced.address)} {change}"


def _detail(wish: pb.SetMetricDetail) -> str:
    what = "clear" if wish.clear else pb.MetricDetail.Name(wish.detail)
    return f"metrics:{wish.client_id} {what}"


_WRITERS: Final[dict[type[Any], Callable[[Any], str]]] = {
    pb.Cluster: lambda cluster: f"cluster:{cluster.cluster_id}",
    pb.SetHealthCheck: lambda check: f"cluster:{check.cluster_id}",
    pb.RequestHttpFrontend: _frontend,
    pb.RequestTcpFrontend: _stream_frontend,
    pb.RequestUdpFrontend: _stream_frontend,
    pb.AddBackend: _backend,
    pb.RemoveBackend: _backend,
    pb.AddCertificate: _certificate,
    pb.ReplaceDefaultCertificate: _certificate,
    pb.RemoveCertificate: lambda gone: f"certificate:{_spelt(gone.address)} {gone.fingerprint}",
    pb.ReplaceCertificate: _replaced_certificate,
    pb.SetMetricDetail: _detail,
    pb.SaveState: lambda wish: f"state:{wish.path}" + " without keys" * wish.without_keys,
    pb.ApplyConfiguration: lambda wish: f"configuration:{wish.path}" + " (dry run)" * wish.dry_run,
    pb.Batch: lambda batch: f"batch:{len(batch.requests)} requests",
}
