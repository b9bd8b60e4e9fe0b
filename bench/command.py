"""The command: reads its arguments, prepares, compares, reports, and ends all that it started."""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from bench import machine, packages, report
from bench.ending import status_of
from bench.processes import BenchError
from bench.proxies import HOST, PORTS, PROXIES, ROOT, TLS_PORTS, Place
from bench.rounds import Outcome, compare
from bench.scenarios import SCENARIOS, Extent, Scenario
from bench.tls_scenarios import TLS_SCENARIOS

RESULTS = ROOT / "bench" / "results"
DOCUMENT = ROOT / "doc" / "performance.md"
GROUPS = {"http": SCENARIOS, "tls": TLS_SCENARIOS}
"""What is measured and written together; each has its own markers in the document."""

DESCRIPTION = """\
Compare what sozutw costs with what nginx and HAProxy cost on this machine.

Each proxy runs with one worker, pinned to one core; the load and an nginx backend are pinned to
another. The proxies take turns, round by round, and what counts is the ratio within a round:
absolute figures of a shared machine say little. Loopback only; ports 18400 to 18404, and for TLS
18405 (nginx), 18406 (HAProxy) and 18407 (sozutw).
"""

EPILOG = """\
scenarios:
{scenarios}

examples:
  bench/run                                  all of it, in nine minutes; writes doc/performance.md
  bench/run --only tls                       what is measured over TLS, and its tables only
  bench/run --python /usr/bin/python3        the same with Debian's interpreter (built with PGO)
  bench/run --only keep-alive-3,download     two scenarios; the document stays as it is
  bench/run --peers nginx,haproxy --quick    does the bench itself work here?
  bench/run --hold                           start everything, and wait: for a profiler

A full run (all scenarios of a group, all peers, three rounds or more, not --quick) is
written into doc/performance.md: "http" between the markers "pgo" where the interpreter was
built with profile-guided optimisation, else between the markers "plain"; "tls" between
"pgo tls" or "plain tls". Every run leaves all its figures in bench/results/ as JSON. The
exit status is 0 also where a target is missed; it is 1 when the comparison could not be
made, or a proxy gave a wrong answer.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, or end with a usage message."""
    names = [scenario.name for group in GROUPS.values() for scenario in group]
    listed = "\n".join(
        f"  {name}:\n" + "\n".join(f"    {s.name:24}{s.title}" for s in group)
        for name, group in GROUPS.items()
    )
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description=DESCRIPTION,
        epilog=EPILOG.format(scenarios=listed),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def chosen(
        allowed: Sequence[str], groups: Mapping[str, Sequence[Scenario]] = MappingProxyType({})
    ) -> Callable[[str], list[str]]:
        def split(text: str) -> list[str]:
            picked = text.split(",")
            if unknown := [name for name in picked if name not in {*allowed, *groups}]:
                message = f"{', '.join(unknown)}: choose from {', '.join((*groups, *allowed))}"
                raise argparse.ArgumentTypeError(message)
            whole = {s.name for name in picked for s in groups.get(name, ())}
            return [name for name in allowed if name in whole or name in picked]

        return split

    add = parser.add_argument
    add(
        "--only",
        type=chosen(names, GROUPS),
        default=names,
        metavar="NAMES",
        help="scenarios or groups of them, by commas",
    )
    add("--peers", type=chosen(PROXIES), default=list(PROXIES), metavar="NAMES", help="proxies")
    add("--rounds", type=int, default=3, help="turns of each peer (3; modest-rate has 5 or more)")
    add("--seconds", type=int, default=3, help="length of one load by wrk (3)")
    add("--quick", action="store_true", help="one short round of each: a look, not a measurement")
    add("--python", metavar="PATH", help="interpreter for sozutw, with a cached venv of its own")
    add("--optimize", action="store_true", help="run sozutw with PYTHONOPTIMIZE=1")
    add("--no-doc", action="store_true", help="leave doc/performance.md alone")
    add("--hold", action="store_true", help="start everything, print pids and ports, and wait")
    return parser.parse_args(arguments)


