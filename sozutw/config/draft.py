"""
A configuration as it will be: orders are judged and taken one by one, and hold with ``commit``.

An order that is refused changes nothing of the draft; a draft that is dropped changes nothing
at all.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, assert_never

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpsListener,
    InetAddress,
    ListenerKind,
)
from sozutw.config.overlay import Change, Overlay, Shelves
from sozutw.config.patch import patched
from sozutw.config.pem import fingerprint_of
from sozutw.config.policies import HealthCheck
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
    RemoveHealthCheck,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import (
    AlreadySoError,
    BackendKey,
    ConfigState,
    ConfigView,
    FrontendKey,
    Listener,
    RefusedRequestError,
    Tables,
    frontend_key,
    kind_of,
)

_SHELVED = frozenset(("frontends", "led", "certificates", "backends"))


class Draft(ConfigView):
    """
    What a state will be.

    AddCluster and AddBackend replace what they find, and AddCertificate leaves what it finds.
    Adding anything else twice is refused, and so is removing what is not there.
    """

    def __init__(self, state: ConfigState) -> None:
        self._state = state
        below = state.tables

        def lay(name: str) -> Any:
            table = getattr(below, name)
            return Shelves(table) if name in _SHELVED else Overlay(table)

        super().__init__(Tables(lay))

    def apply(self, request: Request) -> None:
        """Change everything that the request asks for, or raise and change nothing."""
        match request:
            case (
                AddHttpListener()
                | AddHttpsListener()
                | RemoveListener()
                | ActivateListener()
                | DeactivateListener()
                | UpdateListener()
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
                self._add_frontend(rule, ListenerKind.HTTP)
            case AddHttpsFrontend(rule):
                self._add_frontend(rule, ListenerKind.HTTPS)
            case RemoveHttpFrontend(rule):
                self._remove_frontend(rule, ListenerKind.HTTP)
            case RemoveHttpsFrontend(rule):
                self._remove_frontend(rule, ListenerKind.HTTPS)
            case (
                AddCluster()
                | RemoveCluster()
                | AddBackend()
                | RemoveBackend()
                | SetHealthCheck()
                | RemoveHealthCheck()
            ):
                self._apply_to_clusters(request)
            case _:
                assert_never(request)

    def settle(self) -> Iterator[None]:
        """
        Prepare the commit of a large draft, step by step; no request may follow.

        A commit takes all the longer without it, and comes to the same.
        """
        for name in sorted(_SHELVED):
            yield from self._shelves(name).settle()

    def commit(self) -> None:
        """Make it hold; the draft is of no more use."""
        changed = [
            self._overlay("clusters").changed_keys,
            self._shelves("led").changed_keys,
            self._shelves("backends").changed_keys,
        ]
        self._state.forget_hashes(chain.from_iterable(changed))
        for name in vars(self._tables):
            getattr(self._tables, name).commit()

    # What a commit would change.

    def changed_listeners(self) -> Iterator[Change[InetAddress, Listener]]:
        """Give the listeners that a request was about."""
        return self._overlay("listeners").changes()

    def changed_activity(self) -> Iterator[Change[InetAddress, bool]]:
        """Give the addresses that were activated or deactivated."""
        return self._overlay("active").changes()

    def changed_clusters(self) -> Iterator[Change[str, Cluster]]:
        """Give the clusters that a request was about, their backends and rules aside."""
        return self._overlay("clusters").changes()

    def changed_frontends(
        self,
    ) -> Iterator[tuple[InetAddress, Iterator[Change[FrontendKey, FrontendRule]]]]:
        """Give the rules that a request was about, by their listener."""
        return self._shelves("frontends").changes()

    def changed_certificates(
        self,
    ) -> Iterator[tuple[InetAddress, Iterator[Change[str, CertificateAndKey]]]]:
        """Give the certificates that a request was about, by their listener."""
        return self._shelves("certificates").changes()

    def changed_backends(self) -> Iterator[tuple[str, Iterator[Change[BackendKey, Backend]]]]:
        """Give the backends that a request was about, by their cluster."""
        return self._shelves("backends").changes()

    # Requests.

    def _apply_to_listeners(self, request: ListenerRequest) -> None:
        tables = self._tables
        match request:
            case AddHttpListener(listener) | AddHttpsListener(listener):
                self._add_listener(listener)
            case RemoveListener(address, kind):
                self._require_listener(address, kind)
                del tables.listeners[address]
                tables.active.pop(address, None)
            case ActivateListener(address, kind):
                self._require_listener(address, kind)
                tables.active[address] = True
            case DeactivateListener(address, kind):
                self._require_listener(address, kind)
                tables.active.pop(address, None)
            case UpdateListener(address, kind, patch):
                listener = self._require_listener(address, kind)
                tables.listeners[address] = patched(listener, patch)
            case _:
                assert_never(request)

    def _apply_to_certificates(self, request: CertificateRequest) -> None:
        match request:
            case AddCertificate(address, certificate):
                self._require_https(address)
                self._shelf("certificates", address).setdefault(
                    _fingerprint(certificate), certificate
                )
            case RemoveCertificate(address, fingerprint):
                self._require_certificate(address, fingerprint)
                del self._shelf("certificates", address)[fingerprint.lower()]
            case ReplaceCertificate(address, certificate, old_fingerprint):
                self._require_https(address)
                self._require_certificate(address, old_fingerprint)
                fingerprint = _fingerprint(certificate)  # Before anything is changed.
                held = self._shelf("certificates", address)
                del held[old_fingerprint.lower()]
                held.setdefault(fingerprint, certificate)
            case ReplaceDefaultCertificate(address, certificate):
                listener = self._require_https(address)
                _fingerprint(certificate)
                self._tables.listeners[address] = replace(listener, certificate=certificate)
            case _:
                assert_never(request)

    def _apply_to_clusters(self, request: ClusterRequest) -> None:
        clusters = self._tables.clusters
        match request:
            case AddCluster(cluster):
                if clusters.get(cluster.cluster_id) != cluster:
                    clusters[cluster.cluster_id] = cluster
            case RemoveCluster(cluster_id):
                if clusters.pop(cluster_id, None) is None:
                    raise RefusedRequestError(f"there is no cluster {cluster_id!r} to remove")
            case SetHealthCheck(cluster_id, check):
                self._set_health_check(cluster_id, check)
            case RemoveHealthCheck(cluster_id):
                self._set_health_check(cluster_id, None)
            case AddBackend(backend):
                known = self._shelf("backends", backend.cluster_id)
                if known.get((backend.backend_id, backend.address)) != backend:
                    known[backend.backend_id, backend.address] = backend
            case RemoveBackend(cluster_id, backend_id, address):
                self._remove_backend(cluster_id, backend_id, address)
            case _:
                assert_never(request)

    def _add_listener(self, listener: Listener) -> None:
        address = listener.address
        known = self._tables.listeners.get(address)
        if known is not None:
            raise _there_already(
                known == listener, f"there is already a listener at {address}; remove it first"
            )
        kind = self._tables.kinds.get(address)
        if kind not in (None, kind_of(listener)):
            # What was written for TLS is not to be told in the clear, nor the other way round.
            raise RefusedRequestError(f"the frontends at {address} {_was(kind)}; remove them first")
        self._tables.listeners[address] = listener

    def _require_listener(self, address: InetAddress, kind: ListenerKind | None = None) -> Listener:
        listener = self._tables.listeners.get(address)
        if listener is None:
            raise RefusedRequestError(f"there is no listener at {address}; add it first")
        if kind not in (None, kind_of(listener)):
            assert kind is not None
            raise RefusedRequestError(
                f"the listener at {address} is for {kind_of(listener).value} and not for "
                f"{kind.value}; name another"
            )
        return listener

    def _require_https(self, address: InetAddress) -> HttpsListener:
        listener = self._require_listener(address)
        if not isinstance(listener, HttpsListener):
            raise RefusedRequestError(f"the listener at {address} speaks no TLS; name another")
        return listener

    def _set_health_check(self, cluster_id: str, check: HealthCheck | None) -> None:
        cluster = self._require_cluster(cluster_id)
        if check is None and cluster.health_check is None:
            raise RefusedRequestError(f"cluster {cluster_id!r} has no health check to remove")
        self._tables.clusters[cluster_id] = replace(cluster, health_check=check)

    def _require_cluster(self, cluster_id: str) -> Cluster:
        cluster = self._tables.clusters.get(cluster_id)
        if cluster is None:
            raise RefusedRequestError(f"there is no cluster {cluster_id!r}; add it first")
        return cluster

    def _require_certificate(self, address: InetAddress, fingerprint: str) -> None:
        if fingerprint.lower() not in self._shelf("certificates", address):
            raise RefusedRequestError(
                f"the listener at {address} has no certificate with fingerprint {fingerprint}"
            )

    def _add_frontend(self, rule: FrontendRule, kind: ListenerKind) -> None:
        if kind_of(self._require_listener(rule.address)) is not kind:
            raise RefusedRequestError(
                f"the listener at {rule.address} {_is_not(kind)}; name another"
            )
        rules = self._shelf("frontends", rule.address)
        key = frontend_key(rule)
        known = rules.get(key)
        if known is not None:
            raise _there_already(
                known == rule,
                f"{_spell(rule)} already {_lead(known)}; remove that frontend first",
            )
        rules[key] = rule
        self._shelf("led", rule.cluster_id or "")[rule.address, key] = rule
        self._tables.kinds[rule.address] = kind

    def _remove_frontend(self, rule: FrontendRule, kind: ListenerKind) -> None:
        rules = self._shelf("frontends", rule.address)
        key = frontend_key(rule)
        if key not in rules or self._tables.kinds[rule.address] is not kind:
            raise RefusedRequestError(f"there is no frontend {_spell(rule)} to remove")
        known: FrontendRule = rules.pop(key)
        del self._shelf("led", known.cluster_id or "")[rule.address, key]
        if not rules:
            del self._tables.kinds[rule.address]

    def _remove_backend(self, cluster_id: str, backend_id: str, address: BackendAddress) -> None:
        backends = self._shelf("backends", cluster_id)
        if backends.pop((backend_id, address), None) is None:
            raise RefusedRequestError(
                f"cluster {cluster_id!r} has no backend {backend_id!r} at {address} to remove"
            )

    def _overlay(self, name: str) -> Overlay[Any, Any]:
        overlay: Overlay[Any, Any] = getattr(self._tables, name)
        return overlay

    def _shelves(self, name: str) -> Shelves[Any, Any, Any]:
        shelves: Shelves[Any, Any, Any] = getattr(self._tables, name)
        return shelves

    def _shelf(self, name: str, first: object) -> Overlay[Any, Any]:
        return self._shelves(name).shelf(first)


def apply(state: ConfigState, *requests: Request) -> None:
    """Change a state by some requests: by all of them, or raise and change nothing."""
    draft = Draft(state)
    for request in requests:
        draft.apply(request)
    draft.commit()


def _there_already(is_same: bool, text: str) -> RefusedRequestError:
    return (AlreadySoError if is_same else RefusedRequestError)(text)


def _spell(rule: FrontendRule) -> str:
    method = "" if rule.method is None else f"{rule.method} "
    path = f" {rule.path_type.value} {rule.path!r}" if rule.path else ""
    return f"{method}{rule.hostname}{path} ({rule.position.value}) at {rule.address}"


def _fingerprint(certificate: CertificateAndKey) -> str:
    try:
        return fingerprint_of(certificate.certificate)
    except ValueError as error:
        raise RefusedRequestError(f"that is no certificate: {error}") from None


def _is_not(kind: ListenerKind) -> str:
    return "speaks TLS" if kind is ListenerKind.HTTP else "speaks no TLS"


def _was(kind: ListenerKind | None) -> str:
    return "are for TLS" if kind is ListenerKind.HTTPS else "are not for TLS"


def _lead(rule: FrontendRule) -> str:
    return "denies" if rule.cluster_id is None else f"leads to cluster {rule.cluster_id!r}"
