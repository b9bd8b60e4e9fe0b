from sozutw.transport.tls.recent import Recent


def test_the_longest_unused_goes_first() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    assert len(recent) == 2


def test_what_is_put_again_is_in_use_again() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    recent.put("a", 3)
    recent.put("c", 4)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (3, None, 4)


def test_entries_are_dropped_by_their_keys() -> None:
    recent: Recent[tuple[str, ...], int] = Recent(9)
    for number, key in enumerate((("a",), ("a", "b"), ("c",))):
        recent.put(key, number)
    recent.drop_if(lambda key: "a" in key)
    assert len(recent) == 1
    assert recent.get(("c",)) == 2
