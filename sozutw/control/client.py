"""
Ask a running sozutw for changes and for what it knows.

Three lines add a backend, and one more waits until all workers have it::

    from sozutw.control.client import Client

    with Client("/run/sozutw.sock") as client:
        client.add_backend("shop", "shop-2", "10.0.0.7:8080")
        client.wait_for_workers()

It blocks, and knows nothing of Twisted; ``control.deferred_client`` has the same with Deferreds.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from select import POLLIN, poll
from types import TracebackType
from typing import Final, Self

from google.protobuf.message import DecodeError
from typing_extensions import override

from sozutw.control.faults import (
    PATH_BYTES_MAX,
    BrokenChannelError,
    ClientError,
    RefusedError,
    TimedOutError,
    UnreachableError,
    too_long,
    unreachable,
)
from sozutw.control.orders import Orders, address_message, behind, written
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.channel import FrameError, FrameReader, frame

__all__ = [
    "BrokenChannelError",
    "Client",
    "ClientError",
    "RefusedError",
    "TimedOutError",
    "UnreachableError",
    "address_message",
    "written",
]

ANSWER_BYTES_MAX: Final = 1 << 28
"""How large an answer may be; what the server may send, its ``max_command_buffer_size`` says."""

SECONDS_BETWEEN_LOOKS: Final = 0.05


class Client(Orders[pb.Response]):
    """
    A connection to the command socket at ``path``, made when it is first needed.

    ``timeout`` is for how many seconds the server may say nothing, None for ever; word of progress
    counts as something. After TimedOutError or BrokenChannelError, and after an iterator that was
    not read to its end, the next request goes over a new connection. Not for several threads.
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float | None = 10.0) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self._socket: socket.socket | None = None
        self._reader = FrameReader(ANSWER_BYTES_MAX)
        self._is_under_way = False
        """The answer to the last request has not been read to its end."""

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, if there is no connection yet; raises UnreachableError."""
        if self._socket is not None and not self._is_out_of_step():
            return
        self.close()
        if len(os.fsencode(self.path)) > PATH_BYTES_MAX:
            raise too_long(self.path)
        sock = socket.socket(socket.AF_UNIX)
        if self.timeout is not None:
            # Connecting waits only while the other side's queue is full; without this for ever.
            seconds = max(self.timeout, 0.001)
            limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        try:
            sock.connect(self.path)
        except OSError as fault:
            sock.close()
            raise unreachable(self.path, fault.errno or errno.EINVAL) from fault
        self._socket = sock
        self._reader = FrameReader(ANSWER_BYTES_MAX)

    def close(self) -> None:
        """Leave; what was asked goes on without us."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._is_under_way = False

    def ask(self, request: pb.Request) -> Iterator[pb.Response]:
        """
        Send ``request``, and return its responses: any number of PROCESSING, then OK or FAILURE.

        It is sent at once. A FAILURE is returned, not raised.
        """
        return self._asked(request, self.timeout)

    def request(
        self, request: pb.Request, on_progress: Callable[[pb.Response], object] | None = None
    ) -> pb.Response:
        """Have ``request`` carried out, and return the OK; raises RefusedError for a FAILURE."""
        response = None
        for response in self.ask(request):
            if response.status == pb.PROCESSING and on_progress is not None:
                on_progress(response)
        assert response is not None, "the last is OK or FAILURE"
        if response.status != pb.OK:
            raise RefusedError(response.message, response)
        return response

    @override
    def order(self, request: pb.Request) -> pb.Response:
        return self.request(request)

    def status(self) -> list[pb.WorkerInfo]:
        """Return the workers, and how each is."""
        return list(self.request(pb.Request(status=pb.Status())).content.workers.vec)

    def explain(
        self, url: str, *, method: str = "GET", headers: tuple[str, ...] = (), source: str = ""
    ) -> pb.Explanation:
        """Return what would become of an HTTP request, and why."""
        question = pb.Explain(url=url, method=method, headers=headers, source=source or None)
        return self.request(pb.Request(explain=question)).content.explanation

    def events(self) -> Iterator[tuple[str, pb.Event]]:
        """
        Tell of each thing that happens from now on, with who says it: ``main`` or a worker's id.

        It waits for ever. Closing the iterator, or asking for something else, ends it.
        """
        subscription = pb.Request(subscribe_events=pb.SubscribeEvents())
        return self._events(self._asked(subscription, None))

    def wait_for_workers(self, timeout: float | None = None) -> None:
        """
        Wait until every worker has the clusters, frontends and backends that the main process has.

        Raises TimedOutError after ``timeout`` seconds, or the client's.
        """
        deadline = _Deadline(self.path, self.timeout if timeout is None else timeout)
        hashes = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())
        while behind(self.request(hashes)):
            if deadline.seconds_left == 0:
                raise deadline.missed()
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _events(self, responses: Iterator[pb.Response]) -> Iterator[tuple[str, pb.Event]]:
        for response in responses:
            if response.status == pb.FAILURE:
                raise RefusedError(response.message, response)
            if response.content.HasField("event"):
                yield response.message, response.content.event

    def _asked(self, request: pb.Request, seconds: float | None) -> Iterator[pb.Response]:
        message = frame(request.SerializeToString())
        self.connect()
        assert self._socket is not None
        self._is_under_way = True
        deadline = _Deadline(self.path, seconds)
        try:
            self._socket.settimeout(deadline.seconds_left)
            self._socket.sendall(message)
        except TimeoutError:
            self.close()
            raise deadline.missed() from None
        except OSError:
            # Ended by the other side, which may have said why: that is read next.
            pass
        return self._responses(self._socket, seconds)

    def _responses(self, sock: socket.socket, seconds: float | None) -> Iterator[pb.Response]:
        is_last = False
        try:
            while not is_last:
                if sock is not self._socket:
                    raise BrokenChannelError(self.path, "it was closed, or asked something else")
                message = self._message(sock, _Deadline(self.path, seconds))
                response = read_response(message)
                is_last = response.status != pb.PROCESSING
                self._is_under_way = not is_last
                yield response
        except (FrameError, DecodeError) as fault:
            raise BrokenChannelError(self.path, f"this is no answer: {fault}") from fault
        finally:
            if not is_last and sock is self._socket:
                self.close()

    def _message(self, sock: socket.socket, deadline: "_Deadline") -> bytes:
        while (message := self._reader.take()) is None:
            try:
                sock.settimeout(deadline.seconds_left)
                data = sock.recv(65536)
            except (TimeoutError, BlockingIOError):
                raise deadline.missed() from None
            except OSError as fault:
                raise BrokenChannelError(self.path, str(fault)) from fault
            if not data:
                raise BrokenChannelError(self.path, "sozutw closed it")
            self._reader.feed(data)
        return message

    def _is_out_of_step(self) -> bool:
        """Tell whether what comes next on the connection cannot be the next request's answer."""
        if self._is_under_way or len(self._reader):
            return True
        assert self._socket is not None
        asked = poll()
        asked.register(self._socket, POLLIN)
        return bool(asked.poll(0))


def read_response(message: bytes) -> pb.Response:
    """Return the response in ``message``; raises DecodeError."""
    response = pb.Response.FromString(message)
    if not response.IsInitialized():
        raise DecodeError("its status or its text is missing")
    return response


class _Deadline:
    """A moment; or never."""

    def __init__(self, path: str, seconds: float | None) -> None:
        self._path = path
        self._seconds = seconds
        self._until = None if seconds is None else time.monotonic() + seconds

    @property
    def seconds_left(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def missed(self) -> TimedOutError:
        assert self._seconds is not None
        return TimedOutError(self._path, self._seconds)
