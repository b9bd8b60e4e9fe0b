"""The verbs about counters, over the live numbers of a worker in memory."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from sozutw.config.model import Cluster, MetricDetail
from sozutw.config.state import RefusedRequestError
from sozutw.control.desk import Actor
from sozutw.control.events import Events
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.metrics_verbs import MetricVerbs
from sozutw.metrics.counters import BackendCounters, ClusterCounters, WorkerCounters
from sozutw.metrics.detail import Detail
from sozutw.metrics.render import BackendReport, ClusterReport, Reports
from sozutw.process.counts import Counts
from sozutw.process.totals import OnlyWorker
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeClient, FakeWorld, ok

ME = Actor(1000, 1000, 77, "sozutw", 1)
ME_AGAIN = ME._replace(client_id=2)
OTHER = Actor(1000, 1000, 78, "top", 3)


class Scene:
    """A worker, its counters, and a client that listens to events."""

    def __init__(self, *backends: str, **options: Any) -> None:
        self.world = FakeWorld(*(backends or ("A", "B")))
        self.events = Events()
        world = self.world
        nobody_listens: Any = SimpleNamespace(acceptors={})
        self.counts = Counts(
            world.worker, nobody_listens, world.applier, world.certificates, world.clock
        )
        self.alone = OnlyWorker(self.counts, world.clock)
        self.gather = self.alone.gather
        self.clear_all = self.alone.clear_all
        self.worker_ids = ["0"]
        self.verbs = MetricVerbs(
            lambda: self.gather(),  # noqa: PLW0108  # a test sets another
            lambda: self.clear_all(),  # noqa: PLW0108
            lambda: self.worker_ids,
            lambda: {"configuration.clusters": 1},
            self.events,
            self.world.clock,
            **options,
        )
        self.told: list[pb.Response] = []
        subscription = self.events.subscribe(self.told.append, OTHER)
        subscription.addErrback(lambda failure: failure.trap(CancelledError))
        self.told.clear()

    def configure(self, wish: pb.MetricsConfiguration) -> pb.Response:
        return self.answer(self.verbs.configure(wish))

    def answer(self, asked: "Deferred[pb.Response]") -> pb.Response:
        """Let small steps be done until there is an answer."""
        answers: list[Any] = []
        asked.addBoth(answers.append)
        while not answers:
            self.world.clock.advance(0)
        (response,) = answers
        assert isinstance(response, pb.Response), response
        return response

    def exchange(self) -> tuple[FakeClient, FakeTransport]:
        """One request, answered; returns both ends, which stay."""
        client = self.world.client()
        client.get()
        backend = self.world.connect()
        backend.receive(ok(b"x"))
        assert client.answer() == (200, b"x")
        return client, backend

    def query(self, **options: Any) -> pb.AggregatedMetrics:
        response = self.ask(**options)
        assert response.content.WhichOneof("content_type") == "metrics"
        return response.content.metrics

    def ask(self, **options: Any) -> pb.Response:
        defaults = {"list": False, "no_clusters": False, "workers": False}
        response = self.answer(self.verbs.query(pb.QueryMetricsOptions(**{**defaults, **options})))
        assert response.status == pb.OK
        assert response.SerializeToString()
        return response

    def set(self, actor: Actor = ME, **wish: Any) -> pb.Response:
        response = self.verbs.set_detail(pb.SetMetricDetail(**{"client_id": "top", **wish}), actor)
        assert response.SerializeToString()
        return response

    def take_events(self) -> list[pb.Event]:
        told, self.told[:] = list(self.told), []
        return [response.content.event for response in told]


def raised(scene: Scene, **wish: Any) -> None:
    assert scene.set(detail=pb.DETAIL_BACKEND, **wish).status == pb.OK


def test_numbers_are_told_of_the_worker_its_clusters_and_what_is_configured() -> None:
    scene = Scene()
    scene.exchange()
    told = scene.query()
    assert told.main["configuration.clusters"].gauge == 1
    assert told.proxying["http.requests"].count == 1
    assert told.proxying["client.connections"].gauge == 1
    assert told.proxying["request_time"].percentiles.samples == 1
    assert told.proxying["request_time_histogram"].histogram.count == 1
    app = told.clusters["app"]
    assert app.cluster["requests"].count == 1
    assert app.cluster["http.status.2xx"].count == 1
    assert app.cluster["cluster.total_backends"].gauge == 2
    assert "backends.fail_open" not in app.cluster
    assert not app.backends
    assert not told.workers
    assert scene.ask().message == "Successfully aggregated all metrics"


def test_each_worker_is_told_when_that_is_asked_for() -> None:
    told = Scene().query(workers=True)
    assert not told.proxying
    assert not told.clusters
    (worker_id,) = told.workers
    worker = told.workers[worker_id]
    assert worker_id == "0"
    assert "http.requests" in worker.proxy
    assert worker.clusters["app"].cluster["cluster.available_backends"].gauge == 2


def test_clusters_may_be_left_out() -> None:
    told = Scene().query(no_clusters=True)
    assert not told.clusters
    assert told.proxying


def test_one_cluster_may_be_asked_for() -> None:
    scene = Scene()
    scene.world.add_cluster(Cluster("other"), "other.example")
    assert set(scene.query().clusters) == {"app", "other"}
    told = scene.query(cluster_ids=["other"])
    assert set(told.clusters) == {"other"}
    assert not told.proxying
    missing = scene.ask(cluster_ids=["nope", "other"])
    assert set(missing.content.metrics.clusters) == {"other"}
    assert missing.message.endswith("; there is no cluster 'nope'")


def test_names_may_be_asked_for_and_are_told_though_nothing_happened() -> None:
    told = Scene().query(metric_names=["requests", "client.connections"])
    assert set(told.proxying) == {"client.connections"}
    assert dict(told.clusters["app"].cluster) == {"requests": pb.FilteredMetrics(count=0)}
    assert not Scene().query(metric_names=["nonsense"]).clusters


def test_backends_are_told_when_the_detail_is_raised() -> None:
    scene = Scene()
    scene.exchange()
    refused = scene.ask(backend_ids=["A"])
    assert refused.message.endswith(
        "; the detail is cluster; detail in [metrics] of the configuration raises it"
    )
    assert not refused.content.metrics.clusters
    raised(scene)
    a, b = scene.query().clusters["app"].backends
    assert (a.backend_id, b.backend_id) == ("A", "B")
    assert a.metrics["requests"].count == 1
    assert b.metrics["backend.available"].gauge == 1
    told = scene.query(backend_ids=["B"])
    assert [one.backend_id for one in told.clusters["app"].backends] == ["B"]
    assert not told.clusters["app"].cluster
    assert not told.proxying
    both = scene.query(cluster_ids=["app"], backend_ids=["B"]).clusters["app"]
    assert both.cluster
    assert [one.backend_id for one in both.backends] == ["B"]
    missing = scene.ask(backend_ids=["nope"])
    assert missing.message.endswith("; there is no backend 'nope'")
    named = scene.query(metric_names=["backend.pool.miss"]).clusters["app"].backends
    assert [dict(one.metrics) for one in named] == [
        {"backend.pool.miss": pb.FilteredMetrics(count=count)} for count in (1, 0)
    ]
    assert not scene.query(metric_names=["cluster.total_backends"]).clusters["app"].backends


@pytest.mark.parametrize("detail", [MetricDetail.PROCESS, MetricDetail.FRONTEND])
def test_a_coarse_detail_tells_no_clusters(detail: MetricDetail) -> None:
    scene = Scene(detail=detail)
    assert not scene.query().clusters
    assert not scene.ask(list=True).content.available_metrics.cluster_metrics
    text = f"; the detail is {detail.value}; detail in [metrics] of the configuration raises it"
    assert scene.ask(cluster_ids=["app"]).message.endswith(text)
    raised(scene)
    assert scene.query().clusters


def test_what_there_is_can_be_listed() -> None:
    scene = Scene()
    response = scene.ask(list=True)
    assert response.message == "Successfully listed available metrics"
    told = response.content.available_metrics
    assert list(told.proxy_metrics) == sorted(told.proxy_metrics)
    assert "http.requests" in told.proxy_metrics
    assert "request_time" in told.proxy_metrics
    assert "request_time_histogram" not in told.proxy_metrics
    assert "cluster.total_backends" in told.cluster_metrics
    assert "backend_response_time" not in told.cluster_metrics
    raised(scene)
    finer = scene.ask(list=True).content.available_metrics
    assert set(told.cluster_metrics) < set(finer.cluster_metrics)
    assert "backend_response_time" in finer.cluster_metrics


# ConfigureMetrics


def test_disabled_clusters_are_left_out_until_they_are_enabled() -> None:
    scene = Scene()
    raised(scene)
    scene.take_events()
    assert scene.configure(pb.DISABLED).status == pb.OK
    assert scene.verbs.detail is Detail.FRONTEND
    assert not scene.query().clusters
    assert scene.query().proxying
    told = scene.ask(cluster_ids=["app"])
    assert told.message.endswith("; clusters and backends are left out until metrics are enabled")
    response = scene.configure(pb.ENABLED)
    assert response.message == "Successfully applied request to all workers"
    assert not response.HasField("content")
    assert scene.query().clusters["app"].backends
    assert [event.kind for event in scene.take_events()] == [pb.METRICS_CONFIGURED] * 2
    assert not Scene(tells_clusters=False).query().clusters


def test_clearing_sets_counters_and_timers_back_and_leaves_gauges_right() -> None:
    scene = Scene("A")
    client, backend = scene.exchange()
    waiting = scene.world.client()
    waiting.get()
    raised(scene)
    before = scene.query()
    assert before.proxying["http.active_requests"].gauge == 1
    assert scene.configure(pb.CLEAR).status == pb.OK
    told = scene.query()
    assert told.proxying["http.requests"].count == 0
    assert told.proxying["request_time"].percentiles.samples == 0
    for name in ("http.active_requests", "client.connections", "backend.connections"):
        assert told.proxying[name] == before.proxying[name], name
    app = told.clusters["app"]
    assert app.cluster["http.active_requests"].gauge == 1
    assert "requests" not in app.cluster
    # What is under way ends in a count that is right, and gauges come down to nothing.
    assert app.backends[0].metrics["http.active_requests"].gauge == 1
    assert app.backends[0].metrics["connections_per_backend"].gauge == 1
    backend.receive(ok(b"y"))
    assert waiting.answer() == (200, b"y")
    for one in (client, waiting):
        one.reset()
    scene.world.check()
    after = scene.query()
    assert after.proxying["http.active_requests"].gauge == 0
    assert after.clusters["app"].cluster["http.active_requests"].gauge == 0
    assert after.proxying["client.connections"].gauge == 0
    assert after.proxying["request_time"].percentiles.samples == 1
    assert [event.kind for event in scene.take_events()][-1] == pb.METRICS_CONFIGURED


# SetMetricDetail


def test_a_lease_is_told_and_its_transition_is_an_event() -> None:
    scene = Scene()
    response = scene.set(detail=pb.DETAIL_BACKEND)
    assert response.message == "Successfully applied SetMetricDetail to all workers"
    status = response.content.metric_detail_status
    held = (status.configured, status.effective, status.previous_effective)
    assert held == (pb.DETAIL_CLUSTER, pb.DETAIL_BACKEND, pb.DETAIL_CLUSTER)
    assert dict(status.workers) == {
        "0": pb.WorkerMetricDetailStatus(
            configured=pb.DETAIL_CLUSTER,
            effective=pb.DETAIL_BACKEND,
            previous_effective=pb.DETAIL_CLUSTER,
            active_lease_count=1,
        )
    }
    (event,) = scene.take_events()
    assert event.kind == pb.METRIC_DETAIL_CHANGED
    assert event.metric_detail == pb.MetricDetailTransition(
        previous_effective=pb.DETAIL_CLUSTER,
        effective=pb.DETAIL_BACKEND,
        transition_kind="lease_set",
        client_id="top",
    )
    # To renew it changes nothing, so nothing is told.
    assert scene.set(ME_AGAIN, detail=pb.DETAIL_BACKEND).status == pb.OK
    assert not scene.take_events()


def test_a_lease_ends_by_itself_and_that_is_an_event() -> None:
    scene = Scene()
    raised(scene)
    scene.take_events()
    scene.world.clock.advance(59.9)
    assert scene.verbs.detail is Detail.BACKEND
    scene.world.clock.advance(0.1)
    assert scene.verbs.detail is Detail.CLUSTER
    (event,) = scene.take_events()
    assert event.metric_detail.transition_kind == "lease_tick_expired"
    assert event.metric_detail.client_id == "top"


def test_the_end_of_a_lease_that_was_renewed_is_waited_for_anew() -> None:
    scene = Scene()
    waits = len(scene.world.clock.getDelayedCalls())
    raised(scene, ttl_seconds=10)
    scene.world.clock.advance(5)
    raised(scene, ttl_seconds=300)
    raised(scene, ttl_seconds=20, client_id="short")
    assert len(scene.world.clock.getDelayedCalls()) == waits + 1
    scene.world.clock.advance(299)
    assert scene.verbs.detail is Detail.BACKEND
    scene.world.clock.advance(1)
    assert scene.verbs.detail is Detail.CLUSTER
    assert [event.metric_detail.effective for event in scene.take_events()] == [
        pb.DETAIL_BACKEND,
        pb.DETAIL_CLUSTER,
    ]


def test_a_lease_is_cleared_by_whose_it_is_only() -> None:
    scene = Scene()
    raised(scene)
    refused = scene.set(OTHER, clear=True)
    assert refused.status == pb.FAILURE
    assert refused.message.startswith("SetMetricDetail: the lease 'top' belongs to another")
    cleared = scene.set(ME_AGAIN, clear=True)
    assert cleared.status == pb.OK
    assert cleared.content.metric_detail_status.effective == pb.DETAIL_CLUSTER
    assert cleared.content.metric_detail_status.workers["0"].active_lease_count == 0


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"detail": pb.DETAIL_BACKEND, "ttl_seconds": 301}, "ttl_seconds=301 exceeds"),
        ({"detail": pb.DETAIL_BACKEND, "ttl_seconds": 0}, "ttl_seconds=0"),
        ({"detail": pb.DETAIL_BACKEND, "client_id": "x" * 65}, "client_id has 65 bytes"),
        ({}, "a detail is missing"),
        ({"clear": False}, "a detail is missing"),
        ({"clear": True, "client_id": ""}, "client_id is empty"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(wish: dict[str, Any], reason: str) -> None:
    scene = Scene()
    response = scene.set(**wish)
    assert response.status == pb.FAILURE
    assert response.message.startswith(f"SetMetricDetail: {reason}")
    assert scene.verbs.detail is Detail.CLUSTER
    assert not scene.take_events()


def test_who_stops_waits_for_no_lease() -> None:
    scene = Scene()
    before = len(scene.world.clock.getDelayedCalls())
    raised(scene)
    assert len(scene.world.clock.getDelayedCalls()) == before + 1
    scene.verbs.stop()
    scene.verbs.stop()
    assert len(scene.world.clock.getDelayedCalls()) == before


# Several workers


def worker_told(requests: int, *cluster_ids: str, is_available: bool = True) -> Reports:
    clusters = {
        cluster_id: ClusterReport(
            ClusterCounters(requests=requests),
            [("A", BackendReport("a", BackendCounters(requests=requests), is_available))],
        )
        for cluster_id in cluster_ids
    }
    worker = WorkerCounters(requests=requests, answers={requests: 1})
    return Reports(worker, {}, clusters, 1.0)


def several(scene: Scene, **told: Reports) -> None:
    by_id = {name.removeprefix("w"): reports for name, reports in told.items()}
    scene.worker_ids = list(by_id)
    scene.gather = lambda: succeed(by_id)


def test_workers_are_told_as_one_unless_each_is_asked_for() -> None:
    scene = Scene()
    several(scene, w0=worker_told(3, "app"), w1=worker_told(4, "app", "new", is_available=False))
    told = scene.query()
    assert told.proxying["http.requests"].count == 7
    assert told.clusters["app"].cluster["requests"].count == 7
    assert told.clusters["app"].cluster["cluster.total_backends"].gauge == 1
    assert told.clusters["app"].cluster["cluster.available_backends"].gauge == 0
    assert told.clusters["new"].cluster["requests"].count == 4
    assert not told.workers
    each = scene.query(workers=True)
    assert not each.proxying
    assert not each.clusters
    assert each.main["configuration.clusters"].gauge == 1
    assert set(each.workers) == {"0", "1"}
    assert [each.workers[key].proxy["http.requests"].count for key in ("0", "1")] == [3, 4]
    assert set(each.workers["0"].clusters) == {"app"}
    assert set(each.workers["1"].clusters) == {"app", "new"}
    assert each.workers["1"].clusters["app"].cluster["requests"].count == 4


def test_what_any_worker_knows_is_there() -> None:
    scene = Scene()
    several(scene, w0=worker_told(301, "app"), w1=worker_told(404, "new"))
    for of_each in (False, True):
        asked = scene.ask(workers=of_each, cluster_ids=["new", "app", "nope"])
        assert asked.message == "Successfully aggregated all metrics; there is no cluster 'nope'"
    listed = scene.ask(list=True, workers=True).content.available_metrics.proxy_metrics
    assert {"http.301.redirection", "http.404.errors"} <= set(listed)


def test_a_worker_that_did_not_answer_is_named() -> None:
    scene = Scene()
    several(scene, w0=worker_told(3, "app"))
    scene.worker_ids = ["0", "1"]
    note = "; worker 1 did not tell its own"
    for options in ({}, {"workers": True}, {"list": True}):
        assert scene.ask(**options).message.endswith(note)
    assert scene.query().proxying["http.requests"].count == 3
    several(scene)
    scene.worker_ids = ["0"]
    assert scene.query().proxying["http.requests"].count == 0


def test_every_worker_begins_anew_before_that_is_said() -> None:
    scene = Scene()
    cleared: Deferred[None] = Deferred()
    scene.clear_all = lambda: cleared
    asked = scene.verbs.configure(pb.CLEAR)
    assert not asked.called
    assert not scene.take_events()
    cleared.callback(None)
    assert scene.answer(asked).message == "Successfully applied request to all workers"
    assert [event.kind for event in scene.take_events()] == [pb.METRICS_CONFIGURED]


def test_why_workers_cannot_be_asked_is_told() -> None:
    scene = Scene()
    scene.gather = lambda: fail(RefusedRequestError("worker 1 is gone"))
    scene.clear_all = lambda: fail(RefusedRequestError("worker 2 is gone"))
    refused = scene.answer(
        scene.verbs.query(pb.QueryMetricsOptions(list=True, no_clusters=False, workers=False))
    )
    assert (refused.status, refused.message) == (pb.FAILURE, "worker 1 is gone")
    refused = scene.configure(pb.CLEAR)
    assert (refused.status, refused.message) == (pb.FAILURE, "worker 2 is gone")
    assert not scene.take_events()


def test_a_lease_is_told_of_every_worker_that_there_is() -> None:
    scene = Scene()
    scene.worker_ids = ["0", "3"]
    told = scene.set(detail=pb.DETAIL_BACKEND).content.metric_detail_status.workers
    assert set(told) == {"0", "3"}
    assert told["0"] == told["3"]
    assert told["3"].active_lease_count == 1


def test_many_clusters_are_told_while_others_are_served() -> None:
    scene = Scene()
    names = [f"c{number}" for number in range(200)]
    several(scene, w0=worker_told(1, *names), w1=worker_told(1, *names))
    answers: list[pb.Response] = []
    options = pb.QueryMetricsOptions(list=False, no_clusters=False, workers=False)
    asked = scene.verbs.query(options)
    asked.addCallback(answers.append)
    assert not answers
    while not answers:
        scene.world.clock.advance(0)
    assert set(answers[0].content.metrics.clusters) == set(names)
