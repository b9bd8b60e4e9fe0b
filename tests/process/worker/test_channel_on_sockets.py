"""Both ends of a channel on a real pair of sockets: a large change, with more sockets than fit."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.control.messages.addresses import address_of
from sozutw.control.messages.translate import request_of
from sozutw.control.proto import worker_pb2 as words
from sozutw.listen.handed import place_of
from sozutw.process.worker.channel import Channel
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.link import Link
from tests.fakes.fleet import open_descriptors
from tests.fakes.loops import HandRunLoop, loop_named

SOCKETS = 150
ORDERS = 4000


@pytest.fixture(params=["epoll", "poll"])
def loop(request: pytest.FixtureRequest) -> Iterator[HandRunLoop]:
    with loop_named(request.param) as loop:
        yield loop


class Main:
    """The main process's side."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def received(self, word: words.FromWorker) -> None:
        self.heard.append(word.WhichOneof("word"))

    def has_taken(self) -> None:
        self.heard.append("taken")

    def lost(self, why: str) -> None:
        self.heard.append(("lost", why))


class Worker:
    """The worker's side: takes each socket with the word that names it."""

    def __init__(self) -> None:
        self.orders: list[Any] = []
        self.kinds: list[str] = []
        self.is_whole = False
        self.channel = Channel(self.received, lambda: None)

    def received(self, word: words.ToWorker) -> None:
        self.kinds.append(word.WhichOneof("word") or "")
        for message in word.orders.sockets:
            with socket.socket(fileno=self.channel.descriptors.popleft()) as sock:
                assert place_of(sock) == address_of(message)
                assert not os.get_inheritable(sock.fileno())
        self.orders += map(request_of, word.orders.orders)
        if word.orders.is_last:
            self.is_whole = True
            self.channel.say(applied=words.Applied(number=1))


def adopt(loop: HandRunLoop, sock: socket.socket, protocol: Protocol) -> None:
    sock.setblocking(False)
    with sock:
        factory = Factory.forProtocol(lambda: protocol)
        factory.noisy = False
        loop.reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, factory)


def test_all_arrives_each_socket_with_its_word(loop: HandRunLoop) -> None:
    ours, theirs = socket.socketpair()
    main, worker = Main(), Worker()
    link = Link(loop.reactor, main)
    adopt(loop, ours, link)
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(SOCKETS)]
    sockets = {place: one for one in listening if isinstance(place := place_of(one), InetAddress)}
    orders = [AddCluster(Cluster(f"{number:0300}")) for number in range(ORDERS)]
    before = open_descriptors()
    batch = Batch(1, orders, sockets, {})
    batch.hold()
    link.send(batch)
    # Nobody reads at the other end yet, and what fits is sent.
    loop.settle(20)
    assert link.is_sending(batch)
    link.say(words.ToWorker(ping=True))
    adopt(loop, theirs, worker.channel)
    loop.run_until(lambda: worker.is_whole)
    assert worker.orders == orders
    assert "ping" in worker.kinds[:-1], "words need not wait until all of a change is sent"
    loop.run_until(lambda: "applied" in main.heard)
    assert "taken" in main.heard
    assert not link.is_sending(batch)
    batch.let_go()
    link.cut("enough")
    loop.settle()
    assert main.heard[-1] == ("lost", "enough")
    for one in listening:
        one.close()
    loop.settle()
    # The pair is gone as well, of which one end was open before.
    assert open_descriptors() == before - SOCKETS - 2
