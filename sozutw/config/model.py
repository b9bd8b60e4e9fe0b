"""
What the operator asked for, as frozen values.

Every value is complete: defaults are filled in and references are checked by whoever
makes it (``config.file`` from TOML, ``config.requests`` from commands).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from typing_extensions import override

from sozutw.config.policies import HeaderEdit, HealthCheck, Http2Limits, UdpOptions
from sozutw.config.security import (
    BackendTls,
    CertificateAndKey,
    CertificateFiles,
    ClientAuth,
    Hsts,
    TlsOptions,
)

Network = IPv4Network | IPv6Network

NO_TAGS: Mapping[str, str] = MappingProxyType({})


def no_tags() -> Mapping[str, str]:
    """Return the empty mapping that all share; before 3.12 it cannot be a default itself."""
    return NO_TAGS


@dataclass(frozen=True, slots=True)
class InetAddress:
    """An IP address or (for backends only) a host name, and a port."""

    host: str
    """``127.0.0.1``, ``::1`` without brackets, or a name."""
    port: int

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A stream socket in the file system."""

    path: str

    @override
    def __str__(self) -> str:
        return f"unix:{self.path}"


BackendAddress = InetAddress | UnixAddress


class LoadBalancing(Enum):
    """How a cluster chooses among its backends."""

    ROUND_ROBIN = "ROUND_ROBIN"
    RANDOM = "RANDOM"
    LEAST_LOADED = "LEAST_LOADED"
    POWER_OF_TWO = "POWER_OF_TWO"
    HRW = "HRW"
    MAGLEV = "MAGLEV"


class LoadMetric(Enum):
    """What LEAST_LOADED and POWER_OF_TWO call load."""

    CONNECTIONS = "connections"
    REQUESTS = "requests"
    CONNECTION_TIME = "connection_time"


class PathType(Enum):
    """How a rule's path is compared with the request's path and query."""

    PREFIX = "PREFIX"
    REGEX = "REGEX"
    EQUALS = "EQUALS"


class Position(Enum):
    """Which of the three rule lists a frontend stands in."""

    PRE = "PRE"
    TREE = "TREE"
    POST = "POST"


class Redirect(Enum):
    """What a frontend does instead of, or beside, leading to a cluster."""

    FORWARD = "forward"
    PERMANENT = "permanent"  # 301
    FOUND = "found"  # 302
    PERMANENT_REDIRECT = "permanent_redirect"  # 308
    UNAUTHORIZED = "unauthorized"  # 401


class RedirectScheme(Enum):
    """The scheme of a redirect's Location."""

    USE_SAME = "use-same"
    USE_HTTP = "use-http"
    USE_HTTPS = "use-https"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; see doc/configure.md for what each bounds."""

    front: float = 60.0
    back: float = 30.0
    connect: float = 3.0
    request: float = 10.0
    tunnel: float = 3600.0


class ListenerKind(Enum):
    """What is spoken at an address."""

    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class HttpListener:
    """An address that accepts plain HTTP."""

    address: InetAddress
    public_address: InetAddress | None = None
    """What Forwarded's ``by`` and X-Forwarded-Port tell; the address itself when None."""
    expect_proxy: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    sticky_name: str = "SOZUBALANCEID"
    sozu_id_header: str = "Sozu-Id"
    elide_x_real_ip: bool = False
    send_x_real_ip: bool = False
    answers: Mapping[str, str] = field(default_factory=no_tags, hash=False)
    """Status (``"404"``) to the text of a template; see relay.answers."""
    trusted_proxies: tuple[Network, ...] = ()
    """Ours: networks whose own X-Forwarded-* and Forwarded are believed."""
    http2: Http2Limits | None = None
    """None when no ``h2_`` key was written."""


@dataclass(frozen=True, slots=True)
class HttpsListener:
    """An address that accepts HTTP over TLS."""

    http: HttpListener
    """All that it has in common with a plain one."""
    tls: TlsOptions = field(default_factory=TlsOptions)
    alpn_protocols: tuple[str, ...] = ("h2", "http/1.1")
    """What was asked for; this version offers http/1.1 alone."""
    certificate: CertificateAndKey | None = None
    """
    What is served where no certificate of a frontend has the name that was asked for.

    None: one that is made when the process starts, and that nobody trusts.
    """
    strict_sni_binding: bool = True
    disable_http11: bool = False
    """Not served yet."""
    hsts: Hsts | None = None
    client_auth: ClientAuth = ClientAuth.NONE
    """Ours, with what follows."""
    client_authorities: str | None = None
    """PEM of those that may have signed a client's certificate (``client_ca``)."""

    @property
    def address(self) -> InetAddress:
        """Where it accepts."""
        return self.http.address


