"""What a client's TLS handshake came to, counted; the handshake itself is the transport's."""

from typing import Final

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from sozutw.metrics.counters import TlsCounters
from sozutw.wire.tls import TlsFacts

NAMES_MAX: Final = 64
"""Kinds of anything that are counted apart; the library knows fewer."""


def begun(counters: TlsCounters) -> None:
    """A client was accepted where TLS is spoken."""
    counters.https_sessions += 1
    counters.handshakes_under_way += 1


def completed(counters: TlsCounters, facts: TlsFacts, seconds: float) -> None:
    """The handshake succeeded, so long after the client was accepted."""
    counters.handshakes_under_way -= 1
    counters.handshake_time.add(int(seconds * 1e6))
    if facts.is_resumed:
        counters.resumed += 1
    for counts, name in (
        (counters.versions, facts.version),
        (counters.ciphers, facts.cipher),
        (counters.alpn, facts.alpn or "none"),
    ):
        _count(counts, name)


def lost(counters: TlsCounters, facts: TlsFacts | None, reason: Failure) -> None:
    """The client is gone; without facts its handshake had not come to its end."""
    counters.https_sessions -= 1
    if facts is None:
        counters.handshakes_under_way -= 1
        # Without a fault of the client's: it was we who closed, since it took too long.
        otherwise = "timeout" if isinstance(reason.value, ConnectionDone) else "other"
        _count(counters.failed, getattr(reason.value, "cause", otherwise))


def _count(counts: dict[str, int], name: str) -> None:
    if name in counts or len(counts) < NAMES_MAX:
        counts[name] = counts.get(name, 0) + 1
