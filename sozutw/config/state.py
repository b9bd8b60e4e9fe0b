"""
All that is configured at one moment, changed by one request at a time.

A request is applied whole or refused whole, so that whoever holds live objects may follow
each request that was not refused.
"""

from dataclasses import replace
from typing import assert_never

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    PathType,
    Position,
)
from sozutw.config.pem import fingerprint_of
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    CertificateRequest,
    ClusterRequest,
    DeactivateListener,
    ListenerRequest,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
)
from sozutw.config.security import CertificateAndKey

Listener = HttpListener | HttpsListener
FrontendKey = tuple[str, str, PathType, str | None, Position]


class RefusedRequestError(Exception):
    """The request asks for what cannot be; the text says what to do instead."""


def frontend_key(rule: FrontendRule) -> FrontendKey:
    """Return what tells a rule from the others of its listener."""
    return (rule.hostname, rule.path, rule.path_type, rule.method, rule.position)


class ConfigState:
    """
    The listeners, certificates, clusters, frontends and backends that are known.

    AddCluster and AddBackend replace what they find, and AddCertificate leaves what it finds.
    Adding anything else twice is refused, and so is removing what is not there.
    """

    def __init__(self) -> None:
        self._listeners: dict[InetAddress, Listener] = {}
        self._active: set[InetAddress] = set()
        self._clusters: dict[str, Cluster] = {}
        self._frontends: dict[InetAddress, dict[FrontendKey, FrontendRule]] = {}
        self._kinds: dict[InetAddress, type[Listener]] = {}
        """What the frontends of an address were written for; they may outlive their listener."""
        self._certificates: dict[InetAddress, dict[str, CertificateAndKey]] = {}
        self._backends: dict[str, dict[tuple[str, BackendAddress], Backend]] = {}

    def apply(self, request: Request) -> None:
        """Change everything that the request asks for, or raise and change nothing."""
        match request:
            case (
                AddHttpListener()
                | AddHttpsListener()
                | RemoveListener()
                | ActivateListener()
                | DeactivateListener()
            ):
                self._apply_to_listeners(request)
            case (
                AddCertificate()
                | RemoveCertificate()
                | ReplaceCertificate()
                | ReplaceDefaultCertificate()
            ):
                self._apply_to_certificates(request)
            case AddHttpFrontend(rule):
                self._add_frontend(rule, HttpListener)
            case AddHttpsFrontend(rule):
                self._add_frontend(rule, HttpsListener)
            case RemoveHttpFrontend(rule):
                self._remove_frontend(rule, HttpListener)
            case RemoveHttpsFrontend(rule):
                self._remove_frontend(rule, HttpsListener)
            case AddCluster() | RemoveCluster() | AddBackend() | RemoveBackend():
                self._apply_to_clusters(request)
            case _:
                assert_never(request)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All listeners, in the order they were added."""
        return tuple(self._listeners.values())

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, in the order they were first added."""
        return tuple(self._clusters.values())

    def is_active(self, address: InetAddress) -> bool:
        """Whether the listener at this address was activated."""
        return address in self._active

    def listener(self, address: InetAddress) -> Listener | None:
        """Return the listener at this address."""
        return self._listeners.get(address)

    def cluster(self, cluster_id: str) -> Cluster | None:
        """Return the cluster of this name."""
        return self._clusters.get(cluster_id)

    def frontends(self, address: InetAddress) -> tuple[FrontendRule, ...]:
        """Return the rules of a listener, in the order they were added."""
        return tuple(self._frontends.get(address, {}).values())

    def certificates(self, address: InetAddress) -> tuple[CertificateAndKey, ...]:
        """Return the certificates of a listener, its default aside, in the order of adding."""
        return tuple(self._certificates.get(address, {}).values())

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
        assert self._kinds.keys() == self._frontends.keys()
        for address, kind in self._kinds.items():
            assert type(self._listeners.get(address)) in (kind, type(None))
        for address, certificates in self._certificates.items():
            assert certificates, f"an empty table of certificates for {address}"
            for fingerprint, certificate in certificates.items():
                assert fingerprint_of(certificate.certificate) == fingerprint
        for cluster_id, backends in self._backends.items():
            assert backends, f"an empty table of backends for {cluster_id}"
            for (backend_id, backend_address), backend in backends.items():
                assert backend.cluster_id == cluster_id
                assert backend.backend_id == backend_id
                assert backend.address == backend_address

    def _apply_to_listeners(self, request: ListenerRequest) -> None:
        match request:
            case AddHttpListener(listener) | AddHttpsListener(listener):
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
            case _:
                assert_never(request)

    def _apply_to_certificates(self, request: CertificateRequest) -> None:
        match request:
            case AddCertificate(address, certificate):
                self._require_https(address)
                fingerprint = _fingerprint(certificate)
                self._certificates.setdefault(address, {}).setdefault(fingerprint, certificate)
            case RemoveCertificate(address, fingerprint):
                self._require_certificate(address, fingerprint)
                self._remove_certificate(address, fingerprint)
            case ReplaceCertificate(address, certificate, old_fingerprint):
                self._require_https(address)
                self._require_certificate(address, old_fingerprint)
                fingerprint = _fingerprint(certificate)  # Before anything is changed.
                self._remove_certificate(address, old_fingerprint)
                self._certificates.setdefault(address, {}).setdefault(fingerprint, certificate)
            case ReplaceDefaultCertificate(address, certificate):
                listener = self._require_https(address)
                _fingerprint(certificate)
                self._listeners[address] = replace(listener, certificate=certificate)
            case _:
                assert_never(request)

    def _apply_to_clusters(self, request: ClusterRequest) -> None:
        match request:
            case AddCluster(cluster):
                self._clusters[cluster.cluster_id] = cluster
            case RemoveCluster(cluster_id):
                if self._clusters.pop(cluster_id, None) is None:
                    raise RefusedRequestError(f"there is no cluster {cluster_id!r} to remove")
            case AddBackend(backend):
                known = self._backends.setdefault(backend.cluster_id, {})
                known[backend.backend_id, backend.address] = backend
            case RemoveBackend(cluster_id, backend_id, address):
                self._remove_backend(cluster_id, backend_id, address)
            case _:
                assert_never(request)

    def _add_listener(self, listener: Listener) -> None:
        address = listener.address
        if address in self._listeners:
            raise RefusedRequestError(f"there is already a listener at {address}; remove it first")
        if self._kinds.get(address, type(listener)) is not type(listener):
            # What was written for TLS is not to be told in the clear, nor the other way round.
            raise RefusedRequestError(
                f"the frontends at {address} {_was(self._kinds[address])}; remove them first"
            )
        self._listeners[address] = listener

    def _require_listener(self, address: InetAddress) -> None:
        if address not in self._listeners:
            raise RefusedRequestError(f"there is no listener at {address}; add it first")

    def _require_https(self, address: InetAddress) -> HttpsListener:
        self._require_listener(address)
        listener = self._listeners[address]
        if not isinstance(listener, HttpsListener):
            raise RefusedRequestError(f"the listener at {address} speaks no TLS; name another")
        return listener

    def _require_certificate(self, address: InetAddress, fingerprint: str) -> None:
        if fingerprint.lower() not in self._certificates.get(address, {}):
            raise RefusedRequestError(
                f"the listener at {address} has no certificate with fingerprint {fingerprint}"
            )

    def _remove_certificate(self, address: InetAddress, fingerprint: str) -> None:
        certificates = self._certificates[address]
        del certificates[fingerprint.lower()]
        if not certificates:
            del self._certificates[address]

    def _add_frontend(self, rule: FrontendRule, kind: type[Listener]) -> None:
        self._require_listener(rule.address)
        if type(self._listeners[rule.address]) is not kind:
            raise RefusedRequestError(
                f"the listener at {rule.address} {_is_not(kind)}; name another"
            )
        rules = self._frontends.get(rule.address, {})
        key = frontend_key(rule)
        known = rules.get(key)
        if known is not None:
            raise RefusedRequestError(
                f"{_spell(rule)} already {_lead(known)}; remove that frontend first"
            )
        rules[key] = rule
        self._frontends[rule.address] = rules
        self._kinds[rule.address] = kind

    def _remove_frontend(self, rule: FrontendRule, kind: type[Listener]) -> None:
        rules = self._frontends.get(rule.address, {})
        key = frontend_key(rule)
        if key not in rules or self._kinds[rule.address] is not kind:
            raise RefusedRequestError(f"there is no frontend {_spell(rule)} to remove")
        del rules[key]
        if not rules:
            del self._frontends[rule.address]
            del self._kinds[rule.address]

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


def _fingerprint(certificate: CertificateAndKey) -> str:
    try:
        return fingerprint_of(certificate.certificate)
    except ValueError as error:
        raise RefusedRequestError(f"that is no certificate: {error}") from None


def _is_not(kind: type[Listener]) -> str:
    return "speaks TLS" if kind is HttpListener else "speaks no TLS"


def _was(kind: type[Listener]) -> str:
    return "are for TLS" if kind is HttpsListener else "are not for TLS"


def _lead(rule: FrontendRule) -> str:
    return "denies" if rule.cluster_id is None else f"leads to cluster {rule.cluster_id!r}"
