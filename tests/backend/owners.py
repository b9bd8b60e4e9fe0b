"""An owner of leases that writes down what it is told, and the bench that it stands on."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from sozutw.backend.factory import CheckedConnector
from sozutw.backend.http1 import Http1BackendConnection
from sozutw.backend.pool import ConnectionPool
from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import Backend, Cluster, InetAddress
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.ports import DialFailure
from sozutw.sessions.manager import SessionManager
from sozutw.sessions.session import Session
from sozutw.sessions.tokens import Tokens
from sozutw.transport.patience import Wheel
from sozutw.wire.message import ResponseHead
from tests.fakes.transport import FakeDialler, FakeTransport


class Owner:
    """An exchange in so far as a backend connection knows one."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.back: Any = None
        self.events: list[str] = []
        self.head: ResponseHead | None = None
        self.body = bytearray()
        self.trailers: Sequence[bytes] = ()
        self.request = b""
        self.method = b"GET"
        self.seconds = 30.0

    def take(self) -> list[str]:
        """Return what was told since the last call."""
        events, self.events = self.events, []
        return events

    def send(self) -> None:
        """Ask."""
        self.body.clear()
        self.head = None
        self.back.send_request(self.request, self.method, self.seconds)

    def backend_connected(self) -> None:
        self.events.append("connected")

    def backend_failed(self, failure: DialFailure, text: str = "") -> None:
        self.events.append(f"failed: {failure.value}")
        self.back.drop()

    def response_interim(self, head: ResponseHead) -> None:
        self.events.append(f"interim {head.status}")

    def response_started(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        self.events.append(f"started {head.status}" + " and ended" * ended)
        self.head = head
        self.body += body
        self.back.take_body(self.body.extend)

    def response_ended(self, trailers: Sequence[bytes]) -> None:
        self.events.append("ended")
        self.trailers = trailers

    def response_broken(self, reason: str, status: int = 502) -> None:
        self.events.append("broken" if status == 502 else f"broken: {status}")
        self.back.drop()

    def response_lost(self, *, cleanly: bool) -> None:
        self.events.append("lost cleanly" if cleanly else "lost")
        self.back.drop()

    def response_timed_out(self) -> None:
        self.events.append("timed out")
        self.back.drop()

    def back_finished(self) -> None:
        self.events.append("finished")

    def back_filled(self) -> None:
        self.events.append("filled")

    def back_drained(self) -> None:
        self.events.append("drained")


class NoClient:
    """A client of whom nothing is asked."""

    def is_idle(self) -> bool:
        return True

    def active_at(self) -> float:
        return 0.0

    def drain(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Bench:
    """A connector, checked after each step, with a clock and a dialler of the test's own."""

    def __init__(self, *, idle_max: int = 8, **options: Any) -> None:
        self.clock = Clock()
        self.clock.advance(100.0)
        self.counters = WorkerCounters()
        self.wheel = Wheel(self.clock)
        self.sessions = SessionManager(self.clock, Tokens(), self.counters, 100)
        self.dialler = FakeDialler(clock=self.clock)
        self.pool: ConnectionPool[Http1BackendConnection] = ConnectionPool(idle_max)
        self.connector = CheckedConnector(
            self.dialler,
            self.pool,
            self.sessions,
            self.wheel,
            self.counters,
            lambda: 0.5,
            **options,
        )
        self.cluster = ClusterState(Cluster("app"))
        self.state = self.backend("A")

    def backend(self, name: str) -> BackendState:
        """Configure a backend."""
        address = InetAddress(f"10.1.0.{ord(name) - 64}", 80)
        return self.cluster.upsert(Backend("app", name, address))

    def owner(self) -> Owner:
        """Admit a client, with an exchange."""
        session = Session(NoClient(), "192.0.2.1", "192.0.2.1:1", 0.0, b"")
        assert self.sessions.admit(session) is not None
        return Owner(session)

    def lease(self, owner: Owner, state: BackendState | None = None, *, sure: bool = False) -> Any:
        """Lease a connection to a backend for an exchange."""
        owner.back = self.connector.lease(state or self.state, owner, 3.0, sure=sure)
        self.check()
        return owner.back

    def open(self, state: BackendState | None = None) -> tuple[Owner, Any, FakeTransport]:
        """Lease a connection that is dialled, and let the dial succeed."""
        owner = self.owner()
        connection = self.lease(owner, state)
        transport = self.dialler.complete()
        assert transport is not None
        assert owner.take() == ["connected"]
        return owner, connection, transport

    def asked(
        self, method: bytes = b"GET", request: bytes = b"GET / HTTP/1.1\r\n\r\n"
    ) -> tuple[Owner, Any, FakeTransport]:
        """Open a connection and send a request on it."""
        owner, connection, transport = self.open()
        owner.method, owner.request = method, request
        owner.send()
        assert transport.take() == request
        return owner, connection, transport

    def idle(self, state: BackendState | None = None) -> tuple[Any, FakeTransport]:
        """Open a connection, use it once, and give it back."""
        owner, connection, transport = self.open(state)
        owner.send()
        transport.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.give_back(owner)
        return connection, transport

    def give_back(self, owner: Owner) -> None:
        """End a lease."""
        self.connector.give_back(owner.back)
        self.check()

    def advance(self, seconds: float) -> None:
        """Let time pass, in small steps."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
        self.check()

    def check(self) -> None:
        """Sweep all invariants."""
        self.connector.check_invariants()
        self.cluster.check_invariants()
        assert self.counters.backend_connections == len(self.pool)
