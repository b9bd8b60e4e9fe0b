"""
Down to what counters are told apart: as configured, and for a while more finely on request.

Who wants more takes a *lease*: it names itself, says how much it wants, and asks again before
the time is over. So nothing stays raised for a client that is gone. Time is an argument.
"""

from enum import IntEnum
from typing import Final, NamedTuple

LEASE_SECONDS: Final = 60
"""How long a lease lasts if nobody says."""
LEASE_SECONDS_MAX: Final = 300
LEASES_MAX: Final = 64
CLIENT_ID_BYTES_MAX: Final = 64


class Detail(IntEnum):
    """Down to what counters are kept apart; the greater tells more. Numbered as Sōzu does."""

    PROCESS = 0
    FRONTEND = 1
    CLUSTER = 2
    BACKEND = 3


class Peer(NamedTuple):
    """Whose a lease is; nobody else may renew or clear it."""

    uid: int
    pid: int


class Transition(NamedTuple):
    """What is told now, and was before, is not the same."""

    previous: Detail
    effective: Detail
    kind: str
    """``lease_set``, ``lease_cleared`` or ``lease_tick_expired``."""
    client_id: str | None
    """Whose lease it was; None if several ended together."""


class RefusedLeaseError(ValueError):
    """The lease cannot be had; the text says why."""


class _Lease(NamedTuple):
    peer: Peer
    detail: Detail
    ends_at: float


class DetailLeases:
    """What is configured, and the leases that raise it; the finest of all holds."""

    __slots__ = ("_leases", "configured", "effective", "previous")

    def __init__(self, configured: Detail) -> None:
        self.configured = configured
        self.effective = configured
        """What holds now, as of the last call that was told the time."""
        self.previous = configured
        """What held before that."""
        self._leases: dict[str, _Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def set(
        self, client_id: str, peer: Peer, detail: Detail, seconds: int, now: float
    ) -> Transition | None:
        """
        Take a lease, or renew one; None if the same holds as before.

        A lease below what is configured is had, without effect. Raises RefusedLeaseError.
        """
        _check_client_id(client_id)
        if seconds > LEASE_SECONDS_MAX:
            raise RefusedLeaseError(
                f"ttl_seconds={seconds} exceeds LEASE_TTL_MAX={LEASE_SECONDS_MAX}; "
                "ask for less, and again before it is over"
            )
        if seconds < 1:
            raise RefusedLeaseError("ttl_seconds=0 would be over at once; ask for 1 or more")
        self._drop_ended(now)
        known = self._leases.get(client_id)
        _check_peer(client_id, known, peer)
        if known is None and len(self._leases) >= LEASES_MAX:
            raise RefusedLeaseError(
                f"lease table at capacity ({LEASES_MAX}): "
                "retry after an active lease expires or is cleared"
            )
        self._leases[client_id] = _Lease(peer, detail, now + seconds)
        return self._settle("lease_set", client_id)

    def clear(self, client_id: str, peer: Peer, now: float) -> Transition | None:
        """
        End a lease before its time; one that is not there is cleared already.

        Raises RefusedLeaseError if it is somebody else's.
        """
        _check_client_id(client_id)
        self._drop_ended(now)
        _check_peer(client_id, self._leases.get(client_id), peer)
        self._leases.pop(client_id, None)
        return self._settle("lease_cleared", client_id)

    def expire(self, now: float) -> Transition | None:
        """End those whose time is over; None if the same holds as before."""
        ended = self._drop_ended(now)
        return self._settle("lease_tick_expired", ended[0] if len(ended) == 1 else None)

    def next_end(self) -> float | None:
        """Return when the next lease ends; None without any."""
        return min((lease.ends_at for lease in self._leases.values()), default=None)

    def _drop_ended(self, now: float) -> list[str]:
        ended = [name for name, lease in self._leases.items() if lease.ends_at <= now]
        for name in ended:
            del self._leases[name]
        return ended

    def _settle(self, kind: str, client_id: str | None) -> Transition | None:
        self.previous = self.effective
        raised = (lease.detail for lease in self._leases.values())
        self.effective = max((self.configured, *raised))
        if self.effective is self.previous:
            return None
        return Transition(self.previous, self.effective, kind, client_id)


def _check_client_id(client_id: str) -> None:
    if not client_id:
        raise RefusedLeaseError("client_id is empty; give the lease a name")
    size = len(client_id.encode(errors="surrogatepass"))
    if size > CLIENT_ID_BYTES_MAX:
        raise RefusedLeaseError(f"client_id has {size} bytes; {CLIENT_ID_BYTES_MAX} are allowed")


def _check_peer(client_id: str, lease: _Lease | None, peer: Peer) -> None:
    if lease is not None and lease.peer != peer:
        raise RefusedLeaseError(
            f"the lease {client_id!r} belongs to another client; take another name"
        )
