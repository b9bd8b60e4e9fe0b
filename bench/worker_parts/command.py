"""The command of the bench of workers: asks all peers in turns, tells, and judges."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench import machine, packages
from bench.ending import status_of
from bench.loads import CONNECTIONS
from bench.processes import BenchError
from bench.proxies import ROOT
from bench.worker_parts.asking import KEPT, LOADS, RESUMED
from bench.worker_parts.farm import PEERS, Farm, Peer

RESULTS = ROOT / "bench" / "results"
CPU_MAX = 1.10
SHARE_MIN = 0.40
RESUMED_MIN = 0.98
THROUGHPUT_MIN = 1.7
CORES_MIN = 4
ONE, TWO = ("sozutw 1", "sozutw 2")
DESCRIPTION = f"""\
Measure what two workers of sozutw cost more than one or than one process without workers, beside
nginx with one worker and with two, and how the two share the work. All peers are up at the same
time, on all cores, as are load and backend; they take turns, and ratios are taken within a round.
Loopback only, ports 18400 and 18420 to 18429.

It passes (status 0) when a request by two workers takes at most {CPU_MAX:g} times the CPU of one by
one worker, of connections that are opened at once and kept the lesser worker has {SHARE_MIN:.0%},
and {RESUMED_MIN:.0%} of the sessions that clients want to resume are resumed. On a machine of
{CORES_MIN} cores or more two workers must also answer {THROUGHPUT_MIN:g} times as much as one.
"""


class Turn(NamedTuple):
    """One load against one peer. Of the lesser worker's shares 0.5 is best; None if not told."""

    cpu_us: float
    rate: float
    connections: float | None
    requests: float | None
    resumed: float | None


Rounds = list[dict[str, Turn]]


def _share(before: list[int], after: list[int]) -> float | None:
    did = [now - then for then, now in zip(before, after, strict=True)]
    return min(did) / max(1, sum(did)) if len(did) > 1 else None


def take(farm: Farm, peer: Peer, name: str, seconds: int) -> Turn:
    """Run one load against one peer."""
    before = farm.counts(peer)
    told = LOADS[name](peer.port, peer.tls_port, seconds)
    after = farm.counts(peer)
    if told.faults:
        raise BenchError(f"{peer.name}, {name}: {', '.join(told.faults)}")
    came = sum(after.connections) - sum(before.connections)
    return Turn(
        (after.cpu - before.cpu) / told.requests * 1e6,
        told.requests / told.seconds,
        _share(before.connections, after.connections),
        _share(before.requests, after.requests),
        # The first on each of wrk's connections has no session to resume.
        (after.resumed - before.resumed) / max(1, came - CONNECTIONS)
        if name == RESUMED and came
        else None,
    )


def rounds_of(farm: Farm, name: str, options: argparse.Namespace) -> Rounds:
    """Warm all peers, then ask them in turns; another begins in each round."""
    for peer in PEERS:
        LOADS[name](peer.port, peer.tls_port, 1)
    taken = []
    for number in range(options.rounds):
        first = number % len(PEERS)
        order = PEERS[first:] + PEERS[:first]
        taken.append({peer.name: take(farm, peer, name, options.seconds) for peer in order})
        print(f"  {name}: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return taken


def ratio(rounds: Rounds, peer: str, other: str, figure: str) -> float:
    """Return the median of the rounds' ratios."""
    return median(getattr(r[peer], figure) / getattr(r[other], figure) for r in rounds)


def _told(rounds: Rounds, peer: str, figure: str) -> list[float]:
    values = [getattr(turns[peer], figure) for turns in rounds]
    return [value for value in values if value is not None]


def _median_and_least(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f})" if values else ""


