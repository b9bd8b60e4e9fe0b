"""What serves clients by workers, as the tree sees it."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from sozutw.config.model import Cluster, HttpListener, InetAddress, ListenerKind, Settings
from sozutw.config.requests import ActivateListener, AddCluster, AddHttpListener
from sozutw.control.proto import command_pb2 as pb
from sozutw.listen.handed import HandedSockets
from sozutw.metrics.counters import WorkerCounters
from sozutw.metrics.render import Reports
from sozutw.metrics.transfer import chunks_of
from sozutw.process.live_settings import LiveSettings
from sozutw.process.workers import traffic as module
from sozutw.process.workers.crew import FleetCrew
from sozutw.process.workers.forks import CannotForkError
from sozutw.process.workers.traffic import WorkersTraffic
from tests.e2e.harness import ReservedPort


class FakeFleet:
    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.started: Deferred[None] = Deferred()
        self.stopped: Deferred[None] = Deferred()
        self.counted: Any = succeed({})
        self.serving = 1
        self.roster = self

    def start(self) -> "Deferred[None]":
        self.heard.append("start")
        return self.started

    def stop(self, *, is_hard: bool, seconds: float | None) -> "Deferred[None]":
        self.heard.append(("stop", is_hard, seconds))
        return self.stopped

    def count(self) -> Any:
        return self.counted

    def count_sessions(self) -> int:
        return 1

    def clear_counters(self) -> "Deferred[None]":
        return succeed(None)

    def committed(self, orders: list[Any]) -> None:
        self.heard.append(orders)

    def __getattr__(self, name: str) -> Any:
        return lambda: self.heard.append(name)


class FakeForks:
    def __init__(self) -> None:
        self.started: Deferred[None] = Deferred()
        self.stops = 0

    def start(self) -> "Deferred[None]":
        return self.started

    def stop(self) -> "Deferred[None]":
        self.stops += 1
        return succeed(None)


class Scene:
    def __init__(self, folder: Any, **settings: Any) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.log = folder / "access.log"
        settings = {"access_logs_target": f"file://{self.log}", "worker_count": 2, **settings}
        self.traffic: Any = WorkersTraffic(Settings(**settings), self.reactor, 0, HandedSockets())
        self.policy = self.traffic.fleet._policy
        self.fleet = self.traffic.fleet = FakeFleet()
        self.forks = self.traffic.forks = FakeForks()

    def start(self) -> list[Any]:
        heard = outcome(self.traffic.start())
        self.reactor.run()
        return heard

    def begin(self) -> None:
        heard = self.start()
        self.forks.started.callback(None)
        self.fleet.started.callback(None)
        assert heard == [None]
        self.fleet.heard.clear()


def outcome(deferred: Any) -> list[Any]:
    heard: list[Any] = []
    deferred.addCallbacks(heard.append, lambda why: heard.append(why.value))
    return heard


@pytest.fixture
def scene(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(module, "plan_descriptors", lambda *_: None)
    scene = Scene(tmp_path)
    yield scene
    scene.traffic.sockets.close()


def test_workers_are_begun_once_the_loop_runs(scene):
    heard = outcome(scene.traffic.start())
    assert scene.log.exists(), "it is found out at once that it can be opened"
    assert not scene.fleet.heard
    scene.reactor.run()
    assert not scene.fleet.heard
    scene.forks.started.callback(None)
    assert scene.fleet.heard == ["start"]
    assert not heard
    scene.fleet.started.callback(None)
    assert heard == [None]
    scene.traffic.serve()
    assert scene.fleet.heard == ["start", "serve"]


def test_an_access_log_that_cannot_be_opened_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "plan_descriptors", lambda *_: None)
    scene = Scene(tmp_path, access_logs_target="file:///nowhere/at/all.log")
    with pytest.raises(FileNotFoundError):
        scene.traffic.start()


def test_a_zygote_that_cannot_be_started_is_told(scene):
    heard = scene.start()
    scene.forks.started.errback(CannotForkError("no memory"))
    assert [str(one) for one in heard] == ["no memory"]


@pytest.mark.parametrize("fails", [False, True])
def test_no_worker_is_begun_after_the_stop(scene, fails):
    heard = scene.start()
    stopped = outcome(scene.traffic.stop())
    assert stopped == [None]
    assert scene.forks.stops == 1
    if fails:
        scene.forks.started.errback(CannotForkError("the process is stopping"))
    else:
        scene.forks.started.callback(None)
    assert heard == [None]
    assert scene.fleet.heard == []
    scene.traffic.stop_now()
    assert scene.fleet.heard == []


def test_what_is_committed_is_told_from_the_beginning_on(scene):
    scene.traffic.applier.apply(AddCluster(Cluster("a")))
    assert scene.fleet.heard == []
    scene.begin()
    scene.traffic.applier.apply(AddCluster(Cluster("b")))
    assert scene.fleet.heard == [[AddCluster(Cluster("b"))]]


def test_the_policy_is_that_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "plan_descriptors", lambda *_: None)
    scene = Scene(
        tmp_path,
        worker_count=3,
        worker_timeout=0.0,
        worker_hang_timeout=7.0,
        worker_automatic_restart=False,
        handle_process_affinity=True,
        worker_survive_main=True,
    )
    policy = scene.policy
    assert (policy.workers, policy.timeout, policy.hang_timeout) == (3, 0.0, 7.0)
    assert (policy.restarts, policy.survives_main) == (False, True)
    assert policy.processors
    assert policy.settings().worker_count == 3
    assert policy.turned() == []
    live = LiveSettings(Settings(worker_count=9), scene.traffic.knobs)
    live.set_filter = lambda _text: True
    scene.traffic.settings_of(live)
    assert policy.settings().worker_count == 9
    live.set_log_filter("debug")
    live.set_places(7)
    assert policy.turned() == [
        pb.Request(Logging="debug"),
        pb.Request(set_max_connections_per_ip=7),
    ]
    # Set back: one that was told of the other values loads, perhaps.
    live.set_log_filter(Settings().log_level)
    live.set_places(0)
    assert policy.turned() == [
        pb.Request(Logging=Settings().log_level),
        pb.Request(set_max_connections_per_ip=0),
    ]


def test_a_stop_closes_the_sockets_then_ends_the_workers_then_the_zygotes(scene):
    scene.begin()
    stopped = outcome(scene.traffic.stop())
    assert scene.traffic.sockets._is_over
    assert scene.fleet.heard == [("stop", False, Settings().graceful_shutdown_timeout)]
    assert scene.forks.stops == 0
    scene.traffic.stop_now()
    assert scene.fleet.heard[1:] == [("stop", True, None)]
    scene.fleet.stopped.callback(None)
    assert scene.forks.stops == 1
    assert stopped == [None]


def test_a_stop_while_workers_load_lets_those_be_served_who_have_connected(scene):
    heard = scene.start()
    scene.forks.started.callback(None)
    stopped = outcome(scene.traffic.stop())
    assert not scene.traffic.sockets._is_over
    scene.fleet.started.callback(None)
    assert scene.fleet.heard == [
        "start",
        "serve",
        ("stop", False, Settings().graceful_shutdown_timeout),
    ]
    scene.fleet.stopped.callback(None)
    assert stopped == [None]
    assert heard == [None]


def test_a_hard_stop_waits_for_no_worker_that_loads(scene):
    scene.start()
    scene.forks.started.callback(None)
    scene.traffic.stop()
    scene.traffic.stop_now()
    assert scene.traffic.sockets._is_over
    assert scene.fleet.heard[-1] == ("stop", True, None)


def test_a_stop_before_the_loop_runs(scene):
    outcome(scene.traffic.start())
    scene.traffic.stop()
    scene.reactor.run()
    assert scene.fleet.heard == []
    assert not scene.forks.started.called


def test_whoever_asks_waits_until_workers_serve(scene):
    scene.fleet.look = lambda: succeed(["look"])
    crew = scene.traffic.make_crew(None)
    heard = outcome(crew.look())
    scene.begin()
    assert not heard
    scene.traffic.serve()
    assert heard == [["look"]]


def test_a_stop_without_a_deadline(scene):
    scene.begin()
    scene.traffic.leave_to_others()
    scene.traffic.stop()
    assert scene.fleet.heard == [("stop", False, None)]


def test_what_was_bound_is_closed_if_it_fails(scene):
    with pytest.raises(ValueError, match="x"), scene.traffic.bound():
        raise ValueError("x")
    assert scene.traffic.sockets._is_over
    with scene.traffic.bound():
        pass


def test_sockets_are_inherited_told_and_closed(scene):
    inherited = {InetAddress("127.0.0.1", 1): socket.socket()}
    scene.traffic.inherit(inherited)
    scene.traffic.close_unused()
    assert not inherited
    with ReservedPort() as reserved:
        at = InetAddress("127.0.0.1", reserved.port)
        assert scene.traffic.why_not_ready() is None
        scene.traffic.applier.apply(AddHttpListener(HttpListener(at)))
        assert scene.traffic.why_not_ready() == "no listener is active, of 1 that are configured"
        scene.traffic.applier.apply(ActivateListener(at, ListenerKind.HTTP))
        assert list(scene.traffic.accepting) == [at]
        assert list(scene.traffic.descriptors()) == [at]
        assert scene.traffic.why_not_ready() is None
        scene.fleet.serving = 0
        assert scene.traffic.why_not_ready() == "no worker serves"
        scene.traffic.sockets.close()


def test_inherited_sockets_are_the_other_process_s_until_this_one_serves(scene):
    scene.traffic.inherit({})
    assert scene.traffic.sockets.is_left_to_others
    scene.begin()
    assert scene.traffic.sockets.is_left_to_others
    scene.traffic.serve()
    assert not scene.traffic.sockets.is_left_to_others


def test_clients_are_told_as_the_workers_told_them(scene):
    assert scene.traffic.tell_connections() == "1 connection left"
    scene.fleet.count_sessions = lambda: 2
    assert scene.traffic.tell_connections() == "2 connections left"


def test_counters_are_read_and_those_that_are_not_whole_left_out(scene):
    whole = list(chunks_of(Reports(WorkerCounters(requests=3), {}, {}, 1.0)))
    scene.fleet.counted = succeed({"0": whole, "1": whole[:-1], "2": [b"nonsense\n"]})
    heard = outcome(scene.traffic.gather())
    with capturedLogs() as events:
        scene.reactor.pump([0.0] * 20)
    assert [event["id"] for event in events if "left out" in event["log_format"]] == ["1", "2"]
    assert heard[0].keys() == {"0"}
    assert heard[0]["0"].worker.requests == 3
    assert outcome(scene.traffic.clear()) == [None]


def test_files_are_given_away_and_reopened(scene):
    scene.traffic.start()
    given: list[Any] = []
    scene.traffic._access_log.give_to = lambda uid, gid: given.append((uid, gid))
    scene.traffic.give_to(1, 2)
    assert given == [(1, 2)]
    scene.traffic.reopen_logs()
    assert scene.fleet.heard == ["reopen_logs"]


def test_the_main_process_has_no_connections_to_close(scene):
    scene.traffic.applier._pool.retire(object())


def test_verbs_see_the_workers_as_a_crew(scene):
    assert isinstance(scene.traffic.make_crew(None), FleetCrew)


def test_events_of_workers_are_published(scene):
    heard: list[Any] = []
    events: Any = SimpleNamespace(
        pass_on=lambda event, worker: heard.append((event.kind, worker)),
        publish=lambda kind, origin: heard.append((kind, origin)),
    )
    scene.traffic.tell_events(events)
    scene.fleet.happened(pb.Event(kind=pb.BACKEND_UP), "1")
    scene.fleet.died(SimpleNamespace(id=2))
    scene.fleet.came(SimpleNamespace(id=3))
    assert heard == [(pb.BACKEND_UP, "1"), (pb.WORKER_KILLED, "2"), (pb.WORKER_RELAUNCHED, "3")]
