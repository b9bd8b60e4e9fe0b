"""What serves clients in one process, on a loop run by hand."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sozutw.config.model import HttpListener, InetAddress, ListenerKind, Settings
from sozutw.config.requests import ActivateListener, AddHttpListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.listen.sockets import CannotListenError, bind
from sozutw.process.traffic import Traffic
from tests.e2e.harness import ReservedPort
from tests.fakes.loops import HandRunLoop, loop_named

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


class Place:
    def __init__(self, loop: HandRunLoop, folder: Path) -> None:
        self.loop = loop
        self.log = folder / "access.log"
        settings = Settings(
            access_logs_target=f"file://{self.log}",
            max_connections=4,
            graceful_shutdown_timeout=5.0,
        )
        self.traffic = Traffic(settings, loop.reactor, 1, tag="WRK-07")
        self.reserved = ReservedPort()
        self.address = InetAddress("127.0.0.1", self.reserved.port)

    def listen(self) -> None:
        self.traffic.applier.apply(
            AddHttpListener(HttpListener(self.address)),
            ActivateListener(self.address, ListenerKind.HTTP),
        )

    def start(self) -> None:
        assert outcome(self.traffic.start()) == [None]

    def ask(self) -> socket.socket:
        client = socket.create_connection((self.address.host, self.address.port))
        client.setblocking(False)
        client.send(GET)
        return client

    def answer(self, client: socket.socket) -> bytes:
        received = bytearray()

        def has_come() -> bool:
            try:
                received.extend(client.recv(65_536))
            except BlockingIOError:
                return False
            return True

        self.loop.run_until(has_come)
        return bytes(received)

    def stop(self) -> None:
        stopped = outcome(self.traffic.stop())
        self.traffic.stop_now()
        self.loop.run_until(lambda: stopped)


def outcome(deferred: "Deferred[Any]") -> list[Any]:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found


@pytest.fixture
def place(loop: HandRunLoop, tmp_path: Path) -> Iterator[Place]:
    place = Place(loop, tmp_path)
    yield place
    place.reserved.close()


def test_it_serves_and_writes_down_whom(place: Place) -> None:
    place.listen()
    place.start()
    assert list(place.traffic.accepting) == [place.address]
    client = place.ask()
    assert place.answer(client).startswith(b"HTTP/1.1 404 ")
    assert place.traffic.count_connections() == 1
    assert place.traffic.tell_connections() == "1 connection left (1 idle)"
    assert place.traffic.why_not_ready() is None
    client.close()
    place.stop()
    assert " WRK-07\t" in place.log.read_text()


def test_who_is_held_waits_until_he_is_let_in(place: Place) -> None:
    place.traffic.listeners.hold()
    place.listen()
    place.start()
    client = place.ask()
    place.loop.settle()
    assert place.traffic.count_connections() == 0
    place.traffic.listeners.let_in()
    assert place.answer(client).startswith(b"HTTP/1.1 404 ")
    client.close()
    place.stop()


def test_a_worker_listens_on_what_it_was_given_alone(place: Place) -> None:
    place.traffic.listeners.binds = False
    with pytest.raises(CannotListenError, match="did not come"):
        place.listen()
    place.traffic.inherit({place.address: bind(place.address)})
    place.listen()
    assert place.traffic.descriptors()[place.address] >= 0
    place.start()
    place.stop()


def test_what_another_process_serves_with_is_its_own_until_this_one_serves(place: Place) -> None:
    place.traffic.inherit({place.address: bind(place.address)})
    place.listen()
    place.start()
    client = place.ask()
    place.loop.settle()
    assert place.traffic.count_connections() == 0
    assert place.traffic.listeners.is_left_to_others
    place.traffic.serve()
    assert not place.traffic.listeners.is_left_to_others
    assert place.answer(client).startswith(b"HTTP/1.1 404 ")
    client.close()
    place.stop()


def test_what_was_given_and_not_asked_for_is_closed(place: Place) -> None:
    given = bind(place.address)
    place.traffic.inherit({place.address: given})
    place.traffic.close_unused()
    assert given.fileno() == -1


def test_a_start_that_fails_leaves_no_socket_open(place: Place) -> None:
    def start() -> None:
        with place.traffic.bound():
            place.listen()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start()
    place.loop.settle()
    assert list(place.traffic.accepting) == []
    bind(place.address).close()


def test_a_listener_that_is_not_active_is_named(place: Place) -> None:
    place.traffic.applier.apply(AddHttpListener(HttpListener(place.address)))
    assert place.traffic.why_not_ready() == "no listener is active, of 1 that are configured"


def test_counters_are_those_of_the_one_worker(place: Place) -> None:
    place.listen()
    place.start()
    client = place.ask()
    place.answer(client)
    (reports,) = outcome(place.traffic.gather())
    assert reports["0"].worker.statuses[404] == 1
    outcome(place.traffic.clear())
    (reports,) = outcome(place.traffic.gather())
    assert reports["0"].worker.statuses[404] == 0
    client.close()
    place.stop()


def test_its_desk_turns_the_knobs_of_the_path_of_requests(place: Place) -> None:
    desk = place.traffic.make_desk(lambda _text: None, lambda: False)
    outcome(desk.answer(pb.Request(set_max_connections_per_ip=6)))
    assert place.traffic.worker.means.places_per_address == 6


def test_who_outlives_deadlines_is_cut_by_nobody(place: Place) -> None:
    place.traffic.leave_to_others()
    assert place.traffic.worker.sessions.grace_seconds is None
