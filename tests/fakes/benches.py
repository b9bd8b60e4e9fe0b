"""The same bench for a fake transport and for a real one: a protocol under test, and its peer."""

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.transport.stream import StreamTransport
from tests.fakes.loops import HandRunLoop
from tests.fakes.transport import FakeTransport


class Recorder(Protocol):
    """A protocol that writes down what happens to it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.data = bytearray()
        self.lost: Failure | None = None

    @override
    def connectionMade(self) -> None:
        self.events.append("made")

    @override
    def dataReceived(self, data: bytes) -> None:
        self.events.append(("data", data))
        self.data += data

    @override
    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        assert self.lost is None, "told twice"
        self.lost = reason
        self.events.append(("lost", reason.type))


@implementer(IHalfCloseableProtocol)
class HalfCloseableRecorder(Recorder):
    """The same, and it lives on when the peer has said all."""

    def readConnectionLost(self) -> None:
        self.events.append("read lost")

    def writeConnectionLost(self) -> None:
        self.events.append("write lost")


class Producer:
    """What a transport pauses and resumes."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected TCP sockets: ours, and the peer's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        # As listen.sockets.bind and transport.dial see to it.
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setblocking(False)
    return ours, peer


class FakeBench:
    """The test plays the loop."""

    def __init__(self, protocol: Recorder) -> None:
        self.protocol = protocol
        self.transport = FakeTransport().connect(protocol)

    def sends(self, data: bytes) -> None:
        self.transport.receive(data)

    def finishes(self) -> None:
        self.transport.hang_up()

    def resets(self) -> None:
        self.transport.reset_by_peer()

    def fill(self) -> None:
        self.transport.write(b"x" * 10)
        self.transport.fill()

    def drain(self) -> None:
        self.transport.drain()

    def received(self) -> bytes:
        return self.transport.value()

    def has_seen_the_end(self) -> bool:
        return self.transport.lost or self.transport.is_write_closed

    def settle(self) -> None:
        self.transport.turn()

    def close(self) -> None:
        pass


class RealBench:
    """Two ends of a TCP connection over the loopback, and a loop that is run by hand."""

    def __init__(self, protocol: Recorder, loop: HandRunLoop) -> None:
        self.protocol = protocol
        self.loop = loop
        self.ours, self.peer = tcp_pair()
        for sock in (self.ours, self.peer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
        self.lost_calls = 0
        self.transport = StreamTransport(
            loop.reactor,
            self.ours,
            protocol,
            IPv4Address("TCP", *self.ours.getsockname()),
            IPv4Address("TCP", *self.ours.getpeername()),
            self._on_lost,
        )
        self.transport.resumeProducing()
        protocol.makeConnection(self.transport)
        self._received = bytearray()
        self._ended = False

    def _on_lost(self) -> None:
        self.lost_calls += 1

    def sends(self, data: bytes) -> None:
        self.peer.sendall(data)
        self.settle()

    def finishes(self) -> None:
        self.peer.shutdown(socket.SHUT_WR)
        self.settle()

    def resets(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.peer.close()
        self.settle()

    def fill(self) -> None:
        while self.transport.buffered_bytes <= 1 << 17:
            self.transport.write(b"x" * 65536)

    def drain(self) -> None:
        self.loop.run_until(lambda: (self.received(), not self.transport.buffered_bytes)[1])
        self.settle()

    def received(self) -> bytes:
        """Return all that the peer has read so far."""
        while not self._ended:
            try:
                data = self.peer.recv(1 << 20)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self._ended = not data
            self._received += data
        return bytes(self._received)

    def has_seen_the_end(self) -> bool:
        self.received()
        return self._ended

    def settle(self) -> None:
        self.loop.settle()

    def close(self) -> None:
        self.transport.abortConnection()
        self.loop.settle()
        self.peer.close()
