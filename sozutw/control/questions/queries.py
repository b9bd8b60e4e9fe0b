"""
Questions about the whole: workers, listeners, frontends, health checks, limits, what was asked.

Each function returns the OK of its verb, with what it tells. Nothing is changed by asking.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from sozutw.config.model import FrontendRule, HttpsListener, ListenerKind
from sozutw.config.requests import Request, UpdateListener
from sozutw.config.state import ConfigView
from sozutw.control.messages.translate import (
    frontend_message,
    health_check_message,
    listener_message,
)
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import ok
from sozutw.control.slowly import SLICE, Steps
from sozutw.sessions.tally import Tally

PROCESSING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "status": "Querying status of workers...",
        "query_cluster_by_id": "Querying cluster...",
        "query_clusters_by_domain": "Querying cluster...",
        "query_clusters_hashes": "Querying cluster...",
        "query_certificates_from_workers": "Querying cluster...",
        "query_metrics": "Querying metrics...",
        "set_metric_detail": "Processing SetMetricDetail...",
        "configure_metrics": "Processing worker request...",
        "query_max_connections_per_ip": "Processing worker request...",
    }
)
"""What is told before the answer, by the field of the request; other questions have none."""


def workers(infos: list[pb.WorkerInfo]) -> pb.Response:
    """Answer ListWorkers."""
    return ok("Successfully listed workers", workers=pb.WorkerInfos(vec=infos))


def status(infos: list[pb.WorkerInfo]) -> pb.Response:
    """Answer Status, and tell whom a stop that is under way waits for."""
    text = "Successfully collected the status of workers"
    drains = [info.drain for info in infos if info.HasField("drain")]
    if drains:
        tally = Tally(
            idle=sum(drain.idle for drain in drains),
            exchange=sum(drain.exchange for drain in drains),
            tunnel=sum(drain.tunnel for drain in drains),
            closing=sum(drain.closing for drain in drains),
            oldest_seconds=max(drain.oldest_seconds for drain in drains),
        )
        # One without a deadline has none for all.
        left = [drain.seconds_left for drain in drains if drain.HasField("seconds_left")]
        text += f": stopping, {tally.awaited(max(left) if len(left) == len(drains) else None)}"
    return ok(text, workers=pb.WorkerInfos(vec=infos))


def listeners(state: ConfigView) -> pb.Response:
    """Answer ListListeners: each by its address, active or not."""
    told = pb.ListenersList()
    for listener in state.listeners:
        address = listener.address
        message: Any = listener_message(listener, active=state.is_active(address))
        is_https = isinstance(listener, HttpsListener)
        if is_https:
            message.ClearField("key")  # Whoever looks has no need of it.
        listed: Any = told.https_listeners if is_https else told.http_listeners
        listed[str(address)].CopyFrom(message)
    return ok("Successfully listed listeners", listeners_list=told)


def frontends(state: ConfigView, filters: pb.FrontendFilters) -> Steps[pb.Response]:
    """
    Answer ListFrontends: of the kinds that are asked for, or of all if none is.

    ``domain`` is a part of the host name.
    """
    response = pb.Response(status=pb.OK, message="Successfully listed frontends")
    # Filled in place: to copy so many messages takes long by itself.
    told = response.content.frontend_list
    told.SetInParent()
    is_for_all = not (filters.http or filters.https or filters.tcp)
    domain = filters.domain.lower()
    for address in state.addresses_of_frontends():
        is_https = state.kind_at(address) is ListenerKind.HTTPS
        if not (is_for_all or (filters.https if is_https else filters.http)):
            continue
        listed = told.https_frontends if is_https else told.http_frontends
        for number, rule in enumerate(state.frontends(address), 1):
            if domain in rule.hostname.lower():
                listed.append(frontend_message(rule))
            if number % SLICE == 0:
                yield
    return response


def health_checks(state: ConfigView, cluster_id: str | None) -> pb.Response:
    """Answer QueryHealthChecks, about one cluster or about all that are probed."""
    message = "Successfully listed health check configurations"
    clusters = state.clusters
    if cluster_id is not None:
        cluster = state.cluster(cluster_id)
        clusters = () if cluster is None else (cluster,)
        if cluster is None:
            message += f"; there is no cluster {cluster_id!r}"
    checks = {
        cluster.cluster_id: health_check_message(cluster.health_check)
        for cluster in clusters
        if cluster.health_check is not None
    }
    return ok(message, health_checks_list=pb.HealthChecksList(map=checks))


def connection_limit(limit: int) -> pb.Response:
    """Answer QueryMaxConnectionsPerIp; Sōzu's own client shows the message alone."""
    what = f"at most {limit} connections" if limit else "any number of connections"
    return ok(
        f"Successfully applied request to all workers: {what} for each cluster and address",
        max_connections_per_ip_limit=pb.MaxConnectionsPerIpLimit(limit=limit),
    )


def configured_counts(state: ConfigView) -> dict[str, int]:
    """Return how much is configured, by the names of Sōzu's gauges."""
    rules = (state.frontends(address) for address in state.addresses_of_frontends())
    return {
        "configuration.clusters": len(state.clusters),
        "configuration.backends": sum(
            len(state.backends(name)) for name in state.clusters_of_backends()
        ),
        "configuration.frontends": sum(map(len, rules)),
    }


def is_secure(state: ConfigView, rule: FrontendRule) -> bool:
    """Return whether a rule is for requests that come over TLS."""
    return state.kind_at(rule.address) is ListenerKind.HTTPS


class RequestCounts:
    """How often the configuration was asked for something, by what it was."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, *requests: Request) -> None:
        """Count what was asked, granted or not."""
        self._counts.update(map(_kind, requests))

    def answer(self) -> pb.Response:
        """Answer CountRequests."""
        return ok(
            "Successfully counted requests received by the state",
            request_counts=pb.RequestCounts(map=self._counts),
        )


def _kind(request: Request) -> str:
    if isinstance(request, UpdateListener):
        return f"Update{request.kind.value.capitalize()}Listener"
    return type(request).__name__
