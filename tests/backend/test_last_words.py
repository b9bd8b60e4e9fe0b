"""What waits for a backend goes out in time, or not at all."""

from twisted.internet.task import Clock

from sozutw.backend.last_words import LastWords
from sozutw.transport.patience import Wheel
from tests.fakes.transport import FakeTransport


def test_all_is_out_and_the_connection_closed():
    clock = Clock()
    transport = FakeTransport(clock=clock)
    transport.stop_taking()
    transport.write(b"bye")
    LastWords(transport, Wheel(clock), 5.0)
    clock.advance(4)
    assert not transport.disconnected
    transport.drain()
    assert transport.disconnected
    assert not transport.is_aborted
    assert not clock.getDelayedCalls()


def test_a_backend_that_takes_nothing_is_cut_off_in_time():
    clock = Clock()
    transport = FakeTransport(clock=clock)
    transport.stop_taking()
    LastWords(transport, Wheel(clock), 5.0)
    clock.advance(5)
    clock.advance(0)
    assert transport.is_aborted
    assert transport.disconnected
    assert not clock.getDelayedCalls()
