"""Tables are aligned, fit where they can, and never cut anything off."""

from hypothesis import given
from hypothesis import strategies as st

from sozutw.cli.tables import columns, pairs, table, width_of

ROWS = [("a", "10"), ("longer", "2")]


def test_numbers_stand_at_the_right() -> None:
    assert table(columns("name", ">count"), ROWS) == [
        "NAME    COUNT",
        "a          10",
        "longer      2",
    ]


def test_a_table_without_rows_has_its_heading() -> None:
    assert table(columns("name", ">count"), []) == ["NAME  COUNT"]


def test_what_is_not_there_is_a_hyphen_and_what_is_wide_takes_its_room() -> None:
    assert table(columns("a", "b"), [("", "x"), ("日本", "e\u0301")]) == [
        "A     B",
        "-     x",
        "日本  e\u0301",
    ]
    assert width_of("e\u0301日") == 3


def test_what_would_change_the_terminal_does_not() -> None:
    assert table(columns("a"), [("x\x1b[2Jy\n",)])[1] == "x\ufffd[2Jy\ufffd"
    assert pairs([("a", "\x1b")]) == ["a  \ufffd"]


def test_only_what_may_wrap_wraps() -> None:
    heads = columns("id", "~text")
    rows = [("an-id-that-is-long", "some words that take room"), ("b", "word")]
    assert table(heads, rows, 34) == [
        "ID                  TEXT",
        "an-id-that-is-long  some words",
        "                    that take room",
        "b                   word",
    ]
    assert table(heads, rows, 10)[1].startswith("an-id-that-is-long  ")


def test_a_long_word_stays_whole() -> None:
    word = "a-word-that-is-longer-than-its-column"
    assert table(columns("~text"), [(f"{word} end",)], 12) == ["TEXT", word, "end"]


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=5),
    st.integers(1, 60) | st.none(),
)
def test_every_word_of_every_cell_is_there(rows: list[tuple[str, str]], width: int | None) -> None:
    told = "\n".join(table(columns("id", "~text"), rows, width))
    for first, _ in rows:
        assert not first.isprintable() or first.strip() in told


def test_pairs_are_aligned() -> None:
    assert pairs([("a", "1"), ("longer", "")]) == ["a       1", "longer  -"]
    assert pairs([]) == []
