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
    InetAddress,
)


@dataclass(frozen=True, slots=True)
class AddHttpListener:
    """Know a listener; it accepts nothing until it is activated."""

    listener: HttpListener


@dataclass(frozen=True, slots=True)
class RemoveListener:
    """Forget a listener, active or not; its frontends stay and lead nowhere."""

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
class AddBackend:
    """Know a backend, or replace the options of one with the same cluster, id and address."""

    backend: Backend


@dataclass(frozen=True, slots=True)
class RemoveBackend:
    """Forget one backend."""

    cluster_id: str
    backend_id: str
    address: BackendAddress


Request = (
    AddHttpListener
    | RemoveListener
    | ActivateListener
    | DeactivateListener
    | AddCluster
    | RemoveCluster
    | AddHttpFrontend
    | RemoveHttpFrontend
    | AddBackend
    | RemoveBackend
)


def requests_of(config: Config) -> list[Request]:
    """
    Return what makes an empty state into ``config``, in Sōzu's order.

    Listeners come first; each cluster is followed by its frontends and backends; rules
    without a cluster follow; and only when all can be answered are listeners activated.
    """
    frontends: dict[str | None, list[Request]] = {}
    for rule in config.frontends:
        frontends.setdefault(rule.cluster_id, []).append(AddHttpFrontend(rule))
    backends: dict[str, list[Request]] = {}
    for backend in config.backends:
        backends.setdefault(backend.cluster_id, []).append(AddBackend(backend))

    requests: list[Request] = [AddHttpListener(listener) for listener in config.listeners]
    for cluster in config.clusters:
        requests.append(AddCluster(cluster))
        requests += frontends.pop(cluster.cluster_id, [])
        requests += backends.pop(cluster.cluster_id, [])
    for rest in (*frontends.values(), *backends.values()):
        requests += rest
    if config.settings.activate_listeners:
        requests += [ActivateListener(listener.address) for listener in config.listeners]
    return requests
