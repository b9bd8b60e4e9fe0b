"""Changes are applied in their order, each with its own sockets."""

import os
import socket
from collections import deque
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.config.state import RefusedRequestError
from sozutw.control.messages.addresses import address_message
from sozutw.control.messages.translate import message_of
from sozutw.control.proto import worker_pb2 as words
from sozutw.listen.handed import place_of
from sozutw.process.worker.taking import Taking
from tests.fakes.fleet import open_descriptors

A, B = AddCluster(Cluster("a")), AddCluster(Cluster("b"))


class Scene:
    """An applier, listeners and blanks, of which the test says what comes."""

    def __init__(self) -> None:
        self.descriptors: deque[int] = deque()
        self.under_way: list[tuple[list[Any], Deferred[Any]]] = []
        self.inherited: dict[InetAddress, socket.socket] = {}
        self.told: list[Any] = []
        self.error: Exception | None = None
        parts: Any = self
        self.taking = Taking(parts, parts, parts, self.descriptors, self.applied)

    def apply_slowly(self, requests: Any) -> "Deferred[Any]":
        done: Deferred[Any] = Deferred()
        self.under_way.append((list(requests), done))
        return done

    def close_unused(self) -> None:
        while self.inherited:
            self.inherited.popitem()[1].close()

    def take(self, number: int) -> str:
        return f"blank {number}"

    def applied(self, number: int, error: str | None) -> None:
        self.told.append((number, error))
        error, self.error = self.error, None
        if error is not None:
            raise error

    # The test.

    def orders(self, number: int, *orders: Any, is_last: bool = True, **more: Any) -> None:
        self.taking.take(
            words.Orders(number=number, orders=map(message_of, orders), is_last=is_last, **more)
        )

    def finish(self, index: int, outcome: Any = None) -> None:
        self.under_way[index][1].callback(outcome)

    def socket(self) -> InetAddress:
        """Let a listening socket come; return where it listens."""
        sock = socket.create_server(("127.0.0.1", 0))
        address = place_of(sock)
        assert isinstance(address, InetAddress)
        self.descriptors.append(sock.detach())
        return address


@pytest.fixture
def scene():
    before = open_descriptors()
    scene = Scene()
    yield scene
    scene.taking.close()
    scene.close_unused()
    while scene.descriptors:
        os.close(scene.descriptors.popleft())
    assert open_descriptors() == before


def test_a_change_is_applied_when_all_of_it_has_come(scene):
    scene.orders(3, A, is_last=False)
    assert not scene.under_way
    scene.orders(3, B)
    assert scene.under_way[0][0] == [A, B]
    assert not scene.told
    scene.finish(0)
    assert scene.told == [(3, None)]


def test_the_next_waits_until_the_one_before_is_applied(scene):
    scene.orders(3, A)
    scene.orders(4, B)
    assert len(scene.under_way) == 1
    scene.finish(0)
    assert scene.told == [(3, None)]
    assert scene.under_way[1][0] == [B]
    scene.finish(1)
    assert scene.told == [(3, None), (4, None)]


@pytest.mark.parametrize(
    ("error", "text", "is_logged"),
    [
        (RefusedRequestError("there is none"), "there is none", False),
        (OSError(98, "Address already in use"), "[Errno 98] Address already in use", False),
        (ZeroDivisionError("a defect"), "a defect", True),
        (AssertionError(), "a fault of sozutw's own; the log has more", True),
    ],
)
def test_a_change_that_cannot_be_applied_is_told_with_its_reason(scene, error, text, is_logged):
    scene.orders(3, A)
    scene.orders(4, B)
    with capturedLogs() as events:
        scene.under_way[0][1].errback(error)
    assert scene.told == [(3, text)]
    assert any("could not be applied" in one["log_format"] for one in events) == is_logged
    scene.finish(1)
    assert scene.told[1:] == [(4, None)]


def test_sockets_of_a_change_that_waits_stay_open(scene):
    first = scene.socket()
    scene.orders(3, sockets=[address_message(first)])
    second = scene.socket()
    scene.orders(4, A, sockets=[address_message(second)])
    assert list(scene.inherited) == [first]
    sock = scene.inherited[first]
    scene.finish(0)
    assert sock.fileno() == -1, "nobody wanted it"
    assert list(scene.inherited) == [second]
    assert scene.inherited[second].fileno() != -1


