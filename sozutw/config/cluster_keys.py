"""Read ``[clusters.ID]``, without its frontends, and the backends of each."""

from enum import Enum
from typing import Final

from sozutw.config.addresses import PORT_MAX, parse_backend_address
from sozutw.config.answer_keys import read_answers
from sozutw.config.hostnames import is_affinity, is_cookie_value, is_name
from sozutw.config.model import Backend, Cluster, LoadBalancing, LoadMetric, UnixAddress
from sozutw.config.policy_keys import read_health_check, read_udp
from sozutw.config.table import Table
from sozutw.config.tls_keys import read_backend_tls

WEIGHT_MAX: Final = 255
_UNSIGNED_64_MAX: Final = 2**64 - 1
KEYED: Final = (LoadBalancing.HRW, LoadBalancing.MAGLEV)
"""Those that go by a cluster's affinity."""
MEASURED: Final = (LoadBalancing.LEAST_LOADED, LoadBalancing.POWER_OF_TWO)
"""Those that go by a cluster's load metric."""


class ClusterProtocol(Enum):
    """What a cluster is asked in."""

    HTTP = "http"
    TCP = "tcp"


def read_cluster_protocol(table: Table) -> ClusterProtocol:
    """Read what a cluster is asked in."""
    if "protocol" not in table:
        table.report.refuse(table.path, f"{table.noun} has no protocol; http or tcp is meant")
    return table.choice("protocol", ClusterProtocol.HTTP)


def read_cluster(table: Table, cluster_id: str, protocol: ClusterProtocol) -> Cluster:
    """Read a cluster itself."""
    cluster = Cluster(
        cluster_id=cluster_id,
        load_balancing=table.choice("load_balancing", LoadBalancing.ROUND_ROBIN),
        load_metric=table.choice("load_metric", LoadMetric.CONNECTIONS),
        sticky_session=table.flag("sticky_session", default=False),
        https_redirect=table.flag("https_redirect", default=False),
        https_redirect_port=table.integer("https_redirect_port", None, 1, PORT_MAX),
        answers=read_answers(table, (503,)),
        max_connections_per_ip=table.integer("max_connections_per_ip", None, 0, _UNSIGNED_64_MAX),
        retry_after=table.integer("retry_after", None),
        affinity=table.checked(
            "affinity",
            is_affinity,
            "source, header:NAME, cookie:NAME or path[N] is meant",
            None,
        ),
        front_timeout=table.seconds("front_timeout", None),
        back_timeout=table.seconds("back_timeout", None),
        connect_timeout=table.seconds("connect_timeout", None),
        request_timeout=table.seconds("request_timeout", None),
        tunnel_timeout=table.seconds("tunnel_timeout", None),
        backend_tls=read_backend_tls(table),
        http2=table.flag("http2", default=False),
        send_proxy=table.flag("send_proxy", default=False),
        authorized_hashes=table.texts("authorized_hashes"),
        www_authenticate=table.string("www_authenticate", None),
        health_check=read_health_check(table),
        udp=read_udp(table),
    )
    if protocol is ClusterProtocol.HTTP:
        _tell_what_is_unserved(table, cluster)
        _tell_what_has_no_effect(table, cluster)
    return cluster


def read_backends(table: Table, cluster: Cluster) -> list[Backend]:
    """Read the backends of a cluster, each with an identifier of its own."""
    backends: list[Backend] = []
    known: set[tuple[str, str]] = set()
    for index, item in enumerate(table.tables("backends", "a backend")):
        backend = _read_backend(item, cluster, index)
        if backend is None:
            continue
        identity = (backend.backend_id, str(backend.address))
        if identity in known:
            item.warn("backend_id", f"{identity[0]} at {identity[1]} stands twice; the last counts")
        known.add(identity)
        backends.append(backend)
    return backends


def _read_backend(table: Table, cluster: Cluster, index: int) -> Backend | None:
    if "address" not in table:
        table.report.refuse(table.path, "a backend has no address; HOST:PORT or unix:PATH is meant")
    folder = table.reading.folder
    address = table.parsed("address", lambda text: parse_backend_address(text, folder), None)
    backend_id = table.checked("backend_id", is_name, "a name is meant", None)
    weight = table.integer("weight", 0, 0, WEIGHT_MAX)
    sticky_id = table.checked("sticky_id", is_cookie_value, "the value of a cookie is meant", None)
    backup = table.flag("backup", default=False)
    table.refuse_unknown()
    if address is None:
        return None
    backend = Backend(
        cluster_id=cluster.cluster_id,
        backend_id=backend_id or f"{cluster.cluster_id}-{index}-{address}",
        address=address,
        weight=weight or 100,
        sticky_id=sticky_id,
        backup=backup,
    )
    tls = cluster.backend_tls
    if isinstance(address, UnixAddress) and tls and not (tls.server_name or tls.is_insecure):
        table.refuse(
            "address",
            f"{address} has no name that a certificate could be for; "
            "a backend_server_name is meant in its cluster",
        )
    if cluster.sticky_session and not is_cookie_value(backend.sticky_id or backend.backend_id):
        table.refuse(
            "backend_id",
            f'"{backend.backend_id}" cannot be the value of the sticky cookie; '
            "a sticky_id is meant beside it",
        )
    return backend


def _tell_what_is_unserved(table: Table, cluster: Cluster) -> None:
    if cluster.http2:
        table.refuse_unserved("http2", "HTTP/1.1 is spoken to its backends")
    table.refuse_unserved("health_check", "its backends are not probed")
    table.refuse_unserved("authorized_hashes", "what requires them answers 401")
    table.refuse_unserved("www_authenticate", "it has no effect")


def _tell_what_has_no_effect(table: Table, cluster: Cluster) -> None:
    if cluster.send_proxy:
        table.warn("send_proxy", "send_proxy has no effect on an http cluster; tcp is meant")
    if "udp" in table:
        table.warn("udp", "udp has no effect on an http cluster; tcp is meant")
    if cluster.affinity is not None and cluster.load_balancing not in KEYED:
        table.warn("affinity", "affinity has no effect; load_balancing HRW or MAGLEV is meant")
    if "load_metric" in table and cluster.load_balancing not in MEASURED:
        table.warn(
            "load_metric",
            "load_metric has no effect; load_balancing LEAST_LOADED or POWER_OF_TWO is meant",
        )
