"""Tests of ``sozutw.transport.losses``."""

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost

from sozutw.transport.losses import ABORTED, DONE, failure, lost_by


def test_what_the_kernel_said_is_kept_in_the_reason() -> None:
    reason = lost_by(OSError(104, "Connection reset by peer"))
    assert reason.check(ConnectionLost)
    assert "[Errno 104] Connection reset by peer" in str(reason.value)


def test_the_usual_ends_are_made_once() -> None:
    assert DONE.check(ConnectionDone)
    assert ABORTED.check(ConnectionAborted)


def test_an_exception_that_nobody_raised_can_be_a_reason() -> None:
    reason = KeyError("x")
    assert failure(reason).value is reason
