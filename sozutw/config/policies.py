"""
The values that only parts of a configuration hold: HTTP/2, headers, health, UDP.

Only health checks are served by this version; the others are here so that a file that names
them is checked now as it will be then.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

_URI_LETTERS_MAX: Final = 2048
_SHOWN_MAX: Final = 60
_STATUS_LEAST: Final = 100
_STATUS_MOST: Final = 599


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


def check_health(check: HealthCheck) -> str | None:
    """
    Say what is wrong with a health check, or None; wherever it was written.

    What is said begins with the key that it is about.
    """
    wrong = _check_uri(check)
    if wrong is not None:
        return wrong
    for key in ("interval", "timeout", "healthy_threshold", "unhealthy_threshold"):
        if getattr(check, key) < 1:
            return f"{key} is {getattr(check, key)}; 1 or more is meant"
    status = check.expected_status
    if status and not _STATUS_LEAST <= status <= _STATUS_MOST:
        return f"expected_status is {status}; 0 or a status from 100 to 599 is meant"
    return None


def _check_uri(check: HealthCheck) -> str | None:
    uri = check.uri
    if check.is_tcp:
        return "uri has no meaning beside tcp; one of the two is meant" if uri else None
    if not uri:
        return "uri is missing; a path such as /health is meant"
    if not _is_target(uri):
        shown = ascii(uri[:_SHOWN_MAX])
        return f"uri is {shown}; a path that begins with / is meant, without spaces"
    if len(uri) > _URI_LETTERS_MAX:
        return f"uri has {len(uri)} letters; at most {_URI_LETTERS_MAX} are meant"
    return None


def _is_target(text: str) -> bool:
    """Whether a text can stand in the first line of a request as it is."""
    return text.startswith("/") and all(letter > " " and letter != "\x7f" for letter in text)


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
