"""The clients and backends of the simulation: what they say, and what they must hear."""

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tests.fakes.http1 import Message, MessageReader
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeClient, FakeWorld

OWN_STATUSES = frozenset({400, 408, 502, 503, 504})
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT"})


class Life(Protocol):
    """What they share."""

    world: FakeWorld
    rng: Random
    is_rough: bool
    asked: dict[int, "Asked"]
    said: dict[int, "Said"]

    def chunked(self, body: bytes) -> bytes:
        """Cut a body into chunks."""


@dataclass
class Asked:
    """One request that a client meant to send."""

    number: int
    method: bytes
    body: bytes
    minor: int = 1
    is_upgrade: bool = False
    is_broken: bool = False
    backends: set[int] = field(default_factory=set)
    """The connections to backends that got a byte of it."""

    @property
    def target(self) -> bytes:
        return b"/%d" % self.number


@dataclass
class Said:
    """One response that a backend meant to send."""

    serial: int
    number: int
    status: int
    body: bytes
    is_whole: bool


class Client:
    """A client: what it has to send, and what it makes of what comes."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.end: FakeClient = life.world.client()
        self.asked: list[Asked] = []
        self.pending = b""
        self.sent_all = True
        self.has_finished = False
        self.was_reset = False
        self.methods: deque[bytes] = deque()
        self.reader = MessageReader(self.methods)
        self.raw_sent = b""

    @property
    def is_gone(self) -> bool:
        return self.end.transport.disconnected

    @property
    def is_last_asked(self) -> bool:
        return bool(self.asked) and (self.asked[-1].is_upgrade or self.asked[-1].minor == 0)

    def ask(self) -> None:
        """Mean to send one more request."""
        life = self.life
        rng = life.rng
        method = rng.choice([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"POST", b"PUT"])
        number = len(life.asked) + 1
        size = rng.choice([0, 1, 10, 1000, 5000]) if method in (b"POST", b"PUT") else 0
        asked = Asked(number, method, b"<%d>" % number * size)
        lines = [b"Host: example.com"]
        if rng.random() < 0.05:
            asked.minor = 0
        if method == b"GET" and rng.random() < 0.06 and asked.minor:
            asked.is_upgrade = True
            lines += [b"Connection: Upgrade", b"Upgrade: echo"]
        body = asked.body
        if asked.minor and size and rng.random() < 0.4:
            lines.append(b"Transfer-Encoding: chunked")
            body = life.chunked(body)
        elif size:
            lines.append(b"Content-Length: %d" % size_of(body))
        if size and rng.random() < 0.1 and asked.minor:
            lines.append(b"Expect: 100-continue")
        life.asked[number] = asked
        self.asked.append(asked)
        self.methods.append(method)
        self.pending += b"%b %b HTTP/1.%d\r\n%b\r\n\r\n%b" % (
            method,
            asked.target,
            asked.minor,
            b"\r\n".join(lines),
            body,
        )

    def send(self, most: int) -> None:
        """Send a part of what there is to send."""
        data, self.pending = self.pending[:most], self.pending[most:]
        self.end.transport.receive(data)

    def read(self) -> None:
        """Look at what came."""
        self.reader.feed(self.end.received())
        finals = [m for m in self.reader.messages if m.status >= 200 or m.status == 101]
        assert len(finals) <= len(self.asked)
        for asked, message in zip(self.asked, finals, strict=False):
            self.check_answer(asked, message)

    def check_answer(self, asked: Asked, message: Message) -> None:
        serial = message.field(b"X-Serial")
        if serial is None:
            assert message.status in OWN_STATUSES, message.start
            return
        said = self.life.said[int(serial)]
        assert said.number == asked.number, "the answer to another request"
        assert said.status == message.status
        if asked.method == b"HEAD":
            assert not message.body
            return
        assert said.body.startswith(bytes(message.body)), "bytes of another answer"
        if message.is_complete and said.status != 101:
            assert said.is_whole, "a broken response that looks whole"
            assert bytes(message.body) == said.body


def size_of(body: bytes) -> int:
    """Return a length; it has a name so that lines stay short."""
    return len(body)


class Backend:
    """The far end of one connection to a backend."""

    def __init__(self, life: Life, name: str, end: FakeTransport) -> None:
        self.life = life
        self.name = name
        self.end = end
        self.reader = MessageReader()
        self.answered = 0
        self.out = b""
        self.then = ""
        """What follows when all is out: nothing, a FIN, a RST, or silence for ever."""

    @property
    def is_gone(self) -> bool:
        return self.end.disconnected or self.end.disconnecting or self.end._peer_finished

    def read(self) -> None:
        """Look at what came: requests, each of them of one client and as it was asked."""
        data = self.end.take()
        if self.reader.is_raw:
            return
        self.reader.feed(data)
        for message in self.reader.messages:
            asked = self.life.asked[int(message.target[1:])]
            assert message.method == asked.method
            assert asked.body.startswith(bytes(message.body))
            if message.is_complete:
                assert bytes(message.body) == asked.body
            asked.backends.add(id(self))
            if asked.method not in IDEMPOTENT:
                assert len(asked.backends) == 1, "it was sent twice"
        assert len(self.reader.messages) <= self.answered + 1, "pipelined to a backend"

    def answer(self) -> None:
        """Decide what to say to the request that waits."""
        life = self.life
        rng = life.rng
        message = self.reader.messages[self.answered]
        asked = life.asked[int(message.target[1:])]
        if not message.is_complete and rng.random() < 0.8:
            return
        self.answered += 1
        is_rough = life.is_rough and rng.random() < 0.25
        serial = len(life.said) + 1
        body = b"<answer %d to %d>" % (serial, asked.number) * rng.choice([0, 1, 5, 300])
        said = life.said[serial] = Said(serial, asked.number, 200, body, is_whole=True)
        tag = b"X-Serial: %d\r\n" % serial
        if rng.random() < 0.1:
            interim = rng.choice([b"100 Continue", b"103 Early Hints"])
            self.out += b"HTTP/1.1 %b\r\n\r\n" % interim
        if asked.is_upgrade and rng.random() < 0.7:
            said.status = 101
            head = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"
            self.out += head + tag + b"\r\n" + body
            self.reader.is_raw = True
            self.then = rng.choice(["", "FIN", "RST" if life.is_rough else "FIN"])
            return
        kind = rng.choice(["length", "length", "length", "chunked", "until close", "empty"])
        if kind == "empty":
            said.body = b""
            said.status = rng.choice([204, 304])
            self.out += b"HTTP/1.1 %d Empty\r\n%b\r\n" % (said.status, tag)
            return
        if asked.method == b"HEAD":
            self.out += b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n%b\r\n" % tag
            return
        cut = rng.randrange(len(body)) if body and is_rough else None
        if kind == "length":
            framing = b"Content-Length: %d\r\n" % len(body)
            if rng.random() < 0.15:
                framing += b"Connection: close\r\n"
                self.then = rng.choice(["FIN", "RST" if life.is_rough else "FIN", "silence"])
            data = body
        elif kind == "chunked":
            framing = b"Transfer-Encoding: chunked\r\n"
            data = life.chunked(body)
        else:
            framing = b""
            data = body
            self.then = "FIN"
        if cut is not None:
            said.is_whole = False
            data = data[:cut]
            self.then = "RST" if kind == "until close" else rng.choice(["FIN", "RST", "silence"])
        elif is_rough and kind == "length":
            self.out += b"" if rng.random() < 0.5 else b"\x00garbage\r\n\r\n"
            data += b"" if rng.random() < 0.5 else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.out += b"HTTP/1.1 200 OK\r\n%b%b\r\n%b" % (framing, tag, data)
        if is_rough and rng.random() < 0.3:
            said.is_whole = False
            self.out = self.out[: rng.randrange(len(self.out) - len(data))]
            self.then = rng.choice(["FIN", "RST", "silence"])

    def send(self, most: int) -> None:
        """Send a part of what there is to say, or what comes behind it."""
        data, self.out = self.out[:most], self.out[most:]
        if data:
            self.end.receive(data)
        elif self.then == "FIN":
            self.end.hang_up()
        elif self.then == "RST":
            self.end.reset_by_peer()