@dataclass(frozen=True, slots=True)
class TcpListener:
    """An address that accepts bytes; not served yet."""

    address: InetAddress
    public_address: InetAddress | None = None
    expect_proxy: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class UdpListener:
    """An address that takes datagrams; not served yet."""

    address: InetAddress
    public_address: InetAddress | None = None
    front_timeout: float = 30.0
    back_timeout: float = 30.0
    max_rx_datagram_size: int = 1500
    max_flows: int = 0
    """0 derives it from the descriptors there are."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a frontend rule leads to."""

    cluster_id: str
    load_balancing: LoadBalancing = LoadBalancing.ROUND_ROBIN
    load_metric: LoadMetric = LoadMetric.CONNECTIONS
    sticky_session: bool = False
    https_redirect: bool = False
    https_redirect_port: int | None = None
    answers: Mapping[str, str] = field(default_factory=no_tags, hash=False)
    max_connections_per_ip: int | None = None
    """None inherits the process's, 0 is unlimited."""
    retry_after: int | None = None
    affinity: str | None = None
    """Ours: ``source``, ``header:NAME``, ``cookie:NAME`` or ``path[N]``; keys HRW and MAGLEV."""
    front_timeout: float | None = None
    back_timeout: float | None = None
    connect_timeout: float | None = None
    request_timeout: float | None = None
    tunnel_timeout: float | None = None
    """Ours: each overrides the listener's when set."""
    backend_tls: BackendTls | None = None
    """Ours: None speaks plainly."""
    http2: bool = False
    """Speak HTTP/2 to the backends; not served yet, nor is what follows."""
    send_proxy: bool = False
    authorized_hashes: tuple[str, ...] = ()
    www_authenticate: str | None = None
    health_check: HealthCheck | None = None
    udp: UdpOptions | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One configured server of a cluster."""

    cluster_id: str
    backend_id: str
    address: BackendAddress
    weight: int = 100
    """At least 1; 0 on the wire means unset, which is 100."""
    sticky_id: str | None = None
    backup: bool = False


@dataclass(frozen=True, slots=True)
class FrontendRule:
    """Which requests of which listener lead to which cluster."""

    address: InetAddress
    hostname: str
    path: str = ""
    path_type: PathType = PathType.PREFIX
    method: str | None = None
    position: Position = Position.TREE
    cluster_id: str | None = None
    """None denies: 401."""
    tags: Mapping[str, str] = field(default_factory=no_tags, hash=False)
    redirect: Redirect = Redirect.FORWARD
    redirect_scheme: RedirectScheme = RedirectScheme.USE_SAME
    required_auth: bool = False
    """Not served yet, nor is what follows."""
    redirect_template: str | None = None
    rewrite_host: str | None = None
    rewrite_path: str | None = None
    rewrite_port: int | None = None
    headers: tuple[HeaderEdit, ...] = ()
    hsts: Hsts | None = None
    """None takes over the listener's."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that a listener serves to who asks for one of its names."""

    address: InetAddress
    certificate: CertificateAndKey


@dataclass(frozen=True, slots=True)
class WatchedCertificate:
    """A certificate whose files are watched for what comes next (``watch_certificates``)."""

    address: InetAddress
    files: CertificateFiles
    certificate: CertificateAndKey
    """What the files held when they were read."""
    is_default: bool
    """Whether it is the listener's own, and not one of its frontends'."""


@dataclass(frozen=True, slots=True)
class StreamFrontend:
    """Which cluster a TCP or UDP listener leads to; not served yet."""

    address: InetAddress
    cluster_id: str
    tags: Mapping[str, str] = field(default_factory=no_tags, hash=False)


class AccessLogFormat(Enum):
    """How a line of the access log is written."""

    ASCII = "ascii"
    PROTOBUF = "protobuf"
    JSON = "json"
    """Ours: one object a line."""


