"""Tests of ``sozutw.transport.socket_facts``."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import Factory

from sozutw.transport import socket_facts as under_test
from sozutw.transport.socket_facts import (
    SocketFacts,
    has_bytes_to_read,
    is_silent,
    is_still_open,
)
from tests.fakes.benches import RealBench, Recorder
from tests.fakes.loops import HandRunLoop, loop_named

ADDRESS = IPv4Address("TCP", "127.0.0.1", 1)


@pytest.fixture
def direct() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


def test_silence_bytes_and_ends_are_told_apart() -> None:
    ours, peer = socket.socketpair()
    assert is_silent(ours)
    assert not has_bytes_to_read(ours)
    peer.send(b"!")
    assert not is_silent(ours)
    assert has_bytes_to_read(ours)
    assert ours.recv(10) == b"!", "a look takes nothing"
    peer.close()
    assert not is_silent(ours)
    assert not has_bytes_to_read(ours)
    ours.close()
    assert not is_silent(ours)


def test_where_the_kernel_knows_no_round_trip_it_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, peer = socket.socketpair()
    assert SocketFacts(ours, UNIXAddress("/a"), UNIXAddress("/b")).round_trip_us() == 0
    assert SocketFacts(ours, ADDRESS, ADDRESS).round_trip_us() == 0, "no TCP socket"
    monkeypatch.setattr(under_test, "_TCP_INFO", None)
    assert SocketFacts(ours, ADDRESS, ADDRESS).round_trip_us() == 0
    ours.close()
    peer.close()


def test_a_kernel_that_tells_less_has_no_round_trip() -> None:
    class OldSocket:
        def fileno(self) -> int:
            return 1

        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            return b"\0" * 60

    assert SocketFacts(OldSocket(), ADDRESS, ADDRESS).round_trip_us() == 0  # type: ignore[arg-type]


def test_stock_transports_can_be_asked_too(direct: HandRunLoop) -> None:
    protocols: list[Recorder] = []

    def build() -> Recorder:
        protocols.append(Recorder())
        return protocols[-1]

    factory = Factory.forProtocol(build)  # type: ignore[arg-type]
    factory.noisy = False  # type: ignore[attr-defined]
    port = direct.reactor.listenTCP(0, factory, interface="127.0.0.1")
    peer = socket.create_connection(("127.0.0.1", port.getHost().port))
    direct.run_until(lambda: protocols)
    transport: Any = protocols[0].transport
    assert is_still_open(transport)
    transport.pauseProducing()
    peer.send(b"?")
    assert not is_still_open(transport)
    transport.loseConnection()
    direct.settle()
    assert not is_still_open(transport)
    port.stopListening()
    direct.settle()
    peer.close()


def test_ours_can_be_asked_by_the_same_function(direct: HandRunLoop) -> None:
    bench = RealBench(Recorder(), direct)
    assert is_still_open(bench.transport)
    bench.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    bench.peer.close()
    assert not is_still_open(bench.transport)
    bench.close()
