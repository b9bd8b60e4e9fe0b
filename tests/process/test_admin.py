"""The admin address on a loop run by hand, and its deadlines by a clock."""

import os
import socket
from collections.abc import Iterator
from io import BytesIO

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from sozutw.config.model import InetAddress
from sozutw.listen.sockets import CannotListenError, bind
from sozutw.process.admin import (
    ANSWER_SECONDS_MAX,
    BODY_BYTES_MAX,
    CONNECTIONS_MAX,
    REQUEST_SECONDS_MAX,
    AdminService,
    _Channel,
)
from tests.e2e.harness import ReservedPort
from tests.fakes.loops import HandRunLoop, loop_named
from tests.fakes.transport import FakeTransport

GET = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"
METRICS = GET % b"/metrics"


class Site:
    """An admin address, what it is told to tell, and its clients."""

    def __init__(self, loop: HandRunLoop) -> None:
        self.loop = loop
        self.reserved = ReservedPort()
        self.reason: str | None = None
        self.pieces: list[bytes] = [b"one 1\n", b"", b"two 2\n"]
        self.made = 0
        address = InetAddress("127.0.0.1", self.reserved.port)
        self.service = AdminService(loop.reactor, address, lambda: self.reason, self.metrics)
        self.service.privilegedStartService()
        self.service.startService()
        self.clients: list[socket.socket] = []

    def metrics(self) -> "Deferred[Iterator[bytes]]":
        return succeed(self.begun())

    def begun(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.made += 1
            yield piece

    def connect(self, data: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.reserved.port))
        client.setblocking(False)
        self.clients.append(client)
        client.send(data)
        return client

    def rest(self, client: socket.socket) -> bytes:
        """Read until the end, which there must be."""
        received = bytearray()

        def has_ended() -> bool:
            try:
                data = client.recv(65536)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            received.extend(data)
            return not data

        self.loop.run_until(has_ended)
        return bytes(received)

    def ask(self, data: bytes) -> tuple[int, bytes, bytes]:
        """Return status, head and body."""
        answer = self.rest(self.connect(data))
        head, mark, body = answer.partition(b"\r\n\r\n")
        assert mark, answer
        return int(head.split()[1]), head.lower(), body

    def stop(self) -> None:
        done: list[None] = []
        self.service.stopService().addCallback(done.append)
        self.loop.run_until(lambda: bool(done))

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.stop()
        self.reserved.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with loop_named("direct") as loop:
        site = Site(loop)
        yield site
        site.close()


def test_it_is_alive_and_says_so_once_a_connection(site: Site) -> None:
    status, head, body = site.ask(GET % b"/healthz")
    assert (status, body) == (200, b"ok\n")
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: text/plain" in head
    assert b"\r\ncache-control: no-store" in head
    assert b"\r\nserver:" not in head


def test_it_is_ready_until_there_is_a_reason_against_it(site: Site) -> None:
    assert site.ask(GET % b"/readyz")[::2] == (200, b"ready\n")
    site.reason = "draining"
    assert site.ask(GET % b"/readyz")[::2] == (503, b"draining\n")
    # That is no reason to have it killed.
    assert site.ask(GET % b"/healthz")[0] == 200


def test_the_root_has_a_line_for_each_path(site: Site) -> None:
    _, _, body = site.ask(GET % b"/")
    assert [line.split()[0] for line in body.splitlines()] == [b"/healthz", b"/readyz", b"/metrics"]


def test_counters_come_in_the_pieces_that_they_are_made_in(site: Site) -> None:
    status, head, body = site.ask(METRICS)
    assert status == 200
    assert b"text/plain; version=0.0.4; charset=utf-8" in head
    assert b"\r\ntransfer-encoding: chunked" in head
    assert body == b"6\r\none 1\n\r\n6\r\ntwo 2\n\r\n0\r\n\r\n"


