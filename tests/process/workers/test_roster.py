"""Who there is, and what they answer: asked of a whole fleet."""

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from sozutw.config.model import Cluster
from sozutw.config.requests import AddCluster
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.fleet import FleetWorld, worlds

HASHES = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    yield from worlds(monkeypatch, timeout=3.0, hang_timeout=9.0)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    """Where ``worker_timeout`` is 0."""
    yield from worlds(monkeypatch, timeout=0.0, hang_timeout=0.0)


@pytest.fixture
def unwilling(monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    """Where ``worker_automatic_restart`` is false."""
    yield from worlds(monkeypatch, restarts=False)


def outcome(deferred: Any) -> list[Any]:
    heard: list[Any] = []
    deferred.addCallbacks(heard.append, lambda why: heard.append(why.value))
    return heard


def add(name: str) -> AddCluster:
    return AddCluster(Cluster(name))


def test_all_that_serve_are_asked_or_one(world):
    world.apply(add("a"))
    world.begin()
    both, one, nobody = (outcome(world.fleet.roster.ask(HASHES, only)) for only in (None, 1, 7))
    assert nobody == [{}]
    assert not both
    world.settle()
    assert both[0].keys() == {"0", "1"}
    assert one[0].keys() == {"1"}
    assert set(both[0]["0"].content.cluster_hashes.map) == {"a"}


def test_one_that_dies_has_failed_to_answer(world):
    world.begin()
    asked, counted = outcome(world.fleet.roster.ask(HASHES)), outcome(world.fleet.roster.count())
    world.process(0).kill()
    world.settle()
    assert [one.status for one in asked[0].values()] == [pb.FAILURE, pb.OK]
    assert counted[0].keys() == {"1"}


@pytest.mark.parametrize("fixture", ["world", "never"])
def test_nobody_waits_for_one_that_hangs(fixture, request):
    world = request.getfixturevalue(fixture)
    world.begin()
    world.process(0).is_frozen = True
    world.apply(add("a"))
    first = [
        outcome(world.fleet.roster.ask(HASHES)),
        outcome(world.fleet.roster.count()),
        outcome(world.fleet.settled()),
    ]
    world.pass_time(2)
    assert first == [[], [], []]
    with capturedLogs() as events:
        world.pass_time(12 if world.fleet._policy.timeout == 0 else 4)
    later = [
        outcome(world.fleet.roster.ask(HASHES, 0)),
        outcome(world.fleet.roster.count()),
        outcome(world.fleet.settled()),
    ]
    world.step()
    world.settle()
    for asked, counted, settled in (first, later):
        assert asked[0]["0"].status == pb.FAILURE
        assert asked[0]["0"].message == "it does not answer"
        assert counted[0].keys() == {"1"}
        assert settled == [["worker 0: it does not answer"]]
    states = [info.run_state for info in world.fleet.roster.roll()]
    told = [event for event in events if "does not answer" in event["log_format"]]
    if world.fleet._policy.timeout:
        assert states == [pb.NOT_ANSWERING, pb.RUNNING]
        assert len(told) == 1
    else:
        assert states == [pb.RUNNING, pb.RUNNING]
        assert not told
    world.process(0).is_frozen = False
    world.pass_time(2)
    world.assert_all_agree()
    assert world.log == []


def test_counters_come_whole_and_begin_anew(world):
    world.begin()
    counted = outcome(world.fleet.roster.count())
    world.settle()
    assert counted[0].keys() == {"0", "1"}
    process = world.process(0)
    process.traffic.worker.counters.requests = 5
    assert outcome(world.fleet.roster.clear_counters()) == [None]
    world.settle()
    assert process.traffic.worker.counters.requests == 0


def test_events_and_clients_of_workers_are_told(world):
    heard: list[Any] = []
    world.fleet.happened = lambda event, worker: heard.append((event.kind, worker))
    world.begin()
    world.process(1).worker.channel.say(event=pb.Event(kind=pb.BACKEND_DOWN))
    world.settle()
    assert heard == [(pb.BACKEND_DOWN, "1")]
    world.member(0).sessions, world.member(1).sessions = 3, 4
    assert world.fleet.roster.count_sessions() == 7


# Who there is.


def test_each_is_told_by_its_state(world):
    world.begin()
    assert [one.run_state for one in world.fleet.roster.roll()] == [pb.RUNNING, pb.RUNNING]
    generations = [world.fleet.roster.generation_of(number) for number in (-1, 0, 1, 2)]
    assert generations == [None, 0, 0, None]
    assert world.fleet.roster.is_first(0)
    world.process(0).kill()
    world.settle()
    assert world.fleet.roster.generation_of(0) == 1
    assert not world.fleet.roster.is_first(0)


def test_a_place_that_is_empty_is_of_no_generation(unwilling):
    unwilling.begin()
    unwilling.process(0).kill()
    unwilling.settle()
    assert unwilling.fleet.roster.generation_of(0) is None
    assert unwilling.fleet.roster.roll()[0].run_state == pb.STOPPED
    heard = outcome(unwilling.fleet.replace(0))
    unwilling.settle()
    assert heard == [None]
    unwilling.assert_all_agree()


def test_whoever_leaves_tells_how_far_it_is(world):
    world.begin()
    for process in world.alive():
        process.traffic.worker.sessions.drain = Deferred
    world.fleet.stop(is_hard=False, seconds=None)
    world.settle()
    looked = outcome(world.fleet.roster.look())
    world.settle()
    assert [one.run_state for one in looked[0]] == [pb.STOPPING, pb.STOPPING]
    assert all(one.HasField("drain") for one in looked[0])
