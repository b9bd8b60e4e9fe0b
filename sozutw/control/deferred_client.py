"""
Ask a running sozutw from a program that runs on Twisted: ``control.client`` with Deferreds.

::

    client = DeferredClient(reactor, "/run/sozutw.sock")
    await client.add_backend("shop", "shop-2", "10.0.0.7:8080")
    await client.wait_for_workers()
"""

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import DecodeError
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from sozutw.control.client import ANSWER_BYTES_MAX, SECONDS_BETWEEN_LOOKS, read_response
from sozutw.control.faults import (
    PATH_BYTES_MAX,
    BrokenChannelError,
    ClientError,
    RefusedError,
    TimedOutError,
    too_long,
    unreachable,
)
from sozutw.control.orders import Orders, behind
from sozutw.control.proto import command_pb2 as pb
from sozutw.wire.channel import FrameError, FrameReader, frame

_log = Logger()

CONNECT_SECONDS_MAX: Final = 10.0

OnProgress = Callable[[pb.Response], object]


class DeferredClient(Orders["Deferred[pb.Response]"]):
    """
    A connection to the command socket at ``path``, made when it is first needed.

    Requests are carried out one after the other. Each gives a Deferred of the OK, which fails
    with one of the errors of ``control.client``; cancelling it forgets the answer, not the
    request. ``timeout`` is as with ``control.client.Client``.
    """

    def __init__(
        self, reactor: Any, path: str | os.PathLike[str], timeout: float | None = 10.0
    ) -> None:
        self.path = os.fspath(path)
        self.timeout = timeout
        self._reactor = reactor
        self._asked: deque[_Asked] = deque()
        """The first is under way, if anything is."""
        self._channel: _Channel | None = None
        self._connecting: Deferred[_Channel] | None = None
        self._is_under_way = False
        self._timer: IDelayedCall | None = None

    def request(
        self, request: pb.Request, on_progress: OnProgress | None = None
    ) -> "Deferred[pb.Response]":
        """Have ``request`` carried out."""
        asked = _Asked(frame(request.SerializeToString()), on_progress, self._forget)
        self._asked.append(asked)
        self._go_on()
        return asked.answered

    @override
    def order(self, request: pb.Request) -> "Deferred[pb.Response]":
        return self.request(request)

    async def _status(self) -> list[pb.WorkerInfo]:
        answer = await self.request(pb.Request(status=pb.Status()))
        return list(answer.content.workers.vec)

    def status(self) -> "Deferred[list[pb.WorkerInfo]]":
        """Return the workers, and how each is."""
        return Deferred.fromCoroutine(self._status())

    def explain(
        self, url: str, *, method: str = "GET", headers: tuple[str, ...] = (), source: str = ""
    ) -> "Deferred[pb.Explanation]":
        """Return what would become of an HTTP request, and why."""
        question = pb.Explain(url=url, method=method, headers=headers, source=source or None)
        answered = self.request(pb.Request(explain=question))
        return answered.addCallback(lambda answer: answer.content.explanation)

    def events(self, told: Callable[[str, pb.Event], object]) -> "Deferred[None]":
        """
        Call ``told`` for each event, with who says it, over a connection of its own.

        Cancel the Deferred to end it; it fails when the connection ends.
        """
        own = DeferredClient(self._reactor, self.path, None)

        def progressed(response: pb.Response) -> None:
            if response.content.HasField("event"):
                told(response.message, response.content.event)

        def ended(result: Any) -> Any:
            own.close()
            return result

        subscription = pb.Request(subscribe_events=pb.SubscribeEvents())
        return own.request(subscription, progressed).addBoth(ended).addCallback(lambda _: None)

    def wait_for_workers(self, timeout: float | None = None) -> "Deferred[None]":
        """Wait as ``control.client.Client.wait_for_workers`` does."""
        seconds = self.timeout if timeout is None else timeout
        return Deferred.fromCoroutine(self._wait_for_workers(seconds))

    def close(self) -> None:
        """Leave; what was asked goes on without us, and what was not yet sent is dropped."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._drop()
        self._fail_all(BrokenChannelError(self.path, "the client was closed"))

    async def _wait_for_workers(self, seconds: float | None) -> None:
        began = self._reactor.seconds()
        hashes = pb.Request(query_clusters_hashes=pb.QueryClustersHashes())
        while behind(await self.request(hashes)):
            if seconds is not None and self._reactor.seconds() - began >= seconds:
                raise TimedOutError(self.path, seconds)
            await deferLater(self._reactor, SECONDS_BETWEEN_LOOKS)

    def _go_on(self) -> None:
        if not self._asked or self._is_under_way or self._connecting is not None:
            return
        if self._channel is None:
            self._connect()
            return
        self._is_under_way = True
        self._channel.send(self._asked[0].data)
        self._set_timer()

    def _connect(self) -> None:
        if len(os.fsencode(self.path)) > PATH_BYTES_MAX:
            self._fail_all(too_long(self.path))
            return
        seconds = CONNECT_SECONDS_MAX if self.timeout is None else self.timeout
        endpoint = UNIXClientEndpoint(self._reactor, self.path, seconds)
        # Held before it can fire: a connection may fail at once.
        self._connecting = Deferred(lambda _: connecting.cancel())
        self._connecting.addCallbacks(self._connected, self._not_connected)
        connecting = endpoint.connect(Factory.forProtocol(lambda: _Channel(self)))
        connecting.addCallbacks(self._connecting.callback, self._connecting.errback)

    def _connected(self, channel: "_Channel") -> None:
        self._connecting = None
        self._channel = channel
        self._go_on()

    def _not_connected(self, reason: Failure) -> None:
        self._connecting = None
        number = getattr(reason.value, "osError", None) or errno.ETIMEDOUT
        self._fail_all(unreachable(self.path, number))

    def responded(self, channel: "_Channel", response: pb.Response) -> None:
        """The server said something."""
        if channel is not self._channel:
            return
        if not self._is_under_way:
            # Nobody asked: what comes next could be taken for an answer to something else.
            self._drop()
            return
        if response.status != pb.PROCESSING:
            self._end(response)
            return
        self._set_timer()
        on_progress = self._asked[0].on_progress
        if on_progress is not None:
            try:
                on_progress(response)
            except Exception:  # noqa: BLE001  # not the conversation's fault
                _log.failure("what was told of progress failed")

    def lost(self, channel: "_Channel", why: str) -> None:
        """The connection is of no use any more."""
        if channel is not self._channel:
            return
        self._drop()
        if self._is_under_way:
            self._end(BrokenChannelError(self.path, why))

    def _timed_out(self, seconds: float) -> None:
        self._timer = None
        self._drop()
        self._end(TimedOutError(self.path, seconds))

    def _end(self, result: pb.Response | ClientError) -> None:
        self._is_under_way = False
        self._cancel_timer()
        asked = self._asked.popleft()
        if isinstance(result, pb.Response):
            asked.finish(result)
        else:
            asked.answered.errback(result)
        self._go_on()

    def _forget(self, asked: "_Asked") -> None:
        """Nobody waits for this answer any more."""
        if self._is_under_way and self._asked[0] is asked:
            # Its answer would be taken for the next one's.
            self._is_under_way = False
            self._cancel_timer()
            self._drop()
        if asked in self._asked:
            self._asked.remove(asked)
        self._go_on()

    def _fail_all(self, fault: ClientError) -> None:
        self._is_under_way = False
        self._cancel_timer()
        failed, self._asked = self._asked, deque()
        for asked in failed:
            asked.answered.errback(fault)

    def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.leave()

    def _set_timer(self) -> None:
        self._cancel_timer()
        if self.timeout is not None:
            self._timer = self._reactor.callLater(self.timeout, self._timed_out, self.timeout)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Asked:
    """One request, until it is answered."""

    def __init__(
        self, data: bytes, on_progress: OnProgress | None, forget: "Callable[[_Asked], None]"
    ) -> None:
        self.data = data
        self.on_progress = on_progress
        self.answered: Deferred[pb.Response] = Deferred(lambda _: forget(self))

    def finish(self, response: pb.Response) -> None:
        """It has its last response."""
        if response.status == pb.OK:
            self.answered.callback(response)
        else:
            self.answered.errback(RefusedError(response.message, response))


class _Channel(Protocol):
    """The connection itself."""

    transport: Any

    def __init__(self, client: DeferredClient) -> None:
        self._client = client
        self._reader = FrameReader(ANSWER_BYTES_MAX)

    def send(self, data: bytes) -> None:
        """Send a request."""
        self.transport.write(data)

    def leave(self) -> None:
        """End the connection; nothing is reported any more."""
        self.transport.abortConnection()

    @override
    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (message := self._reader.take()) is not None:
                self._client.responded(self, read_response(message))
        except (FrameError, DecodeError) as fault:
            self._client.lost(self, f"this is no answer: {fault}")

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.lost(self, "sozutw closed it")
