"""Maglev's table: shares, few moves, slices, and probing past those who may not be chosen."""

from dataclasses import dataclass

import pytest

from sozutw.balancing.hrw import digest
from sozutw.balancing.maglev import PROBES_MAX, SLICE_SLOTS, SLOTS, MaglevTable, build

KEYS = [b"10.0.%d.%d" % (n >> 8, n & 255) for n in range(3000)]


@dataclass(frozen=True)
class Member:
    name: str
    weight: int = 100

    @property
    def seed(self) -> int:
        return digest(self.name.encode())


def table_of(*members: Member) -> MaglevTable[Member]:
    *unfinished, table = build(members)
    assert set(unfinished) <= {None}
    assert table is not None
    return table


def named(names: str) -> list[Member]:
    return [Member(name) for name in names]


def test_every_slot_has_an_owner_and_equal_weights_own_equally_many():
    shares = table_of(*named("abc")).shares()
    assert sum(shares) == SLOTS
    assert max(shares) - min(shares) <= 1


def test_shares_are_in_proportion_to_the_weights():
    shares = table_of(Member("a", 100), Member("b", 50), Member("c", 255), Member("d", 1)).shares()
    for share, weight in zip(shares, (100, 50, 255, 1), strict=True):
        assert abs(share - SLOTS * weight / 406) < 3


def test_one_that_goes_moves_few_keys_of_the_others():
    before, after = table_of(*named("abcdefgh")), table_of(*named("abcdfgh"))
    others = [key for key in KEYS if before.find(key).name != "e"]
    moved = sum(before.find(key) != after.find(key) for key in others)
    assert moved / len(others) < 0.06


def test_the_work_is_cut_into_slices():
    steps = list(build(named("ab")))
    assert len(steps) == SLOTS // SLICE_SLOTS + 1
    assert [step is None for step in steps] == [True] * (len(steps) - 1) + [False]


def test_more_members_than_a_byte_can_name_have_slots_too():
    table = table_of(*(Member(str(n)) for n in range(300)))
    assert min(table.shares()) >= SLOTS // 300
    assert len({table.find(key) for key in KEYS}) > 256


def test_a_key_whose_owner_may_not_be_chosen_goes_to_the_next_slots_owner():
    members = named("abc")
    table = table_of(*members)
    a, b, c = members
    for key in KEYS[:300]:
        owner = table.find(key)
        assert table.find_among(key, {a, b, c}) == owner
        other = table.find_among(key, {a, b, c} - {owner})
        assert other not in (owner, None)
    assert {table.find_among(key, {b, c}) for key in KEYS[:300]} == {b, c}


def test_where_nobody_near_may_be_chosen_there_is_no_answer():
    table = table_of(*named("ab"))
    assert table.find_among(b"key", {Member("c")}) is None
    assert PROBES_MAX < SLOTS


def test_nobody_cannot_have_a_table():
    with pytest.raises(AssertionError):
        next(build([]))
