"""The process and its clients, as an operator sees and ends them."""

import pytest

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure
from tests.fakes.crew import PlayedCrew
from tests.fakes.desk import DeskScene
from tests.fakes.worker import LISTENER, ok


def test_a_filter_is_passed_on_and_told() -> None:
    scene = DeskScene()
    events = scene.subscribe()
    scene.ok(pb.Request(Logging="debug"))
    assert scene.host.filters == ["debug"]
    assert events == ["LOGGING_LEVEL_CHANGED"]
    assert scene.refused(pb.Request(Logging="wrong")) == (
        "Error parsing logging filter: that is no filter"
    )
    assert events == ["LOGGING_LEVEL_CHANGED"]


def test_a_limit_is_set_and_shown() -> None:
    scene = DeskScene()
    scene.ok(pb.Request(set_max_connections_per_ip=7))
    shown = scene.ok(pb.Request(query_max_connections_per_ip=pb.QueryMaxConnectionsPerIp()))
    assert shown.content.max_connections_per_ip_limit.limit == 7
    assert "at most 7" in shown.message


def test_one_that_runs_has_nobody_to_wait_for() -> None:
    scene = DeskScene("A")
    scene.world.client()
    answer = scene.ok(pb.Request(status=pb.Status()))
    assert answer.message == "Successfully collected the status of workers"
    (worker,) = answer.content.workers.vec
    assert worker == pb.WorkerInfo(id=0, pid=4242, run_state=pb.RUNNING)


def test_one_that_stops_tells_whom_it_waits_for() -> None:
    scene = DeskScene("A")
    world = scene.world
    world.client()
    busy = world.client()
    busy.get(b"/1")
    world.connect("A")
    world.clock.advance(2)
    world.worker.sessions.drain()
    scene.host.is_stopping = True
    world.clock.advance(3)
    answer = scene.ok(pb.Request(status=pb.Status()))
    assert answer.message == (
        "Successfully collected the status of workers: stopping, 2 connections left "
        "(1 idle, 1 in an exchange), the oldest for 5 s, at most 27 s more"
    )
    (worker,) = answer.content.workers.vec
    assert worker.run_state == pb.STOPPING
    assert worker.drain == pb.DrainState(
        idle=1, exchange=1, tunnel=0, closing=0, oldest_seconds=5.0, seconds_left=27.0
    )
    (told,) = scene.ok(pb.Request(list_workers=pb.ListWorkers())).content.workers.vec
    assert told == pb.WorkerInfo(id=0, pid=4242, run_state=pb.STOPPING)


def test_sessions_are_listed_with_what_they_are_about() -> None:
    scene = DeskScene("A")
    world = scene.world
    idle = world.client()
    busy = world.client()
    busy.get(b"/1")
    world.connect("A")
    world.clock.advance(2)
    answer = scene.ok(pb.Request(list_sessions=pb.ListSessions()))
    assert answer.message == "2 sessions"
    first, second = answer.content.sessions.vec
    assert first.token == idle.connection.session.token
    assert (first.listener, first.protocol, first.state) == (str(LISTENER), "HTTP", "idle")
    assert (first.age_seconds, first.idle_seconds) == (2.0, 2.0)
    assert not first.HasField("cluster_id")
    assert (second.cluster_id, second.backend_id) == ("app", "A")
    assert second.backend_address == "10.1.0.1:80"
    assert second.peer == "192.0.2.1:54322"
    assert len(second.ulid) == 26


def test_a_session_is_cut_off_and_no_other() -> None:
    scene = DeskScene("A")
    world = scene.world
    first, second = world.client(), world.client()
    token = first.connection.session.token
    assert token is not None
    text = scene.ok(pb.Request(kill_session=token)).message
    assert text == f"session {token} (192.0.2.1:54321) is cut off"
    scene.settle()
    assert first.is_closed
    second.get(b"/1")
    world.connect("A").receive(ok(b"1"))
    assert second.answer() == (200, b"1")
    assert scene.refused(pb.Request(kill_session=token)).startswith(f"there is no session {token}")


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_stop_is_answered_when_the_last_session_is_gone(is_hard: bool) -> None:
    scene = DeskScene()
    events = scene.subscribe()
    stop = pb.Request(hard_stop=pb.HardStop()) if is_hard else pb.Request(soft_stop=pb.SoftStop())
    asked = scene.begin(stop)
    scene.settle()
    assert scene.host.stops == [is_hard]
    assert asked.texts == [f"Performing {'hard' if is_hard else 'soft'} stop..."]
    assert asked.answers == []
    assert events == ["SOZU_STOP_REQUESTED"]
    scene.host.stopped.callback(None)
    assert asked.answer.message.startswith("Successfully closed 1 workers, 0 errors")


def test_the_one_worker_comes_with_the_main_process() -> None:
    scene = DeskScene()
    assert "UpgradeMain replaces both" in scene.refused(pb.Request(upgrade_worker=0))
    assert "Worker 3 does not exist" in scene.refused(pb.Request(upgrade_worker=3))
    scene.host.is_fresh = True
    assert "came with the new main process" in scene.ok(pb.Request(upgrade_worker=0)).message
    assert "Worker 3 does not exist" in scene.refused(pb.Request(upgrade_worker=3))


# With workers of its own.


def crowd(*ids: int) -> tuple[DeskScene, PlayedCrew]:
    crew = PlayedCrew(*ids)
    return DeskScene(crew=crew), crew


def test_a_filter_and_a_limit_reach_every_worker() -> None:
    scene, crew = crowd(0, 1)
    scene.ok(pb.Request(Logging="debug"))
    scene.ok(pb.Request(set_max_connections_per_ip=7))
    assert scene.host.filters == ["debug"]
    assert scene.host.places == 7
    assert crew.asked == [("Logging", None), ("set_max_connections_per_ip", None)]
    crew.answers = {1: failure("no room")}
    assert scene.refused(pb.Request(set_max_connections_per_ip=8)) == "worker 1: no room"


def test_a_worker_is_replaced_and_that_is_told() -> None:
    scene, crew = crowd(0, 1)
    events = scene.subscribe()
    answer = scene.ok(pb.Request(upgrade_worker=1))
    assert answer.message == "Upgrade successful: worker 1 has another process"
    assert crew.replaced == [1]
    assert events == ["WORKER_UPGRADED"]


def test_a_worker_that_is_not_replaced_serves_on() -> None:
    scene, crew = crowd(0, 1)
    events = scene.subscribe()
    crew.why_not_replaced = "it ended at once; the old one serves on"
    assert scene.refused(pb.Request(upgrade_worker=1)) == (
        "Upgrade of worker 1 failed: it ended at once; the old one serves on"
    )
    assert "Worker 2 does not exist" in scene.refused(pb.Request(upgrade_worker=2))
    assert events == []


def test_a_stop_tells_how_many_workers_it_closed() -> None:
    scene, _crew = crowd(0, 1)
    asked = scene.begin(pb.Request(soft_stop=pb.SoftStop()))
    scene.host.stopped.callback(None)
    assert asked.answer.message.startswith("Successfully closed 2 workers, 0 errors")
