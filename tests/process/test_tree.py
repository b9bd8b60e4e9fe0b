"""A whole proxy in this process, on a loop run by hand: it starts, tells, and stops in order."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from sozutw.config.model import (
    Backend,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    Position,
    Settings,
)
from sozutw.config.requests import ActivateListener, AddCertificate, AddCluster, AddHttpsListener
from sozutw.config.security import BackendTls
from sozutw.config.state import RefusedRequestError
from sozutw.listen.handed import HandedSockets
from sozutw.process.tree import ProxyService, make_tree
from sozutw.process.upgrade.inheritance import Inheritance
from tests.e2e.harness import ROOT, ReservedPort
from tests.fakes.certificates import chained, expired
from tests.fakes.loops import HandRunLoop, loop_named


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("epoll") as loop:
        yield loop


class Place:
    def __init__(self, loop: HandRunLoop, folder: Path, **more: Any) -> None:
        self.loop = loop
        self.log = folder / "access.log"
        self.reserved = ReservedPort()
        self.port = self.reserved.port
        self.backend = socket.create_server(("127.0.0.1", 0))
        self.backend.setblocking(False)
        address = InetAddress("127.0.0.1", self.port)
        there = InetAddress("127.0.0.1", self.backend.getsockname()[1])
        config = Config(
            settings=Settings(access_logs_target=f"file://{self.log}", max_connections=4, **more),
            listeners=(HttpListener(address),),
            clusters=(Cluster("app"),),
            frontends=(FrontendRule(address, "*", position=Position.PRE, cluster_id="app"),),
            backends=(Backend("app", "one", there),),
        )
        self.proxy: ProxyService = make_tree(config, loop.reactor)
        self.proxy.privilegedStartService()
        self.proxy.startService()

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setblocking(False)
        return client

    def exchange(self, client: socket.socket, body: bytes = b"") -> None:
        """Carry one request through; the backend's connection stays open, and is kept here."""
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        found: list[socket.socket] = []

        def is_there() -> bool:
            try:
                found.append(self.backend.accept()[0])
            except BlockingIOError:
                return False
            return True

        self.loop.run_until(is_there)
        self.peer = found[0]
        self.peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        self.loop.run_until(lambda: self.received(client).endswith(b"hi"))

    def received(self, client: socket.socket) -> bytes:
        try:
            return client.recv(65536)
        except BlockingIOError:
            return b""

    def told(self, capfd: pytest.CaptureFixture[str]) -> Any:
        self.proxy.report_counters()
        return json.loads(capfd.readouterr().out)

    def stop(self) -> None:
        done: list[None] = []
        self.proxy.stopService().addCallback(done.append)
        self.loop.run_until(lambda: bool(done))


@pytest.fixture
def place(loop: HandRunLoop, tmp_path: Path) -> Iterator[Place]:
    place = Place(loop, tmp_path)
    yield place
    place.proxy.stop_now()
    place.stop()
    place.backend.close()
    place.reserved.close()


