"""The answer to QueryMetrics, made of what the workers tell, a few clusters at a time."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metric_messages import listed, metric_messages
from sozutw.control.slowly import Steps
from sozutw.metrics import render
from sozutw.metrics.detail import Detail
from sozutw.metrics.merge import merged

AGGREGATED: Final = "Successfully aggregated all metrics"
LISTED: Final = "Successfully listed available metrics"
_CLUSTERS_A_STEP: Final = 32


class MetricsAnswer:
    """What was asked for, and down to what it may be told."""

    def __init__(
        self, options: pb.QueryMetricsOptions, detail: Detail, *, tells_clusters: bool
    ) -> None:
        self._options = options
        self._detail = detail
        self._tells_clusters = tells_clusters

    def of_workers(
        self,
        told: Mapping[str, render.Reports],
        silent: Collection[str],
        configured: Mapping[str, int],
    ) -> Steps[pb.Response]:
        """
        Answer with what each of these workers tells, by its id.

        Those in ``silent`` told nothing, which is said; ``configured`` are gauges by their names.
        """
        options = self._options
        every = [*told.values()]
        if options.list or not options.workers:
            every = [(yield from merged(every))]
        if options.list:
            response = yield from self._list(every[0])
        else:
            response = pb.Response(status=pb.OK, message=AGGREGATED)
            # Filled in place: to copy tens of thousands of clusters takes long by itself.
            metrics = response.content.metrics
            metrics.SetInParent()
            _put(metrics.main, {name: _gauge(n) for name, n in configured.items()})
            if options.workers:
                for worker_id, reports in told.items():
                    worker = metrics.workers[worker_id]
                    yield from self._fill(worker.proxy, worker.clusters, reports)
            else:
                yield from self._fill(metrics.proxying, metrics.clusters, every[0])
        notes = [f"worker {worker_id} did not tell its own" for worker_id in silent]
        if not options.list:
            notes += self._left_out(every)
        response.message = "; ".join([response.message, *notes])
        return response

    def _fill(self, proxy: Any, clusters: Any, reports: render.Reports) -> Steps[None]:
        options = self._options
        if not options.cluster_ids and not options.backend_ids:
            wanted = frozenset(options.metric_names)
            _put(proxy, metric_messages(render.proxy_report(*reports), wanted))
        for number, cluster_id in enumerate(self._asked_for(reports), 1):
            cluster = self._cluster(reports.clusters[cluster_id])
            if cluster.cluster or cluster.backends:
                clusters[cluster_id].CopyFrom(cluster)
            if number % _CLUSTERS_A_STEP == 0:
                yield

    def _list(self, reports: render.Reports) -> Steps[pb.Response]:
        proxy = listed(render.proxy_report(*reports))
        clusters: set[str] = set()
        every = reports.clusters.values() if self._detail >= Detail.CLUSTER else ()
        for number, report in enumerate(every, 1):
            if number % _CLUSTERS_A_STEP == 0:
                yield
            told = render.cluster_report(report)
            clusters |= listed(told["cluster"])
            if self._detail is Detail.BACKEND:
                clusters = clusters.union(*(listed(one["metrics"]) for one in told["backends"]))
        available = pb.AvailableMetrics(
            proxy_metrics=sorted(proxy), cluster_metrics=sorted(clusters)
        )
        content = pb.ResponseContent(available_metrics=available)
        return pb.Response(status=pb.OK, message=LISTED, content=content)

    def _asked_for(self, reports: render.Reports) -> list[str]:
        options = self._options
        if options.no_clusters or self._detail < Detail.CLUSTER:
            return []
        if options.cluster_ids:
            return [known for known in options.cluster_ids if known in reports.clusters]
        return list(reports.clusters)

    def _cluster(self, report: render.ClusterReport) -> pb.ClusterMetrics:
        options = self._options
        wanted = frozenset(options.metric_names)
        told: dict[str, Any] = render.cluster_report(report)
        own = {}
        if options.cluster_ids or not options.backend_ids:
            own = metric_messages(told["cluster"], wanted, spares_zeros=True)
        message = pb.ClusterMetrics(cluster=own)
        if self._detail < Detail.BACKEND:
            return message
        for backend in told["backends"]:
            if options.backend_ids and backend["backend_id"] not in options.backend_ids:
                continue
            metrics = metric_messages(backend["metrics"], wanted, spares_zeros=True)
            if metrics:
                message.backends.add(backend_id=backend["backend_id"], metrics=metrics)
        return message

    def _left_out(self, every: Collection[render.Reports]) -> list[str]:
        """Say why what was asked for by name is not there."""
        options = self._options
        asks = options.cluster_ids or options.backend_ids
        if not asks or options.no_clusters:
            return []
        if not self._tells_clusters:
            return ["clusters and backends are left out until metrics are enabled"]
        if self._detail < (Detail.BACKEND if options.backend_ids else Detail.CLUSTER):
            told = self._detail.name.lower()
            return [f"the detail is {told}; detail in [metrics] of the configuration raises it"]
        known = _backend_ids(every)
        return [
            *(
                f"there is no cluster {name!r}"
                for name in options.cluster_ids
                if not any(name in reports.clusters for reports in every)
            ),
            *(f"there is no backend {name!r}" for name in options.backend_ids if name not in known),
        ]


def _backend_ids(every: Collection[render.Reports]) -> set[str]:
    clusters = (cluster for reports in every for cluster in reports.clusters.values())
    return {backend_id for cluster in clusters for backend_id, _ in cluster.backends}


def _gauge(number: int) -> pb.FilteredMetrics:
    return pb.FilteredMetrics(gauge=number)


def _put(field: Any, messages: Mapping[str, pb.FilteredMetrics]) -> None:
    for name, message in messages.items():
        field[name].CopyFrom(message)
