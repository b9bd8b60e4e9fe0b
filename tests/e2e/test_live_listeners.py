"""Listeners that go, come and change under traffic, ordered through the command socket."""

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.control.client import RefusedError, address_message, written
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.harness import Peer, ReservedPort, connect, is_refused
from tests.e2e.live import (
    HOST,
    Download,
    LiveStage,
    WebSocket,
    begin,
    expect_gone,
    expect_nothing,
    finish,
    serve,
)
from tests.e2e.stage import SECONDS_MAX, expect_answer, get, status_of
from tests.e2e.tls import shown_by, tls_connect, trusting


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LiveStage]:
    with LiveStage(tmp_path, 1) as live:
        yield live


@pytest.fixture
def other(stage: LiveStage) -> Iterator[str]:
    """A listener beside those of the file, which leads to the same cluster."""
    with ReservedPort() as reserved:
        at = str(reserved)
        stage.command.batch(
            [
                written.add_http_listener(at),
                written.add_http_frontend(at, HOST, "app"),
                written.activate_listener(at),
            ]
        )
        yield at
        told = listed(stage)
        for kind, there in (("http", told.http_listeners), ("https", told.https_listeners)):
            if at in there:
                stage.command.remove_listener(at, kind)


def listed(stage: LiveStage) -> pb.ListenersList:
    return stage.order(list_listeners=pb.ListListeners()).content.listeners_list


def client_of(stage: LiveStage, at: str) -> Peer:
    client = connect(int(at.rpartition(":")[2]))
    stage.clients.append(client)
    return client


def expect_free(at: str) -> None:
    """Demand that a server may listen there at once."""
    host, _, port = at.rpartition(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
        sock.listen()


# Removed.


def last_answer(stage: LiveStage, client: Peer, text: bytes) -> None:
    """Ask with a client that is kept for one more answer, and see it go."""
    (backend,) = stage.backends
    client.send(text)
    _, peer = stage.next_request()
    backend.answer(peer, b"last")
    head = expect_answer(client, 200, b"last")
    assert b"\r\nConnection: close\r\n" in head
    client.expect_end(SECONDS_MAX)


def test_the_clients_of_a_removed_listener_finish_and_go(stage: LiveStage, other: str) -> None:
    (a,) = stage.backends
    held = [kind(stage.client(), a) for kind in (WebSocket, Download)]
    busy = client_of(stage, other)
    busy_peer = begin(busy, a)
    idle = client_of(stage, other)
    serve(idle, a)
    fresh = client_of(stage, other)
    asking = client_of(stage, other)
    asking.send(b"GET /asked HTTP/1.1\r\nHost: loc")
    stage.command.remove_listener(other)
    expect_free(other)
    # Whoever has asked for nothing yet may be about to: one more answer, which says so.
    last_answer(stage, idle, get("/idle"))
    last_answer(stage, fresh, get("/fresh"))
    last_answer(stage, asking, b"alhost\r\n\r\n")
    # Another at its address has clients of its own.
    stage.command.batch([written.add_http_listener(other), written.activate_listener(other)])
    after = client_of(stage, other)
    after.send(get("/after"))
    _, peer = stage.next_request()
    a.answer(peer, b"after")
    expect_answer(after, 200, b"after")
    finish(busy, busy_peer)
    last_answer(stage, busy, get("/busy"))  # Its head had said no close.
    expect_nothing(after)
    for each in held:
        each.check()
        each.exchange()
        each.end()


def test_a_listener_that_is_removed_and_added_in_one_step_keeps_its_clients(
    stage: LiveStage, other: str
) -> None:
    (a,) = stage.backends
    old = client_of(stage, other)
    peer = begin(old, a)
    stage.command.batch(
        [
            written.remove_listener(other),
            written.add_http_listener(other, sticky_name="AGAIN"),
            written.activate_listener(other),
        ]
    )
    # Its frontends are there still.
    new = client_of(stage, other)
    serve(new, a)
    finish(old, peer)
    old.send(get("/more"))
    _, peer = stage.next_request()
    a.answer(peer, b"more")
    expect_answer(old, 200, b"more")
    assert listed(stage).http_listeners[other].sticky_name == "AGAIN"


def test_a_removed_listener_of_tls_lets_its_clients_finish(stage: LiveStage) -> None:
    (a,) = stage.backends
    busy, idle = stage.tls_client(), stage.tls_client()
    download = Download(stage.client(), a)
    busy_peer = begin(busy, a)
    serve(idle, a)
    stage.command.remove_listener(stage.tls_at, "https")
    expect_free(stage.tls_at)
    last_answer(stage, idle, get("/idle"))
    finish(busy, busy_peer)
    last_answer(stage, busy, get("/busy"))  # Its head had said no close.
    download.check()
    download.end()
    stage.descriptors -= 2  # Its socket, and the one that it spares.


# Deactivated.


def test_a_deactivated_listener_refuses_and_goes_on_serving_who_is_there(
    stage: LiveStage, other: str
) -> None:
    (a,) = stage.backends
    client = client_of(stage, other)
    peer = serve(client, a)
    port = int(other.rpartition(":")[2])
    for _ in range(3):
        stage.command.deactivate_listener(other)
        assert is_refused(port)
        expect_free(other)
        client.send(get("/still"))
        a.answer(peer, b"still")
        expect_answer(client, 200, b"still")
        stage.command.activate_listener(other)
        new = client_of(stage, other)
        new.send(get("/new"))
        a.answer(peer, b"new")
        expect_answer(new, 200, b"new")
        new.close()


def test_who_waits_in_the_kernels_queue_is_served_or_turned_away(
    stage: LiveStage, other: str
) -> None:
    """The order comes before the client was accepted, or after; nobody hangs."""
    (a,) = stage.backends
    main = stage.client()
    peer = serve(main, a)
    deactivated = pb.Request(
        deactivate_listener=pb.DeactivateListener(
            address=address_message(other), proxy=pb.HTTP, to_scm=False
        )
    )
    for _ in range(4):
        stage.process.freeze()
        waiting = client_of(stage, other)
        waiting.send(get("/waited"))
        responses = stage.command.ask(deactivated)
        stage.process.thaw()
        assert [response.status for response in responses][-1] == pb.OK
        backend_or_end = _await(peer, waiting)
        if backend_or_end is peer:
            a.answer(peer, b"served")
            expect_answer(waiting, 200, b"served")
        else:
            assert waiting.receive_rest() == b""
        waiting.close()
        expect_nothing(main)
        stage.command.activate_listener(other)
        again = client_of(stage, other)
        again.send(get("/again"))
        a.answer(peer, b"again")
        expect_answer(again, 200, b"again")


def _await(*peers: Peer) -> Peer:
    """Return the first that has something to read."""
    ready, _, _ = select.select([peer.sock for peer in peers], [], [], SECONDS_MAX)
    assert ready, "neither served nor turned away"
    return next(peer for peer in peers if peer.sock is ready[0])


def test_an_address_in_use_is_refused_and_nothing_is_changed(stage: LiveStage) -> None:
    (a,) = stage.backends
    client = stage.client()
    peer = serve(client, a)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RefusedError, match=r"Address already in use.*none is applied"):
            stage.command.batch(
                [
                    written.remove_http_frontend(stage.at, HOST, "app"),
                    written.add_http_listener(at),
                    written.activate_listener(at),
                ]
            )
    client.send(get("/2"))
    a.answer(peer, b"as before")
    expect_answer(client, 200, b"as before")


