"""The verbs about counters: to read them, begin anew, and tell them apart more or less finely."""

from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from sozutw.config.model import MetricDetail
from sozutw.config.state import RefusedRequestError
from sozutw.control.desk import Actor
from sozutw.control.events import MAIN, Events
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metrics_answer import MetricsAnswer
from sozutw.control.replies import failure, ok
from sozutw.control.slowly import Slowly
from sozutw.metrics import render
from sozutw.metrics.detail import (
    LEASE_SECONDS,
    Detail,
    DetailLeases,
    Peer,
    RefusedLeaseError,
    Transition,
)

CONFIGURED: Final = "Successfully applied request to all workers"
DETAIL_SET: Final = "Successfully applied SetMetricDetail to all workers"


class MetricVerbs:
    """
    Answers QueryMetrics, ConfigureMetrics and SetMetricDetail.

    ``gather`` asks every worker for its numbers, and brings together those of each that answers
    by its id; ``clear_all`` makes every worker begin anew at zero; ``worker_ids`` returns the ids
    of all that there are, and ``configured`` the gauges of what is configured by their names. What
    fails with RefusedRequestError is answered with its text. It publishes METRICS_CONFIGURED and
    METRIC_DETAIL_CHANGED itself.
    """

    def __init__(
        self,
        gather: "Callable[[], Deferred[dict[str, render.Reports]]]",
        clear_all: "Callable[[], Deferred[None]]",
        worker_ids: Callable[[], list[str]],
        configured: Callable[[], Mapping[str, int]],
        events: Events,
        clock: IReactorTime,
        detail: MetricDetail = MetricDetail.CLUSTER,
        *,
        tells_clusters: bool = True,
    ) -> None:
        self._gather = gather
        self._clear_all = clear_all
        self._worker_ids = worker_ids
        self._configured = configured
        self._events = events
        self._clock = clock
        self._slowly = Slowly(clock)
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

    def query(self, options: pb.QueryMetricsOptions) -> "Deferred[pb.Response]":
        """Tell the numbers, or which there are: of all workers together, or of each."""
        expected = self._worker_ids()

        def tell(told: dict[str, render.Reports]) -> "Deferred[pb.Response]":
            silent = [worker_id for worker_id in expected if worker_id not in told]
            answer = MetricsAnswer(options, self.detail, tells_clusters=self._tells_clusters)
            return self._slowly.run(answer.of_workers(told, silent, self._configured()))

        return self._gather().addCallback(tell).addErrback(_refused)

    # ConfigureMetrics

    def configure(self, wish: pb.MetricsConfiguration) -> "Deferred[pb.Response]":
        """Tell clusters and backends or not, or set counters and timers back to zero."""
        if wish == pb.CLEAR:
            done = self._clear_all()
        else:
            self._tells_clusters = wish == pb.ENABLED
            done = succeed(None)
        return done.addCallback(self._now_configured).addErrback(_refused)

    def _now_configured(self, _result: None) -> pb.Response:
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
        # Details are kept here for all of them.
        workers = dict.fromkeys(self._worker_ids(), worker)
        return pb.MetricDetailStatus(**held, workers=workers)

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


def _refused(fault: Failure) -> pb.Response:
    """Tell why it cannot be; anything else is a fault of ours."""
    fault.trap(RefusedRequestError)
    return failure(str(fault.value))


def _detail(detail: Detail) -> str:
    return pb.MetricDetail.Name(detail)
