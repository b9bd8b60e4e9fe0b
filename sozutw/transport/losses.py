"""The reasons for which a connection is lost, in Twisted's terms."""

from twisted.internet import error
from twisted.python.failure import Failure


def failure(reason: BaseException) -> Failure:
    """Wrap an exception that was never raised."""
    return Failure(reason)  # type: ignore[no-untyped-call]  # as Twisted has it


DONE = failure(error.ConnectionDone())
"""Closed in order. One for all, as Twisted's reactors do: it costs 3 µs to make."""
ABORTED = failure(error.ConnectionAborted())


def lost_by(fault: OSError) -> Failure:
    """The kernel said that the connection broke."""
    return failure(error.ConnectionLost(f"[Errno {fault.errno}] {fault.strerror}"))


class NotSecuredError(Exception):
    """A backend was reached, but the handshake failed, or it is not who it should be."""
