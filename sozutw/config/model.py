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

NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InetAddress:
    """An IP address or (for backends only) a host name, and a port."""

    host: str
    """``127.0.0.1``, ``::1`` without brackets, or a name."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A stream socket in the file system."""

    path: str

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
    answers: Mapping[str, str] = NO_TAGS
    """Status (``"404"``) to the text of a template; see relay.answers."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Ours: networks whose own X-Forwarded-* and Forwarded are believed."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a frontend rule leads to."""

    cluster_id: str
    load_balancing: LoadBalancing = LoadBalancing.ROUND_ROBIN
    load_metric: LoadMetric = LoadMetric.CONNECTIONS
    sticky_session: bool = False
    https_redirect: bool = False
    https_redirect_port: int | None = None
    answers: Mapping[str, str] = NO_TAGS
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
    tags: Mapping[str, str] = NO_TAGS
    redirect: Redirect = Redirect.FORWARD
    redirect_scheme: RedirectScheme = RedirectScheme.USE_SAME
