"""One request and its response, as sequence diagrams: see tests/relay/playbook.py."""

from typing import Any
from unittest.mock import ANY

import pytest

from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    LoadBalancing,
    Redirect,
)
from sozutw.config.security import Hsts
from sozutw.relay.account import Stage
from sozutw.relay.ports import DialFailure
from sozutw.wire.tls import TlsFacts
from tests.relay.playbook import ADDRESS, SECONDS, Event, Line, Playbook, like, on, response_head

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"
GET_10_KEPT = b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
PUT_CHUNKED = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
OK_BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun"
OK_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK_UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

CONNECTED = on("backend_connected")
LOST = on("response_lost", cleanly=True)
GOES_ON = ("front", "goes on")
CLOSES = ("front", "closes")
CUT = ("front", "cut")
WAITS = ("front", "wait", SECONDS.front)
RESUMES = ("front", "resume", SECONDS.front)
GIVEN_BACK = ("connector", "give_back", "A")
DROPPED = ("A", "drop")


def leases(backend: str, *, surely: bool = False) -> Line:
    return ("connector", "lease, surely" if surely else "lease", backend, SECONDS.connect)


def replaces(hung_up: str, backend: str) -> Line:
    return ("connector", "replace", hung_up, backend, SECONDS.connect)


def sends(backend: str, *patterns: bytes, method: bytes = b"GET") -> Line:
    return (backend, "send_request", like(*patterns), method, SECONDS.back)


def answers(status: int, *patterns: bytes, without: tuple[bytes, ...] = ()) -> Line:
    line = rb"^HTTP/1\.1 %d " % status
    return ("front", "write", like(line, *patterns, without=without))


def ends_with(status: int, *patterns: bytes) -> Line:
    """Stand for an answer behind which the connection ends."""
    side, _, answer = answers(status, *patterns)
    return (side, "write_last", answer)


# From start to end.


def test_a_request_goes_to_a_dialled_backend_and_its_response_comes_back():
    play = Playbook("A")
    _ = (
        play
        >> play.asks(b"GET /p?q HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n")
        << WAITS
        << leases("A")
        >> CONNECTED
        << sends(
            "A",
            rb"^GET /p\?q HTTP/1.1\r\nHost: h\r\nAccept: \*/\*\r\n",
            rb"\r\nSozu-Id: ID1\r\n\r\n$",
        )
        >> play.answers(OK)
        << (
            "front",
            "write",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSozu-Id: ID1\r\n\r\nhi",
        )
        << GIVEN_BACK
        << GOES_ON
        << None
    )
    assert play.front.request_seconds == SECONDS.request
    assert play.states["A"].counters.requests == 1
    play.assert_settled()


def test_an_idle_connection_is_written_to_in_the_frame_of_the_request():
    play = Playbook("A")
    play.connector.idle = 1
    play.front.patience.seconds = SECONDS.front  # As after the request before.
    _ = play >> play.asks() << leases("A") << sends("A") << None
    assert play.stage is Stage.WAITING


def test_what_came_of_the_body_goes_with_the_head_and_the_rest_passes_by():
    play = Playbook("A")
    _ = (
        play
        >> play.asks(POST + b"abc", ended=False)
        << WAITS
        << leases("A", surely=True)
        >> CONNECTED
        << sends("A", rb"Content-Length: 6\r\n\r\nabc$", method=b"POST")
        << ("front", "take_body", "A.write", "A")
        << RESUMES
        >> play.uploads(b"def")
        >> on("request_ended", ())
        << ("A", "touch")
        >> play.answers(OK)
        << answers(200)
        << GIVEN_BACK
        << GOES_ON
    )
    play.assert_settled()


def test_a_chunked_body_is_chunked_anew_with_its_trailers():
    play = Playbook("A")
    _ = (
        play
        >> play.asks(PUT_CHUNKED + b"abc", ended=False)
        << WAITS
        << leases("A", surely=True)
        >> CONNECTED
        << sends("A", rb"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n$", method=b"PUT")
        << ("front", "take_body", "A.write_chunk", "A")
        << RESUMES
        >> play.uploads(b"def")
        >> on("request_ended", [b"Checksum: 1"])
        << ("A", "touch")
        << ("A", "write", b"0\r\nChecksum: 1\r\n\r\n")
    )


def test_a_chunked_body_that_came_whole_is_ended_at_once():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(PUT_CHUNKED + b"abc", trailers=(b"Checksum: 1",))
        << WAITS
        << leases("A")
        << sends("A", rb"\r\n\r\n3\r\nabc\r\n0\r\nChecksum: 1\r\n\r\n$", method=b"PUT")
    )


def test_a_chunked_body_may_be_empty():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(PUT_CHUNKED)
        << WAITS
        << leases("A")
        << sends("A", rb"\n0\r\n\r\n$", method=b"PUT")
    )


def test_a_body_that_ends_before_there_is_a_connection_is_told_to_nobody():
    play = Playbook()
    _ = play >> play.asks(POST, ended=False) << WAITS << answers(503) << GOES_ON
    # The client's side reads the rest away and reports its end: nothing is left to be told.
    _ = play >> on("request_ended", ()) << None
    play.assert_settled()


# Responses.


def test_a_long_body_by_length_is_moved_past_the_exchange():
    play = Playbook("A")
    _ = (
        play
        >> play.asks()
        << ...
        >> CONNECTED
        << ...
        >> play.answers(OK_BEGUN, ended=False)
        << answers(200, rb"\r\n\r\nbegun$")
        << ("A", "take_body", "front.write")
        << ("A", "join", "front", 4)
        >> play.sends(b" it.")
        >> on("response_ended", ())
        << GIVEN_BACK
        << GOES_ON
    )
    play.assert_settled()
    assert play.records[0].bytes_out == len(OK_BEGUN + b" it." + b"Sozu-Id: ID1\r\n")


