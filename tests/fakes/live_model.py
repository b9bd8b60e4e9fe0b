"""Random orders, and a plain model of what they come to: what a new request must see then."""

import random
from collections.abc import Iterator

from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    DeactivateListener,
    ListenerPatch,
    RemoveBackend,
    RemoveCluster,
    RemoveHttpFrontend,
    RemoveListener,
    Request,
    UpdateListener,
)


class Model:
    """
    What is configured beside what a test holds, as plain sets; and the orders that change it.

    Rules are on the listener ``at``; ``other`` is one that comes and goes.
    """

    hosts = tuple(f"h{n}.example" for n in range(6))
    names = tuple(f"c{n}" for n in range(4))
    backend_ids = ("0", "1", "2")

    def __init__(self, chance: random.Random, at: InetAddress, other: InetAddress) -> None:
        self.chance = chance
        self.at = at
        self.other = other
        self.clusters: set[str] = set()
        self.rules: dict[str, str | None] = {}
        self.backends: dict[str, set[str]] = {name: set() for name in self.names}
        self.has_other = False
        self.is_active = False

    def order(self) -> list[Request]:
        """One order, or a batch, that is right now; the model follows it."""
        wanted = self.chance.choice(
            [self.cluster, self.rule, self.backend, self.rule, self.backend, self.listener]
        )
        return list(wanted())

    def cluster(self) -> Iterator[Request]:
        name = self.chance.choice(self.names)
        if name in self.clusters and self.chance.random() < 0.5:
            self.clusters.discard(name)
            yield RemoveCluster(name)
        else:
            self.clusters.add(name)
            yield AddCluster(
                Cluster(
                    name,
                    self.chance.choice(list(LoadBalancing)),
                    sticky_session=self.chance.random() < 0.3,
                )
            )

    def rule(self) -> Iterator[Request]:
        host = self.chance.choice(self.hosts)
        leads_to = self.chance.choice([*self.names, None])
        rule = FrontendRule(self.at, host, cluster_id=leads_to)
        if host in self.rules:
            yield RemoveHttpFrontend(rule)
            del self.rules[host]
            if self.chance.random() < 0.6:
                return
        self.rules[host] = leads_to
        yield AddHttpFrontend(rule)

    def backend(self) -> Iterator[Request]:
        name = self.chance.choice(self.names)
        backend_id = self.chance.choice(self.backend_ids)
        address = self.address(name, backend_id)
        if backend_id in self.backends[name] and self.chance.random() < 0.6:
            self.backends[name].discard(backend_id)
            yield RemoveBackend(name, backend_id, address)
        else:
            self.backends[name].add(backend_id)
            yield AddBackend(Backend(name, backend_id, address, weight=self.chance.randint(1, 9)))

    def listener(self) -> Iterator[Request]:
        if not self.has_other:
            self.has_other = True
            yield AddHttpListener(HttpListener(self.other))
        elif self.chance.random() < 0.3:
            self.has_other = self.is_active = False
            yield RemoveListener(self.other, ListenerKind.HTTP)
        elif self.chance.random() < 0.3:
            yield UpdateListener(self.other, ListenerKind.HTTP, ListenerPatch(sticky_name="S"))
        else:
            self.is_active = not self.is_active
            turn = ActivateListener if self.is_active else DeactivateListener
            yield turn(self.other, ListenerKind.HTTP)

    def address(self, name: str, backend_id: str) -> InetAddress:
        """Where a backend is."""
        return InetAddress(f"10.{2 + self.names.index(name)}.0.{backend_id}", 80)

    def expected(self, host: str) -> int | set[InetAddress]:
        """A status, or the backends of which one must be asked."""
        if host not in self.rules:
            return 404
        name = self.rules[host]
        if name is None:
            return 401
        if name not in self.clusters or not self.backends[name]:
            return 503
        return {self.address(name, backend_id) for backend_id in self.backends[name]}
