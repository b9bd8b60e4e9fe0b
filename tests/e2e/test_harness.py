"""The harness must tell the truth before anything tested with it can."""

import signal
import sys
import textwrap
from pathlib import Path

import pytest

from tests.e2e.harness import Backend, Process, ReservedPort, connect, is_refused, wait_until

LISTEN_AND_WAIT = textwrap.dedent(
    """
    import signal, socket, sys
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", int(sys.argv[1])))
    sock.listen()
    print("listening")
    signal.sigwait([signal.SIGTERM])
    sys.exit(3)
    """
)


def python(folder: Path, text: str, *more: str) -> Process:
    return Process([sys.executable, "-c", text, *more], folder)


def test_a_process_is_awaited_counted_frozen_and_stopped(tmp_path: Path) -> None:
    reserved = ReservedPort()
    assert is_refused(reserved.port)
    with python(
        tmp_path,
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [15])\n" + LISTEN_AND_WAIT,
        str(reserved.port),
    ) as process:
        process.wait_for_port(reserved.port)
        process.wait_for_text("listening")
        assert process.count_descriptors() >= 4
        assert process.resident_bytes() > 1_000_000
        assert process.cpu_seconds() >= 0.0
        process.freeze()
        process.signal(signal.SIGTERM)
        assert process.status is None
        process.thaw()
        assert process.wait() == 3
    reserved.close()


def test_a_process_that_ends_early_is_reported_with_what_it_said(tmp_path: Path) -> None:
    with (
        python(tmp_path, "import sys; sys.exit('out of paper')") as process,
        pytest.raises(AssertionError, match="out of paper"),
    ):
        process.wait_for_port(1)


def test_a_process_that_does_not_stop_misses_its_deadline(tmp_path: Path) -> None:
    text = "import signal\nsignal.pthread_sigmask(0, [15])\nprint('deaf')\nsignal.sigwait([10])"
    with python(tmp_path, text) as process:
        process.wait_for_text("deaf")
        with pytest.raises(AssertionError, match="the end of the process"):
            process.stop(0.2)
    assert process.status == -signal.SIGKILL


def test_peers_speak_in_step(tmp_path: Path) -> None:
    with Backend() as backend, connect(backend.port) as client:
        server = backend.accept()
        client.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nrest"
        )
        head, body = server.receive_message()
        assert head.startswith(b"HTTP/1.1 200")
        assert body == b"abc"
        assert server.receive_exactly(4) == b"rest"
        server.expect_silence(0.05)
        client.half_close()
        server.expect_end()
        server.send(b"late")
        server.close()
        assert client.receive_rest() == b"late"


def test_a_missed_deadline_says_what_was_awaited() -> None:
    with Backend(name="tortoise") as backend, connect(backend.port) as client:
        backend.accept()
        with pytest.raises(AssertionError, match="client: b'hare'"):
            client.receive_until(b"hare", 0.05)
        with pytest.raises(AssertionError, match="tortoise: a connection"):
            backend.accept(0.05)
        with pytest.raises(AssertionError, match="pigs fly"):
            wait_until(lambda: False, "pigs fly", 0.05)


def test_a_backend_refuses_and_listens_again_on_its_port() -> None:
    with Backend() as backend:
        backend.stop_listening()
        assert is_refused(backend.port)
        backend.listen_again()
        with connect(backend.port):
            backend.accept()


def test_a_reset_is_an_end() -> None:
    with Backend() as backend, connect(backend.port) as client:
        backend.accept().reset()
        assert client.receive_rest() == b""
