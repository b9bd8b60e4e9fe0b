"""The reasons for which a connection is lost, in Twisted's terms."""

import errno
from typing import Final

from twisted.internet import error
from twisted.python.failure import Failure

OUT_OF_DESCRIPTORS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""This process or this machine has nothing left; nobody else is to blame."""


TRUNCATED: Final = "truncated"
"""The cause of a loss when TCP ended without TLS having ended before."""


def failure(reason: BaseException) -> Failure:
    """Wrap an exception that was never raised."""
    return Failure(reason)  # type: ignore[no-untyped-call]  # as Twisted has it


DONE = failure(error.ConnectionDone())
"""Closed in order. One for all, as Twisted's reactors do: it costs 3 µs to make."""
ABORTED = failure(error.ConnectionAborted())


class SecureLossError(error.ConnectionLost):
    """TLS broke on a connection; ``tls_text`` says how, as the other side did if it did."""

    def __init__(self, tls_text: str) -> None:
        super().__init__(tls_text)
        self.tls_text = tls_text


def lost_by(fault: OSError) -> Failure:
    """The kernel, or TLS, said that the connection broke."""
    if getattr(fault, "cause", TRUNCATED) != TRUNCATED:
        return failure(SecureLossError(fault.strerror or "broken"))
    return failure(error.ConnectionLost(f"[Errno {fault.errno}] {fault.strerror}"))


class NotSecuredError(Exception):
    """A backend was reached, but the handshake failed, or it is not who it should be."""
