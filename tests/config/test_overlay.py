"""An overlay is the dictionary that a commit makes of the one below, which stays till then."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.overlay import SLICE, Change, Overlay, Shelves

KEYS = st.integers(0, 5)
STEPS = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.integers(1, 9))))


def followed(
    mapping: dict[int, int] | Overlay[int, int], steps: list[tuple[int, int | None]]
) -> None:
    for key, value in steps:
        if value is not None:
            mapping[key] = value
        elif key in mapping:
            del mapping[key]
        else:
            with pytest.raises(KeyError):
                del mapping[key]


@given(st.dictionaries(KEYS, st.integers(1, 9)), STEPS)
def test_it_is_what_the_dictionary_would_be(below: dict[int, int], steps: list) -> None:
    model, before = dict(below), dict(below)
    overlay = Overlay(below)
    followed(model, steps)
    followed(overlay, steps)
    assert list(overlay.items()) == list(model.items())
    assert len(overlay) == len(model)
    for key in range(7):
        assert overlay.get(key) == model.get(key)
        assert (key in overlay) == (key in model)
    assert list(below.items()) == list(before.items())
    changes = list(overlay.changes())
    overlay.commit()
    assert list(below.items()) == list(model.items())
    for change in changes:
        assert change.old == before.get(change.key)
        assert change.new == model.get(change.key)
    untouched = before.keys() - {change.key for change in changes}
    assert all(model[key] == before[key] for key in untouched)
    stayed = [
        key for key in before if key in model and key not in {c.key for c in changes if c.is_moved}
    ]
    assert [key for key in model if key in stayed] == stayed


def test_what_is_put_back_is_moved() -> None:
    overlay = Overlay({"a": 1, "b": 2})
    del overlay["a"]
    overlay["a"] = 1
    assert list(overlay) == ["b", "a"]
    assert list(overlay.changes()) == [Change("a", 1, 1, True)]


def test_what_came_and_went_is_no_change() -> None:
    overlay: Overlay[str, int] = Overlay({})
    overlay["a"] = 1
    del overlay["a"]
    assert list(overlay.changes()) == []
    assert not overlay


@given(
    st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(1, 9), min_size=1)),
    st.lists(st.tuples(KEYS, STEPS)),
)
def test_shelves_are_dictionaries_of_dictionaries(below: dict, steps: list) -> None:
    model = {first: dict(shelf) for first, shelf in below.items()}
    shelves: Shelves[int, int, int] = Shelves(below)
    for first, inner in steps:
        followed(model.setdefault(first, {}), inner)
        followed(shelves.shelf(first), inner)
    model = {first: shelf for first, shelf in model.items() if shelf}
    assert {first: dict(shelf) for first, shelf in shelves.items()} == model
    assert len(shelves) == len(model)
    told = {first: list(changes) for first, changes in shelves.changes()}
    assert told.keys() == {first for first, _ in steps}
    shelves.commit()
    assert below == model
    for first, shelf in model.items():
        assert list(below[first].items()) == list(shelf.items())


def test_a_missing_shelf_is_missing() -> None:
    shelves: Shelves[str, int, int] = Shelves({"a": {1: 1}})
    lookups: list[Callable[[], object]] = [lambda: shelves["b"], lambda: shelves["a"]]
    del shelves.shelf("a")[1]
    for look in lookups:
        with pytest.raises(KeyError):
            look()


@given(
    st.dictionaries(KEYS, st.dictionaries(KEYS, st.integers(1, 9), min_size=1)),
    st.lists(st.tuples(KEYS, STEPS)),
)
def test_a_commit_that_was_prepared_comes_to_the_same(below: dict, steps: list) -> None:
    other = {first: dict(shelf) for first, shelf in below.items()}
    before = {first: dict(shelf) for first, shelf in below.items()}
    shelves: Shelves[int, int, int] = Shelves(below)
    unprepared: Shelves[int, int, int] = Shelves(other)
    for first, inner in steps:
        for each in (shelves, unprepared):
            shelf = each.shelf(first)
            for key, value in inner:
                if value is not None:
                    shelf[key] = value
                else:
                    shelf.pop(key, None)
    for _ in shelves.settle():
        pass
    assert below == before
    assert list(shelves.changed_keys) == list(dict.fromkeys(first for first, _ in steps))
    shelves.commit()
    unprepared.commit()
    assert list(below) == list(other)
    for first, shelf in below.items():
        assert list(shelf.items()) == list(other[first].items())


def test_a_large_one_is_prepared_in_small_steps() -> None:
    wide: dict[int, dict[int, int]] = {}
    deep: dict[int, dict[int, int]] = {0: {}}
    many = 3 * SLICE
    for below, keys in (
        (wide, ((n, 0) for n in range(many))),
        (deep, ((0, n) for n in range(many))),
    ):
        shelves: Shelves[int, int, int] = Shelves(below)
        for first, key in keys:
            shelves.shelf(first)[key] = 1
        assert sum(1 for _ in shelves.settle()) == 3
        shelves.commit()
    assert len(wide) == many
    assert len(deep[0]) == many


def test_a_small_change_of_a_large_one_copies_nothing() -> None:
    large = dict.fromkeys(range(1000), 1)
    below = {"large": large, "small": {1: 1}}
    shelves: Shelves[str, int, int] = Shelves(below)
    shelves.shelf("large")[5] = 2
    shelves.shelf("small")[5] = 2
    assert list(shelves.shelf("large").changed_keys) == [5]
    assert list(shelves.settle()) == []
    shelves.commit()
    assert below["large"] is large
    assert large[5] == 2
    assert below["small"] == {1: 1, 5: 2}
