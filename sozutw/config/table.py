"""
A table of a configuration file, whose keys are read one by one and reported when wrong.

Whatever is wrong, a reader gets a value of the type it asked for, so that it can go on and
find the next problem. What no one has read is unknown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Final, TypeVar

from sozutw.config.addresses import parse_network, parse_socket_address, path_in
from sozutw.config.hostnames import RegexCheck
from sozutw.config.model import InetAddress, Network
from sozutw.config.positions import Path
from sozutw.config.problems import Report
from sozutw.config.security import CertificateAndKey, CertificateFiles, TlsOptions

UNSIGNED_32_MAX: Final = 2**32 - 1
"""What Sōzu keeps most numbers in."""

_SIMILAR: Final = 0.7
"""From where on a key is told as what was probably meant."""
_SHOWN_MAX: Final = 60

_Default = TypeVar("_Default")
_Member = TypeVar("_Member", bound=Enum)
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, slots=True)
class Checks:
    """What only others can judge: each says what is wrong, or None."""

    regex: RegexCheck
    answer: Callable[[str, str], str | None]
    """Given a status and a template."""
    certificate: Callable[[CertificateAndKey], str | None]
    authorities: Callable[[str], str | None]
    """Given certificates of authorities, as PEM."""
    tls_options: Callable[[TlsOptions], tuple[Sequence[str], Sequence[str]]]
    """Gives errors and warnings, each of which names the key that it is about."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What every table of one file is read with."""

    report: Report
    folder: str
    """What relative paths are relative to: empty, or with a slash at its end."""
    read_file: Callable[[str], str]
    checks: Checks
    certificates: dict[CertificateFiles, CertificateAndKey] = field(default_factory=dict)
    """What was read and found right so far."""


