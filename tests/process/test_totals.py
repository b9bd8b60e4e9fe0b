"""The counters of all workers: asked for once at a time, told as one, in every shape."""

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from sozutw.config.model import Cluster
from sozutw.config.requests import AddCluster
from sozutw.metrics.counters import ClusterCounters, WorkerCounters
from sozutw.metrics.render import ClusterReport, Reports
from sozutw.process.totals import OnlyWorker, Totals
from tests.fakes.worker import FakeWorld
from tests.process.test_counts import counts_of


def told(requests: int, *cluster_ids: str) -> Reports:
    clusters = {name: ClusterReport(ClusterCounters(), []) for name in cluster_ids}
    return Reports(WorkerCounters(requests=requests), {}, clusters, 1.5)


class Scene:
    """Workers that answer when the test says so, and those who want the totals."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[Deferred[dict[str, Reports]]] = []
        self.totals = Totals(self.gather, self.clock)
        self.heard: list[Any] = []

    def gather(self) -> "Deferred[dict[str, Reports]]":
        self.asked.append(Deferred())
        return self.asked[-1]

    def ask(self) -> "Deferred[Reports]":
        return self.totals.gather().addBoth(self.heard.append)

    @property
    def requests(self) -> list[int]:
        return [reports.worker.requests for reports in self.heard]


def test_what_the_workers_tell_is_told_as_one_in_every_shape() -> None:
    totals = Totals(lambda: succeed({"0": told(3), "1": told(4)}), Clock())
    lines: list[Any] = []
    totals.as_json().addCallback(lines.append)
    assert json.loads(lines.pop())["proxy"]["http.requests"] == 7
    totals.as_prometheus().addCallback(lines.append)
    assert b"\nsozutw_http_requests_total 7\n" in b"".join(lines.pop())


def test_many_clusters_are_merged_in_small_steps() -> None:
    scene = Scene()
    scene.ask()
    names = [f"c{number}" for number in range(100)]
    scene.asked[0].callback({"0": told(1, *names), "1": told(1, *names)})
    assert not scene.heard
    while not scene.heard:
        (call,) = scene.clock.getDelayedCalls()
        scene.clock.advance(max(0, call.getTime() - scene.clock.seconds()))
    assert list(scene.heard[0].clusters) == names


def test_workers_are_asked_once_for_all_who_want_it_meanwhile() -> None:
    scene = Scene()
    for _ in range(3):
        scene.ask()
    assert len(scene.asked) == 1
    scene.asked[0].callback({"0": told(5)})
    assert scene.requests == [5, 5, 5]
    scene.ask()
    assert len(scene.asked) == 2
    scene.asked[1].callback({"0": told(6)})
    assert scene.requests == [5, 5, 5, 6]


def test_who_asks_again_when_told_is_told_anew() -> None:
    scene = Scene()
    scene.totals.gather().addCallback(lambda _: scene.ask() and None)
    scene.ask()
    scene.asked[0].callback({"0": told(5)})
    assert scene.requests == [5]
    scene.asked[1].callback({"0": told(6)})
    assert scene.requests == [5, 6]


def test_who_gives_up_is_no_matter_to_the_others() -> None:
    scene = Scene()
    first, second = scene.ask(), scene.ask()
    first.cancel()
    assert scene.heard.pop().check(CancelledError)
    scene.asked[0].callback({"0": told(5)})
    assert scene.requests == [5]
    second.cancel()  # Too late, and no harm.


def test_one_who_is_told_may_make_another_give_up() -> None:
    scene = Scene()
    scene.totals.gather().addCallback(lambda _: second.cancel())
    second = scene.ask()
    scene.ask()
    scene.asked[0].callback({"0": told(5)})
    given_up, heard = scene.heard
    assert given_up.check(CancelledError)
    assert heard.worker.requests == 5


def test_nobody_needs_to_wait_until_the_end() -> None:
    scene = Scene()
    scene.ask().cancel()
    assert not scene.totals._waiting
    scene.ask()
    assert len(scene.asked) == 1
    scene.asked[0].errback(ZeroDivisionError())
    assert [isinstance(heard, Failure) for heard in scene.heard] == [True, True]


@pytest.mark.parametrize("is_raised", [False, True])
def test_a_fault_is_told_to_all_who_wait(is_raised: bool) -> None:
    def gather() -> "Deferred[dict[str, Reports]]":
        if is_raised:
            raise ZeroDivisionError
        return fail(ZeroDivisionError())

    totals = Totals(gather, Clock())
    for _ in range(2):
        heard: list[Failure] = []
        totals.as_json().addErrback(heard.append)
        assert heard[0].check(ZeroDivisionError)


def test_a_process_that_serves_by_itself_is_its_only_worker() -> None:
    world = FakeWorld("A")
    counts, _ = counts_of(world)
    alone = OnlyWorker(counts, world.clock)
    assert alone.worker_ids() == ["0"]
    world.worker.counters.requests = 4
    heard: list[Any] = []
    alone.gather().addCallback(heard.append)
    assert heard[0]["0"].worker.requests == 4
    assert list(heard[0]) == ["0"]
    alone.clear_all().addCallback(heard.append)
    assert heard[1:] == [None]
    assert world.worker.counters.requests == 0


def test_many_clusters_take_an_only_worker_some_turns() -> None:
    world = FakeWorld()
    counts, _ = counts_of(world)
    world.apply(*(AddCluster(Cluster(f"c{number}")) for number in range(200)))
    alone = OnlyWorker(counts, world.clock)
    heard: list[Any] = []
    for begin in (alone.gather, alone.clear_all):
        begin().addCallback(heard.append)  # type: ignore[operator]
        assert not heard
        for _ in range(10):
            world.clock.advance(0)
        assert heard.pop() is None or begin == alone.gather
