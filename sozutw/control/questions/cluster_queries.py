"""Questions about clusters: by their id, by a host that leads to them, and whether all agree."""

from collections.abc import Iterable, Iterator
from typing import Final

from sozutw.config.hostnames import ascii_name
from sozutw.config.state import ConfigState, ConfigView
from sozutw.control.messages.translate import backend_message, cluster_message, frontend_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.queries import is_secure
from sozutw.control.replies import ok
from sozutw.control.slowly import SLICE, Steps
from sozutw.relay.route import ListenerState, Route
from sozutw.routing.router import Router

QUERIED: Final = "Successfully queried clusters"
_NO_METHOD: Final = b"-"
"""A method that no rule names."""


def cluster_by_id(state: ConfigView, cluster_id: str) -> pb.Response:
    """Answer QueryClusterById: nothing, and a message that says so, for one that is not known."""
    found = _known(state, [cluster_id])
    if found:
        return ok(QUERIED, clusters=pb.ClusterInformations(vec=found))
    text = f"{QUERIED}; there is no cluster {cluster_id!r}, nor a frontend or backend of it"
    return ok(text, clusters=pb.ClusterInformations())


def clusters_by_domain(
    state: ConfigView, listeners: Iterable[ListenerState], query: pb.QueryClusterByDomain
) -> pb.Response:
    """
    Answer QueryClustersByDomain: those to which requests for this host may be led.

    With a path, those to which requests for that path are led, by whichever method.
    """
    host = _host_of(query.hostname)
    path = query.path.encode() if query.HasField("path") else None
    found: dict[str, None] = {}
    for listener in listeners if host else ():
        for route in _routes(listener.router, host, path):
            if route.rule.cluster_id is not None:
                found[route.rule.cluster_id] = None
    told = pb.ClusterInformations(vec=_known(state, found))
    if found:
        return ok(QUERIED, clusters=told)
    where = query.hostname + query.path
    return ok(f"{QUERIED}; no frontend leads {where!r} to a cluster", clusters=told)


def cluster_hashes(state: ConfigState) -> Steps[pb.Response]:
    """Answer QueryClustersHashes: where two processes differ, so do their hashes."""
    for number, cluster in enumerate(state.clusters, 1):
        state.hash_of(cluster.cluster_id)  # The state keeps it.
        if number % SLICE == 0:
            yield
    # In one step, so that all of them are of one moment.
    hashes = {cluster.cluster_id: state.hash_of(cluster.cluster_id) for cluster in state.clusters}
    return ok(QUERIED, cluster_hashes=pb.ClusterHashes(map=hashes))


def _known(state: ConfigView, cluster_ids: Iterable[str]) -> list[pb.ClusterInformation]:
    told = (_information(state, cluster_id) for cluster_id in cluster_ids)
    return [one for one in told if one.ByteSize()]


def _information(state: ConfigView, cluster_id: str) -> pb.ClusterInformation:
    told = pb.ClusterInformation(backends=map(backend_message, state.backends(cluster_id)))
    cluster = state.cluster(cluster_id)
    if cluster is not None:
        told.configuration.CopyFrom(cluster_message(cluster))
        tls = told.configuration.extras.backend_tls
        if tls.HasField("certificate"):
            tls.certificate.key = ""  # Whoever looks has no need of it.
    for rule in state.frontends_of(cluster_id) if cluster_id else ():
        listed = told.https_frontends if is_secure(state, rule) else told.http_frontends
        listed.append(frontend_message(rule))
    return told


def _host_of(hostname: str) -> bytes:
    """Return a host as a router takes it; empty if it can be none."""
    if hostname.startswith("["):
        return hostname.lower().encode()
    # A rule's own pattern may be asked for: any one label does for its wildcard.
    wildcard, rest = ("*.", hostname[2:]) if hostname.startswith("*.") else ("", hostname)
    try:
        return (wildcard + ascii_name(rest)).encode()
    except ValueError:
        return b""


def _routes(router: Router[Route], host: bytes, path: bytes | None) -> Iterator[Route]:
    entries = list(router.entries_for(host))
    if path is None:
        yield from (entry.value for entry in entries)
        return
    for method in dict.fromkeys(entry.method or _NO_METHOD for entry in entries):
        route = router.find(host, path, method)
        if route is not None:
            yield route
