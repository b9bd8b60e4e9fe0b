"""
What is added to a request and to a response, in which order, and what is taken away.

Heads are made by the parser, as in life; what goes out is compared byte for byte.
"""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.model import HttpListener, HttpsListener, InetAddress
from sozutw.relay.edits import (
    Provenance,
    client_line,
    compose_request,
    compose_start,
    framing_of,
    with_hsts,
)
from sozutw.relay.route import ListenerState
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.http1.response import parse_response_head
from sozutw.wire.message import RequestHead, ResponseHead
from sozutw.wire.tls import ClientCertificate

ADDRESS = InetAddress("10.0.0.1", 8080)
TRUSTING = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


def request(text: str, line: str = "GET / HTTP/1.1", host: str = "a.test") -> RequestHead:
    lines = [line, f"Host: {host}", *text.splitlines()]
    head = parse_request_head("\r\n".join([*lines, "", ""]).encode())
    assert head is not None
    return head


def response(text: str, line: str = "HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    head = parse_response_head("\r\n".join([line, *text.splitlines(), "", ""]).encode(), method)
    assert head is not None
    return head


def provenance(ip: str = "192.0.2.1", port: int = 54321, **options) -> Provenance:
    listener = HttpListener(options.pop("address", ADDRESS), **options)
    return Provenance(ListenerState(listener), ip, port)


def sent(
    head: RequestHead, origin: Provenance | None = None, sticky_name: bytes | None = None
) -> list[str]:
    """Return the lines of the request that goes to the backend."""
    composed = compose_request(head, origin or provenance(), b"01REQ", sticky_name)
    assert composed.endswith(b"\r\n\r\n")
    assert composed.count(b"\r\n\r\n") == 1
    return composed[:-4].decode("latin-1").split("\r\n")


ADDED = [
    "X-Forwarded-For: 192.0.2.1",
    'Forwarded: proto=http;for="192.0.2.1:54321";by=10.0.0.1',
    "X-Forwarded-Port: 8080",
    "X-Forwarded-Proto: http",
    "X-Request-Id: 01REQ",
    "Sozu-Id: 01REQ",
]


# A request: what is added, and in which order.


def test_a_plain_request_gets_sozu_s_fields_behind_its_own():
    assert sent(request("Accept: */*\nX-Own: 1")) == [
        "GET / HTTP/1.1",
        "Host: a.test",
        "Accept: */*",
        "X-Own: 1",
        *ADDED,
    ]


def test_a_request_without_fields_gets_them_too():
    assert sent(request("")) == ["GET / HTTP/1.1", "Host: a.test", *ADDED]


def test_every_field_that_can_be_added_stands_in_sozu_s_order():
    head = request("Cookie: a=1\nContent-Length: 3", "POST /x?y HTTP/1.1")
    assert sent(head, provenance(send_x_real_ip=True)) == [
        "POST /x?y HTTP/1.1",
        "Host: a.test",
        "Cookie: a=1",
        ADDED[0],
        ADDED[1],
        "X-Real-IP: 192.0.2.1",
        *ADDED[2:],
        "Content-Length: 3",
    ]


def test_the_proxy_speaks_its_own_version():
    assert sent(request("", "GET / HTTP/1.0"))[0] == "GET / HTTP/1.1"
    assert sent(request("", "GET / HTTP/1.7"))[0] == "GET / HTTP/1.1"


def test_own_fields_keep_their_spelling_and_order():
    own = ["x-LOWER: 1", "X-Twice: a", "x-other:b", "X-Twice: c  "]
    assert sent(request("\n".join(own)))[2:6] == own


def test_host_comes_first_and_is_that_of_an_absolute_target():
    assert sent(request("", "GET http://B.test:8080/p HTTP/1.1"))[:2] == [
        "GET /p HTTP/1.1",
        "Host: B.test:8080",
    ]


def test_options_for_the_server_itself_keeps_its_star():
    assert sent(request("", "OPTIONS * HTTP/1.1"))[0] == "OPTIONS * HTTP/1.1"


# Who is asking.


def test_an_ipv6_client_stands_bare_in_one_field_and_in_brackets_in_the_other():
    lines = sent(request(""), provenance("2001:db8::1"))
    assert "X-Forwarded-For: 2001:db8::1" in lines
    assert 'Forwarded: proto=http;for="[2001:db8::1]:54321";by=10.0.0.1' in lines


def test_an_ipv6_listener_is_quoted():
    lines = sent(request(""), provenance(address=InetAddress("::1", 8081)))
    assert 'Forwarded: proto=http;for="192.0.2.1:54321";by="[::1]"' in lines
    assert "X-Forwarded-Port: 8081" in lines


def test_the_public_address_is_told_where_there_is_one():
    lines = sent(request(""), provenance(public_address=InetAddress("203.0.113.9", 80)))
    assert 'Forwarded: proto=http;for="192.0.2.1:54321";by=203.0.113.9' in lines
    assert "X-Forwarded-Port: 80" in lines


@pytest.mark.parametrize(
    "claim",
    [
        "X-Forwarded-For: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Host: evil.test",
        "x-forwarded-FOR: 6.6.6.6\nX-FORWARDED-FOR: 7.7.7.7",
    ],
)
@pytest.mark.parametrize("trusted", [(), TRUSTING])
def test_what_a_stranger_claims_is_not_passed_on(claim: str, trusted: tuple):
    origin = provenance("198.51.100.7", trusted_proxies=trusted)
    lines = sent(request(claim), origin)
    assert lines == [line.replace("192.0.2.1", "198.51.100.7") for line in sent(request(""))]


@pytest.mark.parametrize("ip", ["192.0.2.1", "2001:db8::1"])
def test_a_trusted_proxy_s_chain_is_continued(ip: str):
    origin = provenance(ip, trusted_proxies=TRUSTING)
    lines = sent(
        request("X-Forwarded-For: 6.6.6.6, 7.7.7.7\nForwarded: for=6.6.6.6, for=7.7.7.7"), origin
    )
    node = f"[{ip}]" if ":" in ip else ip
    assert lines == [
        "GET / HTTP/1.1",
        "Host: a.test",
        f"X-Forwarded-For: 6.6.6.6, 7.7.7.7, {ip}",
        f'Forwarded: for=6.6.6.6, for=7.7.7.7, proto=http;for="{node}:54321";by=10.0.0.1',
        *ADDED[2:],
    ]


def test_a_chain_in_several_fields_is_one_chain_in_its_order():
    head = request("X-Forwarded-For: 1.1.1.1\nX-Own: 1\nX-Forwarded-For: 2.2.2.2")
    lines = sent(head, provenance(trusted_proxies=TRUSTING))
    assert "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1" in lines
    assert sum(line.lower().startswith("x-forwarded-for") for line in lines) == 1


def test_what_a_trusted_proxy_says_of_scheme_port_and_host_is_kept_and_not_doubled():
    head = request("X-Forwarded-Proto: https\nX-Forwarded-Port: 443\nX-Forwarded-Host: b.test")
    assert sent(head, provenance(trusted_proxies=TRUSTING)) == [
        "GET / HTTP/1.1",
        "Host: a.test",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Host: b.test",
        ADDED[0],
        ADDED[1],
        *ADDED[4:],
    ]


@pytest.mark.parametrize(
    ("said", "added"),
    [("X-Forwarded-Proto: https", ADDED[2]), ("X-Forwarded-Port: 443", ADDED[3])],
)
def test_what_a_trusted_proxy_leaves_out_is_added(said: str, added: str):
    lines = sent(request(said), provenance(trusted_proxies=TRUSTING))
    assert said in lines
    assert added in lines


def test_a_trusted_proxy_that_claims_nothing_is_like_anybody():
    origin = provenance(trusted_proxies=TRUSTING)
    assert origin.is_trusted
    assert sent(request("Accept: */*"), origin) == sent(request("Accept: */*"))


def test_a_unix_socket_has_no_address_to_trust():
    origin = provenance("unix", 0, trusted_proxies=TRUSTING)
    assert not origin.is_trusted
    assert "X-Forwarded-For: unix" in sent(request("X-Forwarded-For: 6.6.6.6"), origin)


def test_a_stranger_s_claims_are_not_asked_for():
    with pytest.raises(AssertionError):
        provenance().lines_for(request(""))


# X-Real-IP: two switches, each by itself.


@pytest.mark.parametrize(
    ("elides", "sends", "expected"),
    [
        (False, False, ["6.6.6.6"]),
        (True, False, []),
        (False, True, ["6.6.6.6", "192.0.2.1"]),
        (True, True, ["192.0.2.1"]),
    ],
)
@pytest.mark.parametrize("trusted", [(), TRUSTING])
def test_x_real_ip_has_two_switches(elides: bool, sends: bool, expected: list, trusted: tuple):
    origin = provenance(elide_x_real_ip=elides, send_x_real_ip=sends, trusted_proxies=trusted)
    lines = sent(request("X-Real-IP: 6.6.6.6"), origin)
    found = [line.partition(": ")[2] for line in lines if line.startswith("X-Real-IP: ")]
    assert found == expected


def test_x_real_ip_is_added_for_who_sends_none():
    assert "X-Real-IP: 192.0.2.1" in sent(request(""), provenance(send_x_real_ip=True))
    assert not any("Real" in line for line in sent(request("")))


def test_x_real_ip_is_bare_for_ipv6():
    lines = sent(request(""), provenance("2001:db8::1", send_x_real_ip=True))
    assert "X-Real-IP: 2001:db8::1" in lines


# Names of the request.


def test_a_client_s_request_id_is_kept_and_the_exchange_has_its_own_name_beside_it():
    lines = sent(request("X-Request-Id: theirs"))
    assert lines[-2:] == ["X-Request-Id: theirs", "Sozu-Id: 01REQ"]
    assert sum(line.startswith("X-Request-Id") for line in lines) == 1


def test_an_empty_request_id_is_none():
    assert "X-Request-Id: 01REQ" in sent(request("X-Request-Id: "))


def test_the_correlation_field_may_have_another_name():
    lines = sent(request(""), provenance(sozu_id_header="X-Trace"))
    assert lines[-1] == "X-Trace: 01REQ"
    assert not any(line.startswith("Sozu-Id") for line in lines)


def test_a_client_s_own_correlation_field_is_not_taken_away():
    lines = sent(request("Sozu-Id: theirs"))
    assert "Sozu-Id: theirs" in lines
    assert lines[-1] == "Sozu-Id: 01REQ"


# Cookies.


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        (["SOZUBALANCEID=b1"], []),
        (["a=1; SOZUBALANCEID=b1; c=2"], ["a=1; c=2"]),
        (["SOZUBALANCEID=b1; a=1"], ["a=1"]),
        (["a=1; SOZUBALANCEID=b1"], ["a=1"]),
        (["a=1", "SOZUBALANCEID=b1", "c=2"], ["a=1", "c=2"]),
        (["SOZUBALANCEID=b1; SOZUBALANCEID=b2"], []),
        (["SOZUBALANCEIDX=b1"], ["SOZUBALANCEIDX=b1"]),
        (["a=SOZUBALANCEID"], ["a=SOZUBALANCEID"]),
        (["a=1;b=2 "], ["a=1;b=2"]),
    ],
)
def test_the_sticky_cookie_is_for_the_proxy_alone(cookies: list[str], kept: list[str]):
    head = request("\n".join(f"Cookie: {value}" for value in cookies))
    lines = sent(head, sticky_name=b"SOZUBALANCEID")
    assert [line.partition(": ")[2] for line in lines if line.startswith("Cookie:")] == kept


