"""
In which line of a TOML text each key and element stands.

``tomllib`` gives values and keeps no positions. This reads the same text once more, after
``tomllib`` has accepted it, and so may take its grammar for granted.
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]
"""Keys, and indexes of elements: ``("listeners", 0, "address")``."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
# The closing quotes of a multi-line string may follow up to two that belong to the text.
_SCALAR: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|[^,\]}#\n]+",
    re.DOTALL,
)


_TABLE: Final = 1
_ARRAY: Final = 2
"""How many brackets the header of either has."""


class Positions:
    """Line numbers by path; the text is read when the first is asked for, which is seldom."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Path, int] | None = None

    def line(self, path: Path) -> int:
        """Return the line of ``path``, or of the innermost thing around it that was written."""
        if self._lines is None:
            self._lines = _Reader(self._text).read()
        while path:
            line = self._lines.get(path)
            if line is not None:
                return line
            path = path[:-1]
        return 1


def read_positions(text: str) -> Positions:
    """Return the positions in ``text``, which ``tomllib`` has accepted."""
    return Positions(text)


class _Reader:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._elements: dict[Path, int] = {}
        """How many ``[[tables]]`` each array has so far."""

    def read(self) -> dict[Path, int]:
        text = self._text
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(text):
            if text.startswith("[[", self._at):
                table = self._read_header(_ARRAY)
            elif text[self._at] == "[":
                table = self._read_header(_TABLE)
            else:
                self._read_pair(table)
            self._skip(_BLANK)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None
        self._at = match.end()

    def _note(self, path: Path, start: int) -> None:
        self._lines.setdefault(path, bisect_right(self._ends, start - 1) + 1)

    def _read_header(self, brackets: int) -> Path:
        start = self._at
        self._at += brackets
        keys = self._read_keys()
        self._at += brackets
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            self._note(path, start)
            path = self._into_last(path)
        path = (*path, keys[-1])
        if brackets == _ARRAY:
            self._note(path, start)
            index = self._elements.get(path, 0)
            self._elements[path] = index + 1
            path = (*path, index)
        self._note(path, start)
        return path

    def _into_last(self, path: Path) -> Path:
        count = self._elements.get(path)
        return path if count is None else (*path, count - 1)

    def _read_keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            match = _KEY.match(self._text, self._at)
            assert match is not None
            keys.append(_unquote(match.group()))
            self._at = match.end()
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _read_pair(self, table: Path) -> None:
        start = self._at
        keys = self._read_keys()
        assert self._text[self._at] == "="
        self._at += 1
        self._skip(_SPACE)
        path = table
        for key in keys:
            path = (*path, key)
            self._note(path, start)
        self._read_value(path)

    def _read_value(self, path: Path) -> None:
        match self._text[self._at]:
            case "[":
                self._read_array(path)
            case "{":
                self._read_inline_table(path)
            case _:
                self._skip(_SCALAR)

    def _read_array(self, path: Path) -> None:
        self._at += 1
        index = 0
        self._skip(_BLANK)
        while self._text[self._at] != "]":
            self._note((*path, index), self._at)
            self._read_value((*path, index))
            self._skip_comma()
            index += 1
        self._at += 1

    def _read_inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_BLANK)
        while self._text[self._at] != "}":
            self._read_pair(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)


def _unquote(key: str) -> str:
    if key[0] not in "\"'":
        return key
    if "\\" not in key or key[0] == "'":
        return key[1:-1]
    unquoted = tomllib.loads(f"key = {key}")["key"]
    assert isinstance(unquoted, str)
    return unquoted
