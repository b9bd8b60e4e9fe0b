"""Which backend is probed when, and what outcomes make of it."""

import random
from dataclasses import replace
from math import inf

import pytest

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.balancing.probes import BEGUN_AT_ONCE_MAX, Followed, Probe, Probes, jitter_of
from sozutw.config.model import Backend, Cluster, InetAddress
from sozutw.config.policies import HealthCheck

CHECK = HealthCheck("/up", interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=3)
NOTHING = Followed([], [])


def backend(number: int) -> Backend:
    return Backend("app", f"b{number}", InetAddress("10.1.0.1", number + 1))


def cluster(backends: int = 2, check: HealthCheck | None = CHECK) -> ClusterState:
    state = ClusterState(Cluster("app", health_check=check))
    for number in range(backends):
        state.upsert(backend(number))
    return state


def recheck(state: ClusterState, check: HealthCheck | None) -> None:
    state.reconfigure(replace(state.cluster, health_check=check))


def followed(state: ClusterState, under_way_max: int = 100) -> Probes:
    probes = Probes(under_way_max)
    assert probes.follow("app", state, 0.0) == NOTHING
    return probes


def round_of(probes: Probes) -> tuple[float, list[Probe]]:
    """Let the next round begin; return when that is, and what it asks."""
    now = probes.next_due()
    assert probes.advance(now) == []
    begun = probes.begin(now)
    probes.check_invariants()
    return now, begun


def tell(probes: Probes, *outcomes: bool) -> list[bool]:
    """Let one backend have these outcomes, in a round each; return what each made of it."""
    told = []
    for outcome in outcomes:
        _, (probe,) = round_of(probes)
        told.append(probes.ended(probe, outcome))
    return told


def names(probes: list[Probe]) -> list[str]:
    return [probe.state.backend_id for probe in probes]


def test_rounds_are_an_interval_and_the_jitter_of_the_cluster_apart() -> None:
    probes = followed(cluster())
    jitter = 10 * jitter_of("app")
    times = []
    for _ in range(3):
        now, begun = round_of(probes)
        times.append(now)
        assert names(begun) == ["b0", "b1"]
        for probe in begun:
            assert probe.check is CHECK
            assert probe.due == now + 5
            probes.ended(probe, True)
    assert times == pytest.approx([jitter, 10 + 2 * jitter, 20 + 3 * jitter])


def test_the_jitter_is_fixed_for_a_cluster_and_at_most_a_fifth() -> None:
    jitters = [jitter_of(f"cluster {number}") for number in range(1000)]
    assert jitters == [jitter_of(f"cluster {number}") for number in range(1000)]
    assert len(set(jitters)) == 1000
    assert min(jitters) >= 0.0
    assert max(jitters) < 0.2
    assert sum(jitters) / 1000 == pytest.approx(0.1, abs=0.01)


def test_nothing_begins_before_it_is_due() -> None:
    probes = followed(cluster())
    due = probes.next_due()
    assert probes.advance(due - 0.001) == []
    assert probes.begin(due - 0.001) == []
    # A clock may fall short of what it promised by a rounding.
    assert probes.advance(due - 1e-9) == []
    assert len(probes.begin(due - 1e-9)) == len(probes) == 2


def test_a_backend_turns_after_so_many_outcomes_in_a_row() -> None:
    state = cluster(1)
    probes = followed(state)
    assert tell(probes, False, False, True) == [False] * 3
    assert tell(probes, False, False, False) == [False, False, True]
    (one,) = state.backends
    assert not one.is_healthy
    assert tell(probes, False, True, False) == [False] * 3
    assert tell(probes, True, True, True) == [False, True, False]
    assert one.is_healthy
    counters = one.counters
    assert (counters.health_successes, counters.health_failures) == (5, 7)
    assert (counters.health_down, counters.health_up) == (1, 1)
    assert state.healthy_count() == 1


def test_an_outcome_that_is_none_changes_no_count() -> None:
    state = cluster(1)
    probes = followed(state)
    assert tell(probes, False, False) == [False, False]
    _, (probe,) = round_of(probes)
    assert not probes.ended(probe, None)
    assert state.backends[0].counters.health_failures == 2
    assert tell(probes, False) == [True]


def test_an_outcome_counts_once() -> None:
    state = cluster(1, replace(CHECK, unhealthy_threshold=2))
    probes = followed(state)
    _, (probe,) = round_of(probes)
    assert not probes.ended(probe, False)
    assert not probes.ended(probe, False)
    assert state.backends[0].is_healthy