def test_a_cluster_that_is_not_sticky_leaves_all_cookies():
    head = request("Cookie: SOZUBALANCEID=b1\nCookie: a=1")
    assert sent(head)[2:4] == ["Cookie: SOZUBALANCEID=b1", "Cookie: a=1"]


def test_a_request_without_cookies_gets_none():
    assert not any("Cookie" in line for line in sent(request(""), sticky_name=b"SOZUBALANCEID"))


# Framing, and what belongs to one hop.


@pytest.mark.parametrize(
    ("own", "end"),
    [
        ("Content-Length: 0", "Content-Length: 0"),
        ("Content-Length: 0007", "Content-Length: 7"),
        ("transfer-encoding: CHUNKED", "Transfer-Encoding: chunked"),
    ],
)
def test_the_body_s_framing_is_written_anew(own: str, end: str):
    lines = sent(request(own, "POST / HTTP/1.1"))
    assert lines[-1] == end
    assert sum("ength" in line or "ncoding" in line for line in lines) == 1


def test_no_body_is_announced_where_there_is_none():
    assert not any("ength" in line or "ncoding" in line for line in sent(request("")))


@pytest.mark.parametrize(
    "hop",
    [
        "Connection: close",
        "Connection: keep-alive",
        "Connection: close, X-Hop\nX-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Upgrade: websocket",
        "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk",
        "Proxy-Authorization: Basic eA==",
    ],
)
def test_what_belongs_to_one_hop_stays_there(hop: str):
    assert sent(request(hop)) == sent(request(""))


