"""
All that is configured at one moment.

A ``Draft`` (``config.draft``) is how it will be after some more orders; nothing of it holds
until it is committed, so that whoever holds live objects may try an order out first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final

from sozutw.config.model import (
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    PathType,
    Position,
)
from sozutw.config.pem import fingerprint_of
from sozutw.config.security import CertificateAndKey

Listener = HttpListener | HttpsListener
FrontendKey = tuple[str, str, PathType, str | None, Position]
Place = tuple[InetAddress, FrontendKey]
"""Where a rule stands."""
BackendKey = tuple[str, BackendAddress]

_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class RefusedRequestError(Exception):
    """The request asks for what cannot be; the text says what to do instead."""


class AlreadySoError(RefusedRequestError):
    """What is asked for is there already, as it is asked for: nothing would change."""


def frontend_key(rule: FrontendRule) -> FrontendKey:
    """Return what tells a rule from the others of its listener."""
    # In a regular expression the case of a letter may be its meaning.
    host = rule.hostname if "/" in rule.hostname else rule.hostname.lower()
    return (host, rule.path, rule.path_type, rule.method, rule.position)


def kind_of(listener: Listener) -> ListenerKind:
    """Return what is spoken at a listener."""
    return ListenerKind.HTTPS if isinstance(listener, HttpsListener) else ListenerKind.HTTP


class Tables:
    """The tables that a state, or a draft of one, consists of; each keyed as its name says."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.listeners: dict[InetAddress, Listener] = make("listeners")
        self.active: dict[InetAddress, bool] = make("active")
        """Those that were activated."""
        self.kinds: dict[InetAddress, ListenerKind] = make("kinds")
        """What the frontends of an address were written for; they may outlive their listener."""
        self.clusters: dict[str, Cluster] = make("clusters")
        self.frontends: Mapping[InetAddress, Mapping[FrontendKey, FrontendRule]] = make("frontends")
        self.led: Mapping[str, Mapping[Place, FrontendRule]] = make("led")
        """The same rules by their cluster; under the empty name those that deny."""
        self.certificates: Mapping[InetAddress, Mapping[str, CertificateAndKey]] = make(
            "certificates"
        )
        """By fingerprint; a listener's default is not in it."""
        self.backends: Mapping[str, Mapping[BackendKey, Backend]] = make("backends")


