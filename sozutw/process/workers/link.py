"""
The main process's end of a worker's channel: what is said goes out, and what comes is read.

It must not know what a worker is told, nor why.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from typing import Protocol as Port

from google.protobuf.message import DecodeError
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import CooperativeTask
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.control.proto import worker_pb2 as words
from sozutw.control.slowly import in_short_turns
from sozutw.process.workers.batch import Batch
from sozutw.wire.channel import FrameError, FrameReader, frame

MESSAGE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of a worker; ten thousand sessions take some 3 MiB."""

_log = Logger()


class LinkEnd(Port):
    """Who hears what comes of a channel."""

    def received(self, word: words.FromWorker) -> None:
        """The worker has said something."""

    def has_taken(self) -> None:
        """It was too slow for what it is told, and has taken all of it since."""

    def lost(self, why: str) -> None:
        """No more will come; called once, and never out of a call of ours."""


@implementer(IPushProducer)
class Link(Protocol):
    """
    Says words, and sends batches piece by piece as they are taken, each in its turn.

    A worker that cannot be understood is cut off. After ``cut`` nothing is heard of it any more
    but its loss.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, end: LinkEnd) -> None:
        self._clock = clock
        self._end = end
        self._reader = FrameReader(MESSAGE_BYTES_MAX)
        self._cooperator = in_short_turns(clock)
        self._batches: deque[Batch] = deque()
        self._task: CooperativeTask[Iterator[None]] | None = None
        self._is_paused = False
        self._is_cut = False
        self._is_over = False
        self.why = "its channel closed"
        """What is told of its loss."""

    @override
    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)

    def say(self, word: words.ToWorker) -> None:
        """Say one word, now; nothing if the channel is cut or lost."""
        if self.transport is not None and not self._is_cut:
            self.transport.write(frame(word.SerializeToString()))

    def send(self, batch: Batch) -> None:
        """Send orders, when those before have been sent; whoever calls holds the batch."""
        if self._is_cut or self._is_over:
            return
        self._batches.append(batch)
        if self._task is None:
            self._task = self._cooperator.cooperate(self._sending())
            if self._is_paused:
                self._task.pause()

    def is_sending(self, batch: Batch) -> bool:
        """Whether a part of it has not gone out yet."""
        return batch in self._batches

    def cut(self, why: str) -> None:
        """Hear no more of this worker, and let it hear no more."""
        if self._is_cut or self._is_over:
            return
        self._is_cut, self.why = True, why
        if self.transport is not None:
            self.transport.abortConnection()
        else:
            # It was never connected: nobody else would tell.
            self._clock.callLater(0, self._lose)

    def _sending(self) -> Iterator[None]:
        try:
            while self._batches:
                yield from self._pieces(self._batches[0])
        except Exception:  # noqa: BLE001  # nobody else drives this, and the worker waits
            _log.failure("a worker cannot be told what it is to do")
            self.cut("it could not be told its configuration; the log has more")
        self._task = None

    def _pieces(self, batch: Batch) -> Iterator[None]:
        index, is_last = 0, False
        while not is_last:
            message, sockets, is_last = batch.piece(index)
            for sock in sockets:
                self.transport.sendFileDescriptor(sock.fileno())
            self.transport.write(frame(message))
            index += 1
            if is_last:
                # Now, and not after the pause: the worker may say in it what came of the batch.
                self._batches.popleft()
            yield

    @override
    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while not self._is_cut and (message := self._reader.take()) is not None:
                self._end.received(words.FromWorker.FromString(message))
        except (FrameError, DecodeError) as error:
            self.cut(f"it cannot be understood: {error}")

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lose()

    def _lose(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._task is not None:
            self._task.stop()
            self._task = None
        self._batches.clear()
        self.transport = None
        self._end.lost(self.why)

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
            self._end.has_taken()

    def stopProducing(self) -> None:
        """It has gone."""
