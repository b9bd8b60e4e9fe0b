"""Tests of ``sozutw.control.channel.server``, with real sockets on loops that are run by hand."""

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed

from sozutw.control.channel import server
from sozutw.control.channel.server import IDLE_SECONDS, CommandService, command_of
from sozutw.control.desk import Actor, Tell
from sozutw.control.orders import written
from sozutw.control.proto import command_pb2 as pb
from sozutw.listen.handed import HandedSockets
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.loops import HandRunLoop, loop_named


class RealDesk:
    """Says what it is asked; answers Status at once, CountRequests at length, the rest later."""

    def __init__(self) -> None:
        self.asked: list[pb.Request] = []
        self.actors: list[Actor] = []
        self.tells: list[Tell] = []
        self.pending: list[Deferred[pb.Response]] = []
        self.cancelled = 0

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def turned_away(self, message: bytes, actor: Actor, refusal: pb.Response) -> None:
        """Not noted here."""

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        self.asked.append(request)
        self.actors.append(actor)
        self.tells.append(tell)
        verb = request.WhichOneof("request_type")
        if verb == "status":
            return succeed(pb.Response(status=pb.OK, message="fine"))
        if verb == "count_requests":
            return succeed(pb.Response(status=pb.OK, message="x" * 1_500_000))
        pending: Deferred[pb.Response] = Deferred(self._cancel)
        self.pending.append(pending)
        return pending


def framed(request: pb.Request) -> bytes:
    return frame(request.SerializeToString())


STATUS = framed(pb.Request(status=pb.Status()))
AT_LENGTH = framed(pb.Request(count_requests=pb.CountRequests()))
SUBSCRIBE = framed(pb.Request(subscribe_events=pb.SubscribeEvents()))
LATER = framed(written.remove_cluster("a"))


class Stage:
    """A service on a loop, and its clients."""

    def __init__(self, loop: HandRunLoop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.desk = RealDesk()
        self.services: list[CommandService] = []
        self.clients: list[Client] = []

    def serve(self, clients_max: int = 64, uids: list[int] | None = None) -> CommandService:
        service = CommandService(
            self.loop.reactor, str(self.path), self.desk, uids, clients_max=clients_max
        )
        service.privilegedStartService()
        service.startService()
        self.services.append(service)
        return service

    def client(self) -> "Client":
        client = Client(self)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.sock.close()
        for service in self.services:
            if service.running:
                self.stopped(service)
        self.loop.settle()

    def stopped(self, service: CommandService) -> None:
        done: list[None] = []
        service.stopService().addCallback(done.append)
        self.loop.run_until(lambda: done)


class Client:
    """A client in the test's own hands; whenever it waits, the loop runs."""

    def __init__(self, stage: Stage) -> None:
        self._loop = stage.loop
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(stage.path))
        self.sock.setblocking(False)
        self._reader = FrameReader(10_000_000)
        self.has_ended = False

    def send(self, data: bytes) -> int:
        """Send all, or until the service ends the connection; return how much was taken."""
        view = memoryview(data)

        def is_sent() -> bool:
            nonlocal view
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True
            return not view

        self._loop.run_until(is_sent)
        return len(data) - len(view)

    def response(self) -> pb.Response:
        """Return the next response."""
        whole: list[bytes] = []

        def is_whole() -> bool:
            message = self._reader.take()
            if message is not None:
                whole.append(message)
            elif self.has_ended:
                raise AssertionError("the end came first")
            else:
                self._receive()
            return bool(whole)

        self._loop.run_until(is_whole)
        return pb.Response.FromString(whole[0])

    def message(self) -> str:
        return self.response().message

    def expect_end(self) -> None:
        def is_at_its_end() -> bool:
            self._receive()
            assert len(self._reader) == 0, "more came"
            return self.has_ended

        self._loop.run_until(is_at_its_end)

    def _receive(self) -> None:
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            # Told first when the service ended with something of ours unread.
            return
        self.has_ended = not data
        self._reader.feed(data)