class ConfigView:
    """
    The listeners, certificates, clusters, frontends and backends that are known.

    What is handed out are values; to hold on to them is to hold on to this moment.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """All listeners, in the order they were added."""
        return tuple(self._tables.listeners.values())

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """All clusters, in the order they were first added."""
        return tuple(self._tables.clusters.values())

    def is_active(self, address: InetAddress) -> bool:
        """Whether the listener at this address was activated."""
        return address in self._tables.active

    def listener(self, address: InetAddress) -> Listener | None:
        """Return the listener at this address."""
        return self._tables.listeners.get(address)

    def cluster(self, cluster_id: str) -> Cluster | None:
        """Return the cluster of this name."""
        return self._tables.clusters.get(cluster_id)

    def addresses_of_frontends(self) -> tuple[InetAddress, ...]:
        """Return the addresses that have rules, with or without a listener."""
        return tuple(self._tables.frontends)

    def kind_at(self, address: InetAddress) -> ListenerKind | None:
        """Return what the frontends at this address are for; None if there are none."""
        return self._tables.kinds.get(address)

    def frontends(self, address: InetAddress) -> tuple[FrontendRule, ...]:
        """Return the rules of a listener, in the order they were added."""
        return tuple(self._tables.frontends.get(address, _NOTHING).values())

    def frontends_of(self, cluster_id: str | None) -> tuple[FrontendRule, ...]:
        """Return the rules that lead to a cluster, known or not; those that deny for None."""
        return tuple(self._tables.led.get(cluster_id or "", _NOTHING).values())

    def addresses_of_certificates(self) -> tuple[InetAddress, ...]:
        """Return the addresses that have certificates, with or without a listener."""
        return tuple(self._tables.certificates)

    def certificates(self, address: InetAddress) -> tuple[CertificateAndKey, ...]:
        """Return the certificates of a listener, its default aside, in the order of adding."""
        return tuple(self._tables.certificates.get(address, _NOTHING).values())

    def clusters_of_backends(self) -> tuple[str, ...]:
        """Return the names of clusters that have backends, known or not."""
        return tuple(self._tables.backends)

    def backends(self, cluster_id: str) -> tuple[Backend, ...]:
        """Return the backends of a cluster, in the order they were first added."""
        return tuple(self._tables.backends.get(cluster_id, _NOTHING).values())


class ConfigState(ConfigView):
    """What is in force. It changes by committed drafts only."""

    def __init__(self) -> None:
        super().__init__(Tables(lambda _name: {}))
        self._hashes: dict[str, int] = {}

    @property
    def tables(self) -> Tables:
        """What a draft is laid upon; for ``config.draft``."""
        return self._tables

    def copied(self) -> "ConfigState":
        """Return another state that holds the same, what waits for its listener too."""
        copy = ConfigState()
        copy._tables = Tables(lambda name: _copied(getattr(self._tables, name)))
        return copy

    def hash_of(self, cluster_id: str) -> int:
        """
        Return 64 bits that differ when anything of a cluster does: its options, rules, backends.

        The same in every process that runs this version.
        """
        known = self._hashes.get(cluster_id)
        if known is None:
            known = self._hashes[cluster_id] = _hash(
                [
                    _text(self.cluster(cluster_id), "answers"),
                    *sorted(_text(rule, "tags") for rule in self.frontends_of(cluster_id)),
                    *sorted(map(repr, self.backends(cluster_id))),
                ]
            )
        return known

    def forget_hashes(self, cluster_ids: Iterable[str]) -> None:
        """Something of these clusters changes; for ``config.draft``."""
        if self._hashes:
            for cluster_id in cluster_ids:
                self._hashes.pop(cluster_id, None)

    def is_same_as(self, other: "ConfigState") -> bool:
        """Whether both hold the same objects, and rules that may compete in the same order."""
        return _essence(self) == _essence(other)

    def check_invariants(self) -> None:
        """Every key tells the truth about its value, and nothing empty is kept."""
        tables = self._tables
        assert tables.active.keys() <= tables.listeners.keys()
        for listener_address, listener in tables.listeners.items():
            assert listener.address == listener_address
        self._check_frontends(tables)
        for address, certificates in tables.certificates.items():
            assert certificates, f"an empty table of certificates for {address}"
            for fingerprint, certificate in certificates.items():
                assert fingerprint_of(certificate.certificate) == fingerprint
        for cluster_id, backends in tables.backends.items():
            assert backends, f"an empty table of backends for {cluster_id}"
            for (backend_id, backend_address), backend in backends.items():
                assert backend.cluster_id == cluster_id
                assert backend.backend_id == backend_id
                assert backend.address == backend_address

    def _check_frontends(self, tables: Tables) -> None:
        led: dict[Place, FrontendRule] = {}
        for address, rules in tables.frontends.items():
            assert rules, f"an empty table of frontends for {address}"
            for key, rule in rules.items():
                assert rule.address == address
                assert frontend_key(rule) == key
                led[address, key] = rule
        for cluster_id, places in tables.led.items():
            assert places, f"an empty table of frontends for cluster {cluster_id!r}"
            for place, rule in places.items():
                assert led.pop(place) is rule
                assert (rule.cluster_id or "") == cluster_id
        assert not led, "rules that no cluster knows"
        assert tables.kinds.keys() == tables.frontends.keys()
        for address, kind in tables.kinds.items():
            found = tables.listeners.get(address)
            assert found is None or kind_of(found) is kind


def competitors(rule: FrontendRule) -> tuple[Position, str]:
    """Return what rules have in common between which the earlier, or the later, may win."""
    if rule.position is Position.TREE:
        return rule.position, frontend_key(rule)[0]
    return rule.position, ""


def _essence(state: ConfigState) -> object:
    tables = state.tables
    rules: dict[InetAddress, dict[tuple[Position, str], list[FrontendRule]]] = {}
    for address, listed in tables.frontends.items():
        by_group = rules[address] = {}
        for rule in listed.values():
            by_group.setdefault(competitors(rule), []).append(rule)
    return (
        tables.listeners,
        tables.active.keys(),
        tables.kinds,
        tables.clusters,
        rules,
        tables.certificates,
        tables.backends,
    )


def _text(value: Cluster | FrontendRule | None, unordered: str) -> str:
    """Spell a value, one of whose fields is a mapping that has no order."""
    if value is None:
        return ""
    changes: dict[str, Any] = {unordered: sorted(getattr(value, unordered).items())}
    return repr(replace(value, **changes))


def _copied(table: dict[Any, Any]) -> dict[Any, Any]:
    return {key: dict(value) if isinstance(value, dict) else value for key, value in table.items()}


def _hash(parts: list[str]) -> int:
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big")
