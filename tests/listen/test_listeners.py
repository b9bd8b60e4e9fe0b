"""The ListenerService, on real loopback sockets and a loop that is run by hand."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from twisted.internet.protocol import Factory
from twisted.logger import capturedLogs, formatEvent

from sozutw.config.model import HttpListener, InetAddress
from sozutw.listen.handed import HandedSockets
from sozutw.listen.listeners import ListenerService
from sozutw.listen.shared_acceptor import SharedAcceptor
from sozutw.listen.shares import Shares
from sozutw.listen.sockets import CannotListenError, bind
from sozutw.relay.route import ListenerState
from tests.fakes.benches import Recorder
from tests.fakes.loops import HandRunLoop, loop_named
from tests.listen.test_sockets import is_heard


class Admission:
    def __init__(self) -> None:
        self.is_open = True

    def has_room(self) -> bool:
        return self.is_open


class Recorders(Factory):
    noisy = False

    def __init__(self) -> None:
        self.made: list[Recorder] = []

    def buildProtocol(self, addr: object) -> Recorder:
        self.made.append(Recorder())
        return self.made[-1]


class Scene:
    def __init__(self, loop: HandRunLoop) -> None:
        self.loop = loop
        self.admission = Admission()
        self.factories: dict[InetAddress, Recorders] = {}
        self.asked: list[ListenerState] = []
        self.service = ListenerService(
            loop.reactor, self.admission, self.factory_of, queue_max=8, queue_seconds_max=60.0
        )
        self.clients: list[socket.socket] = []

    def factory_of(self, listener: ListenerState) -> Recorders:
        self.asked.append(listener)
        return self.factories.setdefault(listener.listener.address, Recorders())

    def listener(self, host: str = "127.0.0.1") -> ListenerState:
        """A listener at a port that is free."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as sock:
            sock.bind((host, 0))
            port = sock.getsockname()[1]
        return ListenerState(HttpListener(InetAddress(host, port)))

    def connect(self, listener: ListenerState) -> socket.socket:
        address = listener.listener.address
        client = socket.create_connection((address.host, address.port), timeout=5)
        self.clients.append(client)
        self.loop.settle()
        return client

    def made(self, listener: ListenerState) -> int:
        return len(self.factories[listener.listener.address].made)

    def close(self) -> None:
        self.service.stopService()
        for client in self.clients:
            client.close()
        for factory in self.factories.values():
            for protocol in factory.made:
                if protocol.transport is not None and protocol.lost is None:
                    protocol.transport.abortConnection()
        self.loop.settle()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with loop_named("direct") as loop:
        scene = Scene(loop)
        try:
            yield scene
        finally:
            scene.close()


def activate(service: ListenerService, listener: ListenerState) -> None:
    service.activate(listener, service.reserve(listener.listener.address))


def is_refused(listener: ListenerState) -> bool:
    address = listener.listener.address
    with socket.socket() as sock:
        return sock.connect_ex((address.host, address.port)) == errno.ECONNREFUSED


def test_an_active_listener_accepts(scene: Scene):
    listener = scene.listener()
    activate(scene.service, listener)
    scene.connect(listener)
    scene.connect(listener)
    assert scene.made(listener) == 2
    assert list(scene.service.acceptors) == [listener.listener.address]
    assert scene.asked == [listener]


def test_what_listens_is_told(scene: Scene):
    listener = scene.listener()
    with capturedLogs() as events:
        activate(scene.service, listener)
    told = [formatEvent(event) for event in events]
    assert told == [f"listening on http://{listener.listener.address}"]


def test_a_listener_of_another_kind_goes_on_with_the_same_socket(scene: Scene):
    first = scene.listener()
    activate(scene.service, first)
    acceptor = scene.service.acceptors[first.listener.address]
    second = ListenerState(first.listener)
    scene.service.exchange(second)
    assert scene.asked == [first, second]
    fresh = scene.service.acceptors[first.listener.address]
    assert fresh is not acceptor
    assert fresh.getHost() == acceptor.getHost()
    scene.connect(second)
    assert scene.made(second) == 1


def test_a_deactivated_listener_refuses_and_its_connections_stay(scene: Scene):
    listener = scene.listener()
    activate(scene.service, listener)
    client = scene.connect(listener)
    scene.service.deactivate(listener.listener.address)
    scene.loop.settle()
    assert is_refused(listener)
    assert scene.service.acceptors == {}
    (protocol,) = scene.factories[listener.listener.address].made
    client.sendall(b"still here")
    scene.loop.run_until(lambda: bytes(protocol.data) == b"still here")


def test_what_does_not_listen_is_deactivated_in_vain(scene: Scene):
    scene.service.deactivate(InetAddress("127.0.0.1", 9))
    assert scene.service.acceptors == {}


def test_a_listener_can_be_activated_again(scene: Scene):
    listener = scene.listener()
    for _ in range(2):
        activate(scene.service, listener)
        scene.connect(listener)
        scene.service.deactivate(listener.listener.address)
        scene.loop.settle()
    assert scene.made(listener) == 2


