"""
Where the two sides meet: what the relay needs of a client's side, a backend's side, and the world.

The relay owns these; ``frontend`` and ``backend`` provide them, and ``process`` puts them
together. Neither side imports the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from sozutw.balancing.backends import BackendState
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.access import AccessRow
from sozutw.sessions.limits import AddressCounts
from sozutw.sessions.session import Session
from sozutw.wire.message import ResponseHead
from sozutw.wire.tls import TlsFacts

Sink = Callable[[bytes], None]
"""Takes the next bytes of a body."""


class DialFailure(Enum):
    """Why a backend could not be reached."""

    REFUSED = "refused"
    TIMED_OUT = "timed out"
    NO_DESCRIPTOR = "no descriptor left"
    NOT_SECURED = "not secured"
    """It was reached, but the TLS handshake failed, or it is not who it should be."""


class Patience(Protocol):
    """How long a peer may be silent."""

    seconds: float


class FrontSide(Protocol):
    """The client's side of one exchange."""

    transport: Any
    """Given to the other side's ``join`` and to nobody else."""
    write: Sink
    """Pass bytes to the client, as they are."""
    body_bytes: int
    """How many bytes of the request's body have come, without framing."""
    is_draining: bool
    """The worker stops, or the client said all: this exchange is the last one."""
    is_full: bool
    """Whether the client does not read what was written; ``front_drained`` tells the end of it."""
    request_seconds: float
    """How long the head of the next request may take."""
    round_trip_us: int
    """As last measured, or 0."""
    tls: TlsFacts | None
    """What the handshake settled; None on a plain connection."""
    covered_host: bytes
    """The host of a request that the served certificate was found to be for."""

    @property
    def patience(self) -> Patience:
        """How long the client may be silent now."""

    def write_last(self, data: bytes) -> None:
        """Pass the last bytes; ``exchange_ended`` without ``keeps_alive`` follows at once."""

    def write_chunk(self, data: bytes) -> None:
        """Pass bytes to the client as one chunk."""

    def take_body(self, sink: Sink, back: "BackSide") -> None:
        """
        Hand the request's body to ``sink`` from now on; ``request_ended`` follows the last.

        A long body may be moved to ``back.transport`` in the kernel instead.
        """

    def hold_body(self) -> None:
        """Keep what comes of the body, and read no more, until ``take_body`` is called again."""

    def wait(self, seconds: float) -> None:
        """The client may be silent for so long while it waits for its response."""

    def pause(self) -> None:
        """Read no more of the client's body."""

    def resume(self, seconds: float) -> None:
        """Read on; the client may be silent for ``seconds``."""

    def has_taken_all(self) -> bool:
        """Return whether the client took every byte that was passed to it."""

    def body_is_short(self) -> bool:
        """Return whether what is left of the request's body may be read away."""

    def exchange_ended(self, *, keeps_alive: bool) -> None:
        """The response is complete: go on to the next request, or close."""

    def tunnel(self, sink: Sink, seconds: float) -> None:
        """From now on every byte of the client goes to ``sink``."""

    def touch(self) -> None:
        """The other side saw a sign of life of this one."""

    def finish(self) -> None:
        """Tell the client that no more bytes will come (a half-close)."""

    def cut(self) -> None:
        """Close at once, so that what was sent cannot look whole."""


