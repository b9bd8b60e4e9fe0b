"""
One frozen value for each thing that can be asked of a configuration.

A file, a command and a test all say what they want in these; ``config.state`` applies them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    no_tags,
)
from sozutw.config.policies import HealthCheck
from sozutw.config.security import CertificateAndKey, Hsts


@dataclass(frozen=True, slots=True)
class AddHttpListener:
    """Know a listener; it accepts nothing until it is activated."""

    listener: HttpListener


@dataclass(frozen=True, slots=True)
class AddHttpsListener:
    """Know a listener that speaks TLS; it accepts nothing until it is activated."""

    listener: HttpsListener


@dataclass(frozen=True, slots=True)
class RemoveListener:
    """Forget a listener, active or not; its frontends and certificates stay, without effect."""

    address: InetAddress
    kind: ListenerKind | None = None
    """If it is told, the listener must be of that kind."""


@dataclass(frozen=True, slots=True)
class ActivateListener:
    """Accept connections; asking for it twice is asking once."""

    address: InetAddress
    kind: ListenerKind | None = None
    """If it is told, the listener must be of that kind."""


@dataclass(frozen=True, slots=True)
class DeactivateListener:
    """Accept no more connections; asking for it twice is asking once."""

    address: InetAddress
    kind: ListenerKind | None = None
    """If it is told, the listener must be of that kind."""


@dataclass(frozen=True, slots=True)
class AddCluster:
    """Know a cluster, or replace the options of a known one."""

    cluster: Cluster


@dataclass(frozen=True, slots=True)
class RemoveCluster:
    """Forget a cluster; its backends and frontends stay, and it may come back."""

    cluster_id: str


@dataclass(frozen=True, slots=True)
class AddHttpFrontend:
    """Lead requests to a cluster."""

    frontend: FrontendRule


@dataclass(frozen=True, slots=True)
class RemoveHttpFrontend:
    """
    Lead them there no more.

    The rule is known by address, host, path, method and position; the rest may differ.
    """

    frontend: FrontendRule


@dataclass(frozen=True, slots=True)
class AddHttpsFrontend:
    """Lead requests that came over TLS to a cluster."""

    frontend: FrontendRule


@dataclass(frozen=True, slots=True)
class RemoveHttpsFrontend:
    """Lead them there no more; the rule is known as in RemoveHttpFrontend."""

    frontend: FrontendRule


@dataclass(frozen=True, slots=True)
class AddCertificate:
    """Serve a certificate; one that is known already stays as it is."""

    address: InetAddress
    certificate: CertificateAndKey


@dataclass(frozen=True, slots=True)
class RemoveCertificate:
    """Serve it no more; live connections keep it."""

    address: InetAddress
    fingerprint: str
    """SHA-256 of the certificate's DER, in hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class ReplaceCertificate:
    """Serve one certificate in the place of another, in one step."""

    address: InetAddress
    certificate: CertificateAndKey
    old_fingerprint: str


@dataclass(frozen=True, slots=True)
class ReplaceDefaultCertificate:
    """Serve another certificate where none of the others has the name that was asked for."""

    address: InetAddress
    certificate: CertificateAndKey


@dataclass(frozen=True, slots=True)
class AddBackend:
    """Know a backend, or replace the options of one with the same cluster, id and address."""

    backend: Backend


@dataclass(frozen=True, slots=True)
class RemoveBackend:
    """Forget one backend."""

    cluster_id: str
    backend_id: str
    address: BackendAddress


@dataclass(frozen=True, slots=True)
class ListenerPatch:
    """What changes of a listener; None leaves a field as it is."""

    public_address: InetAddress | None = None
    expect_proxy: bool | None = None
    sticky_name: str | None = None
    front_timeout: float | None = None
    back_timeout: float | None = None
    connect_timeout: float | None = None
    request_timeout: float | None = None
    sozu_id_header: str | None = None
    elide_x_real_ip: bool | None = None
    send_x_real_ip: bool | None = None
    answers: Mapping[str, str] = field(default_factory=no_tags, hash=False)
    """By status; those that are not named stay, and an empty text takes the built-in one."""
    http2: Mapping[str, int] = field(default_factory=dict, hash=False)
    """By the name of the limit in Http2Limits; those that are not named stay."""
    alpn_protocols: tuple[str, ...] | None = None
    """This and what follows is for a listener of TLS; empty: what is offered by default."""
    strict_sni_binding: bool | None = None
    disable_http11: bool | None = None
    hsts: Hsts | None = None


@dataclass(frozen=True, slots=True)
class UpdateListener:
    """Change some fields of a listener, all or none; new requests see them."""

    address: InetAddress
    kind: ListenerKind
    """HTTP or HTTPS; the listener must be of that kind."""
    patch: ListenerPatch


@dataclass(frozen=True, slots=True)
class SetHealthCheck:
    """Probe the backends of a known cluster, or probe them in another way."""

    cluster_id: str
    check: HealthCheck


@dataclass(frozen=True, slots=True)
class RemoveHealthCheck:
    """Probe them no more; all count as healthy from then on."""

    cluster_id: str


ListenerRequest = (
    AddHttpListener
    | AddHttpsListener
    | RemoveListener
    | ActivateListener
    | DeactivateListener
    | UpdateListener
)
FrontendRequest = AddHttpFrontend | RemoveHttpFrontend | AddHttpsFrontend | RemoveHttpsFrontend
CertificateRequest = (
    AddCertificate | RemoveCertificate | ReplaceCertificate | ReplaceDefaultCertificate
)
ClusterRequest = (
    AddCluster | RemoveCluster | AddBackend | RemoveBackend | SetHealthCheck | RemoveHealthCheck
)
Request = ListenerRequest | FrontendRequest | CertificateRequest | ClusterRequest


def requests_of(config: Config) -> list[Request]:
    """
    Return what makes an empty state into ``config``, in Sōzu's order.

    Listeners come first, then their certificates; each cluster is followed by its frontends and
    backends; rules without a cluster follow; and only when all can be answered are listeners
    activated.
    """
    frontends: dict[str | None, list[Request]] = {}
    for rule in config.frontends:
        frontends.setdefault(rule.cluster_id, []).append(AddHttpFrontend(rule))
    for rule in config.https_frontends:
        frontends.setdefault(rule.cluster_id, []).append(AddHttpsFrontend(rule))
    backends: dict[str, list[Request]] = {}
    for backend in config.backends:
        backends.setdefault(backend.cluster_id, []).append(AddBackend(backend))

    requests: list[Request] = [AddHttpListener(listener) for listener in config.listeners]
    requests += [AddHttpsListener(listener) for listener in config.https_listeners]
    requests += [AddCertificate(held.address, held.certificate) for held in config.certificates]
    for cluster in config.clusters:
        requests.append(AddCluster(cluster))
        requests += frontends.pop(cluster.cluster_id, [])
        requests += backends.pop(cluster.cluster_id, [])
    for rest in (*frontends.values(), *backends.values()):
        requests += rest
    if config.settings.activate_listeners:
        requests += [ActivateListener(listener.address) for listener in config.listeners]
        requests += [ActivateListener(listener.address) for listener in config.https_listeners]
    return requests
