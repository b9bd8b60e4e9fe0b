"""The requests that make a whole configuration, in Sōzu's order: what a state file consists of."""

from collections.abc import Iterator

from sozutw.config.model import FrontendRule, HttpListener, HttpsListener, ListenerKind
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    FrontendRequest,
    ListenerRequest,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    Request,
)
from sozutw.config.state import ConfigView, Listener, kind_of


def dump(state: ConfigView) -> Iterator[Request]:
    """
    Give the requests that make an empty state into this one.

    Listeners, each with its activation, then clusters, frontends, certificates and backends.
    Rules and certificates that outlive their listener are left out: nobody could add them.
    """
    for kind in (ListenerKind.HTTP, ListenerKind.HTTPS):
        for listener in state.listeners:
            if kind_of(listener) is kind:
                yield add_listener(listener)
                if state.is_active(listener.address):
                    yield ActivateListener(listener.address, kind)
    for cluster in state.clusters:
        yield AddCluster(cluster)
    yield from _frontends(state, ListenerKind.HTTP)
    yield from _certificates(state)
    yield from _frontends(state, ListenerKind.HTTPS)
    for cluster_id in state.clusters_of_backends():
        for backend in state.backends(cluster_id):
            yield AddBackend(backend)


def dump_all(state: ConfigView) -> Iterator[Request]:
    """
    Give what ``dump`` does, and what outlives listeners, for another process that is to go on.

    A listener that comes back has its rules and certificates again, there as well as here.
    """
    for address in state.addresses_of_certificates():
        held = state.certificates(address)
        if held and not isinstance(state.listener(address), HttpsListener):
            yield AddHttpsListener(HttpsListener(HttpListener(address)))
            for certificate in held:
                yield AddCertificate(address, certificate)
            yield RemoveListener(address, ListenerKind.HTTPS)
    yield from dump(state)
    for address in state.addresses_of_frontends():
        kind = state.kind_at(address)
        if kind is not None and state.listener(address) is None:
            plain = HttpListener(address)
            yield add_listener(HttpsListener(plain) if kind is ListenerKind.HTTPS else plain)
            for rule in state.frontends(address):
                yield add_frontend(rule, kind)
            yield RemoveListener(address, kind)


def _frontends(state: ConfigView, kind: ListenerKind) -> Iterator[Request]:
    for address in state.addresses_of_frontends():
        if state.kind_at(address) is kind and state.listener(address) is not None:
            for rule in state.frontends(address):
                yield add_frontend(rule, kind)


def _certificates(state: ConfigView) -> Iterator[Request]:
    for address in state.addresses_of_certificates():
        if isinstance(state.listener(address), HttpsListener):
            for held in state.certificates(address):
                yield AddCertificate(address, held)


def add_listener(listener: Listener) -> ListenerRequest:
    """Return what adds a listener."""
    if isinstance(listener, HttpsListener):
        return AddHttpsListener(listener)
    return AddHttpListener(listener)


def add_frontend(rule: FrontendRule, kind: ListenerKind) -> FrontendRequest:
    """Return what adds a rule to a listener of this kind."""
    return (AddHttpsFrontend if kind is ListenerKind.HTTPS else AddHttpFrontend)(rule)


def remove_frontend(rule: FrontendRule, kind: ListenerKind) -> FrontendRequest:
    """Return what takes a rule away."""
    return (RemoveHttpsFrontend if kind is ListenerKind.HTTPS else RemoveHttpFrontend)(rule)
