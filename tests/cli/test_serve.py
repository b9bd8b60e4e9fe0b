"""A proxy without a file: what is given is what is served."""

from pathlib import Path

from tests.e2e.harness import BIN, Backend, Process, ReservedPort, connect


def test_requests_reach_each_backend_in_turn(tmp_path: Path) -> None:
    reserved = ReservedPort()
    with Backend(name="one") as one, Backend(name="two") as two:
        arguments = ["--listen", str(reserved), "--to", f"localhost:{one.port}", "--to", str(two)]
        with Process([BIN / "sozutw", "serve", *arguments], tmp_path) as process:
            process.wait_for_port(reserved.port)
            with connect(reserved.port) as client:
                for backend in (one, two):
                    client.send(b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n")
                    peer = backend.accept()
                    assert peer.receive_until(b"\r\n\r\n").startswith(b"GET / HTTP/1.1\r\n")
                    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                    assert client.receive_message()[1] == b"hi"
            process.wait_for_text(f"http://{reserved} -> ")
            assert process.stop() == 0
    reserved.close()


def test_an_address_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    arguments = ["--listen", "8080", "--to", "localhost:80000"]
    with Process([BIN / "sozutw", "serve", *arguments], tmp_path) as process:
        assert process.wait() == 2
        assert "80000" in process.stderr()
        assert "Traceback" not in process.said()
