"""
A whole worker under a life of its own: clients, backends, time and an operator, from a seed.

Each client gets answers to its own requests only, in order, each body whole or visibly cut;
no request that may not be sent twice reaches two backends; and the invariants hold after each
step. SOZUTW_SEEDS tells how many seeds, SOZUTW_SEED which one alone.
"""

import os
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from sozutw.config.model import Cluster, HttpListener, LoadBalancing, Settings, Timeouts
from tests.fakes.http1 import Message, MessageReader
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld

STEPS = 160
NAMES = "ABCD"
BLOCKS = 15
"""Seeds are run in so many tests."""
SEEDS = int(os.environ.get("SOZUTW_SEEDS", "300"))
ONLY = os.environ.get("SOZUTW_SEED")
OWN_STATUSES = frozenset({400, 408, 502, 503, 504})
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT"})


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

    def __init__(self, life: "Life") -> None:
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

    def __init__(self, life: "Life", name: str, end: FakeTransport) -> None:
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
            self.then = rng.choice(["", "FIN", "RST"])
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
                self.then = rng.choice(["FIN", "RST", "silence"])
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


class Life:
    """One seed's life."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.is_rough = rng.random() < 0.8
        self.steps: list[str] = []
        cluster = Cluster(
            "app", load_balancing=rng.choice(list(LoadBalancing)), sticky_session=seed % 5 == 0
        )
        timeouts = Timeouts(front=20.0, back=12.0, request=6.0, tunnel=40.0)
        self.world = FakeWorld(
            *NAMES[: rng.randint(1, 4)],
            settings=Settings(backend_idle_connections_max=rng.choice([0, 1, 256])),
            cluster=cluster,
            listener=HttpListener(LISTENER, timeouts=timeouts),
        )
        self.configured = {state.backend_id for state in self.world.states()}
        self.asked: dict[int, Asked] = {}
        self.said: dict[int, Said] = {}
        self.clients: list[Client] = []
        self.backends: list[Backend] = []
        self.events: list[tuple[int, Any]] = [
            (3, self.arrive),
            (12, self.client_asks),
            (25, self.client_sends),
            (20, self.dial_succeeds),
            (25, self.backend_sends),
            (6, self.loop_turns),
            (4, self.client_stops_taking),
            (6, self.client_takes),
            (2, self.backend_stops_taking),
            (4, self.backend_takes),
            (2, self.time_passes_shortly),
            (1, self.client_finishes),
        ]
        if self.is_rough:
            self.events += [
                (4, self.dial_fails),
                (2, self.backend_is_lost),
                (2, self.client_is_reset),
                (2, self.operator_changes_backends),
                (1, self.operator_changes_health),
                (1, self.time_passes_long),
            ]

    def chunked(self, body: bytes) -> bytes:
        """Cut a body into chunks."""
        data = b""
        while body:
            size = self.rng.randint(1, max(1, len(body)))
            data += b"%x\r\n%b\r\n" % (size, body[:size])
            body = body[size:]
        return data + b"0\r\n\r\n"

    def cut(self) -> int:
        """Return how many bytes arrive at once."""
        return self.rng.choice([1, 7, 100, 2000, 100_000])

    def run(self) -> None:
        """Live, come to rest, and account for everything."""
        weights = [weight for weight, _ in self.events]
        for _ in range(STEPS):
            self.world.chance.value = self.rng.random()
            (event,) = self.rng.choices(self.events, weights)
            self.steps.append(event[1].__name__)
            event[1]()
            self.check()
        self.come_to_rest()
        for client in self.clients:
            client.end.transport.drain()
            client.read()
            self.check_end_of(client)
        self.world.assert_baseline()

    def check(self) -> None:
        self.world.check()
        for backend in self.backends:
            backend.read()
        for client in self.clients:
            client.read()

    # The events; each does nothing if there is nobody for it.

    def one_of(self, things: list[Any]) -> Any:
        return self.rng.choice(things) if things else None

    def arrive(self) -> None:
        if sum(not client.is_gone for client in self.clients) < 5:
            self.clients.append(Client(self))

    def open_clients(self) -> list[Client]:
        return [c for c in self.clients if not c.end.is_closed and not c.has_finished]

    def open_backends(self) -> list[Backend]:
        return [backend for backend in self.backends if not backend.is_gone]

    def client_asks(self) -> None:
        client = self.one_of([c for c in self.open_clients() if not c.is_last_asked])
        if client is not None:
            client.ask()

    def client_sends(self) -> None:
        client = self.one_of([c for c in self.open_clients() if c.pending])
        if client is not None:
            client.send(self.cut())

    def dial_succeeds(self) -> None:
        dial = self.one_of(self.world.dials)
        if dial is not None:
            dialler = self.world.dialler
            end = dialler.complete(dialler.dials.index(dial))
            assert end is not None
            self.backends.append(Backend(self, self.world.name_of(dial), end))

    def dial_fails(self) -> None:
        dial = self.one_of(self.world.dials)
        if dial is not None:
            reason = OSError(24, "no descriptors") if self.rng.random() < 0.1 else None
            self.world.dialler.fail(self.world.dialler.dials.index(dial), reason)

    def backend_sends(self) -> None:
        backend = self.one_of(
            [
                b
                for b in self.open_backends()
                if b.out or b.then not in ("", "silence") or len(b.reader.messages) > b.answered
            ]
        )
        if backend is None:
            return
        if not backend.out and not backend.then and len(backend.reader.messages) > backend.answered:
            backend.answer()
        if backend.out or backend.then:
            backend.send(self.cut())

    def backend_is_lost(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is None:
            return
        if self.rng.random() < 0.5:
            for serial in range(1, len(self.said) + 1):
                said = self.said[serial]
                if b"X-Serial: %d\r\n" % serial in backend.out:
                    said.is_whole = False
            backend.out = b""
            # A response until the close would look whole, and be so for all that we know.
            backend.end.reset_by_peer()
        elif not (backend.out or backend.then) and (
            len(backend.reader.messages) == backend.answered
        ):
            backend.end.hang_up()

    def loop_turns(self) -> None:
        self.world.turn()

    def client_stops_taking(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.end.transport.stop_taking()

    def client_takes(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.end.transport.drain()

    def backend_stops_taking(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is not None:
            backend.end.stop_taking()

    def backend_takes(self) -> None:
        backend = self.one_of(self.open_backends())
        if backend is not None:
            backend.end.drain()

    def client_finishes(self) -> None:
        client = self.one_of([c for c in self.open_clients() if not c.pending])
        if client is not None:
            client.has_finished = True
            client.end.transport.hang_up()

    def client_is_reset(self) -> None:
        client = self.one_of([c for c in self.clients if not c.is_gone])
        if client is not None:
            client.read()
            client.was_reset = client.has_finished = True
            client.end.transport.reset_by_peer()

    def operator_changes_backends(self) -> None:
        name = self.rng.choice(NAMES)
        if name in self.configured:
            self.configured.remove(name)
            self.world.remove_backend(name)
        else:
            self.configured.add(name)
            self.world.add_backend(name)

    def operator_changes_health(self) -> None:
        state = self.one_of(list(self.world.states()))
        if state is not None:
            state.set_health(self.rng.random() < 0.5)

    def time_passes_shortly(self) -> None:
        self.world.clock.advance(self.rng.choice([0.01, 0.25, 1.0]))

    def time_passes_long(self) -> None:
        self.world.advance(self.rng.choice([3.5, 13.0, 21.0]))

    # The end.

    def come_to_rest(self) -> None:
        """Nobody says anything new; what is under way ends by itself, or in time."""
        for client in self.clients:
            client.end.transport.drain()
        for backend in self.open_backends():
            backend.end.drain()
        for _ in range(400):
            self.world.advance(1)
            self.check()
            if not self.world.worker.counters.active_requests:
                break
        else:
            raise AssertionError("a request waits for ever")
        self.world.advance(30)  # Lingering and idle clients are closed.
        self.check()
        assert len(self.world.worker.sessions) == 0

    def check_end_of(self, client: Client) -> None:
        """Whatever this client got is whole, or visibly cut."""
        transport = client.end.transport
        assert transport.disconnected
        if client.was_reset:
            return
        if transport.is_write_closed or not transport.is_aborted:
            client.reader.end()  # The client has seen our FIN.
            client.read()
        messages = client.reader.messages
        if messages and not messages[-1].is_complete and not client.reader.is_raw:
            assert transport.is_aborted, "cut, and closed as if it were whole"
            if messages[-1].ends_with_close:
                assert transport.is_reset, "a cut that cannot be told from an end"
        if not self.is_rough and not client.pending:
            finals = [m for m in messages if m.status >= 200 or m.status == 101]
            assert all(m.status not in OWN_STATUSES - {504, 408} for m in finals), [
                m.start for m in finals
            ]


def run_seed(seed: int) -> Life:
    """Run one seed; its number and its steps are told with a failure."""
    life = Life(seed)
    try:
        life.run()
    except BaseException as fault:
        fault.add_note(f"SOZUTW_SEED={seed}, after: {', '.join(life.steps[-12:])}")
        raise
    return life


@pytest.mark.parametrize("block", range(1 if ONLY else BLOCKS))
@pytest.mark.timeout(600)
def test_a_worker_survives_whatever_its_peers_do(block: int) -> None:
    seeds = [int(ONLY)] if ONLY else range(block, SEEDS, BLOCKS)
    statuses: set[int] = set()
    for seed in seeds:
        life = run_seed(seed)
        statuses |= {record.status for record in life.world.records}
    if len(seeds) > 10:
        assert {0, 200} <= statuses  # It was no life without events.


def test_a_seed_lives_the_same_life_twice() -> None:
    first, second = run_seed(1), run_seed(1)
    assert first.steps == second.steps
    assert first.world.outcomes() == second.world.outcomes()
