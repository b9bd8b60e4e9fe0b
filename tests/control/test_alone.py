"""The crew of a process that serves by itself."""

from typing import Any

from twisted.internet.defer import Deferred

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.desk import DeskScene


def outcome(deferred: "Deferred[Any]") -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    (result,) = found
    return result


def test_it_is_one_worker_that_runs_or_stops() -> None:
    scene = DeskScene()
    assert scene.crew.roll() == [pb.WorkerInfo(id=0, pid=4242, run_state=pb.RUNNING)]
    assert outcome(scene.crew.look()) == scene.crew.roll()
    scene.host.is_stopping = True
    (told,) = outcome(scene.crew.look())
    assert told.run_state == pb.STOPPING
    assert told.HasField("drain")


def test_it_answers_itself() -> None:
    scene = DeskScene()
    question = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())
    for only in (None, 0):
        answers = outcome(scene.crew.ask(question, only))
        assert list(answers) == ["0"]
        assert answers["0"].content.WhichOneof("content_type") == "cluster_hashes"
    assert outcome(scene.crew.ask(question, 1)) == {}


def test_what_is_committed_holds() -> None:
    scene = DeskScene()
    assert outcome(scene.crew.settled()) == []
    scene.crew.take_settings(Settings())
    assert (scene.crew.generation_of(0), scene.crew.generation_of(1)) == (0, None)


def test_it_is_replaced_with_the_main_process_alone() -> None:
    scene = DeskScene()
    outcome(scene.crew.replace(0)).check(RefusedRequestError)
    scene.host.is_fresh = True
    assert outcome(scene.crew.replace(0)) == "worker 0 came with the new main process"
