"""
All that is configured at one moment, changed by one request at a time.

A request is applied whole or refused whole, so that whoever holds live objects may follow
each request that was not refused.
"""

from typing import assert_never

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpListener,
    InetAddress,
    PathType,
    Position,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    DeactivateListener,
    RemoveBackend,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveListener,
    Request,
)

FrontendKey = tuple[str, str, PathType, str | None, Position]


class RefusedRequestError(Exception):
    """The request asks for what cannot be; the text says what to do instead."""


def frontend_key(rule: FrontendRule) -> FrontendKey:
    """Return what tells a rule from the others of its listener."""
    return (rule.hostname, rule.path, rule.path_type, rule.method, rule.position)


class ConfigState:
    """
    The listeners, clusters, frontends and backends that are known.

    AddCluster and AddBackend replace what they find. Adding anything else twice is refused,
    and so is removing what is not there.
    """

    def __init__(self) -> None:
        self._listeners: dict[InetAddress, HttpListener] = {}
        self._active: set[InetAddress] = set()
        self._clusters: dict[str, Cluster] = {}
        self._frontends: dict[InetAddress, dict[FrontendKey, FrontendRule]] = {}
        self._backends: dict[str, dict[tuple[str, BackendAddress], Backend]] = {}

    def apply(self, request: Request) -> None:  # noqa: C901  # one arm a verb
        """Change everything that the request asks for, or raise and change nothing."""
        match request:
            case AddHttpListener(listener):
                self._add_listener(listener)
            case RemoveListener(address):
                self._require_listener(address)
                del self._listeners[address]
                self._active.discard(address)
            case ActivateListener(address):
                self._require_listener(address)
                self._active.add(address)
            case DeactivateListener(address):
                self._require_listener(address)
                self._active.discard(address)
            case AddCluster(cluster):
                self._clusters[cluster.cluster_id] = cluster
            case RemoveCluster(cluster_id):
                if self._clusters.pop(cluster_id, None) is None:
                    raise RefusedRequestError(f"there is no cluster {cluster_id!r} to remove")
            case AddHttpFrontend(rule):
                self._add_frontend(rule)
            case RemoveHttpFrontend(rule):
                self._remove_frontend(rule)
            case AddBackend(backend):
                known = self._backends.setdefault(backend.cluster_id, {})
                known[backend.backend_id, backend.address] = backend
            case RemoveBackend(cluster_id, backend_id, address):
                self._remove_backend(cluster_id, backend_id, address)
            case _:
                assert_never(request)

    @property
    def listeners(self) -> tuple[HttpListener, ...]:
        """All listeners, in the order they were added."""
        return tuple(self._listeners.values())

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, in the order they were first added."""
        return tuple(self._clusters.values())

    def is_active(self, address: InetAddress) -> bool:
        """Whether the listener at this address was activated."""
        return address in self._active

    def listener(self, address: InetAddress) -> HttpListener | None:
        """Return the listener at this address."""
        return self._listeners.get(address)

    def cluster(self, cluster_id: str) -> Cluster | None:
        """Return the cluster of this name."""
        return self._clusters.get(cluster_id)

    def frontends(self, address: InetAddress) -> tuple[FrontendRule, ...]:
        """Return the rules of a listener, in the order they were added."""
        return tuple(self._frontends.get(address, {}).values())

    def backends(self, cluster_id: str) -> tuple[Backend, ...]:
        """Return the backends of a cluster, in the order they were first added."""
        return tuple(self._backends.get(cluster_id, {}).values())

    def check_invariants(self) -> None:
        """Every key tells the truth about its value, and nothing empty is kept."""
        assert self._active <= self._listeners.keys()
        for listener_address, listener in self._listeners.items():
            assert listener.address == listener_address
        for address, rules in self._frontends.items():
            assert rules, f"an empty table of frontends for {address}"
            for key, rule in rules.items():
                assert rule.address == address
                assert frontend_key(rule) == key
        for cluster_id, backends in self._backends.items():
            assert backends, f"an empty table of backends for {cluster_id}"
            for (backend_id, backend_address), backend in backends.items():
                assert backend.cluster_id == cluster_id
                assert backend.backend_id == backend_id
                assert backend.address == backend_address

    def _add_listener(self, listener: HttpListener) -> None:
        if listener.address in self._listeners:
            raise RefusedRequestError(
                f"there is already a listener at {listener.address}; remove it first"
            )
        self._listeners[listener.address] = listener

    def _require_listener(self, address: InetAddress) -> None:
        if address not in self._listeners:
            raise RefusedRequestError(f"there is no listener at {address}; add it first")

    def _add_frontend(self, rule: FrontendRule) -> None:
        self._require_listener(rule.address)
        rules = self._frontends.get(rule.address, {})
        key = frontend_key(rule)
        known = rules.get(key)
        if known is not None:
            raise RefusedRequestError(
                f"{_spell(rule)} already {_lead(known)}; remove that frontend first"
            )
        rules[key] = rule
        self._frontends[rule.address] = rules

    def _remove_frontend(self, rule: FrontendRule) -> None:
        rules = self._frontends.get(rule.address, {})
        if rules.pop(frontend_key(rule), None) is None:
            raise RefusedRequestError(f"there is no frontend {_spell(rule)} to remove")
        if not rules:
            del self._frontends[rule.address]

    def _remove_backend(self, cluster_id: str, backend_id: str, address: BackendAddress) -> None:
        backends = self._backends.get(cluster_id, {})
        if backends.pop((backend_id, address), None) is None:
            raise RefusedRequestError(
                f"cluster {cluster_id!r} has no backend {backend_id!r} at {address} to remove"
            )
        if not backends:
            del self._backends[cluster_id]


def _spell(rule: FrontendRule) -> str:
    method = "" if rule.method is None else f"{rule.method} "
    path = f" {rule.path_type.value} {rule.path!r}" if rule.path else ""
    return f"{method}{rule.hostname}{path} ({rule.position.value}) at {rule.address}"


def _lead(rule: FrontendRule) -> str:
    return "denies" if rule.cluster_id is None else f"leads to cluster {rule.cluster_id!r}"
