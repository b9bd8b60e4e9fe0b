"""Every verb has its answer, and every privileged one its line in the trail."""

import pytest
from twisted.internet.defer import CancelledError

from sozutw.control.desk import Actor
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.verbs import _actions, _questions
from tests.fakes.crew import PlayedCrew
from tests.fakes.desk import ME, DeskScene
from tests.fakes.messages import cluster

VERBS = [field.name for field in pb.Request.DESCRIPTOR.oneofs_by_name["request_type"].fields]
TEXTS = {
    "save_state": "/nowhere/at/all",
    "load_state": "/nowhere/at/all",
    "reload_configuration": "",
    "query_cluster_by_id": "app",
    "remove_cluster": "app",
    "remove_health_check": "app",
    "launch_worker": "w",
    "Logging": "info",
}


def bare(verb: str) -> pb.Request:
    """Return a request of this verb with nothing in it that need not be."""
    request = pb.Request()
    field = pb.Request.DESCRIPTOR.fields_by_name[verb]
    if field.message_type is not None:
        getattr(request, verb).SetInParent()
    elif field.type == field.TYPE_STRING:
        setattr(request, verb, TEXTS[verb])
    else:
        setattr(request, verb, 0)
    return request


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "subscribe_events"])
def test_every_verb_is_answered_once(verb: str) -> None:
    scene = DeskScene()
    asked = scene.begin(bare(verb))
    scene.host.stopped.callback(None)
    scene.settle()
    answer = asked.answer
    assert answer.status in (pb.OK, pb.FAILURE)
    assert answer.message
    assert "not known here" not in answer.message
    assert all(told.status == pb.PROCESSING for told in asked.told)


def test_no_verb_stands_in_two_tables() -> None:
    scene = DeskScene()
    parts = scene.desk._parts
    questions, actions = _questions(parts, scene.desk._slowly).keys(), _actions(parts).keys()
    assert not questions & actions
    assert questions | actions <= set(VERBS)


def test_nothing_is_no_verb() -> None:
    assert "''" in DeskScene().refused(pb.Request())


def test_a_privileged_verb_leaves_a_line_and_a_question_none() -> None:
    scene = DeskScene()
    scene.ask(pb.Request(status=pb.Status()))
    assert scene.trail.lines == []
    scene.ok(cluster())
    scene.refused(pb.Request(remove_cluster="nobody"))
    added, refused = scene.trail.lines
    assert "verb=cluster_added" in added
    assert "result=ok" in added
    assert "workers=1/0/1" in added
    assert "actor_uid=1000" in added
    assert "verb=cluster_removed" in refused
    assert "result=err" in refused
    assert "workers=0/1/1" in refused
    assert "nobody" in refused


def test_a_subscription_is_noted_when_it_begins_and_ends_with_its_client() -> None:
    scene = DeskScene()
    told: list[pb.Response] = []
    subscribed = scene.desk.serve(
        pb.Request(subscribe_events=pb.SubscribeEvents()), ME, told.append
    )
    assert [pb.EventKind.Name(one.content.event.kind) for one in told] == ["EVENTS_SUBSCRIBED"]
    assert "events_subscribed" in scene.trail.lines[0]
    scene.ok(cluster())
    assert told[-1].content.event.kind == pb.CLUSTER_ADDED
    ended: list[object] = []
    subscribed.addErrback(lambda failure: ended.append(failure.trap(CancelledError)))
    subscribed.cancel()
    assert ended == [CancelledError]
    scene.ok(pb.Request(remove_cluster="app"))
    assert told[-1].content.event.kind == pb.CLUSTER_ADDED


def test_a_subscriber_too_many_is_told_so_and_leaves_no_line() -> None:
    scene = DeskScene()
    request = pb.Request(subscribe_events=pb.SubscribeEvents())
    for number in range(64):
        scene.begin(request, Actor(1, 1, 1, "", number))
    lines = len(scene.trail.lines)
    assert scene.ask(request).answer.status == pb.FAILURE
    assert len(scene.trail.lines) == lines


def test_our_own_fault_is_logged_and_the_conversation_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = DeskScene()

    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    scene.desk._verbs["status"] = broken
    assert scene.refused(pb.Request(status=pb.Status())).startswith("internal error in status")
    scene.ok(pb.Request(list_workers=pb.ListWorkers()))


def test_workers_are_one_and_it_may_be_stopping() -> None:
    scene = DeskScene()
    for verb in (pb.Request(status=pb.Status()), pb.Request(list_workers=pb.ListWorkers())):
        (worker,) = scene.ok(verb).content.workers.vec
        assert (worker.id, worker.pid, worker.run_state) == (0, 4242, pb.RUNNING)
    scene.host.is_stopping = True
    scene.pid = 4343  # twistd has gone into the background
    (worker,) = scene.ok(pb.Request(status=pb.Status())).content.workers.vec
    assert (worker.pid, worker.run_state) == (4343, pb.STOPPING)


def test_a_question_that_takes_its_time_says_so_first() -> None:
    asked = DeskScene().ask(pb.Request(query_cluster_by_id="app"))
    assert asked.texts == ["Querying cluster..."]


def test_who_may_ask_for_nothing_leaves_a_line_too() -> None:
    scene = DeskScene()
    refusal = pb.Response(status=pb.FAILURE, message="unauthorized")
    scene.desk.turned_away(cluster().SerializeToString(), ME, refusal)
    scene.desk.turned_away(b"\xff", ME, refusal)
    (line,) = scene.trail.lines
    assert "error_code=unauthorized" in line
    assert "verb=cluster_added" in line


@pytest.mark.parametrize(
    ("faults", "told"),
    [([], "workers=2/0/2"), (["worker 1: no"], "workers=1/1/2")],
)
def test_the_trail_tells_how_many_workers_took_an_order(faults: list[str], told: str) -> None:
    crew = PlayedCrew(0, 1, 2)
    crew.states[2] = pb.STOPPED
    crew.faults = faults
    scene = DeskScene(crew=crew)
    scene.ask(pb.Request(remove_cluster="app"))
    assert f" {told}," in scene.trail.lines[-1]


def test_the_trail_tells_that_no_worker_heard_of_what_was_refused() -> None:
    scene = DeskScene(crew=PlayedCrew(0, 1))
    scene.ask(pb.Request(remove_cluster="none"))
    assert " workers=0/2/2," in scene.trail.lines[-1]