def test_a_body_that_is_all_here_but_not_ended_is_not_joined():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks()
        << ...
        >> play.answers(OK, ended=False)
        << answers(200)
        << ("A", "take_body", "front.write")
        << None
    )


@pytest.mark.parametrize("text", [OK_CHUNKED, OK_UNTIL_CLOSE])
def test_a_body_of_unknown_length_is_chunked_for_1_1(text: bytes):
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks()
        << ...
        >> play.answers(text + b"begun", ended=False)
        << answers(200, rb"\nTransfer-Encoding: chunked\r\n", rb"\r\n\r\n5\r\nbegun\r\n$")
        << ("A", "take_body", "front.write_chunk")
        >> on("response_ended", [b"Checksum: 1"])
        << ("front", "write", b"0\r\nChecksum: 1\r\n\r\n")
        << GIVEN_BACK
        << GOES_ON
    )
    play.assert_settled()


@pytest.mark.parametrize("request_text", [GET_10, GET_10_KEPT])
@pytest.mark.parametrize("text", [OK_CHUNKED, OK_UNTIL_CLOSE])
def test_a_body_of_unknown_length_ends_with_the_connection_for_1_0(
    request_text: bytes, text: bytes
):
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(request_text)
        << ...
        >> play.answers(text + b"begun", ended=False)
        << answers(200, rb"\nConnection: close\r\n", rb"\r\n\r\nbegun$", without=(b"chunked",))
        << ("A", "take_body", "front.write")
        >> on("response_ended", [b"Checksum: 1"])
        << GIVEN_BACK
        << CLOSES
    )
    play.assert_settled()


@pytest.mark.parametrize(
    ("request_text", "told", "end"),
    [
        (GET, b"", GOES_ON),
        (
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            b"Connection: close\r\n",
            CLOSES,
        ),
        (GET_10, b"Connection: close\r\n", CLOSES),
        (GET_10_KEPT, b"Connection: keep-alive\r\n", GOES_ON),
    ],
)
def test_the_client_hears_whether_it_may_go_on(request_text: bytes, told: bytes, end: Line):
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(request_text)
        << ...
        >> play.answers(OK)
        << (
            "front",
            "write_last" if end is CLOSES else "write",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSozu-Id: ID1\r\n%b\r\nhi" % told,
        )
        << GIVEN_BACK
        << end
    )
    assert play.exchange.may_be_followed is (end is GOES_ON)
    play.assert_settled()


def test_a_draining_client_hears_that_this_response_is_the_last():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ...
    play.front.is_draining = True
    _ = (
        play
        >> play.answers(OK)
        << ends_with(200, rb"\nConnection: close\r\n")
        << GIVEN_BACK
        << CLOSES
    )


def test_a_client_that_drains_within_the_response_is_kept_as_its_head_has_said():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_BEGUN, ended=False) << ...
    play.front.is_draining = True
    _ = play >> on("response_ended", ()) << GIVEN_BACK << GOES_ON


def test_a_head_that_the_backend_repeats_is_begun_once_and_not_for_1_0():
    play = Playbook("A")
    play.connector.idle = 4
    head = response_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def told(request_text: bytes) -> bytes:
        _ = play >> play.asks(request_text) << ...
        play.exchange.response_started(head, b"", ended=False)
        written = play.lines[0][2]
        _ = play << ... >> on("response_ended", ()) << ...
        return written.replace(play.records[-1].request_id, b"ID")

    kept = b"Transfer-Encoding: chunked\r\nSozu-Id: ID\r\n\r\n"
    assert told(GET_10_KEPT).endswith(b"200 OK\r\nSozu-Id: ID\r\nConnection: close\r\n\r\n")
    assert told(GET).endswith(kept)
    begun = head.start
    assert begun
    assert told(GET).endswith(kept)
    assert head.start is begun
    assert told(GET_10).endswith(b"200 OK\r\nSozu-Id: ID\r\nConnection: close\r\n\r\n")
    play.assert_settled()