def test_sockets_of_several_parts(scene):
    first, second = scene.socket(), scene.socket()
    scene.orders(3, is_last=False, sockets=[address_message(first)])
    assert len(scene.descriptors) == 1
    scene.orders(3, sockets=[address_message(second)])
    assert set(scene.inherited) == {first, second}


def test_an_address_with_a_zone_or_of_version_6(scene):
    sock = socket.socket(socket.AF_INET6)
    sock.bind(("::1", 0))
    sock.listen()
    address = InetAddress("::1", sock.getsockname()[1])
    scene.descriptors.append(sock.detach())
    scene.orders(3, sockets=[address_message(address)])
    assert list(scene.inherited) == [address]


def missed(address: InetAddress) -> str:
    return f"the socket of {address} has not come; too many may be open here"


def test_a_change_whose_socket_has_not_come_fails_in_its_turn(scene):
    before = open_descriptors()
    scene.orders(2, A)
    here, away = scene.socket(), InetAddress("127.0.0.1", 1)
    with capturedLogs():
        scene.orders(3, is_last=False, sockets=[address_message(here)])
        scene.orders(3, B, sockets=[address_message(away)])
        assert not scene.told
        scene.finish(0)
    assert scene.told == [(2, None), (3, missed(away))]
    assert open_descriptors() == before
    # What needs no socket is applied as ever.
    scene.orders(4, B)
    scene.finish(1)
    assert scene.told[2:] == [(4, None)]


def is_lost(scene: Scene) -> None:
    """Let the first of two sockets get lost on its way."""
    scene.socket()
    os.close(scene.descriptors.popleft())


def is_none(scene: Scene) -> None:
    """Let something else come in the place of a socket."""
    scene.descriptors.append(os.open(os.devnull, os.O_RDONLY))


@pytest.mark.parametrize("happens", [Scene.socket, is_lost, is_none])
def test_nothing_is_taken_for_a_socket_that_it_is_not(scene, happens):
    before = open_descriptors()
    away, later = InetAddress("127.0.0.1", 1), InetAddress("127.0.0.1", 2)
    happens(scene)
    with capturedLogs():
        scene.orders(3, sockets=[address_message(away)])
        # Nor what comes after it, though it were the right one.
        right = scene.socket()
        scene.orders(4, sockets=[address_message(right)])
        scene.orders(5, sockets=[address_message(later)])
    assert scene.told == [(3, missed(away)), (4, missed(right)), (5, missed(later))]
    assert open_descriptors() == before


def test_blanks_belong_to_one_change(scene):
    first, second = InetAddress("127.0.0.1", 1), InetAddress("127.0.0.1", 2)
    blanks = [words.Blank(address=address_message(first), number=7)]
    scene.orders(3, blanks=blanks)
    scene.orders(4, blanks=[words.Blank(address=address_message(second), number=8)])
    assert scene.taking.blank_for(second) is None
    assert scene.taking.blank_for(first) == "blank 7"
    assert scene.taking.blank_for(first) is None
    scene.finish(0)
    assert scene.taking.blank_for(second) == "blank 8"
    scene.orders(5, blanks=blanks)
    scene.finish(1)
    scene.finish(2)
    assert scene.taking.blank_for(first) is None, "that change did without"


def test_a_fault_in_telling_is_told_as_a_change_that_failed(scene):
    scene.error = RuntimeError("a defect")
    scene.orders(3, A)
    with capturedLogs() as events:
        scene.finish(0)
    assert events[-1]["log_format"] == "it could not be told what came of a change"
    assert scene.told == [(3, None), (3, "a fault of sozutw's own; the log has more")]


def test_what_was_not_applied_is_closed_at_the_end(scene):
    scene.orders(3, A)
    waiting, coming = scene.socket(), scene.socket()
    scene.orders(4, sockets=[address_message(waiting)])
    scene.orders(5, is_last=False, sockets=[address_message(coming)])
    before = open_descriptors()
    scene.taking.close()
    assert open_descriptors() == before - 2