def test_a_probe_that_is_not_over_by_its_time_is_overdue() -> None:
    probes = followed(cluster())
    now, (one, other) = round_of(probes)
    probes.ended(other, True)
    assert probes.advance(now + 4.9) == []
    assert probes.next_due() == now + 5
    assert probes.advance(now + 5) == [one]
    assert len(probes) == 1
    probes.ended(one, False)
    assert len(probes) == 0
    assert probes.next_due() > now + 5


def test_a_backend_that_is_still_being_asked_is_not_asked_again() -> None:
    probes = followed(cluster(check=replace(CHECK, timeout=100)))
    _, (slow, quick) = round_of(probes)
    probes.ended(quick, True)
    _, begun = round_of(probes)
    assert names(begun) == ["b1"]
    probes.ended(begun[0], True)
    probes.ended(slow, True)
    _, begun = round_of(probes)
    assert names(begun) == ["b0", "b1"]


def test_no_more_are_under_way_than_there_may_be_and_the_others_wait() -> None:
    state = cluster(5)
    probes = followed(state, under_way_max=2)
    now, begun = round_of(probes)
    assert names(begun) == ["b0", "b1"]
    assert probes.begin(now) == []
    assert probes.next_due() == now + 5
    probes.ended(begun[0], True)
    assert probes.next_due() == -inf
    (third,) = probes.begin(now + 1)
    assert third.state.backend_id == "b2"
    assert third.due == now + 6
    # The next round comes while some still wait: nobody waits twice.
    probes.ended(third, True)
    assert names(probes.begin(now + 1)) == ["b3"]
    assert len(probes.advance(now + 20)) == 2
    probes.check_invariants()
    assert [s.backend_id for _, s in probes._waiting] == ["b4", "b0", "b2"]


def test_the_loop_has_its_turn_between_many() -> None:
    probes = followed(cluster(BEGUN_AT_ONCE_MAX + 1))
    now, begun = round_of(probes)
    assert len(begun) == BEGUN_AT_ONCE_MAX
    assert probes.next_due() == -inf
    assert len(probes.begin(now)) == 1
    assert probes.next_due() > now


def test_a_backend_that_comes_is_asked_in_the_next_round() -> None:
    state = cluster(1)
    probes = followed(state)
    _, (probe,) = round_of(probes)
    probes.ended(probe, True)
    state.upsert(backend(1))
    assert probes.follow("app", state, 1.0) == NOTHING
    assert names(round_of(probes)[1]) == ["b0", "b1"]


def test_what_a_retired_backend_does_changes_nothing() -> None:
    state = cluster(2, replace(CHECK, unhealthy_threshold=1))
    probes = followed(state)
    _, (probe, other) = round_of(probes)
    state.remove("b0", backend(0).address)
    assert not probes.ended(probe, False)
    assert probe.state.is_healthy
    assert probe.state.counters.health_failures == 0
    assert probes.ended(other, False)
    state.check_invariants()
    assert names(round_of(probes)[1]) == ["b1"]


def test_a_backend_that_comes_back_begins_anew_whatever_it_was() -> None:
    state = cluster(1)
    probes = followed(state)
    tell(probes, False, False)
    state.remove("b0", backend(0).address)
    state.upsert(backend(0))
    assert tell(probes, False) == [False]
    (watch,) = probes._watches.values()
    assert list(watch.contrary) == list(state.backends)
    assert tell(probes, False, False) == [False, True]


def test_a_backend_that_goes_while_it_waits_is_not_asked() -> None:
    state = cluster(3)
    probes = followed(state, under_way_max=1)
    now, (first,) = round_of(probes)
    state.remove("b1", backend(1).address)
    probes.ended(first, True)
    assert names(probes.begin(now)) == ["b2"]
    probes.check_invariants()


def test_under_another_check_every_count_begins_anew_and_the_verdict_stays() -> None:
    state = cluster(1, replace(CHECK, unhealthy_threshold=2))
    probes = followed(state)
    assert tell(probes, False, False) == [False, True]
    assert tell(probes, True) == [False]
    now, (old,) = round_of(probes)
    recheck(state, replace(CHECK, uri="/other"))
    assert probes.follow("app", state, now) == ([old], [])
    probes.check_invariants()
    assert len(probes) == 0
    assert not probes.ended(old, True)
    assert not state.backends[0].is_healthy
    assert tell(probes, True) == [False]
    assert not state.backends[0].is_healthy
    assert tell(probes, True) == [True]


