"""Batches: the messages of one change, made once for all, and the sockets that go with them."""

import os
import socket

import pytest

from sozutw.config.model import Cluster, InetAddress
from sozutw.config.requests import AddCluster
from sozutw.control.messages.addresses import address_of
from sozutw.control.messages.translate import request_of
from sozutw.control.proto import worker_pb2 as words
from sozutw.process.workers import batch as module
from sozutw.process.workers.batch import Batch

A = InetAddress("127.0.0.1", 81)


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def orders_of(count: int) -> list[AddCluster]:
    return [AddCluster(Cluster(f"c{number}")) for number in range(count)]


def read(batch: Batch) -> list[words.Orders]:
    told = []
    while not told or not told[-1].is_last:
        told.append(words.ToWorker.FromString(batch.piece(len(told)).message).orders)
    return told


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_all_orders_are_told_in_their_order(count, monkeypatch):
    monkeypatch.setattr(module, "ORDERS_MAX", 3)
    batch = Batch(7, orders_of(count), {}, {})
    batch.hold()
    told = read(batch)
    assert [request_of(one) for part in told for one in part.orders] == orders_of(count)
    assert all(len(part.orders) <= 3 for part in told)
    assert {part.number for part in told} == {7}
    assert [part.is_last for part in told] == [False] * (len(told) - 1) + [True]


def test_large_orders_are_told_one_by_one(monkeypatch):
    monkeypatch.setattr(module, "BYTES_MAX", 4)
    batch = Batch(1, orders_of(2), {}, {})
    batch.hold()
    assert [len(part.orders) for part in read(batch)] == [1, 1, 0]


def test_a_piece_is_made_once_for_all():
    batch = Batch(1, orders_of(2), {}, {})
    batch.hold()
    assert batch.piece(0) is batch.piece(0)


def test_orders_are_read_only_as_they_are_told(monkeypatch):
    monkeypatch.setattr(module, "ORDERS_MAX", 1)
    taken = []

    def slowly():
        for order in orders_of(5):
            taken.append(order)
            yield order

    batch = Batch(1, slowly(), {}, {})
    batch.hold()
    batch.piece(0)
    assert len(taken) == 1


def test_sockets_and_blanks_are_named_and_go_along(monkeypatch):
    monkeypatch.setattr(module, "SOCKETS_MAX", 2)
    places = [InetAddress("127.0.0.1", port) for port in (1, 2, 3, 4, 5)]
    with listening() as sock:
        batch = Batch(1, [], dict.fromkeys(places, sock), {A: 9})
        batch.hold()
        told = read(batch)
        assert [address_of(one) for part in told for one in part.sockets] == places
        assert [len(batch.piece(index).sockets) for index in range(3)] == [2, 2, 1]
        (blank,) = told[0].blanks
        assert (address_of(blank.address), blank.number) == (A, 9)
        assert not any(part.blanks for part in told[1:])
        batch.let_go()


def test_its_sockets_are_its_own_until_nobody_holds_it():
    sock = listening()
    batch = Batch(1, [], {A: sock}, {})
    batch.hold()
    batch.hold()
    sock.close()
    (own,) = batch.piece(0).sockets
    batch.let_go()
    assert batch.is_held
    os.fstat(own.fileno())
    batch.let_go()
    assert not batch.is_held
    assert own.fileno() == -1


def test_no_socket_stays_open_if_there_are_too_many():
    class Unwilling:
        def dup(self):
            raise OSError(24, "too many")

    made = []

    class Willing:
        def dup(self):
            made.append(listening())
            return made[0]

    with pytest.raises(OSError, match="too many"):
        Batch(1, [], {A: Willing(), InetAddress("127.0.0.1", 2): Unwilling()}, {})
    assert made[0].fileno() == -1
