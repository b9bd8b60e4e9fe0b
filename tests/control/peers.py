"""What the tests of both clients have at the other end."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from twisted.internet.defer import Deferred, succeed

from sozutw.control.channel.server import CommandService
from sozutw.control.desk import Actor, Tell
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.channel import FrameReader, frame
from tests.fakes.loops import HandRunLoop, loop_named

SECONDS_MAX = 10.0


def ok(text: str = "done") -> pb.Response:
    return pb.Response(status=pb.OK, message=text)


def progress(text: str) -> pb.Response:
    return pb.Response(status=pb.PROCESSING, message=text)


def refusal(text: str) -> pb.Response:
    return pb.Response(status=pb.FAILURE, message=text)


def framed(response: pb.Response) -> bytes:
    return frame(response.SerializeToString())


class Served:
    """One connection, at a scripted peer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(SECONDS_MAX)
        self._reader = FrameReader(10_000_000)

    def asked(self) -> pb.Request:
        while (message := self._reader.take()) is None:
            data = self.sock.recv(65536)
            assert data, "the client left"
            self._reader.feed(data)
        return pb.Request.FromString(message)

    def say(self, *responses: pb.Response) -> None:
        self.sock.sendall(b"".join(map(framed, responses)))

    def expect_nothing(self) -> None:
        """Nothing has come up to now."""
        self.sock.setblocking(False)
        try:
            data = self.sock.recv(1)
        except BlockingIOError:
            return
        finally:
            self.sock.settimeout(SECONDS_MAX)
        raise AssertionError(f"{data!r} came")

    def expect_end(self) -> None:
        with suppress(ConnectionResetError):
            assert self.sock.recv(1) == b""


class ScriptedPeer:
    """Listens in a thread, and plays one script for each connection; if one fails, so does this."""

    def __init__(self, path: Path, *scripts: Callable[[Served], object]) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(SECONDS_MAX)
        self._sock.bind(str(path))
        self._sock.listen()
        self._scripts = scripts
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._play)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.join()
        if self._fault is not None and error is None:
            raise self._fault

    def _play(self) -> None:
        try:
            with self._sock:
                for script in self._scripts:
                    sock, _ = self._sock.accept()
                    with sock:
                        script(Served(sock))
        except BaseException as fault:  # noqa: BLE001  # told by the test
            self._fault = fault


class RealDesk:
    """Keeps a set of backends; its worker learns of each a few questions later."""

    def __init__(self) -> None:
        self.backends: dict[str, str] = {}
        self.is_behind_for = 2
        self.tells: list[Tell] = []
        self.cancelled = 0

    def turned_away(self, message: bytes, actor: Actor, refusal: pb.Response) -> None:
        """Not noted here."""

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        verb = request.WhichOneof("request_type")
        if verb == "add_backend":
            tell(progress("Processing worker request..."))
            self.backends[request.add_backend.backend_id] = request.add_backend.cluster_id
            return succeed(ok("added"))
        if verb == "query_clusters_hashes":
            answer = ok("hashes")
            said = answer.content.worker_responses.map
            said["main"].cluster_hashes.map["shop"] = len(self.backends)
            said["0"].cluster_hashes.map["shop"] = len(self.backends) - bool(self.is_behind_for)
            self.is_behind_for = max(0, self.is_behind_for - 1)
            return succeed(answer)
        if verb == "status":
            answer = ok("status")
            answer.content.workers.vec.add(id=0, pid=42, run_state=pb.RUNNING)
            return succeed(answer)
        if verb == "explain":
            answer = ok("explained")
            answer.content.explanation.steps.add(kind="listener", because=request.explain.url)
            return succeed(answer)
        if verb == "subscribe_events":
            self.tells.append(tell)
            return Deferred(self._cancel)
        return succeed(refusal(f"no {verb} here"))

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    def tell_event(self) -> None:
        event = progress("main")
        event.content.event.kind = pb.BACKEND_UP
        for tell in self.tells:
            tell(event)


class RealService:
    """The real service on a loop of its own."""

    def __init__(self, loop: HandRunLoop, path: Path) -> None:
        self.loop = loop
        self.desk = RealDesk()
        self.service = CommandService(loop.reactor, str(path), self.desk)
        self.service.startService()

    def stop(self) -> None:
        done: list[None] = []
        self.service.stopService().addCallback(done.append)
        self.loop.run_until(lambda: done)
        self.loop.settle()


@contextmanager
def service_in_a_thread(path: Path) -> Iterator[RealDesk]:
    """Run the real service beside the test, which may block."""
    has_begun, is_over = threading.Event(), threading.Event()
    desks: list[RealDesk] = []

    def run() -> None:
        with loop_named("direct") as loop:
            real = RealService(loop, path)
            desks.append(real.desk)
            has_begun.set()
            while not is_over.is_set():
                loop.turn(0.01)
                real.desk.tell_event()
            real.stop()

    thread = threading.Thread(target=run)
    thread.start()
    assert has_begun.wait(SECONDS_MAX)
    try:
        yield desks[0]
    finally:
        is_over.set()
        thread.join()
