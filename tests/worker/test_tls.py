"""A worker's clients over TLS: what the handshake settled goes where it belongs."""

from dataclasses import replace

from sozutw.config.model import HttpListener, HttpsListener, Settings, Timeouts
from sozutw.config.security import Hsts
from sozutw.transport.losses import SecureLossError
from sozutw.wire.tls import ClientCertificate, TlsFacts
from tests.fakes.worker import LISTENER, FakeWorld, ok

FACTS = TlsFacts(
    "TLSv1.3", "TLS_AES_256_GCM_SHA384", "example.com", "http/1.1", names=frozenset({"example.com"})
)


class BrokenError(Exception):
    cause = "no_alpn"


def secure_world(*backends: str, **options) -> FakeWorld:
    http = HttpListener(LISTENER, timeouts=Timeouts(request=10.0))
    return FakeWorld(*backends, listener=HttpsListener(http, **options))


def test_a_request_over_tls_is_told_to_the_backend_and_the_log() -> None:
    world = secure_world("A", hsts=Hsts(True, 60))
    tls = world.worker.counters.tls
    client = world.client()
    assert (tls.https_sessions, tls.handshakes_under_way) == (1, 1)
    world.clock.advance(0.5)
    client.shake_hands(FACTS)
    assert tls.handshakes_under_way == 0
    assert tls.handshake_time.sum_us == 500_000
    client.get()
    backend = world.connect()
    assert b"\r\nX-Forwarded-Proto: https\r\n" in backend.value()
    assert b"-Client-Cert" not in backend.value()
    backend.receive(ok(b"hi"))
    assert b"\r\nStrict-Transport-Security: max-age=60\r\n" in client.received()
    assert world.records[0].tls is FACTS
    assert world.records[0].protocol == "HTTPS"
    client.reset()
    assert tls.https_sessions == 0
    assert tls.failed == {}
    world.assert_baseline()


def test_whose_certificate_a_client_showed_is_told_to_the_backend() -> None:
    world = secure_world("A")
    client = world.client()
    client.shake_hands(replace(FACTS, client=ClientCertificate("CN=alice", "ab")))
    client.get(extra=b"X-Forwarded-Client-Cert: Hash=forged\r\n")
    request = world.connect().value()
    assert b'\r\nX-Forwarded-Client-Cert: Hash=ab;Subject="CN=alice"\r\n' in request
    assert b"forged" not in request
    assert b'for="192.0.2.1:54321"' in request
    client.reset()
    world.assert_baseline()


def test_a_request_for_a_host_of_another_certificate_is_a_421_and_the_connection_lives_on() -> None:
    world = secure_world("A")
    client = world.client()
    client.shake_hands(FACTS)
    client.get(host=b"other.example")
    assert client.answer()[0] == 421
    client.get()
    world.connect().receive(ok(b"hi"))
    assert client.answer() == (200, b"hi")
    client.get(host=b"other.example")
    assert client.answer()[0] == 421
    assert world.worker.counters.tls.misdirected == 2
    client.reset()
    world.assert_baseline()


def test_a_handshake_that_fails_is_counted_by_its_cause_and_leaves_nothing() -> None:
    world = secure_world("A")
    client = world.client()
    client.transport.lose(BrokenError())
    world.check()
    tls = world.worker.counters.tls
    assert tls.failed == {"no_alpn": 1}
    assert (tls.https_sessions, tls.handshakes_under_way) == (0, 0)
    assert world.records == []
    world.assert_baseline()


def test_a_handshake_that_takes_too_long_is_closed_without_a_word() -> None:
    world = secure_world("A")
    client = world.client()
    world.clock.advance(10.5)
    assert client.is_closed
    assert client.received() == b""
    world.clock.advance(0)
    client.transport.turn()
    assert world.worker.counters.tls.https_sessions == 0
    world.assert_baseline()


def test_handshake_and_first_head_share_one_limit() -> None:
    world = secure_world("A")
    client = world.client()
    world.clock.advance(9.0)
    client.shake_hands(FACTS)
    world.clock.advance(1.5)
    assert client.is_closed
    client.transport.turn()
    world.assert_baseline()


def test_bytes_over_tls_that_are_no_request_are_recorded_with_what_was_settled() -> None:
    world = secure_world("A")
    client = world.client()
    client.shake_hands(FACTS)
    client.send(b"nonsense\r\n\r\n")
    assert client.received().startswith(b"HTTP/1.1 400 ")
    assert world.records[0].protocol == "HTTPS"
    assert world.records[0].tls is FACTS
    client.reset()
    world.assert_baseline()


def test_a_backend_that_refuses_us_in_the_words_of_tls_is_a_502_that_says_so() -> None:
    world = FakeWorld("A", settings=Settings(dials_max=1))
    client = world.client()
    client.get()
    backend = world.connect()
    backend.lose(SecureLossError("certificate required"))
    world.check()
    assert client.answer()[0] == 502
    assert world.records[0].message == "backend tls: certificate required"
    assert world.state("A").counters.connect_errors == 1
    assert not world.state("A").is_available(world.clock.seconds())
    client.reset()
    world.assert_baseline()


def test_one_that_was_of_use_before_and_breaks_is_only_a_loss() -> None:
    world = FakeWorld("A", settings=Settings(replay=False))
    client = world.client()
    client.get()
    backend = world.connect()
    backend.receive(ok(b"1"))
    client.received()
    client.get()
    backend.lose(SecureLossError("broken"))
    world.check()
    assert world.records[1].message == "backend closed before its response"
    assert world.state("A").counters.connect_errors == 0
    client.reset()
    world.assert_baseline()


def test_a_client_that_shakes_hands_while_the_worker_stops_has_its_one_answer() -> None:
    world = secure_world("A")
    client = world.client()
    world.worker.sessions.drain()
    client.shake_hands(FACTS)
    client.get()
    world.connect().receive(ok(b"last"))
    assert b"\r\nConnection: close\r\n" in client.received()
    world.turn()
    assert client.transport.is_write_closed
    client.reset()
    world.assert_baseline()
