"""Sessions of TLS that one worker began are resumed by the others, and outlive the one that did."""

import ssl
from pathlib import Path

import pytest

from tests.e2e.tls import tls_connect, tls_of, trusting
from tests.e2e.upgraded import QUICK
from tests.e2e.workers import Manned

TRIES = 60
"""So many connections come to both workers."""


def handshake(
    place: Manned, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[int, bool, ssl.SSLSession | None]:
    """Return which worker served, whether it knew the session, and the session from then on."""
    with tls_connect(place.tls_port, context, QUICK, session) as client:
        # With TLS 1.3 a ticket comes behind the handshake.
        place.ask(client)
        tls = tls_of(client)
        return place.worker_of(client), bool(tls.session_reused), tls.session


def resumed_in(
    place: Manned, context: ssl.SSLContext, session: ssl.SSLSession | None, workers: set[int]
) -> None:
    """Demand that each of these workers resumes the session."""
    seen = set()
    for _ in range(TRIES):
        worker, is_resumed, _ = handshake(place, context, session)
        assert is_resumed, f"not in worker {worker}"
        seen.add(worker)
        if workers <= seen:
            return
    raise AssertionError(f"only workers {seen} served")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_by_every_worker(tmp_path: Path, version: str) -> None:
    with Manned(tmp_path) as place:
        context = trusting(place.authority)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        giver, is_resumed, session = handshake(place, context, None)
        assert not is_resumed
        resumed_in(place, context, session, {0, 1})
        # The one that gave it dies.
        pid = place.workers()[giver]
        place.kill(pid)
        place.wait_for_another(giver, pid)
        place.wait_for_workers()
        resumed_in(place, context, session, {0, 1})
        # And all are replaced by others of the same program.
        for worker in (0, 1):
            place.upgrade_worker(worker)
        place.wait_for_workers()
        resumed_in(place, context, session, {0, 1})
        place.stop()
        log = place.log_path.read_text()
    assert "WRK-00" in log
    assert "WRK-01" in log


def test_what_a_later_way_of_speaking_began_is_resumed_by_every_worker(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        context = trusting(place.authority)
        place.config.write_text(
            place.text.replace('["http/1.1"]', '["http/1.1"]\nsend_tls13_tickets = 2')
        )
        place.asked.call("reload")
        _, _, session = handshake(place, context, None)
        resumed_in(place, context, session, {0, 1})
        place.stop()
