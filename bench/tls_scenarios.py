"""What is compared over TLS 1.3: the same loads as plainly, and two kinds of handshakes."""

from bench.loads import FIELDS_3
from bench.proxies import PAGE, SMALL
from bench.scenarios import BOTH, Measured, Round, Scenario, Target, download, upload


def keep_alive(turn: Round) -> Measured:
    return turn.wrk(SMALL[0], FIELDS_3)


def full_handshake(turn: Round) -> Measured:
    return turn.asked(lambda: turn.load.ab(turn.peer, SMALL[0], turn.extent.seconds))


def resumed_handshake(turn: Round) -> Measured:
    """By wrk, which resumes wherever it has a session; whether the peer does is seen first."""
    turn.load.check_resumption(turn.peer)
    return turn.wrk(SMALL[0], FIELDS_3, keep_alive=False)


def idle(turn: Round) -> Measured:
    return turn.held(PAGE[0], turn.extent.idle_tls_connections)


TLS_SCENARIOS = (
    Scenario(
        "tls-keep-alive",
        "small GETs, 64 keep-alive connections, 3 request fields",
        keep_alive,
        Target("cpu_us_per_request", 2.0, ("nginx",), 1.8),
        is_tls=True,
    ),
    Scenario(
        "tls-full-handshake",
        "small GETs, 64 at a time, a full handshake for each",
        full_handshake,
        Target("cpu_us_per_request", 1.15, BOTH),
        is_tls=True,
    ),
    Scenario(
        "tls-resumed-handshake",
        "small GETs, 64 at a time, a resumed handshake for each",
        resumed_handshake,
        Target("cpu_us_per_request", 1.2, BOTH),
        is_tls=True,
    ),
    Scenario(
        "tls-download",
        "100 MiB downloads, one connection",
        download,
        Target("cpu_seconds_per_gib", 0.95, BOTH),
        is_tls=True,
    ),
    Scenario(
        "tls-upload",
        "64 MiB uploads, one connection",
        upload,
        Target("cpu_seconds_per_gib", 1.0, BOTH),
        is_tls=True,
    ),
    Scenario(
        "tls-idle",
        "2,000 idle connections that did one request each, fresh process",
        idle,
        Target("rss_kib_per_connection", 24.0),
        is_warmed=False,
        is_tls=True,
    ),
)
"""A list of its own: ``--only tls`` measures these alone, and writes their part of the page."""
