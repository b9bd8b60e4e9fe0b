"""What a worker in memory counts, told in both ways."""

import json
from types import SimpleNamespace
from typing import Any

from sozutw.config.model import Cluster
from sozutw.config.requests import AddCluster, RemoveCluster
from sozutw.process.counts import Counts, as_json, as_prometheus
from tests.fakes.steps import counted, whole
from tests.fakes.worker import FakeWorld


def counts_of(world: FakeWorld) -> tuple[Counts, dict[str, Any]]:
    acceptors: dict[str, Any] = {}
    listeners: Any = SimpleNamespace(acceptors=acceptors)
    counts = Counts(world.worker, listeners, world.applier, world.certificates, world.clock)
    return counts, acceptors


def samples(counts: Counts) -> dict[str, str]:
    text = b"".join(as_prometheus(whole(counts.gather()))).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def test_both_tell_the_same() -> None:
    world = FakeWorld("A", "B")
    counts, acceptors = counts_of(world)
    acceptors["x"] = SimpleNamespace(waiting=2, is_full=False)
    acceptors["y"] = SimpleNamespace(waiting=3, is_full=True)
    world.client()
    world.clock.advance(2.5)
    told = json.loads(as_json(whole(counts.gather())))
    proxy = told["proxy"]
    assert proxy["client.connections"] == proxy["protocol.http"] == 1
    assert proxy["accept_queue.connections"] == 5
    assert proxy["accept_queue.backpressure"] == 1
    assert proxy["process.uptime_seconds"] == 2
    assert told["listeners"].keys() == {"10.0.0.1:8080"}
    assert [b["address"] for b in told["clusters"]["app"]["backends"]] == [
        "10.1.0.1:80",
        "10.1.0.2:80",
    ]
    same = samples(counts)
    assert same["sozutw_client_connections"] == same["sozutw_http_sessions"] == "1"
    assert same["sozutw_accept_queue_connections"] == "5"
    assert same["sozutw_accept_queue_backpressure"] == "1"
    assert same["sozutw_uptime_seconds"] == "2.5"
    assert same['sozutw_listener_accepted_total{listener="10.0.0.1:8080"}'] == "1"
    assert same['sozutw_cluster_backends{cluster="app"}'] == "2"


def test_no_queue_is_full_again_once_it_is_not() -> None:
    counts, acceptors = counts_of(FakeWorld())
    acceptors["x"] = SimpleNamespace(waiting=1, is_full=True)
    as_json(whole(counts.gather()))
    acceptors["x"].is_full = False
    assert samples(counts)["sozutw_accept_queue_backpressure"] == "0"


def test_a_cluster_that_is_removed_meanwhile_does_no_harm() -> None:
    world = FakeWorld("A")
    counts, _ = counts_of(world)
    pieces = as_prometheus(whole(counts.gather()))
    clearing = counts.clear()
    world.apply(RemoveCluster("app"))
    assert b'sozutw_cluster_requests_total{cluster="app"} 0\n' in b"".join(pieces)
    whole(clearing)
    assert 'sozutw_cluster_requests_total{cluster="app"}' not in samples(counts)


def test_what_is_open_at_a_backend_is_told_of_it() -> None:
    world = FakeWorld("A")
    counts, _ = counts_of(world)
    world.client().get()
    world.connect("A")
    labels = '{cluster="app",backend="A",address="10.1.0.1:80"}'
    told = samples(counts)
    assert told[f"sozutw_backend_connections{labels}"] == "1"
    assert told[f"sozutw_backend_active_requests{labels}"] == "1"
    (backend,) = json.loads(as_json(whole(counts.gather())))["clusters"]["app"]["backends"]
    assert backend["metrics"]["connections_per_backend"] == 1
    assert backend["metrics"]["http.active_requests"] == 1


def test_all_that_only_grows_begins_anew_in_small_steps() -> None:
    world = FakeWorld("A")
    counts, _ = counts_of(world)
    world.client()
    world.apply(*(AddCluster(Cluster(f"c{number}")) for number in range(200)))
    world.certificates._default_served = 4
    before = whole(counts.gather())
    before.worker.requests = before.worker.tls.failed["eof"] = 7
    before.clusters["c199"].counters.requests = 7
    before.clusters["app"].backends[0][1].counters.requests = 7
    pauses, _ = counted(counts.clear())
    assert pauses >= 3
    told = whole(counts.gather())
    assert told.worker.requests == told.worker.tls.default_served == 0
    assert told.worker.tls.failed == {}
    assert told.clusters["c199"].counters.requests == 0
    assert told.clusters["app"].backends[0][1].counters.requests == 0
    assert told.listeners["10.0.0.1:8080"].accepted == 0
    assert told.worker.client_connections == told.listeners["10.0.0.1:8080"].connections == 1
