"""Clusters and backends: who is chosen when, what survives a change, and what is counted."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sozutw.balancing.backends import BackendState, ClusterState, by_source
from sozutw.config.model import Backend, Cluster, InetAddress, LoadBalancing, UnixAddress
from sozutw.wire.message import RequestFields, RequestHead
from tests.balancing.witnesses import Witness

PORTS = {"a": 1, "b": 2, "c": 3, "d": 4}
KEYS = [b"10.0.%d.%d" % (n >> 8, n & 255) for n in range(500)]


def backend(name: str, **more) -> Backend:
    return Backend("c", name, InetAddress("127.0.0.1", PORTS[name]), **more)


def cluster(*names: str, backups: str = "", policy=LoadBalancing.ROUND_ROBIN) -> ClusterState:
    state = ClusterState(Cluster("c", policy))
    for name in (*names, *backups):
        state.upsert(backend(name, backup=name in backups))
    return state


def chosen(state: ClusterState, now=0.0, count=1, key=None, avoid=()) -> str:
    names = []
    for _ in range(count):
        one = state.choose(now, key, random.Random(1).random, avoid)
        assert one is not None
        names.append(one.backend_id)
        state.check_invariants()
    return "".join(names)


def fail(one: BackendState, now=0.0, draw=0.0) -> bool:
    return one.connect_failed(now, draw)


def test_a_cluster_without_backends_has_none_to_choose():
    state = cluster()
    assert state.choose(0.0, None, random.random) is None
    assert state.backends == ()
    assert (state.available_count(0.0), state.total_count()) == (0, 0)
    # An empty cluster did not lose anyone.
    assert state.counters.no_available_backends == 0
    assert repr(state) == "<ClusterState c: 0 backends>"


def test_primaries_go_in_turn_and_backups_wait():
    assert chosen(cluster("a", "b", backups="c"), count=4) == "abab"


def test_a_cluster_of_backups_alone_uses_them():
    state = cluster(backups="ab")
    assert chosen(state, count=4) == "abab"
    assert state.quick_pick is not None


def test_one_that_refused_is_left_alone_until_its_wait_is_over():
    state = cluster("a", "b")
    a, _b = state.backends
    fail(a, now=10.0)
    assert chosen(state, now=10.5, count=3) == "bbb"
    assert state.available_count(10.5) == 1
    assert "a" in chosen(state, now=11.0, count=2)
    assert not a.connect_succeeded(11.0, 0.001)
    assert state.quick_pick is None
    assert sorted(chosen(state, now=11.0, count=2)) == ["a", "b"]
    assert state.quick_pick is not None


def test_backups_serve_when_no_primary_is_available():
    state = cluster("a", "b", backups="cd")
    a, b, c, _d = state.backends
    fail(a)
    b.set_health(False)
    assert chosen(state, now=0.5, count=2) == "cd"
    fail(c)
    assert chosen(state, now=0.5, count=2) == "dd"
    assert chosen(state, now=1.0) == "a"


def test_when_all_are_unhealthy_they_serve_all_the_same_and_it_is_counted():
    state = cluster("a", "b", backups="c")
    for one in state.backends:
        assert one.set_health(False)
        assert not one.set_health(False)
    assert chosen(state, count=3) == "abc"
    assert state.counters.fail_open == 3
    fail(state.backends[0])
    assert "a" not in chosen(state, now=0.5, count=4)
    assert state.backends[1].set_health(True)
    assert chosen(state, now=0.5, count=2) == "bb"
    assert state.counters.fail_open == 7


def test_when_all_are_backing_off_the_one_whose_wait_ends_first_is_dialled():
    state = cluster("a", "b", backups="c")
    a, b, c = state.backends
    fail(a, now=0.2)
    fail(b, now=0.1)
    fail(c, now=0.3)
    assert chosen(state, now=0.5) == "b"
    assert chosen(state, now=0.5, avoid=[b]) == "a"
    assert chosen(state, now=0.5, avoid=[a, b]) == "c"
    assert chosen(state, now=0.5, avoid=[a, b, c]) == "b"
    assert state.counters.fail_open == 0


def test_those_tried_already_are_taken_only_when_nobody_else_is_there():
    state = cluster("a", "b", "c", backups="d")
    a, b, c, _d = state.backends
    assert set(chosen(state, count=6, avoid=[a])) == {"b", "c"}
    assert set(chosen(state, count=6, avoid=[a, c])) == {"b"}
    assert set(chosen(state, count=6, avoid=[a, b, c])) == {"a", "b", "c"}


def test_losing_the_last_one_and_getting_one_back_are_counted_once_each():
    state = cluster("a")
    (a,) = state.backends
    for now in (0.0, 2.0):
        fail(a, now)
        chosen(state, now, count=3)
        assert state.counters.no_available_backends == 1 + int(now / 2)
        assert state.counters.available_recovered == int(now / 2)
        a.connect_succeeded(now + 1, 0.1)
        chosen(state, now + 1, count=3)
        assert state.counters.available_recovered == 1 + int(now / 2)


def test_six_failures_take_a_backend_down_and_a_success_brings_it_up():
    state = cluster("a", "b")
    a, _b = state.backends
    now, told = 0.0, []
    for _ in range(7):
        told.append(fail(a, now))
        now = a.backoff.until
    assert told == [False] * 5 + [True, False]
    assert a.connect_succeeded(now, 0.5)
    assert not a.connect_succeeded(now, 0.5)
    assert a.connect_seconds.at(now) == 0.5


def test_a_backend_that_is_changed_keeps_its_state():
    state = cluster("a", "b")
    a = state.backends[0]
    a.connections = 3
    fail(a)
    assert state.upsert(backend("a", weight=50, sticky_id="s", backup=True)) is a
    assert (a.weight, a.sticky_value, a.connections, a.backoff.failures) == (50, b"s", 3, 1)
    assert state.backends[0] is a
    assert state.total_count() == 2
    a.connect_succeeded(0.0, 0.0)
    assert chosen(state, count=3) == "bbb"


def test_a_backend_of_the_same_id_elsewhere_is_another():
    state = cluster("a")
    other = state.upsert(replace(backend("a"), address=UnixAddress("/run/a")))
    assert other is not state.backends[0]
    assert state.total_count() == 2
    assert other.address_text == "unix:/run/a"


def test_weights_count_from_the_next_choice_on():
    state = cluster("a", "b")
    assert chosen(state, count=4) == "abab"
    state.upsert(backend("a", weight=200))
    assert Counter(chosen(state, count=6)) == {"a": 4, "b": 2}


@pytest.mark.parametrize("policy", [LoadBalancing.ROUND_ROBIN, LoadBalancing.MAGLEV])
def test_a_dissolved_cluster_holds_nobody_and_may_be_asked_by_who_is_late(policy):
    state = cluster("a", "b", backups="c", policy=policy)
    witness = state.witness = Witness()
    first = state.choose(0.0, b"key", random.random)
    sick = state.backends[1]
    sick.set_health(False)
    fail(state.backends[2])
    retired = state.dissolve()
    assert [one.backend_id for one in retired] == ["a", "b", "c"]
    assert all(one.is_retired for one in retired)
    assert first in retired
    state.check_invariants()
    assert state.choose(0.0, b"key", random.random) is None
    assert state.sticky(0.0, b"a") is None
    assert (state.backends, state.total_count(), state.healthy_count()) == ((), 0, 0)
    assert not state.needs_rebuild
    assert list(state.rebuild()) == []
    # Who was under way tells what became of it, and changes nothing any more.
    sick.set_health(True)
    retired[2].connect_succeeded(1.0, 0.1)
    state.check_invariants()
    assert state.healthy_count() == 0
    assert witness.heard == []


def test_to_look_at_backends_is_not_to_make_a_policy_for_them():
    state = cluster("a", "b")
    assert [one.backend_id for one in state.backends] == ["a", "b"]
    assert state._primaries is None
    assert chosen(state) == "a"
    assert [one.backend_id for one in state.backends] == ["a", "b"]


def test_a_removed_backend_is_never_chosen_again_but_kept_by_who_holds_it():
    state = cluster("a", "b")
    a, b = state.backends
    fail(a)
    assert state.remove("a", a.address) == [a]
    assert a.is_retired
    assert not a.is_available(99.0)
    assert state.backends == (b,)
    assert chosen(state, count=3) == "bbb"
    # What still happens to it is no trouble of the cluster.
    fail(a, 50.0)
    a.set_health(False)
    assert a.connect_failed(60.0, 0.0) is False
    assert state.healthy_count() == 1
    state.check_invariants()
    assert state.quick_pick is not None
    assert repr(a) == "<BackendState a 127.0.0.1:1, retired, unhealthy>"
    with pytest.raises(KeyError, match=r"has no backend 'a' at 127\.0\.0\.1:1"):
        state.remove("a", a.address)
    assert state.upsert(backend("a")) is not a


def test_removing_one_leaves_another_id_at_the_same_address():
    state = cluster("a")
    state.upsert(replace(backend("a"), backend_id="twin"))
    state.remove("a", backend("a").address)
    assert [one.backend_id for one in state.backends] == ["twin"]


def test_a_cookie_finds_the_available_backend_that_it_names():
    state = cluster("a", "b")
    state.upsert(backend("c", sticky_id="s"))
    state.upsert(backend("d", sticky_id="s"))
    a, _b, c, d = state.backends
    assert state.sticky(0.0, b"a") is a
    assert state.sticky(0.0, b"s") is c
    assert state.sticky(0.0, b"c") is None
    fail(c)
    assert state.sticky(0.5, b"s") is d
    fail(a)
    assert state.sticky(0.5, b"a") is None
    assert state.sticky(1.0, b"a") is a
    state.remove("a", a.address)
    assert state.sticky(1.0, b"a") is None


def head() -> RequestHead:
    return RequestHead(b"GET", b"/", 1, b"h", b"h", RequestFields(), True, 0)


def test_only_a_policy_that_goes_by_a_key_asks_for_one():
    asked = []

    def compile_affinity(spec):
        asked.append(spec)
        return lambda _head, _peer: spec.encode()

    state = ClusterState(Cluster("c", affinity="path[0]"), compile_affinity)
    assert state.affinity is None
    state.reconfigure(Cluster("c", LoadBalancing.HRW, affinity="path[1]"))
    assert asked == ["path[1]"]
    assert state.affinity is not None
    assert state.affinity(head(), b"peer") == b"path[1]"
    assert by_source(head(), b"peer") == b"peer"
    assert ClusterState(Cluster("c", LoadBalancing.MAGLEV)).affinity is by_source


def test_another_policy_takes_over_the_backends_as_they_are():
    state = cluster("a", "b")
    a, _b = state.backends
    a.connections = 1
    assert chosen(state, count=2) == "ab"
    state.reconfigure(Cluster("c", LoadBalancing.LEAST_LOADED))
    assert state.backends[0] is a
    assert chosen(state, count=2) == "bb"


def test_a_key_stays_with_its_backend_while_others_come_and_go():
    state = cluster("a", "b", "c", policy=LoadBalancing.HRW)
    before = {key: chosen(state, key=key) for key in KEYS}
    fail(state.backends[2])
    after = {key: chosen(state, now=0.5, key=key) for key in KEYS}
    assert all(after[key] == name for key, name in before.items() if name != "c")
    assert set(after.values()) == {"a", "b"}


# MAGLEV's table


def test_other_policies_have_nothing_to_rebuild():
    state = cluster("a")
    assert not state.needs_rebuild
    assert list(state.rebuild()) == []


def test_a_batch_of_changes_builds_once_and_the_old_table_serves_meanwhile():
    state = cluster("a", "b", "c", backups="d", policy=LoadBalancing.MAGLEV)
    assert state.needs_rebuild
    slices = sum(1 for _ in state.rebuild())
    assert not state.needs_rebuild
    assert list(state.rebuild()) == []
    before = {key: chosen(state, key=key) for key in KEYS}
    assert set(before.values()) == {"a", "b", "c"}
    state.remove("c", backend("c").address)
    state.upsert(backend("d"))
    assert state.needs_rebuild
    after = {key: chosen(state, key=key) for key in KEYS}
    assert all(after[key] == name for key, name in before.items() if name != "c")
    assert "c" not in after.values()
    # One table instead of the two above, since no backup is left.
    assert sum(1 for _ in state.rebuild()) == slices / 2
    assert {chosen(state, key=key) for key in KEYS} == {"a", "b", "d"}


def test_a_change_during_the_build_begins_it_again():
    state = cluster("a", "b", policy=LoadBalancing.MAGLEV)
    building = state.rebuild()
    next(building)
    state.upsert(backend("c"))
    assert state.needs_rebuild
    assert list(building)
    assert not state.needs_rebuild
    assert {chosen(state, key=key) for key in KEYS} == {"a", "b", "c"}


def test_two_builds_at_a_time_end_in_the_newest_table():
    state = cluster("a", "b", policy=LoadBalancing.MAGLEV)
    first = state.rebuild()
    next(first)
    state.upsert(backend("c"))
    second = state.rebuild()
    next(second)
    assert list(first) == []
    list(second)
    assert {chosen(state, key=key) for key in KEYS} == {"a", "b", "c"}


def test_a_policy_changed_during_the_build_ends_it():
    state = cluster("a", policy=LoadBalancing.MAGLEV)
    building = state.rebuild()
    next(building)
    state.reconfigure(Cluster("c"))
    assert list(building) == []
    assert chosen(state) == "a"


def test_with_all_unhealthy_a_key_is_kept_by_its_rank():
    state = cluster("a", "b", policy=LoadBalancing.MAGLEV)
    list(state.rebuild())
    for one in state.backends:
        one.set_health(False)
    before = [chosen(state, key=key) for key in KEYS[:50]]
    assert [chosen(state, key=key) for key in KEYS[:50]] == before
    assert set(before) == {"a", "b"}


# The model: for each backend what it went through; who may be chosen follows from that.


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.state = ClusterState(Cluster("c"))
        self.random = random.Random(5).random
        self.backups: dict[str, bool] = {}
        self.healthy: dict[str, bool] = {}
        self.until: dict[str, float] = {}

    def of(self, name: str) -> BackendState:
        return next(one for one in self.state.backends if one.backend_id == name)

    names = st.sampled_from(sorted(PORTS))

    @rule(name=names, backup=st.booleans(), weight=st.integers(1, 3))
    def upsert(self, name, backup, weight):
        self.state.upsert(backend(name, backup=backup, weight=weight))
        self.backups[name] = backup
        self.healthy.setdefault(name, True)
        self.until.setdefault(name, 0.0)

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def remove(self, data):
        name = data.draw(st.sampled_from(sorted(self.backups)))
        self.state.remove(name, backend(name).address)
        del self.backups[name], self.healthy[name], self.until[name]

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), healthy=st.booleans())
    def check(self, data, healthy):
        name = data.draw(st.sampled_from(sorted(self.backups)))
        assert self.of(name).set_health(healthy) == (self.healthy[name] != healthy)
        self.healthy[name] = healthy

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), succeeds=st.booleans())
    def dial(self, data, succeeds):
        name = data.draw(st.sampled_from(sorted(self.backups)))
        one = self.of(name)
        if succeeds:
            one.connect_succeeded(self.now, 0.01)
            self.until[name] = 0.0
        else:
            one.connect_failed(self.now, self.random())
            self.until[name] = one.backoff.until

    @rule(seconds=st.sampled_from([0.5, 1.0, 40.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(policy=st.sampled_from(LoadBalancing))
    def reconfigure(self, policy):
        self.state.reconfigure(Cluster("c", policy))

    def rung(self) -> set[str]:
        over = {name for name in self.backups if self.now >= self.until[name]}
        good = {name for name in over if self.healthy[name]}
        primaries = {name for name in good if not self.backups[name]}
        first = min(self.until.values(), default=0.0)
        last = {name for name in self.backups if self.until[name] == first}
        return primaries or good or over or last

    @rule(key=st.sampled_from([None, b"k"]))
    def foretell(self, key):
        likely = self.state.likely(self.now, key)
        one = self.state.choose(self.now, key, self.random)
        if one is None or len(likely) == 1:
            assert list(likely) == ([] if one is None else [one])
        else:
            assert self.state.cluster.load_balancing in (
                LoadBalancing.RANDOM,
                LoadBalancing.POWER_OF_TWO,
            )
            assert one in likely

    @rule(tried=st.sets(names), key=st.sampled_from([None, b"k"]))
    def choose(self, tried, key):
        avoid = [one for one in self.state.backends if one.backend_id in tried]
        one = self.state.choose(self.now, key, self.random, avoid)
        rung = self.rung()
        if one is None:
            assert not self.backups
        elif any(self.now >= self.until[name] for name in self.backups):
            assert one.backend_id in (rung - tried or rung)
        else:
            untried = set(self.backups) - tried or set(self.backups)
            assert self.until[one.backend_id] == min(self.until[name] for name in untried)

    @invariant()
    def the_whole_agrees(self):
        self.state.check_invariants()
        good = [n for n in self.backups if self.healthy[n] and self.now >= self.until[n]]
        assert self.state.available_count(self.now) == len(good)
        assert self.state.total_count() == len(self.backups)
        assert self.state.healthy_count() == sum(self.healthy.values())


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_backends_may_begin_anew_in_their_order_and_the_old_ones_retire():
    state = cluster("a", "b", backups="c")
    before = state.backends
    before[0].connect_failed(0.0, 0.5)
    retired = state.renew()
    assert tuple(retired) == before
    assert all(one.is_retired for one in before)
    assert [one.backend for one in state.backends] == [one.backend for one in before]
    assert not set(state.backends) & set(before)
    assert state.available_count(0.0) == 3
    assert chosen(state, count=4) == "abab"


@pytest.mark.parametrize("policy", LoadBalancing)
def test_whom_a_cluster_would_choose_is_told_and_nothing_is_changed_by_it(policy):
    asked, spared = (cluster("a", "b", "c", backups="d", policy=policy) for _ in range(2))
    for now in range(8):
        for key in (None, KEYS[now]):
            for state in (asked, spared):
                if now == 2:
                    fail(state.backends[0], now=2.0)  # Until 3.
                if now == 4:
                    for one in state.backends:
                        one.set_health(False)
                if now == 6:
                    for one in state.backends:
                        fail(one, now=6.0, draw=0.5)
            likely = [one.backend_id for one in asked.likely(now, key)]
            assert likely
            names = [chosen(state, now=float(now), key=key) for state in (asked, spared)]
            assert names[0] == names[1]
            assert names[0] in likely
            if policy not in (LoadBalancing.RANDOM, LoadBalancing.POWER_OF_TWO):
                assert likely == [names[0]]
    assert asked.counters.fail_open == spared.counters.fail_open > 0
    assert asked.counters.no_available_backends == spared.counters.no_available_backends == 1


def test_asking_whom_it_would_choose_tells_nobody_that_all_are_gone():
    state = cluster("a", "b")
    a, b = state.backends
    fail(a, now=0.0)
    fail(b, now=0.5)
    assert list(state.likely(0.6, None)) == [a]
    assert list(cluster().likely(0.0, None)) == []
    assert state.counters.no_available_backends == 0


def test_a_cluster_knows_its_backends_by_id_and_address():
    state = cluster("a")
    (a,) = state.backends
    assert state.has("a", a.address)
    assert not state.has("b", a.address)
    state.remove("a", a.address)
    assert not state.has("a", a.address)


def test_a_witness_hears_once_that_all_are_gone_and_once_that_one_is_back():
    witness = Witness()
    state = ClusterState(Cluster("c"), witness=witness)
    a = state.upsert(backend("a"))
    chosen(state)
    fail(a)
    chosen(state, count=2)
    assert witness.heard == [("out", "c")]
    chosen(state, now=1.0, count=2)
    assert witness.heard == [("out", "c"), ("recovered", "c")]


def test_a_backend_that_was_made_aside_is_taken_in_as_the_last():
    state = cluster("a")
    aside = BackendState(backend("b"), state)
    assert [one.backend_id for one in state.backends] == ["a"]
    state.adopt(aside)
    assert state.backends[-1] is aside
    assert chosen(state, count=2) in {"ab", "ba"}
    with pytest.raises(AssertionError):
        state.adopt(BackendState(backend("a"), state))


def test_a_cluster_that_is_removed_lets_all_of_its_backends_go_at_once():
    state = cluster("a", "b", backups="c")
    a, _, _ = before = state.backends
    fail(a)
    retired = state.dissolve()
    assert retired == list(before)
    assert all(one.is_retired for one in before)
    assert state.backends == ()
    assert state.choose(0.0, None, random.random) is None
    assert (state.available_count(0.0), state.total_count(), state.healthy_count()) == (0, 0, 0)
    state.check_invariants()
    a.connect_succeeded(1.0, 0.1)  # What is said of one that is gone changes nothing.
    state.check_invariants()
