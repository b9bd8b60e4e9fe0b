"""What is wrong with a configuration file, and in which line."""

from dataclasses import dataclass
from enum import Enum

from sozutw.config.positions import Path, Positions


class Severity(Enum):
    """How much a problem weighs."""

    ERROR = "error"
    """The file is refused."""
    UNSUPPORTED = "unsupported"
    """Valid, but not served by this version, or no more: refused too, unless it is skipped."""
    WARNING = "warning"
    """Probably not what is meant; the file is taken all the same."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to tell the operator: what is wrong, and what is meant."""

    line: int
    severity: Severity
    text: str

    @property
    def is_refusal(self) -> bool:
        """Whether the file cannot be used because of this."""
        return self.severity is not Severity.WARNING

    def spell(self, path: str) -> str:
        """Return the line to print: ``file:line: what is wrong; what is meant``."""
        mark = "" if self.is_refusal else "warning: "
        return f"{path}:{self.line}: {mark}{self.text}"


class Report:
    """Collect the problems of one file, so that all are told at once."""

    def __init__(self, positions: Positions, *, skip_unsupported: bool) -> None:
        self._positions = positions
        self._skips_unsupported = skip_unsupported
        self._problems: list[Problem] = []

    @property
    def is_refusal(self) -> bool:
        """Whether anything so far speaks against using the file."""
        return any(problem.is_refusal for problem in self._problems)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the order of the file's lines."""
        return tuple(sorted(self._problems, key=lambda problem: problem.line))

    def line(self, path: Path) -> int:
        """Return the line on which the thing at ``path`` stands."""
        return self._positions.line(path)

    def refuse(self, path: Path, text: str) -> None:
        """Report an error."""
        self._add(path, Severity.ERROR, text)

    def warn(self, path: Path, text: str) -> None:
        """Report what is taken, but probably not meant."""
        self._add(path, Severity.WARNING, text)

    def refuse_unserved(self, path: Path, what: str, instead: str) -> None:
        """Report what this version does not serve; ``instead`` is what happens if skipped."""
        self.refuse_or_skip(path, f"{what} is not served by this version", instead)

    def refuse_or_skip(self, path: Path, text: str, instead: str) -> None:
        """Report what may be skipped; ``instead`` is what happens then."""
        if self._skips_unsupported:
            self.warn(path, f"{text}; {instead}")
        else:
            text = f"{text}; leave it out, or use --skip-unsupported"
            self._add(path, Severity.UNSUPPORTED, text)

    def warn_skipped(self, path: Path, text: str) -> None:
        """Report what follows from skipping something else; nothing if that is refused."""
        if self._skips_unsupported:
            self.warn(path, text)

    def _add(self, path: Path, severity: Severity, text: str) -> None:
        self._problems.append(Problem(self.line(path), severity, text))