def tell(seen: dict[str, Rounds]) -> None:
    """Print the table."""
    head = ("load", "peer", "CPU µs", "÷ one worker", "÷ its nginx", "requests/s")
    head += ("connections (least)", "requests (least)", "resumed")
    print(f"| {' | '.join(head)} |\n| --- | --- | {' | '.join(['---:'] * (len(head) - 2))} |")
    for name, rounds in seen.items():
        for peer in PEERS:
            resumed = _told(rounds, peer.name, "resumed")
            cells = [name, peer.name, f"{median(_told(rounds, peer.name, 'cpu_us')):.1f}"]
            cells.append(f"{ratio(rounds, peer.name, f'{peer.program} 1', 'cpu_us'):.2f}")
            beside = f"nginx {max(1, peer.workers)}"
            is_ours = peer.program == "sozutw"
            cells.append(f"{ratio(rounds, peer.name, beside, 'cpu_us'):.2f}" if is_ours else "")
            cells.append(f"{median(_told(rounds, peer.name, 'rate')):,.0f}")
            cells += [
                _median_and_least(_told(rounds, peer.name, figure))
                for figure in ("connections", "requests")
            ]
            cells.append(f"{median(resumed):.1%}" if resumed else "")
            print(f"| {' | '.join(cells)} |")


def judge(seen: dict[str, Rounds]) -> bool:
    """Print a line for each target; return whether all are reached."""
    outcomes = []

    def target(words: str, value: float, is_reached: bool) -> None:
        print(f"{'passed' if is_reached else 'failed'}: {words}: {value:.2f}")
        outcomes.append(is_reached)

    for name, rounds in seen.items():
        cpu = ratio(rounds, TWO, ONE, "cpu_us")
        target(f"{name}, CPU of two workers ÷ one ≤ {CPU_MAX:g}", cpu, cpu <= CPU_MAX)
        if name in KEPT:
            share = median(_told(rounds, TWO, "connections"))
            target(f"{name}, the lesser worker's share ≥ {SHARE_MIN:g}", share, share >= SHARE_MIN)
        if name == RESUMED:
            part = median(_told(rounds, TWO, "resumed"))
            target(f"{name}, resumed ≥ {RESUMED_MIN:g}", part, part >= RESUMED_MIN)
        if (os.cpu_count() or 1) >= CORES_MIN:
            more = ratio(rounds, TWO, ONE, "rate")
            words = f"{name}, requests per second of two workers ÷ one ≥ {THROUGHPUT_MIN:g}"
            target(words, more, more >= THROUGHPUT_MIN)
    if (os.cpu_count() or 1) < CORES_MIN:
        print(
            f"not judged: {THROUGHPUT_MIN:g} times the requests; with {os.cpu_count()} cores, load "
            "and backend need what a second worker could use"
        )
    return all(outcomes)


def tell_memory(farm: Farm) -> None:
    """Print what each process of sozutw has in memory."""
    print("\n| peer | process | RSS MiB | PSS MiB |\n| --- | --- | ---: | ---: |")
    for peer in PEERS:
        if peer.program == "sozutw":
            for title, rss, pss in farm.memory(peer):
                print(f"| {peer.name} | {title} | {rss:.1f} | {pss:.1f} |")


def run(options: argparse.Namespace) -> int:
    """Measure, tell and judge; return the exit status."""
    packages.find_programs()
    packages.install_programs()
    machine.raise_descriptor_limit()
    bystanders = machine.Bystanders()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-workers-")))
        farm = Farm(folder, stack)
        tell_memory(farm)
        seen = {name: rounds_of(farm, name, options) for name in options.only}
    print()
    tell(seen)
    about: dict[str, Any] = {"on": f"{datetime.now(UTC):%Y-%m-%d}", **machine.versions(ROOT)}
    about["used by other programs meanwhile"] = f"{bystanders.share():.0%} of all cores"
    print(f"\n{'; '.join(f'{key} {value}' for key, value in about.items())}\n")
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"workers-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    figures = {
        name: [{peer: turn._asdict() for peer, turn in turns.items()} for turns in rounds]
        for name, rounds in seen.items()
    }
    path.write_text(json.dumps({"about": about, "loads": figures}, indent=1) + "\n")
    print(path)
    return 0 if judge(seen) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/workers",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="+", choices=LOADS, default=list(LOADS), metavar="LOAD", help="(all)"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each peer (7)")
    parser.add_argument("--seconds", type=int, default=2, help="length of one load (2)")
    return parser.parse_args(arguments)


def main() -> int:
    return status_of("bench/workers", lambda: run(parse(sys.argv[1:])), BenchError)


if __name__ == "__main__":
    sys.exit(main())