def test_interim_responses_are_passed_on_to_1_1_alone():
    interim = response_head(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    for request_text in (GET, GET_10):
        play = Playbook("A")
        play.connector.idle = 1
        _ = play >> play.asks(request_text) << ... >> on("response_interim", interim)
        if request_text is GET:
            _ = play << ("front", "write", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        answered = answers(200) if request_text is GET else ends_with(200)
        _ = play >> play.answers(OK) << answered << GIVEN_BACK << ...
        play.assert_settled()


# Early responses.


@pytest.mark.parametrize(
    ("request_text", "is_short", "told", "end"),
    [
        (POST, True, b"", GOES_ON),
        (POST, False, b"Connection: close\r\n", CLOSES),
        (
            b"POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 6\r\n\r\n",
            True,
            b"Connection: keep-alive\r\n",
            GOES_ON,
        ),
    ],
)
def test_an_early_response_drops_the_backend_and_closes_behind_a_long_body(
    request_text: bytes, is_short: bool, told: bytes, end: Line
):
    play = Playbook("A")
    play.connector.idle = 1
    play.front.is_short = is_short
    _ = (
        play
        >> play.asks(request_text, ended=False)
        << ...
        >> play.answers(OK)
        << (
            "front",
            "write_last" if end is CLOSES else "write",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSozu-Id: ID1\r\n%b\r\nhi" % told,
        )
        << DROPPED
        << end
    )
    assert play.counters.early_response_closes == 1
    play.assert_settled()


def test_a_body_that_ends_while_the_response_lasts_saves_the_backend():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(POST, ended=False)
        << ...
        >> play.answers(OK_BEGUN, ended=False)
        << ...
        >> play.uploads(b"abcdef")
        >> on("request_ended", ())
        << ("A", "touch")
        >> on("response_ended", ())
        << GIVEN_BACK
        << GOES_ON
    )
    play.assert_settled()


# Answers of our own.


def test_a_host_that_nobody_has_is_a_404():
    play = Playbook("A")
    _ = (
        play
        >> play.asks(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n")
        << answers(404, rb"\nSozu-Id: ID1\r\n")
        << GOES_ON
    )
    assert play.counters.failed_backend_matching == 1
    assert play.records[0].cluster_id == ""
    play.assert_settled()


def test_a_rule_that_redirects_asks_no_backend():
    play = Playbook("A", rule=FrontendRule(ADDRESS, "h", cluster_id="app", redirect=Redirect.FOUND))
    _ = play >> play.asks() << answers(302, rb"\nLocation: http://h:8080/\r\n") << GOES_ON
    assert play.cluster.counters.requests == 0
    play.assert_settled()


@pytest.mark.parametrize(("cluster_id", "status"), [(None, 401), ("nowhere", 503)])
def test_a_rule_without_a_cluster_asks_no_backend(cluster_id: str | None, status: int):
    play = Playbook("A", rule=FrontendRule(ADDRESS, "h", cluster_id=cluster_id))
    _ = play >> play.asks() << answers(status) << GOES_ON
    play.assert_settled()


def test_a_body_that_came_with_the_head_and_is_none_is_answered_and_closed():
    play = Playbook("A")
    _ = play.asks(PUT_CHUNKED, ended=False)
    _ = (
        play
        >> on("start_broken", "the size of a chunk is not hexadecimal", 400)
        << answers(400, rb"\nConnection: close\r\n")
        << CLOSES
    )
    assert play.counters.frontend_parse_errors == 1
    play.assert_settled()


@pytest.mark.parametrize("is_connected", [False, True])
def test_a_body_that_turns_out_to_be_none_is_answered_and_closed(is_connected: bool):
    play = Playbook("A")
    _ = play >> play.asks(PUT_CHUNKED, ended=False) << ...
    if is_connected:
        _ = play >> CONNECTED << ...
    _ = (
        play
        >> on("request_broken", "a chunk longer than its size", 400)
        << DROPPED
        << answers(400, rb"\nConnection: close\r\n")
        << CLOSES
    )
    assert play.counters.frontend_parse_errors == 1
    assert play.records[0].message == "a chunk longer than its size"
    play.assert_settled()


def test_a_body_that_turns_out_to_be_none_within_the_response_cuts_it():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(PUT_CHUNKED, ended=False)
        << ...
        >> play.answers(OK_BEGUN, ended=False)
        << ...
        >> on("request_broken", "a chunk longer than its size", 400)
        << DROPPED
        << CUT
    )
    play.assert_settled()


# Places for one client's address.


@pytest.mark.parametrize(
    ("of_process", "of_cluster", "is_refused"),
    [(0, None, False), (1, None, True), (1, 0, False), (5, 1, True), (0, 1, True)],
)
def test_a_second_client_of_one_address_may_be_one_too_many(
    of_process: int, of_cluster: int | None, is_refused: bool
):
    play = Playbook(
        "A",
        cluster=Cluster("app", max_connections_per_ip=of_cluster, retry_after=7),
        places_per_address=of_process,
    )
    assert play.means.address_counts.enter("app", play.session.source, 9)  # Another session.
    _ = play >> play.asks()
    if is_refused:
        _ = play << answers(429, rb"\nRetry-After: 7\r\n") << GOES_ON
        assert play.cluster.counters.rejected_per_ip == 1
        play.assert_settled()
    else:
        _ = play << WAITS << leases("A")


def test_a_client_takes_its_place_once():
    play = Playbook("A", places_per_address=1)
    play.connector.idle = 2
    for _ in range(2):
        _ = play >> play.asks() << ... >> play.answers(OK) << answers(200) << ...
    assert play.session.clusters == {"app"}
    assert play.means.address_counts.total() == 1
    play.assert_settled()


# Which backend.


@pytest.mark.parametrize(
    ("cookie", "chosen", "is_told"),
    [
        (b"SOZUBALANCEID=bee", "B", False),
        (b"SOZUBALANCEID=nobody", "A", True),
        (b"other=bee", "A", True),
    ],
)
def test_a_cookie_names_the_backend(cookie: bytes, chosen: str, is_told: bool):
    bee = Backend("app", "B", InetAddress("10.1.0.9", 9), sticky_id="bee")
    play = Playbook("A", bee, cluster=Cluster("app", sticky_session=True))
    play.connector.idle = 1
    text = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: %b\r\n\r\n" % cookie
    _ = play >> play.asks(text) << WAITS << leases(chosen) << ... >> play.answers(OK)
    set_cookie = rb"\nSet-Cookie: SOZUBALANCEID=A; Path=/\r\n"
    _ = play << (answers(200, set_cookie) if is_told else answers(200, without=(set_cookie,)))


def test_a_cookie_is_looked_at_also_when_nothing_is_wrong_and_the_choice_is_quick():
    play = Playbook("A", "B", cluster=Cluster("app", sticky_session=True))
    text = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: SOZUBALANCEID=A\r\n\r\n"
    for _ in range(3):
        _ = play >> play.asks() << ... >> on("request_lost") << ...
        assert play.cluster.quick_pick is not None
        _ = play >> play.asks(text) << WAITS << leases("A") >> on("request_lost") << ...
    play.assert_settled()


def test_a_client_whose_backend_failed_goes_to_another():
    play = Playbook("A", "B", cluster=Cluster("app", sticky_session=True))
    text = b"GET / HTTP/1.1\r\nHost: h\r\nCookie: SOZUBALANCEID=A\r\n\r\n"
    _ = (
        play
        >> play.asks(text)
        << WAITS
        << leases("A")
        >> play.refused(DialFailure.REFUSED)
        << RESUMES
        << replaces("A", "B")
        >> CONNECTED
        << sends("B")
        >> play.answers(OK)
        << answers(200, rb"\nSet-Cookie: SOZUBALANCEID=B; Path=/\r\n")
        << ...
    )
    play.assert_settled()


def test_a_policy_that_goes_by_a_key_is_given_the_client_s_address_or_what_it_asks_for():
    for affinity in (None, "header:X-User"):
        cluster = Cluster("app", load_balancing=LoadBalancing.HRW, affinity=affinity)
        play = Playbook("A", "B", "C", "D", cluster=cluster)
        chosen = set()
        for user in range(20):
            text = b"GET / HTTP/1.1\r\nHost: h\r\nX-User: %d\r\n\r\n" % user
            _ = play >> play.asks(text) << ...
            chosen.add(play.back.state.backend_id)
            _ = play >> on("request_lost") << ...
        assert (len(chosen) > 1) is (affinity is not None)
        play.assert_settled()


def test_a_cluster_without_backends_is_a_503():
    """R8."""
    play = Playbook()
    _ = play >> play.asks() << WAITS << answers(503) << GOES_ON
    assert play.records[0].message == "no backend"
    play.assert_settled()


@pytest.mark.parametrize(
    ("text", "ended", "replays", "surely"),
    [
        (GET, True, True, False),
        (GET, True, False, True),
        (PUT + b"abcdef", True, True, False),
        (PUT, False, True, True),
        (POST + b"abcdef", True, True, True),
    ],
)
def test_a_request_that_cannot_be_sent_twice_wants_a_connection_that_was_looked_at(
    text: bytes, ended: bool, replays: bool, surely: bool
):
    """R2."""
    play = Playbook("A", replays=replays)
    _ = play >> play.asks(text, ended) << WAITS << leases("A", surely=surely)


# Dials.


def test_a_refused_dial_goes_to_another_backend():
    """R6."""
    play = Playbook("A", "B", "C")
    _ = (
        play
        >> play.asks()
        << WAITS
        << leases("A")
        >> play.refused(DialFailure.REFUSED)
        << RESUMES
        << replaces("A", "B")
        >> play.refused(DialFailure.TIMED_OUT)
        << RESUMES
        << replaces("B", "C")
        >> CONNECTED
        << sends("C")
        >> play.answers(OK)
        << answers(200)
        << ("connector", "give_back", "C")
        << GOES_ON
    )
    assert play.records[0].backend_id == "C"
    play.assert_settled()


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (DialFailure.REFUSED, 503, "no backend could be reached"),
        (DialFailure.TIMED_OUT, 504, "backend_timeout"),
    ],
)
@pytest.mark.parametrize("dials_max", [1, 3])
def test_so_many_dials_and_no_more(failure: DialFailure, status: int, message: str, dials_max: int):
    """R6, R7."""
    play = Playbook("A", "B", "C", "D", "E", dials_max=dials_max)
    _ = play >> play.asks() << ...
    for _ in range(dials_max - 1):
        _ = play >> play.refused(failure) << RESUMES << ("connector", "replace", ANY, ANY, ANY)
    _ = play >> play.refused(failure) << (ANY, "drop") << answers(status) << GOES_ON
    assert play.cluster.counters.retries_exhausted == 1
    assert play.records[0].message == message
    play.assert_settled()