class BackSide(Protocol):
    """A backend connection leased to one exchange: open already, or being dialled."""

    transport: Any
    state: BackendState
    is_open: bool
    is_reused: bool
    """Whether it has served another exchange before."""
    is_full: bool
    """Whether the backend does not read what was written; ``back_drained`` tells the end of it."""
    response_bytes: int
    """How many bytes have come since the request was sent."""
    loss_text: str
    """How TLS broke before a fresh connection gave anything; empty otherwise."""
    round_trip_us: int
    write: Sink

    def send_request(self, data: bytes, method: bytes, seconds: float) -> None:
        """Write a request's head, with what there is of its body, and await the response."""

    def write_chunk(self, data: bytes) -> None:
        """Pass body bytes as one chunk."""

    def wait(self, seconds: float) -> None:
        """The backend may be silent for so long from now on."""

    def has_sent_nothing(self) -> bool:
        """Return whether the kernel surely took no byte of the request."""

    def take_body(self, sink: Sink) -> None:
        """Hand the response's body to ``sink`` from now on; ``response_ended`` follows the last."""

    def pause(self) -> None:
        """Read no more of the response."""

    def resume(self) -> None:
        """Read on."""

    def is_held_up(self) -> bool:
        """Return whether a body that the kernel moves waits for the client to take it."""

    def tunnel(self, sink: Sink, seconds: float) -> bytes:
        """From now on every byte goes to ``sink``; returns those that came with the head."""

    def join(self, front: FrontSide, length: int) -> bool:
        """Move ``length`` body bytes to the client's transport in the kernel, if it can be."""

    def touch(self) -> None:
        """The other side saw a sign of life of this one."""

    def finish(self) -> None:
        """Tell the backend that no more bytes will come (a half-close)."""

    def drop(self) -> None:
        """The connection is of no more use: close it and forget it, in one step."""

    def close(self, seconds: float) -> None:
        """The same, but what was written before still goes out, within ``seconds``."""


class BackOwner(Protocol):
    """What a leased backend connection reports to; an exchange."""

    session: Session

    def backend_connected(self) -> None:
        """The dial succeeded."""

    def backend_failed(self, failure: DialFailure, text: str = "") -> None:
        """The dial failed; like all that follow, this leaves the connection to be dropped."""

    def response_interim(self, head: ResponseHead) -> None:
        """A 1xx other than 101 came."""

    def response_started(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """The head came, and this much of the body with it."""

    def response_ended(self, trailers: Sequence[bytes]) -> None:
        """The body is complete."""

    def response_broken(self, reason: str, status: int = 502) -> None:
        """What came is not HTTP, or too much of it; ``status`` is what a client may be told."""

    def response_lost(self, *, cleanly: bool) -> None:
        """The connection ended; cleanly is by FIN."""

    def response_timed_out(self) -> None:
        """Nothing came for too long."""

    def back_finished(self) -> None:
        """In a tunnel: the backend half-closed."""

    def back_filled(self) -> None:
        """The backend cannot take more bytes now."""

    def back_drained(self) -> None:
        """The backend can take bytes again."""


class Connector(Protocol):
    """How the relay gets a backend connection without knowing what one is."""

    def lease(
        self, state: BackendState, owner: BackOwner, seconds: float, *, sure: bool
    ) -> BackSide:
        """
        Return an idle connection, open; or a new one, being dialled for at most ``seconds``.

        ``sure`` wants an idle one to be looked at before, for a request that cannot be sent
        twice. Events of the connection reach ``owner`` only after this has returned, and only
        as long as the lease lasts.
        """

    def replace(
        self, hung_up: BackSide, state: BackendState, owner: BackOwner, seconds: float
    ) -> BackSide:
        """Drop ``hung_up`` and return a new connection, being dialled, in one step."""

    def give_back(self, back: BackSide) -> None:
        """The exchange is complete: keep its connection if it can be used again, or drop it."""


@dataclass(slots=True)
class Means:
    """What the relay needs of the world, put together by ``process``."""

    now: Callable[[], float]
    """Seconds, steadily."""
    wall_ns: Callable[[], int]
    """Nanoseconds since 1970, for logs."""
    random: Callable[[], float]
    """From 0 to below 1."""
    new_id: Callable[[], bytes]
    """A ULID."""
    log: Callable[[AccessRow], None]
    counters: WorkerCounters
    connector: Connector
    address_counts: AddressCounts
    replays: bool = True
    dials_max: int = 3
    head_bytes_max: int = 16_393
    places_per_address: int = 0
    """The process's max_connections_per_ip, which a cluster may override; 0 is no limit."""
    retry_after: int = 60
