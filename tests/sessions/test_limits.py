import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.sessions.limits import AddressCounts, evicted_at_once, resume_below


@pytest.mark.parametrize(
    ("sessions_max", "below", "evicted"),
    [
        (1, 1, 1),
        (2, 1, 1),
        (10, 9, 1),
        (99, 89, 1),
        (100, 90, 1),
        (250, 225, 2),
        (10_000, 9000, 100),
    ],
)
def test_a_full_worker_resumes_below_nine_places_in_ten_and_evicts_one_in_a_hundred(
    sessions_max: int, below: int, evicted: int
):
    assert resume_below(sessions_max) == below
    assert evicted_at_once(sessions_max) == evicted


@given(st.integers(1, 10**6))
def test_a_worker_can_always_resume_and_always_evict(sessions_max: int):
    # Below 1 nobody could ever be let in again.
    assert 1 <= resume_below(sessions_max) <= sessions_max
    assert 1 <= evicted_at_once(sessions_max) <= sessions_max


@pytest.mark.parametrize("limit", [resume_below, evicted_at_once])
def test_a_worker_without_places_is_our_own_mistake(limit):
    with pytest.raises(AssertionError):
        limit(0)


def test_the_last_place_is_the_last():
    counts = AddressCounts()
    assert counts.enter("app", "192.0.2.1", 2)
    assert counts.enter("app", "192.0.2.1", 2)
    assert not counts.enter("app", "192.0.2.1", 2)
    assert counts.total() == 2
    counts.check_invariants()


def test_addresses_and_clusters_have_places_of_their_own():
    counts = AddressCounts()
    assert counts.enter("app", "192.0.2.1", 1)
    assert counts.enter("app", "192.0.2.2", 1)
    assert counts.enter("api", "192.0.2.1", 1)
    assert not counts.enter("api", "192.0.2.1", 1)
    assert counts.total() == 3


def test_a_place_given_back_can_be_taken_again():
    counts = AddressCounts()
    assert counts.enter("app", "192.0.2.1", 1)
    counts.leave({"app"}, "192.0.2.1")
    assert counts.total() == 0
    assert counts.enter("app", "192.0.2.1", 1)


def test_a_session_leaves_all_its_clusters_at_once_and_the_others_stay():
    counts = AddressCounts()
    for cluster_id in ("app", "app", "api"):
        assert counts.enter(cluster_id, "192.0.2.1", 2)
    counts.leave(["app", "api"], "192.0.2.1")
    counts.check_invariants()
    assert counts.total() == 1
    assert counts.enter("app", "192.0.2.1", 2)
    assert not counts.enter("app", "192.0.2.1", 2)


def test_a_refused_client_is_not_counted():
    counts = AddressCounts()
    assert counts.enter("app", "192.0.2.1", 1)
    for _ in range(3):
        assert not counts.enter("app", "192.0.2.1", 1)
    counts.leave(["app"], "192.0.2.1")
    assert counts.total() == 0


def test_a_lowered_limit_keeps_those_who_are_there_and_lets_nobody_in():
    counts = AddressCounts()
    for _ in range(3):
        assert counts.enter("app", "192.0.2.1", 5)
    assert not counts.enter("app", "192.0.2.1", 2)
    assert counts.total() == 3


def test_nobody_leaves_who_is_not_there():
    counts = AddressCounts()
    with pytest.raises(KeyError):
        counts.leave(["app"], "192.0.2.1")


def test_no_limit_is_told_as_no_call():
    with pytest.raises(AssertionError):
        AddressCounts().enter("app", "192.0.2.1", 0)


def test_an_empty_count_that_is_kept_is_noticed():
    counts = AddressCounts()
    counts._counts["app", "192.0.2.1"] = 0
    with pytest.raises(AssertionError):
        counts.check_invariants()


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]), st.booleans()),
        max_size=60,
    ),
    st.integers(1, 3),
)
def test_places_taken_are_those_entered_less_those_left(steps, places_max: int):
    counts = AddressCounts()
    model: list[tuple[str, str]] = []
    for cluster_id, source, enters in steps:
        key = cluster_id, source
        if enters:
            had_room = model.count(key) < places_max
            assert counts.enter(cluster_id, source, places_max) == had_room
            if had_room:
                model.append(key)
        elif key in model:
            model.remove(key)
            counts.leave([cluster_id], source)
        counts.check_invariants()
        assert counts.total() == len(model)
        assert counts.taken(cluster_id, source) == model.count(key)
        assert len(counts._counts) == len(set(model))
