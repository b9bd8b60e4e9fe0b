"""A process with a command socket: asked over it, on a loop that is run by hand."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.logger import LogEvent, capturedLogs, formatEvent

from sozutw.config.dump import dump
from sozutw.config.model import (
    Backend,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    InetAddress,
    Settings,
)
from sozutw.config.requests import AddCluster
from sozutw.control.changes.state_file import StateFile
from sozutw.control.client import Client, RefusedError
from sozutw.control.proto import command_pb2 as pb
from sozutw.process.host import NO_SOURCE, Source
from sozutw.process.tree import ProxyService, make_tree
from tests.e2e.harness import ReservedPort
from tests.fakes.loops import HandRunLoop, loop_named

T = TypeVar("T")


class Place:
    """A proxy on a loop, and the folder that its files are in."""

    def __init__(self, loop: HandRunLoop, folder: Path, **settings: Any) -> None:
        self.loop = loop
        self.folder = folder
        self.path = str(folder / "sozu.sock")
        self.reserved = ReservedPort()
        address = InetAddress("127.0.0.1", self.reserved.port)
        settings = {"command_socket": self.path, **settings}
        self.config = Config(
            Settings(access_logs_target=f"file://{folder / 'access.log'}", **settings),
            listeners=(HttpListener(address),),
            clusters=(Cluster("app"),),
            frontends=(FrontendRule(address, "a.test", cluster_id="app"),),
            backends=(Backend("app", "0", InetAddress("127.0.0.1", 9)),),
        )
        self.source = NO_SOURCE
        self.stopped: list[object] = []

    def make(self) -> ProxyService:
        self.proxy = make_tree(self.config, self.loop.reactor, source=self.source)
        return self.proxy

    def start(self) -> list[str]:
        """Start, and return what was logged."""
        with capturedLogs() as events:
            self.make()
            self.proxy.privilegedStartService()
            self.proxy.startService()
        return texts(events)

    def stop(self) -> None:
        if not self.stopped:
            self.proxy.stopService().addBoth(self.stopped.append)
        self.loop.run_until(lambda: self.stopped)
        self.reserved.close()

    def meanwhile(self, ask: Callable[[Client], T]) -> T:
        """Ask over the socket from another thread, while this one runs the loop."""
        results: list[T] = []
        faults: list[BaseException] = []

        def asked() -> None:
            try:
                with Client(self.path) as client:
                    results.append(ask(client))
            except BaseException as fault:  # noqa: BLE001  # raised below
                faults.append(fault)

        thread = threading.Thread(target=asked)
        thread.start()
        self.loop.run_until(lambda: not thread.is_alive())
        thread.join()
        for fault in faults:
            raise fault
        return results[0]

    def clusters(self) -> list[str]:
        return [cluster.cluster_id for cluster in self.proxy.applier.state.clusters]


def texts(events: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events]


@pytest.fixture
def loop() -> Iterator[HandRunLoop]:
    with loop_named("direct") as loop:
        yield loop


@pytest.fixture
def make(loop: HandRunLoop, tmp_path: Path) -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def made(**settings: Any) -> Place:
        places.append(Place(loop, tmp_path, **settings))
        return places[-1]

    yield made
    for place in places:
        place.stop()


def test_orders_are_taken_over_the_socket(make: Callable[..., Place]) -> None:
    place = make()
    said = place.start()
    assert f"commands are taken at {place.path}" in said
    assert os.stat(place.path).st_mode & 0o777 == 0o600
    place.meanwhile(lambda client: client.add_backend("app", "1", "127.0.0.1:10"))
    assert len(place.proxy.applier.clusters["app"].backends) == 2
    (worker,) = place.meanwhile(lambda client: client.status())
    assert worker.pid == os.getpid()
    place.stop()
    assert not os.path.exists(place.path)


def test_without_a_path_there_is_no_control_plane(make: Callable[..., Place]) -> None:
    place = make(command_socket=None)
    place.start()
    assert place.proxy.control is None


def test_a_path_that_somebody_answers_on_stops_the_start_if_it_was_written(
    make: Callable[..., Place],
) -> None:
    first = make()
    first.start()
    second = make()
    second.make()
    with pytest.raises(OSError, match="another sozutw answers there"):
        second.proxy.privilegedStartService()
    assert second.proxy.serving.listeners.acceptors == {}  # Nor is anything else left open.
    third = make(command_socket_is_default=True)
    (said,) = [text for text in third.start() if text.startswith("no command socket")]
    assert "command_socket names another path" in said
    assert third.proxy.control is not None
    assert third.proxy.control.path is None
    assert first.meanwhile(lambda client: len(client.status())) == 1


def write_state(path: Path, names: list[str]) -> None:
    file = StateFile(str(path))
    list(file.steps([AddCluster(Cluster(name)) for name in names]))
    file.settle()


def test_a_saved_state_is_in_force_from_the_start(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    path = tmp_path / "state"
    write_state(path, ["app", "one"])
    place = make(saved_state=str(path))
    said = place.start()
    assert place.clusters() == ["app", "one"]
    assert any(text.startswith(f"saved_state: 2 orders of {path} applied") for text in said)


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (None, 0o600, "is not there yet"),
        (b"{torn", 0o600, "record 1"),
        (b"", 0o644, "chmod 600"),
    ],
)
def test_a_saved_state_that_cannot_be_is_told_and_the_file_holds(
    make: Callable[..., Place], tmp_path: Path, content: bytes | None, mode: int, why: str
) -> None:
    path = tmp_path / "state"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    place = make(saved_state=str(path))
    said = [text for text in place.start() if text.startswith("saved_state")]
    assert len(said) == 1
    assert why in said[0]
    assert place.clusters() == ["app"]


def test_what_changes_is_saved_by_itself_and_at_the_end(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    path = tmp_path / "state"
    place = make(saved_state=str(path), automatic_state_save=True)
    place.start()
    place.meanwhile(lambda client: client.remove_cluster("app"))
    assert not path.exists()
    place.stop()
    assert path.exists()
    again = make(saved_state=str(path), command_socket=str(tmp_path / "other.sock"))
    again.start()
    assert set(map(str, dump(again.proxy.applier.state))) >= {
        str(request)
        for request in dump(place.proxy.applier.state)
        if not str(request).startswith(("AddHttpL", "Activate", "AddHttpF"))
    }


def test_a_reload_lets_other_settings_hold(make: Callable[..., Place], tmp_path: Path) -> None:
    place = make()
    place.start()
    path = tmp_path / "sozutw.toml"
    path.write_text(
        f'command_socket = "{place.path}"\nsaved_state = "s"\nautomatic_state_save = true\n'
        "retry_after = 7\nbuffer_size = 30000\n"
    )

    def reload(client: Client) -> str:
        request = pb.Request(apply_configuration=pb.ApplyConfiguration(path=str(path)))
        return str(client.request(request).message)

    text = place.meanwhile(reload)
    assert "buffer_size" in text.partition("takes effect with the next start: ")[2]
    assert "retry_after" not in text
    assert "saved_state" not in text
    assert place.proxy.serving.worker.means.retry_after == 7
    assert place.clusters() == []
    path.write_text("buffer_size = 1")
    with pytest.raises(RefusedError, match=f"{path}:1: buffer_size is 1"):
        place.meanwhile(reload)
    place.stop()
    assert (tmp_path / "s").exists()


@pytest.fixture
def read(make: Callable[..., Place], tmp_path: Path) -> Place:
    """A proxy that was started from a file, as far as it knows; it asks for a cluster ``new``."""
    place = make(audit_logs_target=str(tmp_path / "audit.log"))
    place.source = Source(str(tmp_path / "sozutw.toml"))
    (tmp_path / "sozutw.toml").write_text(
        f'command_socket = "{place.path}"\n[clusters.new]\nprotocol = "http"\n'
        "frontends = []\nbackends = []\n"
    )
    place.start()
    return place


def reloaded(place: Place) -> list[str]:
    """Have the file read, and return what the log says of it."""
    with capturedLogs() as events:
        place.proxy.reload()
        place.loop.run_until(lambda: any("loading" in t or "loaded" in t for t in texts(events)))
    return texts(events)


def test_a_signal_has_the_file_read_and_the_log_tells_what_came_of_it(read: Place) -> None:
    said = reloaded(read)
    assert f"SIGHUP: {read.source.path} is read again" in said
    assert "SIGHUP: add_cluster cluster:new" in said
    assert "SIGHUP: remove_cluster cluster:app" in said
    assert read.clusters() == ["new"]
    trail = (read.folder / "audit.log").read_text()
    assert "verb=configuration_applied" in trail
    assert "actor_comm=SIGHUP" in trail
    (again,) = [text for text in reloaded(read) if "loaded" in text]
    assert again.startswith("SIGHUP: Successfully loaded the config: 0 ok")


def test_a_file_that_is_wrong_is_told_with_its_line_and_changes_nothing(read: Place) -> None:
    Path(read.source.path).write_text("\nbuffer_size = 1\nretry_after = -1\n")
    with capturedLogs() as events:
        read.proxy.reload()
        read.loop.run_until(lambda: any(":3: " in text for text in texts(events)))
    assert any(f"{read.source.path}:2: buffer_size" in text for text in texts(events))
    assert read.clusters() == ["app"]


def test_a_reload_waits_for_its_turn(read: Place) -> None:
    assert read.proxy.control is not None
    turn = read.proxy.control.changes._turn
    turn.acquire()
    read.proxy.reload()
    read.loop.settle()
    assert read.clusters() == ["app"]
    turn.release()
    read.loop.run_until(lambda: read.clusters() == ["new"])


def test_while_it_stops_nothing_is_read(read: Place) -> None:
    with capturedLogs() as events:
        read.proxy.stopService().addBoth(read.stopped.append)
        read.proxy.reload()
        read.loop.run_until(lambda: read.stopped)
    assert not any("SIGHUP" in text for text in texts(events))


@pytest.mark.parametrize("has_socket", [True, False])
def test_what_was_started_without_a_file_has_none_to_read(
    make: Callable[..., Place], has_socket: bool
) -> None:
    place = make() if has_socket else make(command_socket=None)
    place.start()
    with capturedLogs() as events:
        place.proxy.reload()
        place.loop.settle()
    assert texts(events) == []


def test_the_audit_trail_is_written_and_reopened(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    text, json = tmp_path / "audit.log", tmp_path / "audit.json"
    place = make(audit_logs_target=str(text), audit_logs_json_target=str(json))
    place.start()
    place.meanwhile(lambda client: client.remove_cluster("app"))
    assert "verb=cluster_removed" in text.read_text()
    assert '"verb": "cluster_removed"' in json.read_text()
    assert text.stat().st_mode & 0o777 == 0o640
    text.rename(tmp_path / "old")
    place.proxy.reopen_logs()
    with pytest.raises(RefusedError):
        place.meanwhile(lambda client: client.remove_cluster("app"))
    assert "result=err" in text.read_text()


def test_an_audit_trail_that_cannot_be_written_stops_the_start(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    place = make(command_socket=None)
    place.start()
    bad = make(audit_logs_target=str(tmp_path / "no" / "audit"))
    with pytest.raises(FileNotFoundError):
        bad.make()
    bad.proxy = place.proxy
    bad.stopped.append(None)


def test_a_soft_stop_is_answered_before_the_socket_goes(make: Callable[..., Place]) -> None:
    place = make()
    place.start()
    text = place.meanwhile(
        lambda client: client.request(pb.Request(soft_stop=pb.SoftStop())).message
    )
    assert text.startswith("Successfully closed 1 workers")
    place.stop()
    assert not os.path.exists(place.path)


def connected(place: Place, count: int) -> list[socket.socket]:
    """Return clients that were accepted."""
    made = [socket.create_connection(("127.0.0.1", place.reserved.port)) for _ in range(count)]
    place.loop.run_until(lambda: place.proxy.count_connections() == count)
    return made


def wait_to_read(place: Place, sock: socket.socket) -> None:
    place.loop.run_until(lambda: select.select([sock], [], [], 0)[0])


def test_nothing_is_lost_from_the_logs_because_of_a_client_that_is_stuck(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    backend = socket.create_server(("127.0.0.1", 0))
    text, json = tmp_path / "audit.log", tmp_path / "audit.json"
    place = make(
        audit_logs_target=str(text),
        audit_logs_json_target=str(json),
        graceful_shutdown_timeout=0.2,
    )
    place.start()
    place.meanwhile(
        lambda client: client.add_backend("app", "1", f"127.0.0.1:{backend.getsockname()[1]}")
    )
    place.meanwhile(lambda client: client.remove_backend("app", "0", "127.0.0.1:9"))
    stuck, quick = connected(place, 2)
    stuck.send(b"GET /stuck HTTP/1.1\r\nHost: a.test\r\n\r\n")
    wait_to_read(place, backend)
    peer, _ = backend.accept()
    wait_to_read(place, peer)
    peer.setblocking(False)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")

    def is_stuck() -> bool:
        try:
            while True:
                peer.send(bytes(1 << 20))
        except BlockingIOError:
            return True

    place.loop.run_until(is_stuck)
    quick.send(b"GET /quick HTTP/1.1\r\nHost: b.test\r\n\r\n")
    wait_to_read(place, quick)
    # Whoever asks for the stop is answered when the log is whole.
    words: list[str] = []

    def stop(client: Client) -> None:
        client.request(pb.Request(soft_stop=pb.SoftStop()))
        words.append((tmp_path / "access.log").read_text())

    place.meanwhile(stop)
    place.stop()
    (whole,) = words
    assert whole == (tmp_path / "access.log").read_text()
    assert [line.partition(" /")[2].split()[0] for line in whole.splitlines()] == ["quick", "stuck"]
    for trail in (text, json):
        lines = trail.read_text().splitlines()
        verbs = ("backend_added", "backend_removed", "soft_stop_requested")
        assert [verb for verb, line in zip(verbs, lines, strict=True) if verb in line] == [*verbs]
    for each in (stuck, quick, peer, backend):
        each.close()


def test_what_a_slow_reader_has_left_of_the_audit_trail_is_written_at_the_end(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    path = tmp_path / "audit.fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    place = make(audit_logs_target=str(path))
    place.start()
    filler = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(filler, bytes(4096))
    place.meanwhile(lambda client: client.remove_cluster("app"))
    with suppress(BlockingIOError):
        while os.read(reader, 65536):
            pass
    place.stop()
    assert b"verb=cluster_removed" in os.read(reader, 65536)
    os.close(filler)
    assert os.read(reader, 65536) == b""  # Nobody has it open any more.
    os.close(reader)


def test_lines_of_the_audit_trail_that_are_lost_are_told(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    path = tmp_path / "audit.fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    place = make(audit_logs_target=str(path))
    place.start()
    os.close(reader)
    with capturedLogs() as events:
        place.meanwhile(lambda client: client.remove_cluster("app"))
    assert f"1 lines of the audit trail are lost: {path}" in texts(events)


def test_services_stop_one_after_the_other(make: Callable[..., Place]) -> None:
    place = make(admin_address=None)
    place.start()
    proxy = place.proxy
    assert proxy.control is not None
    steps: list[str] = []

    def noted(name: str, service: Any) -> None:
        stop = service.stopService

        def stopped() -> Any:
            steps.append(f"{name} stops")
            done = maybeDeferred(stop)
            return done.addBoth(lambda _: steps.append(f"{name} has stopped"))

        service.stopService = stopped

    for name, service in (
        ("the access log", proxy.serving.access_log),
        ("the command socket", proxy.control),
        ("the listeners", proxy.serving.listeners),
        ("the sessions", proxy.serving.worker.sessions),
    ):
        noted(name, service)
    (client,) = connected(place, 1)
    proxy.stopService().addBoth(place.stopped.append)
    assert steps == ["the listeners stops", "the listeners has stopped", "the sessions stops"]
    client.close()
    place.stop()
    order = ("the listeners", "the sessions", "the access log", "the command socket")
    assert steps == [f"{name} {step}" for name in order for step in ("stops", "has stopped")]


def test_what_is_applied_unasked_is_told_and_saved(
    make: Callable[..., Place], tmp_path: Path
) -> None:
    path = tmp_path / "state"
    place = make(saved_state=str(path), automatic_state_save=True)
    place.start()
    assert place.proxy.control is not None
    place.proxy.control.applied(AddCluster(Cluster("renewed")))
    place.stop()
    assert path.exists()