def test_no_dial_begins_after_the_backend_s_time_is_over():
    """R7."""
    play = Playbook("A", "B")
    _ = (
        play
        >> play.asks()
        << ...
        >> play.after(SECONDS.back + 1)
        >> play.refused(DialFailure.TIMED_OUT)
        << DROPPED
        << answers(504)
        << GOES_ON
    )
    play.assert_settled()


def test_those_that_have_just_failed_are_not_asked_again():
    """R6: of two backends both are dialled, and neither a second time."""
    play = Playbook("A", "B")
    _ = (
        play
        >> play.asks()
        << ...
        >> play.refused(DialFailure.REFUSED)
        << RESUMES
        << replaces("A", "B")
        >> play.refused(DialFailure.REFUSED)
        << ("B", "drop")
        << answers(503)
        << GOES_ON
    )
    play.assert_settled()


def test_the_last_backend_may_go_while_it_is_dialled():
    """R8, R11."""
    play = Playbook("A")
    state = play.states["A"]
    _ = play >> play.asks() << ...
    play.cluster.remove("A", state.address)
    _ = play >> on("backend_failed", DialFailure.REFUSED) << DROPPED << answers(503) << GOES_ON
    assert play.records[0].message == "no backend"
    play.assert_settled()


def test_no_descriptor_is_nobody_s_fault_and_no_reason_to_dial_again():
    play = Playbook("A", "B")
    _ = (
        play
        >> play.asks()
        << ...
        >> on("backend_failed", DialFailure.NO_DESCRIPTOR)
        << DROPPED
        << answers(503)
        << GOES_ON
    )
    assert play.records[0].message == "no descriptor left"
    play.assert_settled()


