"""
A whole worker in memory: real parsers, exchanges, sessions and pool over fake sockets.

The test plays the clients, the backends and the loop; ``Clock`` is the time.
"""

import re
import socket
from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from sozutw.backend.probe import ProbeConnection
from sozutw.balancing.backends import BackendState
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
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
    AddHttpsFrontend,
    AddHttpsListener,
    RemoveBackend,
)
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.frontend.http1 import Http1FrontendConnection
from sozutw.listen.certificates import Certificates
from sozutw.process.assembly import Worker
from sozutw.relay.access import AccessRecord
from sozutw.relay.route import ListenerState
from sozutw.wire.tls import TlsFacts
from tests.fakes.transport import FakeDial, FakeDialler, FakeTransport

LISTENER = InetAddress("10.0.0.1", 8080)


class NoSockets:
    """Listening sockets that nobody needs: the test makes the connections."""

    def reserve(self, address: InetAddress) -> socket.socket:
        """Return a socket that is bound to nothing."""
        return socket.socket(socket.AF_UNIX)

    def activate(self, listener: ListenerState, reserved: socket.socket) -> None:
        """Accept."""
        reserved.close()

    def exchange(self, listener: ListenerState) -> None:
        """Accept for another."""

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

    def __init__(
        self, world: "FakeWorld", connection: Http1FrontendConnection, address: IPv4Address
    ) -> None:
        self.world = world
        self.connection = connection
        self.transport = FakeTransport(peer=address, clock=world.clock)
        self.transport.connect(connection)

    @property
    def is_closed(self) -> bool:
        """Whether the proxy has closed, or is about to."""
        return self.transport.disconnected or self.transport.disconnecting

    def send(self, data: bytes) -> None:
        """Send bytes to the proxy."""
        self.transport.receive(data)
        self.world.check()

    def get(self, path: bytes = b"/", host: bytes = b"example.com", extra: bytes = b"") -> None:
        """Send a GET."""
        self.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host, extra))

    def post(self, path: bytes = b"/", body: bytes = b"", host: bytes = b"example.com") -> None:
        """Send a POST, whole."""
        self.send(
            b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (path, host, len(body), body)
        )

    def ask(self, method: str, path: bytes) -> None:
        """Send a whole request by its method; a POST has a body that names its path."""
        if method == "POST":
            self.post(path, b"body of " + path)
        else:
            self.send(b"%b %b HTTP/1.1\r\nHost: example.com\r\n\r\n" % (method.encode(), path))

    def received(self) -> bytes:
        """Return what came since the last call."""
        return self.transport.take()

    def answer(self) -> tuple[int, bytes]:
        """Return status and body of the one response, by length, that came since the last call."""
        data = self.received()
        assert data, "no answer"
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        assert length is not None, head
        assert len(body) == int(length[1]), data
        return int(head[9:12]), body

    def shake_hands(self, facts: TlsFacts) -> None:
        """Let the handshake be over, as the transport tells it."""
        self.transport.tls = facts
        self.connection.handshakeCompleted()
        self.world.check()

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
        listener: HttpListener | HttpsListener | None = None,
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
            lambda row: self.records.append(AccessRecord._make(row)),
            sessions_max=sessions_max,
            chance=self.chance,
            is_checked=True,
        )
        self.certificates = Certificates(lambda: 1.78e9)
        self.applier = Applier(
            ConfigState(), NoSockets(), self.worker.connector, self.clock, self.certificates
        )
        self.applier.listener_followers.append(self.worker.sessions.drain_of)
        self.cluster = cluster or Cluster("app")
        rule = FrontendRule(
            LISTENER, "*", position=Position.POST, cluster_id=self.cluster.cluster_id
        )
        if isinstance(listener, HttpsListener):
            self.apply(AddHttpsListener(listener))
            self.apply(AddCluster(self.cluster), AddHttpsFrontend(rule))
        else:
            self.apply(AddHttpListener(listener or HttpListener(LISTENER)))
            self.apply(AddCluster(self.cluster))
            self.apply(AddHttpFrontend(rule))
        self.apply(ActivateListener(LISTENER))
        self.clients: list[FakeClient] = []
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

    def add_cluster(self, cluster: Cluster, hostname: str) -> None:
        """Configure one more cluster, and that requests for a host go there."""
        rule = FrontendRule(LISTENER, hostname, cluster_id=cluster.cluster_id)
        self.apply(AddCluster(cluster), AddHttpFrontend(rule))

    def add_backend(self, name: str, cluster_id: str | None = None) -> None:
        """Configure a backend: A is 10.1.0.1, B is 10.1.0.2 and so on."""
        self.apply(AddBackend(self.backend_value(name, cluster_id)))

    def remove_backend(self, name: str, cluster_id: str | None = None) -> None:
        """Take a backend out of the configuration."""
        value = self.backend_value(name, cluster_id)
        self.apply(RemoveBackend(value.cluster_id, value.backend_id, value.address))

    def state(self, name: str) -> BackendState:
        """Return the live state of a configured backend."""
        for cluster in self.applier.clusters.values():
            for state in cluster.backends:
                if state.backend_id == name:
                    return state
        raise KeyError(name)

    def let_be_next(self, name: str) -> None:
        """Turn the rotation until it is that backend's turn."""
        cluster = self.state(name).cluster
        ids = [state.backend_id for state in cluster.backends]
        before = ids[ids.index(name) - 1]
        chosen = None
        while chosen is None or chosen.backend_id != before:
            chosen = cluster.choose(self.clock.seconds(), None, self.chance.random)

    def client(self) -> FakeClient:
        """Accept a client."""
        listener = self.applier.listeners[LISTENER]
        factory = self.worker.factory_of(listener)
        address = IPv4Address("TCP", "192.0.2.1", 54321 + len(self.clients))
        client = FakeClient(self, factory.buildProtocol(address), address)
        self.clients.append(client)
        self.check()
        return client

    @property
    def dials(self) -> list[FakeDial]:
        """Return the dials of exchanges that are under way."""
        return [dial for dial in self.dialler.pending if not is_probe(dial)]

    @property
    def probes(self) -> list[FakeDial]:
        """Return the dials of health checks that are under way."""
        return [dial for dial in self.dialler.pending if is_probe(dial)]

    def dialled(self) -> list[str]:
        """Return the names of the backends that were dialled for exchanges, in order."""
        return [self.name_of(dial) for dial in self.dialler.dials if not is_probe(dial)]

    def name_of(self, dial: FakeDial) -> str:
        """Return which backend is dialled."""
        address = dial.address
        assert isinstance(address, InetAddress)
        return chr(ord("A") + int(address.host.rpartition(".")[2]) - 1)

    def dial(self, name: str | None = None) -> FakeDial:
        """Return the only dial that is under way, or the only one to that backend."""
        self.check()
        dials = [dial for dial in self.dials if name is None or self.name_of(dial) == name]
        assert len(dials) == 1, (name, self.dials)
        return dials[0]

    def connect(self, name: str | None = None) -> FakeTransport:
        """Let the only dial that is under way succeed; return the backend's end."""
        dial = self.dial(name)
        transport = self.dialler.complete(self.dialler.dials.index(dial))
        assert transport is not None
        self.check()
        return transport

    def refuse(self, name: str | None = None, reason: Exception | None = None) -> None:
        """Let the only dial that is under way fail."""
        dial = self.dial(name)
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
        for idle in self.worker.connector.pool.idle_connections():
            transport: Any = idle.transport
            assert not idle.state.is_retired
            assert transport.is_reading, "nobody would hear of its end"
        for dial in self.dials:
            connection: Any = dial.factory
            connection = connection._connection
            assert connection.token is not None, "it is not registered before its first event"
            assert connection.owner is not None

    def outcomes(self) -> list[tuple[int, str]]:
        """Return what the access records say: each status, and the backend last used."""
        return [(record.status, record.backend_id) for record in self.records]

    def assert_baseline(self, *, closes_clients: bool = True) -> None:
        """Nothing is left of anything: I6."""
        self.turn()
        if closes_clients:
            for client in self.clients:
                client.reset()
            self.turn()
        assert len(self.records) == self.worker.counters.requests
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
        for client in self.clients:
            assert client.transport.disconnected
        for dial in self.dialler.dials:
            assert dial.is_over
            assert dial.transport is None or dial.transport.disconnected, dial
        for listener in self.applier.listeners.values():
            assert listener.counters.connections == 0
        for cluster in self.applier.clusters.values():
            assert cluster.counters.active_requests == 0
        assert self.worker.sessions.address_counts.total() == 0
        assert not self.clock.getDelayedCalls()
        self.check()

    def states(self) -> Iterator[BackendState]:
        """Return the states of all configured backends."""
        for cluster in self.applier.clusters.values():
            yield from cluster.backends


def is_probe(dial: FakeDial) -> bool:
    """Say whether a dial is that of a health check."""
    return isinstance(dial.factory, ProbeConnection)


def ok(body: bytes, extra: bytes = b"") -> bytes:
    """Return a whole response."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), extra, body)
