"""Which blank context each listener begins with."""

from sozutw.config.model import InetAddress
from sozutw.process.workers.entries import Entries

A, B = InetAddress("127.0.0.1", 1), InetAddress("127.0.0.1", 2)


def test_each_opening_has_a_number_of_its_own():
    entries = Entries()
    entries.opened(A)
    entries.opened(B)
    entries.opened(A)
    assert entries.every() == {A: 2, B: 1}


def test_fresh_ones_are_told_once():
    entries = Entries()
    entries.opened(A)
    assert entries.take_fresh() == {A: 0}
    entries.opened(B)
    assert entries.take_fresh() == {B: 1}
    assert entries.take_fresh() == {}
    assert entries.every() == {A: 0, B: 1}


def test_one_that_closed_has_none():
    entries = Entries()
    entries.opened(A)
    entries.closed(A)
    entries.closed(B)
    assert entries.every() == entries.take_fresh() == {}
