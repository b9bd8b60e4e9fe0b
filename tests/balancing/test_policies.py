"""The six policies: what each guarantees, alone and with some members left out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.balancing import policies
from sozutw.balancing.health import PeakEwma
from sozutw.balancing.hrw import digest, rendezvous
from sozutw.balancing.maglev import build
from sozutw.balancing.policies import (
    LeastLoaded,
    Maglev,
    PowerOfTwo,
    Rendezvous,
    RoundRobin,
    WeightedRandom,
    make_policy,
    schedule,
)
from sozutw.config.model import LoadBalancing, LoadMetric

KEYS = [b"10.0.%d.%d" % (n >> 8, n & 255) for n in range(1000)]


class Candidate:
    def __init__(self, name: str, weight: int = 100) -> None:
        self.name = name
        self.weight = weight
        self.seed = digest(name.encode())
        self.connections = 0
        self.active_requests = 0
        self.connect_seconds = PeakEwma()

    def __repr__(self) -> str:
        return self.name


def of_weights(*weights: int) -> list[Candidate]:
    return [Candidate("abcdefghij"[n], weight) for n, weight in enumerate(weights)]


def draws(*numbers: float):
    return iter(numbers).__next__


def never() -> float:
    raise AssertionError("nothing is to be drawn")


def picked(policy, count, eligible=None, key=None, draw=never) -> str:
    eligible = policy.members if eligible is None else eligible
    return "".join(policy.pick(eligible, 0.0, key, draw).name for _ in range(count))


@pytest.mark.parametrize("name", LoadBalancing)
def test_every_name_has_its_policy_which_answers_with_a_member_only(name):
    members = of_weights(100, 50, 1)
    policy = make_policy(name, LoadMetric.CONNECTIONS, members)
    assert policy.members == tuple(members)
    draw = random.Random(7).random
    for eligible in (policy.members, members[:2], members[1:], members[2:]):
        for key in (None, b"k"):
            assert policy.pick(eligible, 0.0, key, draw) in eligible


@pytest.mark.parametrize("name", LoadBalancing)
def test_a_policy_over_nobody_is_a_mistake(name):
    with pytest.raises(AssertionError):
        make_policy(name, LoadMetric.CONNECTIONS, [])


def test_in_turn_equal_ones_follow_each_other():
    assert picked(RoundRobin(of_weights(100, 100, 100)), 7) == "abcabca"


def test_in_turn_the_heavy_come_more_often_and_spread():
    assert picked(RoundRobin(of_weights(4, 2)), 12) == "aabaab" * 2
    assert picked(RoundRobin(of_weights(5, 1, 1)), 7) == "aaabaac"


def test_in_turn_those_left_out_are_skipped_and_the_others_share_evenly():
    policy = RoundRobin(of_weights(1, 1, 1))
    a, b, c = policy.members
    assert picked(policy, 6, [a, c]) == "acacac"
    assert picked(policy, 3, [b]) == "bbb"
    assert picked(policy, 3) == "cab"


def test_in_turn_one_that_is_no_member_cannot_be_eligible():
    with pytest.raises(AssertionError):
        picked(RoundRobin(of_weights(1, 1)), 1, [Candidate("x")])


@given(st.lists(st.integers(1, 255), min_size=1, max_size=6))
def test_a_round_has_each_as_often_as_its_weight_says_and_never_in_a_clump(weights):
    members = of_weights(*weights)
    turns = schedule(members)
    counts = Counter(turns)
    assert all(counts[m] * weights[0] == counts[members[0]] * m.weight for m in members)
    # In any window a member has what is due, give or take two turns.
    for member in members:
        due, had = len(turns) / counts[member], 0
        for place, turn in enumerate(turns, 1):
            had += turn is member
            assert abs(had - place / due) < 2 + len(members) / 2


def test_a_round_of_very_many_turns_is_rounded(monkeypatch):
    monkeypatch.setattr(policies, "SCHEDULE_TURNS_MAX", 20)
    counts = Counter(schedule(of_weights(255, 128, 1)))
    assert [counts[member] for member in counts] == [13, 6, 1]


def test_by_lot_each_has_its_share_of_the_numbers():
    policy = WeightedRandom(of_weights(1, 2, 1))
    assert picked(policy, 5, draw=draws(0.0, 0.24, 0.26, 0.74, 0.76)) == "aabbc"
    assert picked(policy, 1, draw=draws(1 - 2**-53)) == "c"
    a, _b, c = policy.members
    assert picked(policy, 3, [a, c], draw=draws(0.0, 0.49, 0.51)) == "aac"


@pytest.mark.parametrize("kind", [LeastLoaded, PowerOfTwo])
@pytest.mark.parametrize("metric", LoadMetric)
def test_load_is_what_the_metric_says(kind, metric):
    members = a, b = of_weights(1, 1)
    policy = kind(members, metric)
    a.connections, a.active_requests = 5, 1
    b.connections, b.active_requests = 1, 5
    a.connect_seconds.observed(0.0, 0.001)
    b.connect_seconds.observed(0.0, 0.010)
    expected = "b" if metric is LoadMetric.CONNECTIONS else "a"
    draw = None if kind is LeastLoaded else draws(0.0, 0.0)
    assert picked(policy, 1, draw=draw) == expected


def test_connect_time_counts_for_each_connection_and_the_one_to_come():
    members = a, b = of_weights(1, 1)
    a.connect_seconds.observed(0.0, 0.010)
    b.connect_seconds.observed(0.0, 0.004)
    policy = LeastLoaded(members, LoadMetric.CONNECTION_TIME)
    assert picked(policy, 1) == "b"
    b.connections = 2
    assert picked(policy, 1) == "a"


def test_of_equal_loads_the_first_in_the_list_is_taken():
    policy = LeastLoaded(of_weights(1, 9, 1), LoadMetric.CONNECTIONS)
    _a, b, c = policy.members
    assert picked(policy, 3) == "aaa"
    assert picked(policy, 1, [b, c]) == "b"


def test_of_two_drawn_the_less_loaded_is_taken_and_they_are_always_two():
    members = a, b, c = of_weights(1, 1, 1)
    a.connections, b.connections, c.connections = 3, 2, 1
    policy = PowerOfTwo(members, LoadMetric.CONNECTIONS)
    pairs = {(0.0, 0.0): "b", (0.0, 0.9): "c", (0.5, 0.0): "c", (0.5, 0.9): "b", (0.9, 0.0): "c"}
    for numbers, expected in pairs.items():
        assert picked(policy, 1, draw=draws(*numbers)) == expected
    drawn = picked(policy, 1000, draw=random.Random(3).random)
    assert "a" not in drawn
    assert set(drawn) == {"b", "c"}
    assert picked(policy, 1, [a]) == "a"


def test_of_two_equally_loaded_ones_the_first_drawn_is_taken():
    policy = PowerOfTwo(of_weights(1, 1), LoadMetric.CONNECTIONS)
    assert picked(policy, 1, draw=draws(0.9, 0.0)) == "b"
    assert picked(policy, 1, draw=draws(0.0, 0.0)) == "a"


@pytest.mark.parametrize("kind", [Rendezvous, Maglev])
def test_without_a_key_it_goes_in_turn(kind):
    policy = kind(of_weights(1, 1, 1))
    a, _b, c = policy.members
    assert picked(policy, 4) == "abca"
    assert picked(policy, 4, [a, c]) == "caca"


def test_by_rank_a_key_stays_and_only_keys_of_one_left_out_move():
    policy = Rendezvous(of_weights(1, 1, 1))
    a, _b, c = policy.members
    for key in KEYS[:100]:
        chosen = picked(policy, 1, key=key)
        assert picked(policy, 1, key=key) == chosen
        assert chosen == "b" or picked(policy, 1, [a, c], key=key) == chosen
        assert picked(policy, 1, [a, c], key=key) in "ac"


def test_by_table_a_key_has_its_slots_owner_once_it_is_built():
    policy = Maglev(of_weights(1, 1, 1))
    for key in KEYS[:50]:
        assert policy.pick(policy.members, 0.0, key, never) is rendezvous(key, policy.members)
    assert sum(1 for _ in policy.rebuild()) > 10
    *_, table = build(policy.members)
    a, _b, c = policy.members
    for key in KEYS[:200]:
        owner = policy.pick(policy.members, 0.0, key, never)
        assert owner is table.find(key)
        assert policy.pick([a, c], 0.0, key, never) in ([owner] if owner in (a, c) else [a, c])


def test_by_table_an_old_one_serves_until_the_new_one_is_built():
    members = of_weights(1, 1, 1)
    old = Maglev(members)
    list(old.rebuild())
    d = Candidate("d", 1)
    new = Maglev([*members[1:], d], old.table)
    a = members[0]
    for key in KEYS[:200]:
        before, after = old.pick(old.members, 0, key, never), new.pick(new.members, 0, key, never)
        assert after is before or before is a
        assert after is not a
    building = new.rebuild()
    next(building)
    assert new.table is old.table
    list(building)
    assert {new.pick(new.members, 0, key, never) for key in KEYS} == {*members[1:], d}


def test_by_table_one_whom_the_old_table_does_not_know_is_found_all_the_same():
    old = Maglev(of_weights(1, 1))
    list(old.rebuild())
    new = Maglev([Candidate("x"), Candidate("y")], old.table)
    assert {new.pick(new.members, 0.0, key, never).name for key in KEYS[:100]} == {"x", "y"}


@pytest.mark.parametrize("name", LoadBalancing)
@pytest.mark.parametrize("key", [None, b"k", b"other"])
def test_whom_a_policy_is_likely_to_pick_is_told_without_a_turn_passing(name, key):
    members = of_weights(100, 50, 3, 7)
    asked, spared = (make_policy(name, LoadMetric.REQUESTS, members) for _ in range(2))
    if isinstance(asked, Maglev):
        asked.table = spared.table = list(build(members))[-1]
    members[1].active_requests = 4
    draws = [random.Random(7).random for _ in range(2)]
    for turn in range(40):
        for eligible in (asked.members, asked.members[turn % 3 :]):
            likely = asked.likely(eligible, 0.0, key)
            picks = [
                policy.pick(policy.members if eligible is asked.members else eligible, 0.0, key, d)
                for policy, d in zip((asked, spared), draws, strict=True)
            ]
            assert picks[0] is picks[1]
            assert picks[0] in likely
            is_chance = name in (LoadBalancing.RANDOM, LoadBalancing.POWER_OF_TWO)
            assert is_chance or len(likely) == 1


def test_chance_has_no_part_in_what_goes_by_a_key():
    with pytest.raises(AssertionError, match="nothing to chance"):
        policies._no_chance()
