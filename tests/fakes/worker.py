"""
A whole worker in memory: real parsers, exchanges, sessions and pool over fake sockets.

The test plays the clients, the backends and the loop; ``Clock`` is the time.
"""

from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from sozutw.balancing.backends import BackendState
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    InetAddress,
    Position,
    Settings,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    RemoveBackend,
)
from sozutw.config.state import ConfigState
from sozutw.control.apply import Applier
from sozutw.frontend.http1 import Http1FrontendConnection
from sozutw.process.assembly import Worker
from sozutw.relay.access import AccessRecord
from sozutw.relay.route import ListenerState
from tests.fakes.transport import FakeDial, FakeDialler, FakeTransport

LISTENER = InetAddress("10.0.0.1", 8080)


class NoSockets:
    """Listening sockets that nobody needs: the test makes the connections."""

    def activate(self, listener: ListenerState) -> None:
        """Accept."""

    def deactivate(self, address: InetAddress) -> None:
        """Do not accept."""


class NoChance:
    """Chance, always the same."""

    def __init__(self) -> None:
        self.value = 0.5

    def random(self) -> float:
        """Return what the test set."""
        return self.value

    def getrandbits(self, bits: int) -> int:
        """Return bits that are no more random than that."""
        return (1 << bits) // 3


class FakeClient:
    """The client's end of one accepted connection."""

    def __init__(self, world: "FakeWorld", connection: Http1FrontendConnection) -> None:
        self.world = world
        self.connection = connection
        self.transport = FakeTransport(clock=world.clock)
        self.transport.connect(connection)

    def send(self, data: bytes) -> None:
        """Send bytes to the proxy."""
        self.transport.receive(data)
        self.world.check()

    def get(self, path: bytes = b"/", host: bytes = b"example.com", extra: bytes = b"") -> None:
        """Send a GET."""
        self.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host, extra))

    def received(self) -> bytes:
        """Return what came since the last call."""
        return self.transport.take()

    def hang_up(self) -> None:
        """Say that no more will be sent."""
        self.transport.hang_up()
        self.world.check()

    def reset(self) -> None:
        """Be gone."""
        self.transport.reset_by_peer()
        self.world.check()


class FakeWorld:
    """One worker, its configuration, and everybody that it talks to."""

    def __init__(
        self,
        *backends: str,
        settings: Settings | None = None,
        cluster: Cluster | None = None,
        listener: HttpListener | None = None,
        sessions_max: int = 1000,
    ) -> None:
        self.clock = Clock()
        self.chance = NoChance()
        self.dialler = FakeDialler(clock=self.clock)
        self.records: list[AccessRecord] = []
        self.worker = Worker(
            settings or Settings(),
            self.clock,
            self.dialler,
            self.records.append,
            sessions_max=sessions_max,
            chance=self.chance,
            is_checked=True,
        )
        self.applier = Applier(ConfigState(), NoSockets(), self.worker.connector, self.clock)
        self.cluster = cluster or Cluster("app")
        self.apply(AddHttpListener(listener or HttpListener(LISTENER)))
        self.apply(AddCluster(self.cluster))
        self.apply(
            AddHttpFrontend(
                FrontendRule(
                    LISTENER, "*", position=Position.POST, cluster_id=self.cluster.cluster_id
                )
            )
        )
        self.apply(ActivateListener(LISTENER))
        for name in backends:
            self.add_backend(name)

    def apply(self, *requests: Any) -> None:
        """Change the configuration."""
        self.applier.apply(*requests)
        self.check()

    def backend_value(self, name: str, cluster_id: str | None = None) -> Backend:
        """Return the configured value of the backend that tests call ``name``."""
        address = InetAddress(f"10.1.0.{ord(name[0]) - ord('A') + 1}", 80)
        return Backend(cluster_id or self.cluster.cluster_id, name, address)

    def add_backend(self, name: str) -> None:
        """Configure a backend: A is 10.1.0.1, B is 10.1.0.2 and so on."""
        self.apply(AddBackend(self.backend_value(name)))

    def remove_backend(self, name: str) -> None:
        """Take a backend out of the configuration."""
        value = self.backend_value(name)
        self.apply(RemoveBackend(value.cluster_id, value.backend_id, value.address))

    def state(self, name: str) -> BackendState:
        """Return the live state of a configured backend."""
        for cluster in self.applier.clusters.values():
            for state in cluster.backends:
                if state.backend_id == name:
                    return state
        raise KeyError(name)

    def client(self) -> FakeClient:
        """Accept a client."""
        listener = self.applier.listeners[LISTENER]
        factory = self.worker.factory_of(listener)
        connection = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 54321))
        client = FakeClient(self, connection)
        self.check()
        return client

    @property
    def dials(self) -> list[FakeDial]:
        """Return the dials that are under way."""
        return self.dialler.pending

    def dialled(self) -> list[str]:
        """Return the names of the backends that were dialled, in order."""
        return [self.name_of(dial) for dial in self.dialler.dials]

    def name_of(self, dial: FakeDial) -> str:
        """Return which backend is dialled."""
        address = dial.address
        assert isinstance(address, InetAddress)
        return chr(ord("A") + int(address.host.rpartition(".")[2]) - 1)

    def connect(self) -> FakeTransport:
        """Let the only dial that is under way succeed; return the backend's end."""
        (dial,) = self.dials
        transport = self.dialler.complete(self.dialler.dials.index(dial))
        assert transport is not None
        self.check()
        return transport

    def refuse(self, reason: Exception | None = None) -> None:
        """Let the only dial that is under way fail."""
        (dial,) = self.dials
        self.dialler.fail(self.dialler.dials.index(dial), reason)
        self.check()

    def turn(self) -> None:
        """Let the loop do what it was asked to do later."""
        self.clock.advance(0)
        self.check()

    def advance(self, seconds: float) -> None:
        """Let time pass, in small steps."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
        self.check()

    def check(self) -> None:
        """Sweep all invariants."""
        self.worker.check_invariants()
        for cluster in self.applier.clusters.values():
            cluster.check_invariants()

    def assert_baseline(self) -> None:
        """Nothing is left of anything: I6."""
        self.turn()
        counters = self.worker.counters
        assert len(self.worker.sessions) == 0
        assert self.worker.connector.pool.idle_total == len(self.worker.connector.pool)
        assert counters.active_requests == 0
        assert counters.websocket_sessions == 0
        assert not self.dials
        for state in self.states():
            assert state.active_requests == 0
            assert state.connections == len(state.idle)
        self.worker.connector.close_all_idle()
        self.turn()
        assert len(self.worker.connector.pool) == 0
        assert counters.backend_connections == 0
        for state in self.states():
            assert state.connections == 0
        assert not self.clock.getDelayedCalls()
        self.check()

    def states(self) -> Iterator[BackendState]:
        """Return the states of all configured backends."""
        for cluster in self.applier.clusters.values():
            yield from cluster.backends


def ok(body: bytes, extra: bytes = b"") -> bytes:
    """Return a whole response."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), extra, body)
