"""The listening sockets of a main process."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from sozutw.config.model import InetAddress
from sozutw.listen.handed import HandedSockets, place_of
from sozutw.listen.sockets import CannotListenError
from sozutw.process.workers.sockets import MainSockets
from tests.e2e.harness import ReservedPort
from tests.fakes.fleet import open_descriptors
from tests.listen.test_sockets import is_heard


class Scene:
    def __init__(self, port: int) -> None:
        self.address = InetAddress("127.0.0.1", port)
        self.sockets = MainSockets()

    def listener(self) -> Any:
        return SimpleNamespace(listener=SimpleNamespace(address=self.address), scheme=b"http")

    def activate(self) -> socket.socket:
        reserved = self.sockets.reserve(self.address)
        self.sockets.activate(self.listener(), reserved)
        return reserved


@pytest.fixture
def scene():
    with ReservedPort() as reserved:
        before = open_descriptors()
        scene = Scene(reserved.port)
        yield scene
        scene.sockets.close()
        assert open_descriptors() == before


def test_what_is_activated_listens_and_is_told_once_as_fresh(scene):
    sock = scene.activate()
    assert scene.sockets.every() == {scene.address: sock}
    assert scene.sockets.take_fresh() == {scene.address: sock}
    assert scene.sockets.take_fresh() == {}
    socket.create_connection(("127.0.0.1", scene.address.port)).close()
    scene.sockets.exchange(scene.listener())
    assert scene.sockets.every() == {scene.address: sock}


def test_what_is_deactivated_is_not_told(scene):
    scene.activate()
    scene.sockets.deactivate(scene.address)
    scene.sockets.deactivate(scene.address)
    assert scene.sockets.every() == scene.sockets.take_fresh() == {}


def test_who_connects_is_refused_once_all_workers_have_closed_it(scene):
    scene.activate()
    scene.sockets.deactivate(scene.address)
    scene.sockets.let_go(9)
    scene.sockets.parted(10)
    scene.sockets.let_go(9)
    with socket.socket() as client:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", scene.address.port))
        assert not is_heard(client)
    scene.sockets.let_go(10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", scene.address.port))


def test_a_listener_that_comes_back_lets_clients_in(scene):
    with scene.activate().dup() as of_a_worker:
        scene.sockets.deactivate(scene.address)
        scene.activate()
        with socket.create_connection(("127.0.0.1", scene.address.port)):
            of_a_worker.accept()[0].close()


def test_a_listener_lets_clients_in_that_was_let_go_while_it_came_back(scene):
    with scene.activate().dup() as of_a_worker:
        scene.sockets.deactivate(scene.address)
        scene.sockets.parted(1)
        # A large change is prepared in many turns; in one of them the last worker closes it.
        reserved = scene.sockets.reserve(scene.address)
        scene.sockets.let_go(1)
        scene.sockets.activate(scene.listener(), reserved)
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", scene.address.port))
            assert is_heard(client)
            of_a_worker.accept()[0].close()


@pytest.mark.parametrize("why", ["another process", "socket activation"])
def test_nobody_is_shut_out_where_others_go_on_with_the_socket(scene, why):
    with scene.activate().dup() as of_others:
        if why == "another process":
            scene.sockets.is_left_to_others = True
        else:
            scene.sockets._handed = HandedSockets([of_others.dup()])
            # As a stop does before all else.
            scene.sockets._handed.close()
        scene.sockets.close()
        with socket.create_connection(("127.0.0.1", scene.address.port)):
            of_others.accept()[0].close()


def test_a_listener_may_come_back_while_a_worker_listens_still(scene):
    sock = scene.activate()
    with sock.dup() as of_a_worker:
        scene.sockets.deactivate(scene.address)
        scene.sockets.parted(1)
        again = scene.activate()
        assert place_of(again) == place_of(of_a_worker)
        scene.sockets.let_go(9)
        assert again.fileno() != -1
        scene.sockets.deactivate(scene.address)
        scene.sockets.parted(2)
        scene.sockets.let_go(1)
        with scene.sockets.reserve(scene.address):
            pass
        # A plan that was abandoned has closed what it had reserved.
        scene.activate()


def test_the_number_of_the_first_change_counts(scene):
    scene.activate()
    scene.sockets.deactivate(scene.address)
    scene.sockets.parted(1)
    scene.sockets.parted(2)
    scene.sockets.let_go(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", scene.address.port))


def test_inherited_sockets_go_before_handed_ones_and_those_before_our_own(scene):
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        address = place_of(inherited)
        assert isinstance(address, InetAddress)
        scene.sockets.inherited[address] = inherited
        assert scene.sockets.reserve(address) is inherited
        handed = HandedSockets([inherited.dup()])
        sockets = MainSockets(handed)
        with sockets.reserve(address) as sock:
            assert place_of(sock) == address
        handed.close()


def test_what_nobody_asked_for_is_closed(scene):
    inherited = socket.create_server(("127.0.0.1", 0))
    scene.sockets.inherited[scene.address] = inherited
    scene.sockets.close_unused()
    assert inherited.fileno() == -1
    assert not scene.sockets.inherited


def test_nobody_listens_after_the_end(scene):
    reserved = scene.sockets.reserve(scene.address)
    scene.sockets.close()
    with pytest.raises(CannotListenError, match="this process is stopping"):
        scene.sockets.reserve(scene.address)
    scene.sockets.activate(scene.listener(), reserved)
    assert reserved.fileno() == -1


def test_what_parts_is_closed_with_the_rest(scene):
    scene.activate()
    scene.sockets.deactivate(scene.address)
    scene.sockets.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", scene.address.port))