def test_a_body_is_held_while_another_backend_is_dialled():
    play = Playbook("A", "B")
    _ = (
        play
        >> play.asks(PUT + b"abc", ended=False)
        << ...
        >> play.refused(DialFailure.REFUSED)
        << ("front", "hold_body")
        << RESUMES
        << replaces("A", "B")
    )


# Hang-ups.


@pytest.mark.parametrize("idle", [0, 1])
@pytest.mark.parametrize("text", [GET, PUT + b"abcdef"])
def test_a_hang_up_before_any_byte_sends_the_request_to_another(idle: int, text: bytes):
    """R3; the same bytes, the exchange's id included."""
    play = Playbook("A", "B")
    play.connector.idle = idle
    _ = play >> play.asks(text)
    if not idle:
        _ = play << ... >> CONNECTED
    sent = play.lines[-1][2]
    _ = (
        play
        << ...
        >> LOST
        << RESUMES
        << replaces("A", "B")
        >> CONNECTED
        << ("B", "send_request", sent, ANY, SECONDS.back)
        >> play.answers(OK)
        << answers(200)
        << ("connector", "give_back", "B")
        << GOES_ON
    )
    play.assert_settled()


def test_a_sole_backend_that_hung_up_is_asked_again():
    """R3: to hang up is no failure to connect, and a reused connection was no dial."""
    play = Playbook("A", dials_max=1)
    play.connector.idle = 1
    _ = (
        play
        >> play.asks()
        << ...
        >> LOST
        << RESUMES
        << replaces("A", "A")
        >> CONNECTED
        << sends("A")
    )
    _ = play >> LOST << DROPPED << answers(502) << GOES_ON
    play.assert_settled()


def test_who_hangs_up_after_each_dial_is_a_502():
    play = Playbook("A", "B", "C", "D", dials_max=2)
    _ = play >> play.asks() << ... >> CONNECTED << ... >> LOST << ... >> CONNECTED << ...
    _ = play >> LOST << ("B", "drop") << answers(502) << GOES_ON
    assert play.cluster.counters.retries_exhausted == 1
    play.assert_settled()


def test_who_hung_up_is_avoided_by_a_policy_that_would_choose_him_again():
    play = Playbook("A", "B", cluster=Cluster("app", load_balancing=LoadBalancing.HRW))
    _ = play >> play.asks() << WAITS << (ANY, ANY, ANY, ANY) >> CONNECTED << ...
    first = play.back.state
    _ = play >> LOST << ...
    assert play.back.state is not first


def test_what_failed_last_is_what_the_client_is_told():
    """A dial was refused, but another one succeeded and hung up: that is a 502."""
    play = Playbook("A", "B", dials_max=2)
    _ = (
        play
        >> play.asks()
        << ...
        >> play.refused(DialFailure.REFUSED)
        << RESUMES
        << replaces("A", "B")
        >> CONNECTED
        << sends("B")
        >> LOST
        << ("B", "drop")
        << answers(502)
        << GOES_ON
    )
    play.assert_settled()


REPLAYED = (RESUMES, replaces("A", "B"))
REFUSED = (DROPPED, answers(502), GOES_ON)


@pytest.mark.parametrize(
    ("text", "replays", "sent_nothing", "replayed"),
    [
        (GET, True, False, True),
        (GET, False, False, False),
        (GET, False, True, True),
        (POST + b"abcdef", True, False, False),
        (POST + b"abcdef", True, True, True),
    ],
)
def test_what_may_be_sent_twice(text: bytes, replays: bool, sent_nothing: bool, replayed: bool):
    """R3."""
    play = Playbook("A", "B", replays=replays)
    play.connector.idle = 1
    _ = play >> play.asks(text) << ...
    play.back.sent_nothing = sent_nothing
    _ = play >> LOST
    for line in REPLAYED if replayed else REFUSED:
        _ = play << line
    _ = play << None


def test_a_request_of_which_more_came_is_not_whole_any_more():
    """R3: what passed by is not kept."""
    for sent_nothing in (False, True):
        play = Playbook("A", "B")
        play.connector.idle = 1
        _ = play >> play.asks(PUT + b"abc", ended=False) << ... >> play.uploads(b"d")
        play.back.sent_nothing = sent_nothing
        _ = play >> LOST << ("front", "hold_body") << DROPPED << answers(502) << GOES_ON
        play.assert_settled()


def test_a_body_of_which_no_more_came_is_held_and_sent_again():
    play = Playbook("A", "B")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(PUT + b"abc", ended=False)
        << ...
        >> LOST
        << ("front", "hold_body")
        << ("front", "hold_body")
        << RESUMES
        << replaces("A", "B")
        >> CONNECTED
        << sends("B", rb"\r\n\r\nabc$", method=b"PUT")
        << ("front", "take_body", "B.write", "B")
        << RESUMES
    )


@pytest.mark.parametrize("more", [b"", b"d"])
def test_the_end_of_a_chunked_body_is_sent_again_if_it_was_all(more: bytes):
    play = Playbook("A", "B")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(PUT_CHUNKED + b"abc", ended=False)
        << ...
        >> play.uploads(more)
        >> on("request_ended", ())
        << ("A", "touch")
        << ("A", "write", b"0\r\n\r\n")
        >> LOST
    )
    if more:
        _ = play << DROPPED << answers(502) << GOES_ON
    else:
        again = sends("B", rb"\r\n\r\n3\r\nabc\r\n0\r\n\r\n$", method=b"PUT")
        _ = play << RESUMES << replaces("A", "B") >> CONNECTED << again << None


