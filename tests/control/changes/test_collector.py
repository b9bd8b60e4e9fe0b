"""Large changes leave the collector of cycles nothing to do, and so are kept from it."""

import gc
import random
from collections.abc import Iterator

import pytest

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import Backend, Cluster, FrontendRule, InetAddress, LoadBalancing
from sozutw.config.requests import (
    AddBackend,
    AddCluster,
    AddHttpFrontend,
    RemoveBackend,
    RemoveCluster,
    RemoveHttpFrontend,
    Request,
)
from sozutw.control.changes import collector
from sozutw.control.changes.collector import without_collector
from tests.control.changes.test_apply import HERE, Scene, running

CLUSTERS = 50
NUMBERS = range(CLUSTERS)


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    """Begin with nothing to collect; what a test froze is looked at again after it."""
    gc.collect()
    yield
    gc.unfreeze()


def backend(number: int) -> Backend:
    return Backend(f"n{number}", "b", InetAddress("10.0.9.1", 8000 + number))


def rule(number: int) -> FrontendRule:
    return FrontendRule(HERE, f"n{number}.test", cluster_id=f"n{number}")


def coming() -> Iterator[Request]:
    policies = list(LoadBalancing)
    for number in NUMBERS:
        yield AddCluster(Cluster(f"n{number}", policies[number % len(policies)]))
        yield AddHttpFrontend(rule(number))
        yield AddBackend(backend(number))


def going() -> Iterator[Request]:
    for number in NUMBERS:
        yield RemoveBackend(f"n{number}", "b", backend(number).address)
        yield RemoveHttpFrontend(rule(number))
        yield RemoveCluster(f"n{number}")


def slowly(scene: Scene, requests: Iterator[Request]) -> None:
    done = scene.applier.apply_slowly(requests)
    assert not gc.isenabled()
    scene.settle()
    assert done.called
    scene.pool.states.clear()


def ask_all(scene: Scene) -> None:
    for number in NUMBERS:
        live = scene.applier.clusters[f"n{number}"]
        assert live.choose(0.0, b"key", random.random) is not None


def those_of(kind: type) -> int:
    names = {f"n{number}" for number in NUMBERS}
    count = 0
    for it in gc.get_objects():
        if isinstance(it, kind):
            cluster = it.cluster.cluster if isinstance(it, BackendState) else it.cluster
            count += cluster.cluster_id in names
    return count


def test_what_came_and_went_is_gone_without_being_collected() -> None:
    scene = running()
    gc.disable()
    try:
        for _ in range(2):
            slowly(scene, coming())
            ask_all(scene)
            assert those_of(ClusterState) == CLUSTERS
            slowly(scene, going())
        assert those_of(ClusterState) == 0
        assert those_of(BackendState) == 0
    finally:
        gc.enable()


def test_a_cluster_that_goes_with_its_backends_leaves_no_cycle_either() -> None:
    scene = running()
    gc.disable()
    try:
        scene.applier.apply(*coming())
        scene.settle()
        ask_all(scene)
        scene.applier.apply(*(RemoveHttpFrontend(rule(number)) for number in NUMBERS))
        scene.applier.apply(*(RemoveCluster(f"n{number}") for number in NUMBERS))
        assert all(state.is_retired for state in scene.pool.states)
        scene.pool.states.clear()
        assert those_of(ClusterState) == 0
        assert those_of(BackendState) == 0
    finally:
        gc.enable()


def test_many_new_objects_are_not_looked_at_any_more() -> None:
    before = gc.get_freeze_count()
    with without_collector():
        made: list[list[int]] = [[] for _ in range(collector.MANY)]
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_a_few_are_left_to_the_collector() -> None:
    before = gc.get_freeze_count()
    gc.collect()
    with without_collector():
        made: list[list[int]] = [[] for _ in range(1000)]
    assert made
    assert gc.isenabled()
    assert gc.get_freeze_count() == before


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_change_that_fails_lets_the_collector_work_again() -> None:
    scene = running()

    def torn() -> Iterator[Request]:
        yield AddCluster(Cluster("n1"))
        raise ValueError("torn")

    done = scene.applier.apply_slowly(torn())
    faults: list[object] = []
    done.addErrback(faults.append)
    scene.settle()
    assert len(faults) == 1
    assert gc.isenabled()
