"""
A playbook: an exchange between a fake client's side and fake backends, to be read as a diagram.

``>>`` is an event, ``<<`` what the exchange must ask for next, in order and without a gap::

    _ = (
        play
        >> on("backend_connected")
        << ("A", "send_request", ANY, b"GET", 30.0)
        >> on("response_lost", cleanly=True)
        << ("connector", "replace", "A", "B", 3.0)
        << None
    )

Before the next event nothing may be left; ``<< ...`` passes over the rest, ``<< None`` says that
there is none. What is only looked at (is_full, has_taken_all …) is no line: the test sets it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from operator import methodcaller
from types import EllipsisType
from typing import Any, Self

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Timeouts,
)
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.access import AccessRecord
from sozutw.relay.account import Stage
from sozutw.relay.edits import Provenance
from sozutw.relay.exchange import Exchange
from sozutw.relay.ports import Means
from sozutw.relay.route import ListenerState, Route
from sozutw.routing.affinity import compile_affinity
from sozutw.sessions.limits import AddressCounts
from sozutw.sessions.session import Session
from sozutw.wire.http1.request import parse_request_head
from sozutw.wire.http1.response import parse_response_head
from sozutw.wire.message import RequestHead, ResponseHead
from sozutw.wire.tls import TlsFacts

ADDRESS = InetAddress("10.0.0.1", 8080)
SOURCE = "192.0.2.1"
SECONDS = Timeouts(front=60.0, back=30.0, connect=3.0, request=10.0, tunnel=3600.0)
"""All different, so that one in another's place is seen."""

Line = tuple[Any, ...]
Event = Callable[[Exchange], object]
on = methodcaller
"""The event of that name."""


@dataclass(frozen=True)
class Like:
    """Equal to bytes in which all of the patterns are found, and none of ``without``."""

    patterns: tuple[bytes, ...]
    without: tuple[bytes, ...] = ()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, bytes)
            and all(re.search(pattern, other) for pattern in self.patterns)
            and not any(re.search(pattern, other) for pattern in self.without)
        )

    __hash__ = None  # type: ignore[assignment]


def like(*patterns: bytes, without: Iterable[bytes] = ()) -> Like:
    """Stand for bytes in which each of the patterns is found."""
    return Like(patterns, tuple(without))


class Spoken:
    """Says its lines into the playbook."""

    def __init__(self, play: "Playbook", name: str) -> None:
        self.play = play
        self.name = name

    def say(self, what: str, *arguments: object) -> None:
        self.play.lines.append((self.name, what, *map(told, arguments)))

    def write(self, data: bytes) -> None:
        self.say("write", data)

    def write_chunk(self, data: bytes) -> None:
        self.say("write_chunk", data)

    def pause(self) -> None:
        self.say("pause")

    def wait(self, seconds: float) -> None:
        self.say("wait", seconds)

    def touch(self) -> None:
        self.say("touch")

    def finish(self) -> None:
        self.say("finish")


def told(value: object) -> object:
    """Tell a fake, or a bound method of one, by its name; all else as it is."""
    owner = getattr(value, "__self__", None)
    if isinstance(owner, Spoken):
        return f"{owner.name}.{value.__name__}"  # type: ignore[attr-defined]
    return value.name if isinstance(value, Spoken) else value


@dataclass
class Silence:
    seconds: float = SECONDS.request


class FakeFront(Spoken):
    """The client's side; what it is asked for is said, what it is, is set."""

    def __init__(self, play: "Playbook") -> None:
        super().__init__(play, "front")
        self.transport: Any = None
        self.body_bytes = 0
        self.is_draining = False
        self.is_full = False
        self.request_seconds = 0.0
        self.round_trip_us = 7
        self.tls: TlsFacts | None = None
        self.covered_host = b""
        self.patience = Silence()
        self.took_all = True
        self.is_short = True

    def write_last(self, data: bytes) -> None:
        self.say("write_last", data)

    def take_body(self, sink: object, back: object) -> None:
        self.say("take_body", sink, back)

    def hold_body(self) -> None:
        self.say("hold_body")

    def resume(self, seconds: float) -> None:
        self.say("resume", seconds)

    def has_taken_all(self) -> bool:
        return self.took_all

    def body_is_short(self) -> bool:
        return self.is_short

    def exchange_ended(self, *, keeps_alive: bool) -> None:
        self.say("goes on" if keeps_alive else "closes")

    def tunnel(self, sink: object, seconds: float) -> None:
        self.say("tunnel", sink, seconds)

    def cut(self) -> None:
        self.say("cut")