# Updated.


def update(stage: LiveStage, **fields: object) -> None:
    patch = pb.UpdateHttpListenerConfig(address=address_message(stage.at), **fields)
    stage.order(update_http_listener=patch)


def test_the_next_request_of_a_kept_connection_sees_a_changed_listener(stage: LiveStage) -> None:
    (a,) = stage.backends
    client, tunnel = stage.client(), WebSocket(stage.client(), a)
    peer = serve(client, a)
    over_tls = stage.tls_client()
    update(
        stage,
        public_address=address_message("203.0.113.7:8443"),
        sticky_name="LIVE",
        sozu_id_header="Live-Id",
        answers={"404": "HTTP/1.1 404 Not Found\r\nX-Mine: yes\r\nContent-Length: 4\r\n\r\nmine"},
    )
    stage.command.add_cluster("app", sticky_session=True)
    client.send(get("/2"))
    asked, _ = a.answer(peer, b"2")
    assert b"\r\nX-Forwarded-Port: 8443\r\n" in asked
    assert b"by=203.0.113.7" in asked
    head = expect_answer(client, 200, b"2")
    assert b"\r\nSet-Cookie: LIVE=" in head
    assert b"\r\nLive-Id: " in head
    answered, body = stage.ask(client, "nobody.example")
    assert status_of(answered) == 404
    assert (b"\r\nX-Mine: yes\r\n" in answered, body) == (True, b"mine")
    # The other listener is as it was.
    over_tls.send(get("/tls"))
    asked, _ = a.answer(peer, b"tls")
    assert f"\r\nX-Forwarded-Port: {stage.tls_port}\r\n".encode() in asked
    head = expect_answer(over_tls, 200, b"tls")
    assert b"LIVE" not in head
    tunnel.exchange()
    tunnel.end()


