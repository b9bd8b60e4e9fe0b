"""What a worker answers about itself."""

import pytest
from twisted.logger import LogLevel, capturedLogs

from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb
from tests.fakes.desk import DeskScene


def answer_of(scene: DeskScene, question: pb.Request) -> pb.Response:
    found: list[pb.Response] = []
    scene.worker_desk.answer(question).addCallback(found.append)
    scene.settle()
    (answer,) = found
    return answer


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        (pb.Request(query_cluster_by_id="app"), "clusters"),
        (
            pb.Request(query_clusters_by_domain=pb.QueryClusterByDomain(hostname="a.example")),
            "clusters",
        ),
        (pb.Request(query_clusters_hashes=pb.QueryClustersHashes()), "cluster_hashes"),
        (
            pb.Request(query_certificates_from_workers=pb.QueryCertificatesFilters()),
            "certificates_by_address",
        ),
        (pb.Request(explain=pb.Explain(url="http://10.0.0.1:8080/")), "explanation"),
        (pb.Request(list_sessions=pb.ListSessions()), "sessions"),
    ],
)
def test_it_tells_what_it_has(question: pb.Request, kind: str) -> None:
    answer = answer_of(DeskScene(), question)
    assert answer.status == pb.OK, answer.message
    assert answer.content.WhichOneof("content_type") == kind


def test_it_tells_whom_it_waits_for_when_it_stops() -> None:
    scene = DeskScene("A")
    scene.world.client()
    status = pb.Request(status=pb.Status())
    assert not answer_of(scene, status).content.workers.vec
    scene.world.worker.sessions.drain()
    scene.host.is_stopping = True
    (told,) = answer_of(scene, status).content.workers.vec
    assert told.drain.idle == 1


def test_its_few_knobs_are_turned() -> None:
    scene = DeskScene()
    assert answer_of(scene, pb.Request(Logging="debug")).status == pb.OK
    assert scene.host.worker_filters == ["debug"]
    assert answer_of(scene, pb.Request(set_max_connections_per_ip=3)).status == pb.OK
    assert scene.host.worker_places == [3]


def test_a_knob_that_cannot_be_turned_so_is_refused() -> None:
    scene = DeskScene()

    def refuse(_text: str) -> None:
        raise RefusedRequestError("that is no filter")

    parts = scene.worker_desk._parts
    scene.worker_desk._parts = parts._replace(set_log_filter=refuse)
    answer = answer_of(scene, pb.Request(Logging="?"))
    assert (answer.status, answer.message) == (pb.FAILURE, "that is no filter")


def test_a_client_is_cut_off() -> None:
    scene = DeskScene("A")
    client = scene.world.client()
    token = client.connection.session.token
    assert answer_of(scene, pb.Request(kill_session=token)).status == pb.OK
    assert client.transport.disconnected


def test_what_is_no_question_to_a_worker_is_refused() -> None:
    answer = answer_of(DeskScene(), pb.Request(load_state="x"))
    assert (answer.status, answer.message) == (pb.FAILURE, "a worker does not answer 'load_state'")
    assert answer_of(DeskScene(), pb.Request()).status == pb.FAILURE


def test_our_own_fault_is_told_and_logged() -> None:
    scene = DeskScene()

    def fail(_question: pb.Request) -> pb.Response:
        raise ZeroDivisionError

    scene.worker_desk._answers["status"] = fail
    with capturedLogs() as logged:
        answer = answer_of(scene, pb.Request(status=pb.Status()))
    assert answer.message == "internal error in status; the log has more"
    assert [event["log_level"] for event in logged] == [LogLevel.critical]
