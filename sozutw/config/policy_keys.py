"""
Read the tables of what is not served yet: HSTS, health checks, UDP, HTTP/2, TLS.

They are checked in full all the same, so that a file that is right now stays right.
"""

from typing import Final

from sozutw.config.addresses import PORT_MAX
from sozutw.config.hostnames import is_token
from sozutw.config.policies import (
    CertificateFiles,
    HeaderEdit,
    HeaderPosition,
    HealthCheck,
    Hsts,
    Http2Limits,
    TlsOptions,
    UdpAffinityKey,
    UdpHealth,
    UdpHealthMode,
    UdpOptions,
)
from sozutw.config.table import UNSIGNED_32_MAX, Table

_UNSIGNED_64_MAX: Final = 2**64 - 1
_MAY_BE_ZERO: Final = frozenset({"h2_graceful_shutdown_deadline_seconds"})
_TLS_VERSIONS: Final = {
    "sslv2": "SSL_V2",
    "sslv3": "SSL_V3",
    "tlsv1": "TLS_V1",
    "tlsv10": "TLS_V1",
    "tlsv11": "TLS_V11",
    "tlsv12": "TLS_V12",
    "tlsv13": "TLS_V13",
}
_NO_CONTROL_BELOW: Final = " "


def read_hsts(owner: Table) -> Hsts | None:
    """Read the table ``hsts``; None if there is none."""
    table = owner.table("hsts", "hsts")
    if table is None:
        return None
    if "enabled" not in table:
        table.report.refuse(table.path, "hsts does not say enabled; true or false is meant")
    defaults = Hsts(enabled=True)
    hsts = Hsts(
        enabled=table.flag("enabled", default=True),
        max_age=table.integer("max_age", defaults.max_age),
        include_subdomains=table.flag("include_subdomains", defaults.include_subdomains),
        preload=table.flag("preload", defaults.preload),
        force_replace_backend=table.flag("force_replace_backend", defaults.force_replace_backend),
    )
    table.refuse_unknown()
    return hsts


def read_health_check(owner: Table) -> HealthCheck | None:
    """Read the table ``health_check``; None if there is none."""
    table = owner.table("health_check", "a health check")
    if table is None:
        return None
    if "uri" not in table:
        table.report.refuse(table.path, "health_check has no uri; a path such as /health is meant")
    defaults = HealthCheck("/")
    check = HealthCheck(
        uri=table.checked("uri", _is_uri, "a path that begins with / is meant", "/"),
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


def read_http2_limits(owner: Table, *, is_named: bool) -> Http2Limits | None:
    """
    Read the ``h2_`` keys; None if none was written.

    With ``is_named`` each is refused by name, as what is not served.
    """
    defaults = Http2Limits()
    written: dict[str, int] = {}
    for key in Http2Limits.__slots__:
        least = 0 if key in _MAY_BE_ZERO else 1
        most = _UNSIGNED_64_MAX if key.endswith("_lifetime") else UNSIGNED_32_MAX
        if key in owner:
            written[key] = owner.integer(key, getattr(defaults, key), least, most)
            if is_named:
                owner.refuse_unserved(key, "it has no effect")
    return Http2Limits(**written) if written else None


def read_tls_options(owner: Table) -> TlsOptions:
    """Read how a listener speaks TLS."""
    defaults = TlsOptions()
    return TlsOptions(
        tls_versions=read_tls_versions(owner) or defaults.tls_versions,
        cipher_list=owner.texts("cipher_list"),
        cipher_suites=owner.texts("cipher_suites"),
        groups_list=owner.texts("groups_list"),
        send_tls13_tickets=owner.integer("send_tls13_tickets", defaults.send_tls13_tickets),
    )


def read_tls_versions(owner: Table) -> tuple[str, ...]:
    """Read the versions of TLS, however they are spelled."""
    versions = []
    for text in owner.texts("tls_versions"):
        version = _TLS_VERSIONS.get(text.lower().replace("_", "").replace(".", ""))
        if version is None:
            owner.refuse("tls_versions", f'tls_versions has "{text}"; TLS_V12 or TLS_V13 is meant')
        else:
            versions.append(version)
    return tuple(versions)


def read_certificate(owner: Table, tls_versions: tuple[str, ...] = ()) -> CertificateFiles | None:
    """Read where a certificate and its key are; None if there is none."""
    certificate = owner.file_path("certificate", None)
    chain = owner.file_path("certificate_chain", None)
    key = owner.file_path("key", None)
    if certificate is None and key is None:
        if chain is not None:
            owner.refuse("certificate_chain", "certificate_chain has no certificate to lead to")
        return None
    if certificate is None or key is None:
        present, absent = ("key", "certificate") if certificate is None else ("certificate", "key")
        owner.refuse(present, f"{present} stands without {absent}; both are meant")
        return None
    return CertificateFiles(certificate, key, chain, tls_versions)


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
            "value", _is_field_value, "a text without control letters is meant", ""
        )
        table.refuse_unknown()
        edits.append(HeaderEdit(position, name, value))
    return tuple(edits)


def _is_uri(text: str) -> bool:
    return text.startswith("/") and _is_field_value(text)


def _is_field_value(text: str) -> bool:
    return all(letter >= _NO_CONTROL_BELOW and letter != "\x7f" for letter in text)
