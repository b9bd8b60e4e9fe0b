"""What an exchange adds up to: one record, and each count where it belongs."""

import pytest

from sozutw.config.model import FrontendRule, HttpListener, HttpsListener
from sozutw.relay.access import NO_TAGS
from sozutw.relay.account import Account, Stage
from sozutw.relay.ports import DialFailure
from tests.relay.playbook import ADDRESS, SECONDS, SOURCE, Playbook, on, response_head

CONNECTED = on("backend_connected")
OK = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nhi"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


def test_an_exchange_begins_with_nothing_but_an_id():
    play = Playbook("A")
    _ = play.asks()
    account: Account = play.exchange
    assert account.session is play.session
    assert play.stage is Stage.CONNECTING
    assert play.records == []
    _ = play >> on("start", b"", True, ()) << ... >> CONNECTED << ... >> play.answers(OK) << ...
    assert play.records[0].request_id == b"ID1"
    _ = play.asks()
    _ = play >> on("start", b"", True, ()) << ... >> on("request_lost") << ...
    assert play.records[1].request_id == b"ID2"
    play.assert_settled()


@pytest.mark.parametrize(("line", "may"), [(b"", True), (b"Connection: close\r\n", False)])
def test_a_client_that_asked_for_a_close_sends_nothing_behind(line: bytes, may: bool):
    play = Playbook("A")
    _ = play.asks(b"GET / HTTP/1.1\r\nHost: h\r\n%b\r\n" % line)
    assert play.exchange.may_be_followed is may


def test_a_record_tells_the_whole_exchange():
    rule = FrontendRule(ADDRESS, "h", cluster_id="app", tags={"owner": "me"})
    play = Playbook("A", rule=rule)
    head = (
        b"POST /p?q HTTP/1.1\r\nHost: h:80\r\nUser-Agent: curl\r\nX-Request-Id: theirs\r\n"
        b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nContent-Length: 4\r\n\r\n"
    )
    _ = (
        play
        >> play.asks(head + b"body")
        << ...
        >> play.after(0.25)
        >> CONNECTED
        << ...
        >> play.after(0.5)
        >> play.answers(OK, ended=False)
    )
    written = play.lines[0][2]
    _ = play << ... >> play.after(1.0) >> play.sends(b"later") >> on("response_ended", ()) << ...
    (record,) = play.records
    assert record._asdict() == {
        "time_ns": 1_001_750_000_000,
        "session_id": b"SESSION",
        "request_id": b"ID1",
        "cluster_id": "app",
        "backend_id": "A",
        "client_address": f"{SOURCE}:5",
        "backend_address": "10.1.0.1:9000",
        "request_us": 1_750_000,
        "service_us": 1_250_000,
        "response_us": 500_000,
        "client_rtt_us": 7,
        "backend_rtt_us": 9,
        "bytes_in": len(head) + 4,
        "bytes_out": len(written) + len(b"later"),
        "tags": play.route.tags,
        "user_agent": b"curl",
        "protocol": "HTTP",
        "method": b"POST",
        "authority": b"h:80",
        "path": b"/p?q",
        "status": 200,
        "reason": b"Fine",
        "message": "",
        "is_error": False,
        "x_request_id": b"theirs",
        "xff_chain": b"1.1.1.1, 2.2.2.2",
        "tls": None,
    }
    assert record.tags.mapping == {"owner": "me"}
    play.assert_settled()


