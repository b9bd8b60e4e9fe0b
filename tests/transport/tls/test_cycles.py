"""
However a connection begins or ends, nothing of it is left for the collector of cycles.

The collector walks seldom in a process that serves: what waited for it would be memory that every
client can take.
"""

import gc
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.benches import Recorder
from tests.fakes.certificates import root
from tests.fakes.loops import HandRunLoop, loop_named
from tests.fakes.tls import TlsBench, client_context, fresh_server_context, trusting

ROUNDS = 10


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


def closes(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop)
    bench.sends(b"hello")
    bench.transport.write_last(b"bye")
    bench.transport.loseConnection()
    bench.settle()
    bench.close()


def is_left(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop)
    bench.finishes()
    bench.close()


def is_reset(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop)
    bench.sends(b"hello")
    bench.resets()
    bench.close()


def is_cut_short(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop)
    bench.other.close()
    bench.settle()
    bench.close()


def gets(data: bytes) -> Callable[[HandRunLoop], None]:
    def play(loop: HandRunLoop) -> None:
        bench = TlsBench(Recorder(), loop, shakes_hands=False)
        bench.peer.send(data)
        loop.settle()
        bench.other.close()
        loop.settle()
        bench.close()

    return play


def is_left_in_the_handshake(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop, shakes_hands=False)
    bench.other.step()
    loop.settle()
    bench.other.close()
    loop.settle()
    bench.close()


def is_refused_by_its_client(loop: HandRunLoop) -> None:
    bench = TlsBench(
        Recorder(), loop, theirs=trusting(root("Another")), ours=fresh_server_context()
    )
    bench.close()
    bench.other.fault = None  # What it keeps holds its own frames.


def refuses_its_backend(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop, is_server=False, ours=trusting(root("Another")))
    bench.close()
    bench.other.fault = None


def breaks_later(loop: HandRunLoop) -> None:
    bench = TlsBench(Recorder(), loop)
    bench.peer.send(b"no record at all, and long enough to be read as one")
    bench.settle()
    bench.close()


@pytest.mark.parametrize(
    "play",
    [
        closes,
        is_left,
        is_reset,
        is_cut_short,
        gets(b"GET / HTTP/1.1\r\n\r\n"),
        gets(b"garbage" * 10),
        gets(b""),
        is_left_in_the_handshake,
        is_refused_by_its_client,
        refuses_its_backend,
        breaks_later,
    ],
)
def test_nothing_is_left(loop: HandRunLoop, play: Callable[[HandRunLoop], None]) -> None:
    client_context()
    for _ in range(2):
        play(loop)
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            play(loop)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(one).__name__ for one in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert len(left) < ROUNDS, sorted(set(left))
