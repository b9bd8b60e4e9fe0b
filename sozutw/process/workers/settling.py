"""Who waits until all workers have applied a change, and for which of them."""

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, succeed

from sozutw.process.workers.member import Member


class _Settling:
    """Somebody waits for a change."""

    def __init__(self, number: int, late: set[Member], faults: list[str]) -> None:
        self.number = number
        self.late = late
        """Those that have not told what came of it."""
        self.faults = faults
        self.settled: Deferred[list[str]] = Deferred()


class Settlings:
    """
    All who wait.

    A worker that goes, or is silent, is waited for no more; one that takes the place of another
    is waited for in its stead, if it has not got so far yet.
    """

    def __init__(self) -> None:
        self._open: list[_Settling] = []

    def wait(
        self, number: int, late: Iterable[Member], faults: Iterable[str]
    ) -> "Deferred[list[str]]":
        """Fire when those have told of the change of this number; with what was not as it is."""
        settling = _Settling(number, set(late), list(faults))
        if not settling.late:
            return succeed(settling.faults)
        self._open.append(settling)
        return settling.settled

    def confirmed(self, member: Member, number: int, fault: str | None) -> None:
        """It has told of all changes up to this one; of this one that it failed, with a fault."""
        self._settle(member, fault, lambda settling: number >= settling.number)

    def given_up(self, member: Member, fault: str) -> None:
        """Nobody is to wait for it any more."""
        self._settle(member, fault, lambda _settling: True)

    def passed_on(self, old: Member, new: Member) -> None:
        """One has taken the other's place, with all that was committed when it was begun."""
        for settling in self._open:
            if old in settling.late and new.confirmed < settling.number:
                settling.late.add(new)
        self._settle(old, None, lambda _settling: True)

    def members(self) -> set[Member]:
        """Return all that are waited for."""
        return {member for settling in self._open for member in settling.late}

    def _settle(
        self, member: Member, fault: str | None, is_done: Callable[[_Settling], bool]
    ) -> None:
        done = []
        for settling in self._open:
            if member not in settling.late:
                continue
            if fault is not None:
                settling.faults.append(f"{member.name}: {fault}")
            if is_done(settling):
                settling.late.discard(member)
                if not settling.late:
                    done.append(settling)
        self._open = [settling for settling in self._open if settling.late]
        # Last: whoever waited may do anything now.
        for settling in done:
            settling.settled.callback(settling.faults)

    def check_invariants(self) -> None:
        """Nobody waits for nothing."""
        assert all(settling.late for settling in self._open)
        assert not any(settling.settled.called for settling in self._open)
