"""The command of the bench of large states: starts everything, loads, asks, and judges."""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ending import status_of
from bench.soak_parts.command import free_ports
from bench.state_parts.orders import write_state
from bench.state_parts.traffic import Traffic
from sozutw.control.client import Client, written
from sozutw.control.proto import command_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "bench" / "results"
SECONDS_MAX = 10.0
SLOWEST_MS_MAX = 100.0
HELD_MS_MAX = 50.0
"""Beyond this, whatever is asked for holds everybody up."""
BYTES_MAX = 64 << 20
"""What the proxy may answer: all of its frontends."""
DESCRIPTION = f"""\
Load 20,000 frontends and 20,000 backends from a state file while a client asks all the time on one
connection, then ask and change what makes most work on a state of that size. Loopback only; each
case with a proxy of its own.

It passes (status 0) when each load takes under {SECONDS_MAX:g} s and no request meanwhile takes
more than {SLOWEST_MS_MAX:g} ms. Beside each step stand the requests that were answered during it:
the slowest is how long the loop was held at most, the machine's own noise included; --repeat
takes the best of several runs, since noise only ever adds. A star: more than {HELD_MS_MAX:g} ms.
"""
CONFIG = """\
log_target = "file://{folder}/sozutw.log"
log_level = "error"
access_logs_target = "file://{folder}/access.log"
command_socket = "{folder}/sozutw.sock"
worker_count = {workers}
max_command_buffer_size = {bytes_max}

[[listeners]]
protocol = "http"
address = "127.0.0.1:{port}"

[clusters.kept]
protocol = "http"
frontends = [{{ address = "127.0.0.1:{port}", hostname = "kept.example" }}]
backends = [{{ address = "127.0.0.1:{backend}" }}]
"""


class BenchError(Exception):
    """The bench cannot go on; the text says why."""


class Case:
    """A proxy with traffic, and the times of all that is done to it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, workers: int) -> None:
        self.folder = folder
        self.port, backend = free_ports(2)
        self.listener = f"127.0.0.1:{self.port}"
        config = folder / "sozutw.toml"
        config.write_text(
            CONFIG.format(
                folder=folder,
                port=self.port,
                backend=backend,
                bytes_max=BYTES_MAX,
                workers=workers,
            )
        )
        self.steps: dict[str, dict[str, Any]] = {}
        self._start(stack, backend, "-m", "bench.state_parts.backend", str(backend))
        start = "from sozutw.cli.main import main; main()"
        self._start(stack, folder / "sozutw.sock", "-c", start, "start", "-c", str(config))
        self.client = stack.enter_context(Client(folder / "sozutw.sock", timeout=None))
        self._traffic = Traffic(self.port)
        self._traffic.start()
        stack.callback(self._traffic.stop)

    def _start(self, stack: contextlib.ExitStack, at: int | Path, *arguments: str) -> None:
        # The sweep of invariants belongs to tests; this runs as an operator would.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SOZUTW_")}
        output = (self.folder / "output").open("ab")
        stack.callback(output.close)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        stack.callback(_end, process)
        deadline = time.monotonic() + 20
        while True:
            with (
                contextlib.suppress(OSError),
                contextlib.closing(
                    socket.socket(socket.AF_INET if isinstance(at, int) else socket.AF_UNIX)
                ) as sock,
            ):
                sock.connect(("127.0.0.1", at) if isinstance(at, int) else str(at))
                return
            if process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "output").read_text(errors="replace")[-2000:]
                raise BenchError(f"nothing listens on {at}: {' '.join(arguments)}\n{words}")
            time.sleep(0.02)

    def step(self, name: str, do: Callable[[], Any]) -> None:
        """Do something, and see what it did to the traffic."""
        began = time.perf_counter()
        told = do()
        ended = time.perf_counter()
        # Whoever waits for the loop began before the answer came.
        time.sleep(0.25)
        if self._traffic.fault:
            raise BenchError(f"{name}: {self._traffic.fault}")
        times = self._traffic.times(began, ended)
        self.steps[name] = {
            "seconds": ended - began,
            "slowest_ms": times[-1] * 1000,
            "p99_ms": times[int(len(times) * 0.99)] * 1000,
            "requests": len(times),
            "answer_bytes": told.ByteSize() if isinstance(told, pb.Response) else 0,
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def steps(
    case: Case, clusters: int, options: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Give what is done, with its name."""
    client, at = case.client, case.listener
    state = case.folder / "loaded.state"
    count = write_state(state, at, clusters, options.each)
    saved = str(case.folder / "saved.state")

    def load() -> pb.Response:
        told = client.load_state(str(state))
        if f" {count} ok messages, 0 errors" not in told.message:
            raise BenchError(told.message)
        return told

    def ask(**request: Any) -> Callable[[], pb.Response]:
        return lambda: client.request(pb.Request(**request))

    yield "nothing", lambda: time.sleep(options.rest)
    yield "state load", load
    yield "nothing again", lambda: time.sleep(options.rest)
    yield "one AddBackend", lambda: client.add_backend("c0", "more", "10.9.9.9:80")
    yield "one AddHttpFrontend", lambda: client.add_http_frontend(at, "more.example", "c0")
    yield "one AddCluster", lambda: client.add_cluster("c0", sticky_session=True)
    batch = [written.add_backend(f"c{n}", "b", "10.9.9.9:80") for n in range(min(100, clusters))]
    yield "a batch of 100 AddBackend", lambda: client.batch(batch)
    metrics = pb.QueryMetricsOptions(list=False, no_clusters=False, workers=False)
    yield "QueryMetrics", ask(query_metrics=metrics)
    few = pb.QueryMetricsOptions(list=False, no_clusters=True, workers=False)
    yield "QueryMetrics of the proxy", ask(query_metrics=few)
    filters = pb.FrontendFilters(http=True, https=False, tcp=False)
    yield "ListFrontends", ask(list_frontends=filters)
    hashes = pb.QueryClustersHashes()
    yield "QueryClustersHashes, first", ask(query_clusters_hashes=hashes)
    yield "QueryClustersHashes, again", ask(query_clusters_hashes=hashes)
    yield "QueryClusterById", ask(query_cluster_by_id="c1")
    domain = pb.QueryClusterByDomain(hostname="h7.example")
    yield "QueryClustersByDomain", ask(query_clusters_by_domain=domain)
    yield "state save", lambda: client.save_state(saved)
    yield "state load of what is so", lambda: client.load_state(saved)
    dry = pb.ApplyConfiguration(path=str(case.folder / "sozutw.toml"), dry_run=True)
    yield "diff with the file", ask(apply_configuration=dry)
    yield "reload, which removes it all", ask(reload_configuration="")


