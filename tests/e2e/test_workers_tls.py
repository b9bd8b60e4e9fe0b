"""Sessions of TLS that one worker began are resumed by the others, and outlive the one that did."""

import ssl
from pathlib import Path

import pytest

from tests.e2e.tls import tls_connect, tls_of, trusting
from tests.e2e.upgraded import QUICK
from tests.e2e.workers import Manned

Session = ssl.SSLSession | None


def handshake(
    place: Manned, worker: int, context: ssl.SSLContext, session: Session = None
) -> tuple[bool, Session]:
    """Return whether this worker knew the session, and the session from then on."""
    with (
        place.only(worker),
        tls_connect(place.tls_port, context, QUICK, session) as client,
    ):
        # With TLS 1.3 a ticket comes behind the handshake.
        place.ask(client)
        tls = tls_of(client)
        return bool(tls.session_reused), tls.session


def resumed(place: Manned, context: ssl.SSLContext, session: Session) -> list[bool]:
    """Return of each worker whether it resumes the session."""
    return [handshake(place, worker, context, session)[0] for worker in (0, 1)]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_by_every_worker(tmp_path: Path, version: str) -> None:
    with Manned(tmp_path) as place:
        context = trusting(place.authority)
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
        is_resumed, session = handshake(place, 0, context)
        assert not is_resumed
        assert resumed(place, context, session) == [True, True]
        # The one that gave it dies.
        pid = place.workers()[0]
        place.kill(pid)
        place.wait_for_another(0, pid)
        place.wait_for_workers()
        assert resumed(place, context, session) == [True, True]
        # And all are replaced by others of the same program.
        for worker in (0, 1):
            place.upgrade_worker(worker)
        place.wait_for_workers()
        assert resumed(place, context, session) == [True, True]
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
        _, session = handshake(place, 0, context)
        assert resumed(place, context, session) == [True, True]
        place.stop()