@pytest.mark.parametrize("what", ["half a head", "an interim response"])
def test_a_hang_up_after_any_byte_is_a_502(what: str):
    """R4."""
    play = Playbook("A", "B")
    play.connector.idle = 1
    _ = play >> play.asks() << ...
    if what == "half a head":
        _ = play >> play.sends(b"HTTP/1.1 2")
    else:
        _ = play >> on("response_interim", response_head(b"HTTP/1.1 100 Continue\r\n\r\n")) << ...
    _ = play >> LOST << DROPPED << answers(502) << GOES_ON
    play.assert_settled()


def test_a_hang_up_within_the_body_cuts_the_client():
    """R5."""
    play = Playbook("A", "B")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_BEGUN, ended=False) << ...
    _ = play >> LOST << DROPPED << CUT
    assert play.counters.backend_eof_before_message_complete == 1
    assert play.records[0].is_error
    play.assert_settled()


def test_what_is_not_http_is_a_502_and_never_tried_elsewhere():
    play = Playbook("A", "B")
    play.connector.idle = 1
    _ = play >> play.asks() << ...
    _ = play >> on("response_broken", "no status line") << DROPPED << answers(502) << GOES_ON
    assert play.counters.backend_parse_errors == 1
    assert play.records[0].message == "no status line"
    play.assert_settled()


def test_what_is_not_http_any_more_cuts_the_client():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_CHUNKED, ended=False) << ...
    _ = play >> on("response_broken", "no chunk") << DROPPED << CUT
    play.assert_settled()


def test_a_client_that_leaves_takes_its_backend_with_it_and_blames_nobody():
    """R9."""
    for is_connected in (False, True):
        play = Playbook("A")
        _ = play >> play.asks() << ...
        if is_connected:
            _ = play >> CONNECTED << ...
        _ = play >> on("request_lost") << DROPPED << None
        assert play.records[0].message == "session close"
        assert play.records[0].is_error
        assert play.states["A"].backoff.failures == 0
        play.assert_settled()
        _ = play >> on("request_lost") << None  # A late report changes nothing.
        play.assert_settled()


def test_a_client_that_leaves_within_the_response_is_no_error():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_BEGUN, ended=False) << ...
    _ = play >> on("request_lost") << DROPPED << None
    assert play.records[0].status == 200
    assert not play.records[0].is_error
    play.assert_settled()


# Silence.


@pytest.mark.parametrize(
    ("is_connected", "ended", "status", "end"),
    [
        (False, True, 503, GOES_ON),
        (True, True, 504, GOES_ON),
        (False, False, 408, CLOSES),
        (True, False, 408, CLOSES),
    ],
)
def test_a_silent_client_is_answered(is_connected: bool, ended: bool, status: int, end: Line):
    play = Playbook("A")
    _ = play >> play.asks(POST + b"abcdef" * ended, ended) << ...
    if is_connected:
        _ = play >> CONNECTED << ...
    _ = play >> on("request_timed_out") << DROPPED << answers(status) << end
    play.assert_settled()


@pytest.mark.parametrize(
    ("took_all", "held_up", "is_cut"),
    [(True, False, False), (False, False, True), (True, True, True)],
)
def test_a_client_that_takes_nothing_is_cut_if_there_was_something(
    took_all: bool, held_up: bool, is_cut: bool
):
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_BEGUN, ended=False) << ...
    play.front.took_all = took_all
    play.back.held_up = held_up
    _ = play >> on("request_timed_out")
    if is_cut:
        _ = play << DROPPED << CUT
        play.assert_settled()
    else:
        _ = play << WAITS << None


def test_a_silent_backend_is_a_504():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ...
    _ = play >> on("response_timed_out") << DROPPED << answers(504) << GOES_ON
    play.assert_settled()


def test_a_backend_that_falls_silent_within_the_body_cuts_the_client():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks() << ... >> play.answers(OK_BEGUN, ended=False) << ...
    _ = play >> on("response_timed_out") << DROPPED << CUT
    assert play.records[0].message == "backend_response_timeout"
    play.assert_settled()


def test_a_backend_that_listens_is_not_silent():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(POST, ended=False)
        << ...
        >> play.uploads(b"abc")
        >> on("response_timed_out")
        << ("A", "wait", SECONDS.back)
        >> on("response_timed_out")
        << DROPPED
        << answers(504)
        << ...
    )
    play.assert_settled()


def test_a_backend_that_has_all_is_silent_from_then_on():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(POST, ended=False)
        << ...
        >> play.uploads(b"abcdef")
        >> on("request_ended", ())
        << ("A", "touch")
        >> on("response_timed_out")
        << DROPPED
        << answers(504)
        << GOES_ON
    )
    play.assert_settled()


# Who pauses whom.


def test_a_client_that_does_not_read_pauses_the_backend():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks()
        << ...
        >> play.answers(OK_BEGUN, ended=False)
        << ...
        >> on("front_filled")
        << ("A", "pause")
        >> on("front_drained")
        << ("A", "resume")
        << None
    )
    assert play.counters.flow_control_paused == 1


def test_a_backend_that_does_not_read_pauses_the_client():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(POST, ended=False)
        << ...
        >> on("back_filled")
        << ("front", "pause")
        >> on("back_drained")
        << RESUMES
        << None
    )
    assert play.counters.flow_control_paused == 1


