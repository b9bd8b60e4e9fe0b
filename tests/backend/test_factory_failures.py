"""What a failed dial means, and what an idle connection that has something to say is."""

import errno

import pytest
from twisted.internet import error
from twisted.python.failure import Failure

from sozutw.backend.factory import LOOK_AFTER_SECONDS, failure_of
from sozutw.relay.ports import DialFailure
from sozutw.transport.losses import NotSecuredError
from tests.fakes.worker import FakeWorld
from tests.worker.scenes import assert_got, assert_served_by, kept_alive


@pytest.mark.parametrize(
    ("fault", "means"),
    [
        (error.ConnectionRefusedError(), DialFailure.REFUSED),
        (error.NoRouteError(), DialFailure.REFUSED),
        (error.DNSLookupError("no such name"), DialFailure.REFUSED),
        (OSError(errno.EACCES, "not allowed"), DialFailure.REFUSED),
        (error.TimeoutError(), DialFailure.TIMED_OUT),
        (NotSecuredError("it expired"), DialFailure.NOT_SECURED),
        (OSError(errno.EMFILE, "too many"), DialFailure.NO_DESCRIPTOR),
        (OSError(errno.ENFILE, "too many"), DialFailure.NO_DESCRIPTOR),
    ],
)
def test_a_failed_dial_means(fault: Exception, means: DialFailure):
    assert failure_of(Failure(fault)) is means


def test_a_name_that_is_not_found_leads_to_another_backend():
    world = FakeWorld("A", "B")
    client = world.client()
    client.get(b"/1")
    world.refuse("A", error.DNSLookupError("no such name"))
    assert not world.state("A").is_available(world.clock.seconds())
    assert_served_by(world, "B", client, "GET", b"/1")
    world.assert_baseline()


def test_a_get_does_not_take_an_idle_connection_on_which_something_waits_unread():
    world = FakeWorld("A", "B")
    client, a = kept_alive(world)
    world.clock.advance(LOOK_AFTER_SECONDS)
    a.still_open = False  # A late 408, say, which the loop has not told us of yet.
    client.get(b"/2")
    assert a.is_aborted
    assert a.take() == b""
    assert_got(world.connect("A"), "GET", b"/2")
    client.reset()
    world.assert_baseline()


def test_a_busy_connection_is_not_looked_at_for_each_get(monkeypatch):
    world = FakeWorld("A")
    client, a = kept_alive(world)
    a.is_still_open = lambda: pytest.fail("a call of the kernel")  # type: ignore[method-assign]
    world.clock.advance(LOOK_AFTER_SECONDS / 2)
    client.get(b"/2")
    assert_got(a, "GET", b"/2")
    client.reset()
    world.assert_baseline()