def test_bytes_out_are_those_that_were_written_interim_heads_and_last_chunks_too():
    play = Playbook("A")
    _ = play >> play.asks() << ... >> CONNECTED << ...
    _ = play >> on("response_interim", response_head(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"))
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    written = len(play.lines.pop()[2])
    _ = play >> play.answers(text, ended=False)
    written += len(play.lines[0][2])
    _ = play << ... >> on("response_ended", ())
    written += len(play.lines[0][2])
    _ = play << ...
    assert play.records[0].bytes_out == written
    play.assert_settled()


def test_every_count_is_put_where_it_belongs():
    play = Playbook("A")
    _ = play >> play.asks() << ... >> CONNECTED << ... >> play.after(0.5) >> play.answers(OK) << ...
    (record,) = play.records
    backend, cluster = play.states["A"].counters, play.cluster.counters
    for counters in (play.counters, cluster, backend):
        assert (counters.bytes_in, counters.bytes_out) == (record.bytes_in, record.bytes_out)
        assert counters.requests == 1
    assert play.counters.statuses[200] == cluster.responses[2] == 1
    for timer in (cluster.request_time, backend.response_time):
        assert timer.sum_us == 500_000
        assert timer.buckets[(500_000).bit_length()] == sum(timer.buckets) == 1
    assert play.counters.errors == 0
    play.assert_settled()


def test_a_request_without_a_route_is_nobody_else_s():
    play = Playbook("A")
    _ = play >> play.asks(b"GET / HTTP/1.1\r\nHost: other\r\n\r\n") << ...
    (record,) = play.records
    assert (record.cluster_id, record.backend_id, record.backend_address) == ("", "", "")
    assert record.tags is NO_TAGS
    assert record.response_us is None
    assert record.x_request_id == record.request_id
    assert record.xff_chain == b""
    assert play.counters.bytes_out == record.bytes_out > 0
    assert sum(play.cluster.counters.responses) == 0
    play.assert_settled()


def test_a_rule_s_own_answer_is_not_counted_as_a_request_of_its_cluster():
    play = Playbook("A", rule=FrontendRule(ADDRESS, "h", cluster_id="nowhere"))
    _ = play >> play.asks() << ...
    assert play.records[0].cluster_id == "nowhere"
    assert play.records[0].is_error
    assert play.counters.errors == 1
    assert sum(play.cluster.counters.responses) == 0
    play.assert_settled()


def test_a_backend_that_was_only_dialled_is_named_and_not_timed():
    play = Playbook("A", dials_max=1)
    _ = play >> play.asks() << ... >> play.after(2.0) >> play.refused(DialFailure.REFUSED) << ...
    (record,) = play.records
    assert (record.backend_id, record.status) == ("A", 503)
    assert record.response_us is None
    assert record.request_us == record.service_us == 2_000_000
    assert sum(play.states["A"].counters.response_time.buckets) == 0
    assert play.cluster.counters.responses[5] == 1
    play.assert_settled()


def test_a_client_that_left_has_no_status():
    play = Playbook("A")
    _ = play >> play.asks() << ... >> on("request_lost") << ...
    assert play.counters.statuses[0] == play.cluster.counters.responses[0] == 1
    assert play.counters.errors == 1
    play.assert_settled()


def test_a_tunnel_is_told_as_one_and_leaves_its_gauge():
    play = Playbook("A")
    _ = play >> play.asks(UPGRADE) << ... >> CONNECTED << ... >> play.answers(SWITCHED) << ...
    assert play.counters.websocket_sessions == 1
    _ = play >> play.uploads(b"ping") >> play.sends(b"pong!") >> on("request_lost") << ...
    (record,) = play.records
    assert (record.protocol, record.status, record.is_error) == ("WS", 101, False)
    assert record.bytes_in == len(UPGRADE) + len(b"ping")
    assert record.bytes_out > len(b"pong!")
    play.assert_settled()


def test_a_tunnel_over_tls_is_told_so_and_leaves_a_gauge_of_its_own():
    https = HttpsListener(HttpListener(ADDRESS, timeouts=SECONDS), strict_sni_binding=False)
    play = Playbook("A", listener=https)
    _ = play >> play.asks(UPGRADE) << ... >> CONNECTED << ... >> play.answers(SWITCHED) << ...
    assert (play.counters.tls.websocket_sessions, play.counters.websocket_sessions) == (1, 0)
    _ = play >> on("request_lost") << ...
    assert play.records[0].protocol == "WSS"
    play.assert_settled()


def test_an_exchange_ends_once():
    play = Playbook("A")
    _ = play >> play.asks() << ... >> on("request_lost") << ...
    with pytest.raises(AssertionError):
        play.exchange._end("", is_error=False)
    play.assert_settled()


def test_what_is_going_on_can_be_told():
    play = Playbook("A")
    _ = play.asks(UPGRADE)
    exchange = play.exchange
    assert exchange.doing("l", is_draining=False) == ("l", "HTTP", "exchange", "", "", "")
    _ = play >> on("start", b"", True, ()) << ... >> CONNECTED << ...
    told = exchange.doing("l", is_draining=True)
    assert told[:4] == ("l", "HTTP", "draining", "app")
    assert told.backend_id == "A"
    assert told.backend_address
    _ = play >> play.answers(SWITCHED) << ...
    assert exchange.doing("l", is_draining=True).state == "tunnel"
    assert exchange.doing("l", is_draining=True).protocol == "WS"
