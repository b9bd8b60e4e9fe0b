"""
What each counter is called outside: Sōzu's metric names, attribute by attribute.

A name that Sōzu lacks says so in doc/metrics.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Names = Mapping[str, str]
"""Attribute to name."""

WORKER: Final[Names] = MappingProxyType(
    {
        "requests": "http.requests",
        "active_requests": "http.active_requests",
        "errors": "http.errors",
        "bytes_in": "bytes_in",
        "bytes_out": "bytes_out",
        "client_connections": "client.connections",
        "client_connections_max": "client.connections_max",
        "accept_queue_connections": "accept_queue.connections",
        "accept_queue_backpressure": "accept_queue.backpressure",
        "accept_queue_timeouts": "accept_queue.timeout",
        "sessions_evicted": "sessions.evicted",
        "zombies": "zombies",
        "http_sessions": "protocol.http",
        "websocket_sessions": "protocol.ws",
        "frontend_parse_errors": "http.frontend_parse_errors",
        "backend_parse_errors": "http.backend_parse_errors",
        "failed_backend_matching": "http.failed_backend_matching",
        "early_response_closes": "http.early_response_close",
        "backend_eof_before_message_complete": "h1.backend_eof_before_message_complete",
        "backend_connections": "backend.connections",
        "pool_size": "backend.pool.size",
        "flow_control_paused": "backend.flow_control.paused",
        "access_logs": "access_logs.count",
        "unsent_access_logs": "unsent-access-logs",
        "accept_wait_time": "accept_queue.wait_time",
    }
)
TLS: Final[Names] = MappingProxyType(
    {
        "handshakes_under_way": "protocol.tls.handshake",
        "https_sessions": "protocol.https",
        "websocket_sessions": "protocol.wss",
        "handshake_time": "tls.handshake_ms",
        "resumed": "tls.handshake.resumed",
        "misdirected": "http.sni_authority_mismatch",
        "default_served": "tls.default_cert_used",
        "expires_at": "tls.cert.min_expires_at_seconds",
    }
)
TLS_KINDS: Final[Names] = MappingProxyType(
    {
        "failed": "tls.handshake.failed.",
        "versions": "tls.version.",
        "ciphers": "tls.cipher.",
        "alpn": "http.alpn.",
    }
)
"""What is counted by kind; the kind follows, without dots and slashes of its own."""
LISTENER: Final[Names] = MappingProxyType(
    {
        "accepted": "listener.accepted.total",
        "connections": "client.connections",
        "capped": "listener.connection_capped",
    }
)
CLUSTER: Final[Names] = MappingProxyType(
    {
        "requests": "requests",
        "bytes_in": "bytes_in",
        "bytes_out": "bytes_out",
        "active_requests": "http.active_requests",
        "retries_exhausted": "backend.connect.retries_exhausted",
        "fail_open": "backends.fail_open",
        "no_available_backends": "cluster.no_available_backends",
        "available_recovered": "cluster.available_recovered",
        "rejected_per_ip": "connections.rejected_per_cluster_ip",
        "request_time": "request_time",
    }
)
BACKEND: Final[Names] = MappingProxyType(
    {
        "requests": "requests",
        "bytes_in": "bytes_in",
        "bytes_out": "bytes_out",
        "connections": "connections_per_backend",
        "active_requests": "http.active_requests",
        "connect_errors": "backend.connections.error",
        "up": "backend.up",
        "down": "backend.down",
        "health_successes": "health_check.success",
        "health_failures": "health_check.failure",
        "health_up": "health_check.up",
        "health_down": "health_check.down",
        "pool_hits": "backend.pool.hit",
        "pool_misses": "backend.pool.miss",
        "response_time": "backend_response_time",
        "connection_time": "backend_connection_time",
    }
)

_HEALTH: Final = ("health_successes", "health_failures", "health_up", "health_down")
CLUSTER_SUMS: Final[Names] = MappingProxyType(
    {
        attribute: BACKEND[attribute]
        for attribute in ("connect_errors", "up", "down", "pool_hits", "pool_misses", *_HEALTH)
    }
)
"""What a cluster tells as the sum over its backends, by their attributes."""
WORKER_SUMS: Final[Names] = MappingProxyType(
    {"bytes_in": "back_bytes_in", "bytes_out": "back_bytes_out"}
    | {attribute: BACKEND[attribute] for attribute in _HEALTH}
)
"""What a worker tells as the sum over all backends, by their attributes."""
HEALTHY_BACKENDS: Final = "health_check.healthy_backends"
"""How many backends a cluster, or all of them, have that pass their checks."""
REQUEST_TIME: Final = CLUSTER["request_time"]
"""A worker's is the sum over its clusters."""

GAUGES: Final = frozenset(
    {
        "accept_queue.backpressure",
        "accept_queue.connections",
        "backend.available",
        "backend.connections",
        "backend.pool.size",
        "client.connections",
        "client.connections_max",
        "client.connections_percent",
        "cluster.available_backends",
        "cluster.total_backends",
        "connections_per_backend",
        HEALTHY_BACKENDS,
        "http.active_requests",
        "process.uptime_seconds",
        "protocol.http",
        "protocol.https",
        "protocol.tls.handshake",
        "protocol.ws",
        "protocol.wss",
        "tls.cert.min_expires_at_seconds",
    }
)
"""Names of what tells how it is now. Any other number only grows, or is a timer."""

STATUSES_TOLD: Final = (
    *(200, 201, 204, 301, 302, 304),
    *(400, 401, 403, 404, 408, 413, 429),
    *(500, 502, 503, 504, 507),
)
"""Statuses that have a name of their own beside their class."""

_REDIRECTS: Final = frozenset({301, 302, 308})
_ANSWERS: Final = frozenset({400, 401, 404, 408, 413, 421, 502, 503, 504, 507})
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


def status_class(hundreds: int) -> str:
    """Name the class of a status by its first digit; 0 for exchanges without one."""
    kind = _CLASSES[hundreds] if hundreds < len(_CLASSES) else "other"
    return f"http.status.{kind}"


def answer(status: int) -> str:
    """Name the counter of answers of our own with this status."""
    if status in _REDIRECTS:
        return f"http.{status}.redirection"
    if status == 429:  # noqa: PLR2004  # Too Many Requests.
        return "connections.rejected_per_cluster_ip"
    return f"http.{status}.errors" if status in _ANSWERS else "http.other.errors"


def tls_kind(attribute: str, kind: str) -> str:
    """Name the counter of one kind of what ``TLS_KINDS`` lists: ``http.alpn.http11``."""
    is_alpn = attribute == "alpn"
    plain = kind.replace("/", "").replace(".", "" if is_alpn else "_")
    return TLS_KINDS[attribute] + plain
