"""Tests of ``sozutw.transport.loop``."""

import socket
from typing import Any

from twisted.internet.task import Clock

from sozutw.transport.loop import close_later


class Reactor(Clock):
    """A clock is all that it takes."""


def test_a_stock_loop_finishes_its_batch_before_the_number_is_free() -> None:
    reactor: Any = Reactor()
    sock = socket.socket()
    close_later(reactor, sock)
    assert sock.fileno() >= 0
    reactor.advance(0)
    assert sock.fileno() == -1


def test_a_loop_that_delivers_by_identity_needs_no_delay() -> None:
    reactor: Any = Reactor()
    reactor.delivers_by_identity = True
    sock = socket.socket()
    close_later(reactor, sock)
    assert sock.fileno() == -1
    assert not reactor.getDelayedCalls()
