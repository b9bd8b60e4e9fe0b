"""Who is connected, counted by what they do."""

from collections.abc import Iterator

from sozutw.sessions.session import GONE, Doing, Gone, Session
from sozutw.sessions.tally import Tally, count, count_now


class Played(Gone):
    """A client's connection that is in some state."""

    def __init__(self, state: str) -> None:
        self.state = state

    def doing(self) -> Doing:
        return Doing("10.0.0.1:80", "HTTP", self.state)


def session(state: str, since: float = 5.0) -> Session:
    return Session(Played(state), "192.0.2.1", "192.0.2.1:1", since, b"")


def test_each_is_counted_by_what_it_does() -> None:
    states = ["idle", "idle", "exchange", "draining", "tunnel", "closing"]
    tally = count_now([*map(session, states), session("idle", 3.0)], 10.0)
    assert tally == Tally(idle=3, exchange=2, tunnel=1, closing=1, oldest_seconds=7.0)
    assert tally.total == 7
    assert tally.words == ("7 connections left (3 idle, 2 in an exchange, 1 tunnel, 1 closing)")
    assert tally.awaited(20.4) == f"{tally.words}, the oldest for 7 s, at most 20 s more"
    assert tally.awaited(None) == f"{tally.words}, the oldest for 7 s, no deadline"


def test_nobody_is_no_oldest() -> None:
    tally = count_now([], 10.0)
    assert tally == Tally()
    assert tally.words == "0 connections left"
    assert tally.awaited(3.0) == "0 connections left, at most 3 s more"


def test_one_is_told_as_one() -> None:
    assert Tally(tunnel=1).words == "1 connection left (1 tunnel)"


def test_who_leaves_in_a_pause_is_left_out() -> None:
    every = [session("idle") for _ in range(200)]
    tallies: list[Tally] = []

    def counted() -> Iterator[None]:
        tallies.append((yield from count(every, 10.0)))

    for pauses, _ in enumerate(counted(), 1):
        if pauses == 1:
            for gone in every[100:]:
                gone.connection = GONE
    assert pauses == 3
    assert [tally.idle for tally in tallies] == [100]
