"""One answer made of those of the workers."""

from typing import Any

import pytest

from sozutw.control.gathering import APPLIED, NOBODY, Gathering
from sozutw.control.messages.session_numbers import SessionName, number_of
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import failure, ok
from tests.fakes.crew import PlayedCrew

HASHES = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())


def hashes(number: int) -> pb.Response:
    return ok("told", cluster_hashes=pb.ClusterHashes(map={"app": number}))


def outcome(deferred: Any) -> pb.Response:
    found: list[pb.Response] = []
    deferred.addCallback(found.append)
    (answer,) = found
    return answer


def test_each_worker_is_told_beside_the_main_process() -> None:
    crew = PlayedCrew(0, 1)
    crew.answers = {0: hashes(5), 1: hashes(6)}
    answer = outcome(Gathering(crew).beside(HASHES, hashes(5)))
    told = answer.content.worker_responses.map
    assert {name: one.cluster_hashes.map["app"] for name, one in told.items()} == {
        "0": 5,
        "1": 6,
        "main": 5,
    }
    assert (answer.status, answer.message) == (pb.OK, "told")


def test_who_did_not_answer_is_named() -> None:
    crew = PlayedCrew(0, 1)
    crew.answers = {0: hashes(5), 1: failure("it hangs")}
    answer = outcome(Gathering(crew).beside(HASHES, hashes(5)))
    assert set(answer.content.worker_responses.map) == {"0", "main"}
    assert (answer.status, answer.message) == (pb.OK, "told; worker 1: it hangs")


def test_certificates_are_told_of_the_workers_alone() -> None:
    crew = PlayedCrew(0, 1)
    question = pb.Request(query_certificates_from_workers=pb.QueryCertificatesFilters())
    answer = outcome(Gathering(crew).certificates(question))
    assert set(answer.content.worker_responses.map) == {"0", "1"}


def test_any_one_that_serves_is_asked() -> None:
    crew = PlayedCrew(0, 1, 2)
    crew.states[0] = pb.NOT_ANSWERING
    crew.answers = {1: ok("because")}
    question = pb.Request(explain=pb.Explain(url="http://a/"))
    assert outcome(Gathering(crew).any(question)).message == "because"
    assert crew.asked == [("explain", 1)]


@pytest.mark.parametrize("states", [{}, {0: pb.STOPPED}])
def test_where_nobody_serves_nobody_answers(states: dict[int, Any]) -> None:
    crew = PlayedCrew()
    crew.states = states
    answer = outcome(Gathering(crew).any(pb.Request(explain=pb.Explain(url="http://a/"))))
    assert (answer.status, answer.message) == (pb.FAILURE, NOBODY)


def test_what_all_do_is_done_if_all_say_so() -> None:
    crew = PlayedCrew(0, 1)
    order = pb.Request(Logging="debug")
    answer = outcome(Gathering(crew).apply(order))
    assert (answer.status, answer.message) == (pb.OK, APPLIED)
    crew.answers = {0: failure("no"), 1: failure("not here")}
    answer = outcome(Gathering(crew).apply(order))
    assert answer.status == pb.FAILURE
    assert answer.message == "worker 0: no\nworker 1: not here"


def session(token: int) -> pb.SessionInfo:
    return pb.SessionInfo(
        token=token,
        listener="l",
        peer="p",
        protocol="HTTP",
        age_seconds=float(token),
        idle_seconds=0.0,
        state="idle",
        ulid="u",
    )


def test_sessions_are_named_by_their_worker() -> None:
    crew = PlayedCrew(0, 1)
    crew.generations = {0: 0, 1: 3}
    crew.answers = {
        0: ok("", sessions=pb.SessionInfos(vec=[session(7)], total=1)),
        1: ok("", sessions=pb.SessionInfos(vec=[session(8)], total=1)),
    }
    question = pb.Request(list_sessions=pb.ListSessions())
    answer = outcome(Gathering(crew).list_sessions(question))
    tokens = [one.token for one in answer.content.sessions.vec]
    assert tokens == [number_of(SessionName(1, 3, 8)), 7]
    assert answer.message == "2 sessions"


def test_a_session_is_cut_off_by_its_own_worker() -> None:
    crew = PlayedCrew(0, 1)
    crew.generations = {0: 0, 1: 3}
    crew.answers = {1: ok("192.0.2.1:5")}
    answer = outcome(Gathering(crew).kill_session(number_of(SessionName(1, 3, 8))))
    assert (answer.status, answer.message) == (pb.OK, "session 1:3:8 (192.0.2.1:5) is cut off")
    assert crew.asked == [("kill_session", 1)]


def test_a_session_of_a_worker_that_was_begun_often_can_be_cut_off() -> None:
    crew = PlayedCrew(0, 1)
    crew.generations = {0: 0, 1: 4096 + 2}
    crew.answers = {1: ok("192.0.2.1:5")}
    listed = number_of(SessionName(1, 4096 + 2, 8))
    answer = outcome(Gathering(crew).kill_session(listed))
    assert answer.message == "session 1:2:8 (192.0.2.1:5) is cut off"


@pytest.mark.parametrize("name", [SessionName(1, 2, 8), SessionName(2, 0, 8), SessionName(0, 0, 8)])
def test_a_session_of_a_worker_that_is_gone_is_nobodys(name: SessionName) -> None:
    crew = PlayedCrew(0, 1)
    crew.generations = {0: 0, 1: 3}
    crew.answers = {0: failure("there is no session 8"), 1: ok("somebody else")}
    answer = outcome(Gathering(crew).kill_session(number_of(name)))
    assert answer.status == pb.FAILURE
    assert answer.message.startswith("there is no session ")
