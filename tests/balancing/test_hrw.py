"""Rendezvous hashing: shares by weight, and as few keys moved as can be."""

from collections import Counter
from dataclasses import dataclass

import pytest

from sozutw.balancing import hrw
from sozutw.balancing.hrw import digest, mixed, rendezvous

KEYS = [b"10.0.%d.%d" % (n >> 8, n & 255) for n in range(4000)]


@dataclass(frozen=True)
class Candidate:
    name: str
    weight: int = 100

    @property
    def seed(self) -> int:
        return digest(self.name.encode())


def named(*names: str) -> list[Candidate]:
    return [Candidate(name) for name in names]


def test_hashes_are_the_same_in_every_process():
    assert digest(b"192.0.2.1") == 0xC874FACE288B2811
    assert [mixed(1), mixed(2)] == [0x5692161D100B05E5, 0xDBD238973A2B148A]


def test_of_mixed_bits_half_change_when_one_does():
    changed = [
        (mixed(n) ^ mixed(n ^ (1 << bit))).bit_count() for n in range(50) for bit in range(64)
    ]
    assert 30 < sum(changed) / len(changed) < 34
    assert min(changed) > 10


def test_each_wins_in_proportion_to_its_weight():
    candidates = [Candidate("a", 100), Candidate("b", 200), Candidate("c", 100)]
    wins = Counter(rendezvous(key, candidates).name for key in KEYS)
    assert abs(wins["b"] - 2000) < 150
    assert abs(wins["a"] - 1000) < 120


def test_the_order_of_the_candidates_does_not_matter():
    candidates = named("a", "b", "c", "d")
    for key in KEYS[:200]:
        assert rendezvous(key, candidates) == rendezvous(key, candidates[::-1])


def test_one_that_goes_moves_its_own_keys_only():
    before, after = named("a", "b", "c", "d"), named("a", "b", "d")
    for key in KEYS:
        chosen = rendezvous(key, before)
        assert chosen.name == "c" or rendezvous(key, after) == chosen


def test_one_that_gains_weight_takes_keys_and_gives_none():
    before = [Candidate("a"), Candidate("b"), Candidate("c", 50)]
    after = [Candidate("a"), Candidate("b"), Candidate("c", 150)]
    moved = {(rendezvous(k, before).name, rendezvous(k, after).name) for k in KEYS}
    assert moved == {("a", "a"), ("b", "b"), ("c", "c"), ("a", "c"), ("b", "c")}


@pytest.mark.parametrize("bits", [0, 0xFFFF_FFFF_FFFF_FFFF])
def test_the_extreme_hashes_have_a_rank_too(monkeypatch, bits):
    monkeypatch.setattr(hrw, "mixed", lambda _bits: bits)
    assert rendezvous(b"key", named("a")).name == "a"
