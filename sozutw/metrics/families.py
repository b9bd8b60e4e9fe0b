"""
What Prometheus calls each counter, attribute by attribute, and what it says of it.

The name tells the kind: what ends in ``_total`` only grows, a timer in ``_seconds`` is a
histogram, and anything else is a gauge; tests hold this against ``metrics.names.GAUGES``.
What is a sum over others is left out: Prometheus adds up.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class Family(NamedTuple):
    """One name, under which there is a number for each thing that it is counted of."""

    name: str
    help: str
    label: str = ""
    """What the numbers of one thing are told apart by, if there are several."""


Families = Mapping[str, Family]
"""Attribute to family."""

WORKER: Final[Families] = MappingProxyType(
    {
        "requests": Family("sozutw_http_requests_total", "Requests read."),
        "active_requests": Family("sozutw_http_active_requests", "Exchanges under way."),
        "errors": Family("sozutw_http_errors_total", "Exchanges that ended in a fault."),
        "statuses": Family(
            "sozutw_http_responses_total",
            "Exchanges by the status of their response; none ended without one.",
            "code",
        ),
        "answers": Family(
            "sozutw_http_answers_total", "Answers of the proxy itself by status.", "code"
        ),
        "bytes_in": Family("sozutw_client_received_bytes_total", "Bytes from clients."),
        "bytes_out": Family("sozutw_client_sent_bytes_total", "Bytes to clients."),
        "client_connections": Family("sozutw_client_connections", "Clients that are connected."),
        "client_connections_max": Family(
            "sozutw_client_connections_max", "Clients that there may be at a time."
        ),
        "accept_queue_connections": Family(
            "sozutw_accept_queue_connections", "Clients that wait to be let in."
        ),
        "accept_queue_backpressure": Family(
            "sozutw_accept_queue_backpressure",
            "1 while a queue is full, so that its listener accepts no more.",
        ),
        "accept_queue_timeouts": Family(
            "sozutw_accept_queue_timeouts_total", "Clients that waited too long."
        ),
        "accept_wait_time": Family(
            "sozutw_accept_queue_wait_seconds", "How long those waited that were then let in."
        ),
        "sessions_evicted": Family("sozutw_sessions_evicted_total", "Sessions closed for room."),
        "zombies": Family("sozutw_sessions_zombies_total", "Sessions swept up."),
        "http_sessions": Family("sozutw_http_sessions", "Clients that speak HTTP without TLS."),
        "websocket_sessions": Family("sozutw_websocket_sessions", "Tunnels without TLS."),
        "frontend_parse_errors": Family(
            "sozutw_client_parse_errors_total", "What came from clients and was not HTTP."
        ),
        "backend_parse_errors": Family(
            "sozutw_backends_parse_errors_total", "What came from backends and was not HTTP."
        ),
        "failed_backend_matching": Family(
            "sozutw_http_unmatched_requests_total", "Requests that no rule matched."
        ),
        "early_response_closes": Family(
            "sozutw_http_early_response_closes_total", "Responses that ended before their request."
        ),
        "backend_eof_before_message_complete": Family(
            "sozutw_backends_cut_responses_total", "Responses that backends cut short."
        ),
        "backend_connections": Family(
            "sozutw_backends_connections", "Connections to all backends, idle ones included."
        ),
        "pool_size": Family("sozutw_backends_idle_connections", "Idle connections to backends."),
        "flow_control_paused": Family(
            "sozutw_flow_control_pauses_total", "How often one side waited for the other."
        ),
        "access_logs": Family("sozutw_access_log_records_total", "Access records."),
        "unsent_access_logs": Family(
            "sozutw_access_log_records_lost_total", "Access records that could not be written."
        ),
    }
)
TLS: Final[Families] = MappingProxyType(
    {
        "handshakes_under_way": Family(
            "sozutw_tls_handshakes_under_way", "Handshakes with clients that are under way."
        ),
        "https_sessions": Family(
            "sozutw_https_sessions", "Clients that speak HTTP over TLS, handshakes included."
        ),
        "websocket_sessions": Family("sozutw_websocket_tls_sessions", "Tunnels over TLS."),
        "handshake_time": Family(
            "sozutw_tls_handshake_seconds", "From accepting to the end of a good handshake."
        ),
        "resumed": Family(
            "sozutw_tls_handshakes_resumed_total", "Handshakes that continued an earlier session."
        ),
        "failed": Family(
            "sozutw_tls_handshakes_failed_total", "Handshakes that failed, by cause.", "cause"
        ),
        "versions": Family(
            "sozutw_tls_handshakes_by_version_total",
            "Handshakes that succeeded, by version.",
            "version",
        ),
        "ciphers": Family(
            "sozutw_tls_handshakes_by_cipher_total",
            "Handshakes that succeeded, by cipher.",
            "cipher",
        ),
        "alpn": Family(
            "sozutw_tls_handshakes_by_alpn_total",
            "Handshakes that succeeded, by the protocol agreed on.",
            "protocol",
        ),
        "misdirected": Family(
            "sozutw_tls_misdirected_requests_total",
            "Requests for a host that the served certificate is not for: 421.",
        ),
        "default_served": Family(
            "sozutw_tls_default_certificates_total",
            "Handshakes with the built-in certificate, since no other was for the name.",
        ),
        "expires_at": Family(
            "sozutw_tls_first_expiry_timestamp_seconds",
            "When the first of all certificates expires, in seconds since 1970; "
            "left out without one.",
        ),
    }
)
LISTENER: Final[Families] = MappingProxyType(
    {
        "accepted": Family("sozutw_listener_accepted_total", "Clients accepted."),
        "connections": Family("sozutw_listener_connections", "Clients that are connected."),
        "capped": Family("sozutw_listener_capped_total", "Clients that had to wait for room."),
    }
)
CLUSTER: Final[Families] = MappingProxyType(
    {
        "requests": Family("sozutw_cluster_requests_total", "Requests led to the cluster."),
        "active_requests": Family("sozutw_cluster_active_requests", "Exchanges under way."),
        "responses": Family(
            "sozutw_cluster_responses_total",
            "Exchanges by the class of their status; none ended without one.",
            "class",
        ),
        "answers": Family(
            "sozutw_cluster_answers_total", "Answers of the proxy itself by status.", "code"
        ),
        "bytes_in": Family("sozutw_cluster_received_bytes_total", "Bytes from clients."),
        "bytes_out": Family("sozutw_cluster_sent_bytes_total", "Bytes to clients."),
        "retries_exhausted": Family(
            "sozutw_cluster_retries_exhausted_total", "Exchanges that gave up after all dials."
        ),
        "fail_open": Family(
            "sozutw_cluster_fail_open_total",
            "Choices of an unhealthy backend, since no healthy one was left.",
        ),
        "no_available_backends": Family(
            "sozutw_cluster_exhausted_total", "How often the last available backend went."
        ),
        "available_recovered": Family(
            "sozutw_cluster_recovered_total", "How often one came back after that."
        ),
        "rejected_per_ip": Family(
            "sozutw_cluster_rejected_per_ip_total", "Too many connections of one address: 429."
        ),
        "request_time": Family(
            "sozutw_cluster_request_seconds",
            "From the first byte of a request to the last of its response.",
        ),
    }
)
BACKEND: Final[Families] = MappingProxyType(
    {
        "requests": Family("sozutw_backend_requests_total", "Requests sent, again included."),
        "active_requests": Family("sozutw_backend_active_requests", "Exchanges under way."),
        "bytes_in": Family("sozutw_backend_sent_bytes_total", "Bytes towards the backend."),
        "bytes_out": Family("sozutw_backend_received_bytes_total", "Bytes from the backend."),
        "connections": Family("sozutw_backend_connections", "Connections open or opening."),
        "connect_errors": Family("sozutw_backend_connect_errors_total", "Dials that failed."),
        "up": Family("sozutw_backend_up_total", "How often it came back after it was down."),
        "down": Family("sozutw_backend_down_total", "How often it went down."),
        "health_successes": Family(
            "sozutw_backend_health_successes_total", "Health checks that it passed."
        ),
        "health_failures": Family(
            "sozutw_backend_health_failures_total", "Health checks that it failed."
        ),
        "health_up": Family(
            "sozutw_backend_health_up_total", "How often checks found it healthy again."
        ),
        "health_down": Family(
            "sozutw_backend_health_down_total", "How often checks found it unhealthy."
        ),
        "pool_hits": Family(
            "sozutw_backend_pool_hits_total", "Exchanges that found an idle connection."
        ),
        "pool_misses": Family("sozutw_backend_pool_misses_total", "Exchanges that found none."),
        "response_time": Family(
            "sozutw_backend_response_seconds",
            "From a request written to the first byte of its response.",
        ),
        "connection_time": Family(
            "sozutw_backend_connect_seconds", "From a dial to the connection."
        ),
    }
)

UPTIME: Final = Family("sozutw_uptime_seconds", "How long the process has been running.")
BACKENDS: Final = Family("sozutw_cluster_backends", "Backends that there are.")
AVAILABLE_BACKENDS: Final = Family("sozutw_cluster_available_backends", "Those available.")
IS_HEALTHY: Final = Family("sozutw_backend_healthy", "1 if it passes its health checks, else 0.")
IS_AVAILABLE: Final = Family("sozutw_backend_available", "1 if it may be chosen, else 0.")
