"""TLS towards backends: who is verified serves, and for each reason not to a 502 names its own."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.certificates import Authority, Issued
from tests.e2e.harness import wait_until
from tests.e2e.stage import SECONDS_MAX, expect_answer, get
from tests.e2e.tls import TlsBackend, TlsStage, serving, tls_of

ROOT = Authority("Backends")
OTHER = Authority("Others")


def stage_before(
    folder: Path, issued: Issued, *more: str, context: ssl.SSLContext | None = None
) -> TlsStage:
    """Return a proxy before one backend that shows this certificate."""
    backend = TlsBackend(context or serving(issued, folder), name="A")
    (folder / "backends.pem").write_text(ROOT.pem, encoding="ascii")
    keys = ["backend_tls = true", *more]
    if not any("insecure" in line for line in more):
        keys.append(f'backend_ca = "{folder / "backends.pem"}"')
    return TlsStage(folder, [backend], top="dials_max = 1", cluster="\n".join(keys))


def tls_backend(stage: TlsStage) -> TlsBackend:
    (backend,) = stage.backends
    assert isinstance(backend, TlsBackend)
    return backend


def test_a_backend_that_is_verified_serves_and_is_kept(tmp_path: Path) -> None:
    with stage_before(tmp_path, ROOT.issue("127.0.0.1")) as stage:
        client = stage.tls_client()
        _, peer = stage.exchange(client, "/1")
        assert tls_of(peer).version() == "TLSv1.3"
        # The address is verified, and is no name to ask for (RFC 6066, 3).
        assert set(tls_backend(stage).names) == {None}
        assert stage.exchange(stage.client(), "/2")[1] is peer
        records = stage.records(2)
        assert [record["status"] for record in records] == [200, 200]


def test_a_backend_may_go_by_another_name(tmp_path: Path) -> None:
    issued = ROOT.issue("inside.example")
    with stage_before(tmp_path, issued, 'backend_server_name = "inside.example"') as stage:
        stage.exchange(stage.client(), "/1")
        assert set(tls_backend(stage).names) == {"inside.example"}


REASONS: dict[str, tuple[Callable[[], Issued], str]] = {
    "wrong name": (lambda: ROOT.issue("elsewhere.example"), "not for 127.0.0.1"),
    "expired": (lambda: ROOT.issue("127.0.0.1", from_days=-9, to_days=-1), "expired"),
    "not yet": (lambda: ROOT.issue("127.0.0.1", from_days=2), "not yet valid"),
    "unknown authority": (lambda: OTHER.issue("127.0.0.1"), "issuer"),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_backend_that_cannot_be_verified_is_a_502_with_its_reason(
    tmp_path: Path, case: str
) -> None:
    issue, reason = REASONS[case]
    with stage_before(tmp_path, issue()) as stage:
        client = stage.tls_client()
        client.send(get("/"))
        tls_backend(stage).accept_refused(SECONDS_MAX)
        expect_answer(client, 502)
        (record,) = stage.records(1)
        assert record["status"] == 502
        assert record["level"] == "error"
        assert reason in record["message"], record["message"]
        assert stage.backend_metrics()["A"]["backend.connections.error"] == 1


def test_each_reason_is_its_own() -> None:
    assert len({reason for _, reason in REASONS.values()}) == len(REASONS)


CHECKED = (
    'health_check = { uri = "/up", interval = 10, healthy_threshold = 1, unhealthy_threshold = 1 }'
)


def test_a_health_check_is_made_over_tls_too(tmp_path: Path) -> None:
    # The first comes at once, and the next when this is over.
    with stage_before(tmp_path, ROOT.issue("127.0.0.1"), CHECKED) as stage:
        backend = tls_backend(stage)
        peer = backend.accept(SECONDS_MAX)
        head, _ = backend.answer(peer, b"well")
        assert head.startswith(b"GET /up HTTP/1.1\r\n"), head
        told = "health_check.success"
        wait_until(lambda: stage.backend_metrics()["A"][told] == 1, told)
        peer.close()
        assert stage.exchange(stage.client(), "/1")[1] is not peer


def test_a_backend_that_cannot_be_verified_is_not_well(tmp_path: Path) -> None:
    with stage_before(tmp_path, OTHER.issue("127.0.0.1"), CHECKED) as stage:
        tls_backend(stage).accept_refused(SECONDS_MAX)
        stage.process.wait_for_text("is unhealthy: it cannot be reached: ")
        told = stage.backend_metrics()["A"]
        assert (told["backend.available"], told["health_check.down"]) == (0, 1)
        assert told["backend.connections.error"] == 0


def test_one_who_cannot_be_verified_is_taken_where_that_is_wanted(tmp_path: Path) -> None:
    issued = OTHER.issue("elsewhere.example", from_days=-9, to_days=-1)
    with stage_before(tmp_path, issued, "backend_tls_insecure = true") as stage:
        stage.exchange(stage.tls_client(), "/1")
        # It is told at each start.
        assert "backend_tls_insecure" in stage.process.stdout() + stage.process.stderr()


def test_a_backend_that_speaks_no_tls_is_a_502(tmp_path: Path) -> None:
    with stage_before(tmp_path, ROOT.issue("127.0.0.1")) as stage:
        client = stage.client()
        client.send(get("/"))
        peer = tls_backend(stage).accept_plainly(SECONDS_MAX)
        peer.receive(SECONDS_MAX)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        expect_answer(client, 502)
        peer.close()
        (record,) = stage.records(1)
        assert record["message"]


def test_a_backend_that_never_finishes_its_handshake_is_given_up(tmp_path: Path) -> None:
    with stage_before(tmp_path, ROOT.issue("127.0.0.1"), "connect_timeout = 0.5") as stage:
        client = stage.client()
        client.send(get("/"))
        peer = tls_backend(stage).accept_plainly(SECONDS_MAX)
        head, _ = client.receive_message(SECONDS_MAX)
        assert head.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 503 ", b"HTTP/1.1 504 ")), head
        peer.receive_rest(SECONDS_MAX)


def test_a_backend_may_ask_who_we_are(tmp_path: Path) -> None:
    issued = ROOT.issue("127.0.0.1")
    context = serving(issued, tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=OTHER.pem)
    ours = OTHER.issue("proxy", is_client=True)
    ours.write(tmp_path, "ours")
    keys = [f'backend_{name} = "{tmp_path}/ours.{name}.pem"' for name in ("certificate", "key")]
    with stage_before(tmp_path, issued, *keys, context=context) as stage:
        _, peer = stage.exchange(stage.client(), "/1")
        shown = tls_of(peer).getpeercert()
        assert shown is not None
        assert shown["subject"] == ((("commonName", "proxy"),),)


def test_a_session_with_a_backend_is_resumed(tmp_path: Path) -> None:
    with stage_before(tmp_path, ROOT.issue("127.0.0.1")) as stage:
        client = stage.tls_client()
        resumed = []
        for number in range(4):
            client.send(get(f"/{number}"))
            _, peer = stage.next_request()
            stage.backends[0].answer(peer, b"", b"Connection: close\r\n")
            expect_answer(client, 200)
            resumed.append(tls_of(peer).session_reused)
            peer.close()
        assert resumed == [False, True, True, True]


def test_a_response_that_a_backend_cuts_does_not_look_whole(tmp_path: Path) -> None:
    """Until the end means until close_notify: a bare FIN may be made by anybody on the way."""
    with stage_before(tmp_path, ROOT.issue("127.0.0.1")) as stage:
        client = stage.tls_client()
        client.send(get("/"))
        _, peer = stage.next_request()
        peer.receive_message(SECONDS_MAX)
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        client.receive_until(b"half", SECONDS_MAX)
        peer.close()
        try:
            rest = client.receive_rest(SECONDS_MAX)
        except ssl.SSLError:
            return
        assert b"0\r\n\r\n" not in rest


def test_a_response_until_a_proper_end_is_whole(tmp_path: Path) -> None:
    with stage_before(tmp_path, ROOT.issue("127.0.0.1")) as stage:
        client = stage.tls_client()
        client.send(get("/"))
        _, peer = stage.next_request()
        peer.receive_message(SECONDS_MAX)
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        peer.sock.setblocking(False)
        with suppress(ssl.SSLWantReadError):
            tls_of(peer).unwrap()
        expect_answer(client, 200, b"all of it")