def test_an_old_client_is_told_the_counters_until_the_end(site: Site) -> None:
    _, head, body = site.ask(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"one 1\ntwo 2\n"


def test_a_query_changes_nothing(site: Site) -> None:
    assert site.ask(GET % b"/healthz?a=1&b=%zz")[0] == 200


@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/readyz", b"/metrics"])
def test_a_head_is_a_get_without_its_body(site: Site, path: bytes) -> None:
    status, head, body = site.ask(b"HEAD %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    assert (status, body) == (200, b"")
    assert (b"content-length: " in head) is (path != b"/metrics")
    assert site.made == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET % b"/nothing", 404),
        (GET % b"/metrics/", 404),
        (GET % b"//", 404),
        (GET % b"/healthz/../metrics", 404),
        (GET % b"*", 404),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405),
        (
            (
                b"POST /readyz HTTP/1.1\r\nHost: a\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n"
                b"Content-Length: 5\r\n\r\n--x\r\n"
            ),
            405,
        ),
        (
            b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            405,
        ),
        (b"garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
        (GET[:-2] % b"/" + b"no colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 16_300 + b"\r\nB: " + b"b" * 1000 + b"\r\n\r\n", 400),
    ],
)
def test_everything_else_is_refused(site: Site, request_: bytes, status: int) -> None:
    told, head, _ = site.ask(request_)
    assert told == status
    assert (b"\r\nallow: get, head" in head) is (status == 405)
    assert site.ask(GET % b"/healthz")[0] == 200


def test_a_line_without_an_end_ends_the_connection(site: Site) -> None:
    site.rest(site.connect(b"GET /" + b"a" * 40_000))


def test_a_body_is_not_kept_and_a_long_one_ends_the_connection(site: Site) -> None:
    head = b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"
    client = site.connect(head)
    sent = 0

    def is_gone() -> bool:
        nonlocal sent
        try:
            sent += client.send(b"x" * 1024)
        except BlockingIOError:
            return False
        except OSError:
            return True
        site.loop.turn()
        return False

    site.loop.run_until(is_gone)
    assert sent >= BODY_BYTES_MAX


def test_there_are_so_many_places_and_others_wait(site: Site) -> None:
    idle = [site.connect() for _ in range(CONNECTIONS_MAX)]
    last = site.connect(GET % b"/healthz")
    site.loop.settle(10)
    with pytest.raises(BlockingIOError):
        last.recv(1)
    assert not site.service.has_room()
    idle[3].close()
    assert site.rest(last).endswith(b"ok\n")


def test_who_reads_nothing_makes_nothing_more_be_made(site: Site) -> None:
    site.pieces = [b"x" * 65536] * 1000
    client = site.connect(METRICS)
    site.loop.run_until(lambda: site.made > 1)
    before = -1
    while before != site.made:
        before = site.made
        site.loop.settle(20)
    assert site.made < 200
    # Others are served meanwhile, and it may still go on.
    assert site.ask(GET % b"/healthz")[0] == 200
    site.loop.run_until(lambda: drain(client) and site.made > before)


def drain(client: socket.socket) -> bool:
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        pass
    return True


def test_pieces_are_made_one_for_each_turn(site: Site) -> None:
    site.pieces = [b"x\n"] * 50
    site.connect(METRICS)
    site.loop.run_until(lambda: site.made)
    while site.made < 50:
        before = site.made
        site.loop.turn(0.01)
        # A turn of the loop by hand runs what is due twice.
        assert site.made <= before + 2


def test_nothing_more_is_made_for_who_is_gone(site: Site) -> None:
    site.pieces = [b"x" * 1000] * 1_000_000
    client = site.connect(METRICS)
    site.loop.run_until(lambda: site.made > 2)
    client.close()
    site.loop.run_until(lambda: not site.service._channels)
    before = site.made
    site.loop.settle(10)
    assert site.made == before


