"""Read the keys that stand above all tables, ``[metrics]`` and ``[admin]``."""

from ipaddress import ip_address
from typing import Final

from sozutw.config.log_filter import LogFilter
from sozutw.config.model import (
    AccessLogFormat,
    InetAddress,
    MetricDetail,
    Metrics,
    Settings,
    Timeouts,
)
from sozutw.config.table import Table
from sozutw.config.targets import FileTarget, UnixTarget, parse_target

BUFFER_SIZE_LEAST: Final = 1024
MESSAGE_BYTES_LEAST: Final = 4096
"""An order with a certificate hardly fits into less."""
_UNSIGNED_64_MAX: Final = 2**64 - 1
_UNSIGNED_16_MAX: Final = 65_535

COMMAND_SOCKET: Final = "sozu.sock"
"""Where the command socket is if no file says so: in the current folder, as with Sōzu."""
WORKERS: Final = 2
"""How many workers there are if no file says so, as with Sōzu."""
_NO_POOL: Final = "has no effect; here buffers grow and shrink with each connection"
WITHOUT_EFFECT: Final = {
    "command_buffer_size": "has no effect; max_command_buffer_size alone limits a message",
    "min_buffers": _NO_POOL,
    "max_buffers": _NO_POOL,
    "slab_entries_per_connection": "has no effect; here nothing is kept in slabs",
    "splice_pipe_capacity_bytes": "has no effect; pipes are as large as the system allows",
    "basic_auth_max_credential_bytes": "has no effect; required_auth is not served yet",
}
"""Keys of Sōzu that are taken and checked, and change nothing here."""

FORMER_KEYS: Final = {
    "applications": "[clusters.ID] is meant, or nothing of it is served",
    "tls_provider": "there is one way to speak TLS here, so leave it out",
    "log_access_target": "access_logs_target is meant",
}
"""What Sōzu's older files say."""


def read_timeouts(table: Table, defaults: Timeouts) -> Timeouts:
    """Read the four timeouts of Sōzu and ours."""
    return Timeouts(
        front=table.seconds("front_timeout", defaults.front),
        back=table.seconds("back_timeout", defaults.back),
        connect=table.seconds("connect_timeout", defaults.connect),
        request=table.seconds("request_timeout", defaults.request),
        tunnel=table.seconds("tunnel_timeout", defaults.tunnel),
    )


def read_settings(table: Table) -> Settings:
    """Read all that is not a listener or a cluster."""
    defaults = Settings()
    log_colored = table.flag("log_colored", default=False)
    settings = Settings(
        command_socket=table.file_path("command_socket", COMMAND_SOCKET),
        command_socket_is_default="command_socket" not in table,
        command_buffer_size=table.integer("command_buffer_size", defaults.command_buffer_size),
        max_command_buffer_size=table.integer(
            "max_command_buffer_size", defaults.max_command_buffer_size, MESSAGE_BYTES_LEAST
        ),
        command_allowed_uids=(
            table.integers("command_allowed_uids") if "command_allowed_uids" in table else None
        ),
        ctl_command_timeout=table.integer("ctl_command_timeout", defaults.ctl_command_timeout),
        saved_state=table.file_path("saved_state", None),
        automatic_state_save=table.flag("automatic_state_save", default=False),
        log_level=table.parsed("log_level", _log_filter, defaults.log_level),
        log_target=_read_log_target(table, defaults.log_target),
        log_colored=log_colored,
        access_logs_target=_read_access_logs_target(table),
        access_logs_format=_read_access_logs_format(table),
        access_logs_colored=table.flag("access_logs_colored", log_colored),
        audit_logs_target=table.file_path("audit_logs_target", None),
        audit_logs_json_target=table.file_path("audit_logs_json_target", None),
        worker_count=table.integer("worker_count", WORKERS, 0, _UNSIGNED_16_MAX),
        worker_automatic_restart=table.flag("worker_automatic_restart", default=True),
        worker_timeout=table.seconds("worker_timeout", defaults.worker_timeout, may_be_zero=True),
        worker_hang_timeout=table.seconds(
            "worker_hang_timeout", defaults.worker_hang_timeout, may_be_zero=True
        ),
        worker_survive_main=table.flag("worker_survive_main", default=False),
        handle_process_affinity=table.flag("handle_process_affinity", default=False),
        pid_file_path=table.file_path("pid_file_path", None),
        user=table.account("user", None),
        group=table.account("group", None),
        activate_listeners=table.flag("activate_listeners", default=True),
        graceful_shutdown_timeout=table.seconds(
            "graceful_shutdown_timeout", defaults.graceful_shutdown_timeout, may_be_zero=True
        ),
        max_connections=table.integer("max_connections", None, 1),
        max_connections_per_ip=table.integer(
            "max_connections_per_ip", defaults.max_connections_per_ip, 0, _UNSIGNED_64_MAX
        ),
        retry_after=table.integer("retry_after", defaults.retry_after),
        evict_on_queue_full=table.flag("evict_on_queue_full", default=False),
        accept_queue_timeout=table.seconds("accept_queue_timeout", defaults.accept_queue_timeout),
        zombie_check_interval=table.seconds(
            "zombie_check_interval", defaults.zombie_check_interval
        ),
        min_buffers=table.integer("min_buffers", defaults.min_buffers),
        max_buffers=table.integer("max_buffers", defaults.max_buffers),
        buffer_size=table.integer("buffer_size", defaults.buffer_size, BUFFER_SIZE_LEAST),
        slab_entries_per_connection=table.integer(
            "slab_entries_per_connection", defaults.slab_entries_per_connection
        ),
        splice_pipe_capacity_bytes=table.integer(
            "splice_pipe_capacity_bytes", defaults.splice_pipe_capacity_bytes
        ),
        basic_auth_max_credential_bytes=table.integer(
            "basic_auth_max_credential_bytes", defaults.basic_auth_max_credential_bytes
        ),
        timeouts=read_timeouts(table, defaults.timeouts),
        trusted_proxies=table.networks("trusted_proxies", ()),
        replay=table.flag("replay", defaults.replay),
        dials_max=table.integer("dials_max", defaults.dials_max, 1, 100),
        backend_idle_timeout=table.seconds("backend_idle_timeout", defaults.backend_idle_timeout),
        backend_idle_connections_max=table.integer(
            "backend_idle_connections_max", defaults.backend_idle_connections_max
        ),
        disable_cluster_metrics=table.flag("disable_cluster_metrics", default=False),
        metrics=_read_metrics(table),
        admin_address=_read_admin_address(table),
    )
    _tell_what_has_no_effect(table, settings)
    return settings