def test_ipv4_and_ipv6_listen_side_by_side(scene: Scene):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        six = scene.listener("::1")
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    four = ListenerState(replace(six.listener, address=InetAddress("127.0.0.1", six.port)))
    activate(scene.service, six)
    activate(scene.service, four)
    scene.connect(six)
    scene.connect(four)
    assert scene.made(six) == scene.made(four) == 1


@pytest.mark.parametrize("host", ["192.0.2.1", "localhost"])
def test_an_address_that_cannot_be_ours_is_told_and_nothing_is_kept(scene: Scene, host: str):
    listener = ListenerState(HttpListener(InetAddress(host, 8080)))
    with pytest.raises(CannotListenError) as caught:
        activate(scene.service, listener)
    assert host in str(caught.value)
    assert scene.service.acceptors == {}


def test_a_failure_to_listen_harms_no_other_listener(scene: Scene):
    listener = scene.listener()
    activate(scene.service, listener)
    with pytest.raises(OSError, match="cannot listen"):
        activate(scene.service, ListenerState(HttpListener(InetAddress("192.0.2.1", 8080))))
    scene.connect(listener)
    assert scene.made(listener) == 1


def test_who_waits_for_room_is_served_when_there_is_room(scene: Scene):
    first, second = scene.listener(), scene.listener()
    activate(scene.service, first)
    activate(scene.service, second)
    scene.admission.is_open = False
    scene.connect(first)
    scene.connect(second)
    assert scene.made(first) == scene.made(second) == 0
    scene.admission.is_open = True
    scene.service.room_made()
    scene.loop.settle()
    assert scene.made(first) == scene.made(second) == 1


def test_stopping_closes_all_and_tells_who_waits(scene: Scene):
    listeners = [scene.listener() for _ in range(2)]
    scene.service.startService()
    for listener in listeners:
        activate(scene.service, listener)
    scene.admission.is_open = False
    waiting = scene.connect(listeners[0])
    scene.service.stopService()
    scene.loop.settle()
    assert not scene.service.running
    assert scene.service.acceptors == {}
    assert all(is_refused(listener) for listener in listeners)
    waiting.settimeout(5)
    with suppress(ConnectionResetError):
        assert waiting.recv(1) == b""


def test_nothing_is_opened_by_a_process_that_is_stopping(scene: Scene):
    listener = scene.listener()
    scene.service.startService()
    scene.service.stopService()
    with pytest.raises(CannotListenError, match="this process is stopping"):
        activate(scene.service, listener)
    assert is_refused(listener)
    scene.service.exchange(ListenerState(listener.listener))
    assert scene.service.acceptors == {}
    scene.service.startService()
    activate(scene.service, listener)
    scene.connect(listener)
    assert scene.made(listener) == 1


def test_what_another_process_bound_is_gone_on_with_and_the_rest_closed(scene: Scene) -> None:
    used, unused = scene.listener(), scene.listener()
    addresses = [used.listener.address, unused.listener.address]
    sockets = [bind(address) for address in addresses]
    scene.service.inherited = dict(zip(addresses, sockets, strict=True))
    assert scene.service.reserve(addresses[0]) is sockets[0]
    scene.service.close_unused()
    assert scene.service.inherited == {}
    assert sockets[1].fileno() == -1
    scene.service.activate(used, sockets[0])
    assert scene.service.descriptors() == {addresses[0]: sockets[0].fileno()}


def test_where_others_accept_too_it_looks_at_how_many_clients_they_have() -> None:
    shares = Shares()
    mine, others = shares.give(), shares.give()
    assert mine is not None
    assert others is not None
    others.excess(10)
    with loop_named("direct") as loop:
        scene = Scene(loop)
        scene.service.share(mine, lambda: 13)
        scene.service.startService()
        listener = scene.listener()
        address = listener.listener.address
        scene.service.activate(listener, scene.service.reserve(address))
        assert isinstance(scene.service.acceptors[address], SharedAcceptor)
        assert others.excess(14) == 1, "it has told how many there are here"
        client = socket.create_connection((address.host, address.port))
        scene.clients.append(client)
        scene.service.look()
        assert scene.made(listener) == 1, "nobody has turned the loop"
        scene.service.stopService()
        assert others.excess(14) == 0, "whoever accepts nobody is not waited for"
        scene.close()


@pytest.mark.parametrize("why", [None, "another process", "socket activation"])
def test_a_stop_shuts_out_newcomers_unless_others_go_on_with_the_socket(
    scene: Scene, why: str | None
) -> None:
    listener = scene.listener()
    address = listener.listener.address
    with bind(address) as of_others:
        if why == "socket activation":
            scene.service._handed = HandedSockets([of_others.dup()])
        scene.service.activate(listener, of_others.dup())
        scene.service.is_left_to_others = why == "another process"
        early = socket.create_connection((address.host, address.port))
        scene.service._handed.close()
        scene.service.stopService()
        assert scene.made(listener) == 1, "who was there before is served"
        with early, socket.socket() as late:
            late.setblocking(False)
            late.connect_ex((address.host, address.port))
            assert is_heard(late) == (why is not None)