def test_of_two_full_ends_the_one_that_drains_leaves_the_other_s_silence_to_us():
    play = Playbook("A")
    play.connector.idle = 1
    _ = play >> play.asks(POST, ended=False) << ...
    play.front.is_full = play.back.is_full = True
    _ = play >> on("front_drained") << ("A", "resume") << ("front", "pause")
    _ = play >> on("back_drained") << RESUMES << ("A", "pause")


def test_a_client_is_not_read_while_its_first_bytes_fill_the_backend():
    play = Playbook("A")
    _ = play >> play.asks(POST + b"abc", ended=False) << ...
    play.back.is_full = True
    _ = (
        play
        >> CONNECTED
        << sends("A", method=b"POST")
        << ("front", "take_body", "A.write", "A")
        << None
    )


def test_a_client_that_drains_with_no_backend_left_resumes_nobody():
    play = Playbook()
    _ = play >> play.asks() << ... >> on("front_filled") >> on("front_drained") << None
    assert play.counters.flow_control_paused == 0


# Tunnels.


def tunnel(play: Playbook) -> Playbook:
    play.connector.idle = 1
    return play >> play.asks(UPGRADE) << ... >> play.answers(SWITCHED) << ...


def test_a_101_opens_a_tunnel_that_each_end_closes_by_itself():
    play = Playbook("A")
    play.connector.idle = 1
    _ = (
        play
        >> play.asks(UPGRADE)
        << WAITS
        << leases("A")
        << sends("A", rb"\r\nUpgrade: echo\r\n")
        >> play.answers(SWITCHED)
        << answers(101, rb"\r\nUpgrade: echo\r\n")
        << ("A", "tunnel", "front.write", SECONDS.tunnel)
        << ("front", "tunnel", "A.write", SECONDS.tunnel)
        >> on("front_finished")
        << ("A", "finish")
        >> on("back_finished")
        << ("A", "close", SECONDS.back)
        << CLOSES
    )
    assert play.records[0].protocol == "WS"
    play.assert_settled()


def test_a_backend_that_is_gone_ends_the_tunnel():
    play = Playbook("A")
    _ = tunnel(play) >> LOST << DROPPED << CLOSES
    play.assert_settled()


def test_a_client_that_is_gone_ends_the_tunnel():
    play = Playbook("A")
    _ = tunnel(play) >> on("request_lost") << DROPPED << None
    play.assert_settled()


def test_the_silence_of_a_tunnel_is_that_of_both():
    play = Playbook("A")
    _ = (
        tunnel(play)
        >> play.uploads(b"ping")
        >> on("response_timed_out")
        << ("A", "wait", SECONDS.tunnel)
        >> play.sends(b"pong")
        >> on("request_timed_out")
        << ("front", "wait", SECONDS.tunnel)
        >> on("response_timed_out")
        << DROPPED
        << CLOSES
    )
    assert play.records[0].message == "backend socket timeout"
    play.assert_settled()


def test_a_tunnel_s_client_that_takes_again_is_waited_for_as_a_tunnel_s():
    play = Playbook("A")
    _ = tunnel(play) >> on("back_drained") << ("front", "resume", SECONDS.tunnel) << None


# Each stage, each event.


def at_connecting() -> Playbook:
    play = Playbook("A", "B")
    return play >> play.asks() << ...


def at_upload() -> Playbook:
    """Waiting, with a request that is not complete."""
    play = Playbook("A", "B")
    play.connector.idle = 1
    return play >> play.asks(PUT_CHUNKED, ended=False) << ...


def at_waiting() -> Playbook:
    return at_connecting() >> CONNECTED << ...


def at_relaying() -> Playbook:
    play = at_waiting()
    return play >> play.answers(OK_BEGUN, ended=False) << ...


def at_tunnel() -> Playbook:
    return tunnel(Playbook("A", "B"))


def at_over() -> Playbook:
    play = at_waiting()
    return play >> play.answers(OK) << ...


STAGES = {
    "connecting": at_connecting,
    "upload": at_upload,
    "waiting": at_waiting,
    "relaying": at_relaying,
    "tunnel": at_tunnel,
    "over": at_over,
}

INTERIM = response_head(b"HTTP/1.1 100 Continue\r\n\r\n")
FINAL = response_head(OK)

EVENTS: dict[str, Event] = {
    "request_ended": on("request_ended", ()),
    "request_broken": on("request_broken", "why", 400),
    "request_lost": on("request_lost"),
    "request_timed_out": on("request_timed_out"),
    "front_filled": on("front_filled"),
    "front_drained": on("front_drained"),
    "front_finished": on("front_finished"),
    "backend_connected": CONNECTED,
    "backend_failed": on("backend_failed", DialFailure.REFUSED),
    "response_interim": on("response_interim", INTERIM),
    "response_started": on("response_started", FINAL, b"", ended=False),
    "response_whole": on("response_started", FINAL, b"hi", ended=True),
    "response_ended": on("response_ended", ()),
    "response_broken": on("response_broken", "why"),
    "response_lost": LOST,
    "response_timed_out": on("response_timed_out"),
    "back_filled": on("back_filled"),
    "back_drained": on("back_drained"),
    "back_finished": on("back_finished"),
}


