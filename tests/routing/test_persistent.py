"""PersistentMap against a dict, and what a change shares with the map that it was made from."""

from hypothesis import given
from hypothesis import strategies as st

from sozutw.routing import persistent
from sozutw.routing.persistent import BUCKET_ENTRIES_MAX, PersistentMap

KEYS = [b"%d" % number for number in range(40)]


def filled(count: int) -> PersistentMap[int]:
    draft = PersistentMap[int]().draft()
    for number in range(count):
        draft.put(b"%d" % number, number)
    return draft.freeze()


def test_an_empty_map_has_nothing():
    empty = PersistentMap[int]()
    assert len(empty) == 0
    assert list(empty) == []
    assert empty.get(b"a") is None


def test_a_change_leaves_the_map_it_was_made_from_as_it_was():
    old = filled(3)
    draft = old.draft()
    draft.put(b"1", 11)
    draft.put(b"new", 5)
    draft.remove(b"0")
    assert draft.get(b"1") == 11
    new = draft.freeze()
    assert dict(old) == {b"0": 0, b"1": 1, b"2": 2}
    assert dict(new) == {b"1": 11, b"2": 2, b"new": 5}
    assert (len(old), len(new)) == (3, 3)


def test_a_large_map_is_cut_into_buckets_and_one_change_copies_one_of_them():
    old = filled(BUCKET_ENTRIES_MAX * 9)
    assert len(old.buckets) == 16
    assert dict(old) == {b"%d" % number: number for number in range(BUCKET_ENTRIES_MAX * 9)}
    draft = old.draft()
    draft.put(b"one more", 1)
    draft.remove(b"one more")
    draft.put(b"one more", 2)
    new = draft.freeze()
    assert new.get(b"one more") == 2
    shared = [a is b for a, b in zip(old.buckets, new.buckets, strict=True)]
    assert shared.count(False) == 1


@given(st.lists(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 9)), max_size=30)))
def test_it_holds_what_a_dict_would(batches):
    limit = persistent.BUCKET_ENTRIES_MAX
    persistent.BUCKET_ENTRIES_MAX = 2
    try:
        present, model = PersistentMap[int](), {}
        for batch in batches:
            before, earlier = dict(present), present
            draft = present.draft()
            for key, value in batch:
                if value == 0 and key in model:
                    del model[key]
                    draft.remove(key)
                else:
                    model[key] = value
                    draft.put(key, value)
            present = draft.freeze()
            assert dict(present) == model
            assert len(present) == len(model)
            assert all(present.get(key) == model.get(key) for key in KEYS)
            assert dict(earlier) == before
    finally:
        persistent.BUCKET_ENTRIES_MAX = limit