@pytest.mark.parametrize(
    "named", ["Host", "X-Forwarded-For", "Cookie", "Authorization", "X-Real-IP"]
)
def test_connection_cannot_take_away_what_others_rely_on(named: str):
    own = f"Connection: close, {named}\nCookie: a=1\nAuthorization: Basic eA=="
    lines = sent(request(own), provenance(send_x_real_ip=True))
    for expected in ("Host: a.test", "Cookie: a=1", "Authorization: Basic eA==", *ADDED):
        assert expected in lines
    assert "X-Real-IP: 192.0.2.1" in lines


def test_an_upgrade_is_passed_on_hop_by_hop():
    lines = sent(request("Connection: keep-alive, Upgrade\nUpgrade: websocket"))
    assert lines[-2:] == ["Connection: Upgrade", "Upgrade: websocket"]


def test_an_upgrade_with_a_body_keeps_both():
    head = request("Connection: upgrade\nUpgrade: x\nContent-Length: 2", "POST / HTTP/1.1")
    assert sent(head)[-3:] == ["Connection: Upgrade", "Upgrade: x", "Content-Length: 2"]


CLAIMS = ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP"]
OTHERS = ["Accept", "X-Own", "Cookie", "Connection", "TE", "Sozu-Id", "X-Request-Id", "Range"]
NAMES = st.sampled_from(CLAIMS + OTHERS)
VALUES = st.text("abc1=;, ", max_size=8).map(str.strip)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.booleans(), st.booleans())
def test_what_goes_out_is_one_request_that_our_own_parser_takes(own, trusts: bool, sticky: bool):
    connection = {"Connection", "TE"}
    text = "\n".join(f"{n}: {'close' if n in connection else v}" for n, v in own)
    head = request(text)
    origin = provenance(trusted_proxies=TRUSTING if trusts else ())
    composed = compose_request(head, origin, b"01REQ", b"a" if sticky else None)
    again = parse_request_head(composed)
    assert again is not None
    assert again.size == len(composed)
    assert (again.method, again.target, again.authority) == (b"GET", b"/", b"a.test")
    fields = again.fields
    assert fields.connection == frozenset()
    assert [line for line in fields.lines if line != b"Sozu-Id: 01REQ"] == head.fields.lines
    assert len(fields.x_forwarded_for) == len(fields.forwarded) == 1
    assert fields.x_forwarded_for[0].endswith(b"192.0.2.1")
    assert fields.x_request_id == (head.fields.x_request_id or b"01REQ")


