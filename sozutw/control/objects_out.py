"""To messages from clusters, backends, frontends, listeners, and what changes of a listener."""

from typing import Any

from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    LoadMetric,
    Redirect,
    RedirectScheme,
    Timeouts,
)
from sozutw.config.policies import Http2Limits
from sozutw.config.requests import ListenerPatch
from sozutw.config.security import ClientAuth
from sozutw.control import words
from sozutw.control.addresses import address_message
from sozutw.control.parts_out import (
    backend_tls_message,
    health_check_message,
    hsts_message,
    put_answers,
    put_present,
    put_seconds,
    udp_message,
    version_numbers,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.tls_in import SOZU_TICKETS


def listener_message(
    listener: HttpListener | HttpsListener, *, active: bool
) -> pb.HttpListenerConfig | pb.HttpsListenerConfig:
    """Return a listener, and whether it accepts."""
    if isinstance(listener, HttpListener):
        message = pb.HttpListenerConfig(active=active)
        _put_http(message, listener)
        return message
    https = pb.HttpsListenerConfig(active=active)
    _put_http(https, listener.http)
    _put_https(https, listener)
    return https


def put_patch(message: Any, patch: ListenerPatch) -> None:
    """Write what changes of a listener into an update, which is of its kind."""
    if patch.public_address is not None:
        message.public_address.CopyFrom(address_message(patch.public_address))
    put_present(
        message,
        expect_proxy=patch.expect_proxy,
        sticky_name=patch.sticky_name,
        sozu_id_header=patch.sozu_id_header,
        elide_x_real_ip=patch.elide_x_real_ip,
        send_x_real_ip=patch.send_x_real_ip,
        **patch.http2,
    )
    for name in ("front_timeout", "back_timeout", "connect_timeout", "request_timeout"):
        seconds = getattr(patch, name)
        if seconds is not None:
            put_seconds(message, name, seconds)
    put_answers(message, patch.answers)
    if isinstance(message, pb.UpdateHttpsListenerConfig):
        put_present(
            message,
            strict_sni_binding=patch.strict_sni_binding,
            disable_http11=patch.disable_http11,
        )
        if patch.alpn_protocols is not None:
            message.alpn_protocols.CopyFrom(pb.AlpnProtocols(values=patch.alpn_protocols))
        if patch.hsts is not None:
            message.hsts.CopyFrom(hsts_message(patch.hsts))


def cluster_message(cluster: Cluster) -> pb.Cluster:
    """Return a cluster."""
    message = pb.Cluster(
        cluster_id=cluster.cluster_id,
        sticky_session=cluster.sticky_session,
        https_redirect=cluster.https_redirect,
        load_balancing=words.LOAD_BALANCING.number(cluster.load_balancing),  # type: ignore[arg-type]
        answers=cluster.answers,
        authorized_hashes=cluster.authorized_hashes,
    )
    metric = cluster.load_metric
    put_present(
        message,
        proxy_protocol=pb.SEND_HEADER if cluster.send_proxy else None,
        answer_503=cluster.answers.get("503"),
        load_metric=(
            None if metric is LoadMetric.CONNECTIONS else words.LOAD_METRIC.number(metric)
        ),
        http2=cluster.http2 or None,
        https_redirect_port=cluster.https_redirect_port,
        www_authenticate=cluster.www_authenticate,
        max_connections_per_ip=cluster.max_connections_per_ip,
        retry_after=cluster.retry_after,
    )
    if cluster.health_check is not None:
        message.health_check.CopyFrom(health_check_message(cluster.health_check))
    if cluster.udp is not None:
        message.udp.CopyFrom(udp_message(cluster.udp))
    put_present(
        message.extras,
        affinity=cluster.affinity,
        front_timeout=cluster.front_timeout,
        back_timeout=cluster.back_timeout,
        connect_timeout=cluster.connect_timeout,
        request_timeout=cluster.request_timeout,
        tunnel_timeout=cluster.tunnel_timeout,
    )
    if cluster.backend_tls is not None:
        message.extras.backend_tls.CopyFrom(backend_tls_message(cluster.backend_tls))
    return message


def backend_message(backend: Backend) -> pb.AddBackend:
    """Return a backend."""
    message = pb.AddBackend(
        cluster_id=backend.cluster_id,
        backend_id=backend.backend_id,
        address=address_message(backend.address),
        load_balancing_parameters=pb.LoadBalancingParams(weight=backend.weight),
    )
    put_present(message, sticky_id=backend.sticky_id, backup=backend.backup or None)
    return message


def frontend_message(rule: FrontendRule) -> pb.RequestHttpFrontend:
    """Return a rule of a frontend."""
    message = pb.RequestHttpFrontend(
        address=address_message(rule.address),
        hostname=rule.hostname,
        path=pb.PathRule(
            kind=words.PATH_TYPE.number(rule.path_type),  # type: ignore[arg-type]
            value=rule.path,
        ),
        position=words.POSITION.number(rule.position),  # type: ignore[arg-type]
        tags=rule.tags,
    )
    redirect, scheme = rule.redirect, rule.redirect_scheme
    put_present(
        message,
        cluster_id=rule.cluster_id,
        method=rule.method,
        redirect=None if redirect is Redirect.FORWARD else words.REDIRECT.number(redirect),
        redirect_scheme=(
            None if scheme is RedirectScheme.USE_SAME else words.REDIRECT_SCHEME.number(scheme)
        ),
        required_auth=rule.required_auth or None,
        redirect_template=rule.redirect_template,
        rewrite_host=rule.rewrite_host,
        rewrite_path=rule.rewrite_path,
        rewrite_port=rule.rewrite_port,
    )
    for edit in rule.headers:
        position = words.HEADER_POSITION.number(edit.position)
        message.headers.add(position=position, key=edit.key, val=edit.value)
    if rule.hsts is not None:
        message.hsts.CopyFrom(hsts_message(rule.hsts))
    return message


def _put_http(message: Any, listener: HttpListener) -> None:
    message.address.CopyFrom(address_message(listener.address))
    if listener.public_address is not None:
        message.public_address.CopyFrom(address_message(listener.public_address))
    timeouts = listener.timeouts
    put_seconds(message, "front_timeout", timeouts.front)
    put_seconds(message, "back_timeout", timeouts.back)
    put_seconds(message, "connect_timeout", timeouts.connect)
    put_seconds(message, "request_timeout", timeouts.request)
    if timeouts.tunnel != Timeouts().tunnel:
        message.extras.tunnel_timeout = timeouts.tunnel
    put_present(
        message,
        expect_proxy=listener.expect_proxy,
        sticky_name=listener.sticky_name,
        sozu_id_header=listener.sozu_id_header,
        elide_x_real_ip=listener.elide_x_real_ip,
        send_x_real_ip=listener.send_x_real_ip,
    )
    put_answers(message, listener.answers)
    if listener.http2 is not None:
        limits = {name: getattr(listener.http2, name) for name in Http2Limits.__slots__}
        put_present(message, **limits)
    if listener.trusted_proxies:
        message.extras.trusted_proxies.extend(map(str, listener.trusted_proxies))


def _put_https(message: pb.HttpsListenerConfig, listener: HttpsListener) -> None:
    tls = listener.tls
    message.versions.extend(version_numbers(tls.tls_versions))  # type: ignore[arg-type]
    message.cipher_list.extend(tls.cipher_list)
    message.cipher_suites.extend(tls.cipher_suites)
    message.groups_list.extend(tls.groups_list)
    message.signature_algorithms.extend(tls.signature_algorithms)
    message.alpn_protocols.extend(listener.alpn_protocols)
    tickets = tls.send_tls13_tickets
    message.send_tls13_tickets = SOZU_TICKETS if tickets is None else tickets
    if tickets == SOZU_TICKETS:
        message.extras.send_tls13_tickets = tickets
    _put_own_certificate(message, listener)
    put_present(
        message,
        strict_sni_binding=listener.strict_sni_binding,
        disable_http11=listener.disable_http11 or None,
    )
    if listener.hsts is not None:
        message.hsts.CopyFrom(hsts_message(listener.hsts))
    if listener.client_auth is not ClientAuth.NONE:
        message.extras.client_auth = listener.client_auth.value
    put_present(message.extras, client_authorities=listener.client_authorities)


def _put_own_certificate(message: pb.HttpsListenerConfig, listener: HttpsListener) -> None:
    held = listener.certificate
    if held is None:
        return
    message.certificate = held.certificate
    message.key = held.key
    message.certificate_chain.extend(held.chain)
    if held.versions != listener.tls.tls_versions or held.names:
        use = pb.CertificateUse(
            versions=version_numbers(held.versions),  # type: ignore[arg-type]
            names=held.names,
        )
        message.extras.certificate_use.CopyFrom(use)
