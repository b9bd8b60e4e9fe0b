"""Tests of ``sozutw.listen.shared_acceptor``: two workers' loops, and one listening socket."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from twisted.internet.task import Clock

from sozutw.config.model import InetAddress
from sozutw.listen.acceptor import ACCEPTS_MAX, EXHAUSTED_SECONDS
from sozutw.listen.shared_acceptor import AHEAD, ASIDE_SECONDS, LEAD_MAX, SharedAcceptor
from sozutw.listen.shares import Share, Shares
from sozutw.listen.sockets import bind
from tests.fakes.benches import Recorder
from tests.fakes.loops import LOOPS, HandRunLoop, loop_named


class Worker:
    """A worker's loop, its clients, and its acceptor; the admission and the factory too."""

    def __init__(self, loop: HandRunLoop, sock: socket.socket, share: Share) -> None:
        self.loop = loop
        self.share = share
        self.room = 1000
        self.protocols: list[Recorder] = []
        self.acceptor = SharedAcceptor(
            loop.reactor, sock, self, self, share=share, clients=self.count
        )
        self.acceptor.resume()

    def has_room(self) -> bool:
        return len(self.protocols) < self.room

    def count(self) -> int:
        return len(self.protocols)

    def buildProtocol(self, addr: object) -> Recorder:
        self.protocols.append(Recorder())
        return self.protocols[-1]

    def close(self) -> None:
        self.acceptor.close()
        for protocol in self.protocols:
            protocol.transport.abortConnection()  # type: ignore[attr-defined]
        self.loop.settle(2)


class Scene:
    """Two workers, and clients of both."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.sock = stack.enter_context(bind(InetAddress("127.0.0.1", 0)))
        shares = Shares()
        self.workers: list[Worker] = []
        for sock in (self.sock.dup(), self.sock.dup()):
            share = shares.give()
            assert share is not None
            worker = Worker(stack.enter_context(loop_named(name)), sock, share)
            stack.callback(worker.close)
            self.workers.append(worker)
        self._clients = stack.enter_context(ExitStack())

    def connect(self, count: int = 1) -> None:
        for _ in range(count):
            self._clients.enter_context(socket.create_connection(self.sock.getsockname()))

    def counts(self) -> list[int]:
        return [len(worker.protocols) for worker in self.workers]

    def run_all_until(self, total: int) -> None:
        one, other = self.workers

        def are_there() -> bool:
            other.loop.turn()
            return sum(self.counts()) == total

        one.loop.run_until(are_there)


@pytest.fixture(params=LOOPS)
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(request.param, stack)


def test_of_many_who_come_at_once_the_first_takes_few_before_it_steps_aside(scene: Scene) -> None:
    one, other = scene.workers
    scene.connect(64)
    for _ in range(10):
        one.loop.turn()
    # It may have come back, once or twice, in the time that this took.
    assert AHEAD <= len(one.protocols) <= AHEAD + 3
    other.loop.run_until(lambda: len(other.protocols) >= len(one.protocols) + AHEAD)
    scene.run_all_until(64)
    assert abs(len(one.protocols) - len(other.protocols)) <= 2 * AHEAD


def test_one_after_the_other_are_shared_too(scene: Scene) -> None:
    for total in range(1, 65):
        scene.connect()
        scene.run_all_until(total)
    one, other = scene.counts()
    assert abs(one - other) <= 2 * AHEAD


def test_where_another_does_not_come_all_are_served(scene: Scene) -> None:
    one, _ = scene.workers
    scene.connect(300)
    one.loop.run_until(lambda: len(one.protocols) == 300)


def test_who_ended_is_not_waited_for(scene: Scene) -> None:
    one, other = scene.workers
    other.acceptor.close()
    other.share.end()
    scene.connect(20)
    for _ in range(7):  # 1, 2, and then four at a time
        one.loop.turn()
    assert len(one.protocols) == 20


# What it does turn by turn, on a clock.


class Still:
    """A loop that counts who is watched; its socket says how many wait."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds
        self.watched = 0

    def addReader(self, _reader: object) -> None:
        self.watched += 1

    def removeReader(self, _reader: object) -> None:
        self.watched = 0


class Turns:
    """An acceptor that is called by hand, and one that has ``elsewhere`` clients beside it."""

    def __init__(self, elsewhere: int = 0, **options: Any) -> None:
        self.loop = Still()
        shares = Shares()
        mine, self._others = shares.give(), shares.give()
        assert mine is not None
        assert self._others is not None
        self._others.excess(elsewhere)
        self.count = 0
        self.has_places = True
        self.queue = 0
        self.fault = OSError(errno.EAGAIN, "again")
        self._sock = bind(InetAddress("127.0.0.1", 0))
        self.acceptor = SharedAcceptor(
            self.loop, self._sock, self, self, share=mine, clients=lambda: self.count, **options
        )
        self.acceptor._accept = self._accept
        self.acceptor.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()
        if self.acceptor.fileno() >= 0:
            self.acceptor.release()

    def _accept(self) -> Any:
        if not self.queue:
            raise self.fault
        self.queue -= 1
        return socket.socket(), ("127.0.0.1", 1)

    def has_room(self) -> bool:
        return self.has_places

    def buildProtocol(self, _addr: object) -> Any:
        self.count += 1
        self.acceptor.accepted_total += 1  # What counts is that one came; it needs no transport.

    def read(self) -> int:
        """Let it read if it is watched; return how many it took."""
        before = self.count
        if self.loop.watched:
            self.acceptor.doRead()
        return self.count - before

    def wait(self) -> int:
        before = self.count
        self.loop.clock.advance(ASIDE_SECONDS)
        return self.count - before

    def others_have(self, count: int) -> None:
        assert self._others is not None
        self._others.excess(count)