def test_a_fault_of_ours_shows_as_an_end_that_is_none(site: Site) -> None:
    def faulty() -> Iterator[bytes]:
        yield b"one 1\n"
        raise ZeroDivisionError

    logged: list[object] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        site.service.metrics = lambda: succeed(faulty())
        answer = site.rest(site.connect(METRICS))
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert not answer.endswith(b"0\r\n\r\n")
    assert [event["log_level"] for event in logged if "log_failure" in event] == [LogLevel.critical]
    assert site.ask(GET % b"/healthz")[0] == 200


def test_stopping_ends_all_that_is_under_way_and_listens_no_more(site: Site) -> None:
    site.pieces = [b"x" * 1000] * 1_000_000
    reading, idle = site.connect(METRICS), site.connect()
    site.loop.run_until(lambda: len(site.service._channels) == 2)
    site.stop()
    site.rest(reading)
    site.rest(idle)
    with pytest.raises(ConnectionRefusedError):
        site.connect()
    site.stop()  # Again is no harm.


def test_starting_again_is_no_harm(site: Site) -> None:
    site.service.privilegedStartService()
    site.stop()
    site.service.privilegedStartService()
    site.service.startService()
    assert site.ask(GET % b"/healthz")[0] == 200


def test_a_port_that_is_taken_is_told_like_any_other(site: Site) -> None:
    address = InetAddress("127.0.0.1", site.reserved.port)
    other = AdminService(site.loop.reactor, address, lambda: None, site.metrics)
    with pytest.raises(CannotListenError, match="another program listens there"):
        other.privilegedStartService()


def test_no_line_is_logged_for_a_request(site: Site) -> None:
    logged: list[object] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        for path in (b"/healthz", b"/metrics", b"/nothing"):
            site.ask(GET % path)
        site.ask(b"garbage\r\n\r\n")
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert logged == []


