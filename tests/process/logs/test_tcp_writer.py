from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from sozutw.config.model import InetAddress
from sozutw.config.targets import TcpTarget
from sozutw.process.logs.tcp_writer import (
    CLOSE_SECONDS_MAX,
    RETRY_SECONDS_MAX,
    LineConnection,
    TcpWriter,
)
from sozutw.process.logs.writers import BACKLOG_BYTES_MAX


class Scene:
    """A writer, and the world it sees."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.lost = 0
        self.writer = TcpWriter(self.reactor, TcpTarget(InetAddress("logs.test", 601)), self._lost)

    def _lost(self, lines: int) -> None:
        self.lost += lines

    @property
    def attempts(self) -> int:
        return len(self.reactor.tcpClients)

    def connect(self) -> tuple[LineConnection, StringTransport]:
        connection = self.writer.buildProtocol(None)
        transport = StringTransport()
        connection.makeConnection(transport)
        return connection, transport

    def fail(self) -> None:
        self.writer.clientConnectionFailed(None, Failure(ConnectError()))


def test_it_connects_with_the_first_line_and_sends_what_waited() -> None:
    scene = Scene()
    assert scene.attempts == 0
    scene.writer.write(b"a\n")
    scene.writer.write(b"b\n")
    assert scene.attempts == 1
    host, port, factory = scene.reactor.tcpClients[0][:3]
    assert (host, port, factory) == ("logs.test", 601, scene.writer)
    _, transport = scene.connect()
    scene.writer.write(b"c\n")
    assert transport.value() == b"a\nb\nc\n"
    assert scene.lost == 0


def test_a_connection_that_is_full_is_not_written_to() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    connection, transport = scene.connect()
    assert transport.producer is connection
    connection.pauseProducing()
    scene.writer.write(b"b\n")
    assert transport.value() == b"a\n"
    connection.resumeProducing()
    scene.writer.write(b"c\n")
    assert transport.value() == b"a\nb\nc\n"


def test_what_waits_has_a_bound() -> None:
    scene = Scene()
    half = b"x" * (BACKLOG_BYTES_MAX // 2 - 1) + b"\n"
    for _ in range(3):
        scene.writer.write(half)
    assert scene.lost == 1
    _, transport = scene.connect()
    assert len(transport.value()) == BACKLOG_BYTES_MAX


def test_it_tries_again_and_waits_longer_each_time() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    waits = []
    for _ in range(7):
        scene.fail()
        (call,) = scene.reactor.getDelayedCalls()
        waits.append(call.getTime() - scene.reactor.seconds())
        scene.reactor.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16, RETRY_SECONDS_MAX, RETRY_SECONDS_MAX]
    assert scene.attempts == 8
    connection, transport = scene.connect()
    assert transport.value() == b"a\n"
    connection.connectionLost(Failure(ConnectionDone()))
    scene.writer.write(b"b\n")
    assert scene.attempts == 8
    scene.reactor.advance(1)
    assert scene.attempts == 9
    assert scene.connect()[1].value() == b"b\n"


def test_a_pause_ends_with_its_connection() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    connection, _ = scene.connect()
    connection.pauseProducing()
    connection.stopProducing()
    connection.connectionLost(Failure(ConnectionDone()))
    _, transport = scene.connect()
    scene.writer.write(b"b\n")
    assert transport.value() == b"b\n"


def test_a_connection_with_nothing_to_say_is_kept_ready() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    connection, _ = scene.connect()
    connection.connectionLost(Failure(ConnectionDone()))
    _, transport = scene.connect()
    assert transport.value() == b""


def test_closing_waits_until_the_connection_is_gone() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    connection, transport = scene.connect()
    connection.pauseProducing()
    scene.writer.write(b"b\n")
    closed = scene.writer.close()
    assert transport.value() == b"a\nb\n"
    assert transport.disconnecting
    assert transport.producer is None
    assert not closed.called
    connection.connectionLost(Failure(ConnectionDone()))
    assert closed.called
    assert scene.reactor.getDelayedCalls() == []
    scene.writer.write(b"late\n")
    assert scene.lost == 1


def test_closing_does_not_wait_long() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    _, transport = scene.connect()
    scene.writer.close()
    scene.reactor.advance(CLOSE_SECONDS_MAX)
    assert transport.disconnected


def test_closing_without_a_connection_counts_what_waited() -> None:
    scene = Scene()
    scene.writer.write(b"a\nb\n")
    connector = scene.reactor.connectors[0]
    closed = scene.writer.close()
    assert closed.called
    assert scene.lost == 2
    assert connector._disconnected
    scene.fail()
    assert scene.reactor.getDelayedCalls() == []


def test_closing_between_two_attempts_ends_them() -> None:
    scene = Scene()
    scene.writer.write(b"a\n")
    scene.fail()
    scene.writer.close()
    assert scene.reactor.getDelayedCalls() == []
    assert scene.lost == 1


def test_closing_what_was_never_used_is_nothing() -> None:
    scene = Scene()
    scene.writer.reopen()
    assert scene.writer.close().called
    assert scene.lost == 0