def _log_filter(text: str) -> str:
    """Return the text itself, if it is a filter."""
    LogFilter.parse(text)
    return text


def _tell_what_has_no_effect(table: Table, settings: Settings) -> None:
    for key, text in WITHOUT_EFFECT.items():
        if key in table:
            table.warn(key, f"{key} {text}")
    if settings.automatic_state_save and settings.saved_state is None:
        table.warn(
            "automatic_state_save",
            "automatic_state_save has no effect; a saved_state is meant beside it",
        )


def _read_access_logs_target(table: Table) -> str | None:
    target = table.string("access_logs_target", None)
    if target is None:
        return None
    try:
        return _resolve(table, target)
    except ValueError as error:
        table.refuse("access_logs_target", f"access_logs_target: {error}")
        return None


def _read_log_target(table: Table, default: str) -> str:
    """Read where the log goes: to stdout, as with Sōzu, if that cannot be understood."""
    try:
        return _resolve(table, table.string("log_target", default))
    except ValueError as error:
        table.warn("log_target", f"log_target: {error}; until then the log goes to stdout")
        return default


def _resolve(table: Table, target: str) -> str:
    """Return the target with its path as seen from here, or raise ValueError."""
    match parse_target(target, table.reading.folder):
        case FileTarget(path):
            return f"file://{path}"
        case UnixTarget(path):
            return f"unix://{path}"
        case _:
            return target


def _read_access_logs_format(table: Table) -> AccessLogFormat:
    chosen = table.choice("access_logs_format", AccessLogFormat.ASCII)
    if chosen is AccessLogFormat.PROTOBUF:
        table.refuse_unserved("access_logs_format", "ascii is written")
        return AccessLogFormat.ASCII
    return chosen


def _read_metrics(owner: Table) -> Metrics:
    table = owner.table("metrics", "metrics")
    if table is None:
        return Metrics()
    defaults = Metrics()
    metrics = Metrics(
        address=table.socket_address("address"),
        tagged_metrics=table.flag("tagged_metrics", defaults.tagged_metrics),
        prefix=table.string("prefix", defaults.prefix),
        detail=table.choice("detail", MetricDetail.CLUSTER),
    )
    unknown = {key for key, _text in table.unknown()}
    table.refuse_unknown()
    if "address" in table:
        table.report.refuse_unserved(table.at("address"), "metrics.address", "no counters are sent")
    if metrics.address is None:
        for key in (key for key in table if key not in unknown and key != "detail"):
            table.warn(key, f"metrics.{key} has no effect; no counters are sent")
    return metrics


def _read_admin_address(owner: Table) -> InetAddress | None:
    table = owner.table("admin", "admin")
    if table is None:
        return None
    address = table.socket_address("address")
    if address is not None and not ip_address(address.host).is_loopback:
        table.warn(
            "address",
            f"admin.address is {address}, which others can reach; what it tells has neither "
            "a password nor TLS, so 127.0.0.1 or ::1 is meant",
        )
    table.refuse_unknown()
    return address
