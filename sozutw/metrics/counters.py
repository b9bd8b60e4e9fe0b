"""
The numbers that the data plane adds to, as plain attributes of objects bound at set-up.

Whoever adds holds the object already and writes ``counters.requests += 1``: no name is
looked up, and no call is made. ``metrics.names`` says what each is called outside.

What is the sum of others (a cluster's dials, the bytes of all backends) is not counted twice:
``metrics.render`` adds it up when somebody asks.

A gauge (``connections``, ``active_requests``) is counted up and down by one owner; it is
right when each increment has its one decrement.
"""

from dataclasses import dataclass, field
from typing import Final

BUCKETS_PER_TIMER: Final = 64
"""Bucket ``n`` counts times below ``2**n`` µs; 64 of them outlast any process."""
STATUSES: Final = 1000
"""Indexes of ``WorkerCounters.statuses``: a status has three digits."""


@dataclass(slots=True, eq=False)
class Timer:
    """
    How often something took how long, in powers of two of microseconds.

    Where even a call is too much, write what ``add`` does in its place.
    """

    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS_PER_TIMER)
    """``buckets[n]``: samples from ``2**(n-1)`` to below ``2**n`` µs; zeros in the first."""
    sum_us: int = 0

    def add(self, us: int) -> None:
        """Count one sample."""
        self.buckets[us.bit_length()] += 1
        self.sum_us += us


@dataclass(slots=True, eq=False)
class BackendCounters:
    """What one configured backend did, seen from here."""

    requests: int = 0
    """Request heads written to it, replays included."""
    bytes_in: int = 0
    """From the client's side towards the backend, as Sōzu counts: bytes of requests."""
    bytes_out: int = 0
    """From the backend towards the client: bytes of responses."""
    connections: int = 0
    """Gauge: sockets open or opening."""
    active_requests: int = 0
    """Gauge: leases."""
    connect_errors: int = 0
    up: int = 0
    """How often it was called up again after it had been down."""
    down: int = 0
    health_successes: int = 0
    health_failures: int = 0
    health_up: int = 0
    """How often it counted as healthy again after it had been unhealthy."""
    health_down: int = 0
    pool_hits: int = 0
    pool_misses: int = 0
    response_time: Timer = field(default_factory=Timer)
    """From the request written to the first byte of its response."""
    connection_time: Timer = field(default_factory=Timer)
    """From the dial to the connection."""


@dataclass(slots=True, eq=False)
class ClusterCounters:
    """What happened to the exchanges that a rule led to one cluster."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    active_requests: int = 0
    """Gauge."""
    responses: list[int] = field(default_factory=lambda: [0] * 10)
    """By class: ``responses[status // 100]``; 0 counts exchanges that ended without a status."""
    answers: dict[int, int] = field(default_factory=dict)
    """Answers of our own by status; rare enough for a dict."""
    retries_exhausted: int = 0
    """Exchanges that gave up after all their dials."""
    fail_open: int = 0
    """Choices that fell to an unhealthy backend since no healthy one was left."""
    no_available_backends: int = 0
    """How often the last available backend went."""
    available_recovered: int = 0
    """How often one came back after that."""
    rejected_per_ip: int = 0
    """429: the limit for one client address."""
    request_time: Timer = field(default_factory=Timer)
    """From the first byte of the request to the last of its response."""


@dataclass(slots=True, eq=False)
class ListenerCounters:
    """What came in on one listener."""

    is_secure: bool = False
    """Whether it speaks TLS."""
    accepted: int = 0
    connections: int = 0
    """Gauge."""
    capped: int = 0
    """Connections that had to wait since the process was full."""


@dataclass(slots=True, eq=False)
class TlsCounters:
    """What handshakes with clients came to, and what followed from them."""

    handshakes_under_way: int = 0
    """Gauge."""
    https_sessions: int = 0
    """Gauge: client connections that speak HTTP over TLS, their handshakes included."""
    websocket_sessions: int = 0
    """Gauge: tunnels over TLS after an upgrade."""
    handshake_time: Timer = field(default_factory=Timer)
    """From accepting to the end of a handshake that succeeded."""
    resumed: int = 0
    """Handshakes that went on with an earlier session."""
    failed: dict[str, int] = field(default_factory=dict)
    """Handshakes that failed, by cause."""
    versions: dict[str, int] = field(default_factory=dict)
    ciphers: dict[str, int] = field(default_factory=dict)
    alpn: dict[str, int] = field(default_factory=dict)
    """Handshakes that succeeded, by what they settled."""
    misdirected: int = 0
    """421: requests for a host that the served certificate is not for."""
    default_served: int = 0
    """Handshakes with the built-in certificate, since no other was for the name."""
    expires_at: int = 0
    """Gauge: when the first of all certificates expires, in seconds since 1970; 0: none."""


@dataclass(slots=True, eq=False)
class WorkerCounters:
    """What one worker did, whichever listener, cluster or backend it concerns."""

    requests: int = 0
    active_requests: int = 0
    """Gauge."""
    errors: int = 0
    """Exchanges that ended in a fault of a peer or of ours."""
    bytes_in: int = 0
    bytes_out: int = 0
    """From and to clients."""
    statuses: list[int] = field(default_factory=lambda: [0] * STATUSES)
    """``statuses[404]``; 0 counts exchanges that ended without a status."""
    answers: dict[int, int] = field(default_factory=dict)
    """Answers of our own by status."""

    client_connections: int = 0
    """Gauge."""
    client_connections_max: int = 0
    """The limit, as configured."""
    accept_queue_connections: int = 0
    """Gauge."""
    accept_queue_backpressure: int = 0
    """Gauge: 1 while a queue is full, so that its listener accepts no more."""
    accept_queue_timeouts: int = 0
    sessions_evicted: int = 0
    zombies: int = 0
    http_sessions: int = 0
    """Gauge: client connections that speak HTTP."""
    websocket_sessions: int = 0
    """Gauge: tunnels after an upgrade."""

    frontend_parse_errors: int = 0
    backend_parse_errors: int = 0
    failed_backend_matching: int = 0
    early_response_closes: int = 0
    """Responses that ended before the request's body did."""
    backend_eof_before_message_complete: int = 0

    backend_connections: int = 0
    """Gauge."""
    pool_size: int = 0
    """Gauge: idle backend connections."""
    flow_control_paused: int = 0
    """How often a side was paused because the other could not take more."""

    access_logs: int = 0
    unsent_access_logs: int = 0

    tls: TlsCounters = field(default_factory=TlsCounters)

    accept_wait_time: Timer = field(default_factory=Timer)
    """Of clients that had to wait; who comes in at once is not in it."""
