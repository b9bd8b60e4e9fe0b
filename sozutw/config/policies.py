"""
The values that only parts of a configuration hold: HTTP/2, headers, health, UDP.

None of them is served by this version; they are here so that a file that names them is
checked now as it will be then.
"""

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """How much of HTTP/2 a peer may use before it is sent away."""

    h2_max_rst_stream_per_window: int = 100
    h2_max_ping_per_window: int = 100
    h2_max_settings_per_window: int = 50
    h2_max_empty_data_per_window: int = 100
    h2_max_window_update_stream0_per_window: int = 100
    h2_max_continuation_frames: int = 20
    h2_max_glitch_count: int = 100
    h2_initial_connection_window: int = 1_048_576
    h2_max_concurrent_streams: int = 100
    h2_stream_shrink_ratio: int = 2
    h2_max_rst_stream_lifetime: int = 10_000
    h2_max_rst_stream_abusive_lifetime: int = 50
    h2_max_rst_stream_emitted_lifetime: int = 500
    h2_max_header_list_size: int = 65_536
    h2_max_header_fields: int = 128
    h2_max_header_table_size: int = 65_536
    h2_stream_idle_timeout_seconds: int | None = None
    """None: the greater of 30 and ``back_timeout``."""
    h2_graceful_shutdown_deadline_seconds: int = 5
    """0 waits for ever."""


class HeaderPosition(Enum):
    """Whose fields an edit changes."""

    REQUEST = "request"
    RESPONSE = "response"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """A field that is added, or removed when ``value`` is empty."""

    position: HeaderPosition
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How backends are probed."""

    uri: str
    """What is asked for with GET; empty where ``is_tcp``."""
    interval: int = 10
    timeout: int = 5
    healthy_threshold: int = 3
    unhealthy_threshold: int = 3
    expected_status: int = 0
    """0: any from 200 to 299."""
    is_tcp: bool = False
    """Ours: a connection is proof enough, and nothing is asked."""


class UdpAffinityKey(Enum):
    """What makes two datagrams of one flow."""

    SOURCE_IP = "SOURCE_IP"
    SOURCE_IP_PORT = "SOURCE_IP_PORT"


class UdpHealthMode(Enum):
    """How backends that take datagrams are probed."""

    OFF = "HEALTH_OFF"
    TCP_PROBE = "TCP_PROBE"
    UDP_PROBE = "UDP_PROBE"


@dataclass(frozen=True, slots=True)
class UdpHealth:
    """The probes of a cluster that takes datagrams."""

    mode: UdpHealthMode = UdpHealthMode.TCP_PROBE
    tcp_port: int | None = None
    rise: int = 2
    fall: int = 3
    fail_open: bool = True
    udp_probe_payload: str | None = None
    probe_interval_seconds: int = 5
    probe_timeout_seconds: int = 2


@dataclass(frozen=True, slots=True)
class UdpOptions:
    """How a cluster takes datagrams."""

    affinity_key: UdpAffinityKey = UdpAffinityKey.SOURCE_IP
    responses: int = 0
    requests: int = 0
    send_proxy_protocol: bool = False
    proxy_protocol_every_datagram: bool = False
    health: UdpHealth = field(default_factory=UdpHealth)
