"""The verbs about counters: to read them, begin anew, and tell them apart more or less finely."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sozutw.config.model import MetricDetail
from sozutw.control.desk import Actor
from sozutw.control.events import MAIN, WORKER, Events
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metric_messages import listed, metric_messages
from sozutw.control.replies import failure, ok
from sozutw.control.slowly import Steps
from sozutw.metrics import render
from sozutw.metrics.clearing import clear
from sozutw.metrics.detail import (
    LEASE_SECONDS,
    Detail,
    DetailLeases,
    Peer,
    RefusedLeaseError,
    Transition,
)

AGGREGATED: Final = "Successfully aggregated all metrics"
LISTED: Final = "Successfully listed available metrics"
CONFIGURED: Final = "Successfully applied request to all workers"
_CLUSTERS_A_STEP: Final = 32
DETAIL_SET: Final = "Successfully applied SetMetricDetail to all workers"


class MetricVerbs:
    """
    Answers QueryMetrics, ConfigureMetrics and SetMetricDetail.

    ``gather`` brings all numbers together, ``configured`` returns the gauges of what is
    configured by their names, and ``begin_anew`` clears what is counted outside of them. It
    publishes METRICS_CONFIGURED and METRIC_DETAIL_CHANGED itself.
    """

    def __init__(
        self,
        gather: Callable[[], Steps[render.Reports]],
        configured: Callable[[], Mapping[str, int]],
        begin_anew: Callable[[], None],
        events: Events,
        clock: IReactorTime,
        detail: MetricDetail = MetricDetail.CLUSTER,
        *,
        tells_clusters: bool = True,
    ) -> None:
        self._gather = gather
        self._configured = configured
        self._begin_anew = begin_anew
        self._events = events
        self._clock = clock
        self._leases = DetailLeases(Detail[detail.name])
        self._tells_clusters = tells_clusters
        """Whether clusters and backends are told at all (``disable_cluster_metrics``)."""
        self._next_end: IDelayedCall | None = None

    @property
    def detail(self) -> Detail:
        """Down to what counters are told now."""
        if not self._tells_clusters:
            return min(self._leases.effective, Detail.FRONTEND)
        return self._leases.effective

    def stop(self) -> None:
        """Wait for the end of no lease any more."""
        if self._next_end is not None and self._next_end.active():
            self._next_end.cancel()
        self._next_end = None

    # QueryMetrics

    def query(self, options: pb.QueryMetricsOptions) -> Steps[pb.Response]:
        """Tell the numbers, or which there are."""
        reports = yield from self._gather()
        if options.list:
            return (yield from self._list(reports))
        message = "; ".join([AGGREGATED, *self._left_out(options, reports)])
        response = pb.Response(status=pb.OK, message=message)
        # Filled in place: to copy tens of thousands of clusters takes long by itself.
        metrics = response.content.metrics
        metrics.SetInParent()
        _put(metrics.main, {name: _gauge(n) for name, n in self._configured().items()})
        told: Any = metrics.workers[WORKER] if options.workers else metrics
        if not options.cluster_ids and not options.backend_ids:
            proxy = metric_messages(render.proxy_report(*reports), frozenset(options.metric_names))
            _put(told.proxy if options.workers else told.proxying, proxy)
        for number, cluster_id in enumerate(self._asked_for(options, reports), 1):
            cluster = self._cluster(reports.clusters[cluster_id], options)
            if cluster.cluster or cluster.backends:
                told.clusters[cluster_id].CopyFrom(cluster)
            if number % _CLUSTERS_A_STEP == 0:
                yield
        return response

    def _list(self, reports: render.Reports) -> Steps[pb.Response]:
        proxy = listed(render.proxy_report(*reports))
        clusters: set[str] = set()
        every = reports.clusters.values() if self.detail >= Detail.CLUSTER else ()
        for number, report in enumerate(every, 1):
            if number % _CLUSTERS_A_STEP == 0:
                yield
            told = render.cluster_report(report)
            clusters |= listed(told["cluster"])
            if self.detail is Detail.BACKEND:
                clusters = clusters.union(*(listed(one["metrics"]) for one in told["backends"]))
        available = pb.AvailableMetrics(
            proxy_metrics=sorted(proxy), cluster_metrics=sorted(clusters)
        )
        content = pb.ResponseContent(available_metrics=available)
        return pb.Response(status=pb.OK, message=LISTED, content=content)

    def _asked_for(self, options: pb.QueryMetricsOptions, reports: render.Reports) -> list[str]:
        if options.no_clusters or self.detail < Detail.CLUSTER:
            return []
        if options.cluster_ids:
            return [known for known in options.cluster_ids if known in reports.clusters]
        return list(reports.clusters)

    def _cluster(
        self, report: render.ClusterReport, options: pb.QueryMetricsOptions
    ) -> pb.ClusterMetrics:
        wanted = frozenset(options.metric_names)
        told: dict[str, Any] = render.cluster_report(report)
        own = {}
        if options.cluster_ids or not options.backend_ids:
            own = metric_messages(told["cluster"], wanted, spares_zeros=True)
        message = pb.ClusterMetrics(cluster=own)
        if self.detail < Detail.BACKEND:
            return message
        for backend in told["backends"]:
            if options.backend_ids and backend["backend_id"] not in options.backend_ids:
                continue
            metrics = metric_messages(backend["metrics"], wanted, spares_zeros=True)
            if metrics:
                message.backends.add(backend_id=backend["backend_id"], metrics=metrics)
        return message

    def _left_out(self, options: pb.QueryMetricsOptions, reports: render.Reports) -> list[str]:
        """Say why what was asked for by name is not there."""
        asks = options.cluster_ids or options.backend_ids
        if not asks or options.no_clusters:
            return []
        if not self._tells_clusters:
            return ["clusters and backends are left out until metrics are enabled"]
        if self.detail < (Detail.BACKEND if options.backend_ids else Detail.CLUSTER):
            told = self.detail.name.lower()
            return [f"the detail is {told}; detail in [metrics] of the configuration raises it"]
        known = {
            backend_id for told in reports.clusters.values() for backend_id, _ in told.backends
        }
        return [
            *(
                f"there is no cluster {name!r}"
                for name in options.cluster_ids
                if name not in reports.clusters
            ),
            *(f"there is no backend {name!r}" for name in options.backend_ids if name not in known),
        ]

    # ConfigureMetrics

    def configure(self, wish: pb.MetricsConfiguration) -> Steps[pb.Response]:
        """Tell clusters and backends or not, or set counters and timers back to zero."""
        if wish == pb.CLEAR:
            reports = yield from self._gather()
            clear(reports.worker, reports.listeners.values(), reports.clusters.values())
            self._begin_anew()
        else:
            self._tells_clusters = wish == pb.ENABLED
        self._events.publish(pb.METRICS_CONFIGURED, origin=MAIN)
        return ok(CONFIGURED)

    # SetMetricDetail

    def set_detail(self, wish: pb.SetMetricDetail, actor: Actor) -> pb.Response:
        """Take, renew or clear a lease; whose it is the kernel has told."""
        try:
            transition = self._lease(wish, Peer(actor.uid, actor.pid))
        except RefusedLeaseError as error:
            return failure(f"SetMetricDetail: {error}")
        self._changed(transition)
        return pb.Response(
            status=pb.OK,
            message=DETAIL_SET,
            content=pb.ResponseContent(metric_detail_status=self._status()),
        )

    def _lease(self, wish: pb.SetMetricDetail, peer: Peer) -> Transition | None:
        now = self._clock.seconds()
        if wish.clear:
            return self._leases.clear(wish.client_id, peer, now)
        if not wish.HasField("detail"):
            raise RefusedLeaseError("a detail is missing; name one, or clear the lease")
        seconds = wish.ttl_seconds if wish.HasField("ttl_seconds") else LEASE_SECONDS
        return self._leases.set(wish.client_id, peer, Detail(wish.detail), seconds, now)

    def _status(self) -> pb.MetricDetailStatus:
        leases = self._leases
        held = {
            "configured": _detail(leases.configured),
            "effective": _detail(leases.effective),
            "previous_effective": _detail(leases.previous),
        }
        worker = pb.WorkerMetricDetailStatus(**held, active_lease_count=len(leases))
        return pb.MetricDetailStatus(**held, workers={WORKER: worker})

    def _ended(self) -> None:
        self._next_end = None
        self._changed(self._leases.expire(self._clock.seconds()))

    def _changed(self, transition: Transition | None) -> None:
        """Tell of a transition, and wait for the end of the next lease."""
        if transition is not None:
            told = pb.MetricDetailTransition(
                previous_effective=_detail(transition.previous),
                effective=_detail(transition.effective),
                transition_kind=transition.kind,
                client_id=transition.client_id,
            )
            self._events.publish(pb.METRIC_DETAIL_CHANGED, metric_detail=told)
        self.stop()
        end = self._leases.next_end()
        if end is not None:
            seconds = max(0.0, end - self._clock.seconds())
            self._next_end = self._clock.callLater(seconds, self._ended)


def _detail(detail: Detail) -> str:
    return pb.MetricDetail.Name(detail)


def _gauge(number: int) -> pb.FilteredMetrics:
    return pb.FilteredMetrics(gauge=number)


def _put(field: Any, messages: Mapping[str, pb.FilteredMetrics]) -> None:
    for name, message in messages.items():
        field[name].CopyFrom(message)
