"""
Every order in which the events around a replacement can come, enumerated, not sampled.

A run is a sequence of events, each enabled by those before it. All maximal sequences are run on
a whole worker in memory; the invariants I1 to I7 are checked after each step.
"""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from sozutw.relay.account import Stage
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import FakeWorld, ok
from tests.worker.scenes import kept_alive

ANSWERED = b"HTTP/1.1 200 OK\r\n"


class Play:
    """One world, and the events that may happen in it, each of them once."""

    def __init__(self, method: str, how: str) -> None:
        self.method = method
        self.how = how
        self.world = world = FakeWorld("A", "B", "C")
        self.other = world.client()
        self.other.get(b"/other")
        self.other_backend = world.connect("A")
        world.let_be_next("A")
        self.client, self.a = kept_alive(world)
        self.happened: list[str] = []
        self.fresh: FakeTransport | None = None
        self.dials_before = len(world.dialler.dials)
        self.leases: dict[int, object] = {}

    # The events.

    def enabled(self) -> list[str]:
        """Return the events that can come next, in a fixed order."""
        possible: dict[str, bool] = {
            "request 2": not self.is_client_lost and not self.client.transport._peer_finished,
            "A lost": not self.a.disconnected and not self.a.is_aborted,
            "A gone": self.a.is_aborted and not self.a.disconnected,
            "A answers": self.has_got_request(self.a) and self.is_alive(self.a),
            "A timer": not self.a.disconnecting and not self.a.disconnected,
            "B timer": bool(self.world.dials) or self.is_alive(self.fresh),
            "client lost": not self.is_client_lost,
            "A removed": self.how == "RST",  # Not both: there are enough sequences as it is.
            "B lost": self.is_alive(self.fresh),
        }
        for name in ("accepts", "refuses"):
            if self.world.dials:
                dial = self.world.dial()
                possible[f"{self.world.name_of(dial)} {name}"] = True
        if self.is_alive(self.fresh):
            if "B answers half" in self.happened:
                possible["B answers the rest"] = True
            possible["B answers half"] = self.has_got_request(self.fresh)
        return [name for name, may in possible.items() if may and name not in self.happened]

    def step(self, event: str) -> None:
        """Let one event happen, and check what must hold after any."""
        self.happened.append(event)
        world = self.world
        match event.split():
            case ["request", _]:
                self.client.ask(self.method, b"/2")
            case ["A", "lost"]:
                self.lose(self.a)
            case ["A", "gone"]:
                world.turn()  # We let go of it before; now its loss is told.
            case ["B", "lost"]:
                assert self.fresh is not None
                self.lose(self.fresh)
            case ["A", "removed"]:
                world.remove_backend("A")
            case ["A", "answers"]:
                self.a.receive(ok(b"A2"))
            case ["A", "timer"]:
                self.pass_deadline_of(self.a)
            case ["B", "timer"]:
                if world.dials:
                    timer = world.dial().timer
                    assert timer is not None
                    self.pass_time(timer.getTime() - world.clock.seconds())
                else:
                    self.pass_deadline_of(self.fresh)
            case ["client", "lost"]:
                self.client.reset()
            case [_, "accepts"]:
                self.fresh = world.connect()
            case [_, "refuses"]:
                world.refuse()
            case ["B", "answers", "half"]:
                assert self.fresh is not None
                self.fresh.receive(ok(b"B2")[:-1])
            case ["B", "answers", "the", "rest"]:
                assert self.fresh is not None
                self.fresh.receive(b"2")
            case _:
                raise AssertionError(event)
        self.check()

    def lose(self, backend: FakeTransport) -> None:
        if self.how == "FIN":
            backend.hang_up()
        else:
            backend.reset_by_peer()

    def pass_deadline_of(self, backend: FakeTransport | None) -> None:
        assert backend is not None
        patience = backend.protocol.patience  # type: ignore[union-attr]
        self.pass_time(patience.touched + patience.seconds - self.world.clock.seconds())

    def pass_time(self, seconds: float) -> None:
        # The other client's backend is no part of this: it shows signs of life all the while.
        left = seconds + 0.5
        while left > 0:
            self.keep_other_alive()
            step = 5.0 if left > 5 else 0.25
            self.world.clock.advance(step)
            left -= step

    def keep_other_alive(self) -> None:
        now = self.world.clock.seconds()
        self.other.connection.patience.touched = now
        if self.other_backend.protocol is not None:
            self.other_backend.protocol.patience.touched = now  # type: ignore[attr-defined]

    # What can be seen.

    @property
    def is_client_lost(self) -> bool:
        return self.client.transport.disconnected

    def is_alive(self, backend: FakeTransport | None) -> bool:
        return (
            backend is not None
            and not backend.disconnecting
            and not backend.disconnected
            and not backend._peer_finished
        )

    def has_got_request(self, backend: FakeTransport | None) -> bool:
        return backend is not None and b" /2 HTTP/1.1\r\n" in backend.value()

    def backends(self) -> Iterator[FakeTransport]:
        for dial in self.world.dialler.dials:
            if dial.transport is not None:
                yield dial.transport

    # What must hold.

    def check(self) -> None:
        self.world.check()  # I1, I2: pool, tokens and counts agree.
        self.check_every_socket_has_its_place()
        self.check_nobody_waits_in_vain()
        self.check_bytes()

    def check_every_socket_has_its_place(self) -> None:
        """I1: open is idle or leased, by a client that is there."""
        pool = self.world.worker.connector.pool
        for token, lease in pool.leased():
            assert self.leases.setdefault(token, lease) is lease, "a token was issued twice"
        known = set(pool.idle_connections()) | {lease for _, lease in pool.leased()}
        for backend in self.backends():
            protocol = backend.protocol
            if protocol is not None and not backend.disconnecting:
                assert protocol in known
            if backend.disconnecting or backend.disconnected:
                assert protocol not in known

    def check_nobody_waits_in_vain(self) -> None:
        """I4: an answer was begun, or a dial or a connection is there; and a timer runs."""
        for client in self.world.clients:
            exchange = client.connection._exchange
            if exchange is None:
                continue
            if exchange._stage is Stage.OVER:
                assert client.is_closed  # It was cut, of which the loop tells next.
                continue
            back = exchange._back
            assert back is not None
            assert back.owner is exchange  # type: ignore[attr-defined]
            match exchange._stage:
                case Stage.CONNECTING:
                    (dial,) = [dial for dial in self.world.dials if dial is back.dial]  # type: ignore[attr-defined]
                    assert dial.timer is not None
                    assert dial.timer.active()
                case Stage.WAITING | Stage.RELAYING:
                    assert back.is_open
                    patience = back.patience  # type: ignore[attr-defined]
                    assert patience._tick or client.connection.patience._tick
                    assert self.world.clock.getDelayedCalls()
                case stage:
                    raise AssertionError(stage)

    def check_bytes(self) -> None:
        """I7: a request goes to one backend, unless it may be replayed; answers to their own."""
        got = [backend.value().count(b" /2 HTTP/1.1\r\n") for backend in self.backends()]
        assert max(got) <= 1
        reasons = sum(word in event for event in self.happened for word in ("refuses", "timer"))
        reasons += "B lost" in self.happened
        assert len(self.world.dialler.dials) - self.dials_before <= 1 + reasons
        if self.method == "POST":
            assert sum(got) <= 1, "a POST was sent twice"
        assert not self.other.transport.value()
        sent = self.client.transport.value()
        assert sent.count(b"HTTP/1.1 ") <= 1, sent
        if sent.startswith(ANSWERED):
            body = sent.partition(b"\r\n\r\n")[2]
            whole = b"A2" if self.has_got_request(self.a) and body.startswith(b"A") else b"B2"
            assert whole.startswith(body)
            assert body == whole or self.client.is_closed or self.fresh is not None

    def finish(self) -> None:
        """Nothing more comes from outside: whoever waits must be told, in bounded time."""
        was_asked = "request 2" in self.happened
        self.pass_time(100)
        self.check()
        assert self.client.connection._exchange is None
        sent = self.client.transport.value()
        records = [record for record in self.world.records if record.path == b"/2"]
        assert len(records) == was_asked  # I5
        if was_asked and "client lost" not in self.happened:
            assert sent.startswith(b"HTTP/1.1 ")
            assert int(sent[9:12]) == records[0].status
            self.check_verdict(records[0].status)
        if not was_asked:
            assert not sent
        self.other_backend.receive(ok(b"for the other"))
        assert self.other.answer() == (200, b"for the other")
        self.world.assert_baseline()  # I6

    def check_verdict(self, status: int) -> None:
        """What the rules say where neither time nor all the backends decide."""
        happened = self.happened
        if any("timer" in event or "refuses" in event for event in happened):
            assert status in (200, 502, 503, 504)
            return
        asked = happened.index("request 2")
        was_lost_after = "A lost" in happened and happened.index("A lost") > asked
        if "A answers" in happened:
            assert status == 200
        elif self.method == "POST" and was_lost_after and self.has_got_request(self.a):
            assert status == 502
        elif "B answers half" in happened:
            assert status == 200