class Timed:
    """One connection in memory, whose time the test makes pass."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.service = AdminService(
            self.clock, InetAddress("127.0.0.1", 1), lambda: None, self.metrics
        )
        self.gathered: Deferred[Iterator[bytes]] = succeed(iter([b"x" * 100_000]))
        self.channel = _Channel(self.service, self.clock)
        self.transport = FakeTransport(self.channel, clock=self.clock)
        self.channel.makeConnection(self.transport)

    def metrics(self) -> "Deferred[Iterator[bytes]]":
        return self.gathered

    def is_gone_after(self, seconds: float) -> bool:
        self.clock.advance(seconds)
        self.clock.advance(0)
        return self.transport.is_aborted and not self.service._channels


def test_bytes_that_drip_in_do_not_make_the_time_longer() -> None:
    timed = Timed()
    for _ in range(int(REQUEST_SECONDS_MAX) - 1):
        timed.transport.receive(b"G")
        assert not timed.is_gone_after(1)
    assert timed.is_gone_after(1)
    assert timed.clock.getDelayedCalls() == []


def test_a_body_is_not_put_into_a_file() -> None:
    timed = Timed()
    timed.transport.receive(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
    (request,) = timed.channel.requests
    timed.transport.receive(b"x" * 1000)
    assert isinstance(request.content, BytesIO)
    assert request.content.getvalue() == b""
    assert timed.is_gone_after(REQUEST_SECONDS_MAX)


def test_who_does_not_take_the_answer_loses_it() -> None:
    timed = Timed()
    timed.transport.receive(METRICS)
    timed.transport.fill()
    timed.clock.advance(0)
    assert not timed.is_gone_after(ANSWER_SECONDS_MAX - 1)
    assert timed.is_gone_after(1)
    assert timed.clock.getDelayedCalls() == []


def test_no_time_is_kept_for_who_was_served() -> None:
    timed = Timed()
    timed.transport.receive(GET % b"/healthz")
    timed.clock.advance(0)
    assert timed.transport.value().endswith(b"ok\n")
    assert not timed.transport.is_aborted
    assert timed.service._channels == set()
    assert timed.clock.getDelayedCalls() == []


def waiting() -> tuple[Timed, "Deferred[Iterator[bytes]]"]:
    """A client whose counters are still gathered."""
    timed = Timed()
    timed.gathered = Deferred()
    timed.transport.receive(METRICS)
    timed.clock.advance(0)
    assert timed.transport.value() == b""
    return timed, timed.gathered


def test_counters_that_are_still_gathered_are_waited_for() -> None:
    timed, gathered = waiting()
    gathered.callback(iter([b"one 1\n"]))
    for _ in range(4):
        timed.clock.advance(0)
    assert timed.transport.value().endswith(b"6\r\none 1\n\r\n0\r\n\r\n")
    assert timed.clock.getDelayedCalls() == []


def test_who_leaves_meanwhile_has_them_gathered_no_more_and_no_harm_is_done() -> None:
    timed, gathered = waiting()
    logged: list[object] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        timed.transport.reset()
        timed.clock.advance(0)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert gathered.called
    assert logged == []
    assert timed.service._channels == set()
    assert timed.clock.getDelayedCalls() == []


def test_counters_that_come_after_all_are_nobodys() -> None:
    timed = Timed()
    timed.gathered = Deferred(lambda cancelled: cancelled.callback(iter([b"one 1\n"])))
    timed.transport.receive(METRICS)
    timed.transport.reset()
    timed.clock.advance(0)
    left: list[object] = []
    timed.gathered.addBoth(left.append)
    assert left == [None]
    assert timed.transport.value() == b""
    assert timed.clock.getDelayedCalls() == []


def test_the_time_to_gather_is_part_of_the_time_for_the_answer() -> None:
    timed, gathered = waiting()
    assert not timed.is_gone_after(ANSWER_SECONDS_MAX - 1)
    assert timed.is_gone_after(1)
    assert gathered.called
    assert timed.clock.getDelayedCalls() == []


@pytest.mark.parametrize("is_raised", [False, True])
def test_counters_that_cannot_be_gathered_are_a_503(site: Site, is_raised: bool) -> None:
    def metrics() -> "Deferred[Iterator[bytes]]":
        if is_raised:
            raise ZeroDivisionError
        return fail(ZeroDivisionError())

    site.service.metrics = metrics
    logged: list[object] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        status, head, body = site.ask(METRICS)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert (status, body) == (503, b"the counters could not be gathered; the log has more\n")
    assert b"\r\ncontent-type: text/plain; charset=utf-8" in head
    assert [event["log_level"] for event in logged if "log_failure" in event] == [LogLevel.critical]
    assert site.ask(GET % b"/healthz")[0] == 200


def test_handed_over_it_takes_nobody_new_and_serves_who_is_there(site: Site) -> None:
    client = site.connect(b"GET /healthz HTTP/1.1\r\n")
    site.loop.run_until(lambda: site.service._channels)
    assert os.stat(f"/proc/self/fd/{site.service.descriptor}")
    site.service.hand_over()
    late = site.connect(GET % b"/healthz")
    client.send(b"Host: a\r\n\r\n")
    assert site.rest(client).endswith(b"ok\n")
    site.loop.settle()
    with pytest.raises(BlockingIOError):
        late.recv(1)
    site.stop()
    assert site.service.descriptor == -1
    site.service.hand_over()


def test_it_goes_on_with_a_socket_that_listens_already() -> None:
    with loop_named("direct") as loop, ReservedPort() as reserved:
        address = InetAddress("127.0.0.1", reserved.port)
        service = AdminService(loop.reactor, address, lambda: None, lambda: iter(()))
        service.inherited = bind(address)
        service.privilegedStartService()
        assert service.descriptor == service.inherited.fileno()
        # As long as it has not started, the process before answers there.
        with socket.create_connection((address.host, address.port)):
            loop.settle()
            service.inherited.accept()[0].close()
        service.stopService()
        loop.settle()