class MetricDetail(Enum):
    """Down to what counters are kept apart."""

    PROCESS = "process"
    FRONTEND = "frontend"
    CLUSTER = "cluster"
    BACKEND = "backend"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where counters are sent to; not served yet."""

    address: InetAddress | None = None
    tagged_metrics: bool = False
    prefix: str = "sozu"
    detail: MetricDetail = MetricDetail.CLUSTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for the whole process; doc/configure.md tells what each key does."""

    # The command socket.
    command_socket: str | None = None
    """None: there is none, which no file can ask for."""
    command_socket_is_default: bool = False
    """Whether the path is Sōzu's, in the current folder, because none was written."""
    command_buffer_size: int = 1_000_000
    max_command_buffer_size: int = 2_000_000
    command_allowed_uids: tuple[int, ...] | None = None
    ctl_command_timeout: int = 1000
    """Milliseconds, alone among the durations."""
    saved_state: str | None = None
    automatic_state_save: bool = False

    # Logs.
    log_level: str = "info"
    log_target: str = "stdout"
    log_colored: bool = False
    access_logs_target: str | None = None
    """None: where the log goes."""
    access_logs_format: AccessLogFormat = AccessLogFormat.ASCII
    access_logs_colored: bool = False
    audit_logs_target: str | None = None
    audit_logs_json_target: str | None = None

    # Processes.
    worker_count: int = 0
    """0: this process serves by itself. A file that says nothing asks for 2."""
    worker_automatic_restart: bool = True
    worker_timeout: float = 10.0
    worker_hang_timeout: float = 30.0
    """Ours: for so many seconds a worker may not answer before it is killed and begun anew; 0:
    for ever."""
    worker_survive_main: bool = False
    """Ours: whether workers go on serving when the main process has died."""
    handle_process_affinity: bool = False
    pid_file_path: str | None = None
    user: str | int | None = None
    """Ours, as the group: who the process is once everything is open; None: who it was before."""
    group: str | int | None = None
    activate_listeners: bool = True
    graceful_shutdown_timeout: float = 30.0
    """Ours: how long a soft stop waits for what is under way."""

    # Limits.
    max_connections: int | None = None
    """None: 10,000, or fewer where the limit on descriptors says so."""
    max_connections_per_ip: int = 0
    """For each cluster and address; 0 is unlimited."""
    retry_after: int = 60
    """Seconds told with a 429; 0 leaves the field out."""
    evict_on_queue_full: bool = False
    accept_queue_timeout: float = 60.0
    zombie_check_interval: float = 1800.0
    min_buffers: int = 1
    max_buffers: int = 1000
    buffer_size: int = 16_393
    """Here: the most bytes that the head of a request or response may have."""
    slab_entries_per_connection: int = 4
    splice_pipe_capacity_bytes: int = 65_536
    basic_auth_max_credential_bytes: int = 4096

    # Defaults for listeners, already filled into each of them.
    timeouts: Timeouts = field(default_factory=Timeouts)
    trusted_proxies: tuple[Network, ...] = ()
    """Ours."""

    # Towards backends, all ours.
    replay: bool = True
    """Whether an idempotent request that got no byte of a response is sent again."""
    dials_max: int = 3
    """How many connections one request may dial in all; a first try on an idle one is no dial."""
    backend_idle_timeout: float = 30.0
    """How long an unused connection is kept."""
    backend_idle_connections_max: int = 256
    """How many unused connections are kept for each backend."""

    # Metrics, and what watches over the process.
    disable_cluster_metrics: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    admin_address: InetAddress | None = None
    """Ours: where health and counters are told over HTTP; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """What was asked for, is valid, and is not served by this version."""

    http_listeners: tuple[HttpListener, ...] = ()
    https_listeners: tuple[HttpsListener, ...] = ()
    tcp_listeners: tuple[TcpListener, ...] = ()
    udp_listeners: tuple[UdpListener, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    http_frontends: tuple[FrontendRule, ...] = ()
    """Rules that would do harm if only the part that can be served were."""
    https_frontends: tuple[FrontendRule, ...] = ()
    tcp_frontends: tuple[StreamFrontend, ...] = ()
    udp_frontends: tuple[StreamFrontend, ...] = ()
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration: nothing in it refers to what is not in it."""

    settings: Settings = field(default_factory=Settings)
    listeners: tuple[HttpListener, ...] = ()
    https_listeners: tuple[HttpsListener, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    frontends: tuple[FrontendRule, ...] = ()
    """Of plain listeners."""
    https_frontends: tuple[FrontendRule, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    """Those of frontends, each once for an address."""
    watched: tuple[WatchedCertificate, ...] = ()
    """Those of both kinds whose listeners watch the files."""
    backends: tuple[Backend, ...] = ()
    unserved: Unserved = field(default_factory=Unserved)
