"""
What makes one configuration into another: the fewest requests that do, in an order that works.

What stays is not named, so that whoever applies them does not touch it. To be applied as one
batch: in between, a listener that changes is gone for a moment.
"""

from collections.abc import Iterator
from typing import Final

from sozutw.config.dump import add_frontend, add_listener, remove_frontend
from sozutw.config.model import FrontendRule, HttpsListener, InetAddress
from sozutw.config.pem import fingerprint_of
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    DeactivateListener,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveListener,
    Request,
)
from sozutw.config.state import ConfigView, competitors, kind_of

_STEPS: Final = 256
"""After so many objects whoever is in a hurry may do something else."""


def diff(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    """
    Give the requests that make ``old`` into ``new``; None now and then, for a pause.

    Listeners are compared as a whole: one that differs is removed, added and activated. Rules
    and certificates of ``new`` whose listener is away cannot be added, and are left out.
    """
    steps = (
        _backends_gone,
        _frontends_gone,
        _certificates_gone,
        _clusters_gone,
        _listeners_gone,
        _listeners_come,
        _clusters_come,
        _certificates_come,
        _frontends_come,
        _backends_come,
        _activations,
    )
    for step in steps:
        yield from _pausing(step(old, new))


def _pausing(requests: Iterator[Request | None]) -> Iterator[Request | None]:
    since = 0
    for request in requests:
        since += 1
        if request is not None:
            yield request
        if since >= _STEPS:
            since = 0
            yield None


def _backends_gone(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for cluster_id in old.clusters_of_backends():
        kept = {(b.backend_id, b.address) for b in new.backends(cluster_id)}
        for backend in old.backends(cluster_id):
            if (backend.backend_id, backend.address) not in kept:
                yield RemoveBackend(cluster_id, backend.backend_id, backend.address)
        yield None


def _frontends_gone(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for address in old.addresses_of_frontends():
        kind = old.kind_at(address)
        assert kind is not None
        going, _ = _rules(old, new, address)
        for rule in going:
            yield remove_frontend(rule, kind)
        yield None


def _certificates_gone(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for address in old.addresses_of_certificates():
        wanted = set(new.certificates(address))
        for held in old.certificates(address):
            gone = None if held in wanted else fingerprint_of(held.certificate)
            yield None if gone is None else RemoveCertificate(address, gone)


def _clusters_gone(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for cluster in old.clusters:
        is_kept = new.cluster(cluster.cluster_id) is not None
        yield None if is_kept else RemoveCluster(cluster.cluster_id)


def _listeners_gone(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for listener in old.listeners:
        if new.listener(listener.address) != listener:
            yield RemoveListener(listener.address, kind_of(listener))
        elif old.is_active(listener.address) and not new.is_active(listener.address):
            yield DeactivateListener(listener.address, kind_of(listener))


def _listeners_come(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for listener in new.listeners:
        if old.listener(listener.address) != listener:
            yield add_listener(listener)


def _clusters_come(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for cluster in new.clusters:
        is_same = old.cluster(cluster.cluster_id) == cluster
        yield None if is_same else AddCluster(cluster)


def _certificates_come(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for address in new.addresses_of_certificates():
        if isinstance(new.listener(address), HttpsListener):
            known = set(old.certificates(address))
            for held in new.certificates(address):
                yield None if held in known else AddCertificate(address, held)


def _frontends_come(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for address in new.addresses_of_frontends():
        kind = new.kind_at(address)
        assert kind is not None
        if new.listener(address) is not None:
            _, coming = _rules(old, new, address)
            for rule in coming:
                yield add_frontend(rule, kind)
        yield None


def _backends_come(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for cluster_id in new.clusters_of_backends():
        before = {(b.backend_id, b.address): b for b in old.backends(cluster_id)}
        for backend in new.backends(cluster_id):
            if before.get((backend.backend_id, backend.address)) != backend:
                yield AddBackend(backend)
        yield None


def _activations(old: ConfigView, new: ConfigView) -> Iterator[Request | None]:
    for listener in new.listeners:
        is_active = old.is_active(listener.address) and old.listener(listener.address) == listener
        if new.is_active(listener.address) and not is_active:
            yield ActivateListener(listener.address, kind_of(listener))


def _rules(
    old: ConfigView, new: ConfigView, address: InetAddress
) -> tuple[list[FrontendRule], list[FrontendRule]]:
    """
    Return the rules of a listener that go, and those that come.

    Of rules between which the order decides, those behind the first difference go and come
    again, for a rule that is added is the last.
    """
    if old.kind_at(address) is not new.kind_at(address):
        return list(old.frontends(address)), list(new.frontends(address))
    before = _grouped(old.frontends(address))
    after = _grouped(new.frontends(address))
    going: list[FrontendRule] = []
    coming: list[FrontendRule] = []
    for group, rules in before.items():
        wanted = after.get(group, [])
        if rules == wanted:
            continue
        kept, left = _prefix(rules, wanted)
        going += [rule for rule in rules if id(rule) not in kept]
        coming += left
    for group, rules in after.items():
        if group not in before:
            coming += rules
    return going, coming


def _prefix(
    rules: list[FrontendRule], wanted: list[FrontendRule]
) -> tuple[set[int], list[FrontendRule]]:
    """Return which of ``rules`` may stay, by identity, and which of ``wanted`` follow them."""
    kept: set[int] = set()
    rest = iter(rules)
    for index, want in enumerate(wanted):
        match = next((rule for rule in rest if rule == want), None)
        if match is None:
            return kept, wanted[index:]
        kept.add(id(match))
    return kept, []


def _grouped(rules: tuple[FrontendRule, ...]) -> dict[object, list[FrontendRule]]:
    groups: dict[object, list[FrontendRule]] = {}
    for rule in rules:
        groups.setdefault(competitors(rule), []).append(rule)
    return groups