class FakeBack(Spoken):
    """A backend's side."""

    def __init__(self, play: "Playbook", state: BackendState, *, is_open: bool) -> None:
        super().__init__(play, state.backend_id)
        self.transport: Any = None
        self.state = state
        self.is_open = self.is_reused = is_open
        self.is_full = False
        self.response_bytes = 0
        self.round_trip_us = 9
        self.loss_text = ""
        self.sent_nothing = False
        self.held_up = False
        self.early = b""

    def send_request(self, data: bytes, method: bytes, seconds: float) -> None:
        self.say("send_request", data, method, seconds)

    def has_sent_nothing(self) -> bool:
        return self.sent_nothing

    def take_body(self, sink: object) -> None:
        self.say("take_body", sink)

    def resume(self) -> None:
        self.say("resume")

    def is_held_up(self) -> bool:
        return self.held_up

    def tunnel(self, sink: object, seconds: float) -> bytes:
        self.say("tunnel", sink, seconds)
        return self.early

    def join(self, front: object, length: int) -> bool:
        self.say("join", front, length)
        return True

    def drop(self) -> None:
        self.say("drop")

    def close(self, seconds: float) -> None:
        self.say("close", seconds)


class FakeConnector(Spoken):
    """Hands out fake backends: open ones while ``idle`` is above 0, else dials."""

    def __init__(self, play: "Playbook") -> None:
        super().__init__(play, "connector")
        self.idle = 0
        self.owners: list[object] = []

    def lease(self, state: BackendState, owner: object, seconds: float, *, sure: bool) -> FakeBack:
        self.say("lease, surely" if sure else "lease", state.backend_id, seconds)
        is_open = self.idle > 0
        self.idle -= is_open
        return self.made(state, owner, is_open=is_open)

    def replace(
        self, hung_up: FakeBack, state: BackendState, owner: object, seconds: float
    ) -> FakeBack:
        self.say("replace", hung_up, state.backend_id, seconds)
        return self.made(state, owner, is_open=False)

    def give_back(self, back: FakeBack) -> None:
        self.say("give_back", back)

    def made(self, state: BackendState, owner: object, *, is_open: bool) -> FakeBack:
        assert owner is self.play.exchange
        self.play.back = FakeBack(self.play, state, is_open=is_open)
        return self.play.back


class NoClient:
    """The session's connection, of which an exchange asks nothing."""


