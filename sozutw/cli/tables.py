"""
Plain tables: a heading in capitals, columns two spaces apart, nothing ever cut off.

A column that may wrap goes on in the next line where the terminal is too narrow; all others
are as wide as what is in them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final
from unicodedata import combining, east_asian_width

from sozutw.config.table import printable

GAP: Final = 2
_WRAPPED_LEAST: Final = 12
"""No column is wrapped to less."""
NOTHING: Final = "-"
"""What stands where there is no value."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and how it is set."""

    title: str
    is_right: bool = False
    """Whether its cells stand at the right, as numbers do."""
    may_wrap: bool = False


def columns(*titles: str) -> tuple[Column, ...]:
    """Return columns: ``>`` before a title is for numbers, ``~`` for what may wrap."""
    return tuple(
        Column(title.lstrip(">~"), title.startswith(">"), title.startswith("~")) for title in titles
    )


def table(
    heads: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> list[str]:
    """Return the lines of a table that is ``width`` cells wide at most, if it can be."""
    cells = [[printable(cell) or NOTHING for cell in row] for row in rows]
    titles = [head.title.upper() for head in heads]
    widths = [max(map(width_of, column)) for column in zip(titles, *cells, strict=True)]
    if width is not None:
        _narrow(heads, widths, width)
    lines = _row(heads, titles, widths)
    for row in cells:
        lines += _row(heads, row, widths)
    return lines


def pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines of names and values, the values below each other."""
    told = [(name, printable(value) or NOTHING) for name, value in rows]
    widest = max((width_of(name) for name, _ in told), default=0)
    return [f"{_padded(name, widest)}{' ' * GAP}{value}" for name, value in told]


def width_of(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )


def _padded(text: str, width: int, *, is_right: bool = False) -> str:
    space = " " * (width - width_of(text))
    return space + text if is_right else text + space


def _narrow(heads: Sequence[Column], widths: list[int], width: int) -> None:
    """Take what is too much from the columns that may wrap, the widest first."""
    while sum(widths) + GAP * (len(widths) - 1) > width:
        wrapping = [
            (widths[n], n)
            for n, head in enumerate(heads)
            if head.may_wrap and widths[n] > max(_WRAPPED_LEAST, width_of(head.title))
        ]
        if not wrapping:
            return
        widths[max(wrapping)[1]] -= 1


def _row(heads: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the lines of one row."""
    parts = [
        _wrapped(cell, width) if head.may_wrap else [cell]
        for head, cell, width in zip(heads, row, widths, strict=True)
    ]
    lines = []
    for number in range(max(map(len, parts))):
        line = (
            _padded(part[number] if number < len(part) else "", width, is_right=head.is_right)
            for head, part, width in zip(heads, parts, widths, strict=True)
        )
        lines.append((" " * GAP).join(line).rstrip())
    return lines


def _wrapped(cell: str, width: int) -> list[str]:
    # A word that is longer than the column stays whole: it may be an address or an id.
    if width_of(cell) <= width:
        return [cell]
    return wrap(cell, width, break_long_words=False, break_on_hyphens=False)
