r"""
Bytes that mean harm, on real sockets.

Each is refused with a 4xx and a close, or reaches the backend in one canonical form; what follows a
refusal on the same connection is not taken for a request, and a fresh connection always gets its
own answer. What is canonical is checked by a reader of the test's own, stricter than any server:
one length or chunks, never both; no bare CR, LF or NUL; lines as the standard has them.
"""

import re
import select
import time
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Deadline, Peer
from tests.e2e.stage import SECONDS_MAX, Stage, response

FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")
START = re.compile(
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ (?:/|\*$)?[\x21-\x22\x24-\x7e\x80-\xff]* HTTP/1\.1"
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("hostile"), 1, hosts=("localhost",)) as stage:
        yield stage


@pytest.fixture
def stage(proxy: Stage) -> Iterator[Stage]:
    yield proxy
    proxy.clear()


class Canonical:
    """Take what the backend gets apart, and accept no second reading of it."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes]] = []
        self.rest = b""

    def feed(self, data: bytes) -> int:
        """Return how many requests are complete now."""
        self.rest += data
        before = len(self.requests)
        while b"\r\n\r\n" in self.rest:
            head, _, rest = self.rest.partition(b"\r\n\r\n")
            start, *lines = head.split(b"\r\n")
            assert START.fullmatch(start), start
            for line in lines:
                assert FIELD.fullmatch(line), line
            fields = [(line.partition(b":")[0].lower(), line.partition(b": ")[2]) for line in lines]
            framing = [f for f in fields if f[0] in (b"content-length", b"transfer-encoding")]
            assert len(framing) <= 1, head
            assert [name for name, _ in fields].count(b"host") == 1, head
            body = self._body(framing, rest)
            if body is None:
                break
            self.rest = rest[body[1] :]
            self.requests.append((head, body[0]))
        return len(self.requests) - before

    @staticmethod
    def _body(framing: list[tuple[bytes, bytes]], rest: bytes) -> tuple[bytes, int] | None:
        if not framing:
            return b"", 0
        ((name, value),) = framing
        if name == b"content-length":
            assert re.fullmatch(rb"0|[1-9][0-9]*", value), value
            size = int(value)
            return (rest[:size], size) if len(rest) >= size else None
        assert value == b"chunked", value
        body, at = b"", 0
        while True:
            line = re.compile(rb"(0|[1-9a-fA-F][0-9a-fA-F]*)\r\n").match(rest, at)
            if line is None:
                assert not re.search(rb"\n", rest[at:]), rest[at:]
                return None
            size = int(line[1], 16)
            at = line.end()
            if not size:
                end = rest.find(b"\r\n", at)
                return None if end < 0 else (body, end + 2)
            if len(rest) < at + size + 2:
                return None
            assert rest[at + size : at + size + 2] == b"\r\n"
            body += rest[at : at + size]
            at += size + 2


class Attack:
    """One client that sends harm, a backend that answers whatever is canonical."""

    def __init__(self, stage: Stage, data: bytes, follow: bytes = SMUGGLED) -> None:
        self.stage = stage
        self.canonical = Canonical()
        self.client = stage.client()
        self.answers = b""
        self.is_closed = False
        self.backend_peers: list[Peer] = []
        self.client.send(data + follow)

    def run(self, seconds_max: float = SECONDS_MAX) -> None:
        """Play until the proxy closes, or until nothing moves any more."""
        deadline = Deadline("the end of an attack", seconds_max)
        silent_since = time.monotonic()
        while not self.is_closed and time.monotonic() - silent_since < 0.15:
            deadline.check()
            if self._step():
                silent_since = time.monotonic()

    def _step(self) -> bool:
        backend = self.stage.backends[0]
        by_number = {peer.sock.fileno(): peer for peer in self.backend_peers}
        ours = [self.client.sock.fileno(), backend._sock.fileno()]
        ready, _, _ = select.select([*ours, *by_number], [], [], 0.05)
        for number in ready:
            if number == ours[0]:
                try:
                    data = self.client.sock.recv(65536)
                except ConnectionResetError:
                    data = b""
                self.answers += data
                self.is_closed = not data
            elif number == ours[1]:
                self.backend_peers.append(backend.accept())
            else:
                self._serve(by_number[number])
        return bool(ready)

    def _serve(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.backend_peers.remove(peer)
            # What was begun there is never completed by what comes on another connection.
            self.canonical.rest = b""
            peer.close()
            return
        for _ in range(self.canonical.feed(data)):
            peer.send(response(b"served"))

    def expect_close(self) -> None:
        """Demand that the proxy closes; it may wait up to 2 s for our own end."""
        if not self.is_closed:
            self.client.half_close()
            self.run()
        assert self.is_closed, self.answers

    @property
    def statuses(self) -> list[int]:
        """The statuses of the answers that came, in order."""
        found = re.findall(rb"(?:\A|(?<=\n)|(?<=served))HTTP/1\.1 (\d{3}) ", self.answers)
        return [int(status) for status in found]

    @property
    def targets(self) -> list[bytes]:
        """What the backend was asked for."""
        return [head.split(b" ")[1] for head, _ in self.canonical.requests]


def expect_own_answer(stage: Stage) -> None:
    """Demand that a stranger is served, and gets what is meant for it."""
    stage.clear()
    client = stage.client()
    stage.exchange(client, "/mine")
    client.expect_silence(0.01)


def lines(*fields: bytes, start: bytes = b"GET /x HTTP/1.1") -> bytes:
    return b"\r\n".join([start, b"Host: localhost", *fields]) + b"\r\n\r\n"


FRAMING = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two fields": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "an empty element": POST + b"Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
    "hidden by CR": POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "hidden by LF": POST
    + b"Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": POST.replace(b"1.1", b"1.0")
    + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    **{
        f"length {value!r}": POST + b"Content-Length: " + value + b"\r\n\r\nhello"
        for value in (
            *(b"+5", b"-5", b"-0", b"0x5", b"5.0", b"5e0", b"1_0", b"5 5", b"5;a", b"", b"five"),
            *(b"5\x00", b"5\x0b", b"5\x1f", b'"5"', b"\xb2", "٥".encode(), b"5, 6", b"5,"),
            *(b"18446744073709551621", b"9" * 5000),
        )
    },
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
}

CHUNKS = {
    **{
        f"size {size!r}": CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n"
        for size in (
            *(b"0x5", b"+5", b"-5", b"1_0", b" 5", b"5\x0b", b"", b";a=b", b"G", "５".encode()),
            *(b"5\x00", b"10000000000000005", b"FFFFFFFFFFFFFFFF", b"0" * 300_000 + b"5"),
        )
    },
    "no end": CHUNKED + b"5\r\nhelloX0\r\n\r\n",
    "a wrong end": CHUNKED + b"5\r\nhelloXY0\r\n\r\n",
    "a bare LF": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "a bare CR": CHUNKED + b"5\rhello\r\n0\r\n\r\n",
    "a wrong last": CHUNKED + b"0\r\nXX\r\n\r\n",
    "an LF in an extension": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a CR in an extension": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a long extension": CHUNKED + b"5;" + b"a" * 65536 + b"\r\nhello\r\n0\r\n\r\n",
    "a length in a trailer": CHUNKED + b"0\r\nContent-Length: 50\r\n\r\n",
    "a host in a trailer": CHUNKED + b"0\r\nHost: evil\r\n\r\n",
    "a request as a trailer": CHUNKED + b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "a space in a trailer": CHUNKED + b"0\r\nX-T : v\r\n\r\n",
    "a large trailer": CHUNKED + b"0\r\nX-T: " + b"v" * 1_000_000 + b"\r\n\r\n",
}

DROPPED = {"a length in a trailer", "a host in a trailer"}

HEADS = {
    **{
        f"start {start!r}": lines(start=start)
        for start in (
            b"GET  /x  HTTP/1.1",
            b"GET\t/x\tHTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"GET /x HTTP/2.0",
            b"GET /x HTTP/1.10",
            b"GET /x HTTP/01.1",
            b"GET /x HTTP/257.1",
            b"GET /x http/1.1",
            b"GET /x HTTP/1.1x",
            b"G\x00T /x HTTP/1.1",
            b"G(T) /x HTTP/1.1",
            b"GET: /x HTTP/1.1",
            b"GET /\x00 HTTP/1.1",
            b"GET /\x01 HTTP/1.1",
            b"GET /\x7f HTTP/1.1",
            b"GET /x\ry HTTP/1.1",
            b"GET /x#frag HTTP/1.1",
            b"GET x HTTP/1.1",
            b"GET * HTTP/1.1",
            b"GET http://u@localhost/x HTTP/1.1",
            b"CONNECT localhost:443 HTTP/1.1",
        )
    },
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "two hosts": lines(b"Host: localhost"),
    **{
        f"host {host!r}": b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        for host in (
            *(b"localhost/x", b"localhost@evil", b"localhost, evil", b"localhost x"),
            *(b"localhost:80a", b"localhost:80:80", b"localhost:-1", b"localhost\x00", b""),
            *(b'localhost"', b"localhost\\evil", b"[localhost]"),
        )
    },
    **{
        f"field {field!r}": lines(field)
        for field in (
            *(b"no colon", b": no name", b"X : y", b"X Y: z", b" X: y", b"X: \x00", b"X: a\rb"),
            *(b"X: a\x01b", b"X: a\x7fb", b"X\x00: y", b"X: y\n\rZ: 1", b"X: y\r\r", b":"),
        )
    },
    "http 0.9": b"GET /x\r\n\r\n",
    "a long value": lines(b"X: " + b"v" * 65536),
    "a very long value": lines(b"X: " + b"v" * 2_000_000),
    "many fields": lines(*(b"X%d: y" % n for n in range(10_000))),
    "a long method": lines(start=b"G" * 20_000 + b" /x HTTP/1.1"),
    "a long target": lines(start=b"GET /" + b"x" * 65536 + b" HTTP/1.1"),
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}

REFUSALS = (400, 404, 405, 408, 413, 414, 421, 431, 501, 505)


@pytest.mark.parametrize("name", FRAMING)
def test_ambiguous_framing_never_reaches_a_backend(stage: Stage, name: str) -> None:
    check(stage, FRAMING[name])


@pytest.mark.parametrize("name", CHUNKS)
def test_broken_chunks_never_reach_a_backend(stage: Stage, name: str) -> None:
    # A trailer that has no business there is dropped, and harms nobody.
    check(stage, CHUNKS[name], name in DROPPED)


@pytest.mark.parametrize("name", HEADS)
def test_broken_heads_never_reach_a_backend(stage: Stage, name: str) -> None:
    check(stage, HEADS[name])


def check(stage: Stage, data: bytes, is_served: bool = False) -> None:
    """Demand a refusal and a close, or all of it in canonical form; and peace afterwards."""
    attack = Attack(stage, data)
    attack.run()
    if not is_served:
        assert len(attack.statuses) == 1, attack.answers
        assert attack.statuses[0] in REFUSALS, attack.answers
        assert attack.targets == [], attack.canonical.requests
        attack.expect_close()
    else:
        # The request behind it is one of its own, and both are answered.
        assert attack.statuses == [200, 200], attack.answers
        assert attack.targets[1:] == [b"/smuggled"], attack.canonical.requests
        assert attack.canonical.rest == b""
    expect_own_answer(stage)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5, 5",
        b"Content-Length: 0000005",
        b"Content-Length: \t5 ",
        b"Transfer_Encoding: chunked\r\nContent-Length: 5",
    ],
)
def test_what_may_be_read_in_one_way_only_is_refused_or_written_so(
    stage: Stage, fields: bytes
) -> None:
    attack = Attack(stage, POST + fields + b"\r\n\r\nhello")
    attack.run()
    if attack.statuses[0] == 200:
        assert [body for _, body in attack.canonical.requests] == [b"hello", b""]
    else:
        assert attack.statuses == [400]
        attack.expect_close()
    expect_own_answer(stage)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE"])
def test_a_body_stays_a_body_whatever_the_method(stage: Stage, method: bytes) -> None:
    inner = b"GET /inner HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"%b /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, len(inner))
    attack = Attack(stage, head + inner, b"" if method == b"HEAD" else SMUGGLED)
    attack.run()
    assert attack.canonical.requests[0][1] == inner
    assert b"/inner" not in attack.targets
    expect_own_answer(stage)


@pytest.mark.parametrize(
    "start", [b"GET http://localhost/x HTTP/1.1", b"GET /%zz HTTP/1.1", b"get /x HTTP/1.2"]
)
def test_unusual_heads_go_on_in_canonical_form(stage: Stage, start: bytes) -> None:
    attack = Attack(stage, lines(start=start))
    attack.run()
    assert attack.statuses == [200, 200], attack.answers
    assert attack.targets[0] == (b"/%zz" if b"%zz" in start else b"/x")
    expect_own_answer(stage)


def test_the_authority_of_the_target_wins_over_the_host(stage: Stage) -> None:
    for start, host, status in (
        (b"GET http://evil.test/x HTTP/1.1", b"localhost", 404),
        (b"GET http://localhost/x HTTP/1.1", b"evil.test", 200),
    ):
        attack = Attack(stage, start + b"\r\nHost: " + host + b"\r\n\r\n", b"")
        attack.run()
        if attack.statuses != [400]:
            assert attack.statuses == [status], attack.answers
            for head, _ in attack.canonical.requests:
                assert b"\r\nHost: localhost\r\n" in head
    expect_own_answer(stage)


@pytest.mark.parametrize(
    "host", [b"xlocalhost", b"localhost.evil", b"l", b"*", b".", b"localhos", b"local.host"]
)
def test_a_host_that_is_not_ours_has_no_route(stage: Stage, host: bytes) -> None:
    attack = Attack(stage, b"GET /x HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", b"")
    attack.run()
    assert attack.statuses[0] in (400, 404), attack.answers
    assert attack.targets == []
    expect_own_answer(stage)