# A response.


def test_a_response_keeps_its_own_fields_and_loses_those_of_one_hop():
    head = response(
        "Server: x\nConnection: keep-alive, X-Hop\nX-Hop: 1\nKeep-Alive: timeout=5\n"
        "Content-Length: 3\nSet-Cookie: a=1\nSet-Cookie: b=2"
    )
    assert compose_start(head, framing_of(head, 1)) == (
        b"HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 3\r\n"
    )


def test_a_response_without_fields_is_a_line_and_its_framing():
    head = response("", "HTTP/1.0 404 Nothing here")
    assert compose_start(head, b"") == b"HTTP/1.1 404 Nothing here\r\n"


def test_a_reason_may_be_empty():
    head = response("Content-Length: 0", "HTTP/1.1 200")
    assert compose_start(head, framing_of(head, 1)) == b"HTTP/1.1 200 \r\nContent-Length: 0\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("text", "line", "method", "to_new", "to_old"),
    [
        ("Content-Length: 5", "200 OK", b"GET", b"Content-Length: 5\r\n", b"Content-Length: 5\r\n"),
        (
            "Content-Length: 5",
            "200 OK",
            b"HEAD",
            b"Content-Length: 5\r\n",
            b"Content-Length: 5\r\n",
        ),
        ("Content-Length: 5", "304 N", b"GET", b"Content-Length: 5\r\n", b"Content-Length: 5\r\n"),
        ("Transfer-Encoding: chunked", "200 OK", b"GET", CHUNKED, b""),
        ("Transfer-Encoding: chunked", "200 OK", b"HEAD", CHUNKED, b""),
        ("", "200 OK", b"GET", CHUNKED, b""),  # until the connection closes
        ("", "200 OK", b"HEAD", b"", b""),
        ("", "304 Not Modified", b"GET", b"", b""),
        ("Content-Length: 5", "204 No Content", b"GET", b"", b""),
        ("", "204 No Content", b"GET", b"", b""),
        ("Content-Length: 5", "103 Early Hints", b"GET", b"", b""),
        ("Content-Length: 0", "200 OK", b"GET", b"Content-Length: 0\r\n", b"Content-Length: 0\r\n"),
    ],
)
def test_a_client_is_told_where_the_body_ends_as_its_version_knows_it(
    text: str, line: str, method: bytes, to_new: bytes, to_old: bytes
):
    head = response(text, f"HTTP/1.1 {line}", method)
    assert framing_of(head, 1) == to_new
    assert framing_of(head, 0) == to_old


