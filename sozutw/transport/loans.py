"""A transport whose bytes are moved by someone else for a while, without its protocol."""

from typing import Any, Protocol

from twisted.python.failure import Failure

from sozutw.transport.socket_facts import SocketFacts


class Borrower(Protocol):
    """Who moves a transport's bytes in its stead for a while: a splice."""

    def source_readable(self) -> None:
        """There is something to read."""

    def sink_writable(self) -> None:
        """There is room to write."""

    def side_lost(self, reason: Failure) -> None:
        """The transport is lost, and its protocol will be told next."""


class Lendable(SocketFacts):
    """
    The half of StreamTransport that a splice talks to.

    Each direction is lent by itself. The borrower asks the reactor for the wake-ups that it wants;
    the transport passes them on. The reactor's interest is dropped when the loan ends.
    """

    __slots__ = ("_read_borrower", "_reads_after_loan", "_takes", "_write_borrower", "is_reading")

    reactor: Any
    is_reading: bool
    disconnecting: bool
    disconnected: bool
    buffered_bytes: int
    _takes: bool
    _read_ended: bool
    _read_borrower: Borrower | None
    _write_borrower: Borrower | None
    _reads_after_loan: bool

    @property
    def has_finished_writing(self) -> bool:
        """Whether nothing more can be written: we said so, or a send failed."""
        raise NotImplementedError

    def resumeProducing(self) -> None:
        """Read, now or again."""
        raise NotImplementedError

    def broke(self, fault: OSError) -> None:
        """The borrower learned from the kernel that the connection broke."""
        raise NotImplementedError

    @property
    def can_lend_reading(self) -> bool:
        """Whether there may be more to read, and nobody has borrowed it."""
        return self._read_borrower is None and not (self._read_ended or self.disconnecting)

    @property
    def can_lend_writing(self) -> bool:
        """Whether more can be written, and nobody has borrowed that."""
        return self._write_borrower is None and self._takes

    def lend_reading(self, borrower: Borrower) -> None:
        """Let ``borrower`` read from the descriptor until ``take_reading_back``."""
        assert self._read_borrower is None, "already lent"
        assert not self.disconnecting
        assert not self._read_ended
        self._reads_after_loan = self.is_reading
        self.is_reading = False
        self._read_borrower = borrower

    def take_reading_back(self, borrower: Borrower) -> None:
        """Read ourselves again, if we did or were asked to; nothing to do once lost."""
        if self._read_borrower is not borrower:
            return
        self._read_borrower = None
        if self._reads_after_loan:
            self.resumeProducing()
        else:
            self.reactor.removeReader(self)

    def lend_writing(self, borrower: Borrower) -> None:
        """
        Let ``borrower`` write to the descriptor until ``take_writing_back``.

        What was written before is sent first; then ``sink_writable`` is called.
        """
        assert self._write_borrower is None, "already lent"
        assert self._takes
        self._takes = False
        self._write_borrower = borrower

    def take_writing_back(self, borrower: Borrower) -> None:
        """Write ourselves again; nothing to do once lost."""
        if self._write_borrower is not borrower:
            return
        self._write_borrower = None
        if self.buffered_bytes == 0:
            self.reactor.removeWriter(self)
        self._takes = not (self.disconnecting or self.disconnected or self.has_finished_writing)