def test_in_vain_it_takes_twice_as_many_before_it_steps_aside_again() -> None:
    with Turns() as turns:
        turns.queue = 1000
        while turns.loop.watched:
            turns.read()
        assert turns.count == AHEAD
        taken = [turns.wait() for _ in range(9)]
        assert taken == [1, 2, 4, 8, 16, 32, ACCEPTS_MAX, ACCEPTS_MAX, ACCEPTS_MAX]
        assert not turns.loop.watched


def test_when_nobody_waits_any_more_it_watches_and_is_modest_again() -> None:
    with Turns() as turns:
        turns.queue = AHEAD + 3
        while turns.loop.watched:
            turns.read()
        assert [turns.wait() for _ in range(3)] == [1, 2, 0]
        assert turns.loop.watched
        assert not turns.loop.clock.getDelayedCalls(), "nothing to do while nobody comes"
        turns.queue = 10
        assert turns.read() == 1
        assert [turns.wait() for _ in range(2)] == [1, 2]


def test_others_that_come_are_given_the_time() -> None:
    with Turns() as turns:
        turns.queue = 1000
        while turns.loop.watched:
            turns.read()
        taken = []
        for number in range(1, 5):
            turns.count += 2  # It is ahead all the same.
            turns.others_have(number)
            taken.append(turns.wait())
        assert taken == [1, 1, 1, 1]


def test_with_many_clients_an_eighth_is_not_ahead() -> None:
    with Turns(elsewhere=800) as turns:
        turns.count = 900
        turns.queue = 1000
        while turns.loop.watched:
            turns.read()
        assert turns.count == 914


def test_waked_up_in_vain_it_does_not_step_aside() -> None:
    with Turns() as turns:
        turns.count = 50
        turns.read()
        assert turns.loop.watched
        assert not turns.loop.clock.getDelayedCalls()


def test_paused_or_closed_while_aside_it_stays_away() -> None:
    with Turns() as turns:
        turns.queue = 1000
        turns.count = 50
        assert turns.read() == 1
        turns.acceptor.pause()
        assert turns.wait() == 0
        assert not turns.loop.watched
        turns.acceptor.resume()
        assert turns.read() == 1
        turns.acceptor.release()
        assert not turns.loop.clock.getDelayedCalls()


def test_aside_it_is_not_called_back_by_a_room_that_was_made() -> None:
    with Turns() as turns:
        turns.queue = 1000
        turns.count = 50
        turns.read()
        turns.acceptor.room_made()
        assert not turns.loop.watched
        assert turns.wait() == 1


def test_full_as_it_comes_back_it_waits_for_room() -> None:
    with Turns(queue_max=1) as turns:
        turns.queue = 2
        turns.count = 50
        turns.read()
        turns.has_places = False
        assert turns.wait() == 0
        assert turns.acceptor.is_full
        assert not turns.loop.watched
        turns.has_places = True
        turns.acceptor.room_made()
        assert turns.count == 52
        assert turns.loop.watched


def test_without_descriptors_it_rests_as_any_other() -> None:
    with Turns() as turns:
        turns.count = 50
        turns.queue = 3
        turns.fault = OSError(errno.EMFILE, "none left")
        assert turns.read() == 1
        assert turns.wait() == 1
        assert turns.wait() == 1, "it may take two, and the second cannot be had"
        (call,) = turns.loop.clock.getDelayedCalls()
        assert call.getTime() == 2 * ASIDE_SECONDS + EXHAUSTED_SECONDS


def test_it_takes_who_waits_untold_when_it_is_to_look() -> None:
    with Turns(elsewhere=100) as turns:
        turns.queue = 3
        while turns.queue:
            before = turns.count
            turns.acceptor.look()
            assert turns.count > before
        turns.acceptor.look()
        assert turns.loop.watched


def test_it_does_not_look_while_it_is_aside_or_does_not_listen() -> None:
    with Turns() as turns:
        turns.queue = 1000
        while turns.loop.watched:
            turns.read()
        before = turns.count
        turns.acceptor.look()
        assert turns.count == before
    with Turns(elsewhere=100) as turns:
        turns.queue = 1
        turns.acceptor.pause()
        turns.acceptor.look()
        assert turns.count == 0
        turns.acceptor.resume()
        turns.acceptor.look()
        assert turns.count == 1


def ahead_until_aside(turns: Turns) -> int:
    """Return how many clients it has when it steps aside, where the others have none."""
    turns.queue = 1000
    while turns.loop.watched:
        turns.read()
    turns.queue = 0
    return turns.count


def test_where_clients_come_and_go_it_may_be_further_ahead() -> None:
    with Turns() as turns:
        leads = []
        for _ in range(6):
            leads.append(ahead_until_aside(turns))
            turns.count = 0  # they were served while it was aside
            turns.wait()
        assert leads == [AHEAD, 2 * AHEAD, 4 * AHEAD, LEAD_MAX, LEAD_MAX, LEAD_MAX]
        # What comes now may be of another kind.
        turns.acceptor.look()
        assert ahead_until_aside(turns) == AHEAD


@pytest.mark.parametrize("had", [AHEAD, 30])
def test_where_most_stay_it_may_not(had: int) -> None:
    with Turns() as turns:
        turns.count = had - 1
        turns.others_have(had - AHEAD)
        assert ahead_until_aside(turns) == had
        turns.count -= AHEAD - 1
        turns.wait()
        before = turns.count
        turns.others_have(before)
        assert ahead_until_aside(turns) - before == AHEAD
