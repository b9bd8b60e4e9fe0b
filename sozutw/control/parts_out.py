"""To messages from the parts that several objects have: answers, certificates, HSTS, durations."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sozutw.config.policies import HealthCheck, UdpHealth, UdpOptions
from sozutw.config.security import BackendTls, CertificateAndKey, Hsts
from sozutw.control.parts_in import whole_seconds
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.words import TLS_VERSION, UDP_AFFINITY_KEY, UDP_HEALTH_MODE

_LEGACY_ANSWERS: Final = frozenset(pb.CustomHttpAnswers.DESCRIPTOR.fields_by_name)


def put_seconds(message: Any, field: str, seconds: float) -> None:
    """Tell a duration in whole seconds, and beside it as it is if it has a fraction."""
    whole = whole_seconds(seconds)
    setattr(message, field, whole)
    if whole != seconds:
        setattr(message.extras, field, seconds)


def put_present(message: Any, **values: object) -> None:
    """Set each field whose value is not None."""
    for field, value in values.items():
        if value is not None:
            setattr(message, field, value)


def put_answers(message: Any, answers: Mapping[str, str]) -> None:
    """Tell templates by their status, and once more where Sōzu's client looks for them."""
    message.answers.update(answers)
    for status, text in answers.items():
        if f"answer_{status}" in _LEGACY_ANSWERS:
            setattr(message.http_answers, f"answer_{status}", text)


def version_numbers(versions: Iterable[str]) -> list[int]:
    """Return versions of TLS as messages have them."""
    return [TLS_VERSION.number(version) for version in versions]


def certificate_message(held: CertificateAndKey) -> pb.CertificateAndKey:
    """Return a certificate with its key."""
    return pb.CertificateAndKey(
        certificate=held.certificate,
        certificate_chain=held.chain,
        key=held.key,
        versions=version_numbers(held.versions),  # type: ignore[arg-type]  # numbers will do
        names=held.names,
    )


def hsts_message(hsts: Hsts) -> pb.HstsConfig:
    """Return what Strict-Transport-Security tells."""
    return pb.HstsConfig(
        enabled=hsts.enabled,
        max_age=hsts.max_age,
        include_subdomains=hsts.include_subdomains,
        preload=hsts.preload,
        force_replace_backend=hsts.force_replace_backend,
    )


def health_check_message(check: HealthCheck) -> pb.HealthCheckConfig:
    """Return how backends are probed."""
    message = pb.HealthCheckConfig(
        uri=check.uri,
        interval=check.interval,
        timeout=check.timeout,
        healthy_threshold=check.healthy_threshold,
        unhealthy_threshold=check.unhealthy_threshold,
        expected_status=check.expected_status,
    )
    if check.is_tcp:
        message.tcp = True
    return message


def backend_tls_message(tls: BackendTls) -> pb.BackendTls:
    """Return how TLS is spoken to backends."""
    message = pb.BackendTls()
    put_present(message, authorities=tls.authorities, server_name=tls.server_name)
    if tls.certificate is not None:
        message.certificate.CopyFrom(certificate_message(tls.certificate))
    if tls.is_insecure:
        message.insecure = True
    message.SetInParent()
    return message


def udp_message(options: UdpOptions) -> pb.UdpClusterConfig:
    """Return how a cluster takes datagrams."""
    return pb.UdpClusterConfig(
        affinity_key=UDP_AFFINITY_KEY.number(options.affinity_key),  # type: ignore[arg-type]
        responses=options.responses,
        requests=options.requests,
        send_proxy_protocol=options.send_proxy_protocol,
        proxy_protocol_every_datagram=options.proxy_protocol_every_datagram,
        health=_udp_health_message(options.health),
    )


def _udp_health_message(health: UdpHealth) -> pb.UdpHealthConfig:
    payload = health.udp_probe_payload
    message = pb.UdpHealthConfig(
        mode=UDP_HEALTH_MODE.number(health.mode),  # type: ignore[arg-type]
        rise=health.rise,
        fall=health.fall,
        fail_open=health.fail_open,
        probe_interval_seconds=health.probe_interval_seconds,
        probe_timeout_seconds=health.probe_timeout_seconds,
    )
    put_present(
        message,
        tcp_port=health.tcp_port,
        udp_probe_payload=None if payload is None else payload.encode(),
    )
    return message
