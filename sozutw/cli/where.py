"""
Where the proxy's command socket is: said on the command line, in the environment or in a file.

Of the file only what stands above its first table is read, so that a large one costs nothing, and
what is wrong further down keeps nobody from reaching the proxy that runs.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from sozutw.cli.commands import CONFIG, SOCKET, TIMEOUT
from sozutw.cli.outcome import BAD_CONFIGURATION, USAGE, NotDoneError
from sozutw.config.addresses import folder_of
from sozutw.config.model import Settings, Timeouts
from sozutw.config.positions import read_positions
from sozutw.config.problems import Report
from sozutw.config.settings_keys import COMMAND_SOCKET, read_timeouts
from sozutw.config.table import Checks, Reading, Table

CONFIG_VARIABLE: Final = "SOZUTW_CONFIG"
SOCKET_VARIABLE: Final = "SOZUTW_SOCKET"

_FIRST_TABLE: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
_NOTHING_TO_JUDGE: Final = Checks(
    regex=lambda _pattern: None,
    answer=lambda _status, _text: None,
    certificate=lambda _held: None,
    authorities=lambda _pem: None,
    tls_options=lambda _options: ((), ()),
)
"""No key above the first table has anything that only others can judge."""


@dataclass(frozen=True, slots=True)
class Where:
    """The command socket, and how long its answers are waited for."""

    path: str
    told_by: str
    """What named the path, for messages."""
    timeout: float | None
    """Seconds; None is without limit."""
    is_timeout_asked: bool = False
    """Whether somebody asked for this timeout on the command line."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    """The file's, which listeners have that say nothing else."""


def find(ctx: click.Context, environment: Mapping[str, str] | None = None) -> Where:
    """
    Return where the proxy is; what stands nearer to the operator's hands wins.

    Raises NotDoneError if nothing says it, or if the file that should cannot be read.
    """
    environment = os.environ if environment is None else environment
    config: str | None = ctx.meta.get(CONFIG)
    socket: str | None = ctx.meta.get(SOCKET)
    told_by = "--socket"
    if socket is None and config is None:
        socket = environment.get(SOCKET_VARIABLE) or None
        told_by = SOCKET_VARIABLE
    if config is None:
        config = environment.get(CONFIG_VARIABLE) or None
    if socket is not None:
        where = Where(os.path.abspath(socket), told_by, _seconds(Settings().ctl_command_timeout))
    elif config is not None:
        where = read_where(config)
    else:
        raise NotDoneError(
            "Which proxy is meant?",
            USAGE,
            "-c FILE names its configuration, -s PATH its command socket;",
            f"{CONFIG_VARIABLE} and {SOCKET_VARIABLE} in the environment do the same.",
        )
    asked: int | None = ctx.meta.get(TIMEOUT)
    if asked is None:
        return where
    return Where(where.path, where.told_by, _seconds(asked), True, where.timeouts)


def read_where(path: str) -> Where:
    """Return what a configuration says of its command socket."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise NotDoneError(
            f"{path}: cannot be read: {error.strerror}", BAD_CONFIGURATION, *_instead(error)
        ) from error
    except UnicodeDecodeError as error:
        raise NotDoneError(f"{path}: byte {error.start} is not UTF-8", BAD_CONFIGURATION) from error
    report = Report(read_positions(""), skip_unsupported=True)
    reading = Reading(report, folder_of(path), _read_nothing, _NOTHING_TO_JUDGE)
    table = Table(reading, (), _top_level(text, path), "the top level")
    socket = table.file_path("command_socket", COMMAND_SOCKET)
    patience = table.integer("ctl_command_timeout", Settings().ctl_command_timeout)
    timeouts = read_timeouts(table, Timeouts())
    if report.is_refusal:
        raise NotDoneError(
            "\n".join(f"{path}: {problem.text}" for problem in report.problems),
            BAD_CONFIGURATION,
            f"`sozutw config check -c {path}` tells all that is wrong with it.",
        )
    told_by = (
        f"command_socket in {path}" if "command_socket" in table else f"the default, as {path}"
    )
    return Where(os.path.abspath(socket), told_by, _seconds(patience), timeouts=timeouts)


def _seconds(milliseconds: int) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _read_nothing(path: str) -> str:
    raise AssertionError(path)


def _instead(error: OSError) -> list[str]:
    if isinstance(error, PermissionError):
        return ["It may be read by its owner; -s PATH names the command socket without it."]
    return []


def _top_level(text: str, path: str) -> dict[str, Any]:
    """Return the keys above the first table; TOML has them nowhere else."""
    first = _FIRST_TABLE.search(text)
    try:
        return tomllib.loads(text if first is None else text[: first.start()])
    except (tomllib.TOMLDecodeError, RecursionError):
        pass  # a line within a text or a list may begin so too
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise NotDoneError(
            f"{path}: this is no TOML: {error}",
            BAD_CONFIGURATION,
            f"`sozutw config check -c {path}` tells all that is wrong with it.",
        ) from error
