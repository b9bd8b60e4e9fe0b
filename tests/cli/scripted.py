"""A command socket that answers what a test says, over real bytes; and `sozutw` called on it."""

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from sozutw.cli.main import main
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.channel import FrameReader, frame

DEADLINE = 10.0
"""Seconds; a guard only."""

OK = pb.Response(status=pb.OK, message="done")


class ScriptedProxy:
    """
    Answers each request with the next responses of its script, and keeps the requests.

    An empty script is answered with ``OK``; a list that ends in None ends the connection there.
    """

    def __init__(self, path: Path, *script: Sequence[pb.Response | None]) -> None:
        self.path = str(path)
        self.requests: list[pb.Request] = []
        self._script = list(script)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.path)
        self._listening.listen(5)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        Path(self.path).unlink()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client:
                client.settimeout(DEADLINE)
                self._converse(client)

    def _converse(self, client: socket.socket) -> None:
        reader = FrameReader(1 << 28)
        while data := client.recv(65536):
            reader.feed(data)
            while (message := reader.take()) is not None:
                self.requests.append(pb.Request.FromString(message))
                for response in self._script.pop(0) if self._script else [OK]:
                    if response is None:
                        return
                    client.sendall(frame(response.SerializeToString()))


@contextmanager
def scripted(folder: Path, *script: Sequence[pb.Response | None]) -> Iterator[ScriptedProxy]:
    """Serve a script on ``sozu.sock`` in a folder."""
    proxy = ScriptedProxy(folder / "sozu.sock", *script)
    try:
        yield proxy
    finally:
        proxy.close()


def call(*words: str) -> Result:
    """
    Call `sozutw`.

    Where the words name no proxy, they mean one that is not there: a command line that should be
    refused and is not ends with 3.
    """
    runner = CliRunner(env={"SOZUTW_SOCKET": "/nowhere/sozu.sock"})
    return runner.invoke(main, list(words), prog_name="sozutw")


def asked(folder: Path, *words: str) -> pb.Request:
    """Return the one request that a command sends; it must succeed."""
    with scripted(folder) as proxy:
        result = call("-s", proxy.path, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Success: done\n"
    assert result.stderr == ""
    (request,) = proxy.requests
    return request


def answered(folder: Path, response: pb.Response, *words: str) -> Result:
    """Return what a command does about an answer."""
    with scripted(folder, [response]) as proxy:
        return call("-s", proxy.path, *words)


def content(**fields: object) -> pb.Response:
    """Return an OK with a content."""
    held = pb.ResponseContent(**fields)  # type: ignore[arg-type]
    return pb.Response(status=pb.OK, message="Successfully asked", content=held)


def failure(message: str) -> pb.Response:
    """Return a FAILURE."""
    return pb.Response(status=pb.FAILURE, message=message)


def told_as_json(result: Result) -> object:
    """Return the JSON that was printed, and nothing else was."""
    assert result.stderr == ""
    return json.loads(result.stdout)


def address(number: int, port: int) -> pb.SocketAddress:
    """Return an IPv4 address."""
    return pb.SocketAddress(ip=pb.IpAddress(v4=number), port=port)


LOOPBACK = address(0x7F000001, 8080)
