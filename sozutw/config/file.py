"""
Read a whole configuration file: Sōzu's ``config.toml``, with a few keys of our own.

What is wrong is told all at once. Nothing here opens a file or looks up a name: what a
file leads to is read by a function that the caller brings along.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from sozutw.config.addresses import folder_of
from sozutw.config.assembly import Assembly
from sozutw.config.model import Config, InetAddress
from sozutw.config.positions import read_positions
from sozutw.config.problems import Problem, Report, Severity
from sozutw.config.settings_keys import FORMER_KEYS, read_settings
from sozutw.config.table import Checks, Reading, Table

_TOML_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file says, and all that is wrong with it."""

    config: Config | None
    """None when any problem is a refusal."""
    problems: tuple[Problem, ...]
    """In the order of the file's lines."""


def load(
    text: str,
    path: str,
    read_file: Callable[[str], str],
    checks: Checks,
    *,
    skip_unsupported: bool = False,
) -> Loaded:
    """
    Read the text of the file at ``path``, to whose folder relative paths are relative.

    What it names is read by ``read_file`` and judged by ``checks``. With ``skip_unsupported``
    what this version does not serve is left out with a warning; otherwise the file is refused
    for it.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Loaded(None, (_syntax_problem(str(error), text),))
    except RecursionError:
        problem = Problem(1, Severity.ERROR, "it is nested too deeply; no key needs more than five")
        return Loaded(None, (problem,))
    report = Report(read_positions(text), skip_unsupported=skip_unsupported)
    reading = Reading(report, folder_of(path), read_file, checks)
    root = Table(reading, (), values, "the top level")
    settings = read_settings(root)
    assembly = Assembly(settings)
    for table in root.tables("listeners", "a listener"):
        assembly.add_listener(table)
    clusters = root.table("clusters", "clusters")
    for cluster_id in clusters or ():
        assert clusters is not None
        table_or_none = clusters.table(cluster_id, f"cluster {cluster_id}")
        if table_or_none is not None:
            assembly.add_cluster(table_or_none, cluster_id)
    assembly.refuse_clash_with_admin(report)
    assembly.tell_what_is_missing(report)
    _warn_of_unknown(root)
    return Loaded(None if report.is_refusal else assembly.config(), report.problems)


def names(config: Config) -> list[str]:
    """Return the host names, each once and sorted, that have to be looked up for backends."""
    hosts = {b.address.host for b in config.backends if isinstance(b.address, InetAddress)}
    return sorted(host for host in hosts if not _is_ip(host))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _syntax_problem(message: str, text: str) -> Problem:
    """Make a problem of what ``tomllib`` says, which tells the place in words."""
    place = _TOML_PLACE.search(message)
    line = int(place[1]) if place is not None and place[1] else text.count("\n") + 1
    return Problem(line, Severity.ERROR, f"this is no TOML: {_TOML_PLACE.sub('', message)}")


def _warn_of_unknown(root: Table) -> None:
    """Sōzu ignores what it does not know at the top level, so files in use may have it."""
    for key, text in root.unknown():
        former = FORMER_KEYS.get(key)
        root.warn(key, text if former is None else f"unknown key {key}; {former}")
