"""The soak's command: starts everything, loads, kills and replaces, and gives a verdict."""

import argparse
import contextlib
import itertools
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ending import status_of
from bench.soak_parts.client import Client, Tally
from bench.soak_parts.proxy import IDLE_SECONDS, Proxy, SoakError

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "bench" / "results"
PIPES_KEPT_MAX = 32
"""Descriptors of pipes that the proxy may keep for later; see sozutw/transport/pipes.py."""
RSS_GROWTH_MAX = 0.10
RSS_JUDGED_MINUTES = 3.0
"""A shorter run ends before memory has settled: then it is told and not judged."""
DESCRIPTION = """\
Load sozutw with requests whose answers are checked to the last byte, while two of its three
backends are killed (SIGKILL) and replaced on the same port in turn, one every second. Loopback
only.

It passes (status 0) when no answer was wrong or meant for another request, no GET got a 5xx,
no request was left without an answer, a POST got at most a 502, and when afterwards all gauges
and descriptors are where they were and memory is within 10 % of minute two. A response that was
under way when its backend was killed ends with its connection, and is counted.
"""


def free_ports(count: int) -> list[int]:
    """
    Return ports that nobody uses, below those that the kernel gives to clients.

    On one of those, a dial to a backend that is gone could take the backend's own port as its
    source, connect to itself, and keep the replacement from binding.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Backends:
    """Three processes on three ports, of which two are killed and replaced."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self._output = folder / "backends.out"
        self._ports = ports
        self._processes = [self._start(port) for port in ports]
        self.kills = 0

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bench.soak_parts.backend", str(port)]
        with self._output.open("ab") as output:
            return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)

    def wait_until_listening(self) -> None:
        """Wait until each takes connections."""
        deadline = time.monotonic() + 20
        for port in self._ports:
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                if time.monotonic() > deadline:
                    raise SoakError(f"no backend on port {port}")
                time.sleep(0.02)

    def replace(self, number: int) -> None:
        """Kill one, and start another on its port."""
        old = self._processes[number]
        if old.poll() is not None:
            words = self._output.read_text(errors="replace")[-2000:]
            raise SoakError(f"a backend ended by itself, with {old.returncode}:\n{words}")
        old.send_signal(signal.SIGKILL)
        old.wait()
        self._processes[number] = self._start(self._ports[number])
        self.kills += 1

    def stop(self) -> None:
        """Kill them all."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/soak",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, default=10.0, help="how long the load lasts (10)")
    add("--seed", type=int, default=1, help="what the requests are drawn from (1)")
    add("--connections", type=int, default=16, help="clients at a time (16)")
    add("--rate", type=float, default=600.0, help="requests a second at most (600)")
    add("--results", type=Path, default=RESULTS, help="folder for the figures (bench/results)")
    return parser.parse_args(arguments)


def load(
    proxy: Proxy, port: int, backends: Backends, options: argparse.Namespace
) -> dict[str, Any]:
    """Let the clients run while backends come and go; return what was seen meanwhile."""
    tally, stopped = Tally(), threading.Event()
    numbers = itertools.count(1).__next__
    clients = [
        Client(
            port,
            random.Random(f"{options.seed}-{n}"),
            numbers,
            options.rate / options.connections,
            tally,
            stopped,
        )
        for n in range(options.connections)
    ]
    began = time.monotonic()
    seconds = options.minutes * 60
    marks: list[tuple[float, int]] = []
    for client in clients:
        client.start()
    try:
        for second in itertools.count(1):
            if time.monotonic() - began >= seconds:
                break
            time.sleep(max(0.0, began + second - time.monotonic()))
            backends.replace(second % 2)
            marks.append((time.monotonic() - began, proxy.rss_kib()))
            if second % 30 == 0:
                done = sum(v for k, v in tally.counts.items() if k.endswith("answered"))
                text = f"{done} right answers, {len(tally.faults)} faults"
                print(f"{second:5} s: {text}, {marks[-1][1]} KiB", flush=True)
    finally:
        stopped.set()
        for client in clients:
            client.join(60)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "kills": backends.kills,
        "counts": dict(sorted(tally.counts.items())),
        "faults": tally.faults,
        "fault_numbers": tally.numbers,
        "rss_kib_by_second": [[round(at), kib] for at, kib in marks],
    }


def judge(seen: dict[str, Any]) -> list[str]:
    """Return what is wrong, a line each."""
    wrong = [f"not allowed: {fault}" for fault in seen["faults"]]
    if not seen["counts"].get("GET answered") or not seen["counts"].get("POST answered"):
        wrong.append("too little was answered to say anything")
    before, after = seen["gauges_before"], seen["gauges_after"]
    wrong += [
        f"gauge {name}: {after[name]}, was {before[name]}"
        for name in before
        if after[name] != before[name]
    ]
    before, after = seen["descriptors_before"], seen["descriptors_after"]
    if before["others"] != after["others"]:
        wrong.append(f"descriptors: {after['others']}, were {before['others']}")
    if after["pipes"] - before["pipes"] > PIPES_KEPT_MAX:
        wrong.append(f"descriptors of pipes: {after['pipes']}, were {before['pipes']}")
    growth = seen["rss_kib_at_end"] / seen["rss_kib_at_mark"] - 1
    if seen["seconds"] >= RSS_JUDGED_MINUTES * 60 and abs(growth) > RSS_GROWTH_MAX:
        wrong.append(f"memory: {growth:+.1%} since second {seen['rss_mark_second']}")
    wrong += [f"its access log: {line}" for line in seen["fault_lines"]]
    wrong += [f"its log: {line}" for line in seen["complaints"]]
    if seen["exit_status"] != 0:
        wrong.append(f"sozutw ended with status {seen['exit_status']}")
    return wrong


def rest(proxy: Proxy, before: dict[str, int]) -> dict[str, int]:
    """Wait until all idle connections must be gone; return the gauges then."""
    deadline = time.monotonic() + IDLE_SECONDS + 12
    time.sleep(IDLE_SECONDS)
    while (gauges := proxy.gauges()) != before and time.monotonic() < deadline:
        time.sleep(0.5)
    return gauges


def run(options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        port, *backend_ports = free_ports(4)
        backends = Backends(folder, backend_ports)
        stack.callback(backends.stop)
        backends.wait_until_listening()
        proxy = Proxy(folder, port, backend_ports)
        stack.callback(proxy.stop)
        _wait_for(proxy, port)
        gauges = proxy.gauges()
        descriptors = proxy.descriptors()
        print(f"sozutw is pid {proxy.pid} on port {port}, backends {backend_ports}", flush=True)
        seen = load(proxy, port, backends, options)
        seen["gauges_before"], seen["gauges_after"] = gauges, rest(proxy, gauges)
        seen["descriptors_before"], seen["descriptors_after"] = descriptors, proxy.descriptors()
        mark = min(120.0, 0.6 * seen["seconds"])
        at, kib = min(seen["rss_kib_by_second"], key=lambda told: abs(told[0] - mark))
        seen |= {"rss_mark_second": at, "rss_kib_at_mark": kib, "rss_kib_at_end": proxy.rss_kib()}
        seen["counters"] = proxy.counters()
        seen["exit_status"] = proxy.stop()
        seen["complaints"] = proxy.complaints()
        seen["fault_lines"] = [x for n in seen["fault_numbers"] for x in proxy.log_lines(n)]
    seen["options"] = {k: str(v) for k, v in vars(options).items()}
    wrong = seen["wrong"] = judge(seen)
    path = write(options.results, seen)
    tell(seen, wrong, path)
    return 1 if wrong else 0


def _wait_for(proxy: Proxy, port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        proxy.check_alive()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            # That client must be gone before anything is counted.
            time.sleep(0.3)
            return
        time.sleep(0.02)
    raise SoakError("sozutw does not listen")


def write(folder: Path, seen: dict[str, Any]) -> Path:
    """Keep all figures."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"soak-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    return path


def tell(seen: dict[str, Any], wrong: list[str], path: Path) -> None:
    """Print the verdict."""
    for name, count in seen["counts"].items():
        print(f"{count:10} {name}")
    print(f"{seen['kills']:10} backends killed and replaced in {seen['seconds']} s")
    mark, end = seen["rss_kib_at_mark"], seen["rss_kib_at_end"]
    print(f"memory: {mark} KiB at second {seen['rss_mark_second']}, {end} KiB at the end")
    print(f"descriptors: {seen['descriptors_before']} before, {seen['descriptors_after']} after")
    print(f"all figures: {path}")
    for line in wrong:
        print(f"WRONG: {line}")
    print("failed" if wrong else "passed")


def main() -> int:
    return status_of("bench/soak", lambda: run(parse(sys.argv[1:])), SoakError)


if __name__ == "__main__":
    sys.exit(main())
