"""
Put the parts of a file together, and check them against each other.

What is not served is kept apart, so that what is left refers to nothing that is missing.
"""

from sozutw.config.cluster_keys import (
    ClusterProtocol,
    read_backends,
    read_cluster,
    read_cluster_protocol,
)
from sozutw.config.frontend_keys import (
    ReadFrontend,
    check_protocol,
    read_frontend,
    read_stream_frontend,
)
from sozutw.config.listener_keys import Protocol, ReadListener, check_buffer_size, read_listener
from sozutw.config.model import (
    Backend,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Settings,
    StreamFrontend,
    TcpListener,
    UdpListener,
    Unserved,
)
from sozutw.config.positions import Path
from sozutw.config.state import frontend_key
from sozutw.config.table import Table


class Assembly:
    """All that was read so far of one file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listeners: dict[InetAddress, ReadListener] = {}
        self._listener_paths: dict[InetAddress, Path] = {}
        self._clusters: list[Cluster] = []
        self._frontends: list[FrontendRule] = []
        self._backends: list[Backend] = []
        self._rule_paths: dict[object, Path] = {}
        self._unserved_http_frontends: list[FrontendRule] = []
        self._unserved_https_frontends: list[FrontendRule] = []
        self._tcp_clusters: list[Cluster] = []
        self._tcp_backends: list[Backend] = []
        self._stream_frontends: list[tuple[Protocol, StreamFrontend]] = []

    def add_listener(self, table: Table) -> None:
        """Read one of ``[[listeners]]``."""
        read = read_listener(table, self._settings)
        if read is None:
            return
        address = _address_of(read)
        known = self._listener_paths.get(address)
        if known is not None:
            line = table.report.line(known)
            table.refuse(
                "address",
                f"{address} is the address of the listener in line {line}; another is meant",
            )
            return
        self._listeners[address] = read
        self._listener_paths[address] = table.path

    def add_cluster(self, table: Table, cluster_id: str) -> None:
        """Read one of ``[clusters.ID]``, which comes after all listeners."""
        if not cluster_id or not cluster_id.isprintable():
            table.report.refuse(table.path, "a cluster has no name that could be printed")
        protocol = read_cluster_protocol(table)
        cluster = read_cluster(table, cluster_id, protocol)
        if protocol is ClusterProtocol.HTTP:
            self._clusters.append(cluster)
            self._add_http_frontends(table, cluster_id)
            self._backends += read_backends(table, cluster)
        else:
            table.report.refuse_unserved(
                table.at("protocol"), f"{table.noun} with protocol tcp", "the cluster is left out"
            )
            self._tcp_clusters.append(cluster)
            self._add_stream_frontends(table, cluster_id)
            self._tcp_backends += read_backends(table, cluster)
        table.refuse_unknown()

    def config(self) -> Config:
        """Return what was read, if nothing of it was refused."""
        served = [read for read in self._listeners.values() if read.is_served]
        unserved = [read for read in self._listeners.values() if not read.is_served]
        kept = [r.listener for r in unserved]
        streams = self._stream_frontends
        return Config(
            settings=self._settings,
            listeners=tuple(r.listener for r in served if isinstance(r.listener, HttpListener)),
            clusters=tuple(self._clusters),
            frontends=tuple(self._frontends),
            backends=tuple(self._backends),
            unserved=Unserved(
                https_listeners=tuple(x for x in kept if isinstance(x, HttpsListener)),
                tcp_listeners=tuple(x for x in kept if isinstance(x, TcpListener)),
                udp_listeners=tuple(x for x in kept if isinstance(x, UdpListener)),
                http_listeners=tuple(x for x in kept if isinstance(x, HttpListener)),
                clusters=tuple(self._tcp_clusters),
                https_frontends=tuple(self._unserved_https_frontends),
                http_frontends=tuple(self._unserved_http_frontends),
                tcp_frontends=tuple(f for kind, f in streams if kind is Protocol.TCP),
                udp_frontends=tuple(f for kind, f in streams if kind is Protocol.UDP),
                backends=tuple(self._tcp_backends),
            ),
        )

    def _add_http_frontends(self, table: Table, cluster_id: str) -> None:
        for item in table.tables("frontends", "a frontend"):
            read = read_frontend(item, cluster_id)
            if read is None:
                continue
            listener = self._listener_for(item, read.rule)
            if check_protocol(read, item, listener.protocol):
                self._refuse_duplicate(item, read.rule)
                self._place(item, read, listener)

    def _place(self, table: Table, read: ReadFrontend, listener: ReadListener) -> None:
        if listener.is_served and read.is_served:
            self._frontends.append(read.rule)
            return
        if not listener.is_served:
            table.report.warn_skipped(
                table.path,
                f"{read.rule.hostname} at {read.rule.address} is left out with its listener",
            )
        if listener.protocol is Protocol.HTTPS:
            self._unserved_https_frontends.append(read.rule)
        else:
            self._unserved_http_frontends.append(read.rule)

    def _listener_for(self, table: Table, rule: FrontendRule) -> ReadListener:
        """Return the rule's listener; one that was not written is made, as Sōzu does."""
        read = self._listeners.get(rule.address)
        if read is not None:
            return read
        http = HttpListener(
            rule.address,
            timeouts=self._settings.timeouts,
            trusted_proxies=self._settings.trusted_proxies,
        )
        if rule.certificate is None:
            read = ReadListener(Protocol.HTTP, http, is_served=True, expects_proxy=False)
        else:
            https = HttpsListener(http)
            check_buffer_size(table, self._settings, https)
            read = ReadListener(Protocol.HTTPS, https, is_served=False, expects_proxy=False)
            table.refuse_unserved("certificate", "the frontend is left out")
        self._listeners[rule.address] = read
        return read

    def _refuse_duplicate(self, table: Table, rule: FrontendRule) -> None:
        key = (rule.address, frontend_key(rule))
        known = self._rule_paths.setdefault(key, table.path)
        if known != table.path:
            table.report.refuse(
                table.path,
                f"this frontend has the address, host, path and method of the one in line "
                f"{table.report.line(known)}; one of them is meant",
            )

    def _add_stream_frontends(self, table: Table, cluster_id: str) -> None:
        expecting = set()
        for item in table.tables("frontends", "a frontend of a tcp cluster"):
            frontend = read_stream_frontend(item, cluster_id)
            if frontend is None:
                continue
            listener = self._listeners.get(frontend.address)
            if listener is None:
                tcp = TcpListener(frontend.address, timeouts=self._settings.timeouts)
                listener = ReadListener(Protocol.TCP, tcp, is_served=False, expects_proxy=False)
                self._listeners[frontend.address] = listener
            if listener.protocol in (Protocol.HTTP, Protocol.HTTPS):
                item.refuse(
                    "address",
                    f"{frontend.address} is a listener with protocol {listener.protocol.value}; "
                    "tcp or udp is meant",
                )
                continue
            expecting.add(listener.expects_proxy)
            self._stream_frontends.append((listener.protocol, frontend))
        if len(expecting) > 1:
            table.refuse(
                "frontends",
                f"the listeners of {table.noun} differ in expect_proxy; one for all is meant",
            )


def _address_of(read: ReadListener) -> InetAddress:
    listener = read.listener
    return listener.http.address if isinstance(listener, HttpsListener) else listener.address
