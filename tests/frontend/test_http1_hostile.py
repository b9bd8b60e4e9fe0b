"""
Every class of hostile request, sent by a connection of its own.

Whatever it is: nothing ambiguous reaches a backend, the client is told 4xx (or 501, 505) and
closed, and a fresh connection afterwards gets its own answer. Each is sent whole and byte by byte.
"""

import h11
import pytest

from sozutw.config.model import HttpListener, Timeouts
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld, ok

SMUGGLED = b"GET /smug HTTP/1.1\r\nHost: example.com\r\n\r\n"
HOST = b"Host: example.com\r\n"


def post(fields: bytes, body: bytes = b"0\r\n\r\n", version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/%b\r\n%b%b\r\n%b" % (version, HOST, fields, body + SMUGGLED)


def get(line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + SMUGGLED


def te(value: bytes) -> bytes:
    return post(b"Transfer-Encoding: " + value + b"\r\n")


def length(value: bytes) -> bytes:
    return post(b"Content-Length: " + value + b"\r\n", b"hello")


def host(value: bytes) -> bytes:
    return get(fields=b"Host: " + value + b"\r\n")


def field(line: bytes) -> bytes:
    return get(fields=HOST + line)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 5\r\n"

# The head says it already: no backend hears of it.
HEADS: dict[str, bytes] = {
    # Framing: Transfer-Encoding.
    "CL.TE": post(b"Content-Length: 44\r\n" + CHUNKED),
    "TE.CL": post(CHUNKED + b"Content-Length: 4\r\n"),
    "TE in 1.0": post(CHUNKED, version=b"1.0"),
    "TE xchunked": te(b"xchunked"),
    "TE chunkedx": te(b"chunkedx"),
    "TE identity": te(b"identity"),
    "TE quoted": te(b'"chunked"'),
    "TE with a parameter": te(b"chunked;q=1"),
    "TE chunked, gzip": te(b"chunked, gzip"),
    "TE gzip, chunked": te(b"gzip, chunked"),
    "TE gzip": te(b"gzip"),
    "TE twice": post(CHUNKED + CHUNKED),
    "TE twice, other": post(CHUNKED + b"Transfer-Encoding: identity\r\n"),
    "TE chunked, chunked": te(b"chunked, chunked"),
    "TE empty": te(b""),
    "TE , chunked": te(b", chunked"),
    "TE chunked,": te(b"chunked,"),
    "TE \\x0bchunked": te(b"\x0bchunked"),
    "TE chunked\\x00": te(b"chunked\x00"),
    "TE \\xa0chunked": te(b"\xa0chunked"),
    "TE \\x85chunked": te(b"\x85chunked"),
    "TE chunked\\x1c": te(b"chunked\x1c"),
    "TE space colon": post(b"Transfer-Encoding : chunked\r\n"),
    "TE tab colon": post(b"Transfer-Encoding\t: chunked\r\n"),
    "TE control before": post(b"\x01Transfer-Encoding: chunked\r\n"),
    "TE space before": post(b" Transfer-Encoding: chunked\r\n"),
    "TE folded": post(b"Transfer-Encoding:\r\n chunked\r\n"),
    "TE after bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n"),
    "TE after bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n"),
    # Framing: Content-Length.
    **{
        f"CL {value!r}": length(value)
        for value in [
            *b"+5 -5 -0 0x5 5.0 5e0 1_0 5;a five \xd9\xa5 \xb2".split(),
            *[b"5 5", b"", b"5\x00", b"5\x0b", b"5\x1f", b'"5"', b"5, 5", b"5, 6", b"5,", b",5"],
            *[b"%d" % (2**64 + 5), b"9" * 5000, b"1" * 20],
        ]
    },
    "CL twice": post(LENGTH + LENGTH, b"hello"),
    "CL twice, other": post(LENGTH + b"Content-Length: 6\r\n", b"hello"),
    "CL space colon": post(b"Content-Length : 5\r\n", b"hello"),
    # The request line.
    "two spaces": get(b"GET  /  HTTP/1.1"),
    "tabs": get(b"GET\t/\tHTTP/1.1"),
    "space in the target": get(b"GET /a b HTTP/1.1"),
    "space before": get(b" GET / HTTP/1.1"),
    "space behind": get(b"GET / HTTP/1.1 "),
    "0.9": b"GET /\r\n\r\n",
    "version 2.0": get(b"GET / HTTP/2.0"),
    "version 1.10": get(b"GET / HTTP/1.10"),
    "version 01.1": get(b"GET / HTTP/01.1"),
    "version 257.1": get(b"GET / HTTP/257.1"),
    "version lower": get(b"GET / http/1.1"),
    "version 1.1x": get(b"GET / HTTP/1.1x"),
    "version arabic": get("GET / HTTP/1.١".encode()),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "PROXY v1": b"PROXY TCP4 6.6.6.6 10.0.0.1 1 80\r\n" + SMUGGLED,
    "PROXY v2": b"\r\n\r\n\x00\r\nQUIT\n" + b"\x21\x11\x00\x0c" + b"\x00" * 12 + SMUGGLED,
    "method NUL": get(b"G\x00T / HTTP/1.1"),
    "method (": get(b"G(T / HTTP/1.1"),
    "method colon": get(b"GET: / HTTP/1.1"),
    "method long": get(b"G" * 20_000 + b" / HTTP/1.1"),
    "no method": get(b" / HTTP/1.1"),
    "CONNECT": get(b"CONNECT example.com:443 HTTP/1.1"),
    "connect": get(b"connect example.com:443 HTTP/1.1"),
    "CR in the line": get(b"GET /\r HTTP/1.1"),
    "two empty lines": b"\r\n\r\n" + SMUGGLED,
    "target NUL": get(b"GET /\x00 HTTP/1.1"),
    "target \\x01": get(b"GET /\x01 HTTP/1.1"),
    "target DEL": get(b"GET /\x7f HTTP/1.1"),
    "target #": get(b"GET /#frag HTTP/1.1"),
    "target 8-bit": get(b"GET /\xff HTTP/1.1"),
    "target without slash": get(b"GET x HTTP/1.1"),
    "target *": get(b"GET * HTTP/1.1"),
    "target 64 kB": get(b"GET /" + b"a" * 65_536 + b" HTTP/1.1"),
    # Host.
    "no Host": get(fields=b"X: y\r\n"),
    "no field at all": get(fields=b""),
    "two Hosts": get(fields=HOST + HOST),
    "two Hosts, other": get(fields=HOST + b"Host: evil\r\n"),
    **{
        f"Host {value!r}": host(value)
        for value in [
            b"",
            b"example.com/x",
            b"example.com@evil",
            b"example.com, evil",
            b"example.com evil",
            b"example.com:80a",
            b"example.com:80:80",
            b"example.com:-1",
            b"example.com:",
            b"example.com:65536",
            b"example.com\x00",
            b'example.com"',
            b"example.com\\evil",
            b"[example.com]",
            b"[::1",
            b"[::1]x",
            b"..",
            b"a" * 300,
        ]
    },
    "no Host in 1.0": get(b"GET / HTTP/1.0", b""),
    "userinfo": get(b"GET http://user@example.com/ HTTP/1.1"),
    "absolute backslash": get(b"GET http://example.com\\evil/ HTTP/1.1"),
    "absolute without authority": get(b"GET http:///x HTTP/1.1"),
    "another scheme": get(b"GET ftp://example.com/ HTTP/1.1"),
    # Field lines.
    "no colon": field(b"X-Y\r\n"),
    "colon alone": field(b":\r\n"),
    "empty name": field(b": y\r\n"),
    "space in the name": field(b"X Y: z\r\n"),
    "space behind the name": field(b"X : z\r\n"),
    "NUL": field(b"X: a\x00b\r\n"),
    "bare CR": field(b"X: a\rb\r\n"),
    "bare LF": field(b"X: a\nb: c\r\n"),
    "control": field(b"X: a\x1bb\r\n"),
    "DEL": field(b"X: a\x7fb\r\n"),
    "8-bit name": field(b"X\xe9: y\r\n"),
    "folded": field(b"X: a\r\n b\r\n"),
    "first line folded": get(fields=b" X: a\r\n" + HOST),
    "LF CR": field(b"X: y\n\r"),
    "CR CR LF": field(b"X: y\r\r\n"),
    "CRLF CR X": b"GET / HTTP/1.1\r\n" + HOST + b"\r\rX\r\n\r\n",
    "LF LF": b"GET / HTTP/1.1\nHost: example.com\n\n",
    "64 kB of a value": field(b"X: " + b"y" * 65_536 + b"\r\n"),
    "10,000 fields": field(b"a:\r\n" * 10_000),
    "129 fields": field(b"a: b\r\n" * 129),
    # Hop by hop.
    "Connection is no list": field(b"Connection: a b\r\n"),
    "Upgrade is no list": field(b"Connection: Upgrade\r\nUpgrade: a b\r\n"),
    "another expectation": post(b"Expect: y\r\n" + LENGTH, b"hello"),
    "two expectations": post(b"Expect: y 100-continue\r\n" + LENGTH, b"hello"),
}