def is_full(group: Sequence[Scenario], options: argparse.Namespace) -> bool:
    """Return whether nothing was left out that the document tells of a group."""
    return (
        all(scenario.name in options.only for scenario in group)
        and len(options.peers) == len(PROXIES)
        and options.rounds >= 3
        and not options.quick
        and not options.no_doc
    )


def hold(place: Place) -> None:
    """Wait, so that a profiler or a curl can be pointed at what runs."""
    for name, running in place.running.items():
        print(f"{name:8} pid {running.pid}, 127.0.0.1:{PORTS[name]}, output in {running.output}")
    peer = PORTS[list(place.running)[-1]]
    print(f"try: wrk -t1 -c64 -d5s -H 'Host: {HOST}' http://127.0.0.1:{peer}/small")
    peer = TLS_PORTS[list(place.running)[-1]]
    print(f"     ab -q -c64 -t5 -n1000000 -H 'Host: {HOST}' https://127.0.0.1:{peer}/small")
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        input("Enter ends it all. ")


def measure(place: Place, group: Sequence[Scenario], options: argparse.Namespace) -> list[Outcome]:
    """Run the chosen scenarios of a group."""
    extent = Extent(options.seconds)
    if options.quick:
        extent = Extent(1, 1.0, 1, 1, 500, 200)
    outcomes = []
    for scenario in group:
        if scenario.name in options.only:
            print(f"{scenario.title}:", flush=True)
            rounds = _rounds(scenario, options)
            outcomes.append(compare(place, scenario, options.peers, rounds, extent))
    return outcomes


def _rounds(scenario: Scenario, options: argparse.Namespace) -> int:
    if options.quick:
        return 1
    return max(options.rounds, scenario.rounds_min) if options.rounds >= 3 else options.rounds


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """Return our own environment without what makes sozutw dearer or cheaper unnoticed."""
    hidden = ("SOZUTW_", "PYTHON", "COVERAGE_", "OPENSSL_", "SSL_CERT_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    return environment | ({"PYTHONOPTIMIZE": "1"} if options.optimize else {})


def run(options: argparse.Namespace) -> int:
    """Do what the options ask, and return the exit status."""
    packages.find_programs()
    packages.install_programs()
    interpreter = None
    if "sozutw" in options.peers:
        interpreter = packages.find_interpreter(ROOT, options.python, RESULTS / "venvs")
    machine.raise_descriptor_limit()
    machine.check_free(PORTS)
    machine.check_free(TLS_PORTS)
    proxy_core, load_core = machine.choose_cores()
    about = {"on": f"{datetime.now(UTC):%Y-%m-%d}", **machine.versions(ROOT)}
    if interpreter is not None:
        built = "built with PGO" if interpreter.is_pgo else "built without PGO"
        about["python"] = f"{interpreter.name} ({built})"
        about["twisted"] = interpreter.twisted
        about["its openssl"] = interpreter.openssl
        about["PYTHONOPTIMIZE"] = "1" if options.optimize else "unset"

    bystanders = machine.Bystanders()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        environment = _environment(options)
        sozutw = interpreter.sozutw if interpreter else None
        place = Place(folder, proxy_core, load_core, sozutw, environment)
        place.prepare()
        stack.callback(place.stop_all)
        for name in ("backend", "sink", *options.peers):
            place.start(name)
        if options.hold:
            hold(place)
            return 0
        measured = {name: measure(place, group, options) for name, group in GROUPS.items()}
    about["used by other programs meanwhile"] = f"{bystanders.share():.0%} of all cores"

    is_pgo = interpreter is not None and interpreter.is_pgo
    outcomes = [outcome for group in measured.values() for outcome in group]
    for name, group in GROUPS.items():
        if measured[name]:
            text = report.page(measured[name], about, is_pgo=is_pgo)
            print(f"\n{text}")
            if is_full(group, options):
                marker = ("pgo" if is_pgo else "plain") + ("" if name == "http" else f" {name}")
                report.write_page(DOCUMENT, marker, text)
                print(f"\nwritten: {DOCUMENT}, {marker}")
    print(f"\nall figures: {report.write_json(RESULTS, outcomes, about)}")
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def main() -> int:
    return status_of("bench/run", lambda: run(parse(sys.argv[1:])), BenchError)


if __name__ == "__main__":
    sys.exit(main())
