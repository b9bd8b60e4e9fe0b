"""
Only the deadline of a soft stop can race with a request.

Two requests of one client are cut into all their events, and the stop comes before each of
them: whatever the client had sent before it could read that it should go is answered whole.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from sozutw.config.model import HttpListener, Settings, Timeouts
from sozutw.config.requests import RemoveListener
from tests.fakes.transport import FakeTransport
from tests.fakes.worker import LISTENER, FakeClient, FakeWorld
from tests.worker.test_variants_tunnel import tunnel

REQUESTS = {
    "GET": b"GET /%d HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "POST": b"POST /%d HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody",
}
ANSWERS = {
    "by length": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nstuvwxyz",
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nstuv\r\n4\r\nwxyz\r\n0\r\n\r\n"
    ),
}
BODY = b"stuvwxyz"
ENDS = {"by length": b"", "in chunks": b"\r\n0\r\n\r\n"}
REQUESTS_MAX = 2


class Conversation:
    """A client that sends one request after the other until it is told to go."""

    def __init__(self, method: str, form: str) -> None:
        self.world = FakeWorld("A", settings=Settings(graceful_shutdown_timeout=30.0))
        self.form = form
        self.request = REQUESTS[method]
        self.client: FakeClient = self.world.client()
        self.back: FakeTransport | None = None
        self.read = b""
        self.answered = 0
        self.is_told_to_go = False

    def events(self) -> Iterator[Callable[[], None]]:
        """Give what happens, one after the other; each is done before the next is asked for."""
        for number in range(REQUESTS_MAX):
            request = self.request % number
            cut = len(request) - 6
            yield lambda data=request[:cut]: self.client.send(data)
            yield lambda data=request[cut:]: self.client.send(data)
            if self.back is None:
                yield self.connect
            answer = ANSWERS[self.form]
            head, middle = answer.index(b"\r\n\r\n") - 3, len(answer) - 9
            for part in (answer[:head], answer[head:middle], answer[middle:]):
                yield lambda data=part: self.answer(data)
            yield self.look
            if self.is_told_to_go:
                break
        yield self.client.hang_up

    def connect(self) -> None:
        self.back = self.world.connect("A")

    def answer(self, data: bytes) -> None:
        assert self.back is not None
        self.back.receive(data)
        self.world.turn()

    def look(self) -> None:
        """Read what came: a whole answer, whatever else."""
        got = self.client.received()
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), got
        assert b"".join(re.findall(b"[s-z]+", body)) == BODY, got
        assert body.endswith(ENDS[self.form]), got
        self.answered += 1
        self.is_told_to_go = b"\r\nConnection: close" in head
        assert not self.client.transport.is_reset
        if not self.is_told_to_go:
            assert not self.client.is_closed
            assert not self.client.transport.is_write_closed


def count_events() -> int:
    """Return how many events there are when nobody stops."""
    conversation = Conversation("GET", "by length")
    return sum(1 for event in conversation.events() if event() is None)


def drain(conversation: Conversation) -> Callable[[], bool]:
    done: list[object] = []
    conversation.world.worker.sessions.drain().addBoth(done.append)
    return lambda: bool(done)


def remove_listener(conversation: Conversation) -> Callable[[], bool]:
    conversation.world.apply(RemoveListener(LISTENER))
    return lambda: not len(conversation.world.worker.sessions)


@pytest.mark.parametrize("stop", [drain, remove_listener])
@pytest.mark.parametrize("form", ANSWERS)
@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("moment", range(count_events()))
def test_a_request_is_answered_whenever_the_stop_comes(
    moment: int, method: str, form: str, stop: Callable[[Conversation], Callable[[], bool]]
) -> None:
    conversation = Conversation(method, form)
    over: list[Callable[[], bool]] = []
    for number, event in enumerate(conversation.events()):
        if number == moment:
            over.append(stop(conversation))
            conversation.world.turn()
        event()
    assert conversation.answered == REQUESTS_MAX or conversation.is_told_to_go
    conversation.world.turn()
    assert conversation.client.transport.disconnected
    assert not conversation.client.transport.is_aborted
    assert [is_over() for is_over in over] == [True]
    assert {record.status for record in conversation.world.records} == {200}
    assert len(conversation.world.records) == conversation.answered
    conversation.world.assert_baseline()


def test_the_stop_comes_at_moments_that_matter() -> None:
    seen = set()
    for moment in range(count_events()):
        conversation = Conversation("GET", "by length")
        for number, event in enumerate(conversation.events()):
            if number == moment:
                drain(conversation)
            event()
        seen.add((conversation.answered, conversation.is_told_to_go))
    assert seen == {(1, True), (2, True), (2, False)}


def test_who_asks_for_nothing_is_kept_until_the_deadline() -> None:
    world = FakeWorld("A", settings=Settings(graceful_shutdown_timeout=4.0))
    fresh, idle = world.client(), world.client()
    idle.get()
    world.connect("A").receive(ANSWERS["by length"])
    world.turn()
    done: list[object] = []
    world.worker.sessions.drain().addBoth(done.append)
    world.advance(3.75)
    assert not fresh.is_closed
    assert not idle.is_closed
    assert done == []
    world.advance(0.5)
    assert fresh.transport.disconnected
    assert idle.transport.disconnected
    assert done == [None]
    world.assert_baseline()


def test_who_asks_for_nothing_for_too_long_is_closed_as_always() -> None:
    listener = HttpListener(LISTENER, timeouts=Timeouts(front=3.0))
    world = FakeWorld("A", listener=listener)
    client = world.client()
    client.get()
    world.connect("A").receive(ANSWERS["by length"])
    done: list[object] = []
    world.worker.sessions.drain().addBoth(done.append)
    world.advance(3.5)
    assert client.transport.disconnected
    assert done == [None]
    world.assert_baseline()


def test_what_is_sent_ahead_is_not_answered_behind_the_last_answer_and_that_is_said() -> None:
    world = FakeWorld("A")
    client = world.client()
    for number in range(3):
        client.send(REQUESTS["GET"] % number)
    back = world.connect("A")
    world.worker.sessions.drain()
    back.receive(ANSWERS["by length"])
    world.turn()
    got = client.received()
    assert got.count(b"HTTP/1.1 200 ") == got.count(b"Connection: close") == 1
    assert back.take().count(b"GET ") == 1
    assert not client.transport.is_reset
    client.hang_up()
    world.assert_baseline()


def test_a_tunnel_goes_on_until_the_deadline() -> None:
    world = FakeWorld("A", settings=Settings(graceful_shutdown_timeout=20.0))
    client, back = tunnel(world)
    done: list[object] = []
    world.worker.sessions.drain().addBoth(done.append)
    for _ in range(9):
        world.advance(2)
        client.send(b"ping")
        assert back.take() == b"ping"
        back.receive(b"pong")
        assert client.received() == b"pong"
    assert client.connection.doing().state == "tunnel"
    world.advance(2.25)
    assert client.transport.disconnected
    assert done == [None]
    world.assert_baseline()
