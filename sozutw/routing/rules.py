"""One rule as it is matched, and the choice among the rules of one host by path and method."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from sozutw.config.model import FrontendRule, PathType, Position

try:
    import re2  # type: ignore[import-untyped]
except ImportError:  # Without it the proxy runs, and REGEX rules are refused by name.
    re2 = None

T = TypeVar("T")

RuleKey = tuple[Position, str, PathType, str, str | None]
"""What makes two rules of one listener the same."""

_NONE: Final[dict[bytes, Any]] = {}

_NO_ENGINE: Final = "regular expressions need google-re2, which cannot be imported here"


class BadRuleError(ValueError):
    """A rule that cannot be matched: its host or its regular expression is wrong."""


def check_regex(pattern: str) -> str | None:
    """Why a regular expression cannot be used, or None if it can."""
    try:
        compile_regex(pattern)
    except BadRuleError as bad:
        return str(bad)
    return None


def compile_regex(pattern: str, is_whole: bool = False) -> Callable[[bytes], object | None]:
    """
    A function that finds the pattern anywhere, or matches it as a whole; or BadRuleError.

    It takes time in proportion to the text, whatever the pattern, for it stands in the way
    of every request (``re`` took 0.57 s for 24 characters).
    """
    if re2 is None:
        raise BadRuleError(_NO_ENGINE)
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    if pattern.isascii():
        # By bytes: in UTF-8 a "." would not match a stray byte, and who sends one would slip
        # past a rule that denies.
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else b""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadRuleError(f"bad regular expression {pattern!r}: {text}") from None
    found: Callable[[bytes], object | None] = compiled.fullmatch if is_whole else compiled.search
    return found


def rule_key(rule: FrontendRule) -> RuleKey:
    """What makes this rule the same as another of its listener: not where it leads."""
    host = rule.hostname
    # In a regex the case of a letter may be its meaning.
    host = host if "/" in host else host.lower()
    return (rule.position, host, rule.path_type, rule.path, rule.method)


class Entry(Generic[T]):
    """A rule, ready to be matched, and the value that it leads to."""

    __slots__ = ("method", "path", "path_type", "rule", "search", "serial", "value")

    def __init__(self, rule: FrontendRule, value: T, serial: int) -> None:
        assert value is not None, "None says that nothing was found"
        self.rule = rule
        self.value = value
        self.serial = serial
        """Grows with each rule added: ties go by it."""
        self.path_type = rule.path_type
        self.path = rule.path.encode()
        self.method = None if rule.method is None else rule.method.encode()
        is_regex = rule.path_type is PathType.REGEX
        self.search = compile_regex(rule.path) if is_regex else None

    def is_for_everything(self) -> bool:
        """Whether it holds for every path and method."""
        return self.path_type is PathType.PREFIX and not self.path and self.method is None

    def matches(self, target: bytes, method: bytes) -> bool:
        """Whether the rule holds, its host left aside."""
        if self.method is not None and self.method != method:
            return False
        if self.search is not None:
            return self.search(target) is not None
        if self.path_type is PathType.PREFIX:
            return target.startswith(self.path)
        return target == self.path


class HostRules(Generic[T]):
    """
    The rules of one host name, never changed.

    The earliest REGEX or EQUALS rule that names the method wins. Without one the longest match
    wins, and of equal ones the later rule; a REGEX or EQUALS rule for any method is as long
    as the whole target.
    """

    __slots__ = ("_equals", "_lengths", "_prefixes", "_regexes", "entries", "sole")

    def __init__(self, entries: dict[RuleKey, Entry[T]]) -> None:
        assert entries
        self.entries = entries
        self.sole: T | None = None
        """Hot: the value when the only rule is for all paths and methods, else None."""
        # Shared while empty: of 100,000 hosts most have one rule for everything.
        self._prefixes: dict[bytes, list[Entry[T]]] = _NONE
        self._equals: dict[bytes, list[Entry[T]]] = _NONE
        self._regexes: Sequence[Entry[T]] = ()
        self._lengths: Sequence[int] = ()
        first = next(iter(entries.values()))
        if len(entries) == 1 and first.is_for_everything():
            self.sole = first.value
        else:
            self._index(entries.values())

    def find(self, target: bytes, method: bytes) -> T | None:
        """The value of the rule that wins, None if none matches."""
        whole = self._find_whole(target, method) if self._regexes or self._equals else None
        if whole is not None and whole.method is not None:
            return whole.value
        prefixes = self._prefixes
        for length in self._lengths:
            if whole is not None and length < len(target):
                break
            # Cut beyond the end this is the target itself: the longest match, only found early.
            for entry in prefixes.get(target[:length], ()):
                if entry.method is None or entry.method == method:
                    if whole is None or whole.serial < entry.serial:
                        return entry.value
                    return whole.value
        return self.sole if whole is None else whole.value

    def _index(self, entries: Iterable[Entry[T]]) -> None:
        self._prefixes = {}
        self._equals = {}
        regexes: list[Entry[T]] = []
        for entry in entries:
            if entry.search is not None:
                regexes.append(entry)
            elif entry.path_type is PathType.EQUALS:
                self._equals.setdefault(entry.path, []).append(entry)
            else:
                # The latest first, for it wins.
                self._prefixes.setdefault(entry.path, []).insert(0, entry)
        self._regexes = regexes
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def _find_whole(self, target: bytes, method: bytes) -> Entry[T] | None:
        """The earliest match that names the method, else the latest for any."""
        named: Entry[T] | None = None
        for_any: Entry[T] | None = None
        for entries in (self._equals.get(target, ()), self._regexes):
            for entry in entries:
                if not entry.matches(target, method):
                    continue
                if entry.method is None:
                    for_any = _later(for_any, entry)
                else:
                    named = _earlier(named, entry)
        return named or for_any


def _later(one: Entry[T] | None, other: Entry[T]) -> Entry[T]:
    return other if one is None or one.serial < other.serial else one


def _earlier(one: Entry[T] | None, other: Entry[T]) -> Entry[T]:
    return other if one is None or one.serial > other.serial else one


def in_order(entries: Iterable[Entry[T]]) -> list[Entry[T]]:
    """The entries as they were added."""
    return sorted(entries, key=lambda entry: entry.serial)
