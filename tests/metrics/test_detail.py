"""Leases of metric detail: who may have one, what holds meanwhile, and how they end."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sozutw.metrics.detail import (
    CLIENT_ID_BYTES_MAX,
    LEASE_SECONDS,
    LEASE_SECONDS_MAX,
    LEASES_MAX,
    Detail,
    DetailLeases,
    Peer,
    RefusedLeaseError,
    Transition,
)

ME = Peer(1000, 1)
OTHER = Peer(1000, 2)


def leases(configured: Detail = Detail.CLUSTER) -> DetailLeases:
    return DetailLeases(configured)


def test_without_leases_what_is_configured_holds() -> None:
    table = leases(Detail.FRONTEND)
    assert (table.configured, table.effective, table.previous) == (Detail.FRONTEND,) * 3
    assert len(table) == 0
    assert table.next_end() is None
    assert table.expire(1e9) is None


def test_a_lease_raises_what_is_told_until_it_ends() -> None:
    table = leases()
    raised = table.set("top", ME, Detail.BACKEND, LEASE_SECONDS, 100.0)
    assert raised == Transition(Detail.CLUSTER, Detail.BACKEND, "lease_set", "top")
    assert table.next_end() == 160.0
    assert table.expire(159.9) is None
    assert table.effective is Detail.BACKEND
    fallen = table.expire(160.0)
    assert fallen == Transition(Detail.BACKEND, Detail.CLUSTER, "lease_tick_expired", "top")
    assert table.effective is Detail.CLUSTER
    assert len(table) == 0


def test_to_renew_a_lease_changes_its_end_and_what_it_asks_for() -> None:
    table = leases()
    table.set("top", ME, Detail.BACKEND, 60, 0.0)
    assert table.set("top", ME, Detail.BACKEND, 60, 30.0) is None
    assert table.previous is Detail.BACKEND
    assert table.next_end() == 90.0
    lowered = table.set("top", ME, Detail.PROCESS, 60, 31.0)
    assert lowered == Transition(Detail.BACKEND, Detail.CLUSTER, "lease_set", "top")
    assert len(table) == 1


def test_a_lease_below_what_is_configured_is_had_without_effect() -> None:
    table = leases()
    assert table.set("top", ME, Detail.PROCESS, 60, 0.0) is None
    assert table.effective is Detail.CLUSTER
    assert len(table) == 1


def test_the_finest_lease_holds_and_the_next_one_after_it() -> None:
    table = leases(Detail.PROCESS)
    table.set("a", ME, Detail.BACKEND, 10, 0.0)
    assert table.set("b", OTHER, Detail.CLUSTER, 20, 0.0) is None
    fallen = table.expire(10.0)
    assert fallen == Transition(Detail.BACKEND, Detail.CLUSTER, "lease_tick_expired", "a")
    assert table.next_end() == 20.0


def test_leases_that_end_together_have_no_one_name() -> None:
    table = leases()
    table.set("a", ME, Detail.BACKEND, 10, 0.0)
    table.set("b", ME, Detail.BACKEND, 10, 0.0)
    fallen = table.expire(10.0)
    assert fallen is not None
    assert fallen.client_id is None


def test_a_lease_is_cleared_by_whose_it_is() -> None:
    table = leases()
    table.set("top", ME, Detail.BACKEND, 60, 0.0)
    with pytest.raises(RefusedLeaseError, match="another client"):
        table.clear("top", OTHER, 1.0)
    assert table.effective is Detail.BACKEND
    cleared = table.clear("top", ME, 1.0)
    assert cleared == Transition(Detail.BACKEND, Detail.CLUSTER, "lease_cleared", "top")
    assert table.clear("top", OTHER, 1.0) is None


def test_nobody_renews_the_lease_of_another_before_it_is_over() -> None:
    table = leases()
    table.set("top", ME, Detail.BACKEND, 60, 0.0)
    for peer in (OTHER, Peer(0, ME.pid)):
        with pytest.raises(RefusedLeaseError, match="another client"):
            table.set("top", peer, Detail.BACKEND, 60, 59.0)
    assert table.set("top", OTHER, Detail.BACKEND, 60, 60.0) is None


def test_there_are_so_many_leases_and_no_more() -> None:
    table = leases()
    for number in range(LEASES_MAX):
        table.set(str(number), ME, Detail.BACKEND, 60, 0.0)
    with pytest.raises(RefusedLeaseError, match=r"capacity \(64\)"):
        table.set("one more", ME, Detail.BACKEND, 60, 59.0)
    assert table.set("0", ME, Detail.BACKEND, 60, 59.0) is None
    # Those whose time is over make room without being looked for.
    table.set("one more", ME, Detail.BACKEND, 60, 60.0)
    assert len(table) == 2


@pytest.mark.parametrize(
    ("client_id", "seconds", "reason"),
    [
        ("", 60, "empty"),
        ("ä" * 33, 60, "66 bytes"),
        ("\udcff" * 22, 60, "66 bytes"),
        ("x", LEASE_SECONDS_MAX + 1, "ttl_seconds=301 exceeds LEASE_TTL_MAX=300"),
        ("x", 0, "over at once"),
    ],
)
def test_what_no_lease_may_be_is_refused(client_id: str, seconds: int, reason: str) -> None:
    table = leases()
    with pytest.raises(RefusedLeaseError, match=reason):
        table.set(client_id, ME, Detail.BACKEND, seconds, 0.0)
    assert len(table) == 0


def test_the_longest_name_and_time_are_taken() -> None:
    table = leases()
    table.set("ä" * (CLIENT_ID_BYTES_MAX // 2), ME, Detail.BACKEND, LEASE_SECONDS_MAX, 0.0)
    assert table.next_end() == LEASE_SECONDS_MAX


def test_a_name_that_cannot_be_is_not_cleared_either() -> None:
    with pytest.raises(RefusedLeaseError, match="empty"):
        leases().clear("", ME, 0.0)


class AgainstAList(RuleBasedStateMachine):
    """The table tells the same as a list of leases in which nobody is looked up by name."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.table = leases(Detail.FRONTEND)
        self.held: dict[str, tuple[Peer, Detail, float]] = {}
        self.told = Detail.FRONTEND

    names = st.sampled_from("abc")
    peers = st.sampled_from([ME, OTHER])

    def note(self, transition: Transition | None) -> None:
        if transition is not None:
            assert transition.previous is self.told
            assert transition.effective is not self.told
            self.told = transition.effective

    def live(self) -> dict[str, tuple[Peer, Detail, float]]:
        return {name: held for name, held in self.held.items() if held[2] > self.now}

    @rule(name=names, peer=peers, detail=st.sampled_from(Detail), seconds=st.integers(1, 300))
    def set(self, name: str, peer: Peer, detail: Detail, seconds: int) -> None:
        held = self.live().get(name)
        if held is not None and held[0] != peer:
            with pytest.raises(RefusedLeaseError):
                self.table.set(name, peer, detail, seconds, self.now)
        else:
            self.note(self.table.set(name, peer, detail, seconds, self.now))
            self.held[name] = (peer, detail, self.now + seconds)

    @rule(name=names, peer=peers)
    def clear(self, name: str, peer: Peer) -> None:
        held = self.live().get(name)
        if held is not None and held[0] != peer:
            with pytest.raises(RefusedLeaseError):
                self.table.clear(name, peer, self.now)
        else:
            self.note(self.table.clear(name, peer, self.now))
            self.held.pop(name, None)

    @rule(seconds=st.integers(0, 200))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def both_tell_the_same(self) -> None:
        self.note(self.table.expire(self.now))
        finest = max([Detail.FRONTEND, *(held[1] for held in self.live().values())])
        assert self.table.effective is finest is self.told
        assert len(self.table) == len(self.live())


AgainstAList.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestAgainstAList = AgainstAList.TestCase
