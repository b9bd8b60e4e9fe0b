"""Tests of ``sozutw.listen.acceptor``: real clients, and a listening socket that misbehaves."""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.logger import Logger
from zope.interface.verify import verifyObject

from sozutw.config.model import InetAddress
from sozutw.listen.acceptor import ACCEPTS_MAX, EXHAUSTED_SECONDS, Acceptor, address_of
from sozutw.listen.sockets import bind
from tests.fakes.benches import Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named


class Room:
    """Admission, and the factory."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.protocols: list[Recorder] = []
        self.peers: list[Any] = []
        self.build: Callable[[], Recorder | None] = Recorder

    def has_room(self) -> bool:
        return len(self.protocols) < self.room

    def buildProtocol(self, addr: Any) -> Recorder | None:
        protocol = self.build()
        if protocol is not None:
            self.protocols.append(protocol)
            self.peers.append(addr)
        return protocol


class Place:
    """An acceptor on a real loop, and its clients."""

    def __init__(self, loop: HandRunLoop, room: int = 1000, **options: Any) -> None:
        self.loop = loop
        self.room = Room(room)
        self.socket = bind(InetAddress("127.0.0.1", 0))
        self.acceptor = Acceptor(loop.reactor, self.socket, self.room, self.room, **options)
        self.clients: list[socket.socket] = []

    def connect(self, count: int = 1) -> list[socket.socket]:
        made = [socket.create_connection(self.socket.getsockname()) for _ in range(count)]
        for client in made:
            client.setblocking(False)
        self.clients += made
        return made

    def close(self) -> None:
        self.acceptor.close()
        for protocol in self.room.protocols:
            if protocol.transport is not None:
                protocol.transport.abortConnection()  # type: ignore[attr-defined]
        self.loop.settle(2)
        for client in self.clients:
            client.close()


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


@pytest.fixture
def make_place(loop: HandRunLoop) -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def make(*arguments: Any, **options: Any) -> Place:
        places.append(Place(loop, *arguments, **options))
        return places[-1]

    yield make
    for place in places:
        place.close()


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_clients_get_connected_protocols(make_place: Callable[..., Place]) -> None:
    place = make_place()
    assert verifyObject(IReadDescriptor, place.acceptor)
    place.connect()
    place.loop.settle()
    assert place.room.protocols == [], "it begins paused"
    place.acceptor.resume()
    clients = place.clients + place.connect(10)
    place.loop.run_until(lambda: len(place.room.protocols) == 11)
    assert place.acceptor.accepted_total == 11
    names = {client.getsockname() for client in clients}
    assert {(peer.host, peer.port) for peer in place.room.peers} == names
    transport: Any = place.room.protocols[0].transport
    assert transport.getHost() == place.acceptor.getHost()
    clients[0].send(b"hello")
    place.loop.run_until(lambda: any(p.data == b"hello" for p in place.room.protocols))


def test_many_clients_come_in_few_wake_ups(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.connect(150)
    wake_ups = 0
    while len(place.room.protocols) < 150:
        before = len(place.room.protocols)
        place.acceptor._is_paused = False
        place.acceptor.doRead()
        wake_ups += 1
        assert len(place.room.protocols) - before <= ACCEPTS_MAX
    assert wake_ups <= 9  # 1, 2, 4, 8, 16, 32, 64, the rest


def test_a_client_that_the_factory_does_not_want_is_closed(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    place.room.build = lambda: None
    place.acceptor.resume()
    (client,) = place.connect()
    place.loop.run_until(lambda: is_closed(client))
    assert place.acceptor.refused_total == 1
    assert place.acceptor.accepted_total == 0


def test_without_room_clients_wait_and_the_newest_is_served_first(
    make_place: Callable[..., Place],
) -> None:
    place = make_place(room=0, queue_max=3)
    place.acceptor.resume()
    clients = []
    for number in range(5):
        clients += place.connect()
        place.loop.run_until(lambda number=number: place.acceptor.waiting == min(number + 1, 3))
    place.loop.settle()
    assert place.acceptor.waiting == 3
    assert place.acceptor.is_full
    assert place.acceptor.counts.listener.capped == 3
    assert not any(is_closed(client) for client in clients)
    place.room.room = 2
    place.acceptor.room_made()
    served = [peer.port for peer in place.room.peers]
    assert served == [clients[2].getsockname()[1], clients[1].getsockname()[1]]
    # There is a place in the queue again: the backlog gives up one after the other.
    place.loop.run_until(lambda: place.acceptor.waiting == 3)
    place.room.room = 10
    place.acceptor.room_made()
    place.loop.run_until(lambda: len(place.room.protocols) == 5)
    assert place.acceptor.waiting == 0
    assert not place.acceptor.is_full
    assert sum(place.acceptor.counts.worker.accept_wait_time.buckets) == 5
    assert place.acceptor.counts.listener.capped == 5


def test_a_full_queue_asks_the_loop_for_nothing(make_place: Callable[..., Place]) -> None:
    place = make_place(room=0, queue_max=1)
    place.acceptor.resume()
    place.connect(3)
    place.loop.run_until(lambda: place.acceptor.waiting == 1)
    place.loop.settle()
    assert place.acceptor not in place.loop.reactor.getReaders()


def test_one_that_waited_too_long_is_dropped(make_place: Callable[..., Place]) -> None:
    place = make_place(room=0, queue_max=1, queue_seconds_max=0.02)
    place.acceptor.resume()
    first, _second = place.connect(2)
    place.loop.run_until(lambda: is_closed(first))
    assert place.acceptor.counts.worker.accept_queue_timeouts >= 1
    place.loop.run_until(lambda: place.acceptor.counts.worker.accept_queue_timeouts == 2)


def test_paused_it_leaves_clients_to_the_kernel(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.acceptor.resume()
    place.acceptor.pause()
    place.connect()
    place.loop.settle()
    place.acceptor.doRead()
    place.acceptor.room_made()
    place.loop.settle()
    assert place.room.protocols == []
    place.acceptor.resume()
    place.loop.run_until(lambda: place.room.protocols)


def test_closed_it_turns_away_who_waits_and_listens_no_more(
    make_place: Callable[..., Place],
) -> None:
    place = make_place(room=0)
    place.acceptor.resume()
    (client,) = place.connect()
    place.loop.run_until(lambda: place.acceptor.waiting)
    name = place.socket.getsockname()
    place.acceptor.close()
    place.acceptor.close()
    place.acceptor.resume()
    place.acceptor.room_made()
    assert place.acceptor.fileno() == -1
    place.loop.run_until(lambda: is_closed(client))
    place.loop.settle()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name)
    assert not place.loop.reactor.getDelayedCalls()


def test_a_protocol_may_end_the_acceptor_as_it_is_made(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()

    def build() -> Recorder:
        place.acceptor.release().close()
        return Recorder()

    place.room.build = build
    place.acceptor._burst = ACCEPTS_MAX
    place.connect(3)
    place.acceptor.resume()
    place.loop.settle()
    assert len(place.room.protocols) == 1


def test_closed_it_serves_who_has_connected_before_as_far_as_there_is_room(
    make_place: Callable[..., Place],
) -> None:
    place = make_place(room=2)
    place.acceptor.resume()
    clients = place.connect(3)
    place.acceptor.close()
    assert len(place.room.protocols) == 2
    place.loop.run_until(lambda: is_closed(clients[2]))
    assert not any(is_closed(client) for client in clients[:2])


def test_paused_it_serves_nobody_as_it_is_closed(make_place: Callable[..., Place]) -> None:
    place = make_place()
    (client,) = place.connect()
    place.acceptor.close()
    place.loop.run_until(lambda: is_closed(client))
    assert place.room.protocols == []


def test_a_protocol_that_is_made_as_the_acceptor_closes_may_close_it_too(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    place.acceptor.resume()
    (client,) = place.connect()

    def build() -> Recorder:
        place.acceptor.close()
        return Recorder()

    place.room.build = build
    place.acceptor.close()
    assert len(place.room.protocols) == 1
    assert not is_closed(client)


def test_one_client_s_trouble_is_not_the_next_one_s(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(Logger, "failure", lambda self, text, **named: logged.append(text))
    place = make_place()

    class Broken(Recorder):
        def connectionMade(self) -> None:
            raise ZeroDivisionError

    def fail() -> Recorder:
        raise ZeroDivisionError

    builds: list[Callable[[], Recorder]] = [fail, Broken, Recorder]

    def build() -> Recorder:
        return builds.pop(0)()

    place.room.build = build
    place.acceptor.resume()
    clients = place.connect(3)
    place.loop.run_until(lambda: not builds)
    place.loop.run_until(lambda: sum(is_closed(client) for client in clients) == 2)
    assert len(logged) == 2


def test_a_wildcard_listener_tells_the_address_that_was_called(
    make_place: Callable[..., Place],
) -> None:
    place = make_place()
    place.acceptor.close()
    place.loop.settle()
    place.socket = bind(InetAddress("0.0.0.0", 0))
    place.acceptor = Acceptor(place.loop.reactor, place.socket, place.room, place.room)
    place.acceptor.resume()
    client = socket.create_connection(("127.0.0.3", place.socket.getsockname()[1]))
    place.clients.append(client)
    place.loop.run_until(lambda: place.room.protocols)
    transport: Any = place.room.protocols[0].transport
    assert transport.getHost() == IPv4Address("TCP", *client.getpeername())


class Reactor(Clock):
    """Time, and who is registered."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.delivers_by_identity = True

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        raise AssertionError

    def removeWriter(self, writer: Any) -> None:
        pass


