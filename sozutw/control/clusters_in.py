"""From messages to clusters, their health checks and their backends."""

from typing import Final

from sozutw.config.addresses import PORT_MAX
from sozutw.config.certificate_keys import lacks_certificate
from sozutw.config.cluster_keys import WEIGHT_MAX
from sozutw.config.hostnames import is_affinity, is_cookie_value
from sozutw.config.model import Backend, Cluster, LoadMetric
from sozutw.config.policies import (
    HealthCheck,
    UdpAffinityKey,
    UdpHealth,
    UdpHealthMode,
    UdpOptions,
)
from sozutw.config.policy_keys import is_probe_uri
from sozutw.config.security import EXPIRED, BackendTls
from sozutw.config.state import RefusedRequestError
from sozutw.config.table import UNSIGNED_32_MAX
from sozutw.config.tls_keys import parse_server_name
from sozutw.control.addresses import backend_address_of
from sozutw.control.checks import check_authorities, check_certificate
from sozutw.control.parts_in import (
    answers_of,
    between,
    certificate_of,
    name_of,
    present,
    seconds_of,
    wrong,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.unserved import unserved
from sozutw.control.words import LOAD_BALANCING, LOAD_METRIC, UDP_AFFINITY_KEY, UDP_HEALTH_MODE

_WEIGHT: Final = 100
"""Of a backend that does not tell, or tells 0, as Sōzu's own client does."""
_NO_PASSWORDS: Final = "nobody is asked for a password"


def cluster_of(message: pb.Cluster, *, skip_unsupported: bool = False) -> Cluster:
    """Return a cluster; raises RefusedRequestError, and tells why."""
    if not skip_unsupported:
        _refuse_what_is_unserved(message)
    extras = message.extras
    legacy = pb.CustomHttpAnswers()
    if message.HasField("answer_503"):
        legacy.answer_503 = message.answer_503
    port = present(message, "https_redirect_port")
    affinity = present(extras, "affinity")
    if affinity is not None and not is_affinity(affinity):
        raise wrong(
            "extras.affinity",
            affinity,
            "source, header:NAME, cookie:NAME or path[N] is meant",
        )
    return Cluster(
        cluster_id=name_of(message.cluster_id, "cluster_id"),
        load_balancing=LOAD_BALANCING.word(message.load_balancing, "load_balancing"),
        load_metric=(
            LOAD_METRIC.word(message.load_metric, "load_metric")
            if message.HasField("load_metric")
            else LoadMetric.CONNECTIONS
        ),
        sticky_session=message.sticky_session,
        https_redirect=message.https_redirect,
        https_redirect_port=(
            None if port is None else between(port, "https_redirect_port", 1, PORT_MAX)
        ),
        answers=answers_of(message, legacy),
        max_connections_per_ip=present(message, "max_connections_per_ip"),
        retry_after=present(message, "retry_after"),
        affinity=affinity,
        front_timeout=seconds_of(None, extras, "front_timeout"),
        back_timeout=seconds_of(None, extras, "back_timeout"),
        connect_timeout=seconds_of(None, extras, "connect_timeout"),
        request_timeout=seconds_of(None, extras, "request_timeout"),
        tunnel_timeout=seconds_of(None, extras, "tunnel_timeout"),
        backend_tls=_backend_tls_of(extras.backend_tls) if extras.HasField("backend_tls") else None,
        http2=message.http2,
        send_proxy=(
            message.HasField("proxy_protocol") and message.proxy_protocol == pb.SEND_HEADER
        ),
        authorized_hashes=tuple(message.authorized_hashes),
        www_authenticate=present(message, "www_authenticate"),
        health_check=(
            health_check_of(message.health_check, "health_check.")
            if message.HasField("health_check")
            else None
        ),
        udp=_udp_of(message.udp) if message.HasField("udp") else None,
    )


def health_check_of(message: pb.HealthCheckConfig, path: str = "config.") -> HealthCheck:
    """Return a health check; ``path`` is where it stands, for what is told of it."""
    if message.tcp and message.uri:
        raise wrong(f"{path}uri", message.uri, "nothing is asked for with tcp; one is meant")
    if not message.tcp and not is_probe_uri(message.uri):
        raise wrong(f"{path}uri", message.uri, "a path that begins with / is meant")
    for field in ("interval", "timeout", "healthy_threshold", "unhealthy_threshold"):
        between(getattr(message, field), path + field, 1, UNSIGNED_32_MAX)
    return HealthCheck(
        uri=message.uri,
        interval=message.interval,
        timeout=message.timeout,
        healthy_threshold=message.healthy_threshold,
        unhealthy_threshold=message.unhealthy_threshold,
        expected_status=message.expected_status,
        is_tcp=message.tcp,
    )


def backend_of(message: pb.AddBackend) -> Backend:
    """Return a backend; raises RefusedRequestError, and tells why."""
    weight = message.load_balancing_parameters.weight
    between(weight, "load_balancing_parameters.weight", 0, WEIGHT_MAX)
    sticky_id = present(message, "sticky_id")
    if sticky_id is not None and not is_cookie_value(sticky_id):
        raise wrong("sticky_id", sticky_id, "the value of a cookie is meant")
    return Backend(
        cluster_id=name_of(message.cluster_id, "cluster_id"),
        backend_id=name_of(message.backend_id, "backend_id"),
        address=backend_address_of(message.address),
        weight=weight or _WEIGHT,
        sticky_id=sticky_id,
        backup=message.backup,
    )


def _refuse_what_is_unserved(message: pb.Cluster) -> None:
    if message.http2:
        raise unserved("http2", "HTTP/1.1 is spoken to backends")
    if message.authorized_hashes:
        raise unserved("authorized_hashes", _NO_PASSWORDS)
    if message.HasField("www_authenticate"):
        raise unserved("www_authenticate", _NO_PASSWORDS)


def _backend_tls_of(message: pb.BackendTls) -> BackendTls:
    path = "extras.backend_tls."
    authorities = present(message, "authorities")
    if authorities is not None:
        reason = lacks_certificate(authorities) or check_authorities(authorities)
        if reason is not None:
            raise RefusedRequestError(f"{path}authorities cannot be used: {reason}")
    server_name = present(message, "server_name")
    if server_name is not None:
        try:
            server_name = parse_server_name(server_name)
        except ValueError as error:
            raise wrong(f"{path}server_name", server_name, str(error)) from None
    certificate = None
    if message.HasField("certificate"):
        certificate = certificate_of(message.certificate, f"{path}certificate")
        reason = check_certificate(certificate)
        # Time alone must not keep a state from being loaded that was right when it was saved.
        if reason is not None and not reason.startswith(EXPIRED):
            raise RefusedRequestError(f"{path}certificate cannot be used: {reason}")
    return BackendTls(authorities, server_name, certificate, message.insecure)


def _udp_of(message: pb.UdpClusterConfig) -> UdpOptions:
    return UdpOptions(
        affinity_key=(
            UDP_AFFINITY_KEY.word(message.affinity_key, "udp.affinity_key")
            if message.HasField("affinity_key")
            else UdpAffinityKey.SOURCE_IP
        ),
        responses=message.responses,
        requests=message.requests,
        send_proxy_protocol=message.send_proxy_protocol,
        proxy_protocol_every_datagram=message.proxy_protocol_every_datagram,
        health=_udp_health_of(message.health) if message.HasField("health") else UdpHealth(),
    )


def _udp_health_of(message: pb.UdpHealthConfig) -> UdpHealth:
    path = "udp.health."
    port = present(message, "tcp_port")
    if port is not None:
        between(port, f"{path}tcp_port", 1, PORT_MAX)
    for field in ("rise", "fall", "probe_interval_seconds", "probe_timeout_seconds"):
        between(getattr(message, field), path + field, 1, UNSIGNED_32_MAX)
    payload = present(message, "udp_probe_payload")
    try:
        text = None if payload is None else payload.decode()
    except UnicodeDecodeError:
        raise RefusedRequestError(
            f"{path}udp_probe_payload is no valid UTF-8; a text is meant"
        ) from None
    return UdpHealth(
        mode=(
            UDP_HEALTH_MODE.word(message.mode, f"{path}mode")
            if message.HasField("mode")
            else UdpHealthMode.TCP_PROBE
        ),
        tcp_port=port,
        rise=message.rise,
        fall=message.fall,
        fail_open=message.fail_open,
        udp_probe_payload=text,
        probe_interval_seconds=message.probe_interval_seconds,
        probe_timeout_seconds=message.probe_timeout_seconds,
    )
