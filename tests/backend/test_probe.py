"""One probe of a backend: what it asks, and what its answer means."""

import errno
from typing import Any

import pytest
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.python.failure import Failure

from sozutw.backend.probe import ANSWER_BYTES_MAX, Outcome, ProbeConnection, judge, question_of
from sozutw.balancing.backends import ClusterState
from sozutw.balancing.probes import Probe, Probes
from sozutw.config.model import Backend, BackendAddress, Cluster, InetAddress, UnixAddress
from sozutw.config.policies import HealthCheck
from sozutw.transport.losses import NotSecuredError
from tests.fakes.transport import FakeTransport

ADDRESS = InetAddress("10.1.0.1", 80)
PEER = IPv4Address("TCP", "10.1.0.1", 80)
GOOD = b"HTTP/1.1 200 OK\r\n\r\n"


class NoDial:
    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class Scene:
    """A probe that is being dialled."""

    def __init__(self, check: HealthCheck | None = None, address: BackendAddress = ADDRESS) -> None:
        check = check or HealthCheck("/up")
        state = ClusterState(Cluster("app", health_check=check))
        state.upsert(Backend("app", "A", address))
        probes = Probes(1)
        probes.follow("app", state, 0.0)
        probes.advance(99.0)
        self.probe: Probe
        (self.probe,) = probes.begin(99.0)
        self.outcomes: list[Outcome] = []
        self.connection = ProbeConnection(self.probe, self.ended)
        self.dial = self.connection.dial = NoDial()

    def ended(self, connection: ProbeConnection, outcome: Outcome) -> None:
        assert connection is self.connection
        self.outcomes.append(outcome)

    @property
    def outcome(self) -> Outcome:
        (outcome,) = self.outcomes
        return outcome

    def connect(self) -> FakeTransport:
        assert self.connection.buildProtocol(PEER) is self.connection
        self.transport = FakeTransport(peer=PEER).connect(self.connection)
        return self.transport

    def answer(self, *pieces: bytes) -> "Scene":
        transport = self.connect()
        for piece in pieces:
            transport.receive(piece)
        return self


def test_a_backend_is_asked_in_http_and_for_nothing_more() -> None:
    transport = Scene(HealthCheck("/up?a=ü")).connect()
    assert transport.take() == (
        b"GET /up?a=\xc3\xbc HTTP/1.1\r\nHost: 10.1.0.1:80\r\nUser-Agent: sozutw/health-check\r\n"
        b"Accept: */*\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (InetAddress("::1", 8000), b"[::1]:8000"),
        (InetAddress("app.internal", 80), b"app.internal:80"),
        (UnixAddress("/run/app.sock"), b"localhost"),
    ],
)
def test_the_host_that_is_asked_for_is_the_backend(address: BackendAddress, host: bytes) -> None:
    assert b"\r\nHost: %b\r\n" % host in question_of(HealthCheck("/"), address)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_status_of_success_is_one(status: int) -> None:
    scene = Scene().answer(b"HTTP/1.1 %d\r\nContent-Length: 9\r\n\r\n" % status)
    assert scene.outcome == Outcome(True)
    assert scene.transport.is_aborted


@pytest.mark.parametrize("status", [101, 300, 404, 500, 599])
def test_any_other_is_not(status: int) -> None:
    scene = Scene().answer(b"HTTP/1.1 %d\r\n\r\n" % status)
    assert scene.outcome == Outcome(False, f"it answers {status}")
    assert scene.transport.is_aborted


def test_a_status_that_is_expected_is_the_only_right_one() -> None:
    check = HealthCheck("/", expected_status=404)
    assert Scene(check).answer(b"HTTP/1.1 404\r\n\r\n").outcome.succeeded
    assert Scene(check).answer(GOOD).outcome == Outcome(False, "it answers 200")
    assert judge(HealthCheck("/", expected_status=103), 103) == Outcome(True)
    assert judge(HealthCheck("/", expected_status=101), 101) == Outcome(True)


def test_an_outcome_comes_as_soon_as_the_head_is_whole_and_no_sooner() -> None:
    scene = Scene()
    transport = scene.connect()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for byte in head[:-1]:
        transport.receive(bytes([byte]))
    assert scene.outcomes == []
    transport.receive(head[-1:] + b"a body that nobody waits for")
    assert scene.outcome == Outcome(True)


def test_interim_responses_are_passed_over() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert Scene().answer(b"HTTP/1.1 100 \r\n\r\n" + interim + GOOD).outcome.succeeded
    scene = Scene().answer(interim, interim)
    assert scene.outcomes == []
    scene.transport.receive(GOOD)
    assert scene.outcome.succeeded