def run(play: Play, choices: list[int]) -> list[int]:
    """
    Run one sequence: at each step the choice that is told, later the first.

    Returns how many events were enabled at each step.
    """
    widths: list[int] = []
    try:
        for step in count():
            events = play.enabled()
            if not events:
                break
            widths.append(len(events))
            if step == len(choices):
                choices.append(0)
            play.step(events[choices[step]])
        play.finish()
    except BaseException as fault:
        fault.add_note(f"{play.method}, {play.how}: {', '.join(play.happened)}")
        raise
    return widths


def enumerate_runs(make: Callable[[], Play]) -> Iterator[Play]:
    """Run all maximal sequences, each once, in order."""
    choices: list[int] = []
    while True:
        play = make()
        widths = run(play, choices)
        yield play
        while choices and choices[-1] + 1 == widths[len(choices) - 1]:
            del choices[-1]
        if not choices:
            return
        choices[-1] += 1


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_interleaving_keeps_the_invariants(method: str, how: str) -> None:
    seen: set[tuple[str, ...]] = set()
    outcomes: set[tuple[int, str]] = set()
    for play in enumerate_runs(lambda: Play(method, how)):
        assert tuple(play.happened) not in seen
        seen.add(tuple(play.happened))
        outcomes |= set(play.world.outcomes())
    print(f"{method}, {how}: {len(seen)} interleavings")
    assert len(seen) > 300
    # None of the ways that it can end was missed.
    assert {(200, "A"), (200, "B"), (200, "C"), (504, "A"), (0, "A")} <= outcomes