class Playbook:
    """One client of one listener, whose rule for ``h`` leads to the cluster ``app``."""

    back: FakeBack
    """The connection that was leased last."""

    def __init__(
        self,
        *backends: Backend | str,
        cluster: Cluster | None = None,
        rule: FrontendRule | None = None,
        listener: HttpListener | HttpsListener | None = None,
        **means: Any,
    ) -> None:
        self.lines: list[Line] = []
        self.records: list[AccessRecord] = []
        self.now = 1000.0
        self.counters = WorkerCounters()
        self.front = FakeFront(self)
        self.connector = FakeConnector(self)
        self.cluster = ClusterState(cluster or Cluster("app"), compile_affinity)
        self.states = {}
        for place, backend in enumerate(backends):
            if isinstance(backend, str):
                backend = Backend("app", backend, InetAddress("10.1.0.1", 9000 + place))  # noqa: PLW2901
            self.states[backend.backend_id] = self.cluster.upsert(backend)
        assert len(self.cluster.backends) == len(backends)  # Settled, as after the first choice.
        value = listener or HttpListener(ADDRESS, timeouts=SECONDS)
        self.listener = ListenerState(value)
        rule = rule or FrontendRule(ADDRESS, "h", cluster_id="app")
        led_to = self.cluster if rule.cluster_id == "app" else None
        plain, https = self.listener.listener, self.listener.https
        self.route = Route(rule, plain, led_to, self.listener.answers, https)
        self.listener.router = self.listener.router.with_rule(rule, self.route)
        ids = count(1)
        self.means = Means(
            now=lambda: self.now,
            wall_ns=lambda: int(self.now * 1e9),
            random=lambda: 0.5,
            new_id=lambda: b"ID%d" % next(ids),
            log=lambda row: self.records.append(AccessRecord._make(row)),
            counters=self.counters,
            connector=self.connector,  # type: ignore[arg-type]
            address_counts=AddressCounts(),
            **means,
        )
        self.session = Session(NoClient(), SOURCE, f"{SOURCE}:5", self.now, b"SESSION")  # type: ignore[arg-type]

    # The diagram.

    def __rshift__(self, event: Event) -> Self:
        assert self.lines == [], "asked, but not foreseen"
        event(self.exchange)
        return self

    def __lshift__(self, line: Line | EllipsisType | None) -> Self:
        if line is ...:
            self.lines.clear()
        elif line is None:
            assert self.lines == []
        else:
            assert self.lines, f"{line} was not asked"
            assert self.lines.pop(0) == line
        return self

    # What happens.

    def asks(
        self,
        text: bytes = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        ended: bool = True,
        trailers: tuple[bytes, ...] = (),
    ) -> Event:
        """
        Return the event that a client sends a head and what follows of its body, without framing.

        The exchange is made at once, as every event is given one.
        """
        head = request_head(text)
        body = text[head.size :]

        def event(_: Exchange) -> None:
            self.front.body_bytes = len(body)
            self.exchange.start(body, ended, trailers)

        self.front.body_bytes = 0
        self.exchange = Exchange(
            self.front,  # type: ignore[arg-type]
            self.session,
            self.listener,
            Provenance(self.listener, SOURCE, 5),
            self.means,
            head,
            self.now,
        )
        return event

    def answers(self, text: bytes, ended: bool = True, method: bytes = b"GET") -> Event:
        """Return the event that the backend sends this: a head, and what came of its body."""
        head = response_head(text, method)

        def event(exchange: Exchange) -> None:
            self.back.response_bytes += len(text)
            exchange.response_started(head, text[head.size :], ended)

        return event

    def sends(self, data: bytes) -> Event:
        """Return the event that more of the response's body came, and went on its way."""

        def event(_: Exchange) -> None:
            self.back.response_bytes += len(data)

        return event

    def uploads(self, data: bytes) -> Event:
        """Return the event that more of the request's body came, and went on its way."""

        def event(_: Exchange) -> None:
            self.front.body_bytes += len(data)

        return event

    def after(self, seconds: float) -> Event:
        """Return the event that time passes."""

        def event(_: Exchange) -> None:
            self.now += seconds

        return event

    def refused(self, failure: Any, text: str = "") -> Event:
        """Return the event that a dial fails, of which the connector tells the backend's state."""

        def event(exchange: Exchange) -> None:
            self.back.state.connect_failed(self.now, 0.5)
            exchange.backend_failed(failure, text)

        return event

    # What came of it.

    @property
    def stage(self) -> Stage:
        """Where the exchange is."""
        return self.exchange._stage

    def assert_settled(self) -> None:
        """Nothing is left to foresee, and each gauge is as at the beginning (I5, I6)."""
        assert self.lines == []
        assert self.stage is Stage.OVER
        assert len(self.records) == self.counters.requests
        assert sum(self.counters.statuses) == len(self.records)
        assert self.counters.active_requests == 0
        assert self.counters.websocket_sessions == 0
        assert self.counters.tls.websocket_sessions == 0
        assert self.cluster.counters.active_requests == 0
        assert self.counters.errors == sum(record.is_error for record in self.records)


def request_head(text: bytes) -> RequestHead:
    head = parse_request_head(text)
    assert head is not None
    return head


def response_head(text: bytes, method: bytes = b"GET") -> ResponseHead:
    head = parse_response_head(text, method)
    assert head is not None
    return head