# Over TLS.

ALICE = ClientCertificate("CN=alice,O=Example", "ab" * 32)
SHOWN = f'X-Forwarded-Client-Cert: Hash={"ab" * 32};Subject="CN=alice,O=Example"'


def secure_provenance(client: ClientCertificate | None = None, **options) -> Provenance:
    listener = HttpsListener(HttpListener(ADDRESS, **options))
    return Provenance(ListenerState(listener), "192.0.2.1", 54321, client)


def test_what_came_over_tls_is_told_so():
    lines = sent(request(""), secure_provenance())
    assert 'Forwarded: proto=https;for="192.0.2.1:54321";by=10.0.0.1' in lines
    assert "X-Forwarded-Proto: https" in lines
    trusting = secure_provenance(trusted_proxies=TRUSTING)
    assert "X-Forwarded-Proto: https" in sent(request(""), trusting)
    assert "X-Forwarded-Proto: http" in sent(request("X-Forwarded-Proto: http"), trusting)


def test_whose_certificate_was_verified_is_told_and_cannot_be_forged():
    forged = request("x-forwarded-client-cert: Hash=00\nX-Mine: 1")
    assert [line for line in sent(forged, secure_provenance()) if "lient-" in line] == []
    assert [line for line in sent(forged) if "lient-" in line] == []
    told = [line for line in sent(forged, secure_provenance(ALICE)) if "lient-" in line]
    assert told == [SHOWN]


def test_a_trusted_proxy_tells_of_its_own_client_unless_it_shows_a_certificate_itself():
    claimed = request("X-Forwarded-Client-Cert: Hash=00\nX-Forwarded-Ssl: on")
    relayed = sent(claimed, secure_provenance(trusted_proxies=TRUSTING))
    assert "X-Forwarded-Client-Cert: Hash=00" in relayed
    own = sent(claimed, secure_provenance(ALICE, trusted_proxies=TRUSTING))
    assert [line for line in own if "lient-" in line] == [SHOWN]
    assert "X-Forwarded-Ssl: on" in own


def test_a_subject_cannot_leave_its_quotes():
    line = client_line(ClientCertificate('CN=a"\\\r\nX: ü', "00"))
    assert line == b'X-Forwarded-Client-Cert: Hash=00;Subject="CN=a\\"\\\\X: \\\\xfc"\r\n'


@pytest.mark.parametrize("name", ["Strict-Transport-Security", "strict-transport-security"])
def test_what_the_backend_says_of_transport_security_holds_unless_it_is_replaced(name: str):
    own = b"Strict-Transport-Security: max-age=9"
    start = f"HTTP/1.1 200 OK\r\n{name}: max-age=1\r\nX: 1\r\n".encode()
    assert with_hsts(start, own, replaces=False) == start
    replaced = with_hsts(start, own, replaces=True)
    assert replaced == b"HTTP/1.1 200 OK\r\nX: 1\r\n" + own + b"\r\n"
    silent = b"HTTP/1.1 200 OK\r\nX: strict-transport-security:\r\n"
    for replaces in (True, False):
        assert with_hsts(silent, own, replaces=replaces) == silent + own + b"\r\n"
