"""
What a draft of the configuration means for the live objects, made aside and put in at once.

To prepare may take long, in small steps, and changes nothing that anybody sees. To commit
is short, happens in one turn of the loop, and cannot fail: before it all is old, after it
all is new.
"""

import socket
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.balancing.witness import NOBODY, Witness
from sozutw.config.draft import Draft
from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
)
from sozutw.config.requests import (
    ActivateListener,
    AddCertificate,
    AddHttpsListener,
    DeactivateListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    Request,
)
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState, FrontendKey, Listener, frontend_key, kind_of
from sozutw.control.changes.live import Certificates, Live, Sockets
from sozutw.control.slowly import SLICE
from sozutw.relay.answers import Answers
from sozutw.relay.route import ListenerState, Route
from sozutw.routing.affinity import compile_affinity
from sozutw.routing.router import Router

Rules = dict[FrontendKey, FrontendRule]


class Plan:
    """
    One change: judged request by request, prepared, and then committed or abandoned.

    It must not be kept over another change of the same live objects.
    """

    def __init__(
        self,
        state: ConfigState,
        live: Live,
        sockets: Sockets,
        certificates: Certificates,
        witness: Witness = NOBODY,
    ) -> None:
        self._state = state
        self._draft = Draft(state)
        self._live = live
        self._sockets = sockets
        self._certificates = certificates
        self._witness = witness
        self._reserved: dict[InetAddress, socket.socket] = {}
        self._contexts: dict[InetAddress, tuple[HttpsListener, Any]] = {}
        """What listeners serve with, and as what listener each was prepared."""
        self._loaded: dict[CertificateAndKey, Any] = {}
        self._clusters: dict[str, ClusterState] = {}
        """Those that are new."""
        self._changed: dict[str, Cluster] = {}
        """Those that get another value."""
        self._gone: list[str] = []
        self._removed_backends: list[tuple[str, str, BackendAddress]] = []
        self._added_backends: list[BackendState] = []
        self._updated_backends: list[Backend] = []
        self._listeners: dict[InetAddress, ListenerState] = {}
        """Those that are new."""
        self._answers: dict[tuple[InetAddress, str], Answers] = {}
        self._routers: dict[InetAddress, Router[Route]] = {}
        self._reopened: dict[InetAddress, list[Any]] = {}
        """The certificates of listeners whose way of speaking TLS is new."""
        self.taken: list[Request] = []
        """What is in the draft, in the order in which it came."""
        self.followed: dict[str, None] = {}
        """Clusters of which anything changes."""
        self.retired: list[BackendState] = []
        """Filled by ``commit``: backends whose connections are to be closed."""
        self.left: list[ListenerState] = []
        """Filled by ``commit``: listeners that are gone."""

    def take(self, request: Request) -> None:
        """
        Judge a request, and put it into the draft.

        Raises RefusedRequestError, or OSError for an address that cannot be listened on; then
        the plan is as it was.
        """
        match request:
            case AddHttpsListener(listener):
                contexts = self._certificates.prepare_listener(listener)
                self._draft.apply(request)
                self._contexts[listener.address] = listener, contexts
            case (
                AddCertificate(_, held)
                | ReplaceCertificate(_, held, _)
                | ReplaceDefaultCertificate(_, held)
            ):
                loaded = self._certificates.prepare(held)
                self._draft.apply(request)
                self._loaded[held] = loaded
            case ActivateListener(address):
                self._draft.apply(request)
                self._reserve(address)
            case _:
                self._draft.apply(request)
        self.taken.append(request)

    def _reserve(self, address: InetAddress) -> None:
        if self._state.is_active(address) or address in self._reserved:
            return  # The socket is there already, whatever becomes of its listener meanwhile.
        try:
            self._reserved[address] = self._sockets.reserve(address)
        except OSError:
            self._draft.apply(DeactivateListener(address))
            raise

    def abandon(self) -> None:
        """Nothing of it shall be; also after a step that failed."""
        for reserved in self._reserved.values():
            reserved.close()
        self._reserved.clear()

    # To prepare.

    def prepare(self) -> Iterator[None]:
        """Make all that is new, in small steps; raises RefusedRequestError."""
        yield from self._prepare_listeners()
        yield from self._prepare_clusters()
        yield from self._prepare_backends()
        yield from self._prepare_routers()
        yield from self._draft.settle()

    def _prepare_listeners(self) -> Iterator[None]:
        for change in self._draft.changed_listeners():
            new = change.new
            if new is None:
                continue
            if change.old is None or kind_of(change.old) is not kind_of(new):
                self._listeners[change.key] = ListenerState(new)
            if isinstance(new, HttpsListener) and self._speaks_anew(change.old, new):
                yield from self._prepare_tls(new)
            yield

    def _speaks_anew(self, old: Listener | None, new: HttpsListener) -> bool:
        """Whether a handshake begins with other contexts, a default certificate aside."""
        if not isinstance(old, HttpsListener):
            return True
        is_same = (
            old.tls == new.tls
            and old.client_auth is new.client_auth
            and old.client_authorities == new.client_authorities
        )
        if is_same and old.certificate != new.certificate:
            return new.certificate is None or new.certificate not in self._loaded
        return not is_same

    def _prepare_tls(self, listener: HttpsListener) -> Iterator[None]:
        address = listener.address
        prepared_as, _ = self._contexts.get(address, (None, None))
        # Not a second time for the same: the blank of the first would be lost, and its keys.
        if prepared_as != listener:
            contexts = self._certificates.prepare_listener(listener)
            self._contexts[address] = listener, contexts
        held = self._reopened[address] = []
        for certificate in self._draft.certificates(address):
            loaded = self._loaded.get(certificate)
            held += [loaded] if loaded else self._certificates.prepare_known([certificate])
            yield

    def _prepare_clusters(self) -> Iterator[None]:
        done = 0
        for change in self._draft.changed_clusters():
            done += 1
            if done % SLICE == 0:
                yield
            self.followed[change.key] = None
            if change.new is None:
                if change.old is not None:
                    self._gone.append(change.key)
            elif change.old is None:
                fresh = ClusterState(change.new, compile_affinity, self._witness)
                self._clusters[change.key] = fresh
                for backend in self._draft.backends(change.key):
                    fresh.upsert(backend)
                    done += 1
                    if done % SLICE == 0:
                        yield
            else:
                self._changed[change.key] = change.new

    def _prepare_backends(self) -> Iterator[None]:
        done = 0
        for cluster_id, changes in self._draft.changed_backends():
            done += 1
            if done % SLICE == 0:
                yield
            self.followed[cluster_id] = None
            live = self._live.clusters.get(cluster_id)
            if live is None or self._draft.cluster(cluster_id) is None:
                continue  # It is new, with its backends; or it is away, or going.
            for key, old, new, is_moved in changes:
                if old is not None and (new is None or is_moved):
                    self._removed_backends.append((cluster_id, *key))
                if new is not None:
                    if old is None or is_moved:
                        self._added_backends.append(BackendState(new, live))
                    else:
                        self._updated_backends.append(new)
                done += 1
                if done % SLICE == 0:
                    yield

    def _prepare_routers(self) -> Iterator[None]:
        """Make the router of each listener of which any rule, or what it leads to, changes."""
        touched = {address: list(changes) for address, changes in self._draft.changed_frontends()}
        led = yield from self._rules_of_changed_clusters()
        anew = [change.key for change in self._draft.changed_listeners()]
        for address in dict.fromkeys([*touched, *led, *anew]):
            listener = self._draft.listener(address)
            if listener is None:
                continue
            if address in self._listeners:
                changed = _Changed(added=self._draft.frontends(address))
            else:
                others = led.get(address, {})
                if listener is not self._state.listener(address):
                    rules = self._draft.frontends(address)
                    others = {frontend_key(rule): rule for rule in rules}
                changed = _changed_rules(touched.get(address, []), others)
            yield from self._make_router(listener, changed)

    def _rules_of_changed_clusters(self) -> Generator[None, None, "dict[InetAddress, Rules]"]:
        rules: dict[InetAddress, Rules] = {}
        for number, cluster_id in enumerate([*self._clusters, *self._changed, *self._gone]):
            for rule in self._draft.frontends_of(cluster_id):
                rules.setdefault(rule.address, {})[frontend_key(rule)] = rule
            if number % SLICE == SLICE - 1:
                yield
        return rules

    def _make_router(self, listener: Listener, changed: "_Changed") -> Iterator[None]:
        """Change the router in small steps; each is a router of its own, seen by nobody."""
        address = listener.address
        fresh = self._listeners.get(address)
        router: Router[Route] = self._live.listeners[address].router if fresh is None else Router()
        for some in _slices(changed.removed):
            router = router.changed(removed=some)
            yield
        for some in _slices(changed.added):
            router = router.changed(added=[(rule, self._route(rule, listener)) for rule in some])
            yield
        for some in _slices(changed.revalued):
            router = router.changed(revalued=[(rule, self._route(rule, listener)) for rule in some])
            yield
        self._routers[address] = router

    def _route(self, rule: FrontendRule, listener: Listener) -> Route:
        cluster_id = rule.cluster_id or ""
        settings = self._draft.cluster(cluster_id)
        state = None
        if settings is not None:
            state = self._clusters.get(cluster_id) or self._live.clusters[cluster_id]
        http, https = _parts(listener)
        answers = self._answers_of(http, settings)
        return Route(rule, http, state, answers, https, settings)

    def _answers_of(self, listener: HttpListener, cluster: Cluster | None) -> Answers:
        """Read templates once for each pair of a listener and a cluster that has its own."""
        own = cluster.cluster_id if cluster is not None and cluster.answers else ""
        key = listener.address, own
        answers = self._answers.get(key)
        if answers is None:
            fresh = self._listeners.get(listener.address)
            live = fresh or self._live.listeners[listener.address]
            if own and cluster is not None:
                answers = self._answers_of(listener, None).with_cluster(cluster.answers)
            elif live.listener is listener:
                answers = live.answers
            else:
                answers = Answers(listener.answers)
            self._answers[key] = answers
        return answers

    # To commit.

    def commit(self) -> None:
        """Put everything in: in one turn of the loop, and without fail."""
        listeners = list(self._draft.changed_listeners())
        activity = list(self._draft.changed_activity())
        certificates = [(at, list(changes)) for at, changes in self._draft.changed_certificates()]
        was_active = {change.key for change in listeners if self._state.is_active(change.key)}
        self._draft.commit()
        self._commit_clusters()
        self._commit_listeners(listeners, was_active)
        self._commit_certificates(listeners, certificates)
        for address, router in self._routers.items():
            self._live.listeners[address].router = router
        concerned = [c.key for c in listeners] + [c.key for c in activity]
        for address in dict.fromkeys(concerned):
            self._commit_activity(address)
        self.abandon()  # Sockets of listeners that the same change takes away again.

    def _commit_clusters(self) -> None:
        clusters = self._live.clusters
        for cluster_id in self._gone:
            self.retired += clusters.pop(cluster_id).dissolve()
        for cluster_id, backend_id, address in self._removed_backends:
            self.retired += clusters[cluster_id].remove(backend_id, address)
        for state in self._added_backends:
            state.cluster.adopt(state)
        for backend in self._updated_backends:
            clusters[backend.cluster_id].upsert(backend)
        for cluster_id, settings in self._changed.items():
            live = clusters[cluster_id]
            speaks_as_before = live.cluster.backend_tls == settings.backend_tls
            live.reconfigure(settings)
            if not speaks_as_before:
                self.retired += live.renew()
        clusters.update(self._clusters)

    def _commit_listeners(self, changes: list[Any], was_active: set[InetAddress]) -> None:
        listeners = self._live.listeners
        for address, _, new, is_moved in changes:
            known = listeners.get(address)
            fresh = self._listeners.get(address)
            if known is not None and (new is None or fresh is not None):
                self.left.append(listeners.pop(address))
            if new is None:
                if address in was_active:
                    self._sockets.deactivate(address)
            elif fresh is not None:
                listeners[address] = fresh
                if address in was_active:
                    self._sockets.exchange(fresh)
            else:
                assert known is not None
                known.reconfigure(new)
                if is_moved:
                    listeners[address] = listeners.pop(address)

    def _commit_certificates(self, listeners: list[Any], certificates: list[Any]) -> None:
        for address, old, new, _ in listeners:
            self._commit_tls(address, old, new)
        served = self._certificates
        for address, changes in certificates:
            listener = self._live.listeners.get(address)
            if listener is None or listener.https is None or address in self._reopened:
                continue
            for fingerprint, old, new, _ in changes:
                if old is not None:
                    served.remove(address, fingerprint)
                if new is not None:
                    served.add(address, self._loaded[new])

    def _commit_tls(self, address: InetAddress, old: Listener | None, new: Listener | None) -> None:
        """A listener came, changed or went: serve with what was prepared for it."""
        served = self._certificates
        if address in self._reopened:
            _, contexts = self._contexts[address]
            served.open(address, contexts)
            for loaded in self._reopened[address]:
                served.add(address, loaded)
        elif not isinstance(new, HttpsListener):
            served.close(address)
        elif isinstance(old, HttpsListener) and old.certificate != new.certificate:
            assert new.certificate is not None
            served.replace_default(address, self._loaded[new.certificate])

    def _commit_activity(self, address: InetAddress) -> None:
        """Accept where it is asked for now, and nowhere else."""
        listener = self._live.listeners.get(address)
        if listener is None or not self._state.is_active(address):
            self._sockets.deactivate(address)
            return
        reserved = self._reserved.pop(address, None)
        if reserved is not None:
            self._sockets.activate(listener, reserved)


class _Changed:
    """What happens to the rules of one listener."""

    def __init__(
        self,
        removed: Iterable[FrontendRule] = (),
        added: Iterable[FrontendRule] = (),
        revalued: Iterable[FrontendRule] = (),
    ) -> None:
        self.removed = list(removed)
        self.added = list(added)
        self.revalued = list(revalued)


def _changed_rules(touched: list[Any], others: Rules) -> _Changed:
    """Put together what requests were about, and what only leads elsewhere now."""
    for change in touched:
        others.pop(change.key, None)
    return _Changed(
        removed=[change.old for change in touched if change.old is not None],
        added=[change.new for change in touched if change.new is not None],
        revalued=others.values(),
    )


def _slices(rules: list[FrontendRule]) -> Iterator[list[FrontendRule]]:
    for start in range(0, len(rules), SLICE):
        yield rules[start : start + SLICE]


def _parts(listener: Listener) -> tuple[HttpListener, HttpsListener | None]:
    if isinstance(listener, HttpsListener):
        return listener.http, listener
    return listener, None
