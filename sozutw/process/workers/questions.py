"""
What one worker was asked and has not answered yet.

Each question is answered, or given up: by the worker's end, its silence, or its own age.
"""

from typing import Final

from twisted.internet.defer import Deferred

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import failure

LOOKS_MAX: Final = 60
"""So many looks, a second apart, a worker may take for an answer, and for a piece of one."""


class _Asked:
    """A question that has one answer."""

    def __init__(self) -> None:
        self.answered: Deferred[pb.Response] = Deferred()
        self.looks = 0

    def give_up(self, why: str) -> None:
        self.answered.callback(failure(why))


class _Counting:
    """A question for counters, which come in pieces."""

    def __init__(self) -> None:
        self.counted: Deferred[list[bytes]] = Deferred()
        self.pieces: list[bytes] = []
        self.looks = 0

    def give_up(self, _why: str) -> None:
        self.counted.callback([])


class Questions:
    """Numbers the questions to a worker, and finds who waits for what it says."""

    def __init__(self) -> None:
        self._open: dict[int, _Asked | _Counting] = {}
        self._last = 0

    def ask(self) -> "tuple[int, Deferred[pb.Response]]":
        """Return the number of a new question, and what fires with its answer."""
        asked = _Asked()
        self._last += 1
        self._open[self._last] = asked
        return self._last, asked.answered

    def count(self) -> "tuple[int, Deferred[list[bytes]]]":
        """The same for counters: fires with all pieces, or with none if it is given up."""
        counting = _Counting()
        self._last += 1
        self._open[self._last] = counting
        return self._last, counting.counted

    def answered(self, answer: words.Answer) -> None:
        """It has answered; whoever asked may wait no more."""
        asked = self._open.get(answer.id)
        if isinstance(asked, _Asked):
            del self._open[answer.id]
            asked.answered.callback(answer.response)

    def told(self, counters: words.Counters) -> None:
        """It has told a piece of its counters, or, with an empty one, that these were all."""
        counting = self._open.get(counters.id)
        if not isinstance(counting, _Counting):
            return
        if counters.piece:
            counting.pieces.append(counters.piece)
            counting.looks = 0
            return
        del self._open[counters.id]
        counting.counted.callback(counting.pieces)

    def looked(self) -> None:
        """A second has gone by; what is too old is given up."""
        for number, asked in list(self._open.items()):
            asked.looks += 1
            # Whoever is told may ask anew, or make the worker end.
            if asked.looks > LOOKS_MAX and self._open.pop(number, None) is not None:
                asked.give_up(f"it has not answered in {LOOKS_MAX} s")

    def give_up(self, why: str) -> None:
        """Wait for nothing that was asked until now."""
        given_up, self._open = self._open, {}
        for asked in given_up.values():
            asked.give_up(why)
