"""Tests of ``sozutw.listen.shares``."""

import os
from contextlib import suppress

from sozutw.listen.shares import WORKERS_MAX, Share, Shares


def given(shares: Shares) -> Share:
    share = shares.give()
    assert share is not None
    return share


def test_each_sees_how_many_more_it_has_than_who_has_fewest() -> None:
    shares = Shares()
    one, two, three = (given(shares) for _ in "123")
    assert one.excess(7) == 0, "the others have not told yet, and are no reason to wait"
    assert two.excess(5) == 0
    assert three.excess(6) == 1
    assert one.excess(7) == 2
    two.end()
    assert one.excess(7) == 1


def test_whoever_ended_is_looked_at_no_more_and_its_place_is_given_again() -> None:
    shares = Shares()
    one, two = given(shares), given(shares)
    one.excess(9)
    two.excess(1)
    two.end()
    assert given(shares).place not in {one.place, two.place}, "it has not ended yet"
    shares.take_back(two)
    assert one.excess(9) == 0
    assert given(shares).place == two.place


def test_one_that_was_killed_is_looked_at_no_more() -> None:
    shares = Shares()
    one, two = given(shares), given(shares)
    two.excess(0)
    assert one.excess(3) == 3
    shares.take_back(two)
    assert one.excess(3) == 0


def test_beyond_the_last_place_there_is_none() -> None:
    shares = Shares()
    places = {given(shares).place for _ in range(WORKERS_MAX)}
    assert len(places) == WORKERS_MAX
    assert shares.give() is None
    shares.take_back(None)
    assert shares.give() is None


def test_a_forked_process_sees_it_and_is_seen() -> None:
    shares = Shares()
    ours, theirs = given(shares), given(shares)
    ours.excess(4)
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            os._exit(theirs.excess(6))
        os._exit(99)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    theirs.end()
    assert ours.excess(4) == 0
