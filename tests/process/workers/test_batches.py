"""What workers are to have: changes by number, and the whole."""

import socket

import pytest
from twisted.internet.task import Clock

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.config.state import ConfigState
from sozutw.control.changes.apply import Applier
from sozutw.control.messages.translate import request_of
from sozutw.control.proto import worker_pb2 as words
from sozutw.listen.certificates import Certificates
from sozutw.process.workers.batch import Batch
from sozutw.process.workers.batches import Batches
from sozutw.process.workers.entries import Entries
from tests.fakes.fleet import NoPool
from tests.fakes.worker import NoSockets

A = InetAddress("127.0.0.1", 81)


class FakeSockets:
    def __init__(self):
        self.calls = []
        self.open = {}
        self.fresh = {}

    def take_fresh(self):
        fresh, self.fresh = self.fresh, {}
        return fresh

    def every(self):
        return self.open

    def parted(self, number):
        self.calls.append(("parted", number))

    def let_go(self, number):
        self.calls.append(("let_go", number))


class Scene:
    def __init__(self):
        self.state = ConfigState()
        self.sockets = FakeSockets()
        self.entries = Entries()
        self.batches = Batches(self.state, self.sockets, self.entries)  # type: ignore[arg-type]
        certificates = Certificates(lambda: 0.0)
        applier = Applier(self.state, NoSockets(), NoPool(), Clock(), certificates)
        self.configure = applier.apply


def told(batch: Batch) -> words.Orders:
    return words.ToWorker.FromString(batch.piece(0).message).orders


def test_changes_are_numbered_and_have_what_is_fresh():
    scene = Scene()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        scene.entries.opened(A)
        scene.sockets.fresh = {A: sock}
        first = scene.batches.change([AddCluster(Cluster("a"))])
        first.hold()
        second = scene.batches.change([])
        second.hold()
        assert (first.number, second.number, scene.batches.number) == (1, 2, 2)
        assert len(told(first).sockets) == len(told(first).blanks) == 1
        assert not told(second).sockets
        assert not told(second).blanks
        assert scene.sockets.calls == [("parted", 1), ("parted", 2)]
        first.let_go()
        second.let_go()


def test_what_came_before_the_beginning_is_part_of_no_change():
    scene = Scene()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        scene.sockets.fresh = {A: sock}
        scene.sockets.open = {A: sock}
        scene.entries.opened(A)
        scene.batches.begin()
        whole = scene.batches.whole()
        whole.hold()
        assert len(told(whole).sockets) == len(told(whole).blanks) == 1
        assert scene.batches.listeners == 1
        change = scene.batches.change([])
        change.hold()
        assert not told(change).sockets
        whole.let_go()
        change.let_go()
    assert scene.sockets.calls[:2] == [("parted", 0), ("let_go", 0)]


def test_the_whole_is_made_once_for_those_that_begin_together():
    scene = Scene()
    scene.configure(AddCluster(Cluster("a")))
    whole = scene.batches.whole()
    whole.hold()
    assert [request_of(one) for one in told(whole).orders] == [AddCluster(Cluster("a"))]
    assert scene.batches.whole() is whole
    whole.let_go()
    assert scene.batches.whole() is not whole


def test_the_whole_of_another_moment_is_another():
    scene = Scene()
    whole = scene.batches.whole()
    whole.hold()
    scene.configure(AddCluster(Cluster("a")))
    scene.batches.change([AddCluster(Cluster("a"))])
    later = scene.batches.whole()
    assert later.number == 1
    later.hold()
    assert len(told(later).orders) == 1


def test_what_all_have_applied_is_passed_on_to_the_sockets():
    scene = Scene()
    scene.batches.applied(3)
    assert scene.sockets.calls == [("let_go", 3)]


def test_a_change_counts_even_if_it_cannot_be_told():
    class Unwilling:
        def dup(self):
            raise OSError(24, "too many")

    scene = Scene()
    scene.sockets.fresh = {A: Unwilling()}
    with pytest.raises(OSError, match="too many"):
        scene.batches.change([])
    assert scene.batches.number == 1
