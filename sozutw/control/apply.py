"""
From a request to the live objects: what was asked of the configuration becomes true.

The configuration's own state changes first, whole or not at all; the live objects follow.
They are replaced, never edited: what is under way keeps the Route that it started with.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol, assert_never

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import (
    Backend,
    BackendAddress,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
)
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
    DeactivateListener,
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
from sozutw.config.state import ConfigState
from sozutw.relay.route import ListenerState, Route
from sozutw.routing.affinity import compile_affinity
from sozutw.routing.rules import RuleKey, rule_key

Place = tuple[InetAddress, RuleKey]
"""Where a rule stands."""


class Listeners(Protocol):
    """Who opens and closes listening sockets; ``listen.listeners.ListenerService``."""

    def activate(self, listener: ListenerState) -> None:
        """Accept on this address; raises OSError if that cannot be."""

    def deactivate(self, address: InetAddress) -> None:
        """Accept no more; connections stay."""


class Pool(Protocol):
    """Who holds the connections of backends; ``backend.factory.Connector``."""

    def retire(self, state: BackendState) -> None:
        """Close its idle connections now, and its leased ones when they end."""


class Certificates(Protocol):
    """Who serves certificates; ``listen.certificates.Certificates``."""

    def prepare_listener(self, listener: HttpsListener) -> Any:
        """Judge a listener of TLS; raises RefusedRequestError, and changes nothing."""

    def prepare(self, held: CertificateAndKey) -> Any:
        """Judge a certificate; raises RefusedRequestError, and changes nothing."""

    def prepare_known(self, held: Iterable[CertificateAndKey]) -> list[Any]:
        """Judge certificates that were taken before; those that may not be served any more fall."""

    def open(self, address: InetAddress, contexts: Any) -> None:
        """Serve at this address with what ``prepare_listener`` returned."""

    def close(self, address: InetAddress) -> None:
        """Serve there no more."""

    def add(self, address: InetAddress, held: Any) -> None:
        """Serve what ``prepare`` returned too."""

    def remove(self, address: InetAddress, fingerprint: str) -> None:
        """Serve it no more."""

    def replace(self, address: InetAddress, held: Any, old_fingerprint: str) -> None:
        """Serve one in the place of another."""

    def replace_default(self, address: InetAddress, held: Any) -> None:
        """Serve it where no other certificate has the name that was asked for."""


class Applier:
    """Apply requests to the configuration and then to the live objects."""

    def __init__(
        self,
        state: ConfigState,
        listeners: Listeners,
        pool: Pool,
        clock: IReactorTime,
        certificates: Certificates,
    ) -> None:
        self.state = state
        self._certificates = certificates
        self.clusters: dict[str, ClusterState] = {}
        self.listeners: dict[InetAddress, ListenerState] = {}
        self._sockets = listeners
        self._pool = pool
        self._rules_of: dict[str, set[Place]] = {}
        self._cluster_of: dict[Place, str] = {}
        """The other way round: a rule is removed by its place alone."""
        self._routed: dict[InetAddress, dict[RuleKey, FrontendRule]] = {}
        """What stands in each listener's router now."""
        self._pending: dict[InetAddress, dict[RuleKey, FrontendRule | None]] = {}
        """What shall stand there after the next commit; None: no more."""
        self._cooperator = Cooperator(scheduler=lambda call: clock.callLater(0, call))

    def apply(self, *requests: Request) -> None:
        """
        Apply requests in their order, routers once at the end.

        Raises RefusedRequestError at the first that cannot be; those before it hold.
        """
        try:
            for request in requests:
                prepared = self._prepare(request)
                self.state.apply(request)
                self._follow(request, prepared)
        finally:
            self._commit()

    def _prepare(self, request: Request) -> Any:
        """
        Make what may be refused for reasons that the configuration's state cannot know.

        Returns it for ``_follow``, which cannot fail any more.
        """
        match request:
            case AddHttpsListener(listener):
                held = self.state.certificates(listener.address)
                contexts = self._certificates.prepare_listener(listener)
                return contexts, self._certificates.prepare_known(held)
            case (
                AddCertificate(_, certificate)
                | ReplaceCertificate(_, certificate, _)
                | ReplaceDefaultCertificate(_, certificate)
            ):
                return self._certificates.prepare(certificate)
            case _:
                return None

    def _follow(self, request: Request, prepared: Any) -> None:  # noqa: C901, PLR0912 - one arm a verb
        match request:
            case AddHttpListener(listener):
                self._add_listener(listener)
            case AddHttpsListener(listener):
                contexts, held = prepared
                self._certificates.open(listener.address, contexts)
                for each in held:
                    self._certificates.add(listener.address, each)
                self._add_listener(listener)
            case (
                AddCertificate()
                | RemoveCertificate()
                | ReplaceCertificate()
                | ReplaceDefaultCertificate()
            ):
                self._follow_with_certificates(request, prepared)
            case RemoveListener(address):
                self._sockets.deactivate(address)
                self._certificates.close(address)
                del self.listeners[address]
                self._routed.pop(address, None)
                self._pending.pop(address, None)
            case ActivateListener(address):
                self._commit()
                self._sockets.activate(self.listeners[address])
            case DeactivateListener(address):
                self._sockets.deactivate(address)
            case AddCluster(cluster):
                self._add_cluster(cluster.cluster_id)
            case RemoveCluster(cluster_id):
                self._remove_cluster(cluster_id)
            case AddHttpFrontend(rule) | AddHttpsFrontend(rule):
                self._add_rule(rule)
            case RemoveHttpFrontend(rule) | RemoveHttpsFrontend(rule):
                self._remove_rule(rule)
            case AddBackend(backend):
                self._add_backend(backend)
            case RemoveBackend(cluster_id, backend_id, address):
                self._remove_backend(cluster_id, backend_id, address)

    def _follow_with_certificates(self, request: CertificateRequest, prepared: Any) -> None:
        match request:
            case ReplaceDefaultCertificate(address, _):
                self._certificates.replace_default(address, prepared)
                configured = self.state.listener(address)
                assert configured is not None
                self.listeners[address].reconfigure(configured)
            case AddCertificate(address, _):
                self._certificates.add(address, prepared)
            case RemoveCertificate(address, fingerprint):
                self._certificates.remove(address, fingerprint.lower())
            case ReplaceCertificate(address, _, old_fingerprint):
                self._certificates.replace(address, prepared, old_fingerprint.lower())
            case _:
                assert_never(request)

    def _add_listener(self, listener: HttpListener | HttpsListener) -> None:
        address = listener.address
        self.listeners[address] = ListenerState(listener)
        rules = self.state.frontends(address)
        self._pending[address] = {rule_key(rule): rule for rule in rules}

    def _add_cluster(self, cluster_id: str) -> None:
        cluster = self.state.cluster(cluster_id)
        assert cluster is not None
        live = self.clusters.get(cluster_id)
        if live is None:
            live = self.clusters[cluster_id] = ClusterState(cluster, compile_affinity)
            for backend in self.state.backends(cluster_id):
                live.upsert(backend)
        else:
            speaks_as_before = live.cluster.backend_tls == cluster.backend_tls
            live.reconfigure(cluster)
            for retired in [] if speaks_as_before else live.renew():
                self._pool.retire(retired)
        self._reroute_cluster(cluster_id)

    def _remove_cluster(self, cluster_id: str) -> None:
        live = self.clusters.pop(cluster_id)
        for state in live.backends:
            for retired in live.remove(state.backend_id, state.address):
                self._pool.retire(retired)
        self._reroute_cluster(cluster_id)

    def _add_backend(self, backend: Backend) -> None:
        live = self.clusters.get(backend.cluster_id)
        if live is not None:
            live.upsert(backend)

    def _remove_backend(self, cluster_id: str, backend_id: str, address: BackendAddress) -> None:
        live = self.clusters.get(cluster_id)
        if live is not None:
            for retired in live.remove(backend_id, address):
                self._pool.retire(retired)

    def _add_rule(self, rule: FrontendRule) -> None:
        key = rule_key(rule)
        cluster_id = rule.cluster_id or ""
        self._cluster_of[rule.address, key] = cluster_id
        self._rules_of.setdefault(cluster_id, set()).add((rule.address, key))
        pending = self._pending.setdefault(rule.address, {})
        if key in pending:
            # It is taken away in the same batch: it comes back as the last, and as another.
            del pending[key]
            rule = replace(rule)
        pending[key] = rule

    def _remove_rule(self, rule: FrontendRule) -> None:
        key = rule_key(rule)
        place = rule.address, key
        cluster_id = self._cluster_of.pop(place)
        places = self._rules_of[cluster_id]
        places.remove(place)
        if not places:
            del self._rules_of[cluster_id]
        self._pending.setdefault(rule.address, {})[key] = None

    def _reroute_cluster(self, cluster_id: str) -> None:
        """The cluster's options changed: its rules get new routes, in their old order."""
        for address, key in self._rules_of.get(cluster_id, ()):
            rule = self._routed.get(address, {}).get(key)
            if rule is not None:
                self._pending.setdefault(address, {}).setdefault(key, rule)

    def _commit(self) -> None:
        """Swap in a new router for each listener whose rules changed, each whole."""
        pending, self._pending = self._pending, {}
        for address, wanted in pending.items():
            listener = self.listeners.get(address)
            if listener is not None:
                self._swap_router(listener, wanted)
        for cluster in self.clusters.values():
            if cluster.needs_rebuild:
                self._cooperator.cooperate(cluster.rebuild())

    def _swap_router(
        self, listener: ListenerState, wanted: dict[RuleKey, FrontendRule | None]
    ) -> None:
        routed = self._routed.setdefault(listener.listener.address, {})
        removed: list[FrontendRule] = []
        added: list[tuple[FrontendRule, Route]] = []
        replaced: list[tuple[FrontendRule, Route]] = []
        for key, rule in wanted.items():
            known = routed.get(key)
            if rule is None:
                if known is not None:
                    removed.append(known)
            elif known is rule:
                replaced.append((rule, self._route(rule, listener)))
            else:
                if known is not None:
                    removed.append(known)
                added.append((rule, self._route(rule, listener)))
        listener.router = listener.router.changed(removed, added, replaced)
        for rule in removed:
            del routed[rule_key(rule)]
        for rule, _ in added:
            routed[rule_key(rule)] = rule

    def _route(self, rule: FrontendRule, listener: ListenerState) -> Route:
        cluster = self.clusters.get(rule.cluster_id or "")
        answers = listener.answers
        if cluster is not None:
            answers = answers.with_cluster(cluster.cluster.answers)
        return Route(rule, listener.listener, cluster, answers, listener.https)