@pytest.fixture(params=["direct", "epoll"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with loop_named(request.param) as loop:
        stage = Stage(loop, tmp_path / "s")
        yield stage
        stage.close()


def test_it_serves_clients_and_knows_who_they_are(stage: Stage) -> None:
    service = stage.serve()
    first, second = stage.client(), stage.client()
    for client in (first, second):
        client.send(STATUS)
        assert client.message() == "fine"
    assert len(service) == 2
    name = Path("/proc/self/comm").read_text().strip()
    assert stage.desk.actors == [
        Actor(os.getuid(), os.getgid(), os.getpid(), name, 1),
        Actor(os.getuid(), os.getgid(), os.getpid(), name, 2),
    ]
    second.sock.close()
    stage.loop.run_until(lambda: len(service) == 1)


def test_its_file_is_for_its_owner_alone(stage: Stage) -> None:
    umask = os.umask(0)
    try:
        stage.serve()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(stage.path.lstat().st_mode) == 0o600


def test_who_comes_between_binding_and_the_start_is_served_then(stage: Stage) -> None:
    service = CommandService(stage.loop.reactor, str(stage.path), stage.desk)
    service.privilegedStartService()
    client = stage.client()
    service.startService()
    stage.services.append(service)
    client.send(STATUS)
    assert client.message() == "fine"


def test_it_starts_without_privileges_too_and_again_after_a_stop(stage: Stage) -> None:
    service = CommandService(stage.loop.reactor, str(stage.path), stage.desk)
    for _ in range(2):
        service.startService()
        client = stage.client()
        client.send(STATUS)
        assert client.message() == "fine"
        stage.stopped(service)
        assert not stage.path.exists()
        client.expect_end()


def test_bound_and_never_started_it_can_be_stopped(stage: Stage) -> None:
    service = CommandService(stage.loop.reactor, str(stage.path), stage.desk)
    service.privilegedStartService()
    stage.stopped(service)
    assert not stage.path.exists()
    stage.stopped(service)


def test_the_file_of_another_is_left_at_the_end(stage: Stage) -> None:
    service = stage.serve()
    stage.path.unlink()
    stage.path.write_text("another's")
    stage.stopped(service)
    assert stage.path.exists()


def test_a_file_that_cannot_be_removed_at_the_end_is_no_failure(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = stage.serve()

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(server.os, "unlink", refuse)
    stage.stopped(service)
    assert stage.path.exists()


def test_where_one_answers_no_other_starts(stage: Stage) -> None:
    stage.serve()
    with pytest.raises(OSError, match="another sozutw answers there"):
        stage.serve()
    client = stage.client()
    client.send(STATUS)
    assert client.message() == "fine"


def test_uids_are_checked(stage: Stage) -> None:
    stage.serve(uids=[os.getuid() + 1])
    client = stage.client()
    client.send(STATUS)
    assert client.message() == (
        f"unauthorized: actor UID {os.getuid()} not in command_allowed_uids"
    )


def test_bytes_one_at_a_time(stage: Stage) -> None:
    stage.serve()
    client = stage.client()
    for at in range(len(STATUS)):
        client.send(STATUS[at : at + 1])
        stage.loop.turn(0.01)
    assert client.message() == "fine"


def test_two_requests_in_one_write_are_answered_in_order(stage: Stage) -> None:
    stage.serve()
    client = stage.client()
    client.send(LATER + STATUS)
    stage.loop.run_until(lambda: stage.desk.pending)
    stage.loop.settle()
    assert len(stage.desk.asked) == 1
    stage.desk.pending[0].callback(pb.Response(status=pb.OK, message="first"))
    assert [client.message(), client.message()] == ["first", "fine"]


def test_half_a_message_and_gone(stage: Stage) -> None:
    service = stage.serve()
    client = stage.client()
    client.send(STATUS[:-1])
    stage.loop.run_until(lambda: len(service) == 1)
    client.sock.close()
    stage.loop.run_until(lambda: len(service) == 0)
    assert stage.desk.asked == []


def test_who_says_no_more_still_gets_the_answers(stage: Stage) -> None:
    stage.serve()
    client = stage.client()
    client.send(LATER + STATUS)
    client.sock.shutdown(socket.SHUT_WR)
    stage.loop.run_until(lambda: stage.desk.pending)
    stage.loop.settle()
    stage.desk.pending[0].callback(pb.Response(status=pb.OK, message="first"))
    assert [client.message(), client.message()] == ["first", "fine"]
    client.expect_end()


def test_a_hundred_megabytes_are_refused_at_their_announcement(stage: Stage) -> None:
    service = stage.serve()
    client = stage.client()
    size = 100_000_000
    taken = client.send(size.to_bytes(8, "little") + bytes(size))
    assert taken < 2_000_000
    response = client.response()
    assert response.status == pb.FAILURE
    assert "100000000 bytes is above the maximum of 2000000" in response.message
    client.expect_end()
    stage.loop.run_until(lambda: len(service) == 0)


def test_one_that_fetches_nothing_keeps_nobody_waiting(stage: Stage) -> None:
    stage.serve()
    slow, other = stage.client(), stage.client()
    for _ in range(20):
        slow.send(AT_LENGTH)
    for _ in range(50):
        other.send(STATUS)
        assert other.message() == "fine"
    # The first answer did not fit into the kernel's buffer: the second request waits.
    assert sum(r.WhichOneof("request_type") == "count_requests" for r in stage.desk.asked) == 1
    for _ in range(20):
        assert len(slow.message()) == 1_500_000


def test_a_subscriber_that_fetches_nothing_is_disconnected(stage: Stage) -> None:
    service = stage.serve()
    slow, other = stage.client(), stage.client()
    slow.send(SUBSCRIBE)
    stage.loop.run_until(lambda: stage.desk.pending)
    event = pb.Response(status=pb.PROCESSING, message="main")
    event.content.event.kind = pb.BACKEND_UP
    event.content.event.cluster_id = "c" * 10_000
    for _ in range(1000):
        stage.desk.tells[0](event)
        stage.loop.turn()
    stage.loop.run_until(lambda: stage.desk.cancelled == 1)
    assert len(service) == 1
    other.send(STATUS)
    assert other.message() == "fine"


def test_a_subscriber_that_leaves_is_noticed(stage: Stage) -> None:
    service = stage.serve()
    client = stage.client()
    client.send(SUBSCRIBE)
    stage.loop.run_until(lambda: stage.desk.pending)
    client.sock.close()
    stage.loop.run_until(lambda: len(service) == 0)
    assert stage.desk.cancelled == 1


def test_what_a_client_that_left_has_begun_goes_on(stage: Stage) -> None:
    service = stage.serve()
    client = stage.client()
    client.send(LATER)
    stage.loop.run_until(lambda: stage.desk.pending)
    client.sock.close()
    stage.loop.settle()
    assert stage.desk.cancelled == 0
    stage.desk.pending[0].callback(pb.Response(status=pb.OK, message="done"))
    stage.loop.run_until(lambda: len(service) == 0)


def test_one_client_too_many_is_told_so(stage: Stage) -> None:
    service = stage.serve()
    silent = [stage.client() for _ in range(64)]
    stage.loop.run_until(lambda: len(service) == 64)
    for sends in (b"", STATUS):
        late = stage.client()
        late.send(sends) if sends else None
        response = late.response()
        assert response.status == pb.FAILURE
        assert response.message.startswith("64 clients are connected already")
        late.expect_end()
    silent[0].send(STATUS)
    assert silent[0].message() == "fine"


def test_who_asks_nothing_for_long_makes_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = stage.serve(clients_max=3)
    subscriber, silent, half = stage.client(), stage.client(), stage.client()
    subscriber.send(SUBSCRIBE)
    half.send(STATUS[:9])
    stage.loop.run_until(lambda: stage.desk.pending and len(service) == 3)
    now = stage.loop.reactor.seconds() + IDLE_SECONDS + 1
    monkeypatch.setattr(service._terms.clock, "seconds", lambda: now)
    for gone in (silent, half):
        late = stage.client()
        late.send(STATUS)
        assert late.message() == "fine"
        gone.expect_end()
    assert stage.client().message().startswith("3 clients")
    assert stage.desk.cancelled == 0
    stage.loop.run_until(lambda: len(service) == 3)


def test_at_the_end_idle_clients_leave_and_answers_under_way_arrive(stage: Stage) -> None:
    service = stage.serve()
    idle, busy, subscriber = stage.client(), stage.client(), stage.client()
    busy.send(LATER)
    subscriber.send(SUBSCRIBE)
    stage.loop.run_until(lambda: len(stage.desk.pending) == 2)
    done: list[None] = []
    service.stopService().addCallback(done.append)
    assert not stage.path.exists()
    idle.expect_end()
    subscriber.expect_end()
    assert done == []
    (pending,) = (p for p in stage.desk.pending if not p.called)
    pending.callback(pb.Response(status=pb.OK, message="the last"))
    assert busy.message() == "the last"
    busy.expect_end()
    stage.loop.run_until(lambda: done)


def test_an_answer_that_never_comes_does_not_hold_up_the_end_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STOP_SECONDS", 0.01)
    service = stage.serve()
    client = stage.client()
    client.send(LATER)
    stage.loop.run_until(lambda: stage.desk.pending)
    stage.stopped(service)
    client.expect_end()


def test_descriptors_that_a_client_sends_are_closed(stage: Stage) -> None:
    stage.serve()
    client = stage.client()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(client.sock, [STATUS], [theirs.fileno()])
        theirs.close()
        assert client.message() == "fine"
        ours.settimeout(5)
        assert ours.recv(1) == b"", "nobody holds the other end"


def test_a_process_s_name_is_read_if_it_can_be() -> None:
    assert command_of(os.getpid()) == Path("/proc/self/comm").read_text().strip()
    assert command_of(0) == ""


@pytest.mark.parametrize("make", [CommandService])
def test_a_path_where_nothing_can_be_bound_fails_before_the_start(
    stage: Stage, make: Callable[..., CommandService]
) -> None:
    service = make(stage.loop.reactor, str(stage.path / "nowhere" / "s"), stage.desk)
    with pytest.raises(OSError, match="there is no folder"):
        service.privilegedStartService()


def test_another_service_goes_on_with_its_socket_and_its_file(stage: Stage) -> None:
    """As two processes do it, each with a descriptor of its own."""
    old = stage.serve()
    kept = stage.client()
    kept.send(STATUS)
    assert kept.message() == "fine"
    inode = stage.path.stat().st_ino
    new = CommandService(stage.loop.reactor, str(stage.path), stage.desk)
    assert new.descriptor == -1
    new.adopt(socket.socket(fileno=os.dup(old.descriptor)))
    new.privilegedStartService()
    new.startService()
    stage.services.append(new)
    old.hand_over()
    late = stage.client()
    late.send(STATUS)
    assert late.message() == "fine"
    assert (len(old), len(new)) == (1, 1)
    kept.send(STATUS)
    assert kept.message() == "fine"
    stage.stopped(old)
    assert old.descriptor == -1
    assert stage.path.stat().st_ino == inode
    stage.stopped(new)
    assert not stage.path.exists()


def test_what_was_never_begun_leaves_the_file_to_the_process_before(stage: Stage) -> None:
    old = stage.serve()
    new = CommandService(stage.loop.reactor, str(stage.path), stage.desk)
    new.adopt(socket.socket(fileno=os.dup(old.descriptor)))
    new.privilegedStartService()
    new.stopService()
    client = stage.client()
    client.send(STATUS)
    assert client.message() == "fine"


def test_the_file_of_a_socket_that_was_handed_to_the_process_before_stays(stage: Stage) -> None:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(stage.path))
    stage.path.chmod(0o600)
    made.listen()
    new = CommandService(
        stage.loop.reactor, str(stage.path), stage.desk, handed=HandedSockets([made.dup()])
    )
    new.adopt(made.dup())
    new.privilegedStartService()
    new.startService()
    client = stage.client()
    client.send(STATUS)
    assert client.message() == "fine"
    stage.stopped(new)
    assert stage.path.exists()
    new._handed.close()
    made.close()


def test_a_socket_whose_file_is_gone_is_not_gone_on_with(stage: Stage) -> None:
    old = stage.serve()
    stage.path.unlink()
    with (
        socket.socket(fileno=os.dup(old.descriptor)) as sock,
        pytest.raises(OSError, match="cannot open the command socket"),
    ):
        CommandService(stage.loop.reactor, str(stage.path), stage.desk).adopt(sock)


def test_handed_over_before_it_has_begun_is_no_trouble(stage: Stage) -> None:
    CommandService(stage.loop.reactor, str(stage.path), stage.desk).hand_over()
