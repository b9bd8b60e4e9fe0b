"""
A whole worker between real sockets, on our own reactor, and a count of the frames it enters.

Frames do not depend on the machine's mood, as microseconds do. Counted are all frames of sozutw but
the poll itself, which serves all descriptors that are ready at a time.
"""

import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.internet.address import IPv4Address

import sozutw
from sozutw.config.model import (
    Backend,
    BackendAddress,
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
)
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.listen.certificates import Certificates
from sozutw.process.assembly import Worker
from sozutw.relay.access import AccessRecord
from sozutw.transport.epoll import DirectEPollReactor
from sozutw.transport.stream import StreamTransport
from tests.fakes.benches import tcp_pair
from tests.fakes.loops import HandRunLoop
from tests.fakes.worker import NoSockets

LISTENER = InetAddress("10.0.0.1", 8080)
PACKAGE = str(Path(sozutw.__file__).parent)
POLL = sys.modules[DirectEPollReactor.__module__].__file__


class Frames:
    """Count the frames of ours that are entered, by module and name."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.names.total()

    def _entered(self, frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            if frame.f_code.co_filename == POLL:
                return
            module = frame.f_code.co_filename[len(PACKAGE) + 1 : -3].replace("/", ".")
            self.names[f"{module}:{frame.f_code.co_qualname}"] += 1

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is entered inside."""
        sys.setprofile(self._entered)
        try:
            yield
        finally:
            sys.setprofile(None)

    def __str__(self) -> str:
        lines = [f"{count:4} {name}" for name, count in self.names.most_common()]
        return "\n".join([f"{self.total} frames", *lines])


class PairDialler:
    """Dial backends that are the other ends of socket pairs."""

    def __init__(self, loop: HandRunLoop) -> None:
        self.loop = loop
        self.peers: list[socket.socket] = []

    def dial(
        self, address: BackendAddress, factory: Any, seconds_max: float, tls: object = None
    ) -> "PairDialler":
        """Succeed, from the loop."""
        self.loop.reactor.callLater(0, self._connect, factory)
        return self

    def cancel(self) -> None:
        """Nobody cancels here."""
        raise AssertionError("cancelled")

    def _connect(self, factory: Any) -> None:
        ours, peer = tcp_pair()
        self.peers.append(peer)
        protocol = factory.buildProtocol(None)
        transport = stream(self.loop, ours, protocol)
        protocol.makeConnection(transport)


def stream(loop: HandRunLoop, sock: socket.socket, protocol: Any) -> StreamTransport:
    """Return a transport as the acceptor and the dialler make them."""
    host = IPv4Address("TCP", *sock.getsockname())
    peer = IPv4Address("TCP", *sock.getpeername())
    transport = StreamTransport(loop.reactor, sock, protocol, host, peer)
    transport.resumeProducing()
    return transport


class Rig:
    """One client, one worker, one backend."""

    def __init__(self, loop: HandRunLoop) -> None:
        self.loop = loop
        self.frames = Frames()
        self.records: list[AccessRecord] = []
        self.dialler = PairDialler(loop)
        self.worker = Worker(Settings(), loop.reactor, self.dialler, self.records.append)
        applier = Applier(
            ConfigState(),
            NoSockets(),
            self.worker.connector,
            loop.reactor,
            Certificates(time.time),
        )
        applier.apply(
            AddHttpListener(HttpListener(LISTENER)),
            AddCluster(Cluster("app")),
            AddHttpFrontend(FrontendRule(LISTENER, "*", position=Position.POST, cluster_id="app")),
            AddBackend(Backend("app", "A", InetAddress("10.1.0.1", 80))),
            ActivateListener(LISTENER),
        )
        ours, self.client = tcp_pair()
        factory = self.worker.factory_of(applier.listeners[LISTENER])
        protocol = factory.buildProtocol(IPv4Address("TCP", *ours.getpeername()))
        protocol.makeConnection(stream(loop, ours, protocol))

    @property
    def backend(self) -> socket.socket:
        """The backend's end of its one connection."""
        (peer,) = self.dialler.peers
        return peer

    def run(self, is_done: Callable[[], object]) -> None:
        """Run the loop until something is true; only this is counted."""

        def counted() -> bool:
            sys.setprofile(None)
            done = bool(is_done())
            sys.setprofile(self.frames._entered)
            return done

        with self.frames.counted():
            while not counted():
                self.loop.reactor.doIteration(0.01)

    def pass_on(
        self, source: socket.socket, data: bytes, sink: Callable[[], socket.socket]
    ) -> bytes:
        """Send at one end; return what arrives at the other in one piece or more."""
        source.sendall(data)
        got = bytearray()

        def arrived() -> bool:
            self.loop.reactor.runUntilCurrent()
            try:
                got.extend(sink().recv(1 << 20))
            except (BlockingIOError, ValueError):
                return False
            return True

        self.run(arrived)
        return bytes(got)

    def exchange(self, request: bytes, response: bytes) -> None:
        """Have one request served."""
        got = self.pass_on(self.client, request, lambda: self.backend)
        assert got.endswith(b"\r\n\r\n"), got
        assert b"200 OK" in self.pass_on(self.backend, response, lambda: self.client)

    def count(self, call: Callable[[], object], times: int) -> float:
        """Return the frames of one call, of many after a first."""
        call()
        self.frames.names.clear()
        for _ in range(times):
            call()
        return self.frames.total / times

    def close(self) -> None:
        """Let go of everything."""
        self.client.close()
        for peer in self.dialler.peers:
            peer.close()
        self.loop.settle()
        self.worker.sessions.abort_all()
        self.worker.connector.close_all()
        self.loop.settle()
