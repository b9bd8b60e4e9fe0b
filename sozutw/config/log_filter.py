"""Which log lines are written, as ``log_level`` says it: ``level`` or ``module=level,...``."""

from enum import IntEnum
from typing import Final


class Level(IntEnum):
    """How much a line matters; a filter admits its own level and all above."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    OFF = 5
    """Above every line."""


_LEVELS: Final = {level.name.lower(): level for level in Level}
_LEVELS_MEANT: Final = ", ".join(reversed(_LEVELS))


class LogFilter:
    """
    Levels by module; of several entries that match, the last one holds, as in Sōzu.

    An entry matches the module that it names and what lies below it. What no entry matches
    is admitted from ``error`` on.
    """

    __slots__ = ("_by_module", "_entries")

    def __init__(self, entries: tuple[tuple[str, Level], ...]) -> None:
        self._entries = entries
        """Module and level, in order; the module ``""`` matches all."""
        self._by_module: dict[str, Level] = {}

    @classmethod
    def parse(cls, text: str) -> "LogFilter":
        """Read a filter, or raise a ValueError that says what is meant."""
        entries = [_entry(part.strip()) for part in text.split(",") if part.strip()]
        if not entries:
            raise ValueError(f"it names no level; one of {_LEVELS_MEANT} is meant")
        return cls(tuple(entries))

    def admits(self, module: str, level: Level) -> bool:
        """Tell whether a line of this module and level is written."""
        least = self._by_module.get(module)
        if least is None:
            # Modules are as many as there are files, so that this stays small.
            least = self._by_module[module] = self._least(module)
        return level >= least

    def _least(self, module: str) -> Level:
        least = Level.ERROR
        for name, level in self._entries:
            if not name or module == name or module.startswith(name + "."):
                least = level
        return least


def _entry(text: str) -> tuple[str, Level]:
    module, equals, name = text.partition("=")
    if not equals:
        level = _LEVELS.get(text.lower())
        # A module without a level is heard in full.
        return (_module(text), Level.TRACE) if level is None else ("", level)
    level = _LEVELS.get(name.strip().lower())
    if level is None:
        raise ValueError(f"{name.strip()!r} is not a level; one of {_LEVELS_MEANT} is meant")
    return _module(module.strip()), level


def _module(name: str) -> str:
    # Sōzu's modules are spelled a::b; ours are a.b.
    dotted = name.replace("::", ".")
    if not all(part.isidentifier() for part in dotted.split(".")):
        raise ValueError(
            f"{name!r} is neither a level ({_LEVELS_MEANT}) nor a module; "
            "level or module=level is meant"
        )
    return dotted
