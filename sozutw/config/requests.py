"""
One frozen value for each thing that can be asked of a configuration.

A file, a command and a test all say what they want in these; ``config.state`` applies them.
"""

from dataclasses import dataclass

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
)
from sozutw.config.security import CertificateAndKey


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


@dataclass(frozen=True, slots=True)
class ActivateListener:
    """Accept connections; asking for it twice is asking once."""

    address: InetAddress


@dataclass(frozen=True, slots=True)
class DeactivateListener:
    """Accept no more connections; asking for it twice is asking once."""

    address: InetAddress


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


ListenerRequest = (
    AddHttpListener | AddHttpsListener | RemoveListener | ActivateListener | DeactivateListener
)
FrontendRequest = AddHttpFrontend | RemoveHttpFrontend | AddHttpsFrontend | RemoveHttpsFrontend
CertificateRequest = (
    AddCertificate | RemoveCertificate | ReplaceCertificate | ReplaceDefaultCertificate
)
ClusterRequest = AddCluster | RemoveCluster | AddBackend | RemoveBackend
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