def test_what_a_backend_did_is_told_of_it_its_cluster_and_the_whole(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    with place.connect() as client:
        place.exchange(client, b"x" * 100)
        told = place.told(capfd)
        assert place.proxy.count_connections() == 1
        assert place.proxy.tell_connections() == "1 connection left (1 idle)"
    proxy, app = told["proxy"], told["clusters"]["app"]
    (backend,) = app["backends"]
    assert proxy["client.connections"] == proxy["protocol.http"] == 1
    assert proxy["backend.pool.size"] == proxy["backend.connections"] == 1
    assert proxy["back_bytes_in"] == backend["metrics"]["bytes_in"] > 100
    assert proxy["back_bytes_out"] == backend["metrics"]["bytes_out"] > 0
    assert proxy["request_time"]["samples"] == 1
    assert app["cluster"]["backend.pool.miss"] == backend["metrics"]["backend.pool.miss"] == 1
    assert proxy["accept_queue.backpressure"] == 0
    place.peer.close()


def test_who_waits_to_be_let_in_is_told(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    clients = [place.connect() for _ in range(6)]
    place.loop.run_until(lambda: place.proxy.count_connections() == 4)
    place.loop.settle()
    told = place.told(capfd)
    assert told["proxy"]["accept_queue.connections"] == 2
    assert told["proxy"]["accept_queue.backpressure"] == 0
    assert told["proxy"]["listener.connection_capped"] == 2
    for client in clients:
        client.close()
    place.loop.run_until(lambda: place.proxy.count_connections() == 0)
    told = place.told(capfd)
    assert told["proxy"]["accept_queue.connections"] == 0
    assert told["proxy"]["accept_queue.wait_time"]["samples"] == 2


def test_stopping_refuses_who_comes_and_writes_the_log(loop: HandRunLoop, tmp_path: Path) -> None:
    place = Place(loop, tmp_path, graceful_shutdown_timeout=0.1)
    with place.connect() as client:
        place.exchange(client)
        place.stop()
        with pytest.raises(ConnectionRefusedError):
            place.connect()
        assert place.proxy.count_connections() == 0
    assert place.log.read_text().count("POST") == 1
    place.peer.close()
    place.backend.close()
    place.stop()  # Again is no harm: a signal and twistd may both ask.


def test_who_looks_is_told_that_it_stops(place: Place) -> None:
    assert not place.proxy.host.is_stopping
    place.proxy.stop_softly()
    assert place.proxy.host.is_stopping


def test_logs_are_reopened_under_the_same_name(place: Place) -> None:
    with place.connect() as client:
        place.exchange(client)
        place.peer.close()
        os.rename(place.log, f"{place.log}.1")
        place.proxy.reopen_logs()
        assert "POST" in Path(f"{place.log}.1").read_text()
        assert place.log.read_text() == ""


class Watched(Place):
    """One that tells of itself at an admin address."""

    def __init__(self, loop: HandRunLoop, folder: Path) -> None:
        self.admin = ReservedPort()
        super().__init__(loop, folder, admin_address=InetAddress("127.0.0.1", self.admin.port))

    def ask(self, path: str) -> tuple[int, str]:
        with socket.create_connection(("127.0.0.1", self.admin.port)) as asker:
            asker.setblocking(False)
            asker.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = bytearray()

            def is_answered() -> bool:
                try:
                    data = asker.recv(65536)
                except BlockingIOError:
                    return False
                answer.extend(data)
                return not data

            self.loop.run_until(is_answered)
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body


@pytest.fixture
def watched(loop: HandRunLoop, tmp_path: Path) -> Iterator[Watched]:
    place = Watched(loop, tmp_path)
    yield place
    place.proxy.stop_now()
    place.stop()
    place.backend.close()
    place.reserved.close()
    place.admin.close()


def test_it_tells_whether_clients_may_be_sent_to_it(watched: Watched) -> None:
    place = watched
    assert place.ask("/readyz") == (200, "ready\n")
    place.proxy.serving.listeners.deactivate(InetAddress("127.0.0.1", place.port))
    status, reason = place.ask("/readyz")
    assert status == 503
    assert reason == "no listener is active, of 1 that are configured\n"
    assert place.ask("/healthz") == (200, "ok\n")


def test_nobody_is_sent_to_it_before_all_has_started(loop: HandRunLoop) -> None:
    proxy = make_tree(Config(), loop.reactor)
    assert proxy.admin is None
    assert proxy.why_not_ready() == "starting"
    proxy.startService()
    # Without a listener in its configuration it waits for orders, as it should.
    assert proxy.why_not_ready() is None
    done: list[None] = []
    proxy.stopService().addCallback(done.append)
    loop.run_until(lambda: bool(done))


def test_it_is_told_of_until_the_last_client_is_gone(loop: HandRunLoop, watched: Watched) -> None:
    place = watched
    with place.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        place.loop.run_until(lambda: place.proxy.count_connections() == 1)
        loop.settle()
        done: list[None] = []
        assert not place.proxy.host.is_stopping
        place.proxy.stopService().addCallback(done.append)
        assert place.proxy.host.is_stopping
        assert place.ask("/readyz") == (503, "draining\n")
        assert place.ask("/healthz") == (200, "ok\n")
        assert "\nsozutw_client_connections 1\n" in place.ask("/metrics")[1]
        assert not done
    loop.run_until(lambda: bool(done))
    loop.settle()
    with pytest.raises(ConnectionRefusedError):
        place.ask("/healthz")


def test_who_has_no_admin_address_does_without_its_library() -> None:
    code = "import sys, sozutw.process.tree; sys.exit('twisted.web' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_what_is_put_in_force_while_it_stops_is_watched_by_nobody(place: Place) -> None:
    watch = place.proxy.watch
    place.proxy.stop_softly()
    assert place.proxy.host.is_stopping
    place.proxy.host.configured(Config())
    assert place.proxy.watch is watch
    assert not watch.running


def test_what_dials_over_tls_need_is_there_before_the_first_request(place: Place) -> None:
    assert place.proxy.serving._dialler._securing is None
    place.proxy.applier.apply(AddCluster(Cluster("tls", backend_tls=BackendTls())))
    assert len(place.proxy.serving._dialler._securing._contexts._contexts) == 1


def test_a_socket_that_was_handed_over_waits_for_a_listener_that_is_not_active(
    loop: HandRunLoop, tmp_path: Path
) -> None:
    wanted, unasked = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    address, other = (InetAddress(*sock.getsockname()) for sock in (wanted, unasked))
    config = Config(
        settings=Settings(
            access_logs_target=f"file://{tmp_path / 'access.log'}", activate_listeners=False
        ),
        listeners=(HttpListener(address),),
    )
    proxy = make_tree(config, loop.reactor, handed=HandedSockets([wanted, unasked]))
    with capturedLogs() as events:
        proxy.privilegedStartService()
        proxy.startService()
    (told,) = (event["unasked"] for event in events if "unasked" in event)
    assert told == str(other)
    assert unasked.fileno() == -1
    assert proxy.describe() == "0 clients; no listener is active"
    proxy.applier.apply(ActivateListener(address))
    assert proxy.describe() == f"0 clients at http://{address}"
    client = socket.create_connection((address.host, address.port))
    loop.run_until(lambda: proxy.count_connections() == 1)
    assert proxy.describe() == f"1 client at http://{address}"
    client.close()
    done: list[None] = []
    proxy.stopService().addCallback(done.append)
    assert wanted.fileno() == -1
    loop.run_until(lambda: bool(done))


def test_commands_and_probes_are_the_process_s_before_until_this_one_serves(
    loop: HandRunLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, other = tmp_path / "s.sock", tmp_path / "other.sock"
    admin = socket.create_server(("127.0.0.1", 0))
    at = InetAddress(*admin.getsockname())
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(other))
    old.listen()
    inheritance = Inheritance((), {at: admin}, str(other), old)
    settings = Settings(command_socket=str(command), admin_address=at)
    proxy = make_tree(Config(settings=settings), loop.reactor, inheritance=inheritance)
    loaded: Deferred[None] = Deferred()
    monkeypatch.setattr(proxy.serving, "start", lambda: loaded)
    proxy.privilegedStartService()
    proxy.startService()
    with socket.create_connection((at.host, at.port)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(command))
        loop.settle()
        assert proxy.admin is not None
        assert proxy.control is not None
        assert not proxy.admin._channels
        assert not len(proxy.control._service or ())
        assert other.exists()
        loaded.callback(None)
        loop.run_until(lambda: proxy.admin._channels and len(proxy.control._service or ()))  # type: ignore[union-attr]
        assert not other.exists()
    done: list[None] = []
    proxy.stopService().addCallback(done.append)
    loop.run_until(lambda: done)


def test_a_command_socket_that_was_handed_over_keeps_its_file_if_another_one_is_used(
    loop: HandRunLoop, tmp_path: Path
) -> None:
    path = tmp_path / "handed.sock"
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    proxy = make_tree(
        Config(settings=Settings(command_socket=str(tmp_path / "s.sock"))),
        loop.reactor,
        inheritance=Inheritance((), {}, str(path), made),
        handed=HandedSockets([made.dup()]),
    )
    proxy.privilegedStartService()
    proxy.startService()
    assert made.fileno() == -1
    assert path.exists()
    done: list[None] = []
    proxy.stopService().addCallback(done.append)
    loop.run_until(lambda: done)


def test_whoever_looks_after_the_process_hears_of_its_stop_once(place: Place) -> None:
    told: list[None] = []
    place.proxy.stop_begun = lambda: told.append(None)
    place.proxy.stop_softly()
    place.stop()
    assert told == [None]


def test_what_has_expired_meanwhile_is_taken_over_and_nothing_else_of_the_kind(
    loop: HandRunLoop,
) -> None:
    at = InetAddress("127.0.0.1", 1)
    own, other = chained(expired("own.example")), chained(expired("other.example"))
    secure = AddHttpsListener(HttpsListener(HttpListener(at), certificate=own))
    inherited = Inheritance([secure, AddCertificate(at, own)])
    config = Config(settings=Settings(access_logs_target="file:///dev/null", max_connections=4))
    proxy = make_tree(config, loop.reactor, inheritance=inherited)
    proxy.privilegedStartService()
    assert [one.names for one in proxy.serving.certificates.shown(at, "x")] == [("own.example",)]
    with pytest.raises(RefusedRequestError, match="it expired"):
        proxy.applier.apply(AddCertificate(at, other))