def test_a_shorter_timeout_holds_for_who_is_connected(stage: LiveStage) -> None:
    (a,) = stage.backends
    client = stage.client()
    peer = serve(client, a)
    update(stage, back_timeout=1)
    client.send(get("/slow"))
    peer.receive_until(b"\r\n\r\n")
    head, _ = client.receive_message(SECONDS_MAX)
    assert status_of(head) == 504
    expect_gone(peer)


def test_an_update_that_is_none_changes_nothing(stage: LiveStage) -> None:
    (a,) = stage.backends
    client = stage.client()
    peer = serve(client, a)
    with pytest.raises(RefusedError, match="404"):
        update(stage, sticky_name="LIVE", answers={"404": "no head"})
    assert listed(stage).http_listeners[stage.at].sticky_name != "LIVE"
    client.send(get("/2"))
    a.answer(peer, b"2")
    expect_answer(client, 200, b"2")


# From plain to TLS.


def test_a_plain_listener_becomes_one_of_tls_in_one_step(stage: LiveStage, other: str) -> None:
    (a,) = stage.backends
    port = int(other.rpartition(":")[2])
    busy, idle = client_of(stage, other), client_of(stage, other)
    busy_peer = begin(busy, a)
    peer = serve(idle, a)
    certificate = stage.authority.issue(HOST)
    stage.command.batch(
        [
            written.remove_http_frontend(other, HOST, "app"),
            written.remove_listener(other),
            written.add_https_listener(other),
            written.add_https_frontend(other, HOST, "app"),
            written.activate_listener(other, "https"),
            written.add_certificate(other, certificate.certificate, certificate.key),
        ]
    )
    last_answer(stage, idle, get("/idle"))
    client = tls_connect(port, trusting(stage.authority))
    stage.clients.append(client)
    assert shown_by(client) == certificate.fingerprint
    client.send(get("/tls"))
    asked, _ = a.answer(peer, b"tls")
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked
    expect_answer(client, 200, b"tls")
    plain = client_of(stage, other)
    plain.send(get("/plain"))
    assert b" 200 " not in plain.receive_rest(SECONDS_MAX)
    finish(busy, busy_peer)
    last_answer(stage, busy, get("/busy"))  # Its head had said no close.
    # And back again.
    stage.command.batch(
        [
            written.remove_https_frontend(other, HOST, "app"),
            written.remove_listener(other, "https"),
            written.add_http_listener(other),
            written.add_http_frontend(other, HOST, "app"),
            written.activate_listener(other),
        ]
    )
    last_answer(stage, client, get("/idle"))
    plain = client_of(stage, other)
    plain.send(get("/plain"))
    _, peer = stage.next_request()
    a.answer(peer, b"plain")
    expect_answer(plain, 200, b"plain")


# Certificates.


def test_certificates_come_change_and_go_under_traffic(stage: LiveStage) -> None:
    (a,) = stage.backends
    stage.command.add_https_frontend(stage.tls_at, "shop.example", "app")
    first, second = (stage.authority.issue("shop.example") for _ in range(2))
    default = stage.certificate.fingerprint
    download = Download(stage.tls_client(), a)
    old = stage.tls_client()
    peer = serve(old, a)
    assert stage.shown("shop.example") == default
    stage.command.add_certificate(stage.tls_at, first.certificate + first.chain, first.key)
    assert stage.shown("shop.example") == first.fingerprint
    assert stage.shown() == default
    kept = stage.tls_client("shop.example")
    kept.send(get("/first", "shop.example"))
    a.answer(peer, b"first")
    expect_answer(kept, 200, b"first")
    stage.command.replace_certificate(
        stage.tls_at, first.fingerprint, second.certificate + second.chain, second.key
    )
    assert stage.shown("shop.example") == second.fingerprint
    for client in (kept, old):
        client.send(get("/second", "shop.example" if client is kept else HOST))
        a.answer(peer, b"second")
        expect_answer(client, 200, b"second")
    stage.command.remove_certificate(stage.tls_at, second.fingerprint)
    assert stage.shown("shop.example") == default
    # A certificate is a matter of the handshake: whose is over goes on.
    kept.send(get("/third", "shop.example"))
    a.answer(peer, b"third")
    expect_answer(kept, 200, b"third")
    download.check()
    download.end()


def test_a_certificate_that_is_none_changes_nothing(stage: LiveStage) -> None:
    held = stage.authority.issue("shop.example")
    stage.command.add_certificate(stage.tls_at, held.certificate, held.key)
    strange = stage.authority.issue("shop.example")
    with pytest.raises(RefusedError):
        stage.command.replace_certificate(
            stage.tls_at, held.fingerprint, strange.certificate, stage.certificate.key
        )
    with pytest.raises(RefusedError):
        stage.command.remove_certificate(stage.tls_at, strange.fingerprint)
    assert stage.shown("shop.example") == held.fingerprint