# The head is well, and then comes what is no body.
BODIES: dict[str, bytes] = {
    **{
        f"size {size!r}": post(CHUNKED, size + b"\r\nhello\r\n0\r\n\r\n")
        for size in [
            b"0x5",
            b"+5",
            b"-5",
            b"1_0",
            b" 5",
            b"5 ",
            b"5\x0b",
            b"",
            b";a=b",
            b"G",
            "５".encode(),
            b"5\x00",
            b"%x" % (2**64 + 5),
            b"F" * 16,
            b"0" * 300_000 + b"5",
        ]
    },
    "a chunk longer than its size": post(CHUNKED, b"5\r\nhelloX\r\n0\r\n\r\n"),
    "any two bytes behind a chunk": post(CHUNKED, b"5\r\nhelloXY0\r\n\r\n"),
    "LF behind the size": post(CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    "CR behind the size": post(CHUNKED, b"5\rhello\r\n0\r\n\r\n"),
    "LF behind a chunk": post(CHUNKED, b"5\r\nhello\n0\r\n\r\n"),
    "CR behind a chunk": post(CHUNKED, b"5\r\nhello\r0\r\n\r\n"),
    "an empty line before the last chunk": post(CHUNKED, b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    "anything behind the last chunk": post(CHUNKED, b"0\r\nXX"),
    "LF at the end": post(CHUNKED, b"0\r\n\n"),
    "LF in an extension": post(CHUNKED, b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "LF ends an extension": post(CHUNKED, b"2;\nxx\r\n2d\r\n0\r\n\r\n"),
    "CR in an extension": post(CHUNKED, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "64 kB of an extension": post(CHUNKED, b"5;" + b"a" * 65_536 + b"\r\nhello\r\n0\r\n\r\n"),
    "an open quote": post(CHUNKED, b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    "a request as a trailer": post(CHUNKED, b"0\r\nGET /smug HTTP/1.1\r\n\r\n"),
    "space in a trailer's name": post(CHUNKED, b"0\r\nX-T : v\r\n\r\n"),
    "LF in a trailer": post(CHUNKED, b"0\r\nX-T: v\nX: y\r\n\r\n"),
    "1 MB of trailers": post(CHUNKED, b"0\r\n" + (b"X-T: " + b"v" * 8_000 + b"\r\n") * 125),
}

STATUSES = {400, 405, 413, 414, 417, 431, 501, 505}


def assert_refused(client: FakeClient) -> None:
    """One whole answer, and a close that does not take it away."""
    data = client.received()
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    head = reader.next_event()
    assert isinstance(head, h11.Response), data[:200]
    assert head.status_code in STATUSES, head
    assert dict(head.headers)[b"connection"] == b"close"
    while not isinstance(reader.next_event(), h11.EndOfMessage):
        pass
    assert reader.trailing_data == (b"", False), data
    client.world.turn()
    assert client.transport.is_write_closed or client.is_closed
    assert not client.transport.is_reset


def assert_nothing_whole(backend: FakeTransport, method: bytes = b"POST") -> None:
    """This backend got the beginning of one request, and then the end of the connection."""
    data = backend.take()
    assert data.startswith(method + b" / HTTP/1.1\r\n")
    assert b"smug" not in data
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    while True:
        event = reader.next_event()
        assert not isinstance(event, h11.EndOfMessage), data[-200:]
        if event is h11.NEED_DATA:
            break
    assert backend.disconnecting or backend.disconnected


def assert_others_are_served(world: FakeWorld) -> None:
    """A fresh client gets its own answer, over a backend connection that nobody spoilt."""
    client = world.client()
    client.get(b"/fresh")
    if world.dials:
        backend = world.connect()
    else:
        (backend,) = [
            dial.transport
            for dial in world.dialler.dials
            if dial.transport is not None and not dial.transport.disconnecting
        ]
    request = backend.take()
    assert request.startswith(b"GET /fresh HTTP/1.1\r\n")
    assert request.count(b" HTTP/1.1\r\n") == 1
    backend.receive(ok(b"for the fresh one"))
    assert client.answer() == (200, b"for the fresh one")


def drip(client: FakeClient, data: bytes) -> None:
    """Send byte by byte, as long as anybody listens; the bulk of a very long one at once."""
    for index in range(min(len(data), 600)):
        if client.transport.is_reading:
            client.transport.receive(data[index : index + 1])
    if len(data) > 600 and client.transport.is_reading:
        client.transport.receive(data[600:])
    client.world.check()


@pytest.mark.parametrize("drips", [False, True], ids=["whole", "dripped"])
@pytest.mark.parametrize("name", HEADS)
def test_a_hostile_head_reaches_no_backend(name: str, drips: bool):
    world = FakeWorld("A")
    client = world.client()
    if drips:
        drip(client, HEADS[name])
    else:
        client.send(HEADS[name])
    assert_refused(client)
    assert world.dialler.dials == []
    assert [record.status in STATUSES for record in world.records] == [True]
    assert_others_are_served(world)
    assert len(world.records) == 2
    client.reset()
    world.assert_baseline()


@pytest.mark.parametrize("name", HEADS)
def test_a_hostile_head_behind_a_good_request_spoils_nothing(name: str):
    world = FakeWorld("A")
    client = world.client()
    client.send(b"GET /good HTTP/1.1\r\n" + HOST + b"\r\n")
    backend = world.connect()
    backend.clear()
    client.send(HEADS[name][:60_000])
    if len(HEADS[name]) > 60_000:
        client.send(HEADS[name][60_000:])
    backend.receive(ok(b"good"))
    world.turn()
    data = client.received()
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    _, _, rest = data.partition(b"\r\n\r\ngood")
    assert rest.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    assert rest.count(b"\r\n\r\n") == 1
    assert backend.take() == b""
    assert_others_are_served(world)
    world.assert_baseline()


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_with_its_head_reaches_no_backend(name: str):
    world = FakeWorld("A")
    client = world.client()
    client.send(BODIES[name])
    assert_refused(client)
    assert world.dialler.dials == []
    assert len(world.records) == 1
    assert_others_are_served(world)
    world.assert_baseline()


@pytest.mark.parametrize("drips", [False, True], ids=["behind the head", "dripped"])
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_never_completed_towards_a_backend(name: str, drips: bool):
    world = FakeWorld("A")
    client = world.client()
    head, _, body = BODIES[name].partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    backend = world.connect()
    if drips:
        drip(client, body)
    else:
        client.send(body)
    assert_refused(client)
    assert_nothing_whole(backend)
    assert len(world.records) == 1
    assert_others_are_served(world)
    world.assert_baseline()


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_that_was_held_is_never_completed_either(name: str):
    world = FakeWorld("A")
    client = world.client()
    head, _, body = BODIES[name].partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    client.send(body)
    assert client.received() == b""
    backend = world.connect()
    assert_refused(client)
    assert_nothing_whole(backend)
    assert_others_are_served(world)
    world.assert_baseline()


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_behind_an_early_answer_is_no_request(name: str):
    world = FakeWorld("A")
    client = world.client()
    head, _, body = BODIES[name].partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    backend = world.connect()
    backend.clear()
    backend.receive(ok(b"early"))
    assert client.answer() == (200, b"early")
    client.send(body)
    world.turn()
    assert client.received() == b""
    assert backend.take() == b""
    assert len(world.records) == 1
    client.reset()
    assert_others_are_served(world)
    world.assert_baseline()


def test_a_hostile_body_under_a_response_cuts_it():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n5\r\nhello\r\n")
    backend = world.connect()
    backend.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
    client.received()
    client.send(b"zz\r\n")
    assert client.transport.is_reset
    assert backend.disconnecting
    world.assert_baseline()


# What may be served is served in one meaning only.


def forwarded(data: bytes, **options) -> tuple[FakeWorld, FakeClient, bytes]:
    world = FakeWorld("A", **options)
    client = world.client()
    client.send(data)
    return world, client, world.connect().take()


def test_a_newer_minor_version_is_served_as_1_1():
    _, _, request = forwarded(b"GET / HTTP/1.2\r\n" + HOST + b"\r\n")
    assert request.startswith(b"GET / HTTP/1.1\r\n")


def test_a_method_keeps_its_case_and_is_not_guessed():
    _, _, request = forwarded(b"get / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert request.startswith(b"get / HTTP/1.1\r\n")


def test_an_underscore_makes_another_field_which_goes_nowhere():
    data = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer_Encoding: chunked\r\n" + LENGTH
    _, _, request = forwarded(data + b"\r\nhello")
    assert b"Transfer_Encoding" not in request
    assert request.endswith(b"Content-Length: 5\r\n\r\nhello")


@pytest.mark.parametrize("target", [b"/%00", b"/%zz", b"/a/../b", b"/%2e%2e/x", b"//x", b"/x;y"])
def test_what_is_forwarded_is_what_was_asked(target: bytes):
    _, _, request = forwarded(b"GET %b HTTP/1.1\r\n%b\r\n" % (target, HOST))
    assert request.startswith(b"GET %b HTTP/1.1\r\n" % target)


def test_an_absolute_target_wins_over_host():
    _, _, request = forwarded(b"GET http://example.com/x HTTP/1.1\r\nHost: evil\r\n\r\n")
    assert request.startswith(b"GET /x HTTP/1.1\r\nHost: example.com\r\n")
    assert b"evil" not in request


def test_forbidden_trailers_are_dropped_and_none_reaches_the_head():
    trailers = b"Content-Length: 50\r\nHost: evil\r\nX-Forwarded-For: evil\r\nX-Fine: 1\r\n"
    data = b"POST / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n0\r\n" + trailers + b"\r\n"
    _, _, request = forwarded(data)
    head, _, body = request.partition(b"\r\n\r\n")
    assert b"X-Fine" not in head
    assert body == b"0\r\nX-Fine: 1\r\n\r\n"
    assert b"evil" not in request


def test_fields_that_connection_names_go_and_those_of_the_proxy_stay():
    own = b"Connection: close, X-Hop, X-Forwarded-For, Host, Cookie\r\nX-Hop: 1\r\nCookie: a=1\r\n"
    _, _, request = forwarded(b"GET / HTTP/1.1\r\n" + HOST + own + b"\r\n")
    assert b"X-Hop" not in request
    assert b"Connection" not in request
    for kept in (b"Host: example.com\r\n", b"Cookie: a=1\r\n", b"X-Forwarded-For: 192.0.2.1\r\n"):
        assert kept in request


def test_h2c_is_not_passed_on():
    own = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    _, _, request = forwarded(b"GET / HTTP/1.1\r\n" + HOST + own + b"\r\n")
    for gone in (b"h2c", b"Upgrade", b"HTTP2-Settings", b"Connection"):
        assert gone not in request


@pytest.mark.parametrize(
    "own", [b"Upgrade: websocket\r\n", b"Connection: keep-alive\r\nUpgrade: websocket\r\n"]
)
def test_an_upgrade_that_connection_does_not_name_is_ignored(own: bytes):
    world, client, request = forwarded(b"GET / HTTP/1.1\r\n" + HOST + own + b"\r\n")
    assert b"pgrade" not in request
    backend = world.dialler.dials[0].transport
    backend.receive(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 502 ")


def test_an_upgrade_in_http_1_0_is_ignored():
    own = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    _, _, request = forwarded(b"GET / HTTP/1.0\r\n" + HOST + own + b"\r\n")
    assert b"pgrade" not in request


@pytest.mark.parametrize("status", [b"426 Upgrade Required", b"200 OK"])
def test_a_declined_websocket_leaves_no_tunnel(status: bytes):
    """0ang3el, 2019: whoever believes that there is one talks to the backend past every rule."""
    own = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1337\r\n"
    world, client, _ = forwarded(b"GET / HTTP/1.1\r\n" + HOST + own + b"\r\n")
    backend = world.dialler.dials[0].transport
    backend.receive(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    client.received()
    client.send(b"nonsense\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert backend.take() == b""


def test_an_expectation_in_http_1_0_is_ignored():
    data = b"POST / HTTP/1.0\r\n" + HOST + b"Expect: 100-continue\r\n" + LENGTH + b"\r\nhello"
    world, client, request = forwarded(data)
    assert b"Expect" not in request
    backend = world.dialler.dials[0].transport
    backend.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.received() == b""  # it does not know what that is
    backend.receive(ok(b"x"))
    assert client.answer() == (200, b"x")


def test_a_length_of_2_to_the_32_is_waited_for_and_not_wrapped():
    data = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4294967301\r\n\r\nhello"
    world, client, request = forwarded(data)
    assert request.endswith(b"Content-Length: 4294967301\r\n\r\nhello")
    client.send(SMUGGLED)
    assert world.dialler.dials[0].transport.take() == SMUGGLED  # it is body
    assert len(world.worker.sessions) == 1
    assert not world.records


def test_nothing_behind_a_refusal_is_answered():
    world = FakeWorld("A")
    client = world.client()
    client.send(b"nonsense\r\n\r\n" + SMUGGLED * 3)
    assert client.received().count(b"HTTP/1.1 ") == 1
    client.send(SMUGGLED)
    assert client.received() == b""
    assert len(world.records) == 1
    client.reset()
    world.assert_baseline()


# Slow ones, and many.


@pytest.mark.parametrize("what", ["silent", "slow head", "slow body"])
def test_slow_clients_go_while_others_are_served(what: str):
    timeouts = Timeouts(front=5.0, request=5.0, back=60.0)
    world = FakeWorld("A", listener=HttpListener(LISTENER, timeouts=timeouts))
    slow = [world.client() for _ in range(20)]
    if what == "slow body":
        for client in slow:
            client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n")
            world.connect()
    for step in range(16):
        for client in slow:
            if what == "slow head" and not client.is_closed and client.transport.is_reading:
                client.send(b"GET / HTTP/1.1\r\nHost: a"[step : step + 1])
        if step == 8:
            assert_others_are_served(world)
        world.advance(0.5)
    world.advance(4)
    assert all(client.is_closed for client in slow)
    world.assert_baseline()