# "-": cannot be, and an assertion says so; ".": the stage stays.
TABLE = """
                    connecting  upload      waiting     relaying  tunnel  over
request_ended       -           .           -           -         -       -
request_broken      over        over        over        over      over    -
request_lost        over        over        over        over      over    .
request_timed_out   over        over        over        .         over    -
front_filled        .           .           .           .         .       .
front_drained       .           .           .           .         .       .
front_finished      -           -           -           -         .       -
backend_connected   waiting     -           -           -         -       -
backend_failed      .           -           -           -         -       -
response_interim    -           .           .           -         -       -
response_started    -           relaying    relaying    -         -       -
response_whole      -           over        over        -         -       -
response_ended      -           -           -           over      -       -
response_broken     over        over        over        over      -       -
response_lost       -           connecting  connecting  over      over    -
response_timed_out  over        over        over        over      over    -
back_filled         .           .           .           .         .       -
back_drained        .           .           .           .         .       -
back_finished       -           -           -           -         .       -
"""
HEADING, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CASES = [
    (stage, event, outcome)
    for event, *outcomes in ROWS
    for stage, outcome in zip(HEADING, outcomes, strict=True)
]


def test_the_table_is_of_every_stage_and_every_event():
    assert list(STAGES) == HEADING
    assert [event for event, *_ in ROWS] == list(EVENTS)


@pytest.mark.parametrize(("stage", "event", "outcome"), CASES)
def test_each_event_at_each_stage(stage: str, event: str, outcome: str):
    play = STAGES[stage]()
    before = play.stage
    if outcome == "-":
        with pytest.raises(AssertionError):
            _ = play >> EVENTS[event]
        return
    _ = play >> EVENTS[event] << ...
    assert play.stage is (before if outcome == "." else Stage(outcome))
    if play.stage is Stage.OVER:
        play.assert_settled()
    else:
        assert play.records == []
        assert play.counters.active_requests == play.cluster.counters.active_requests == 1


# Over TLS.


def secure_play(*, names: frozenset[str] = frozenset(), sni: str = "", **options: Any) -> Playbook:
    play = Playbook("A", listener=HttpsListener(HttpListener(ADDRESS, timeouts=SECONDS), **options))
    play.connector.idle = 1
    play.front.tls = TlsFacts("TLSv1.3", "X", sni, names=names)
    return play


@pytest.mark.parametrize(
    ("names", "sni", "host"),
    [
        ({"h"}, "", b"h"),
        ({"h"}, "other", b"H:8443"),
        ({"*.h"}, "", b"a.h"),
        (set(), "h", b"h"),  # The client named it, and was served what there is for it.
        ({"127.0.0.1"}, "", b"127.0.0.1"),
        ({"::1"}, "", b"[::1]:8443"),
    ],
)
def test_a_request_for_a_host_that_the_certificate_is_for_is_led_on(names, sni: str, host: bytes):
    play = secure_play(names=frozenset(names), sni=sni)
    _ = play >> play.asks(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host) << ...
    assert play.counters.tls.misdirected == 0
    assert play.front.covered_host == play.exchange._head.host


@pytest.mark.parametrize(("names", "sni"), [(set(), ""), ({"a.h", "*.h"}, "a.h"), ({"i"}, "i")])
def test_a_request_for_another_host_is_a_421(names, sni: str):
    play = secure_play(names=frozenset(names), sni=sni)
    _ = play >> play.asks() << answers(421) << GOES_ON
    assert play.counters.tls.misdirected == 1
    assert play.front.covered_host == b""
    play.assert_settled()


def test_a_host_that_was_covered_is_not_looked_at_again():
    play = secure_play()
    play.front.covered_host = b"h"
    _ = play >> play.asks() << WAITS << leases("A") << ...
    assert play.counters.tls.misdirected == 0


def test_a_listener_may_be_lax_about_hosts():
    play = secure_play(strict_sni_binding=False)
    _ = play >> play.asks() << WAITS << leases("A") << ...


def test_transport_security_is_told_with_every_response_of_the_route():
    line = rb"\nStrict-Transport-Security: max-age=60\r\n"
    for text, expected in (
        (OK, answers(200, line)),
        (
            OK.replace(b"\r\n\r\n", b"\r\nStrict-Transport-Security: max-age=1\r\n\r\n"),
            answers(200, rb"max-age=1\r\n", without=(rb"max-age=60",)),
        ),
    ):
        play = secure_play(sni="h", hsts=Hsts(True, 60))
        _ = play >> play.asks() << ... >> play.answers(text) << expected << GIVEN_BACK << GOES_ON
        play.assert_settled()
    play = secure_play(sni="h", hsts=Hsts(True, 60))
    _ = play >> play.asks() << ... >> on("response_broken", "no") << DROPPED
    _ = play << answers(502, line) << GOES_ON


def test_a_tunnel_over_tls_is_counted_as_one():
    play = secure_play(sni="h")
    _ = play >> play.asks(UPGRADE) << ... >> play.answers(SWITCHED) << ...
    assert play.counters.tls.websocket_sessions == 1
    assert play.counters.websocket_sessions == 0
    _ = play >> on("request_lost") << ...
    assert play.records[0].protocol == "WSS"
    play.assert_settled()


def test_a_record_tells_what_the_handshake_settled():
    play = secure_play(sni="h")
    _ = play >> play.asks() << ... >> play.answers(OK) << ...
    assert play.records[0].protocol == "HTTPS"
    assert play.records[0].tls is play.front.tls


def test_a_backend_that_is_not_who_it_should_be_is_a_502_that_says_why():
    play = Playbook("A", dials_max=1)
    _ = (
        play
        >> play.asks()
        << ...
        >> play.refused(DialFailure.NOT_SECURED, "it expired")
        << DROPPED
        << answers(502)
        << GOES_ON
    )
    assert play.records[0].message == "backend tls: it expired"
    play.assert_settled()
