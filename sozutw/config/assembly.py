"""
Put the parts of a file together, and check them against each other.

What is not served is kept apart, so that what is left refers to nothing that is missing.
"""

from collections.abc import Iterator

from sozutw.config.certificate_keys import ReadCertificate
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
from sozutw.config.hostnames import is_name
from sozutw.config.listener_keys import Protocol, ReadListener, check_buffer_size, read_listener
from sozutw.config.model import (
    Backend,
    Certificate,
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
    WatchedCertificate,
)
from sozutw.config.positions import Path
from sozutw.config.problems import Report
from sozutw.config.security import CertificateFiles
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
        self._https_frontends: list[FrontendRule] = []
        self._certificates: dict[tuple[InetAddress, CertificateFiles], ReadCertificate] = {}
        """Those of frontends; a file that many of them name is there once."""
        self._tls_addresses: set[InetAddress] = set()
        """Where any frontend has a certificate."""
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
        address = read.address
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
        if not is_name(cluster_id):
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

    def tell_what_is_missing(self, report: Report) -> None:
        """Warn of listeners whose clients no certificate was written for."""
        for address, path in self._listener_paths.items():
            read = self._listeners[address]
            if (
                isinstance(read.listener, HttpsListener)
                and read.is_served
                and read.certificate is None
                and address not in self._tls_addresses
                and not report.is_refusal
            ):
                report.warn(
                    path,
                    "neither this listener nor a frontend of it has a certificate, "
                    "so clients see one that nobody trusts",
                )

    def config(self) -> Config:
        """Return what was read, if nothing of it was refused."""
        served = [read for read in self._listeners.values() if read.is_served]
        unserved = [read for read in self._listeners.values() if not read.is_served]
        kept = [r.listener for r in unserved]
        streams = self._stream_frontends
        return Config(
            settings=self._settings,
            listeners=tuple(r.listener for r in served if isinstance(r.listener, HttpListener)),
            https_listeners=tuple(
                r.listener for r in served if isinstance(r.listener, HttpsListener)
            ),
            clusters=tuple(self._clusters),
            frontends=tuple(self._frontends),
            https_frontends=tuple(self._https_frontends),
            certificates=tuple(
                Certificate(address, read.held)
                for (address, _files), read in self._certificates.items()
            ),
            watched=tuple(self._watched()),
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
            listener = self._listener_for(item, read)
            if check_protocol(read, item, listener.protocol, listener.listener):
                self._refuse_duplicate(item, read.rule)
                self._place(item, read, listener)

    def _place(self, table: Table, read: ReadFrontend, listener: ReadListener) -> None:
        is_https = listener.protocol is Protocol.HTTPS
        if is_https and read.is_tls:
            self._tls_addresses.add(listener.address)
        if listener.is_served:
            if read.certificate is not None:
                # Also of a rule that is left out: whoever comes for it is to read the 404.
                place = (listener.address, read.certificate.files)
                self._certificates[place] = read.certificate
            if read.is_served:
                (self._https_frontends if is_https else self._frontends).append(read.rule)
                return
        else:
            table.report.warn_skipped(
                table.path,
                f"{read.rule.hostname} at {read.rule.address} is left out with its listener",
            )
        if is_https:
            self._unserved_https_frontends.append(read.rule)
        else:
            self._unserved_http_frontends.append(read.rule)

    def _listener_for(self, table: Table, frontend: ReadFrontend) -> ReadListener:
        """Return the rule's listener; one that was not written is made, as Sōzu does."""
        address = frontend.rule.address
        read = self._listeners.get(address)
        if read is not None:
            return read
        http = HttpListener(
            address,
            timeouts=self._settings.timeouts,
            trusted_proxies=self._settings.trusted_proxies,
        )
        if frontend.is_tls:
            https = HttpsListener(http)
            check_buffer_size(table, self._settings, https)
            read = ReadListener(Protocol.HTTPS, https, is_served=True, expects_proxy=False)
        else:
            read = ReadListener(Protocol.HTTP, http, is_served=True, expects_proxy=False)
        self._listeners[address] = read
        return read

    def _watched(self) -> Iterator[WatchedCertificate]:
        for address, listener in self._listeners.items():
            own = listener.certificate
            if listener.watches and listener.is_served and own is not None:
                yield WatchedCertificate(address, own.files, own.held, is_default=True)
        for (address, files), read in self._certificates.items():
            if self._listeners[address].watches:
                yield WatchedCertificate(address, files, read.held, is_default=False)

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