class SickSocket:
    """A listening socket of which the test says what accept does."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)

    def accept(self) -> Any:
        outcome = self.outcomes.pop(0) if self.outcomes else BlockingIOError(errno.EAGAIN, "")
        if isinstance(outcome, OSError):
            raise outcome
        return outcome, ("127.0.0.1", 1)

    def getsockname(self) -> Any:
        return ("127.0.0.1", 80)

    def setblocking(self, flag: bool) -> None:
        pass

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        pass


class ClosedSocket:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def sick(*outcomes: Any) -> tuple[Acceptor, Reactor, SickSocket]:
    reactor, sock = Reactor(), SickSocket(*outcomes)
    room = Room(0)
    acceptor = Acceptor(reactor, sock, room, room)  # type: ignore[arg-type]
    acceptor._burst = 8
    acceptor.resume()
    assert acceptor in reactor.readers
    return acceptor, reactor, sock


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_it_rests_and_never_spins(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(Logger, "error", lambda self, text, **named: logged.append(text))
    monkeypatch.setattr(Logger, "info", lambda self, text, **named: logged.append(text))
    acceptor, reactor, sock = sick(*[OSError(number, "none left")] * 2)
    acceptor.doRead()
    assert acceptor not in reactor.readers
    acceptor.room_made()
    assert acceptor not in reactor.readers, "room for a client is no descriptor"
    reactor.advance(EXHAUSTED_SECONDS / 2)
    assert acceptor not in reactor.readers
    reactor.advance(EXHAUSTED_SECONDS / 2)
    assert acceptor in reactor.readers
    # Still nothing: the spare descriptor turns the waiting clients away.
    turned_away = [ClosedSocket(), ClosedSocket()]
    sock.outcomes += turned_away
    acceptor.doRead()
    assert all(client.is_closed for client in turned_away)
    assert acceptor.shed_total == 2
    assert acceptor.exhausted_total == 2
    assert acceptor not in reactor.readers
    reactor.advance(EXHAUSTED_SECONDS)
    sock.outcomes.append(ClosedSocket())
    acceptor.doRead()
    assert acceptor.waiting == 1
    assert logged == ["cannot accept: {reason}; trying again", "accepting again"]
    acceptor.close()
    assert not reactor.getDelayedCalls()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EAGAIN, errno.EINTR])
def test_a_client_that_went_away_is_nothing(number: int) -> None:
    acceptor, reactor, _ = sick(OSError(number, "gone"))
    acceptor.doRead()
    assert acceptor in reactor.readers
    assert acceptor.exhausted_total == 0
    acceptor.close()


def test_closed_while_it_rests_it_leaves_no_timer() -> None:
    acceptor, reactor, _ = sick(OSError(errno.EMFILE, "none left"))
    acceptor.doRead()
    acceptor.connectionLost(None)
    assert not reactor.getDelayedCalls()
    assert acceptor.logPrefix() == "Acceptor"


def test_the_timer_for_who_waits_follows_the_oldest() -> None:
    acceptor, reactor, sock = sick()
    clients = [ClosedSocket() for _ in range(3)]
    for client in clients:
        sock.outcomes.append(client)
        acceptor.doRead()
        reactor.advance(20)
    assert len(reactor.getDelayedCalls()) == 1
    assert [client.is_closed for client in clients] == [True, False, False]
    reactor.advance(20)
    assert [client.is_closed for client in clients] == [True, True, False]
    assert acceptor.counts.worker.accept_queue_timeouts == 2
    acceptor.close()


def test_without_a_spare_descriptor_it_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> int:
        raise OSError(errno.EMFILE, "none left")

    monkeypatch.setattr("os.open", fail)
    acceptor, reactor, _ = sick(*[OSError(errno.EMFILE, "none left")] * 2)
    acceptor.doRead()
    reactor.advance(EXHAUSTED_SECONDS)
    acceptor.doRead()
    assert acceptor.exhausted_total == 2
    acceptor.close()


def test_addresses_are_told_as_twisted_tells_them() -> None:
    assert address_of(("127.0.0.1", 1)) == IPv4Address("TCP", "127.0.0.1", 1)
    assert repr(address_of(("::1", 1, 0, 0))).startswith("IPv6Address")
    assert repr(address_of("/path")).startswith("UNIXAddress")
    assert repr(address_of("")).startswith("UNIXAddress")
