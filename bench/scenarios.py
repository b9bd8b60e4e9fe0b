"""What is compared: one class of load each, with its measures and what sozutw is to reach."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.loads import FIELDS_3, FIELDS_11, Load, LoadReport
from bench.proxies import DIRECT, PAGE, SMALL, Place

GIB = 1 << 30
MIB = 1 << 20
UPLOAD_BYTES = 64 * MIB
RATE = 320
SETTLE_SECONDS = 0.5

Measured = dict[str, float]


@dataclass(frozen=True)
class Extent:
    """How much is done in one round of each scenario."""

    seconds: int = 3
    paced_seconds: float = 5.0
    downloads: int = 5
    uploads: int = 3
    idle_connections: int = 5000
    idle_tls_connections: int = 2000


WARM_UP = Extent(1, 1.0, 1, 1, 100, 100)


class Round:
    """One peer's turn: runs a load, and takes the peer's processor time around it."""

    def __init__(
        self,
        place: Place,
        peer: str,
        extent: Extent,
        faults: list[str],
        *,
        is_tls: bool = False,
    ) -> None:
        self.place = place
        self.peer = peer
        self.extent = extent
        self.load = Load(place.load_core, place.certificate, is_tls)
        self._faults = faults

    def cpu_seconds(self) -> float:
        """Return what the peer has used so far; the direct way has no proxy to ask."""
        return 0.0 if self.peer == DIRECT else self.place.running[self.peer].cpu_seconds()

    def wrk(self, path: str, fields: tuple[str, ...], *, keep_alive: bool = True) -> Measured:
        """Return the cost of a request at full load."""
        seconds = self.extent.seconds
        return self.asked(
            lambda: self.load.wrk(self.peer, path, seconds, fields, keep_alive=keep_alive)
        )

    def asked(self, ask: Callable[[], LoadReport]) -> Measured:
        """Return the cost of a request of any load."""
        before = self.cpu_seconds()
        report = ask()
        cpu = self.cpu_seconds() - before
        self._faults += [f"{self.peer}: {fault}" for fault in report.faults]
        return {
            "cpu_us_per_request": cpu * 1e6 / report.requests,
            "requests_per_second": report.requests / report.seconds,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
        }

    def held(self, path: str, count: int) -> Measured:
        """
        Return what an idle connection holds.

        The process is fresh each time: memory that an earlier load has left would be used again.
        """
        self.place.restart(self.peer)
        with self.load.idle(self.peer, path, 20):
            pass
        time.sleep(SETTLE_SECONDS)
        process = self.place.running[self.peer]
        before = process.rss_kib()
        with self.load.idle(self.peer, path, count):
            time.sleep(SETTLE_SECONDS)
            held = process.rss_kib()
        return {"rss_kib_per_connection": (held - before) / count, "rss_mib_at_rest": before / 1024}

    def bulk(self, move: Callable[[], tuple[int, float]]) -> Measured:
        """Return the cost of a GiB."""
        before = self.cpu_seconds()
        size, seconds = move()
        cpu = self.cpu_seconds() - before
        return {"cpu_seconds_per_gib": cpu * GIB / size, "mib_per_second": size / MIB / seconds}


def keep_alive_3(turn: Round) -> Measured:
    return turn.wrk(SMALL[0], FIELDS_3)


def keep_alive_11(turn: Round) -> Measured:
    return turn.wrk(SMALL[0], FIELDS_11)


def new_connection(turn: Round) -> Measured:
    return turn.wrk(SMALL[0], FIELDS_3, keep_alive=False)


def download(turn: Round) -> Measured:
    return turn.bulk(lambda: turn.load.download(turn.peer, turn.extent.downloads))


def upload(turn: Round) -> Measured:
    times = turn.extent.uploads
    return turn.bulk(lambda: turn.load.upload(turn.peer, UPLOAD_BYTES, times))


def idle(turn: Round) -> Measured:
    return turn.held(PAGE[0], turn.extent.idle_connections)


def modest_rate(turn: Round) -> Measured:
    before = turn.cpu_seconds()
    told = turn.load.paced(turn.peer, PAGE[0], RATE, turn.extent.paced_seconds)
    cpu = turn.cpu_seconds() - before
    return {
        "p50_ms": told["p50_ms"],
        "p99_ms": told["p99_ms"],
        "cpu_us_per_request": cpu * 1e6 / told["count"],
    }


@dataclass(frozen=True)
class Target:
    """What the median of sozutw's ratios, or its median itself, may be at most."""

    measure: str
    at_most: float
    against: tuple[str, ...] = ()
    """The best of these peers in the same round; the value itself is meant when there is none."""
    at_most_pgo: float | None = None
    """Where a CPython built with profile-guided optimisation runs it."""

    def limit(self, *, is_pgo: bool) -> float:
        """Return the limit that holds for the interpreter."""
        return self.at_most_pgo if is_pgo and self.at_most_pgo is not None else self.at_most


@dataclass(frozen=True)
class Scenario:
    """One load, told in a line."""

    name: str
    title: str
    run: Callable[[Round], Measured]
    target: Target | None = None
    rounds_min: int = 3
    has_direct: bool = False
    is_warmed: bool = True
    is_tls: bool = False


BOTH = ("nginx", "haproxy")

SCENARIOS = (
    Scenario(
        "keep-alive-3",
        "small GETs, 64 keep-alive connections, 3 request fields",
        keep_alive_3,
        Target("cpu_us_per_request", 2.0, ("nginx",), 1.8),
    ),
    Scenario(
        "keep-alive-11",
        "small GETs, 64 keep-alive connections, 11 request fields",
        keep_alive_11,
    ),
    Scenario(
        "new-connection",
        "small GETs, 64 at a time, a new connection for each",
        new_connection,
        Target("cpu_us_per_request", 1.6, ("nginx",)),
    ),
    Scenario(
        "download",
        "100 MiB downloads, one connection",
        download,
        Target("cpu_seconds_per_gib", 0.45, BOTH),
    ),
    Scenario(
        "upload",
        "64 MiB uploads, one connection",
        upload,
        Target("cpu_seconds_per_gib", 1.0, BOTH),
    ),
    Scenario(
        "idle",
        "5,000 idle connections that did one request each, fresh process",
        idle,
        Target("rss_kib_per_connection", 4.0),
        is_warmed=False,
    ),
    Scenario(
        "modest-rate",
        f"{RATE} requests a second over 16 connections",
        modest_rate,
        Target("p99_ms", 1.5, ("haproxy",)),
        rounds_min=5,
        has_direct=True,
    ),
)

MEASURES = {
    "cpu_us_per_request": ("CPU µs per request", 1),
    "requests_per_second": ("requests per second", 0),
    "p50_ms": ("p50 ms", 2),
    "p99_ms": ("p99 ms", 2),
    "cpu_seconds_per_gib": ("CPU-seconds per GiB", 2),
    "mib_per_second": ("MiB per second", 0),
    "rss_kib_per_connection": ("RSS KiB per connection", 2),
    "rss_mib_at_rest": ("RSS MiB without connections", 1),
}
"""What each figure is called in the table, and its digits."""
