from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from sozutw.frontend import handshake
from sozutw.metrics.counters import TlsCounters
from sozutw.wire.tls import TlsFacts

FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", alpn="http/1.1", is_resumed=True)


class BrokenError(Exception):
    cause = "no_alpn"


def test_a_handshake_that_succeeds_is_counted_by_what_it_settled() -> None:
    counters = TlsCounters()
    handshake.begun(counters)
    assert (counters.https_sessions, counters.handshakes_under_way) == (1, 1)
    handshake.completed(counters, FACTS, 0.25)
    assert (counters.https_sessions, counters.handshakes_under_way) == (1, 0)
    assert counters.handshake_time.sum_us == 250_000
    assert counters.resumed == 1
    assert counters.versions == {"TLSv1.3": 1}
    assert counters.ciphers == {"TLS_AES_256_GCM_SHA384": 1}
    assert counters.alpn == {"http/1.1": 1}
    handshake.lost(counters, FACTS, Failure(ConnectionDone()))
    assert (counters.https_sessions, counters.handshakes_under_way) == (0, 0)
    assert counters.failed == {}


def test_a_client_may_settle_no_protocol_and_resume_nothing() -> None:
    counters = TlsCounters()
    for _ in range(2):
        handshake.begun(counters)
        handshake.completed(counters, TlsFacts("TLSv1.2", "X"), 0.0)
    assert counters.alpn == {"none": 2}
    assert counters.resumed == 0


def test_a_handshake_that_fails_is_counted_by_its_cause() -> None:
    counters = TlsCounters()
    for fault in (BrokenError(), BrokenError(), ConnectionLost(), ConnectionDone()):
        handshake.begun(counters)
        handshake.lost(counters, None, Failure(fault))
    assert counters.failed == {"no_alpn": 2, "other": 1, "timeout": 1}
    assert (counters.https_sessions, counters.handshakes_under_way) == (0, 0)


def test_kinds_are_bounded() -> None:
    counters = TlsCounters()
    for number in range(2 * handshake.NAMES_MAX):
        handshake.begun(counters)
        handshake.completed(counters, TlsFacts("TLSv1.3", f"cipher {number}"), 0.0)
    assert len(counters.ciphers) == handshake.NAMES_MAX
