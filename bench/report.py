"""Say what was found: a table for people, JSON for programs, and the page of the documentation."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import BenchError
from bench.proxies import DIRECT, PROXIES
from bench.rounds import Outcome
from bench.scenarios import MEASURES

SUBJECT = "sozutw"
COLUMNS = (*PROXIES, DIRECT)
HEADER = (
    "scenario",
    "measure (median)",
    *COLUMNS,
    "÷ nginx",
    "÷ haproxy",
    "÷ better",
    "target",
    "reached",
)


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _target_cells(outcome: Outcome, measure: str, *, is_pgo: bool) -> tuple[str, str]:
    """Return the target of a row in words, and whether it is reached."""
    target = outcome.scenario.target
    if target is None or target.measure != measure:
        return "", ""
    limit = target.limit(is_pgo=is_pgo)
    if not target.against:
        words, value = f"≤ {limit:g}", outcome.value(SUBJECT, measure)
    else:
        against = target.against[0] if len(target.against) == 1 else "the better"
        words = f"≤ {limit:g} × {against}"
        value = outcome.ratio(SUBJECT, target.against, measure)
    if value is None:
        return words, ""
    return words, "yes" if value <= limit else "**no**"


def rows(outcomes: Sequence[Outcome], *, is_pgo: bool) -> list[list[str]]:
    """Return the cells of the table, one row for each figure of each scenario."""
    found = []
    for outcome in outcomes:
        for measure in outcome.measures:
            name, digits = MEASURES[measure]
            values = [_number(outcome.value(peer, measure), digits) for peer in COLUMNS]
            if measure.startswith(("cpu", "rss_mib")):
                values[-1] = ""  # the direct way has no proxy that could cost
            ratios = [
                _number(outcome.ratio(SUBJECT, others, measure))
                for others in (["nginx"], ["haproxy"], ["nginx", "haproxy"])
            ]
            if measure in {"requests_per_second", "mib_per_second"}:
                ratios[-1] = ""  # here more is better
            target = _target_cells(outcome, measure, is_pgo=is_pgo)
            found.append([outcome.scenario.name, name, *values, *ratios, *target])
    return found


def markdown(cells: list[list[str]]) -> str:
    """Return the table, aligned so that it reads well in a terminal too."""
    table = [list(HEADER), *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]

    def line(row: list[str]) -> str:
        text = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(text)} |"

    rule = [("-" * w if i < 2 else "-" * (w - 1) + ":") for i, w in enumerate(widths)]
    return "\n".join([line(table[0]), line(rule), *map(line, table[1:])])


def page(outcomes: Sequence[Outcome], about: dict[str, str], *, is_pgo: bool) -> str:
    """Return what stands between the markers of doc/performance.md."""
    told = "; ".join(f"{name} {value}" for name, value in about.items())
    faults = [f"- {o.scenario.name}: {fault}" for o in outcomes for fault in o.faults]
    parts = [f"Measured {told}.", "", markdown(rows(outcomes, is_pgo=is_pgo))]
    if faults:
        parts += [
            "",
            "Faults seen (answers that were not 200, or connections that broke):",
            *faults,
        ]
    return "\n".join(parts)


def write_json(folder: Path, outcomes: Sequence[Outcome], about: dict[str, str]) -> Path:
    """Keep every figure of every round."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "about": about,
        "scenarios": [
            {
                "name": o.scenario.name,
                "title": o.scenario.title,
                "target": asdict(o.scenario.target) if o.scenario.target else None,
                "rounds": o.rounds,
                "faults": o.faults,
            }
            for o in outcomes
        ],
    }
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def write_page(document: Path, name: str, text: str) -> None:
    """Put the text between the markers ``name`` of the document."""
    begin, end = f"<!-- bench {name}: begin -->", f"<!-- bench {name}: end -->"
    old = document.read_text()
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise BenchError(f"{document} needs one line {begin!r}, and one {end!r} after it")
    head = old[: old.index(begin) + len(begin)]
    document.write_text(f"{head}\n{text}\n{old[old.index(end) :]}")