def test_a_head_may_be_so_large_and_no_larger() -> None:
    def head(size: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nA: " + b"a" * (size - len(GOOD) - 5) + b"\r\n\r\n"

    assert len(head(ANSWER_BYTES_MAX)) == ANSWER_BYTES_MAX
    assert Scene().answer(head(ANSWER_BYTES_MAX)).outcome.succeeded
    told = Outcome(False, "its answer cannot be read: the head is too large")
    assert Scene().answer(head(ANSWER_BYTES_MAX + 1)).outcome == told
    pieces = [head(9000)[at : at + 500] for at in range(0, 9000, 500)]
    scene = Scene()
    transport = scene.connect()
    while not scene.outcomes:
        transport.receive(pieces.pop(0))
    assert scene.outcome == told
    assert len(pieces) == 9


def test_interim_responses_count_in_that() -> None:
    interim = b"HTTP/1.1 100\r\n\r\n"
    scene = Scene()
    transport = scene.connect()
    count = 0
    while not scene.outcomes:
        transport.receive(interim)
        count += 1
    assert count == ANSWER_BYTES_MAX // len(interim) + 1
    assert scene.outcome.reason == "its answer cannot be read: the head is too large"


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 200 OK\nA: b\n\n"]
)
def test_what_is_not_http_is_no_success(answer: bytes) -> None:
    scene = Scene().answer(answer)
    assert scene.outcome.succeeded is False
    assert scene.outcome.reason.startswith("its answer cannot be read: ")
    assert not scene.outcome.is_unreachable
    assert scene.transport.is_aborted


def test_where_a_connection_is_enough_nothing_is_asked() -> None:
    scene = Scene(HealthCheck("", is_tcp=True))
    transport = scene.connect()
    assert scene.outcome == Outcome(True)
    assert transport.take() == b""
    assert transport.is_aborted
    transport.turn()
    assert transport.disconnected


@pytest.mark.parametrize("answer", [b"", GOOD[:-1]])
def test_a_backend_that_hangs_up_has_failed(answer: bytes) -> None:
    scene = Scene()
    transport = scene.connect()
    if answer:
        transport.receive(answer)
    transport.hang_up()
    assert scene.outcome == Outcome(False, "it hung up without a whole answer")
    assert transport.disconnected


def test_a_head_before_a_hang_up_is_an_answer() -> None:
    scene = Scene().answer(GOOD)
    scene.transport.hang_up()
    scene.transport.turn()
    assert scene.outcome == Outcome(True)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (error.ConnectionRefusedError("no"), "it cannot be reached: Connection was refused by"),
        (error.TimeoutError(), "it cannot be reached: User timeout caused connection failure."),
        (NotSecuredError("expired"), "it cannot be reached: expired"),
        (error.DNSLookupError("who?"), "it cannot be reached: DNS lookup failed: who?"),
    ],
)
def test_a_backend_that_cannot_be_reached_has_failed(reason: Exception, told: str) -> None:
    scene = Scene()
    scene.connection.clientConnectionFailed(None, Failure(reason))
    assert scene.outcome.reason.startswith(told)
    assert scene.outcome.succeeded is False
    assert scene.outcome.is_unreachable


def test_no_descriptor_left_says_nothing_about_the_backend() -> None:
    scene = Scene()
    scene.connection.clientConnectionFailed(None, Failure(OSError(errno.EMFILE, "too many")))
    assert scene.outcome == Outcome(None)


def test_time_may_be_up_before_there_is_a_connection() -> None:
    scene = Scene(HealthCheck("/", timeout=7))
    scene.connection.expire()
    assert scene.outcome == Outcome(False, "there is no connection within 7 s", is_unreachable=True)
    assert scene.dial.cancelled == 1
    # A late success must not come back to life, and a late failure is no second outcome.
    assert scene.connection.buildProtocol(PEER) is None
    scene.connection.clientConnectionFailed(None, Failure(error.TimeoutError()))
    assert len(scene.outcomes) == 1


def test_time_may_be_up_before_there_is_an_answer() -> None:
    scene = Scene(HealthCheck("/", timeout=7)).answer(GOOD[:-1])
    scene.connection.expire()
    assert scene.outcome == Outcome(False, "there is no answer within 7 s")
    assert scene.transport.is_aborted
    scene.connection.dataReceived(GOOD)
    assert len(scene.outcomes) == 1


def test_what_is_given_up_has_no_outcome() -> None:
    scene = Scene()
    scene.connection.give_up()
    scene.connection.give_up()
    assert scene.dial.cancelled == 1
    other = Scene().answer(GOOD[:-1])
    other.connection.give_up()
    assert other.transport.is_aborted
    other.transport.turn()
    connection: Any = other.connection
    assert connection.transport is None
    assert scene.outcomes == other.outcomes == []
