"""
Accept where other processes accept on the same socket, so that each gets about as many clients.

A worker that is ahead takes one client at a time, and after each leaves the socket to the others
for a moment. When that was in vain (they hang, or get no processor), it takes twice as many before
it does so again: no client waits for a worker that does not come. When its clients went meanwhile,
there was nothing to share out: it may be further ahead before it does so again.
"""

from collections.abc import Callable
from typing import Any, Final

from typing_extensions import override

from sozutw.listen.acceptor import ACCEPTS_MAX, Acceptor
from sozutw.listen.shares import Share
from sozutw.transport.loop import watch_in_turns

AHEAD: Final = 4
"""So many clients more than another worker has, or an eighth of all here, and one is ahead."""
AHEAD_SHIFT: Final = 3
LEAD_MAX: Final = 32
"""So far ahead it may be where clients come and go."""
ASIDE_SECONDS: Final = 0.002
"""How long the others have: enough to be given a processor."""


class SharedAcceptor(Acceptor):
    """An acceptor that looks at how many clients the other workers have."""

    def __init__(
        self, *arguments: Any, share: Share, clients: Callable[[], int], **options: Any
    ) -> None:
        self._share = share
        self._clients = clients
        self._allowed = 1
        self._fewest = 0
        self._lead = AHEAD
        self._had = 0
        """How many clients there were as it stepped aside."""
        super().__init__(*arguments, **options)

    @override
    def doRead(self) -> None:
        before = self.accepted_total
        if self._burst > 1:  # Hot: mostly one client comes at a time
            self._burst = min(self._burst, max(self._room(), self._allowed))
        super().doRead()
        if self.accepted_total > before and self._room() <= 0:
            self._step_aside()

    def look(self) -> None:
        """
        Take who waits, though the loop has told of nobody; to be called once in a while.

        For each client the kernel wakes up one worker, and if that one dies or hangs before it
        has accepted him, no other is told until the next client comes.
        """
        self._lead = AHEAD
        if self._rest is None:
            self.doRead()

    @override
    def _watch(self) -> None:
        # Whoever is not in the table is no reason for others to step aside.
        self._share.excess(self._clients())
        watch_in_turns(self._reactor, self)

    def _room(self) -> int:
        """Return how many may come before this worker is ahead."""
        clients = self._clients()
        return max(self._lead, clients >> AHEAD_SHIFT) - self._share.excess(clients)

    def _fewest_now(self) -> int:
        clients = self._clients()
        return clients - self._share.excess(clients)

    def _step_aside(self) -> None:
        if self._rest is None and self._is_listening():
            self._fewest = self._fewest_now()
            self._had = self._clients()
            self._reactor.removeReader(self)
            self._rest = self._reactor.callLater(ASIDE_SECONDS, self._step_back)

    def _step_back(self) -> None:
        self._rest = None
        if not self._is_listening():
            return
        before = self.accepted_total
        gone = self._had - self._clients()
        if gone >= max(AHEAD, self._had >> AHEAD_SHIFT):
            self._lead = min(2 * self._lead, LEAD_MAX)
        have_come = self._fewest_now() > self._fewest
        self._burst = self._allowed
        self.doRead()
        was_in_vain = self.accepted_total > before and not have_come
        self._allowed = min(2 * self._allowed, ACCEPTS_MAX) if was_in_vain else 1
        self._listen()
