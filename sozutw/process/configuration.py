"""
The operator's file, read and judged: one verdict for every command that takes one.

``config.file`` does not touch the disk; this does.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sozutw.config.file import load
from sozutw.config.model import Config
from sozutw.config.positions import read_positions
from sozutw.config.problems import Problem, Severity
from sozutw.config.table import Checks
from sozutw.control.messages.checks import (
    check_answer,
    check_authorities,
    check_certificate,
    check_tls_options,
)
from sozutw.listen.limits import TooFewDescriptorsError, sessions_possible
from sozutw.process.system.privileges import AccountError, account_of, check_may_become
from sozutw.routing.rules import check_regex

EX_CONFIG = 78
"""The exit status of a bad configuration, as in sysexits.h."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file means, and everything that is wrong with it."""

    path: str
    config: Config | None
    """None when the file cannot be served; then ``problems`` says why."""
    problems: tuple[Problem, ...]

    def lines(self) -> list[str]:
        """Return the problems as an operator, and an editor, reads them: ``file:line: …``."""
        return [problem.spell(self.path) for problem in self.problems]


def read_configuration(
    path: str, *, skip_unsupported: bool = False, is_running: bool = False
) -> Verdict:
    """
    Read a file and all that it names, and judge it whole; never raises for what it says.

    Where the process ``is_running`` already, it may have given up what only a start needs.
    """
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(1, Severity.ERROR, f"cannot be read: {_reason(error)}")
        return Verdict(path, None, (problem,))
    checks = Checks(
        check_regex, check_answer, check_certificate, check_authorities, check_tls_options
    )
    with _collector_at_rest():
        # Whatever folder the process is in later, a relative path means what it means now.
        where = os.path.abspath(path)  # links stay as they were written
        loaded = load(text, where, _read, checks, skip_unsupported=skip_unsupported)
    if loaded.config is not None:
        listeners = len(loaded.config.listeners) + len(loaded.config.https_listeners)
        try:
            sessions_possible(loaded.config.settings.max_connections, listeners)
        except TooFewDescriptorsError as error:
            line = read_positions(text).line(("max_connections",))
            problem = Problem(line, Severity.ERROR, str(error))
            return Verdict(path, None, (*loaded.problems, problem))
        try:
            account = account_of(loaded.config.settings.user, loaded.config.settings.group)
            if account is not None and not is_running:
                check_may_become(account)
        except AccountError as error:
            line = read_positions(text).line((error.key,))
            problem = Problem(line, Severity.ERROR, str(error))
            return Verdict(path, None, (*loaded.problems, problem))
        if listeners == 0:
            idle = Problem(1, Severity.WARNING, "there is no listener, so nothing is served")
            return Verdict(path, loaded.config, (idle, *loaded.problems))
    return Verdict(path, loaded.config, loaded.problems)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the collector of cycles from walking again and again through all that is read."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Say why a file could not be read, without the number and the name once more."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"byte {error.start} is not UTF-8"
