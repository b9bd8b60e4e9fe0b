"""
The main process's end of a worker's channel: what is said goes out, and what comes is read.

It must not know what a worker is told, nor why.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import DecodeError
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import CooperativeTask
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.control.proto import worker_pb2 as words
from sozutw.control.slowly import in_short_turns
from sozutw.process.workers.batch import Batch
from sozutw.wire.channel import FrameError, FrameReader, frame

MESSAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of a worker; ten thousand sessions take some 3 MiB."""


@implementer(IPushProducer)
class Link(Protocol):
    """
    Says words, and sends batches piece by piece as they are taken, each in its turn.

    ``received`` hears each word of the worker, and ``lost`` once, with a reason, that no more
    will come. A worker that cannot be understood is cut off.
    """

    transport: Any

    def __init__(
        self,
        clock: IReactorTime,
        received: Callable[[words.FromWorker], None],
        lost: Callable[[str], None],
    ) -> None:
        self._received = received
        self._lost = lost
        self._reader = FrameReader(MESSAGE_BYTES_MAX)
        self._cooperator = in_short_turns(clock)
        self._batches: deque[Batch] = deque()
        self._task: CooperativeTask[Iterator[None]] | None = None
        self._is_paused = False
        self._why = "its channel closed"

    @override
    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)

    def say(self, word: words.ToWorker) -> None:
        """Say one word, now."""
        if self.transport is not None:
            self.transport.write(frame(word.SerializeToString()))

    def send(self, batch: Batch) -> None:
        """Send orders, when those before have been sent; whoever calls holds the batch."""
        self._batches.append(batch)
        if self._task is None:
            self._task = self._cooperator.cooperate(self._sending())
            if self._is_paused:
                self._task.pause()

    def cut(self, why: str) -> None:
        """Hear no more of this worker, and let it hear no more."""
        self._why = why
        if self.transport is not None:
            self.transport.abortConnection()

    def _sending(self) -> Iterator[None]:
        while self._batches:
            batch = self._batches.popleft()
            index = 0
            while (piece := batch.piece(index)) is not None:
                message, sockets = piece
                for sock in sockets:
                    self.transport.sendFileDescriptor(sock.fileno())
                self.transport.write(frame(message))
                index += 1
                yield
        self._task = None

    @override
    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (message := self._reader.take()) is not None:
                self._received(words.FromWorker.FromString(message))
        except (FrameError, DecodeError) as error:
            self.cut(f"it cannot be understood: {error}")

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._task is not None:
            self._task.stop()
            self._task = None
        self._batches.clear()
        self.transport = None
        self._lost(self._why)

    # What the transport calls.

    def pauseProducing(self) -> None:
        """It takes no more for now; said with each word that it does not take."""
        if not self._is_paused:
            self._is_paused = True
            if self._task is not None:
                self._task.pause()

    def resumeProducing(self) -> None:
        """It takes more."""
        if self._is_paused:
            self._is_paused = False
            if self._task is not None:
                self._task.resume()

    def stopProducing(self) -> None:
        """It has gone."""