class Table:
    """
    One table, and where it stands.

    ``noun`` names it in what is told: ``a listener``.
    """

    def __init__(
        self, reading: Reading, path: Path, values: Mapping[str, object], noun: str
    ) -> None:
        self.reading = reading
        self.report = reading.report
        self.path = path
        self.noun = noun
        self._values = values
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Whether the key was written."""
        self._known.add(key)
        return key in self._values

    def know(self, key: str) -> None:
        """Take a key for read."""
        self._known.add(key)

    def knows(self, key: str) -> bool:
        """Whether someone has read this key."""
        return key in self._known

    def at(self, key: str) -> Path:
        """Return the path of a key."""
        return (*self.path, key)

    def refuse(self, key: str, text: str) -> None:
        """Report an error at a key."""
        self.report.refuse(self.at(key), text)

    def warn(self, key: str, text: str) -> None:
        """Report what is taken, but probably not meant, at a key."""
        self.report.warn(self.at(key), text)

    def refuse_unserved(self, key: str, instead: str) -> None:
        """Report a key that this version does not serve, if it was written."""
        if key in self:
            self.report.refuse_unserved(self.at(key), key, instead)

    def string(self, key: str, default: _Default) -> str | _Default:
        """Return a text."""
        value = self._value(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        return self._wrong(key, value, "a text in quotes is meant", default)

    def parsed(
        self, key: str, parse: Callable[[str], _Parsed], default: _Default
    ) -> _Parsed | _Default:
        """Return what ``parse`` makes of a text; its ValueError says what is meant."""
        text = self.string(key, None)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            return self._wrong(key, text, str(error), default)

    def checked(
        self, key: str, is_right: Callable[[str], bool], meant: str, default: _Default
    ) -> str | _Default:
        """Return a text of which ``is_right`` holds."""
        text = self.string(key, None)
        if text is None:
            return default
        return text if is_right(text) else self._wrong(key, text, meant, default)

    def account(self, key: str, default: _Default) -> str | int | _Default:
        """Return the name or the number of a user or group."""
        value = self._value(key)
        if value is None:
            return default
        if isinstance(value, str) and value and value.isprintable():
            return value
        # The greatest number is the kernel's word for nobody.
        if type(value) is int and 0 <= value < UNSIGNED_32_MAX:
            return value
        meant = f"a name, or a number from 0 to {UNSIGNED_32_MAX - 1} is meant"
        return self._wrong(key, value, meant, default)

    def flag(self, key: str, default: _Default) -> bool | _Default:
        """Return true or false."""
        value = self._value(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        return self._wrong(key, value, "true or false is meant, without quotes", default)

    def integer(
        self, key: str, default: _Default, least: int = 0, most: int = UNSIGNED_32_MAX
    ) -> int | _Default:
        """Return a whole number between two bounds."""
        value = self._value(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        return self._wrong(key, value, f"a whole number from {least} to {most} is meant", default)

    def seconds(
        self, key: str, default: _Default, *, may_be_zero: bool = False
    ) -> float | _Default:
        """Return a duration, whole or with a fraction."""
        value = self._value(key)
        if value is None:
            return default
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (is_duration(value) or (value == 0 and may_be_zero))
        ):
            return float(value)
        bound = "0 or more" if may_be_zero else "more than 0"
        return self._wrong(key, value, f"a number of seconds, {bound}, is meant", default)

    def choice(self, key: str, default: _Member) -> _Member:
        """Return the member that is named; case, ``-`` and ``_`` make no difference."""
        text = self.string(key, None)
        if text is None:
            return default
        members = type(default)
        for member in members:
            if _plain(member.value) == _plain(text):
                return member
        names = ", ".join(member.value for member in members)
        return self._wrong(key, text, f"one of {names} is meant", default)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one that stands alone is a list of one."""
        value = self._value(key)
        if isinstance(value, str):
            return (value,)
        return tuple(
            item if isinstance(item, str) else self._wrong_item(key, index, item, "a text", "")
            for index, item in enumerate(self._list(key, value))
        )

    def integers(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers, none negative."""
        return tuple(
            item
            if isinstance(item, int) and not isinstance(item, bool) and item >= 0
            else self._wrong_item(key, index, item, "a whole number", 0)
            for index, item in enumerate(self._list(key, self._value(key)))
        )

    def networks(self, key: str, default: tuple[Network, ...]) -> tuple[Network, ...]:
        """Return a list of networks."""
        if key not in self:
            return default
        networks = []
        for index, text in enumerate(self.texts(key)):
            try:
                networks.append(parse_network(text))
            except ValueError as error:
                self.report.refuse((*self.at(key), index), f"{key} has {_show(text)}; {error}")
        return tuple(networks)

    def socket_address(self, key: str) -> InetAddress | None:
        """Return an IP address with a port."""
        return self.parsed(key, parse_socket_address, None)

    def file_path(self, key: str, default: _Default) -> str | _Default:
        """Return a path; a relative one is made relative to the configuration's folder."""
        text = self.string(key, None)
        if text is None:
            return default
        if not text or "\0" in text:
            return self._wrong(key, text, "the path of a file is meant", default)
        return path_in(self.reading.folder, text)

    def mapping(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        table = self.table(key, f"the {key} of {self.noun}")
        if table is None:
            return {}
        return {name: table.string(name, "") for name in table}

    def table(self, key: str, noun: str) -> "Table | None":
        """Return a table within this one."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, dict):
            return Table(self.reading, self.at(key), value, noun)
        return self._wrong(key, value, "a table is meant", None)

    def tables(self, key: str, noun: str) -> "list[Table]":
        """Return a list of tables."""
        tables = []
        for index, item in enumerate(self._list(key, self._value(key))):
            if isinstance(item, dict):
                tables.append(Table(self.reading, (*self.at(key), index), item, noun))
            else:
                self._wrong_item(key, index, item, "a table", None)
        return tables

    def __iter__(self) -> Iterator[str]:
        """Give the keys that were written; to have seen one is not to know it."""
        return iter(self._values)

    def unknown(self) -> Iterator[tuple[str, str]]:
        """Give each key that no one has read, with what is probably meant."""
        for key in self._values:
            if key not in self._known:
                near = get_close_matches(key, sorted(self._known), 1, _SIMILAR)
                meant = f"did you mean {near[0]}?" if near else f"{self.noun} has no such key"
                yield key, f"unknown key {key}; {meant}"

    def refuse_unknown(self) -> None:
        """Report each key that no one has read as an error."""
        for key, text in self.unknown():
            self.refuse(key, text)

    def _value(self, key: str) -> object:
        self._known.add(key)
        return self._values.get(key)

    def _list(self, key: str, value: object) -> list[object]:
        if isinstance(value, list):
            return value
        return [] if value is None else self._wrong(key, value, "a list is meant", [])

    def _wrong(self, key: str, value: object, meant: str, default: _Default) -> _Default:
        self.refuse(key, f"{key} is {_show(value)}; {meant}")
        return default

    def _wrong_item(
        self, key: str, index: int, item: object, meant: str, default: _Default
    ) -> _Default:
        self.report.refuse((*self.at(key), index), f"{key} has {_show(item)}; {meant} is meant")
        return default


def is_duration(seconds: float) -> bool:
    """Whether something can take so long; no one waits for 0 seconds."""
    return 0 < seconds <= UNSIGNED_32_MAX


def printable(text: str) -> str:
    """Return a text that changes nothing of the terminal it is shown on."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _show(value: object) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"'
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    text = printable(text)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"
