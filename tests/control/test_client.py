"""Tests of ``sozutw.control.client``, against scripted peers and the real service."""

import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from sozutw.control import client as client_module
from sozutw.control.client import (
    BrokenChannelError,
    Client,
    ClientError,
    RefusedError,
    TimedOutError,
    UnreachableError,
    written,
)
from sozutw.control.proto import command_pb2 as pb
from tests.control.peers import (
    ScriptedPeer,
    Served,
    framed,
    ok,
    progress,
    refusal,
    service_in_a_thread,
)

STATUS = pb.Request(status=pb.Status())
NOTICED = 0.05
"""A timeout for what is to time out."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_three_lines_add_a_backend_and_one_waits_for_the_workers(path: Path) -> None:
    with service_in_a_thread(path) as desk:
        with Client(path) as client:
            client.add_backend("shop", "shop-2", "10.0.0.7:8080")
            client.wait_for_workers()
        assert desk.backends == {"shop-2": "shop"}
        assert desk.is_behind_for == 0


def test_the_real_service_answers(path: Path) -> None:
    with service_in_a_thread(path) as desk, Client(path) as client:
        assert [(w.id, w.pid, w.run_state) for w in client.status()] == [(0, 42, pb.RUNNING)]
        explanation = client.explain("http://a/", headers=("A: b",), source="127.0.0.1")
        assert explanation.steps[0].because == "http://a/"
        events = client.events()
        for _ in range(3):
            who, event = next(events)
            assert (who, event.kind) == ("main", pb.BACKEND_UP)
        events.close()
        with pytest.raises(RefusedError, match="no remove_cluster here") as told:
            client.remove_cluster("a")
        assert told.value.response.status == pb.FAILURE
        assert isinstance(told.value, ClientError)
        # The same connection goes on.
        assert client.status()
    assert desk.cancelled == 1


def test_progress_is_told_and_the_last_is_returned(path: Path) -> None:
    def script(served: Served) -> None:
        for _ in range(2):
            assert served.asked() == STATUS
            served.say(progress("a"), progress("b"))
            served.say(ok("c"))

    told: list[str] = []
    with ScriptedPeer(path, script), Client(path) as client:
        assert [r.message for r in client.ask(STATUS)] == ["a", "b", "c"]
        assert client.request(STATUS, lambda r: told.append(r.message)).message == "c"
    assert told == ["a", "b"]


def test_a_refusal_is_the_last_of_what_is_asked(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.say(progress("a"), refusal("no"))

    with ScriptedPeer(path, script), Client(path) as client:
        assert [r.status for r in client.ask(STATUS)] == [pb.PROCESSING, pb.FAILURE]


def test_it_is_sent_at_once_and_bytes_may_come_one_at_a_time(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        for byte in framed(ok("slowly")):
            served.sock.sendall(bytes([byte]))

    with ScriptedPeer(path, script), Client(path, timeout=None) as client:
        responses = client.ask(STATUS)
        assert next(responses).message == "slowly"


def test_each_word_of_progress_restarts_the_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(client_module, "time", SimpleNamespace(monotonic=lambda: now))
    has_heard = threading.Semaphore()

    def script(served: Served) -> None:
        nonlocal now
        served.asked()
        for _ in range(5):
            assert has_heard.acquire(timeout=10)
            now += 9.0
            served.say(progress("still"))
        served.say(ok())

    with ScriptedPeer(path, script), Client(path, timeout=10) as client:
        assert client.request(STATUS, lambda _: has_heard.release()).message == "done"


def test_silence_is_a_result_that_is_not_known(path: Path) -> None:
    def silent(served: Served) -> None:
        served.asked()
        served.sock.sendall(framed(ok())[:-1])
        served.expect_end()

    def fine(served: Served) -> None:
        served.asked()
        served.say(ok("fine"))

    with ScriptedPeer(path, silent, fine):
        client = Client(path, timeout=NOTICED)
        with pytest.raises(TimedOutError, match=f"no answer on {path} for 0.05 s; whether"):
            client.request(STATUS)
        # A late answer is not taken for the next one's.
        client.timeout = 10
        assert client.request(STATUS).message == "fine"
        client.close()


def test_a_peer_that_reads_nothing_is_silent_too(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        with pytest.raises(TimedOutError), Client(path, timeout=NOTICED) as client:
            client.load_state("/" + "x" * 10_000_000)


def idle(served: Served) -> None:
    """Wait until the client has left."""
    while True:
        try:
            if not served.sock.recv(1 << 20):
                return
        except ConnectionResetError:
            return


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "sozutw closed it"),
        (framed(ok())[:5], "sozutw closed it"),
        (bytes(8), "this is no answer: the length of a frame is 0"),
        (b"\xff" * 8, "this is no answer: a frame of 18446744073709551615 bytes"),
        (b"\x0a" + bytes(7) + b"\xff\xff", "this is no answer: "),
        (b"\x08" + bytes(7), "this is no answer: "),
    ],
)
def test_what_is_no_answer_breaks_the_conversation(path: Path, data: bytes, why: str) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.sock.sendall(data)

    with (
        ScriptedPeer(path, script),
        Client(path) as client,
        pytest.raises(BrokenChannelError, match=f"on {path} broke off: {why}"),
    ):
        client.status()


def test_a_reset_breaks_it_too(path: Path) -> None:
    def script(served: Served) -> None:
        assert served.sock.recv(1)  # The rest is left unread.

    with (
        ScriptedPeer(path, script),
        Client(path) as client,
        pytest.raises(BrokenChannelError, match=r"Connection reset by peer|closed"),
    ):
        client.status()


def test_who_is_turned_away_reads_why(path: Path) -> None:
    def script(served: Served) -> None:
        served.say(refusal("64 clients are connected already"))

    with ScriptedPeer(path, script, script):
        client = Client(path)
        client.connect()
        assert client._socket is not None
        assert client._socket.recv(1, socket.MSG_PEEK)
        # What came before anything was asked belongs to nothing: it is asked anew.
        with pytest.raises(RefusedError, match="64 clients"):
            client.status()
        client.close()


def test_whose_request_is_cut_off_reads_why(path: Path) -> None:
    def script(served: Served) -> None:
        assert served.sock.recv(8)
        served.say(refusal("too large"))

    with (
        ScriptedPeer(path, script),
        Client(path) as client,
        pytest.raises(RefusedError, match="too large"),
    ):
        client.load_state("/" + "x" * 10_000_000)


def test_a_connection_that_ended_meanwhile_is_made_again(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.say(ok("fine"))

    with ScriptedPeer(path, script, script), Client(path) as client:
        assert client.request(STATUS).message == "fine"
        assert client._socket is not None
        client._socket.setblocking(True)
        assert client._socket.recv(1, socket.MSG_PEEK) == b""  # The peer has closed.
        assert client.request(STATUS).message == "fine"


def test_what_was_not_read_to_its_end_is_left_behind(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.say(progress("a"))
        served.expect_end()

    def fine(served: Served) -> None:
        served.asked()
        served.say(ok("fine"))

    with ScriptedPeer(path, idle, script, fine), Client(path) as client:
        first = client.ask(STATUS)
        second = client.ask(STATUS)
        assert next(second).message == "a"
        with pytest.raises(BrokenChannelError, match="asked something else"):
            next(first)
        assert client.request(STATUS).message == "fine"


def test_answers_that_nobody_asked_for_are_left_behind(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.say(ok("fine"), ok("too much"))
        served.expect_end()

    def fine(served: Served) -> None:
        served.asked()
        served.say(ok("fine again"))

    with ScriptedPeer(path, script, fine), Client(path) as client:
        assert client.request(STATUS).message == "fine"
        assert client.request(STATUS).message == "fine again"


def test_events_that_are_refused(path: Path) -> None:
    def script(served: Served) -> None:
        served.asked()
        served.say(progress("no event"), refusal("no"))

    with (
        ScriptedPeer(path, script),
        Client(path) as client,
        pytest.raises(RefusedError, match="no"),
    ):
        next(client.events())


def test_workers_that_stay_behind_time_out(path: Path) -> None:
    with service_in_a_thread(path) as desk, Client(path) as client:
        desk.is_behind_for = 1_000_000
        desk.backends["a"] = "shop"
        with pytest.raises(TimedOutError):
            client.wait_for_workers(NOTICED)


def test_nobody_there_is_told_with_what_to_do(path: Path) -> None:
    with pytest.raises(UnreachableError, match=f"there is no command socket {path}: is sozutw"):
        Client(path).status()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with pytest.raises(UnreachableError, match="sozutw is not running; start it"):
        Client(path).status()
    path.unlink()
    path.touch()
    with pytest.raises(UnreachableError, match="is no socket"), Client(path):
        pass
    with pytest.raises(UnreachableError, match=r"too long for a socket: 300 bytes, where 107"):
        Client("x" * 300).connect()


def test_one_that_accepts_nobody_is_not_waited_for_for_ever(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as waiting:
        full.bind(str(path))
        full.listen(0)
        waiting.connect(str(path))
        with pytest.raises(UnreachableError, match="accepts nobody now"):
            Client(path, timeout=NOTICED).connect()


def test_a_batch_is_one_request(path: Path) -> None:
    requests = [written.add_cluster("a"), written.add_backend("a", "1", "unix:/run/a")]

    def script(served: Served) -> None:
        assert list(served.asked().batch.requests) == requests
        served.say(ok())

    with ScriptedPeer(path, script), Client(path) as client:
        client.batch(requests)


def test_it_needs_no_twisted() -> None:
    code = "import sys, sozutw.control.client; print([m for m in sys.modules if 'twisted' in m])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout == b"[]\n"
