"""
Read the tables of what is not served yet: health checks, UDP, HTTP/2, edits of fields.

They are checked in full all the same, so that a file that is right now stays right.
"""

from typing import Final

from sozutw.config.addresses import PORT_MAX
from sozutw.config.hostnames import is_token
from sozutw.config.policies import (
    HeaderEdit,
    HeaderPosition,
    HealthCheck,
    Http2Limits,
    UdpAffinityKey,
    UdpHealth,
    UdpHealthMode,
    UdpOptions,
)
from sozutw.config.table import UNSIGNED_32_MAX, Table

_UNSIGNED_64_MAX: Final = 2**64 - 1
_MAY_BE_ZERO: Final = frozenset({"h2_graceful_shutdown_deadline_seconds"})
_NO_CONTROL_BELOW: Final = " "


def read_health_check(owner: Table) -> HealthCheck | None:
    """Read the table ``health_check``; None if there is none."""
    table = owner.table("health_check", "a health check")
    if table is None:
        return None
    if "uri" not in table:
        table.report.refuse(table.path, "health_check has no uri; a path such as /health is meant")
    defaults = HealthCheck("/")
    check = HealthCheck(
        uri=table.checked("uri", is_probe_uri, "a path that begins with / is meant", "/"),
        interval=table.integer("interval", defaults.interval, 1),
        timeout=table.integer("timeout", defaults.timeout, 1),
        healthy_threshold=table.integer("healthy_threshold", defaults.healthy_threshold, 1),
        unhealthy_threshold=table.integer("unhealthy_threshold", defaults.unhealthy_threshold, 1),
        expected_status=table.integer("expected_status", defaults.expected_status),
    )
    table.refuse_unknown()
    return check


def read_udp(owner: Table) -> UdpOptions | None:
    """Read the table ``udp``; None if there is none."""
    table = owner.table("udp", "udp")
    if table is None:
        return None
    options = UdpOptions(
        affinity_key=table.choice("affinity_key", UdpAffinityKey.SOURCE_IP),
        responses=table.integer("responses", 0),
        requests=table.integer("requests", 0),
        send_proxy_protocol=table.flag("send_proxy_protocol", default=False),
        proxy_protocol_every_datagram=table.flag("proxy_protocol_every_datagram", default=False),
        health=_read_udp_health(table),
    )
    table.refuse_unknown()
    return options


def _read_udp_health(owner: Table) -> UdpHealth:
    defaults = UdpHealth()
    table = owner.table("health", "the health of udp")
    if table is None:
        return defaults
    health = UdpHealth(
        mode=table.choice("mode", defaults.mode),
        tcp_port=table.integer("tcp_port", None, 1, PORT_MAX),
        rise=table.integer("rise", defaults.rise, 1),
        fall=table.integer("fall", defaults.fall, 1),
        fail_open=table.flag("fail_open", defaults.fail_open),
        udp_probe_payload=table.string("udp_probe_payload", None),
        probe_interval_seconds=table.integer(
            "probe_interval_seconds", defaults.probe_interval_seconds, 1
        ),
        probe_timeout_seconds=table.integer(
            "probe_timeout_seconds", defaults.probe_timeout_seconds, 1
        ),
    )
    if health.mode is UdpHealthMode.UDP_PROBE and health.udp_probe_payload is None:
        table.warn("mode", "mode is UDP_PROBE without udp_probe_payload; empty datagrams are sent")
    table.refuse_unknown()
    return health


def read_http2_limits(owner: Table) -> Http2Limits | None:
    """Read the ``h2_`` keys, each refused by name as not served; None if none was written."""
    defaults = Http2Limits()
    written: dict[str, int] = {}
    for key in Http2Limits.__slots__:
        most = _UNSIGNED_64_MAX if key.endswith("_lifetime") else UNSIGNED_32_MAX
        if key in owner:
            written[key] = owner.integer(key, getattr(defaults, key), least_of(key), most)
            owner.refuse_unserved(key, "it has no effect")
    return Http2Limits(**written) if written else None


def least_of(limit: str) -> int:
    """Return the least that a limit of HTTP/2 may be set to."""
    return 0 if limit in _MAY_BE_ZERO else 1


def read_header_edits(owner: Table) -> tuple[HeaderEdit, ...]:
    """Read the list ``headers``."""
    edits = []
    for table in owner.tables("headers", "a header"):
        for key in ("position", "key", "value"):
            if key not in table:
                table.report.refuse(table.path, f"a header has no {key}; one is meant")
        position = table.choice("position", HeaderPosition.BOTH)
        name = table.checked("key", is_token, "the name of a field is meant", "")
        value = table.checked(
            "value", is_field_value, "a text without control letters is meant", ""
        )
        table.refuse_unknown()
        edits.append(HeaderEdit(position, name, value))
    return tuple(edits)


def is_probe_uri(text: str) -> bool:
    """Whether a health check can ask for this."""
    return text.startswith("/") and is_field_value(text)


def is_field_value(text: str) -> bool:
    """Whether this can be the value of a field."""
    return all(letter >= _NO_CONTROL_BELOW and letter != "\x7f" for letter in text)