def measure(clusters: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Run one case; return its steps."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="state-load-")))
        case = Case(folder, stack, options.workers)
        for name, do in steps(case, clusters, options):
            case.step(name, do)
        return case.steps


def best(runs: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the least of each figure: noise only ever adds."""
    return {
        name: {key: min(run[name][key] for run in runs) for key in told}
        for name, told in runs[0].items()
    }


def judge(clusters: int, told: dict[str, Any], slowest_ms_max: float) -> list[str]:
    """Return what is missed, a line each."""
    wrong = []
    if told["seconds"] > SECONDS_MAX:
        wrong.append(f"{clusters:,} clusters: {told['seconds']:.1f} s, above {SECONDS_MAX:g}")
    slowest = told["slowest_ms"]
    if slowest > slowest_ms_max:
        wrong.append(f"{clusters:,} clusters: {slowest:.0f} ms, above {slowest_ms_max:g}")
    return wrong


def tell(clusters: int, steps_told: dict[str, dict[str, Any]]) -> None:
    print(f"\nover {clusters:,} clusters\n")
    print(f"| {'step':<30} | {'seconds':>8} | {'slowest ms':>10} | {'p99 ms':>7} | requests |")
    print(f"| {'-' * 30} | {'-' * 7}: | {'-' * 9}: | {'-' * 6}: | -------: |")
    for name, told in steps_told.items():
        held = " *" if told["slowest_ms"] > HELD_MS_MAX else ""
        print(
            f"| {name:<30} | {told['seconds']:8.3f} | {told['slowest_ms']:10.1f} "
            f"| {told['p99_ms']:7.1f} | {told['requests']:8} |{held}"
        )


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/state_load",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--clusters", type=int, nargs="+", default=[2_000, 20_000], help="a case for each number")
    add("--repeat", type=int, default=1, help="runs of each case, of which the best counts (1)")
    add("--results", type=Path, default=RESULTS, help="folder for the figures (bench/results)")
    add("--each", type=int, default=20_000, help="how many frontends, and backends (20,000)")
    add("--workers", type=int, default=0, help="workers of the proxy; 0: one process (0)")
    add("--rest", type=float, default=3.0, help="seconds in which nothing is asked (3)")
    add(
        "--slowest-ms",
        type=float,
        default=SLOWEST_MS_MAX,
        help=f"what a request may take during a load ({SLOWEST_MS_MAX:g})",
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    wrong: list[str] = []
    seen: dict[str, Any] = {}
    for clusters in options.clusters:
        told = best([measure(clusters, options) for _ in range(options.repeat)])
        tell(clusters, told)
        wrong += judge(clusters, told["state load"], options.slowest_ms)
        seen[str(clusters)] = told
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"state-load-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(seen, indent=1) + "\n")
    print(f"\n{path}")
    for line in wrong:
        print(f"missed: {line}")
    print("failed" if wrong else "passed")
    return 1 if wrong else 0


def main() -> int:
    return status_of("bench/state_load", lambda: run(parse(sys.argv[1:])), BenchError)


if __name__ == "__main__":
    sys.exit(main())