def test_the_same_check_asked_for_again_changes_nothing() -> None:
    state = cluster(1)
    probes = followed(state)
    now, (probe,) = round_of(probes)
    recheck(state, replace(CHECK))
    assert probes.follow("app", state, now + 3) == NOTHING
    assert not probe.is_over
    assert probes.next_due() == now + 5


def test_without_a_check_all_are_healthy_at_once_and_nobody_is_asked() -> None:
    state = cluster(3, replace(CHECK, unhealthy_threshold=1))
    probes = followed(state)
    now, (a, b, c) = round_of(probes)
    assert probes.ended(a, False)
    assert probes.ended(b, False)
    recheck(state, None)
    assert probes.follow("app", state, now) == ([c], [a.state, b.state])
    assert all(one.is_healthy for one in state.backends)
    assert state.healthy_count() == 3
    assert [one.counters.health_up for one in state.backends] == [1, 1, 0]
    assert probes.next_due() == inf
    assert probes.follow("app", state, now) == NOTHING
    probes.check_invariants()


def test_a_cluster_that_was_never_checked_is_left_alone() -> None:
    state = cluster(2, check=None)
    state.backends[0].set_health(False)
    probes = followed(state)
    assert not state.backends[0].is_healthy
    assert probes.next_due() == inf


def test_a_cluster_that_goes_is_not_asked_and_may_come_back_as_another() -> None:
    state = cluster(2)
    probes = followed(state, under_way_max=1)
    now, (probe,) = round_of(probes)
    assert probes.follow("app", None, now) == ([probe], [])
    assert probes.follow("app", None, now) == NOTHING
    probes.check_invariants()
    assert probes.begin(now) == []  # The one that waited is forgotten.
    other = cluster(1)
    assert probes.follow("app", other, now) == NOTHING
    _, (probe,) = round_of(probes)
    assert probe.state is other.backends[0]


def test_a_cluster_replaced_by_another_of_that_id_begins_anew() -> None:
    state = cluster(1)
    probes = followed(state)
    now, (probe,) = round_of(probes)
    unchecked = cluster(1, check=None)
    assert probes.follow("app", unchecked, now) == ([probe], [])
    assert probes.next_due() == inf


def test_all_can_be_forgotten() -> None:
    probes = followed(cluster(3), under_way_max=1)
    _, (probe,) = round_of(probes)
    assert probes.clear() == [probe]
    assert probe.is_over
    assert probes.next_due() == inf
    assert probes.begin(99.0) == probes.advance(99.0) == probes.clear() == []
    probes.check_invariants()


def test_what_is_over_does_not_pile_up() -> None:
    state = cluster(4, replace(CHECK, interval=2**32 - 1, timeout=2**32 - 1))
    probes = followed(state)
    for number in range(2000):
        check = replace(CHECK, interval=2**32 - 1 - number % 2, timeout=2**32 - 1)
        recheck(state, check)
        probes.follow("app", state, 0.0)
        (watch,) = probes._watches.values()
        probes._begin_round(watch, 0.0)
        for probe in probes.begin(0.0):
            probes.ended(probe, True)
        probes.check_invariants()
        assert len(probes._agenda) < 80
    assert len(probes._waiting) == 0


