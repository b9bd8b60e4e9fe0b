"""Where keys stand, whatever notation wrote them."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.positions import Path, read_positions

TEXT = """\
# a comment [with] = brackets
top = 1 # trailing = comment
"quo\\u0074ed key".'lit' = 2

[[listeners]]
address = "a # no comment"
  [listeners.hsts]
  enabled = true
[[listeners]]
address = '''
lines ''''
after = 1979-05-27 07:32:00

[clusters.Mine]
frontends = [
  { address = "x", tags = { a = "]", b.c = 'd' } }, # here
  # nothing here
  { address = \"\"\"y \\\" } ""\"\"\" },
]
numbers = [ [1, 2,], [
 3 ] ]
[clusters."o.t.h.e.r"] # dots
x = []
y = {}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted key", "lit"), 3),
        (("quoted key",), 3),
        (("listeners",), 5),
        (("listeners", 0), 5),
        (("listeners", 0, "address"), 6),
        (("listeners", 0, "hsts"), 7),
        (("listeners", 0, "hsts", "enabled"), 8),
        (("listeners", 1), 9),
        (("listeners", 1, "address"), 10),
        (("listeners", 1, "after"), 12),
        (("clusters",), 14),
        (("clusters", "Mine"), 14),
        (("clusters", "Mine", "frontends"), 15),
        (("clusters", "Mine", "frontends", 0), 16),
        (("clusters", "Mine", "frontends", 0, "tags", "b", "c"), 16),
        (("clusters", "Mine", "frontends", 1), 18),
        (("clusters", "Mine", "frontends", 1, "address"), 18),
        (("clusters", "Mine", "numbers", 1), 20),
        (("clusters", "Mine", "numbers", 1, 0), 21),
        (("clusters", "o.t.h.e.r"), 22),
        (("clusters", "o.t.h.e.r", "y"), 24),
    ],
)
def test_each_thing_has_the_line_where_it_begins(path: Path, line: int) -> None:
    tomllib.loads(TEXT)
    assert read_positions(TEXT).line(path) == line


def test_what_was_not_written_has_the_line_of_what_is_around_it() -> None:
    positions = read_positions(TEXT)
    assert positions.line(("listeners", 1, "hsts", "max_age")) == 9
    assert positions.line(("nothing", "of", "this")) == 1


def test_line_breaks_within_inline_tables_are_fine_too() -> None:
    text = "x = {\n  a = 1, # TOML 1.1\n  b = 2\n}\ny = 3"
    positions = read_positions(text)
    assert [positions.line(path) for path in (("x", "a"), ("x", "b"), ("y",))] == [2, 3, 5]


def test_an_empty_text_has_no_positions() -> None:
    assert read_positions("").line(("top",)) == 1


def test_arrays_of_tables_may_be_nested() -> None:
    text = "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a]]\n[[a.b]]\nx = 3\n"
    positions = read_positions(text)
    assert positions.line(("a", 0, "b", 1, "x")) == 5
    assert positions.line(("a", 1, "b", 0, "x")) == 8


KEYS = st.text("ab.\"'\\ #=[]é\n", max_size=4)
SCALARS = st.text("x'\"\\#,]}\n=", max_size=6) | st.integers() | st.booleans()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@given(tree=st.dictionaries(KEYS, TREES, max_size=4), gaps=st.lists(st.integers(0, 3), max_size=4))
def test_every_key_of_any_document_is_found(tree: dict[str, object], gaps: list[int]) -> None:
    text, expected, line = "", {}, 1
    for number, (key, value) in enumerate(tree.items()):
        blank = gaps[number] if number < len(gaps) else 0
        text += "\n" * blank + f"{quoted(key)} = {spelled(value)} # end\r\n"
        line += blank
        for path in paths((key,), value):
            expected[path] = line
        line += 1
    assert tomllib.loads(text) == tree
    positions = read_positions(text)
    assert {path: positions.line(path) for path in expected} == expected


def paths(path: Path, value: object) -> list[Path]:
    match value:
        case dict():
            return [path, *(p for k, v in value.items() for p in paths((*path, k), v))]
        case list():
            return [path, *(p for i, v in enumerate(value) for p in paths((*path, i), v))]
        case _:
            return [path]


def spelled(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{quoted(k)} = {spelled(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case str():
            return quoted(value)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
