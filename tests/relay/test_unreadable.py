import h11
import pytest

from sozutw.balancing.backends import BackendState
from sozutw.config.model import HttpListener, InetAddress
from sozutw.metrics.counters import WorkerCounters
from sozutw.relay.access import AccessRecord
from sozutw.relay.edits import Provenance
from sozutw.relay.ports import BackOwner, BackSide, Means
from sozutw.relay.route import ListenerState
from sozutw.relay.unreadable import refuse_unreadable
from sozutw.sessions.limits import AddressCounts
from sozutw.sessions.session import Session
from sozutw.wire.errors import WireError

ADDRESS = InetAddress("10.0.0.1", 8080)


class NoConnector:
    """Nobody may ask for a backend: nothing in the bytes can be relied on."""

    def lease(
        self, state: BackendState, owner: BackOwner, seconds: float, *, sure: bool
    ) -> BackSide:
        raise AssertionError("a backend was asked")

    def replace(
        self, hung_up: BackSide, state: BackendState, owner: BackOwner, seconds: float
    ) -> BackSide:
        raise AssertionError("a backend was asked")

    def give_back(self, back: BackSide) -> None:
        raise AssertionError("nothing was leased")


class Gone:
    def is_idle(self) -> bool:
        return True

    def active_at(self) -> float:
        return 0.0

    def patience_seconds(self) -> float:
        return 0.0

    def drain(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Scene:
    def __init__(self, **options) -> None:
        self.records: list[AccessRecord] = []
        self.counters = WorkerCounters()
        self.listener = ListenerState(HttpListener(ADDRESS, **options))
        self.session = Session(Gone(), "192.0.2.1", "192.0.2.1:54321", 0.0, b"01SESSION")
        self.means = Means(
            now=lambda: 5.0,
            wall_ns=lambda: 7_000_000_000,
            random=lambda: 0.5,
            new_id=lambda: b"01REQUEST",
            log=self.records.append,
            counters=self.counters,
            connector=NoConnector(),
            address_counts=AddressCounts(),
        )

    def refuse(self, error: WireError) -> bytes:
        provenance = Provenance(self.listener, "192.0.2.1", 54321)
        return refuse_unreadable(error, self.session, self.listener, provenance, self.means)


@pytest.mark.parametrize("status", [400, 405, 408, 413, 414, 417, 431, 501, 505])
def test_the_answer_is_whole_and_says_that_the_connection_ends(status: int):
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(Scene().refuse(WireError("a reason", status)))
    head = client.next_event()
    assert isinstance(head, h11.Response)
    assert head.status_code == status
    fields = dict(head.headers)
    assert fields[b"connection"] == b"close"
    assert fields[b"sozu-id"] == b"01REQUEST"
    while not isinstance(client.next_event(), h11.EndOfMessage):
        pass
    assert client.trailing_data == (b"", False)
    assert client.their_state is h11.MUST_CLOSE


def test_it_is_told_in_one_record_and_counted_once():
    scene = Scene()
    data = scene.refuse(WireError("two Hosts", 400))
    (record,) = scene.records
    assert (record.status, record.message, record.is_error) == (400, "two Hosts", True)
    assert (record.session_id, record.request_id) == (b"01SESSION", b"01REQUEST")
    assert record.x_request_id == b"01REQUEST"
    assert (record.client_address, record.time_ns) == ("192.0.2.1:54321", 7_000_000_000)
    assert record.cluster_id == record.backend_id == record.backend_address == ""
    assert record.method == record.authority == record.path == record.user_agent == b""
    assert record.bytes_out == len(data)
    counters = scene.counters
    assert (counters.requests, counters.errors) == (1, 1)
    assert counters.active_requests == 0
    assert counters.frontend_parse_errors == 1
    assert counters.statuses[400] == sum(counters.statuses) == 1
    assert counters.answers == {400: 1}
    assert counters.bytes_out == len(data)


def test_silence_is_no_parse_error():
    scene = Scene()
    scene.refuse(WireError("the head did not come in time", 408))
    assert scene.counters.frontend_parse_errors == 0
    assert scene.counters.errors == 1
    assert scene.records[0].message == "client_timeout"


def test_answers_of_one_status_add_up():
    scene = Scene()
    for _ in range(3):
        scene.refuse(WireError("no", 400))
    assert scene.counters.answers == {400: 3}
    assert len(scene.records) == scene.counters.requests == 3


def test_the_listener_s_own_template_is_used():
    text = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nno: %MESSAGE %REQUEST_ID"
    scene = Scene(answers={"400": text}, sozu_id_header="X-Trace")
    data = scene.refuse(WireError("two Hosts"))
    assert data.endswith(b"\r\n\r\nno: two Hosts 01REQUEST")
    assert b"\r\nX-Trace: 01REQUEST\r\n" in data
