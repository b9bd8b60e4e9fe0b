"""
Backends and frontends that change under traffic, each ordered through the command socket.

The variants bear the numbers that the tests in memory use. Orders are answered when they hold, so
that nothing is waited for: the next request must see what was ordered.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sozutw.control.client import RefusedError, written
from tests.e2e.harness import Peer
from tests.e2e.live import HOST, LiveStage, begin, expect_gone, finish, serve
from tests.e2e.stage import ScriptedBackend, expect_answer, get, response


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[LiveStage]:
    with LiveStage(tmp_path) as live:
        yield live


def keep(stage: LiveStage, client: Peer) -> tuple[ScriptedBackend, Peer, ScriptedBackend]:
    """Have a client served; return by whom, on which connection, and who the other is."""
    backend, peer = stage.exchange(client, "/1")
    return backend, peer, stage.after(backend)


def remove(stage: LiveStage, backend: ScriptedBackend) -> None:
    stage.command.remove_backend("app", backend.name, str(backend))


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_v21_a_removed_backend_is_asked_nothing_more(stage: LiveStage, is_tls: bool) -> None:
    client = stage.tls_client() if is_tls else stage.client()
    a, a_peer, b = keep(stage, client)
    remove(stage, a)
    expect_gone(a_peer)
    for n in range(3):
        client.send(get(f"/{n}"))
        served, peer = stage.next_request()
        assert served is b
        b.answer(peer, b"from b")
        expect_answer(client, 200, b"from b")
    a.expect_no_connection(0)


def test_v21_the_last_backend_goes_and_another_comes(stage: LiveStage) -> None:
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    remove(stage, b)
    remove(stage, a)
    expect_gone(a_peer)
    assert stage.status(client) == 503
    stage.command.add_backend("app", b.name, str(b))
    serve(client, b)
    a.expect_no_connection(0)


def test_v22_a_backend_with_another_address_is_asked_there(stage: LiveStage) -> None:
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    moved = stage.add_backend("moved")
    remove(stage, b)
    stage.command.batch(
        [
            written.remove_backend("app", a.name, str(a)),
            written.add_backend("app", a.name, str(moved)),
        ]
    )
    expect_gone(a_peer)
    serve(client, moved)
    a.expect_no_connection(0)


def test_v22_an_address_that_goes_to_another_cluster_serves_only_that(stage: LiveStage) -> None:
    """Sōzu's issue 262: a kept client was served by the wrong application."""
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    stage.command.batch(
        [
            written.remove_backend("app", a.name, str(a)),
            written.add_cluster("other"),
            written.add_backend("other", a.name, str(a)),
            written.add_http_frontend(stage.at, "other.example", "other"),
        ]
    )
    expect_gone(a_peer)
    serve(client, b)
    serve(client, a, host="other.example")
    client.send(get("/again"))
    served, peer = stage.next_request()
    assert served is b
    b.answer(peer, b"again")
    expect_answer(client, 200, b"again")


def test_v23_what_is_under_way_at_a_removed_backend_finishes_there(stage: LiveStage) -> None:
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    remove(stage, b)
    begin(client, a, a_peer)
    stage.command.batch(
        [written.remove_backend("app", a.name, str(a)), written.add_backend("app", "B", str(b))]
    )
    finish(client, a_peer)
    expect_gone(a_peer)
    serve(client, b)
    a.expect_no_connection(0)


def test_v23_an_upload_goes_on_to_the_backend_that_was_removed(stage: LiveStage) -> None:
    client = stage.client()
    client.send(b"POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc")
    a, peer = stage.next_request()
    assert peer.receive_until(b"abc")
    remove(stage, a)
    client.send(b"def")
    assert peer.receive_exactly(3) == b"def"
    peer.send(response(b"all of it"))
    expect_answer(client, 200, b"all of it")
    expect_gone(peer)


def test_a_backend_that_comes_back_while_it_finishes_is_dialled_anew(stage: LiveStage) -> None:
    client = stage.client()
    remove(stage, stage.backends[1])
    (a, b) = stage.backends
    a_peer = begin(client, a)
    remove(stage, a)
    stage.command.add_backend("app", a.name, str(a))
    finish(client, a_peer)
    expect_gone(a_peer)
    serve(client, a)
    b.expect_no_connection(0)


def test_another_weight_costs_no_connection(stage: LiveStage) -> None:
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    remove(stage, b)
    stage.command.add_backend("app", a.name, str(a), weight=7)
    client.send(get("/2"))
    assert stage.next_request() == (a, a_peer)
    a.answer(a_peer, b"the same")
    expect_answer(client, 200, b"the same")


def lead(stage: LiveStage, old: str, new: str) -> None:
    """Lead the host to another cluster, in one step."""
    stage.command.batch(
        [
            written.remove_http_frontend(stage.at, HOST, old),
            written.add_http_frontend(stage.at, HOST, new),
        ]
    )


def test_blue_green_the_next_request_goes_to_the_other_cluster(stage: LiveStage) -> None:
    blue, green = stage.backends
    remove(stage, green)
    stage.command.add_cluster("green")
    stage.command.add_backend("green", green.name, str(green))
    client, busy = stage.client(), stage.client()
    blue_peer = serve(client, blue)
    begin(busy, blue, blue_peer)
    lead(stage, "app", "green")
    green_peer = serve(client, green)
    finish(busy, blue_peer)
    lead(stage, "green", "app")
    client.send(get("/back"))
    served, peer = stage.next_request()
    assert (served, peer) == (blue, blue_peer)
    blue.answer(peer, b"back")
    expect_answer(client, 200, b"back")
    stage.command.remove_cluster("green")
    expect_gone(green_peer)


def test_a_removed_frontend_leads_nowhere_and_its_cluster_stays(stage: LiveStage) -> None:
    client = stage.client()
    _, peer, _ = keep(stage, client)
    stage.command.remove_http_frontend(stage.at, HOST, "app")
    assert stage.status(client) == 404
    peer.expect_silence(0)
    # The same cluster goes on serving the other listener, on the connection that it has.
    over_tls = stage.tls_client()
    over_tls.send(get("/tls"))
    backend, used = stage.next_request()
    backend.answer(used, b"tls")
    expect_answer(over_tls, 200, b"tls")


def test_a_removed_cluster_finishes_and_then_answers_503(stage: LiveStage) -> None:
    remove(stage, stage.backends[1])
    busy, idle = stage.client(), stage.client()
    a = stage.backends[0]
    busy_peer = begin(busy, a)
    idle_peer = serve(idle, a)
    stage.command.remove_cluster("app")
    expect_gone(idle_peer)
    finish(busy, busy_peer)
    expect_gone(busy_peer)
    for client in (idle, busy):
        assert stage.status(client) == 503


def test_a_batch_that_cannot_be_changes_nothing(stage: LiveStage) -> None:
    client = stage.client()
    a, a_peer, b = keep(stage, client)
    remove(stage, b)
    with pytest.raises(RefusedError, match="none is applied"):
        stage.command.batch(
            [
                written.remove_backend("app", a.name, str(a)),
                written.remove_cluster("nobody"),
            ]
        )
    client.send(get("/2"))
    assert stage.next_request() == (a, a_peer)
    a.answer(a_peer, b"as before")
    expect_answer(client, 200, b"as before")
