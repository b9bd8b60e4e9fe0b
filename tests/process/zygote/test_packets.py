"""Packets, on real sockets."""

import os
import socket
from collections.abc import Iterator

import pytest

from sozutw.process.zygote.packets import PACKET_BYTES_MAX, Outbox, PacketError, encoded, receive

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_packet_comes_as_it_was_sent(pair: Pair) -> None:
    one, other = pair
    one.send(encoded({"fork": 1}))
    one.send(encoded({"why": "é" * 100}))
    assert receive(other).value == {"fork": 1}
    assert receive(other).value == {"why": "é" * 100}
    with pytest.raises(BlockingIOError):
        receive(other)


def test_its_descriptors_are_closed_unless_they_are_taken(pair: Pair) -> None:
    one, other = pair
    channel, far = socket.socketpair()
    before = count_descriptors()
    for is_taken in (False, True):
        socket.send_fds(one, [b"{}"], [channel.fileno(), channel.fileno()])
        with receive(other) as packet:
            assert len(packet.descriptors) == 2
            assert not any(map(os.get_inheritable, packet.descriptors))
            if is_taken:
                with packet.take_socket() as taken:
                    taken.send(b"x")
        assert count_descriptors() == before
    assert far.recv(9) == b"x"
    channel.close()
    far.close()


def test_a_descriptor_that_is_no_socket_is_refused_and_closed(pair: Pair) -> None:
    one, other = pair
    before = count_descriptors()
    with open("/dev/null", "rb") as file:
        socket.send_fds(one, [b"{}"], [file.fileno()])
    with pytest.raises(PacketError, match="no socket"), receive(other) as packet:
        packet.take_socket()
    assert count_descriptors() == before


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", r"no JSON: b'\{'"),
        (b"\xff", "no JSON"),
        (b"[" * PACKET_BYTES_MAX, "no JSON"),
        (b" " * (PACKET_BYTES_MAX + 1), "too much in one packet"),
    ],
)
def test_what_makes_no_sense_is_refused_and_its_descriptors_are_closed(
    pair: Pair, data: bytes, why: str
) -> None:
    one, other = pair
    before = count_descriptors()
    socket.send_fds(one, [data], [0, 1])
    with pytest.raises(PacketError, match=why):
        receive(other)
    assert count_descriptors() == before


def test_more_descriptors_than_there_is_room_for_are_too_much(pair: Pair) -> None:
    one, other = pair
    before = count_descriptors()
    socket.send_fds(one, [b"{}"], [0] * 20)
    with pytest.raises(PacketError, match="too much"):
        receive(other)
    assert count_descriptors() == before


def test_what_was_said_before_the_end_is_heard(pair: Pair) -> None:
    one, other = pair
    other.send(encoded({"unread": 1}))
    one.send(encoded({"survive": True}))
    one.close()
    assert receive(other).value == {"survive": True}, "though the end was a reset"
    with pytest.raises(EOFError):
        receive(other)


def test_packets_wait_for_room_and_none_is_lost(pair: Pair) -> None:
    one, other = pair
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    outbox = Outbox(one)
    for number in range(500):
        outbox.put({"ended": number})
    outbox.send()
    assert 0 < len(outbox) < 500
    heard = []
    while len(heard) < 500:
        outbox.send()
        heard.append(receive(other).value["ended"])
    assert heard == list(range(500))
    assert len(outbox) == 0


def test_without_another_side_nothing_is_kept(pair: Pair) -> None:
    one, other = pair
    other.close()
    outbox = Outbox(one)
    outbox.put({"ended": 1})
    outbox.put({"ended": 2})
    outbox.send()
    assert len(outbox) == 0
    outbox.put({"ended": 3})
    assert len(outbox) == 0