class Simulation:
    """
    Random changes and outcomes, beside a model that knows each backend's whole history.

    The model judges anew from the first outcome on, each time; it shares no code.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.under_way_max = self.rng.choice([1, 3, 50])
        self.probes = Probes(self.under_way_max)
        self.live: dict[str, ClusterState] = {}
        self.under_way: list[Probe] = []
        self.stale: list[Probe] = []
        self.history: dict[BackendState, list[tuple[bool, int] | HealthCheck]] = {}
        """Outcomes, each with how many in a row were needed; and checks, when they began."""
        self.begun: dict[tuple[BackendState, HealthCheck], float] = {}
        self.outcomes_total = 0

    def check(self) -> HealthCheck | None:
        if self.rng.random() < 0.2:
            return None
        rng = self.rng
        return HealthCheck(
            "/",
            interval=rng.choice([1, 2, 5]),
            timeout=rng.choice([1, 3, 8]),
            healthy_threshold=rng.randint(1, 3),
            unhealthy_threshold=rng.randint(1, 3),
        )

    def operator_changes_a_cluster(self) -> None:
        name = self.rng.choice("ABC")
        check = self.check()
        state = self.live.get(name)
        before = None if state is None else state.cluster.health_check
        action = self.rng.randrange(3)
        if action == 0 and state is not None:
            del self.live[name]
            for one in state.backends:
                state.remove(one.backend_id, one.address)
            state = None
        elif state is None:
            state = self.live[name] = ClusterState(Cluster(name, health_check=check))
        else:
            recheck(state, check)
        given_up, recovered = self.probes.follow(name, state, self.now)
        for probe in given_up:
            self.under_way.remove(probe)
            self.stale.append(probe)
        if state is None or state.cluster.health_check == before:
            assert recovered == []
            assert given_up == [] or state is None
            return
        for one in state.backends:
            told = self.history[one]
            assert (one in recovered) == (check is None and not self.verdict(one))
            if check is None:
                told.clear()
            else:
                told.append(check)

    def operator_changes_a_backend(self) -> None:
        if not self.live:
            return
        name = self.rng.choice(sorted(self.live))
        state = self.live[name]
        address = InetAddress("10.0.0.1", self.rng.randint(1, 6))
        try:
            state.remove("b", address)
        except KeyError:
            self.history[state.upsert(Backend(name, "b", address))] = []
        assert self.probes.follow(name, state, self.now) == NOTHING

    def verdict(self, one: BackendState) -> bool:
        """Judge a backend by all that was ever told of it."""
        is_healthy, row = True, 0
        for told in self.history[one]:
            if isinstance(told, HealthCheck) or told[0] is is_healthy:
                row = 0
            else:
                row += 1
                if row == told[1]:
                    is_healthy, row = not is_healthy, 0
        return is_healthy

    def backend_answers(self) -> None:
        if self.under_way:
            probe = self.under_way.pop(self.rng.randrange(len(self.under_way)))
            self.end(probe, self.rng.choice([True, False, False, None]))

    def backend_answers_late(self) -> None:
        if self.stale:
            assert not self.probes.ended(self.rng.choice(self.stale), self.rng.random() < 0.5)

    def end(self, probe: Probe, outcome: bool | None) -> None:
        one = probe.state
        before = one.is_healthy
        turned = self.probes.ended(probe, outcome)
        self.outcomes_total += 1
        if outcome is not None and not one.is_retired:
            check = one.cluster.cluster.health_check
            assert check == probe.check
            needed = check.healthy_threshold if outcome else check.unhealthy_threshold
            self.history[one].append((outcome, needed))
        assert turned == (one.is_healthy is not before)

    def time_passes(self) -> None:
        until = self.now + self.rng.choice([0.1, 0.7, 3.0])
        while (due := max(self.probes.next_due(), self.now)) <= until:
            self.now = due
            for probe in self.probes.advance(due):
                assert probe.due == pytest.approx(due)
                self.under_way.remove(probe)
                self.end(probe, False)
            for probe in self.probes.begin(due):
                self.note(probe)
            assert self.probes.next_due() > due
        self.now = until
        for probe in self.under_way:
            assert probe.due > self.now

    def note(self, probe: Probe) -> None:
        one = probe.state
        assert not one.is_retired
        assert one.cluster.cluster.health_check == probe.check
        assert all(other.state is not one for other in self.under_way), "asked twice at a time"
        assert probe.due == self.now + probe.check.timeout
        last = self.begun.get((one, probe.check), -inf)
        if self.under_way_max == 50:  # nobody waits for room
            assert self.now - last > probe.check.interval - 1e-5 or self.was_rechecked(one)
        self.begun[one, probe.check] = self.now
        self.under_way.append(probe)

    def was_rechecked(self, one: BackendState) -> bool:
        return any(isinstance(told, HealthCheck) for told in self.history[one])

    def run(self) -> None:
        steps = [
            (1, self.operator_changes_a_cluster),
            (3, self.operator_changes_a_backend),
            (8, self.backend_answers),
            (2, self.backend_answers_late),
            (6, self.time_passes),
        ]
        weights = [weight for weight, _ in steps]
        for _ in range(600):
            ((_, step),) = self.rng.choices(steps, weights)
            step()
            assert len(self.probes) == len(self.under_way) <= self.under_way_max
            self.probes.check_invariants()
            for state in self.live.values():
                state.check_invariants()
                for one in state.backends:
                    assert one.is_healthy is self.verdict(one)
        assert self.outcomes_total > 20


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_backends_count_as_their_history_says(seed: int) -> None:
    Simulation(seed).run()


def test_it_knows_whom_it_watches() -> None:
    probes = followed(cluster())
    assert probes.watches("app")
    assert not probes.watches("other")
    probes.follow("app", None, 0.0)
    assert not probes.watches("app")
